//! What a run says of its phases as a whole: their criteria, whether anything ran, and which bounds its way of repeating allows.

use std::collections::{BTreeMap, BTreeSet};

use super::{JobRecord, Record};
use crate::event::PlannedPhase;
use crate::flake;
use crate::judge::{self, Finding, Measured, Met, Observed};
use crate::model::{Retries, StopCause, Verdict};

impl Record {
    /// A phase was asked for, and nothing that counts for it ran: its gates are advisory or left out.
    pub(super) fn has_idle_phase(&self) -> bool {
        self.head.partial.is_none() && self.head.phases.iter().any(|phase| phase.asked && self.phase(phase) == Verdict::Skipped)
    }

    /// The number of iterations was not fixed beforehand: somebody looked and decided to stop.
    pub fn is_open_ended(&self) -> bool {
        self.head.until_fail || self.cancelled.is_some()
    }

    /// Upper bound on a failure rate, honest about how the number of iterations came about.
    pub fn upper_bound(&self, failed: u32, n: u32) -> f64 {
        if self.is_open_ended() { flake::streak_bound(failed, n) } else { flake::upper_bound(failed, n) }
    }

    /// The criteria of a phase with what was seen. A narrowed run judges none.
    pub fn criteria(&self, phase: &PlannedPhase) -> Vec<Finding> {
        let whole = self.head.partial.is_none() && self.refused.is_none();
        // Iterations of different code are not iterations of one thing.
        let moved = self.source_end.is_some() && !self.source_held();
        let judged = |wanted: &crate::model::Criterion| if moved { judge::moved(wanted) } else { judge::criterion(wanted, &self.observed(&wanted.gates)) };
        phase.criteria.iter().filter(|_| whole).map(judged).collect()
    }

    /// A criterion that does not hold, or that cannot be judged where it must be.
    pub fn is_missed(&self, finding: &Finding) -> bool {
        match finding.met {
            Met::Yes => false,
            Met::No => true,
            Met::NotJudged => self.head.unjudged_fails,
        }
    }

    /// What some gates showed over their iterations.
    fn observed(&self, gates: &[String]) -> Observed {
        let mut seen = Observed { valid: u32::MAX, open_ended: self.is_open_ended(), ..Observed::default() };
        for gate in gates.iter().filter_map(|id| self.planned(id)) {
            let mut valid = 0;
            let mut cases = 0;
            let mut measures: BTreeMap<&str, Vec<Option<String>>> = BTreeMap::new();
            for (_, job) in self.jobs_of(&gate.id).filter(|(_, job)| job.skip.is_none()) {
                let judged = self.judge(gate, job);
                seen.timeouts += job.facts.reports.iter().map(|report| report.timeouts).sum::<u64>();
                seen.timeouts += u64::from(job.facts.stopped == Some(StopCause::Timeout));
                if !matches!(judged.verdict, Verdict::Pass | Verdict::Fail) {
                    continue;
                }
                for name in job.measures.keys() {
                    measures.entry(name).or_insert_with(|| vec![None; valid as usize]);
                }
                for (name, values) in &mut measures {
                    values.push(job.measures.get(*name).cloned());
                }
                valid += 1;
                cases = judged.totals.tests.max(cases);
                seen.not_run += judged.totals.skipped;
                seen.retries = job.facts.reports.iter().map(|report| report.retries).max().unwrap_or(Retries::Off).max(seen.retries);
                if job.facts.reports.iter().any(|report| report.retries == Retries::Hidden) && !seen.hidden_in.contains(&gate.id) {
                    seen.hidden_in.push(gate.id.clone());
                }
                let mut red: BTreeSet<&str> =
                    job.facts.reports.iter().flat_map(|report| report.red.iter().chain(&report.flaky)).map(|case| case.case.as_str()).collect();
                let named: u64 = job.facts.reports.iter().map(|report| report.red.len() as u64).sum();
                seen.unnamed += u32::from(judged.totals.failures + judged.totals.errors > named);
                if judged.verdict == Verdict::Fail && !(judged.only_cases && named > 0) {
                    red.insert(&gate.id); // it failed for a reason that no case has
                }
                for case in red {
                    *seen.red.entry((gate.id.clone(), case.to_owned())).or_default() += 1;
                }
            }
            for (name, values) in measures {
                seen.measures.entry(name.to_owned()).or_default().push(Measured { gate: gate.id.clone(), values });
            }
            seen.cases += cases;
            seen.valid = seen.valid.min(valid);
            seen.planned = seen.planned.max(gate.runs);
        }
        if seen.planned == 0 {
            seen.valid = 0;
        }
        seen
    }

    /// Gates whose tools hide failed attempts: of their cases no rate can be said.
    pub fn hidden_attempts(&self) -> Vec<String> {
        let hides = |job: &JobRecord| job.facts.reports.iter().any(|report| report.retries == Retries::Hidden);
        self.head.gates.iter().filter(|gate| self.jobs_of(&gate.id).any(|(_, job)| hides(job))).map(|gate| gate.id.clone()).collect()
    }

    pub(super) fn misses_criteria(&self) -> bool {
        self.head.phases.iter().flat_map(|phase| self.criteria(phase)).any(|finding| self.is_missed(&finding))
    }
}
