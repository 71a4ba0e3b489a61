//! The words of the product as types: ends, verdicts, outcomes, labels, files, exit codes. Knows no file, clock or process.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Exit status of a command that runs gates. The worst of what happened wins; `Broken` is worse than `Fail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for ran here and passed.
    Pass,
    /// A gate failed, flaked under `flaky = "fail"`, timed out, skipped undeclared or lost tests.
    Fail,
    /// The command line or gates.toml is wrong.
    Usage,
    /// A pin, a tool, a secret or a set-up step is not as required, or a service does not come up.
    Environment,
    /// Nothing ran.
    Nothing,
    /// Something could not be judged.
    Broken,
    /// Stopped by Ctrl-C.
    Interrupted,
    /// Stopped by SIGTERM or SIGHUP.
    Terminated,
}

impl Exit {
    /// Every exit with its sentence, for the documentation and the help.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Pass, "pass: everything asked for ran here and passed"),
        (Self::Fail, "fail: a gate failed, flaked under flaky = \"fail\", timed out, skipped undeclared or lost tests"),
        (Self::Usage, "usage: the command line or gates.toml is wrong"),
        (Self::Environment, "environment: a pin, a tool, a secret or a set-up step is not as required, or a service does not come up"),
        (Self::Nothing, "nothing ran"),
        (Self::Broken, "broken: something could not be judged"),
        (Self::Interrupted, "interrupted by Ctrl-C"),
        (Self::Terminated, "terminated by SIGTERM or SIGHUP"),
    ];

    /// The status as the operating system sees it.
    pub fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Nothing => 4,
            Self::Broken => 70,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

/// Name of the case that stands for an exit status which no report explains.
pub const UNREPORTED: &str = "unreported failure";

/// Why a trial of a hunt is partial.
pub const PROVOKED: &str = "provoked by hunt";

/// Name of the case that stands for a database that could not be migrated.
pub const MIGRATE: &str = "migrate";

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CancelCause {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM, SIGHUP, or the guard is gone.
    Terminate,
    /// The journal or a lock file could not be written: no proof, no run.
    Journal,
}

/// A file of a run by its name inside the run's folder, with what it must still be when it is read again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

/// What a criterion counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Timeouts over all iterations: of cases, and of whole gates.
    FlakyTimeouts,
    /// Cases that were red in some valid iterations and not in all.
    Flaky,
    /// Upper bound on the failure rate of the worst case.
    MaxRate,
    /// Restarts of a container or a process while it should have stayed up.
    RestartLoops,
    /// Differences that a drift check reports on a fresh database.
    DriftFalsePositives,
    /// Flows through the application that did not come to their end.
    FailedFlows,
    /// Lines of the longest file.
    MaxLines,
}

impl Metric {
    /// The closed list.
    pub const ALL: &'static [Self] =
        &[Self::FlakyTimeouts, Self::Flaky, Self::MaxRate, Self::RestartLoops, Self::DriftFalsePositives, Self::FailedFlows, Self::MaxLines];

    /// A number that a gate reports, and not one that iterations show.
    pub fn is_measure(self) -> bool {
        match self {
            Self::FlakyTimeouts | Self::Flaky | Self::MaxRate => false,
            Self::RestartLoops | Self::DriftFalsePositives | Self::FailedFlows | Self::MaxLines => true,
        }
    }

    /// The word in gates.toml.
    pub fn word(self) -> &'static str {
        match self {
            Self::FlakyTimeouts => "flaky-timeouts",
            Self::Flaky => "flaky",
            Self::MaxRate => "max-rate",
            Self::RestartLoops => "restart-loops",
            Self::DriftFalsePositives => "drift-false-positives",
            Self::FailedFlows => "failed-flows",
            Self::MaxLines => "max-lines",
        }
    }
}

/// On which side of a threshold a criterion holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operator {
    /// Up to and with the threshold.
    #[default]
    AtMost,
    /// From the threshold on.
    AtLeast,
}

impl Operator {
    /// As reports write it.
    pub fn sign(self) -> &'static str {
        match self {
            Self::AtMost => "<=",
            Self::AtLeast => ">=",
        }
    }
}

/// A threshold of a phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Criterion {
    /// Name.
    pub id: String,
    /// The printed line.
    pub title: String,
    /// What is counted.
    pub metric: Metric,
    /// Gates that it looks at.
    pub gates: Vec<String>,
    /// On which side of the threshold it holds.
    #[serde(default)]
    pub operator: Operator,
    /// The most or the least that is allowed, as it was written.
    #[serde(alias = "max")]
    pub threshold: String,
    /// Valid iterations without which it is not judged.
    pub over: u32,
    /// Confidence of the bound, as it was written.
    pub confidence: String,
}

/// A test tool whose words for a report and against retries the product knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// What is known of attempts that a tool makes by itself. The order is how little can be claimed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retries {
    /// Each case was tried once, or every attempt is known.
    Off,
    /// Failed attempts count as far as the report shows them.
    #[default]
    Reported,
    /// The tool is one whose report hides failed attempts.
    Hidden,
}

/// A case that did not pass, as facts for the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseFact {
    /// Printed name.
    pub case: String,
    /// Outcome.
    pub outcome: Outcome,
    /// First line of its message.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Where it failed, if the report tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Location>,
    /// Failed attempts before it passed.
    #[serde(default, skip_serializing_if = "no_attempts")]
    pub attempts: u32,
    /// Kind of failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn no_attempts(count: &u32) -> bool {
    *count == 0
}

