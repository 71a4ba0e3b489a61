//! The loop: starts what the schedule offers, keeps the clocks, ends what must end, and tells everything as events. Knows no
//! screen and no report; verdicts are asked of `judge` only to know what to skip.

pub mod attempt;
mod clocks;
mod databases;
pub mod environment;
mod hear;
pub mod install;
mod instances;
pub mod launch;
pub mod locks;
mod orders;
pub mod os;
mod repeat;
mod reports;
pub mod signals;
pub mod supplies;
mod supply;
mod tools;
pub mod turns;
mod words;

pub use repeat::Repeat;
pub use reports::glob;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::Sender;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use crate::event::{Event, EventKind, PlannedGate};
use crate::judge::{self, Judgement, Terms};
use crate::model::{AttemptFacts, CancelCause, FlakyRule, JobId, Skip, StopCause, Verdict};
use crate::plan::schedule::Schedule;
use crate::plan::{Plan, Work, lock_words};
use clocks::Ending;
use launch::{Launch, Leak, Quiet, Told};
use locks::Locks;

/// How often orphans, the disk and locks of other runs are looked at.
const TICK: Duration = Duration::from_millis(200);
/// How often the start of a process is looked for, which does not wake the loop.
const GLANCE: Duration = Duration::from_millis(10);
/// A lock that is waited for longer than this is named.
const LONG_WAIT: Duration = Duration::from_secs(3);
/// A process that KILL does not end within this time is given up.
const GIVE_UP: Duration = Duration::from_secs(5);

/// Makes events: numbers and times them. The only maker of events while gates run.
#[derive(Debug)]
pub struct Teller {
    sender: Sender<Event>,
    seq: u64,
    start: Instant,
}

impl Teller {
    /// A teller whose clock starts now.
    pub fn new(sender: Sender<Event>) -> Self {
        Self { sender, seq: 0, start: Instant::now() }
    }

    /// Tells one thing. A listener that is gone has said so by cancelling the run.
    pub fn tell(&mut self, kind: EventKind) {
        let at = self.start.elapsed().as_millis() as u64;
        self.sender.send(Event { seq: self.seq, at, kind }).ok();
        self.seq += 1;
    }
}

/// Clocks and terms of one gate.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of an attempt.
    pub timeout: Duration,
    /// Period of slow notices.
    pub slow_after: Duration,
    /// TERM to KILL.
    pub grace: Duration,
    /// It needs services or databases: its time begins when they are there.
    pub supplied: bool,
}

/// What the loop works on.
#[derive(Debug)]
pub struct Course<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Clocks by gate; set-ups use `install`.
    pub limits: BTreeMap<String, Limits>,
    /// Clocks of set-ups.
    pub install: Limits,
    /// Slots.
    pub slots: u32,
    /// Start nothing after the first gate that is not green.
    pub fail_fast: bool,
    /// What a flaky gate does to its phase.
    pub flaky: FlakyRule,
    /// Jobs that will not run, known before anything starts.
    pub left_out: Vec<(usize, Skip)>,
    /// When iterations end before their number is reached.
    pub repeat: Repeat,
    /// Tasks that need not run.
    pub reused: Vec<Reused>,
}

/// A task that need not run: a job whose result another run has, or a set-up that no other task wants.
#[derive(Clone, Debug)]
pub struct Reused {
    /// Its place in the plan.
    pub task: usize,
    /// What the other run told of the job; nothing for a set-up.
    pub told: Vec<EventKind>,
    /// The same as facts.
    pub facts: AttemptFacts,
}

#[derive(Debug)]
struct Running {
    job: JobId,
    started: Instant,
    /// None before its steps.
    deadline: Option<Instant>,
    step: String,
    step_deadline: Option<Instant>,
    slow_at: Instant,
    ending: Ending,
}

struct Loop<'a, L> {
    course: &'a Course<'a>,
    launch: &'a mut L,
    teller: &'a mut Teller,
    schedule: Schedule,
    locks: &'a mut Locks,
    running: BTreeMap<usize, Running>,
    judged: BTreeMap<String, Vec<Judgement>>,
    facts: BTreeMap<usize, AttemptFacts>,
    cancelled: bool,
    waiting_since: BTreeMap<usize, Instant>,
    told_waiting: BTreeSet<usize>,
    leaked: BTreeSet<i32>,
    planned: BTreeMap<&'a str, &'a PlannedGate>,
    begun: Instant,
    no_more: bool,
    quiet: Quiet,
    /// The next look at orphans, the disk and locks, however much happens until then.
    tick: Instant,
}

