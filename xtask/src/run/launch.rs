//! The seam between the loop and what it starts: orders in, tidings out. The real side has threads and processes, the tests' side
//! has a script. Knows no schedule.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::event::{EventKind, FoundBy, Installed, ProcStarted, RuntimeFound};
use crate::model::{AttemptFacts, FileRef, JobId, ReportFact, StepFact, StopCause};

/// How to end a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// TERM and CONT to everything of it.
    Term,
    /// KILL to everything of it.
    Kill,
}

/// A process that outlived what started it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// Task that it belonged to, if that is known.
    pub task: Option<usize>,
    /// Process id.
    pub pid: i32,
    /// Its command line.
    pub argv: String,
    /// How it was found.
    pub found_by: FoundBy,
}

/// What a task says while it runs. Each carries the task's index in the plan.
#[derive(Debug)]
pub enum Told {
    /// A process started; its own timeout, if it has one.
    Started { task: usize, proc: Box<ProcStarted>, timeout: Option<Duration> },
    /// A process ended, with its part of the log.
    StepEnded { task: usize, fact: Box<StepFact>, from: u64, to: u64 },
    /// A process outlived its step.
    Leaked { task: usize, leak: Leak },
    /// A report was read, or was not there.
    Report { task: usize, report: Box<ReportFact> },
    /// Numbers were reported.
    Measured { task: usize, measures: Vec<(String, String)> },
    /// A file was kept.
    Kept { task: usize, file: FileRef },
    /// Something worth a line.
    Noted { task: usize, text: String },
    /// Something of a service or a database happened.
    Fact(Box<EventKind>),
    /// Everything that an attempt needs is there: its time begins.
    Steps { task: usize },
    /// Its steps are over; giving back what it had is bounded by itself.
    Closing { task: usize },
    /// A service that it needs did not come up.
    Unready { task: usize, service: String, why: String },
    /// The log passed its limit.
    LogMax { task: usize },
    /// An attempt is over and its files are in place.
    Ended { task: usize, facts: Box<AttemptFacts> },
    /// A set-up is over; the interpreter that its gates will spawn.
    Installed { task: usize, result: Installed, runtime: Option<Box<RuntimeFound>> },
    /// Several at once, in their order.
    Several(Vec<Told>),
}

/// Tidings that can wait for the loop's next turn: waking it for each costs as much as a part of a small gate.
#[derive(Clone, Debug, Default)]
pub struct Quiet(Arc<Mutex<Vec<Told>>>);

impl Quiet {
    /// Leaves one thing for the loop.
    pub fn leave(&self, told: Told) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }

    /// Takes what was left, in its order.
    pub fn take(&self) -> Vec<Told> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Starts and ends tasks.
pub trait Launch {
    /// Begins a gate's attempt.
    fn attempt(&mut self, task: usize, job: &JobId);
    /// Begins a set-up.
    fn install(&mut self, task: usize, runtime: &str);
    /// Ends what a task runs, and keeps it from starting more.
    fn stop(&mut self, task: usize, cause: StopCause, force: Force);
    /// Processes of a task, for people.
    fn tree(&self, task: usize) -> Vec<String>;
    /// Last line of a task's log.
    fn last_line(&self, task: usize) -> String;
    /// Ends orphans that no running task can own; `running` are the tasks that still run.
    fn sweep(&mut self, running: &[usize]) -> Vec<Leak>;
    /// A task that has just ended may have left orphans behind; those that come later are found by and by.
    fn left_orphans(&self, task: usize) -> bool;
    /// The disk of the run has room.
    fn has_room(&self) -> bool;
    /// Ends what the whole run shared; what there is to tell.
    fn close(&mut self, at_once: bool) -> Vec<EventKind>;
}
