//! Trials as runs of this very program: `gate GATE` with words for the tool behind `--`, under pressure, with other variables. Every
//! trial is a run with a journal; the history leaves them out, since what was provoked says nothing of the rate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::sync::mpsc::UnboundedReceiver;

use super::pressure::Pressure;
use super::{Lab, Order, Shown, Stop, Trial, shuffled};
use crate::journal;
use crate::model::{CancelCause, Tool};
use crate::process::spawn::{self, Spec};
use crate::record::Record;
use crate::report::{Proof, load};
use crate::rundir::GatesDir;
use crate::text::shell_word;

/// Between two looks at a trial.
const LOOK: Duration = Duration::from_millis(20);
/// Longest list of cases on a command line; a longer one goes through a file.
const WORDS: usize = 60_000;

/// A gate in which flakes are provoked.
pub struct GateLab {
    /// Gate.
    pub gate: String,
    /// The tool of its last step.
    pub tool: Option<Tool>,
    /// Words of the caller for every trial.
    pub extra: Vec<String>,
    /// Repository.
    pub root: PathBuf,
    /// The manifest.
    pub manifest: PathBuf,
    /// `.gates/` of it.
    pub gates: GatesDir,
    /// This program.
    pub xtask: PathBuf,
    /// The caller's environment.
    pub env: BTreeMap<String, String>,
    /// When its time is over.
    pub until: Instant,
    /// Requests to stop.
    pub stop: UnboundedReceiver<CancelCause>,
    /// Where it talks.
    pub tell: fn(&str),
    /// Cases in the order of the gate as it is.
    pub cases: Vec<String>,
    /// Trials so far.
    pub trials: u32,
}

impl Lab for GateLab {
    fn run(&mut self, trial: &Trial) -> Result<Shown, Stop> {
        if Instant::now() >= self.until {
            return Err(Stop::Time);
        }
        self.trials += 1;
        let token = format!("hunt-{}-{}", std::process::id(), self.trials);
        let folder = self.gates.scratch(&token);
        std::fs::create_dir_all(&folder).map_err(|cause| Stop::Failed(format!("failed to create {}: {cause}", folder.display())))?;
        let order = self.words(&trial.order, &folder)?;
        let shown = self.run_in(trial, &token, &order, &folder);
        std::fs::remove_dir_all(&folder).ok();
        let shown = shown?;
        if trial.order == Order::AsIs && self.cases.is_empty() {
            self.cases = shown.cases.iter().map(|(case, _, _)| case.clone()).collect();
        }
        Ok(shown)
    }

    fn can_order(&self) -> bool {
        matches!(self.tool, Some(Tool::Pytest | Tool::Vitest))
    }

    fn shuffles_itself(&self) -> bool {
        self.tool == Some(Tool::Vitest)
    }

    fn say(&mut self, text: &str) {
        (self.tell)(text);
    }
}

