//! Earlier runs as they lie on disk: their list, their durations, phases they can stand for, and pruning. Knows run folders and
//! their report.json.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::event::Source;
use crate::rundir::GatesDir;

/// One earlier run, by its report.json.
#[derive(Clone, Debug)]
pub struct Past {
    /// Run id.
    pub id: String,
    /// The report; none for a run that never got one.
    pub report: Option<PastReport>,
}

/// The part of a report.json that later runs ask for; of a big run it is a small one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PastReport {
    /// Why it was narrowed.
    pub partial: Option<String>,
    /// Phases and gates that were asked for.
    pub targets: Vec<String>,
    /// Exit status that it ended with.
    pub exit: Option<u64>,
    /// Milliseconds.
    pub took_ms: u64,
    /// Its gates.
    pub gates: Vec<PastGate>,
    shard: Option<IgnoredAny>,
    ended: bool,
    source: Option<Source>,
    source_held: bool,
    config: Option<String>,
    profile: String,
    runtimes: Vec<PastRuntime>,
    phases: Vec<PastPhase>,
}

/// A gate of an earlier run.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PastGate {
    /// Id.
    pub id: String,
    /// Verdict.
    pub verdict: String,
    /// Why, in whole words.
    pub why: Vec<String>,
    /// The run whose results were taken, where it did not run itself.
    pub reused: Option<IgnoredAny>,
    iterations: Vec<PastIteration>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct PastIteration {
    verdict: String,
    took_ms: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct PastRuntime {
    runtime: String,
    version: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct PastPhase {
    id: String,
    verdict: String,
}

impl Past {
    /// Phases and gates that were asked for.
    pub fn targets(&self) -> &[String] {
        self.report.as_ref().map(|report| &report.targets[..]).unwrap_or_default()
    }

    /// Its gates.
    pub fn gates(&self) -> &[PastGate] {
        self.report.as_ref().map(|report| &report.gates[..]).unwrap_or_default()
    }
}

/// All runs, newest first.
pub fn runs(gates: &GatesDir) -> impl Iterator<Item = Past> {
    gates.run_ids().into_iter().rev().map(|id| past(gates, &id))
}

/// One run.
pub fn past(gates: &GatesDir, id: &str) -> Past {
    let report = fs::read(gates.run(id).file("report.json")).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Past { id: id.to_owned(), report }
}

fn age(gates: &GatesDir, id: &str) -> Duration {
    let modified = fs::metadata(gates.run(id).path()).and_then(|metadata| metadata.modified()).ok();
    #[expect(clippy::disallowed_methods, reason = "the age of a folder is a question about now, and decides only what is pruned")]
    modified.and_then(|time| SystemTime::now().duration_since(time).ok()).unwrap_or_default()
}

/// What the newest runs say of each gate.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    /// Median milliseconds of a green iteration.
    pub durations: BTreeMap<String, u64>,
    /// Runs, the oldest first: mean milliseconds of an iteration, and whether the gate was green.
    pub runs: BTreeMap<String, Vec<(u64, bool)>>,
}

/// Durations and colours by gate, from the newest runs.
pub fn recent(gates: &GatesDir) -> Recent {
    let mut recent = Recent::default();
    let mut samples: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for past in runs(gates).take(10) {
        let Some(report) = past.report.filter(|report| report.partial.as_deref() != Some(crate::model::PROVOKED) && report.shard.is_none()) else { continue };
        for gate in report.gates.into_iter().filter(|gate| gate.reused.is_none()) {
            let took = |wanted: fn(&str) -> bool| {
                let ran = gate.iterations.iter().filter(move |one| wanted(&one.verdict));
                ran.filter_map(|one| one.took_ms).collect::<Vec<u64>>()
            };
            samples.entry(gate.id.clone()).or_default().extend(took(|verdict| verdict == "pass"));
            let ran = took(|verdict| matches!(verdict, "pass" | "fail"));
            if !ran.is_empty() {
                let mean = ran.iter().sum::<u64>() / ran.len() as u64;
                recent.runs.entry(gate.id.clone()).or_default().insert(0, (mean, gate.verdict == "pass"));
            }
        }
    }
    let median = |mut values: Vec<u64>| {
        values.sort_unstable();
        values.get(values.len() / 2).copied()
    };
    recent.durations = samples.into_iter().filter_map(|(id, values)| Some((id, median(values)?))).collect();
    recent
}

/// What a run must have been for a phase to count again.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The code.
    pub source: &'a Source,
    /// Pins and profile.
    pub profile: &'a str,
    /// Digest of gates.toml.
    pub config: &'a str,
    /// Versions by runtime, as the pins choose them now.
    pub versions: &'a BTreeMap<String, String>,
}

/// The newest whole run in which a phase was green for this code, these pins and this profile.
pub fn credit(gates: &GatesDir, phase: &str, wanted: &Wanted<'_>) -> Option<String> {
    wanted.source.tree.as_ref()?;
    runs(gates).find(|past| past.report.as_ref().is_some_and(|report| is_credit(report, phase, wanted))).map(|past| past.id)
}

fn is_credit(report: &PastReport, phase: &str, wanted: &Wanted<'_>) -> bool {
    // Another commit with the same tree is the same code.
    let same = report.source.as_ref().is_some_and(|source| source.tree == wanted.source.tree && source.dirty == wanted.source.dirty);
    let green = report.phases.iter().any(|one| one.id == phase && one.verdict == "pass");
    // A result that was taken from another run stands for its own run alone.
    let executed = report.gates.iter().all(|gate| gate.reused.is_none());
    let whole = report.ended && report.partial.is_none() && report.source_held && report.config.as_deref() == Some(wanted.config);
    let pins = report.runtimes.iter().all(|found| wanted.versions.get(&found.runtime) == Some(&found.version));
    same && green && executed && whole && pins && report.profile == wanted.profile && report.exit.is_some()
}

/// What pruning would take away.
#[derive(Clone, Debug, Default)]
pub struct Pruned {
    /// Runs.
    pub runs: Vec<String>,
    /// Bytes.
    pub bytes: u64,
}

/// Removes runs older than an age, then the oldest ones until the rest fits a size. The newest run always stays.
pub fn prune(gates: &GatesDir, age: Duration, size: u64) -> std::io::Result<Pruned> {
    let mut pruned = Pruned::default();
    let mut kept = 0;
    for (index, id) in gates.run_ids().into_iter().rev().enumerate() {
        let folder = gates.run(&id);
        let bytes = bytes_below(folder.path());
        kept += bytes;
        let active = fs::File::open(folder.journal()).is_ok_and(|journal| journal.try_lock_shared().is_err());
        if index > 0 && !active && (self::age(gates, &id) > age || kept > size) {
            fs::remove_dir_all(folder.path())?;
            kept -= bytes;
            pruned.bytes += bytes;
            pruned.runs.push(id);
        }
    }
    Ok(pruned)
}

/// Bytes of all files below a folder.
pub fn bytes_below(folder: &Path) -> u64 {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|found| found.len())
        .sum()
}
