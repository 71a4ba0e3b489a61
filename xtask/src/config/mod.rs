//! gates.toml: text -> problems or a meaning. Knows the file's rules; does not know what a run is.

mod criteria;
mod gates;
mod pieces;
mod problem;
mod profile;
mod quarantine;
pub mod reference;
mod resolve;
mod resolve_services;
mod reuse;
pub mod schema;
mod services;
mod supplies;
mod template;
mod tools;
mod walk;
mod with;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize as _;
use toml::de::Deserializer;

pub use problem::{Problem, Source};
pub use profile::{MissingRule, Profile};
pub use services::{Database, DatabaseUse, EMPTY, MIGRATED, Per, Postgres, Probe, Process, Ready, Service};
pub use template::{Field, Part, Placeholder, Template};
pub use with::{With, is_a};

use crate::model::{Criterion, Expect, Policy, Quarantine, Tool};

/// A runtime: an interpreter and the environment that belongs to it.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// Id.
    pub id: String,
    /// How its pin is read and its version probed.
    pub kind: schema::RuntimeKind,
    /// Pin file, relative to the root.
    pub pin: String,
    /// How strictly it must match.
    pub policy: Policy,
    /// Folder of `install`, relative to the root.
    pub cwd: String,
    /// Files whose digest decides whether `install` runs.
    pub lockfiles: Vec<String>,
    /// Commands that make the environment.
    pub install: Vec<Vec<Template>>,
    /// Folders before the interpreter's on PATH.
    pub bin: Vec<String>,
    /// Environment of everything that names it.
    pub env: BTreeMap<String, Template>,
}

/// A phase.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Id.
    pub id: String,
    /// Title.
    pub title: String,
    /// Phases judged first.
    pub requires: Vec<String>,
    /// Gates in their order.
    pub gates: Vec<String>,
    /// Iterations.
    pub runs: Option<u32>,
    /// Thresholds.
    pub criteria: Vec<Criterion>,
}

/// A use of a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockUse {
    /// Lock id.
    pub lock: String,
    /// Takes one unit of this many; otherwise all.
    pub shared: bool,
    /// Units that the lock has.
    pub max: u32,
}

/// A gate with every default filled in.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Id.
    pub id: String,
    /// Title.
    pub title: String,
    /// Who answers for it.
    pub owner: String,
    /// Processes, in order.
    pub steps: Vec<Step>,
    /// Runtime ids.
    pub runtimes: Vec<String>,
    /// Names of secret environment variables.
    pub secrets: Vec<String>,
    /// Gates that run first.
    pub needs: Vec<String>,
    /// Locks held while it runs, sorted by id.
    pub locks: Vec<LockUse>,
    /// Databases of which every attempt and worker gets a clone.
    pub databases: Vec<DatabaseUse>,
    /// Services started before the first step.
    pub services: Vec<String>,
    /// Sets of clones and services.
    pub workers: u32,
    /// Slots.
    pub cpus: u32,
    /// Programs that must be there.
    pub tools: Vec<String>,
    /// A missing tool skips instead of failing.
    pub missing_skips: bool,
    /// Never changes a verdict.
    pub advisory: bool,
    /// Of an attempt.
    pub timeout: Duration,
    /// Period of slow notices.
    pub slow_after: Duration,
    /// TERM to KILL.
    pub grace: Duration,
    /// Of a log, in bytes.
    pub log_max: u64,
    /// Iterations, where the gate says.
    pub runs: Option<u32>,
    /// Most parts into which its cases can be split.
    pub shards: u32,
    /// Report globs in fixed places, relative to the root.
    pub junit: Vec<String>,
    /// Artifact globs, relative to the root.
    pub artifacts: Vec<String>,
    /// What its reports must hold.
    pub expect: Expect,
    /// Cases of it that are known to be flaky.
    pub quarantine: Vec<Quarantine>,
    /// Globs of files that its result depends on, relative to the root.
    pub inputs: Vec<String>,
    /// Globs of files that it makes, relative to the root.
    pub outputs: Vec<String>,
}

impl Gate {
    /// The gate promises a report.
    pub fn reports(&self) -> bool {
        !self.junit.is_empty() || self.steps.iter().any(Step::wants_junit)
    }

    /// A step of it runs one part of the cases when it is told to.
    pub fn splits(&self) -> bool {
        let names = |word: &Template| word.places().any(|place| *place == Placeholder::ShardIndex);
        self.steps.iter().any(|step| {
            let in_run = match &step.run {
                StepRun::Argv(words) => words.iter().any(names),
                StepRun::Shell(script) => script.contains("GATE_SHARD_INDEX"),
                StepRun::Check { .. } => false,
            };
            step.tool.is_some() || in_run || step.env.values().any(names)
        })
    }

    /// It needs a service or a database.
    pub fn is_supplied(&self) -> bool {
        let step = |step: &Step| !step.databases.is_empty() || !step.services.is_empty();
        !self.databases.is_empty() || !self.services.is_empty() || self.steps.iter().any(step)
    }
}

/// What a step runs.
#[derive(Clone, Debug)]
pub enum StepRun {
    /// A command as words.
    Argv(Vec<Template>),
    /// A script for `sh -euc`.
    Shell(String),
    /// A built-in check with its keys.
    Check { name: String, with: Vec<(String, With)> },
}

