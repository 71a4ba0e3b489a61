//! manifest.json: every file of a run with its size, SHA-256 and kind. What is not listed is no evidence, and what is listed must be
//! there as it was.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::beside::both;
use crate::record::Record;
use crate::rundir::{RunDir, write_atomic};

/// Most bytes of a manifest that anybody reads.
const LARGEST: u64 = 64 << 20;

/// The files of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Version of this format: 1.
    pub schema: u32,
    /// Run id.
    pub run: String,
    /// Wall time of its start, RFC 3339, UTC.
    pub started_on: String,
    /// Wall time of its end.
    pub finished_on: String,
    /// Version of the tool that sealed it.
    pub tool: String,
    /// Profile.
    pub profile: String,
    /// Phases that it judged.
    pub phases: Vec<String>,
    /// Commit of the source; empty outside git.
    pub commit: String,
    /// The run was made by a CI system; its address, or empty.
    #[serde(default)]
    pub run_uri: String,
    /// Files, sorted by path.
    pub files: Vec<Sealed>,
}

/// A file of a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sealed {
    /// Path below the run's folder, with `/`.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// What it is: journal, tally, log, junit, report, measure, config, kept.
    pub kind: String,
}

impl Manifest {
    /// A listed file.
    pub fn file(&self, path: &str) -> Option<&Sealed> {
        self.files.iter().find(|file| file.path == path)
    }

    /// A manifest from its bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() as u64 > LARGEST {
            return Err(format!("it has {} bytes", bytes.len()));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(|cause| cause.to_string())?;
        if manifest.schema != 1 {
            return Err(format!("it has schema {}, and this program knows 1", manifest.schema));
        }
        let sorted = manifest.files.windows(2).all(|two| two[0].path < two[1].path);
        if !sorted {
            return Err("its files are not sorted, or one is there twice".to_owned());
        }
        if let Some(odd) = manifest.files.iter().find(|file| file.path.starts_with('/') || file.path.split('/').any(|part| matches!(part, "" | "." | ".."))) {
            return Err(format!("`{}` leads out of the folder", odd.path));
        }
        Ok(manifest)
    }
}

/// SHA-256 of some bytes, in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").ok(); // a string takes everything
        text
    })
}

/// Size and SHA-256 of a file.
pub fn sha256_file(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut size = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok((size, hex(&hasher.finalize())));
        }
        hasher.update(&buffer[..count]);
        size += count as u64;
    }
}

/// Names of the regular files of a run's folder, sorted; something else there is an error.
fn names(run: &RunDir) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for entry in walkdir::WalkDir::new(run.path()).min_depth(1).sort_by_file_name() {
        let entry = entry.map_err(|cause| cause.to_string())?;
        let name = entry.path().strip_prefix(run.path()).unwrap_or(entry.path()).to_str().map(|name| name.replace('\\', "/"));
        let name = name.ok_or_else(|| format!("{} is not UTF-8", entry.path().display()))?;
        if entry.file_type().is_dir() || name == "manifest.json" {
            continue;
        }
        if !entry.file_type().is_file() {
            return Err(format!("{name} is neither a file nor a folder"));
        }
        names.push(name);
    }
    names.sort();
    Ok(names)
}

fn kind(name: &str) -> &'static str {
    match name {
        "events.jsonl" => "journal",
        "tally.jsonl" => "tally",
        "gates.toml" => "config",
        "junit.xml" | "report.json" | "summary.md" | "report.html" => "report",
        _ if name.ends_with("/measures.json") => "measure",
        _ if name.starts_with("logs/") => "log",
        _ if name.starts_with("junit/") => "junit",
        _ => "kept",
    }
}

