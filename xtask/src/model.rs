//! The words of the product as types: ends, verdicts, outcomes, labels, files, exit codes. Knows no file, clock or process.

mod exit;
mod facts;
mod rules;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use exit::{Denial, Exit};
pub use facts::{AttemptFacts, CaseFact, ReportFact, ReportState, Retries, StepFact};
pub use rules::{Before, Criterion, Expect, Metric, NO_INPUTS, Operator, Quarantine, RELEASE, RERUN};

/// Name of the case that stands for an exit status which no report explains.
pub const UNREPORTED: &str = "unreported failure";

/// Why a trial of a hunt is partial.
pub const PROVOKED: &str = "provoked by hunt";

/// Name of the case that stands for a database that could not be migrated.
pub const MIGRATE: &str = "migrate";

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum End {
    /// It exited with this status.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It never started; the reason.
    NotStarted(String),
    /// Its status was lost; the reason.
    Unknown(String),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::NotStarted(why) => write!(f, "not started: {why}"),
            Self::Unknown(why) => write!(f, "end unknown: {why}"),
        }
    }
}

/// Why the runner ended a process itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StopCause {
    /// The attempt or the step passed its timeout.
    Timeout,
    /// The whole run was cancelled.
    Cancel,
    /// The log passed `log-max`.
    LogMax,
    /// The disk of the run is full.
    DiskFull,
}

/// What asked the whole run to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CancelCause {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM, SIGHUP, or the guard is gone.
    Terminate,
    /// The journal or a lock file could not be written: no proof, no run.
    Journal,
}

/// A file of a run by its name inside the run's folder, with what it must still be when it is read again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileRef {
    /// Path inside the run's folder, with `/`.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Digest with its algorithm in front: `blake3:` for reports and kept files, `xxh3:` for logs, which must be followed while
    /// they grow.
    pub digest: String,
}

/// Outcome of one test case in one iteration. The order is the severity: the worst child of a case wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Ran and passed.
    #[default]
    Passed,
    /// Did not run, and the report says so on purpose.
    Skipped,
    /// Did not run because something else stopped it.
    NotRun,
    /// Ran and failed.
    Failed,
    /// Could not run to its end.
    Error,
}

impl Outcome {
    /// The word that reports and screens use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Skipped => "skipped",
            Self::NotRun => "not run",
            Self::Failed => "failed",
            Self::Error => "error",
        }
    }

    /// Failed or error.
    pub fn is_red(self) -> bool {
        match self {
            Self::Failed | Self::Error => true,
            Self::Passed | Self::Skipped | Self::NotRun => false,
        }
    }
}

/// Verdict of an attempt, a gate or a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It ran and passed.
    Pass,
    /// It ran and did not pass.
    Fail,
    /// It could not be judged. Never green.
    Broken,
    /// It did not run.
    Skipped,
    /// It was stopped from outside.
    Cancelled,
}

impl Verdict {
    /// The word that reports and screens use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Broken => "broken",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What repeated iterations say of a case or a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Label {
    /// Passed every time it ran.
    Stable,
    /// Passed and failed on the same code.
    Flaky,
    /// Failed every time, more than once.
    Failing,
    /// Failed once and was never repeated, or never gave a result.
    Unclassified,
}

impl Label {
    /// The word that reports and screens use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Flaky => "flaky",
            Self::Failing => "failing",
            Self::Unclassified => "unclassified",
        }
    }
}

/// Counts of cases, by elements and never by a report's own attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// All cases.
    pub tests: u64,
    /// Cases with outcome failed.
    pub failures: u64,
    /// Cases with outcome error.
    pub errors: u64,
    /// Cases with outcome skipped or not run.
    pub skipped: u64,
}

impl Totals {
    /// Counts one case.
    pub fn add(&mut self, outcome: Outcome) {
        self.tests += 1;
        match outcome {
            Outcome::Passed => {}
            Outcome::Failed => self.failures += 1,
            Outcome::Error => self.errors += 1,
            Outcome::Skipped | Outcome::NotRun => self.skipped += 1,
        }
    }

