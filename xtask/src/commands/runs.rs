//! `runs`: the runs on disk, and their pruning.

use anyhow::Context as _;

use super::{print, repository, say};
use crate::cli::{Place, RunsCommand};
use crate::history::{self, Past, bytes_below};
use crate::model::{Exit, RERUN};
use crate::rundir::short;
use crate::text::{millis, plural, size};

pub(super) fn run(place: &Place, command: Option<&RunsCommand>) -> anyhow::Result<Exit> {
    let repository = repository(place)?;
    match command {
        None => {
            let runs: Vec<Past> = history::runs(&repository.gates).collect();
            let shown = |past: &Past| line(past, bytes_below(repository.gates.run(&past.id).path()), past.id == runs[0].id);
            // A run of what was not green stands below the run that it repeats.
            let parent = |past: &Past| past.report.as_ref()?.partial.as_deref()?.strip_prefix(RERUN).map(str::to_owned);
            let has = |id: &String| runs.iter().any(|past| short(&past.id) == id);
            for root in runs.iter().filter(|past| parent(past).is_none_or(|id| !has(&id))) {
                let mut open = vec![(root, 0)];
                while let Some((past, depth)) = open.pop() {
                    let mark = if depth == 0 { String::new() } else { format!("{}└─ ", "   ".repeat(depth - 1)) };
                    print(&format!("{mark}{}", shown(past)));
                    open.extend(runs.iter().filter(|other| parent(other).as_deref() == Some(short(&past.id))).map(|other| (other, depth + 1)));
                }
            }
            if runs.is_empty() {
                say("there is no run yet");
            }
        }
        Some(RunsCommand::Prune { age, size: most }) => {
            let pruned = history::prune(&repository.gates, *age, *most).context("failed to remove a run")?;
            say(&format!("removed {}, {}", plural(pruned.runs.len() as u64, "run"), size(pruned.bytes)));
        }
    }
    Ok(Exit::Pass)
}

fn line(past: &Past, bytes: u64, newest: bool) -> String {
    let Some(report) = &past.report else { return format!("{}  {:>8}  no report; `report {}` makes it", past.id, size(bytes), short(&past.id)) };
    let verdicts = past.gates();
    let count = |word: &str| verdicts.iter().filter(|gate| gate.verdict == word).count();
    let counts: Vec<String> =
        ["pass", "fail", "broken", "skipped", "cancelled"].iter().filter(|word| count(word) > 0).map(|word| format!("{} {word}", count(word))).collect();
    let partial = if report.partial.is_none() { "" } else { "  partial" };
    let latest = if newest { "  *latest" } else { "" };
    let took = millis(report.took_ms);
    format!(
        "{}  {:>8}  {:>8}  exit {:<3}  {}  {}{partial}{latest}",
        past.id,
        took,
        size(bytes),
        report.exit.unwrap_or(70),
        past.targets().join(" "),
        counts.join(" · ")
    )
}
