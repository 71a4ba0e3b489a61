//! When iterations end before their number is reached: at the first fault, after a time, or because so much is wrong that more of
//! them would say nothing. Knows no clock but the loop's.

use std::time::Duration;

use super::{Launch, Loop};
use crate::event::{EventKind, PlannedGate};
use crate::judge::Judgement;
use crate::model::{JobId, Skip, Verdict};
use crate::plan::Work;
use crate::plan::schedule::State;
use crate::text::plural;

/// Red cases in the first iteration that may still be flakes; or this share of all cases, if that is more.
const SYSTEMIC: u64 = 10;
const SYSTEMIC_SHARE: u64 = 20;

/// What makes a first iteration too wrong to be repeated.
pub(super) fn systemic(gate: &PlannedGate, iteration: u32, judged: &Judgement) -> Option<String> {
    if iteration > 1 || gate.runs < 2 {
        return None;
    }
    let red = judged.totals.failures + judged.totals.errors;
    match judged.verdict {
        Verdict::Broken => Some("it could not be judged".to_owned()),
        _ if red > SYSTEMIC.max(judged.totals.tests / SYSTEMIC_SHARE) => Some(format!("{red} of {} failed", plural(judged.totals.tests, "case"))),
        Verdict::Pass | Verdict::Fail | Verdict::Skipped | Verdict::Cancelled => None,
    }
}

/// When iterations end before their number is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repeat {
    /// With the first result that is not green.
    pub until_fail: bool,
    /// After this time.
    pub runs_for: Option<Duration>,
    /// Iterations that the asked phases want.
    pub due: u32,
}

impl<L: Launch> Loop<'_, L> {
    /// The other iterations of a gate are left out.
    pub(super) fn stop_repeating(&mut self, job: &JobId, what: &str) {
        let own = |work: &Work| matches!(work, Work::Gate(other) if other.gate == job.gate && other.iteration > 1);
        let tasks: Vec<usize> = self.course.plan.work.iter().enumerate().filter(|(_, work)| own(work)).map(|(task, _)| task).collect();
        for task in tasks {
            let behind = self.schedule.leave_out(task);
            self.tell_skip(task, Skip::Systemic(what.to_owned()));
            self.tell_skipped(behind);
        }
    }

    /// `--until-fail`: what is not clean ends the repetition.
    pub(super) fn end_at_fault(&mut self, job: &JobId, clean: bool) {
        if self.course.repeat.until_fail && !clean {
            self.end_repetition(&format!("--until-fail: {} was not green in iteration {}", job.gate, job.iteration));
        }
    }

    /// `--runs-for`: the time is over.
    pub(super) fn end_in_time(&mut self) {
        if let Some(limit) = self.course.repeat.runs_for
            && self.begun.elapsed() >= limit
        {
            self.end_repetition(&format!("--runs-for {}", humantime::format_duration(limit)));
        }
    }

    /// No further iteration starts; the first of each gate still does.
    fn end_repetition(&mut self, why: &str) {
        if std::mem::replace(&mut self.no_more, true) || self.cancelled {
            return;
        }
        let mut runs: Vec<(String, u32)> = Vec::new();
        for (task, work) in self.course.plan.work.iter().enumerate() {
            let Work::Gate(job) = work else { continue };
            let dropped = job.iteration > 1 && self.schedule.skip(task);
            let counts = !dropped && (job.iteration == 1 || self.schedule.state(task) != State::Skipped);
            match runs.last_mut().filter(|(gate, _)| *gate == job.gate) {
                Some((_, count)) => *count += u32::from(counts),
                None => runs.push((job.gate.clone(), u32::from(counts))),
            }
        }
        let fewest = runs.iter().map(|(_, count)| *count).min().unwrap_or(0);
        let due = self.course.repeat.due;
        let partial = (fewest < due).then(|| format!("{} where {due} are due", plural(u64::from(fewest), "iteration")));
        self.teller.tell(EventKind::RepetitionEnded { why: why.to_owned(), runs, partial });
    }
}