    /// Adds the counts of another report.
    pub fn merge(&mut self, other: Self) {
        self.tests += other.tests;
        self.failures += other.failures;
        self.errors += other.errors;
        self.skipped += other.skipped;
    }

    /// Cases that ran to a result: passed, failed or error.
    pub fn executed(&self) -> u64 {
        self.tests - self.skipped
    }
}

/// A place in a source file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Location {
    /// Path as the tool printed it, with `/`.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// A worker or the process died.
    Crash,
    /// The test, a hook or a wait in it took too long.
    Timeout,
    /// The network, the disk or the machine.
    Infra,
    /// The file of the test could not be loaded.
    Collection,
    /// What surrounds the test failed.
    Fixture,
    /// The test looked and saw something else.
    Assertion,
    /// The exit status failed and no case says why.
    Unreported,
    /// Anything else: counted, never dropped.
    Unknown,
}

impl Category {
    /// The closed list.
    pub const ALL: &'static [Self] =
        &[Self::Crash, Self::Timeout, Self::Infra, Self::Collection, Self::Fixture, Self::Assertion, Self::Unreported, Self::Unknown];

    /// The word that reports and screens use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Timeout => "timeout",
            Self::Infra => "infra",
            Self::Collection => "collection",
            Self::Fixture => "fixture",
            Self::Assertion => "assertion",
            Self::Unreported => "unreported",
            Self::Unknown => "unknown",
        }
    }
}

/// A test tool whose words for a report and against retries the product knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tool {
    /// pytest.
    Pytest,
    /// vitest.
    Vitest,
    /// Playwright's test runner.
    Playwright,
    /// cargo-nextest.
    CargoNextest,
}

impl Tool {
    /// The word in gates.toml.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pytest => "pytest",
            Self::Vitest => "vitest",
            Self::Playwright => "playwright",
            Self::CargoNextest => "cargo-nextest",
        }
    }
}

/// Name of one job: a gate in one iteration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct JobId {
    /// Gate id, or the runtime's for an install.
    pub gate: String,
    /// 1-based.
    pub iteration: u32,
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.gate, self.iteration)
    }
}

/// A part of a gate whose cases are split over machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    /// From 1.
    pub index: u32,
    /// How many there are.
    pub total: u32,
}

impl Part {
    /// All of it.
    pub const WHOLE: Self = Self { index: 1, total: 1 };
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.total)
    }
}

/// Why a job did not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Skip {
    /// A gate that it needs was not green.
    Need(String),
    /// The set-up of a runtime failed.
    Install(String),
    /// A service or a database server that it needs did not come up: its id, the reason.
    Service(String, String),
    /// A required phase was not green.
    Phase(String),
    /// A tool is missing on this machine and the gate declares that it may be.
    Tool(String),
    /// `--fail-fast`, after this gate.
    FailFast(String),
    /// The run was cancelled first.
    Cancelled,
    /// `--skip` on the command line.
    Deselected,
    /// So much was wrong in the first iteration that more of them say nothing; what.
    Systemic(String),
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Need(gate) => write!(f, "needs {gate}, which was not green"),
            Self::Install(runtime) => write!(f, "set-up of runtime {runtime} failed"),
            Self::Service(service, why) => write!(f, "service {service} {why}"),
            Self::Phase(phase) => write!(f, "requires phase {phase}, which was not green"),
            Self::Tool(why) => write!(f, "{why} (declared)"),
            Self::FailFast(gate) => write!(f, "--fail-fast after {gate}"),
            Self::Cancelled => write!(f, "the run was cancelled first"),
            Self::Deselected => write!(f, "--skip"),
            Self::Systemic(what) => write!(f, "systemic, not repeated: {what} in the first iteration"),
        }
    }
}

/// How strictly a runtime must match its pin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The pin is x.y.z and the interpreter is exactly that.
    Exact,
    /// Major and minor are equal.
    #[default]
    Minor,
    /// A mismatch is shown and does not stop the run.
    Warn,
}

/// What a mixed result over iterations does to the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FlakyRule {
    /// A flaky gate passes.
    Pass,
    /// A flaky gate passes with a warning.
    Warn,
    /// A flaky gate fails.
    Fail,
}