/// One process of a gate.
#[derive(Clone, Debug)]
pub struct Step {
    /// Name, unique in the gate.
    pub name: String,
    /// What it runs.
    pub run: StepRun,
    /// Accepted exit codes.
    pub exit: Vec<i32>,
    /// The test tool that it starts.
    pub tool: Option<Tool>,
    /// Folder, relative to the root.
    pub cwd: String,
    /// Environment over the runtimes'.
    pub env: BTreeMap<String, Template>,
    /// Its own timeout.
    pub timeout: Option<Duration>,
    /// Databases of which it gets a clone of its own.
    pub databases: Vec<DatabaseUse>,
    /// Services started before it.
    pub services: Vec<String>,
}

impl Step {
    /// The step writes a report to `{junit}`: it says so, or it is a tool or a check, which always do.
    pub fn wants_junit(&self) -> bool {
        let names = |word: &Template| word.places().any(|place| *place == Placeholder::Junit);
        let in_run = match &self.run {
            StepRun::Argv(words) => words.iter().any(names),
            StepRun::Shell(script) => script.contains("GATE_JUNIT"),
            StepRun::Check { .. } => true,
        };
        in_run || self.tool.is_some() || self.env.values().any(names)
    }
}

/// A built-in check as gates.toml may name it.
#[derive(Clone, Copy, Debug)]
pub struct CheckSpec {
    /// Name.
    pub name: &'static str,
    /// Keys of `with`: name, type word, required, meaning.
    pub keys: &'static [CheckKey],
}

/// A key of a check's `with` table.
#[derive(Clone, Copy, Debug)]
pub struct CheckKey {
    /// Key.
    pub name: &'static str,
    /// `string`, `integer`, `boolean`, `duration`, `table` or `list` (of strings).
    pub kind: &'static str,
    /// It must be given.
    pub required: bool,
    /// Meaning.
    pub doc: &'static str,
}

/// What gates.toml means.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder of gates.toml.
    pub root: PathBuf,
    /// The manifest's name, relative to where it was found.
    pub file: String,
    /// Runtimes by id.
    pub runtimes: BTreeMap<String, Runtime>,
    /// Services by id.
    pub services: BTreeMap<String, Service>,
    /// Databases by id.
    pub databases: BTreeMap<String, Database>,
    /// Phases by id.
    pub phases: BTreeMap<String, Phase>,
    /// Longest time of an attempt that does not say otherwise, and of building a template.
    pub timeout: Duration,
    /// Gates by id.
    pub gates: BTreeMap<String, Box<Gate>>,
    /// Profiles by name, inheritance applied.
    pub profiles: BTreeMap<String, Profile>,
    /// Names passed from the caller's environment.
    pub env_pass: Vec<String>,
    /// What is odd and does not stop anything.
    pub warnings: Vec<Problem>,
}

/// Who reads a manifest: what it may name, and what a date and a default mean here.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Built-in checks.
    pub checks: &'a [CheckSpec],
    /// CI is set.
    pub in_ci: bool,
    /// The day against which expiry is judged.
    pub today: time::Date,
    /// The files that it names are not looked for: a manifest of another commit is read.
    pub elsewhere: bool,
}

impl Default for Caller<'_> {
    /// No checks, no CI, the first day of 2026: what tests mean.
    fn default() -> Self {
        Self { checks: &[], in_ci: false, today: time::macros::date!(2026 - 01 - 01), elsewhere: false }
    }
}

/// Reads a manifest and gives its meaning, or all its problems.
pub fn load(root: &Path, manifest: &Path, caller: Caller<'_>) -> Result<Config, Vec<Problem>> {
    let file = manifest.strip_prefix(root).unwrap_or(manifest).to_string_lossy().replace('\\', "/");
    let bytes = std::fs::read(manifest).map_err(|cause| vec![unreadable(&file, &format!("failed to read `{file}`: {cause}"))])?;
    let text = String::from_utf8(bytes).map_err(|cause| vec![unreadable(&file, &format!("`{file}` is not UTF-8: {cause}"))])?;
    parse(root, &file, &text, caller)
}

fn unreadable(file: &str, message: &str) -> Problem {
    let hint = "gates.toml is TOML 1.0 in UTF-8".to_owned();
    Problem { file: file.to_owned(), line: 1, column: 1, source: String::new(), message: message.to_owned(), hint }
}

/// The meaning of a text, or all its problems: syntax first, then the schema, then ids and references.
pub fn parse(root: &Path, file: &str, text: &str, caller: Caller<'_>) -> Result<Config, Vec<Problem>> {
    let source = Source { file: file.to_owned(), text };
    let input = resolve::Input { root, source: &source, caller };
    if let Some(config) = pieces::read(input) {
        return Ok(config);
    }
    let (tree, errors) = toml::de::DeTable::parse_recoverable(text);
    let mut problems: Vec<Problem> =
        errors.iter().map(|error| source.problem(&error.span().unwrap_or(0..0), error.message().to_owned(), "TOML 1.0: https://toml.io")).collect();
    let walked = walk::check(&source, &tree);
    // A sound tree is read as it is; only another one is worth a copy.
    let said = if walked.is_empty() { schema::GatesToml::deserialize(Deserializer::from(tree)) } else { walk::mend(&source, &tree).try_into() };
    problems.extend(walked);
    let resolved = resolve::resolve(input, said, &mut problems);
    problems.retain(|problem| !problem.message.contains(walk::STAND_IN));
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems.dedup();
    match resolved {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(problems),
    }
}

/// Looks upwards from a folder for gates.toml.
pub fn find(from: &Path) -> Option<PathBuf> {
    from.ancestors().map(|folder| folder.join("gates.toml")).find(|file| file.is_file())
}

#[cfg(test)]
mod tests;