/// Runs a plan to its end. Every planned job has an `AttemptEnded` or a `JobSkipped` when it returns.
pub async fn drive<L: Launch>(course: &Course<'_>, launch: &mut L, locks: &mut Locks, teller: &mut Teller, mut inbox: Inbox) {
    let schedule = Schedule::new(course.plan.tasks.clone(), course.slots);
    let mut state = Loop {
        course,
        launch,
        teller,
        schedule,
        locks,
        running: BTreeMap::new(),
        judged: BTreeMap::new(),
        facts: BTreeMap::new(),
        cancelled: false,
        waiting_since: BTreeMap::new(),
        told_waiting: BTreeSet::new(),
        leaked: BTreeSet::new(),
        planned: course.plan.gates.iter().map(|gate| (gate.id.as_str(), gate)).collect(),
        begun: Instant::now(),
        no_more: false,
        quiet: inbox.quiet,
        tick: Instant::now() + TICK,
    };
    state.leave_out();
    state.take_over(0);
    // 1. start what may start  2. wait for a tiding, a clock or a stop  3. act on it, until every job is told
    while {
        state.start_ready();
        !(state.running.is_empty() && state.schedule.is_over())
    } {
        let wake = state.next_clock();
        tokio::select! {
            biased;
            Some(cause) = inbox.stop.recv() => state.cancel(cause),
            Some(told) = inbox.told.recv() => {
                state.hear(told);
                while let Ok(told) = inbox.told.try_recv() {
                    state.hear(told);
                }
            }
            () = tokio::time::sleep_until(state.glance(wake)) => {
                state.hear_quiet();
                if Instant::now() >= wake {
                    state.clocks();
                }
            }
        }
    }
    for kind in state.launch.close(state.cancelled) {
        state.teller.tell(kind);
    }
    let leaks = state.launch.sweep(&[]);
    state.tell_leaks(leaks);
}

/// What the loop listens to.
#[derive(Debug)]
pub struct Inbox {
    /// Tidings of tasks.
    pub told: UnboundedReceiver<Told>,
    /// Tidings that did not wake it.
    pub quiet: Quiet,
    /// Requests to stop.
    pub stop: UnboundedReceiver<CancelCause>,
}

