//! Earlier runs as they lie on disk: their list, their durations, phases they can stand for, and pruning. Knows run folders and
//! their report.json.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::event::Source;
use crate::rundir::GatesDir;

/// One earlier run, by its report.json.
#[derive(Clone, Debug)]
pub struct Past {
    /// Run id.
    pub id: String,
    /// The report; none for a run that never got one.
    pub report: Option<Value>,
    /// Bytes on disk.
    pub bytes: u64,
    /// Age of the folder.
    pub age: Duration,
}

impl Past {
    /// A text field of the report.
    pub fn text(&self, key: &str) -> String {
        self.report.as_ref().and_then(|report| report[key].as_str()).unwrap_or_default().to_owned()
    }

    /// Exit status that the run ended with.
    pub fn exit(&self) -> Option<u64> {
        self.report.as_ref().and_then(|report| report["exit"].as_u64())
    }

    /// Phases and gates that were asked for.
    pub fn targets(&self) -> Vec<String> {
        strings(self.report.as_ref().map(|report| &report["targets"]))
    }

    /// Verdicts by gate.
    pub fn gates(&self) -> Vec<(String, String)> {
        let gates = self.report.as_ref().and_then(|report| report["gates"].as_array()).cloned().unwrap_or_default();
        gates.iter().filter_map(|gate| Some((gate["id"].as_str()?.to_owned(), gate["verdict"].as_str()?.to_owned()))).collect()
    }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// All runs, newest first.
pub fn runs(gates: &GatesDir) -> Vec<Past> {
    gates.run_ids().into_iter().rev().map(|id| past(gates, &id)).collect()
}

/// One run.
pub fn past(gates: &GatesDir, id: &str) -> Past {
    let folder = gates.run(id);
    let report = fs::read(folder.file("report.json")).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let modified = fs::metadata(folder.path()).and_then(|metadata| metadata.modified()).ok();
    #[expect(clippy::disallowed_methods, reason = "the age of a folder is a question about now, and decides only what is pruned")]
    let age = modified.and_then(|time| SystemTime::now().duration_since(time).ok()).unwrap_or_default();
    Past { id: id.to_owned(), report, bytes: 0, age }
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
    for past in runs(gates).into_iter().take(10) {
        let Some(report) = past.report.filter(|report| report["partial"] != crate::model::PROVOKED && report["shard"].is_null()) else { continue };
        for gate in report["gates"].as_array().into_iter().flatten() {
            let (Some(id), Some(iterations)) = (gate["id"].as_str(), gate["iterations"].as_array()) else { continue };
            let took = |wanted: fn(&str) -> bool| {
                let ran = iterations.iter().filter(move |one| one["verdict"].as_str().is_some_and(wanted));
                ran.filter_map(|one| one["took_ms"].as_u64()).collect::<Vec<u64>>()
            };
            samples.entry(id.to_owned()).or_default().extend(took(|verdict| verdict == "pass"));
            let ran = took(|verdict| matches!(verdict, "pass" | "fail"));
            if !ran.is_empty() {
                let mean = ran.iter().sum::<u64>() / ran.len() as u64;
                recent.runs.entry(id.to_owned()).or_default().insert(0, (mean, gate["verdict"] == "pass"));
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
    runs(gates).into_iter().find(|past| past.report.as_ref().is_some_and(|report| is_credit(report, phase, wanted))).map(|past| past.id)
}

fn is_credit(report: &Value, phase: &str, wanted: &Wanted<'_>) -> bool {
    let source: Option<Source> = serde_json::from_value(report["source"].clone()).ok();
    // Another commit with the same tree is the same code.
    let same = source.is_some_and(|source| source.tree == wanted.source.tree && source.dirty == wanted.source.dirty);
    let green = report["phases"].as_array().into_iter().flatten().any(|one| one["id"] == phase && one["verdict"] == "pass");
    let whole = report["ended"] == true && report["partial"].is_null() && report["source_held"] == true && report["config"] == wanted.config;
    let pins = report["runtimes"].as_array().into_iter().flatten().all(|found| {
        let version = found["runtime"].as_str().and_then(|id| wanted.versions.get(id));
        version.is_some_and(|version| found["version"] == version.as_str())
    });
    same && green && whole && pins && report["profile"] == wanted.profile && report["exit"].as_u64().is_some()
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
    for (index, mut past) in runs(gates).into_iter().enumerate() {
        let folder = gates.run(&past.id);
        past.bytes = bytes_below(folder.path());
        kept += past.bytes;
        let active = fs::File::open(folder.journal()).is_ok_and(|journal| journal.try_lock_shared().is_err());
        if index > 0 && !active && (past.age > age || kept > size) {
            fs::remove_dir_all(folder.path())?;
            kept -= past.bytes;
            pruned.bytes += past.bytes;
            pruned.runs.push(past.id);
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
