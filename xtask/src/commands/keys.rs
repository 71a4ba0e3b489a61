//! What a person asks for while gates run: Enter for what runs now with its last lines, `t` and Enter for the processes too.

use std::io::BufRead as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::mask::Mask;
use crate::model::{FileRef, JobId};
use crate::process::tree;
use crate::record::Record;
use crate::rundir::RunDir;
use crate::text::{millis, strip_ansi};
use crate::ui::outlook;

/// Last lines of a log that are shown.
const LINES: usize = 3;

/// What was asked for and not answered yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys(Arc<AtomicU8>);

/// A wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// What runs now.
    Running,
    /// The same with processes.
    Processes,
}

impl Keys {
    /// Listens to the guard, which hands on what is typed; without a person there is nothing to hear.
    pub(super) fn listen() -> Self {
        let keys = Self::default();
        let told = keys.clone();
        let listening = std::thread::Builder::new().name("keys".to_owned()).spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                told.0.store(if line.trim() == "t" { 2 } else { 1 }, Ordering::Relaxed);
            }
        });
        drop(listening); // without the thread nobody is heard, and the run is the same
        keys
    }

    /// The newest wish, once.
    pub(super) fn take(&self) -> Option<Wish> {
        match self.0.swap(0, Ordering::Relaxed) {
            0 => None,
            2 => Some(Wish::Processes),
            _ => Some(Wish::Running),
        }
    }
}

/// What runs at a moment, in lines.
pub(super) fn snapshot(record: &Record, run: &RunDir, mask: &Mask, now: u64, wish: Wish) -> Vec<String> {
    let mut lines = vec![format!(" -- after {}: {}/{} gates over", millis(now), record.finished(), record.head.gates.len())];
    for (gate, since) in outlook::running(record) {
        let about = record.planned(&gate).and_then(outlook::expected).map(|took| format!(" of about {}", millis(took))).unwrap_or_default();
        lines.push(format!("    {gate}  {}{about}", millis(now.saturating_sub(since))));
        let job = record.jobs.iter().filter(|(id, job)| id.gate == gate && !job.facts.complete && job.started.is_some()).map(|(id, _)| id).next_back();
        lines.extend(job.into_iter().flat_map(|job| last_lines(run, job)).map(|line| format!("      | {line}")));
    }
    lines.extend(outlook::waiting(record).into_iter().map(|(gate, lock, holder)| format!("    {gate}  waits for {lock} of {holder}")));
    if wish == Wish::Processes {
        let own = i32::try_from(std::process::id()).unwrap_or_default();
        lines.extend(tree::shown(own, mask).into_iter().skip(1).map(|process| format!("      {process}")));
    }
    lines
}

fn last_lines(run: &RunDir, job: &JobId) -> Vec<String> {
    let path = RunDir::log_name(job);
    let size = std::fs::metadata(run.file(&path)).map_or(0, |found| found.len());
    let end = run.end_of(&FileRef { path, size, digest: String::new() });
    let lines: Vec<&str> = end.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].iter().map(|line| strip_ansi(line)).collect()
}
