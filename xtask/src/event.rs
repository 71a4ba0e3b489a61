//! The closed set of things that can happen in a run: facts in the past tense, references instead of bytes, no verdicts.
//! Knows nothing of who listens.

mod reused;

pub use reused::JobReused;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{CancelCause, Criterion, Expect, FileRef, FlakyRule, JobId, Part, Policy, Quarantine, RELEASE, ReportFact, Skip, StepFact, StopCause};

/// Version of the events' format. It changes when a reader of the one before would be misled; new kinds and fields do not change it.
pub const SCHEMA: u32 = 1;

/// The JSON Schema of one line of `events.jsonl`, and of what `--output ndjson` prints.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Event).to_value()
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Number without gaps, from 0.
    pub seq: u64,
    /// Milliseconds since the run started, on a clock that only goes forward.
    pub at: u64,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EventKind {
    /// A run with its plan.
    RunStarted(Box<RunStarted>),
    /// Nothing may run; the reasons.
    RunRefused { cause: Refusal, problems: Vec<String> },
    /// The state of the source, before or after the gates.
    SourceRead { when: When, source: Source },
    /// A required phase was green in another run of the same code, pins and profile.
    PhaseCredited { phase: String, run: String },
    /// A required phase was not judged because of `--alone`.
    PhaseUnjudged { phase: String },
    /// The interpreter that the gates of a runtime will spawn.
    RuntimeFound(Box<RuntimeFound>),
    /// A tool that a gate names.
    ToolFound { gate: String, tool: String, path: Option<String> },
    /// The set-up of a runtime.
    InstallEnded { runtime: String, result: Installed },
    /// A service or a database server answers.
    ServiceReady(Box<ServiceReady>),
    /// A service or a database server did not come up.
    ServiceFailed { service: String, why: String },
    /// A service or a database server is over; `lost` when nobody had asked it to end.
    ServiceEnded { service: String, instance: String, end: String, lost: bool, log: Option<FileRef> },
    /// A template of databases was built, or why it could not be.
    TemplateBuilt { database: String, state: String, took: u64, failed: Option<String>, log: Option<FileRef> },
    /// A job has a clone of its own.
    DatabaseReady { job: Option<JobId>, database: String, state: String, name: String, took: u64 },
    /// A gate left the queue.
    JobStarted { job: JobId, waited: u64, locks: Vec<String> },
    /// A process started.
    ProcStarted(Box<ProcStarted>),
    /// A process passed another period of `slow-after`.
    ProcSlow { job: JobId, step: String, after: u64, last_line: String },
    /// The runner began to end a process.
    KillSent { job: JobId, cause: StopCause, signal: String, tree: Vec<String> },
    /// A process ended.
    ProcEnded { job: JobId, fact: Box<StepFact>, from: u64, to: u64 },
    /// A process outlived its step and was ended.
    ProcLeaked { job: Option<JobId>, pid: i32, argv: String, found_by: FoundBy },
    /// A report was read, or was not there.
    ReportRead { job: JobId, report: Box<ReportFact> },
    /// A gate reported numbers of its own, as they were written.
    Measured { job: JobId, measures: Vec<(String, String)> },
    /// A file was kept beside the reports.
    FileKept { job: JobId, file: FileRef },
    /// All files of an attempt are in place.
    AttemptEnded(Box<AttemptEnded>),
    /// A job will not run.
    JobSkipped { job: JobId, skip: Skip },
    /// A job does not run again: nothing that its result depends on has changed since it passed in another run, whose facts follow.
    JobReused(Box<JobReused>),
    /// What a gate depends on was looked at, and it runs; why.
    JobFresh { gate: String, why: String },
    /// No iteration starts any more: why, the iterations that each gate has got, and why they are fewer than are due.
    RepetitionEnded { why: String, runs: Vec<(String, u32)>, partial: Option<String> },
    /// What a shard delivered was taken into this run.
    ShardTaken(Box<ShardTaken>),
    /// A shard is missing, or what came for it cannot count; the gates that lose their result by it.
    ShardRefused { shard: String, gates: Vec<String>, why: String },
    /// A file of the run holds what looks like a secret: where, and by which rule.
    SecretFound { file: String, line: u64, rule: String },
    /// Somebody asked to stop; force is the second time.
    CancelRequested { cause: CancelCause, force: bool },
    /// Something worth a line.
    Noted { gate: Option<String>, text: String },
    /// The last event.
    RunEnded {},
}

