//! The loop's clocks: deadlines of what runs, slow notices, TERM and KILL, and the look at orphans, the disk and locks. Knows no tiding.

use tokio::time::Instant;

use super::launch::{Force, Launch, Told};
use super::{GIVE_UP, GLANCE, LONG_WAIT, Loop, TICK};
use crate::event::{EventKind, Installed};
use crate::model::{AttemptFacts, StopCause};
use crate::plan::{Work, lock_words};

/// Where a running task is with its end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    /// It runs.
    No,
    /// TERM was sent; KILL is due.
    Asked(Instant),
    /// KILL was sent; it is given up later.
    Killed(Instant),
    /// Its steps are over, and what it had is given back.
    Closing,
}

impl<L: Launch> Loop<'_, L> {
    /// The next clock, or sooner while a process may have started in silence.
    pub(super) fn glance(&self, wake: Instant) -> Instant {
        let awaited = self.running.values().any(|running| running.step.is_empty());
        if awaited { wake.min(Instant::now() + GLANCE) } else { wake }
    }

    pub(super) fn next_clock(&self) -> Instant {
        let clocks = self.running.values().flat_map(|running| match running.ending {
            Ending::No => [running.deadline, running.step_deadline, Some(running.slow_at)],
            Ending::Asked(at) | Ending::Killed(at) => [Some(at), None, None],
            Ending::Closing => [None, None, None],
        });
        clocks.flatten().chain([self.tick]).min().unwrap_or(self.tick)
    }

    pub(super) fn clocks(&mut self) {
        let now = Instant::now();
        self.tick = now + TICK;
        for task in self.running.keys().copied().collect::<Vec<_>>() {
            let Some(running) = self.running.get(&task) else { continue };
            match running.ending {
                Ending::No if running.deadline.is_some_and(|at| at <= now) || running.step_deadline.is_some_and(|at| at <= now) => {
                    self.ask_to_end(task, StopCause::Timeout);
                }
                Ending::No if running.slow_at <= now => self.tell_slow(task),
                Ending::Asked(at) if at <= now => self.kill(task),
                Ending::Killed(at) if at <= now => self.give_up(task),
                Ending::No | Ending::Asked(_) | Ending::Killed(_) | Ending::Closing => {}
            }
        }
        if !self.running.is_empty() && !self.launch.has_room() {
            for task in self.running.keys().copied().collect::<Vec<_>>() {
                self.ask_to_end(task, StopCause::DiskFull);
            }
        }
        self.tell_waiting();
        self.schedule.retry_locks();
        let running: Vec<usize> = self.running.keys().copied().collect();
        let leaks = self.launch.sweep(&running);
        self.tell_leaks(leaks);
    }

    /// A gate that only a lock keeps says so once: a silent screen looks dead.
    fn tell_waiting(&mut self) {
        for task in self.schedule.locked_out().to_vec() {
            let long = self.waiting_since.get(&task).is_some_and(|since| since.elapsed() >= LONG_WAIT);
            if long && self.told_waiting.insert(task) {
                let locks = lock_words(&self.course.plan.tasks[task].locks).join(", ");
                let gate = Some(self.job(task).gate);
                self.teller.tell(EventKind::Noted { gate, text: format!("waits for lock {locks}, which another gate or run holds") });
            }
        }
    }

    fn tell_slow(&mut self, task: usize) {
        let period = self.limits(task).slow_after;
        let last_line = self.launch.last_line(task);
        if let Some(running) = self.running.get_mut(&task) {
            running.slow_at += period;
            let after = running.started.elapsed().as_millis() as u64;
            self.teller.tell(EventKind::ProcSlow { job: running.job.clone(), step: running.step.clone(), after, last_line });
        }
    }

    pub(super) fn ask_to_end(&mut self, task: usize, cause: StopCause) {
        let grace = self.limits(task).grace;
        let Some(running) = self.running.get_mut(&task) else { return };
        if !matches!(running.ending, Ending::No) {
            return;
        }
        running.ending = Ending::Asked(Instant::now() + grace);
        let job = running.job.clone();
        self.facts.entry(task).or_default().stopped = Some(cause);
        let tree = self.launch.tree(task);
        self.teller.tell(EventKind::KillSent { job, cause, signal: "TERM".to_owned(), tree });
        self.launch.stop(task, cause, Force::Term);
    }

    pub(super) fn kill(&mut self, task: usize) {
        let Some(running) = self.running.get_mut(&task) else { return };
        if matches!(running.ending, Ending::Closing) {
            self.launch.stop(task, StopCause::Cancel, Force::Kill);
            return; // it is told that there is no more time
        }
        running.ending = Ending::Killed(Instant::now() + GIVE_UP);
        let job = running.job.clone();
        let cause = self.facts.get(&task).and_then(|facts| facts.stopped).unwrap_or(StopCause::Cancel);
        let tree = self.launch.tree(task);
        self.teller.tell(EventKind::KillSent { job, cause, signal: "KILL".to_owned(), tree });
        self.launch.stop(task, cause, Force::Kill);
    }

    /// KILL did not end it (a process in an uninterruptible call): the run goes on without it.
    fn give_up(&mut self, task: usize) {
        let why = "a process did not end after SIGKILL".to_owned();
        if matches!(self.course.plan.work[task], Work::Install(_)) {
            self.hear(Told::Installed { task, result: Installed::Failed(why), runtime: None });
            return;
        }
        let facts = AttemptFacts { lost: Some(why), complete: true, ..AttemptFacts::default() };
        self.hear(Told::Ended { task, facts: Box::new(facts) });
    }
}