impl GateLab {
    fn run_in(&mut self, trial: &Trial, token: &str, order: &[String], folder: &Path) -> Result<Shown, Stop> {
        let word = |text: &str| text.to_owned();
        let mut args = vec![word("--manifest"), self.manifest.display().to_string(), word("gate"), self.gate.clone(), word("--alone")];
        args.extend([word("--provoked"), token.to_owned(), word("--runs"), trial.runs.to_string(), word("--output"), word("quiet")]);
        let behind: Vec<String> = order.iter().chain(&self.extra).cloned().collect();
        if !behind.is_empty() {
            args.push(word("--"));
            args.extend(behind);
        }
        let mut env = self.env.clone();
        env.extend(trial.variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let spec = Spec { exe: self.xtask.clone(), args, env, cwd: self.root.clone(), user: None };
        let _pressure = Pressure::start(trial.cpu, trial.io, &self.xtask, folder).map_err(Stop::Failed)?;
        self.wait(&spec)?;
        self.read(token)
    }

    /// Waits for the run; whoever stops the hunt stops it too.
    fn wait(&mut self, spec: &Spec) -> Result<(), Stop> {
        let failed = |cause: std::io::Error| Stop::Failed(format!("failed to run `{}`: {cause}", spec.exe.display()));
        let mut child = spawn::start(spec, Stdio::null(), Stdio::null()).map_err(failed)?;
        let mut cancelled = false;
        while child.try_wait().map_err(failed)?.is_none() {
            if !cancelled && self.stop.try_recv().is_ok() {
                cancelled = true;
                spawn::signal_one(spawn::pid_of(&child), Signal::TERM);
            }
            std::thread::sleep(LOOK);
        }
        if cancelled { Err(Stop::Cancelled) } else { Ok(()) }
    }

    /// The newest run with the trial's token.
    fn read(&self, token: &str) -> Result<Shown, Stop> {
        for id in self.gates.run_ids().into_iter().rev().take(20) {
            let folder = self.gates.run(&id);
            let Ok(readout) = journal::read(&folder.journal()) else { continue };
            let mut record = Record::of(&readout.events);
            if !record.head.argv.iter().any(|word| word == token) {
                continue;
            }
            if let Some((_, problems)) = &record.refused {
                return Err(Stop::Failed(problems.join("\n")));
            }
            let cases = load(&mut record, &folder, Proof::Size);
            let own = cases.gates.get(&self.gate).map(|own| own.cases.as_slice()).unwrap_or_default();
            return Ok(Shown { cases: own.iter().map(|case| (case.name.to_string(), case.red(), case.ran())).collect() });
        }
        Err(Stop::Failed("a trial left no journal".to_owned()))
    }

    /// Words behind `--` that make an order.
    fn words(&self, order: &Order, folder: &Path) -> Result<Vec<String>, Stop> {
        match (self.tool, order) {
            (Some(Tool::Pytest), Order::Seed(seed)) => Self::listed(&shuffled(self.node_ids(&self.cases), *seed), folder),
            (Some(Tool::Pytest), Order::Only(names, _)) => Self::listed(&self.node_ids(names), folder),
            (Some(Tool::Vitest), Order::Seed(seed)) => Ok(vitest_seed(*seed)),
            (Some(Tool::Vitest), Order::Only(names, seed)) => Ok([vitest_seed(*seed), vitest_only(names)].concat()),
            _ => Ok(Vec::new()),
        }
    }

    /// Printed names of pytest are its node ids; what stands for the gate itself is none.
    fn node_ids(&self, names: &[String]) -> Vec<String> {
        names.iter().filter(|name| name.contains("::") && **name != self.gate).cloned().collect()
    }

    /// A plugin that shuffles by itself would undo the order.
    fn listed(names: &[String], folder: &Path) -> Result<Vec<String>, Stop> {
        let mut words = vec!["-p".to_owned(), "no:randomly".to_owned()];
        if names.iter().map(|name| name.len() + 1).sum::<usize>() < WORDS {
            words.extend(names.iter().cloned());
        } else {
            let file = folder.join("order.txt");
            let text = names.join("\n");
            crate::rundir::write_atomic(&file, text.as_bytes()).map_err(|cause| Stop::Failed(format!("failed to write {}: {cause}", file.display())))?;
            words.push(format!("@{}", file.display()));
        }
        Ok(words)
    }

    /// Words for a person that run some cases in one order.
    pub fn repro(&self, names: &[String], seed: u32) -> String {
        let words = match self.tool {
            Some(Tool::Pytest) => ["-p".to_owned(), "no:randomly".to_owned()].into_iter().chain(self.node_ids(names)).collect(),
            Some(Tool::Vitest) => [vitest_seed(seed), vitest_only(names)].concat(),
            _ => Vec::new(),
        };
        words.iter().chain(&self.extra).map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
    }
}

fn vitest_seed(seed: u32) -> Vec<String> {
    vec!["--sequence.shuffle.tests".to_owned(), format!("--sequence.seed={seed}")]
}

/// The file, and a pattern of the full names, in which vitest puts a space between the parts.
fn vitest_only(names: &[String]) -> Vec<String> {
    let parts = |name: &String| name.split_once(" > ").map(|(file, name)| (file.to_owned(), name.replace(" > ", " ")));
    let parts: Vec<(String, String)> = names.iter().filter_map(parts).collect();
    let mut files: Vec<String> = parts.iter().map(|(file, _)| file.clone()).collect();
    files.dedup();
    let escaped = |text: &str| text.chars().flat_map(|c| if "\\^$.|?*+()[]{}/".contains(c) { vec!['\\', c] } else { vec![c] }).collect::<String>();
    let names: Vec<String> = parts.iter().map(|(_, name)| escaped(name)).collect();
    files.into_iter().chain(["-t".to_owned(), format!("^({})$", names.join("|"))]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_cases_exactly() {
        let names = ["src/a.test.ts > d > one (1)".to_owned(), "src/a.test.ts > two".to_owned()];
        assert_eq!(vitest_only(&names), ["src/a.test.ts", "-t", "^(d one \\(1\\)|two)$"]);
    }
}