/// Why nothing may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Refusal {
    /// gates.toml or the command line.
    Config,
    /// A runtime does not match its pin.
    Pin,
    /// A tool, a secret or the tree is not as required.
    Environment,
    /// Nothing was left to run.
    Nothing,
}

/// Before or after the gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum When {
    /// Before.
    Start,
    /// After.
    End,
}

/// The state of the source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// Commit; none outside git.
    pub commit: Option<String>,
    /// Tree of the commit.
    pub tree: Option<String>,
    /// Digest of everything uncommitted; none when the tree is clean.
    pub dirty: Option<String>,
}

/// A run with its plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunStarted {
    /// Version of the events' format: [`SCHEMA`].
    #[serde(default)]
    pub schema: u32,
    /// Run id.
    pub run: String,
    /// Wall time, RFC 3339, UTC.
    pub wall: String,
    /// Version of this tool.
    pub tool: String,
    /// What was asked for, as typed.
    pub argv: Vec<String>,
    /// Phases and gates named on the command line.
    pub targets: Vec<String>,
    /// Manifest, relative to the root.
    pub manifest: String,
    /// Digest of the manifest.
    pub config: Option<FileRef>,
    /// Profile.
    pub profile: String,
    /// Why this run is narrowed; none for whole phases.
    pub partial: Option<String>,
    /// Slots.
    pub jobs: u32,
    /// What a flaky gate does to the verdict.
    pub flaky: Option<FlakyRule>,
    /// The number of iterations was not fixed: the run looked at each result before it went on.
    #[serde(default)]
    pub until_fail: bool,
    /// A criterion that cannot be judged yet fails its phase.
    #[serde(default)]
    pub unjudged_fails: bool,
    /// Operating system and architecture.
    pub host: String,
    /// CI is set.
    pub ci: bool,
    /// Phases in the order in which they are judged.
    pub phases: Vec<PlannedPhase>,
    /// Gates in the order in which they are shown.
    pub gates: Vec<PlannedGate>,
    /// Runtimes that are set up.
    pub installs: Vec<String>,
    /// The shard of a plan that this run is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

impl RunStarted {
    /// Whole phases, in the profile that can be signed or on a machine of CI, from where the files go on.
    pub fn can_be_evidence(&self) -> bool {
        self.partial.is_none() && !self.phases.is_empty() && (self.ci || self.profile == RELEASE)
    }
}

/// A shard of a plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Shard {
    /// Its id in the plan.
    pub id: String,
    /// Digest of the plan.
    pub plan: String,
    /// From 1: how often the CI system has started it.
    pub attempt: u32,
}

/// What a shard delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShardTaken {
    /// Its id in the plan.
    pub shard: String,
    /// The run that counts.
    pub run: String,
    /// Its attempt.
    pub attempt: u32,
    /// Operating system and architecture.
    pub host: String,
    /// Milliseconds that the plan expected, and that it took.
    pub expected: u64,
    /// Milliseconds from its first event to its last.
    pub took: u64,
    /// Earlier attempts: attempt, run, gates that were not green in it.
    pub superseded: Vec<(u32, String, Vec<String>)>,
}

/// A phase of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedPhase {
    /// Id.
    pub id: String,
    /// Title.
    pub title: String,
    /// Gates it lists.
    pub gates: Vec<String>,
    /// Phases it requires.
    pub requires: Vec<String>,
    /// Named on the command line, and not only required by one that is.
    pub asked: bool,
    /// Thresholds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub criteria: Vec<Criterion>,
}

