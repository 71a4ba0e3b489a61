//! What gates.toml may say: one type a table, whose doc comments are the reference and whose JSON Schema is the validator.
//! Knows no meaning: defaults, ids and files are resolved elsewhere.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use super::criteria::{CriterionTable, UnjudgedWord};
pub use super::quarantine::QuarantineTable;
pub use super::reuse::ReuseWord;
pub use super::supplies::{Database, PerWord, Ready, Service, ServiceKind};
pub use super::tools::ToolWord;

/// gates.toml, schema 1: the gates of a roadmap's phases.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GatesToml {
    /// Version of this file format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub schema: u32,
    /// Semver requirement on the tool's own version.
    pub required_version: Option<String>,
    /// Values for every gate that does not say otherwise.
    #[serde(default)]
    pub defaults: Defaults,
    /// Interpreters and the environments that belong to them.
    #[serde(default)]
    pub runtime: BTreeMap<String, Runtime>,
    /// Named capacities that gates share or hold alone, also between two runs of one repository.
    #[serde(default)]
    pub lock: BTreeMap<String, Lock>,
    /// Managed processes and servers, started for the gates that need them.
    #[serde(default)]
    pub service: BTreeMap<String, Service>,
    /// Templates of PostgreSQL databases, of which a gate gets a fresh clone.
    #[serde(default)]
    pub database: BTreeMap<String, Database>,
    /// Ordered groups of gates with a verdict.
    #[serde(default)]
    pub phase: BTreeMap<String, Phase>,
    /// Named units that can block.
    #[serde(default)]
    pub gate: BTreeMap<String, Box<Gate>>,
    /// Cases that are known to be flaky.
    #[serde(default)]
    pub quarantine: BTreeMap<String, QuarantineTable>,
    /// Named overrides.
    #[serde(default)]
    pub profile: BTreeMap<String, Profile>,
}

/// Values for every gate that does not say otherwise.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Defaults {
    /// Of one attempt: its steps, without waiting. Default "10m".
    #[schemars(extend("format" = "duration"))]
    pub timeout: Option<String>,
    /// A notice once a period. Default "60s".
    #[schemars(extend("format" = "duration"))]
    pub slow_after: Option<String>,
    /// From TERM to KILL. Default "5s"; at most "6s" where CI is set.
    #[schemars(extend("format" = "duration"))]
    pub grace: Option<String>,
    /// Of one attempt's log. Default "2GiB".
    #[schemars(extend("format" = "size"))]
    pub log_max: Option<String>,
    /// Names of environment variables (`*` allowed) passed from the caller beside the fixed list.
    #[serde(default)]
    pub env_pass: Vec<String>,
}

/// An interpreter and the environment that belongs to it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Runtime {
    /// How pins are read and versions probed. Default: the id, if it is one of these.
    pub kind: Option<RuntimeKind>,
    /// The pin file: .python-version, .nvmrc, rust-toolchain.toml.
    pub pin: String,
    /// How strictly the interpreter must match. Default "minor".
    pub policy: Option<PolicyWord>,
    /// Where `install` runs. Default ".".
    pub cwd: Option<String>,
    /// Their digest and the interpreter decide whether `install` runs.
    #[serde(default)]
    pub lockfiles: Vec<String>,
    /// Commands that make the environment; each stops at a non-zero exit.
    #[serde(default)]
    pub install: Vec<Vec<String>>,
    /// Folders before the interpreter's own on PATH.
    #[serde(default)]
    pub bin: Vec<String>,
    /// Environment of everything that names this runtime.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// Kinds of runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum RuntimeKind {
    Python,
    Node,
    Rust,
}

/// How strictly a runtime must match its pin.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum PolicyWord {
    Exact,
    Minor,
    Warn,
}

/// A named capacity.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Lock {
    /// Units for `:shared` holders. Default 1.
    #[schemars(range(min = 1, max = 1024))]
    pub max: Option<u32>,
}