impl<L: Launch> Loop<'_, L> {
    fn job(&self, task: usize) -> JobId {
        match &self.course.plan.work[task] {
            Work::Gate(job) => job.clone(),
            Work::Install(runtime) => JobId { gate: runtime.clone(), iteration: 1 },
        }
    }

    fn limits(&self, task: usize) -> &Limits {
        match &self.course.plan.work[task] {
            Work::Gate(job) => self.course.limits.get(&job.gate).unwrap_or(&self.course.install),
            Work::Install(_) => &self.course.install,
        }
    }

    fn leave_out(&mut self) {
        for (task, skip) in &self.course.left_out {
            let behind = self.schedule.leave_out(*task);
            self.tell_skip(*task, skip.clone());
            self.tell_skipped(behind);
        }
    }

    /// Takes over what another run has of the jobs of a stage.
    fn take_over(&mut self, stage: usize) {
        let course = self.course;
        for reused in course.reused.iter().filter(|reused| course.plan.tasks[reused.task].stage as usize == stage) {
            let planned = match &course.plan.work[reused.task] {
                Work::Gate(job) => self.planned.get(job.gate.as_str()).copied(),
                Work::Install(_) => None,
            };
            for told in &reused.told {
                self.teller.tell(told.clone());
            }
            if let Some(planned) = planned {
                let judged = judge::attempt(Terms { reports: planned.reports, expect: &planned.expect, timeout: planned.timeout }, &reused.facts);
                self.judged.insert(planned.id.clone(), vec![judged]);
            }
            self.schedule.credit(reused.task);
        }
    }

    fn start_ready(&mut self) {
        if self.cancelled {
            return;
        }
        self.end_in_time();
        while let Some(stage) = self.schedule.stage_done() {
            self.next_stage(stage as usize);
        }
        loop {
            let locks = &mut *self.locks;
            let Some(task) = self.schedule.start_next(|task, uses| locks.take(task, uses)) else { break };
            self.start(task);
        }
        for task in self.schedule.locked_out() {
            self.waiting_since.entry(*task).or_insert_with(Instant::now);
        }
        if let Some(fault) = self.locks.fault() {
            self.teller.tell(EventKind::Noted { gate: None, text: fault });
            self.cancel(CancelCause::Journal);
        }
    }

    fn next_stage(&mut self, stage: usize) {
        let phase = self.course.plan.stages.get(stage + 1).cloned().flatten();
        let green = phase.as_ref().is_none_or(|phase| self.phase_is_green(phase));
        self.schedule.open_stage();
        if !green {
            for task in self.schedule.halt() {
                self.tell_skip(task, Skip::Phase(phase.clone().unwrap_or_default()));
            }
        }
        self.take_over(stage + 1);
    }

    fn phase_is_green(&self, phase: &str) -> bool {
        let Some(phase) = self.course.plan.phases.iter().find(|known| known.id == phase) else { return false };
        phase.gates.iter().all(|gate| {
            let planned = self.planned.get(gate.as_str());
            if planned.is_none() && self.course.plan.partial.is_some() {
                return true; // a narrowed run says nothing of what it leaves out
            }
            let attempts = self.judged.get(gate).map(Vec::as_slice).unwrap_or_default();
            let whole = planned.is_some_and(|planned| planned.runs as usize == attempts.len());
            let tool_skipped = self.course.left_out.iter().any(|(task, skip)| matches!(skip, Skip::Tool(_)) && self.job(*task).gate == *gate);
            planned.is_some_and(|planned| planned.advisory)
                || tool_skipped
                || whole && planned.is_some_and(|planned| judge::gate(attempts, self.course.flaky, &planned.quarantine).verdict == Verdict::Pass)
        })
    }

    fn start(&mut self, task: usize) {
        let job = self.job(task);
        let now = Instant::now();
        let limits = self.limits(task).clone();
        let waited = self.waiting_since.remove(&task).map(|since| since.elapsed().as_millis() as u64).unwrap_or_default();
        match &self.course.plan.work[task] {
            Work::Install(runtime) => self.launch.install(task, runtime),
            Work::Gate(job) => {
                let locks = lock_words(&self.course.plan.tasks[task].locks);
                self.teller.tell(EventKind::JobStarted { job: job.clone(), waited, locks });
                self.launch.attempt(task, job);
            }
        }
        let running = Running {
            job,
            started: now,
            deadline: (!limits.supplied).then(|| now + limits.timeout),
            step: String::new(),
            step_deadline: None,
            slow_at: now + limits.slow_after,
            ending: Ending::No,
        };
        self.running.insert(task, running);
        self.facts.insert(task, AttemptFacts::default());
    }

    fn cancel(&mut self, cause: CancelCause) {
        let force = self.cancelled;
        self.cancelled = true;
        self.teller.tell(EventKind::CancelRequested { cause, force });
        for task in self.schedule.halt() {
            self.tell_skip(task, Skip::Cancelled);
        }
        for task in self.running.keys().copied().collect::<Vec<_>>() {
            self.ask_to_end(task, StopCause::Cancel);
            if force {
                self.kill(task);
            }
        }
    }

    fn finish(&mut self, task: usize, green: bool) {
        self.running.remove(&task);
        self.locks.release(task);
        let behind = self.schedule.finished(task, green);
        self.tell_skipped(behind);
        if self.launch.left_orphans(task) {
            let running: Vec<usize> = self.running.keys().copied().collect();
            let leaks = self.launch.sweep(&running);
            self.tell_leaks(leaks);
        }
    }

    fn tell_skipped(&mut self, skipped: Vec<(usize, usize)>) {
        for (task, because) in skipped {
            let skip = match &self.course.plan.work[because] {
                Work::Install(runtime) => Skip::Install(runtime.clone()),
                Work::Gate(job) => Skip::Need(job.gate.clone()),
            };
            self.tell_skip(task, skip);
        }
    }

    fn tell_skip(&mut self, task: usize, skip: Skip) {
        if let Work::Gate(job) = &self.course.plan.work[task] {
            self.teller.tell(EventKind::JobSkipped { job: job.clone(), skip });
        }
    }

    fn tell_leaks(&mut self, leaks: Vec<Leak>) {
        for leak in leaks {
            // What was found in a step's group may still be on its way out when orphans are looked at.
            if !self.leaked.insert(leak.pid) {
                continue;
            }
            let job = leak.task.map(|task| self.job(task));
            self.teller.tell(EventKind::ProcLeaked { job, pid: leak.pid, argv: leak.argv, found_by: leak.found_by });
        }
    }
}

#[cfg(test)]
mod tests;