/// A gate of the plan: all that judging it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedGate {
    /// Id.
    pub id: String,
    /// Title.
    pub title: String,
    /// Owner.
    pub owner: String,
    /// Gates it needs.
    pub needs: Vec<String>,
    /// Gates that pulled it in, where no asked phase lists it.
    pub needed_by: Vec<String>,
    /// Runtimes.
    pub runtimes: Vec<String>,
    /// Iterations.
    pub runs: u32,
    /// Never changes a verdict.
    pub advisory: bool,
    /// It promises a report.
    pub reports: bool,
    /// What the reports must hold.
    pub expect: Expect,
    /// Cases that are known to be flaky.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantine: Vec<Quarantine>,
    /// Timeout in milliseconds.
    pub timeout: u64,
    /// First words of what it runs, for screens.
    pub shown: String,
    /// Folder of its first step: tools name files as seen from there.
    pub cwd: String,
    /// Milliseconds from history, if there are samples.
    pub estimate: Option<u64>,
    /// Earlier runs, the oldest first: milliseconds of an iteration, and whether it was green.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<(u64, bool)>,
    /// Locks that it holds while it runs, as gates.toml says them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<String>,
    /// The part of it that this run has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
}

/// The interpreter that the gates of a runtime will spawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuntimeFound {
    /// Runtime id.
    pub runtime: String,
    /// `python`, `node` or `rust`.
    pub kind: String,
    /// Pin file and line.
    pub pin: String,
    /// What the pin says.
    pub wanted: String,
    /// Policy in force.
    pub policy: Policy,
    /// What the interpreter says of itself (`sys.executable`, `process.execPath`).
    pub exe: String,
    /// Version it says.
    pub version: String,
    /// Where it was found.
    pub found_by: String,
    /// It does not match, and the policy is `warn`.
    pub mismatch: bool,
}

/// A service or a database server answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceReady {
    /// Service id.
    pub service: String,
    /// Which one of it: its id, with the job and the worker that it serves.
    pub instance: String,
    /// Process id; none for an outside server.
    pub pid: Option<i32>,
    /// Its port.
    pub port: Option<u16>,
    /// Milliseconds until then.
    pub took: u64,
    /// Version of a database server.
    pub version: Option<String>,
    /// Words, masked; where a database server was found.
    pub shown: String,
}

/// How a set-up went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Installed {
    /// Lock files and interpreter are those of the last set-up.
    Unchanged,
    /// It ran.
    Installed,
    /// It failed; the reason.
    Failed(String),
}

/// A process that started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProcStarted {
    /// Gate and iteration, or the runtime that is set up.
    pub job: JobId,
    /// Step.
    pub step: String,
    /// Words, masked.
    pub argv: Vec<String>,
    /// Names of its environment.
    pub env_names: Vec<String>,
    /// Absolute program.
    pub exe: String,
    /// Folder, relative to the root.
    pub cwd: String,
    /// Process id.
    pub pid: i32,
}

/// How a process that outlived its step was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FoundBy {
    /// It was still in the step's process group.
    Group,
    /// It carried the attempt's marker in its environment.
    Marker,
    /// It was an orphan that only this attempt can have made.
    Orphan,
}

/// All files of an attempt are in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptEnded {
    /// Gate and iteration.
    pub job: JobId,
    /// Milliseconds.
    pub took: u64,
    /// Its log.
    pub log: Option<FileRef>,
    /// The log lost bytes while it was written.
    pub log_shrank: bool,
    /// Why the runner ended it.
    pub stopped: Option<StopCause>,
    /// Why its files could not be kept, or what it stood on was lost.
    pub lost: Option<String>,
    /// Why a database of it could not be migrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrate: Option<String>,
    /// Cases of gates.baseline that no report holds: how many, and the first hundred.
    #[serde(default)]
    pub gone: (u64, Vec<String>),
}