/// An ordered group of gates with a verdict.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Phase {
    /// Shown beside the id. Default: the id.
    pub title: Option<String>,
    /// Phases judged first.
    #[serde(default)]
    pub requires: Vec<String>,
    /// The gates, in the order in which they are shown.
    #[schemars(length(min = 1))]
    pub gates: Vec<String>,
    /// Iterations of every gate that does not say otherwise.
    #[schemars(range(min = 1, max = 100_000))]
    pub runs: Option<u32>,
    /// Thresholds on what repeated iterations show.
    #[serde(default)]
    pub criteria: BTreeMap<String, CriterionTable>,
}

/// A named unit that can block: exactly one of run, shell, check, steps.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Gate {
    /// Shown beside the id. Default: the id.
    pub title: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// A command as a list of words, no shell.
    #[schemars(length(min = 1))]
    pub run: Option<Vec<String>>,
    /// A script for `sh -euc`; placeholders are read as `$GATE_...`.
    pub shell: Option<String>,
    /// A built-in check.
    pub check: Option<String>,
    /// The check's own keys.
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>", extend("format" = "check-keys"))]
    pub with: Option<BTreeMap<String, toml::Value>>,
    /// Accepted exit codes. Default [0].
    #[schemars(length(min = 1))]
    pub exit: Option<Vec<u8>>,
    /// The test tool that `run` starts: `{tool.args}` becomes its words for a report in `{junit}` and against retries.
    pub tool: Option<ToolWord>,
    /// Where the steps run. Default ".".
    pub cwd: Option<String>,
    /// Environment of the steps.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Of one attempt: its steps, without waiting.
    #[schemars(extend("format" = "duration"))]
    pub timeout: Option<String>,
    /// Several processes, in order; the first failure ends the attempt.
    #[schemars(length(min = 1))]
    pub steps: Option<Vec<Step>>,
    /// Runtimes, in the order of their folders on PATH.
    #[serde(default)]
    pub runtimes: Vec<String>,
    /// Names of environment variables that are passed and masked.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Gates that always run too; a failed one skips this gate.
    #[serde(default)]
    pub needs: Vec<String>,
    /// "ID" for all of a lock, "ID:shared" for one unit.
    #[serde(default)]
    pub locks: Vec<String>,
    /// "ID" or "ID:STATE": a fresh clone for each attempt and worker. State: migrated, empty or a fixture; default migrated.
    #[serde(default)]
    pub databases: Vec<String>,
    /// Services started before the first step and stopped after the attempt.
    #[serde(default)]
    pub services: Vec<String>,
    /// Sets of clones and of services with per = "worker". Default 1.
    #[schemars(range(min = 1, max = 64))]
    pub workers: Option<u32>,
    /// Share of the `jobs` slots; more than there are = alone. Default 1.
    #[schemars(range(min = 1, max = 1024))]
    pub cpus: Option<u32>,
    /// Programs that the machine must have.
    #[serde(default)]
    pub tools: Vec<String>,
    /// What a missing tool means. Default "fail".
    pub missing: Option<MissingWord>,
    /// Shown and counted, never changes a verdict. Default false.
    pub advisory: Option<bool>,
    /// A notice once a period.
    #[schemars(extend("format" = "duration"))]
    pub slow_after: Option<String>,
    /// From TERM to KILL.
    #[schemars(extend("format" = "duration"))]
    pub grace: Option<String>,
    /// Of one attempt's log.
    #[schemars(extend("format" = "size"))]
    pub log_max: Option<String>,
    /// Iterations.
    #[schemars(range(min = 1, max = 100_000))]
    pub runs: Option<u32>,
    /// Most parts into which a plan for several machines splits its cases. A run on one machine has all of them.
    #[schemars(range(min = 1, max = 256))]
    pub shards: Option<u32>,
    /// Reports written to fixed places, as globs; removed before an attempt. `{junit}` needs no entry.
    #[serde(default)]
    pub junit: Vec<String>,
    /// Files kept beside `{out}`, as globs.
    #[serde(default)]
    pub artifacts: Vec<String>,
    /// What the reports must hold.
    pub expect: Option<Expect>,
    /// Files that its result depends on, as globs: for reuse and `--affected`. Without any it is never reused and always affected.
    #[serde(default)]
    pub inputs: Vec<String>,
    /// Files that it makes and others read, as globs: a result is reused only while they are as it left them.
    #[serde(default)]
    pub outputs: Vec<String>,
}

