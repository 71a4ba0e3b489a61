//! What the loop makes of tidings: events for the journal, and what a task that is over means for the others. Keeps no clock.

use std::time::Duration;

use tokio::time::Instant;

use super::clocks::Ending;
use super::launch::{Launch, Leak, Told};
use super::{Loop, repeat};
use crate::event::{AttemptEnded, EventKind, Installed, ProcStarted};
use crate::judge::{self, Terms};
use crate::model::{AttemptFacts, Skip, StopCause, Verdict};

impl<L: Launch> Loop<'_, L> {
    pub(super) fn hear_quiet(&mut self) {
        for told in self.quiet.take() {
            self.hear_one(told);
        }
    }

    /// What was left in silence came first.
    pub(super) fn hear(&mut self, told: Told) {
        self.hear_quiet();
        self.hear_one(told);
    }

    fn hear_one(&mut self, told: Told) {
        match told {
            Told::Several(all) => {
                for told in all {
                    self.hear_one(told);
                }
            }
            Told::Started { task, proc, timeout } => self.hear_started(task, *proc, timeout),
            Told::StepEnded { task, fact, from, to } => {
                let job = self.job(task);
                self.teller.tell(EventKind::ProcEnded { job, fact, from, to });
            }
            Told::Leaked { task, leak } => self.tell_leaks(vec![Leak { task: Some(task), ..leak }]),
            Told::Report { task, report } => {
                let job = self.job(task);
                self.teller.tell(EventKind::ReportRead { job, report });
            }
            Told::Measured { task, measures } => {
                let job = self.job(task);
                self.teller.tell(EventKind::Measured { job, measures });
            }
            Told::Kept { task, file } => {
                let job = self.job(task);
                self.teller.tell(EventKind::FileKept { job, file });
            }
            Told::Noted { task, text } => {
                let gate = Some(self.job(task).gate);
                self.teller.tell(EventKind::Noted { gate, text });
            }
            Told::Fact(kind) => self.teller.tell(*kind),
            Told::Steps { task } => {
                let timeout = self.limits(task).timeout;
                if let Some(running) = self.running.get_mut(&task) {
                    running.deadline = Some(Instant::now() + timeout);
                    running.step_deadline = None;
                }
            }
            Told::Closing { task } => {
                if let Some(running) = self.running.get_mut(&task) {
                    running.ending = Ending::Closing;
                }
            }
            Told::Unready { task, .. } if !self.running.contains_key(&task) => {} // it was given up before
            Told::Unready { task, service, why } => {
                self.facts.remove(&task);
                self.tell_skip(task, Skip::Service(service, why));
                self.finish(task, false);
            }
            Told::LogMax { task } => self.ask_to_end(task, StopCause::LogMax),
            Told::Ended { task, facts } => self.hear_ended(task, *facts),
            Told::Installed { task, .. } if !self.running.contains_key(&task) => {} // it was given up before
            Told::Installed { task, result, runtime } => {
                if let Some(found) = runtime {
                    self.teller.tell(EventKind::RuntimeFound(found));
                }
                let green = !matches!(result, Installed::Failed(_));
                let runtime = self.job(task).gate;
                self.teller.tell(EventKind::InstallEnded { runtime, result });
                self.finish(task, green);
            }
        }
    }

    fn hear_started(&mut self, task: usize, proc: ProcStarted, timeout: Option<Duration>) {
        if let Some(running) = self.running.get_mut(&task) {
            running.step.clone_from(&proc.step);
            running.step_deadline = timeout.map(|timeout| Instant::now() + timeout);
        }
        self.teller.tell(EventKind::ProcStarted(Box::new(proc)));
    }

    fn hear_ended(&mut self, task: usize, mut facts: AttemptFacts) {
        if !self.running.contains_key(&task) {
            return; // it was given up before
        }
        let known = self.facts.remove(&task).unwrap_or_default();
        // What was asked to end counts as stopped, also when it then exits with 0.
        facts.stopped = known.stopped.or(facts.stopped);
        let job = self.job(task);
        let planned = self.planned.get(job.gate.as_str()).copied();
        if let Some(planned) = planned {
            let terms = Terms { reports: planned.reports, expect: &planned.expect, timeout: planned.timeout };
            let judged = judge::attempt(terms, &facts);
            let advisory = planned.advisory;
            let systemic = repeat::systemic(planned, job.iteration, &judged);
            let passed = judged.verdict == Verdict::Pass;
            let clean = passed && judged.flaked.is_none();
            let attempts = self.judged.entry(job.gate.clone()).or_insert_with(|| Vec::with_capacity(planned.runs.min(16) as usize));
            attempts.push(judged);
            let excused = judge::is_excused(attempts, &planned.quarantine);
            let green = passed || excused;
            self.end_at_fault(&job, clean || excused || advisory);
            self.teller.tell(EventKind::AttemptEnded(Box::new(AttemptEnded {
                job: job.clone(),
                took: facts.took,
                log: facts.log,
                log_shrank: facts.log_shrank,
                stopped: facts.stopped,
                lost: facts.lost,
                migrate: facts.migrate,
                gone: facts.gone,
            })));
            if let Some(what) = systemic {
                self.stop_repeating(&job, &what);
            }
            self.finish(task, green);
            if !green && !advisory && self.course.fail_fast && !self.cancelled {
                for task in self.schedule.halt() {
                    self.tell_skip(task, Skip::FailFast(job.gate.clone()));
                }
            }
        }
    }
}
