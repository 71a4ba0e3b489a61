//! `junit FILE...`: what the reader makes of any report.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::print;
use crate::junit::Case;
use crate::junit::read;
use crate::model::{Exit, ReportState, Totals};

/// Exit 0 when every report is valid and without a red case, 1 when one has a red case, 70 when one is not valid.
pub(super) fn run(files: &[PathBuf], as_json: bool) -> anyhow::Result<Exit> {
    let mut exit = Exit::Pass;
    for file in files {
        let read = look(file, as_json);
        print(&if as_json { read.json(file) } else { read.text(file) });
        if read.verdict != ReportState::Valid.word() {
            exit = Exit::Broken;
        } else if read.totals.failures + read.totals.errors > 0 && exit == Exit::Pass {
            exit = Exit::Fail;
        }
    }
    Ok(exit)
}

struct Look {
    verdict: &'static str,
    totals: Totals,
    /// All cases, for who wants them.
    cases: Vec<Case>,
    /// A line for each red one.
    red: Vec<String>,
    notes: Vec<String>,
}

/// Reads a report; cases are kept only for who wants to see all, since a report may have millions.
fn look(file: &Path, all: bool) -> Look {
    let (mut cases, mut red) = (Vec::new(), Vec::new());
    let read = File::open(file).and_then(|file| {
        read::read(file, &mut |case| {
            if all {
                cases.push(std::mem::take(case));
            } else if case.outcome.is_red() {
                red.push(red_line(case));
            }
        })
    });
    match read {
        Ok(summary) => Look { verdict: summary.state.word(), totals: summary.totals, cases, red, notes: summary.notes },
        Err(cause) => {
            let notes = vec![format!("failed to read it: {cause}")];
            Look { verdict: ReportState::Unreadable.word(), totals: Totals::default(), cases: Vec::new(), red: Vec::new(), notes }
        }
    }
}

impl Look {
    fn json(&self, file: &Path) -> String {
        let cases: Vec<serde_json::Value> = self
            .cases
            .iter()
            .map(|case| {
                json!({
                    "name": case.printed,
                    "outcome": case.outcome.word(),
                    "message": case.headline(),
                    "at": case.place().filter(|_| case.outcome.is_red()).map(|at| at.to_string()),
                    "seconds": case.seconds,
                    "retries": case.retries.len(),
                })
            })
            .collect();
        json!({
            "file": file.display().to_string(),
            "verdict": self.verdict,
            "tests": self.totals.tests,
            "failures": self.totals.failures,
            "errors": self.totals.errors,
            "skipped": self.totals.skipped,
            "cases": cases,
            "notes": self.notes,
        })
        .to_string()
    }

    fn text(&self, file: &Path) -> String {
        let totals = self.totals;
        let mut lines = vec![format!(
            "{}: {}  {} tests, {} failures, {} errors, {} skipped",
            file.display(),
            self.verdict,
            totals.tests,
            totals.failures,
            totals.errors,
            totals.skipped
        )];
        lines.extend(self.notes.iter().map(|note| format!("  note: {note}")));
        lines.extend(self.red.iter().cloned());
        lines.iter().map(|line| crate::text::visible(line)).collect::<Vec<_>>().join("\n")
    }
}

fn red_line(case: &Case) -> String {
    let at = case.place().map(|at| format!("  {at}")).unwrap_or_default();
    format!("  {} {}{at}  {}", case.outcome.word(), case.printed, case.headline())
}