/// What the history says of a case before this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Executions.
    pub executions: u32,
    /// Red ones.
    pub red: u32,
    /// Red ones at the end, without a green one between.
    pub in_a_row: u32,
}

/// A case that is known to be flaky.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// Entry.
    pub id: String,
    /// Exact printed name.
    pub case: String,
    /// Who mends it.
    pub owner: String,
    /// Ticket.
    pub issue: String,
    /// What is known of it.
    pub reason: String,
    /// Last day.
    pub expires: String,
    /// Kinds of failure that are excused.
    pub categories: Vec<Category>,
    /// Highest rate that is excused, as it was written.
    pub max_rate: Option<String>,
    /// What the history says of it.
    #[serde(default)]
    pub before: Before,
}

/// What a gate promises of its reports (`expect` in gates.toml).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expect {
    /// Least number of cases that passed, failed or ended in an error.
    pub min_tests: u64,
    /// Cases that must be there: glob on the printed name, least number.
    pub cases: Vec<(String, u64)>,
    /// Skips that are declared: glob on the printed name, reason, owner.
    pub skips: Vec<(String, String, String)>,
}

/// State of one report file after reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportState {
    /// A whole JUnit document.
    Valid,
    /// Cut before its end.
    Truncated,
    /// No bytes.
    Empty,
    /// Well formed, and not JUnit.
    NotJunit,
    /// Not well-formed XML.
    IllFormed,
    /// Declares more than it holds.
    Mismatch,
    /// No file where one was promised.
    Absent,
    /// Older than the attempt that should have written it.
    Stale,
    /// There, and the file system refuses to give it.
    Unreadable,
}

impl ReportState {
    /// The word that reports and screens use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Truncated => "truncated",
            Self::Empty => "empty",
            Self::NotJunit => "not-junit",
            Self::IllFormed => "ill-formed",
            Self::Mismatch => "mismatch",
            Self::Absent => "absent",
            Self::Stale => "stale",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What was read from one report: counts, and the cases that did not simply pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportFact {
    /// Step that wrote it.
    pub step: String,
    /// The name or glob it was promised under.
    pub promised: String,
    /// The copy in the run's folder; none when there was nothing to copy.
    pub file: Option<FileRef>,
    /// State.
    pub state: ReportState,
    /// Why the state is not valid, in the reader's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Counted elements.
    pub counted: Totals,
    /// The first hundred red cases.
    pub red: Vec<CaseFact>,
    /// How many red cases and failed attempts are timeouts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub timeouts: u64,
    /// Cases that passed after failed attempts, all of them: a retry buys a label, never a clean pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flaky: Vec<CaseFact>,
    /// Cases in quarantine that it holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<String>,
    /// What is known of attempts.
    #[serde(default)]
    pub retries: Retries,
    /// Digest of the names of all its cases.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub inventory: String,
    /// The first hundred skipped cases that `expect.skips` does not name.
    pub undeclared: Vec<CaseFact>,
    /// How many skipped cases `expect.skips` does not name.
    pub undeclared_count: u64,
    /// For each entry of `expect.cases`: how many cases match.
    pub matched: Vec<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// How one step of an attempt went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFact {
    /// Name of the step.
    pub step: String,
    /// How its process ended.
    pub end: End,
    /// Accepted exit codes.
    pub accepted: Vec<i32>,
    /// Milliseconds.
    pub took: u64,
    /// The line of the log that says most about a failure.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub excerpt: String,
    /// The place that line names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Location>,
}

impl StepFact {
    /// The process exited with a status that the gate accepts.
    pub fn accepted(&self) -> bool {
        match &self.end {
            End::Code(code) => self.accepted.contains(code),
            End::Signal(_) | End::NotStarted(_) | End::Unknown(_) => false,
        }
    }
}

/// Everything that happened in one attempt, from which it is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptFacts {
    /// Steps that were started, in order.
    pub steps: Vec<StepFact>,
    /// Reports that were promised, read or missed.
    pub reports: Vec<ReportFact>,
    /// Why the runner ended it, if it did.
    pub stopped: Option<StopCause>,
    /// The log lost bytes while it was written.
    pub log_shrank: bool,
    /// The log file, complete.
    pub log: Option<FileRef>,
    /// Processes that outlived their step.
    pub leaked: u32,
    /// Why its files could not be kept or read again.
    pub lost: Option<String>,
    /// Why a database of it could not be migrated.
    pub migrate: Option<String>,
    /// Cases of gates.baseline that no report holds: how many, and the first hundred.
    pub gone: (u64, Vec<String>),
    /// From the first process to the last, in milliseconds.
    pub took: u64,
    /// The attempt ended in an orderly way: every file of it is in place.
    pub complete: bool,
}

/// Name of one job: a gate in one iteration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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

/// Why a job did not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
            Self::Tool(tool) => write!(f, "tool {tool} is missing here (declared)"),
            Self::FailFast(gate) => write!(f, "--fail-fast after {gate}"),
            Self::Cancelled => write!(f, "the run was cancelled first"),
            Self::Deselected => write!(f, "--skip"),
            Self::Systemic(what) => write!(f, "systemic, not repeated: {what} in the first iteration"),
        }
    }
}

/// How strictly a runtime must match its pin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlakyRule {
    /// A flaky gate passes.
    Pass,
    /// A flaky gate passes with a warning.
    Warn,
    /// A flaky gate fails.
    Fail,
}