/// One process of a gate: exactly one of run, shell, check.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Step {
    /// Unique in the gate. Default: its number.
    pub name: Option<String>,
    /// A command as a list of words, no shell.
    #[schemars(length(min = 1))]
    pub run: Option<Vec<String>>,
    /// A script for `sh -euc`.
    pub shell: Option<String>,
    /// A built-in check.
    pub check: Option<String>,
    /// The check's own keys.
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>", extend("format" = "check-keys"))]
    pub with: Option<BTreeMap<String, toml::Value>>,
    /// Accepted exit codes. Default [0].
    #[schemars(length(min = 1))]
    pub exit: Option<Vec<u8>>,
    /// The test tool that `run` starts.
    pub tool: Option<ToolWord>,
    /// Where the step runs. Default: the gate's.
    pub cwd: Option<String>,
    /// Environment of the step, over the gate's.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// "ID" or "ID:STATE": a clone for this step alone.
    #[serde(default)]
    pub databases: Vec<String>,
    /// Services started before this step and stopped after the attempt.
    #[serde(default)]
    pub services: Vec<String>,
    /// Of this step. Default: what is left of the gate's.
    #[schemars(extend("format" = "duration"))]
    pub timeout: Option<String>,
}

/// What a missing tool means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum MissingWord {
    Fail,
    Skip,
}

/// What the reports of a gate must hold.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Expect {
    /// Least number of cases that passed, failed or ended in an error. Default 1.
    #[schemars(range(min = 1))]
    pub min_tests: Option<u64>,
    /// Cases that must be there.
    #[serde(default)]
    pub cases: Vec<ExpectCases>,
    /// Skips that are declared.
    #[serde(default)]
    pub skips: Vec<ExpectSkips>,
}

/// Cases that must be there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ExpectCases {
    /// Glob on the printed name of a case.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Least number of cases that match. Default 1.
    #[schemars(range(min = 1))]
    pub min: Option<u64>,
}

/// A skip that is declared.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ExpectSkips {
    /// Glob on the printed name of a case.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Why it may be skipped.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
}

/// Named overrides, chosen by `--profile`, else `ci` where CI is set, else `local`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Profile {
    /// The profile whose values hold where this one is silent.
    pub inherits: Option<String>,
    /// Iterations of every gate that does not say otherwise.
    #[schemars(range(min = 1, max = 100_000))]
    pub runs: Option<u32>,
    /// Slots. Default: the number of cores.
    #[schemars(range(min = 1, max = 1024))]
    pub jobs: Option<u32>,
    /// What a mixed result over iterations does to the verdict.
    pub flaky: Option<FlakyWord>,
    /// What a missing tool means.
    pub missing: Option<ProfileMissing>,
    /// What a criterion that cannot be judged yet means.
    pub unjudged: Option<UnjudgedWord>,
    /// How strictly runtimes must match.
    pub pins: Option<ProfilePins>,
    /// Refuse to run on uncommitted changes.
    pub clean_tree: Option<bool>,
    /// Start nothing after the first gate that is not green.
    pub fail_fast: Option<bool>,
    /// Whether a gate of which nothing has changed since it last passed runs again. Default "never"; release never reuses.
    pub reuse: Option<ReuseWord>,
}

/// What a mixed result over iterations does to the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum FlakyWord {
    Pass,
    Warn,
    Fail,
}

/// What a missing tool means in a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum ProfileMissing {
    AsDeclared,
    Fail,
}

/// How strictly runtimes must match in a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum ProfilePins {
    AsDeclared,
    Exact,
}

/// Keys of the format that this version does not act on: an error, never ignored. `*` stands for an id or an index.
pub const NOT_YET: &[&str] = &["gate.*.retries"];

/// The JSON Schema of gates.toml, from the types.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(GatesToml).to_value()
}