/// Lists the files of a finished run in manifest.json. Only runs that can be evidence have one.
pub fn seal(run: &RunDir, record: &Record, finished_on: &str, run_uri: &str) -> Result<Option<Manifest>, String> {
    let is_evidence = record.ended && record.refused.is_none() && record.head.can_be_evidence();
    if !is_evidence {
        return Ok(None);
    }
    let names = names(run)?;
    let half = names.len().div_ceil(2);
    let sealed = |names: &[String]| -> Result<Vec<Sealed>, String> {
        let one = |name: &String| {
            let (size, sha256) = sha256_file(&run.file(name)).map_err(|cause| format!("failed to read {name}: {cause}"))?;
            Ok(Sealed { path: name.clone(), size, sha256, kind: kind(name).to_owned() })
        };
        names.iter().map(one).collect()
    };
    // Two threads: a gate ends on its last byte, and the person waits.
    let (back, front) = both(|| sealed(&names[half..]), || sealed(&names[..half]));
    let back = back.map_err(|_| "a thread that reads files panicked".to_owned())?;
    let files = [front?, back?].concat();
    let manifest = Manifest {
        schema: 1,
        run: record.head.run.clone(),
        started_on: record.head.wall.clone(),
        finished_on: finished_on.to_owned(),
        tool: record.head.tool.clone(),
        profile: record.head.profile.clone(),
        phases: record.head.phases.iter().map(|phase| phase.id.clone()).collect(),
        commit: record.source_start.as_ref().and_then(|source| source.commit.clone()).unwrap_or_default(),
        run_uri: run_uri.to_owned(),
        files,
    };
    let mut bytes = serde_json::to_vec_pretty(&manifest).map_err(|cause| cause.to_string())?;
    bytes.push(b'\n');
    write_atomic(&run.file("manifest.json"), &bytes).map_err(|cause| format!("failed to write manifest.json: {cause}"))?;
    Ok(Some(manifest))
}

/// Every listed file is there with its size and digest, and no other; else each thing that is wrong.
pub fn check(run: &RunDir, manifest: &Manifest) -> Result<(), Vec<String>> {
    let mut wrong = Vec::new();
    let found = names(run).map_err(|why| vec![why])?;
    wrong.extend(found.iter().filter(|name| manifest.file(name).is_none()).map(|name| format!("{name} is not in manifest.json")));
    for file in &manifest.files {
        match sha256_file(&run.file(&file.path)) {
            Ok((size, sha256)) if size == file.size && sha256 == file.sha256 => {}
            Ok(_) => wrong.push(format!("{} is not what manifest.json says", file.path)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => wrong.push(format!("{} is missing", file.path)),
            Err(cause) => wrong.push(format!("failed to read {}: {cause}", file.path)),
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, EventKind, PlannedPhase, RunStarted};
    use crate::rundir::GatesDir;

    fn sealed(folder: &Path) -> (RunDir, Manifest) {
        let run = GatesDir::new(folder).create_run("r").expect("created");
        write_atomic(&run.file("logs/a.1.log"), b"one").expect("written");
        write_atomic(&run.file("junit.xml"), b"<testsuites/>").expect("written");
        let phase = PlannedPhase { id: "p".to_owned(), title: String::new(), gates: Vec::new(), requires: Vec::new(), asked: true, criteria: Vec::new() };
        let head = RunStarted { run: "r".to_owned(), ci: true, phases: vec![phase], ..RunStarted::default() };
        let kinds = [EventKind::RunStarted(Box::new(head)), EventKind::RunEnded {}];
        let events: Vec<Event> = kinds.into_iter().zip(0..).map(|(kind, seq)| Event { seq, at: seq, kind }).collect();
        let record = Record::of(&events);
        let manifest = seal(&run, &record, "2026-01-01T00:00:00Z", "").expect("sealed").expect("whole");
        (run, manifest)
    }

    #[test]
    fn every_change_of_a_sealed_run_is_named() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (run, manifest) = sealed(folder.path());
        assert_eq!(
            manifest.files.iter().map(|file| (file.path.as_str(), file.kind.as_str())).collect::<Vec<_>>(),
            [("junit.xml", "report"), ("logs/a.1.log", "log")]
        );
        assert_eq!(manifest.files[1].sha256, "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed", "what sha256sum prints of `one`");
        assert_eq!(check(&run, &manifest), Ok(()));
        write_atomic(&run.file("logs/a.1.log"), b"two").expect("written");
        write_atomic(&run.file("logs/b.1.log"), b"").expect("written");
        std::fs::remove_file(run.file("junit.xml")).expect("removed");
        let wrong = check(&run, &manifest).expect_err("changed");
        assert_eq!(wrong, ["logs/b.1.log is not in manifest.json", "junit.xml is missing", "logs/a.1.log is not what manifest.json says"]);
    }

    #[test]
    fn a_manifest_that_leads_elsewhere_is_none() {
        let file = |path: &str| Sealed { path: path.to_owned(), size: 0, sha256: String::new(), kind: "log".to_owned() };
        let parse = |files: Vec<Sealed>| Manifest::parse(&serde_json::to_vec(&Manifest { schema: 1, files, ..Manifest::default() }).expect("JSON"));
        assert!(parse(vec![file("a"), file("b")]).is_ok());
        for bad in [vec![file("../a")], vec![file("/a")], vec![file("a//b")], vec![file("b"), file("a")], vec![file("a"), file("a")]] {
            assert!(parse(bad.clone()).is_err(), "{bad:?}");
        }
    }
}
