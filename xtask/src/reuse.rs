//! Which results of earlier runs may stand for gates of this one: everything that a result depends on in one digest, and what is known of
//! gates that passed. A gate runs where anything differs, where it cannot be said, and where something that it needs runs. Knows no run
//! that is going on.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::event::{Event, EventKind};
use crate::journal;
use crate::judge::{self, Terms};
use crate::model::{AttemptFacts, FileRef, JobId, Verdict};
use crate::record::Record;
use crate::rundir::{GatesDir, RunDir, check_ref, short, write_atomic};

/// Version of the file and of what a fingerprint is made of.
const SCHEMA: u32 = 1;
/// Results of one gate that are kept: whoever goes back to another branch finds its results again.
const KEPT: usize = 8;
/// Files named in a reason.
const NAMED: usize = 3;

/// What a result depends on, by kind, each as a digest or in words.
pub type Parts = BTreeMap<String, String>;

/// The part that the files of `inputs` are.
pub const INPUTS: &str = "inputs";

/// A gate of the plan, as far as reuse is concerned.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Gate.
    pub gate: String,
    /// Gates that it needs.
    pub needs: Vec<String>,
    /// What its result depends on; or why it always runs.
    pub parts: Result<Parts, String>,
}

/// What becomes of a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The result of another run stands for it.
    Reuse(Kept),
    /// It runs; why.
    Run(String),
}

/// A result that may be reused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Digest of everything that it depends on.
    pub fingerprint: String,
    /// The parts of that digest, for a person who asks what changed.
    pub parts: Parts,
    /// The run in which it was executed.
    pub run: String,
    /// The newest run that has its files.
    pub held: String,
    /// When the run in which it was executed started.
    pub wall: String,
    /// The commit of that run.
    pub commit: Option<String>,
    /// There were uncommitted changes.
    pub dirty: bool,
    /// Digest of the files of `outputs`, as it left them.
    pub outputs: String,
}

impl Kept {
    /// For those that need the gate.
    pub fn result(&self) -> Outcome {
        (self.fingerprint.clone(), self.outputs.clone())
    }
}

/// Results by gate, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    schema: u32,
    gates: BTreeMap<String, Vec<Kept>>,
}

impl Store {
    /// What is known; nothing where the file is damaged or another version's.
    pub fn load(file: &Path) -> Self {
        let store: Option<Self> = std::fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        store.filter(|store| store.schema == SCHEMA).unwrap_or_default()
    }

    /// Writes the file.
    pub fn save(&mut self, file: &Path) -> std::io::Result<()> {
        self.schema = SCHEMA;
        write_atomic(file, &serde_json::to_vec(self)?)
    }

    /// Takes in a result; it is the newest of its gate.
    pub fn keep(&mut self, gate: &str, kept: Kept) {
        let all = self.gates.entry(gate.to_owned()).or_default();
        all.retain(|one| one.fingerprint != kept.fingerprint);
        all.insert(0, kept);
        all.truncate(KEPT);
    }

    /// A result that can no longer be used, or that another execution has contradicted.
    pub fn forget(&mut self, gate: &str, fingerprint: &str) {
        if let Some(all) = self.gates.get_mut(gate) {
            all.retain(|one| one.fingerprint != fingerprint);
        }
    }

    fn find(&self, gate: &str, fingerprint: &str) -> Option<&Kept> {
        self.gates.get(gate)?.iter().find(|one| one.fingerprint == fingerprint)
    }

    /// The newest result of a gate.
    pub fn newest(&self, gate: &str) -> Option<&Kept> {
        self.gates.get(gate)?.first()
    }
}

/// Decides for every gate. `usable` says whether a result is still what it was: its files are there, and its outputs as it left them.
pub fn decide(subjects: &[Subject], store: &Store, usable: &mut dyn FnMut(&str, &Kept) -> Result<(), String>) -> BTreeMap<String, Decision> {
    let by_name: BTreeMap<&str, &Subject> = subjects.iter().map(|subject| (subject.gate.as_str(), subject)).collect();
    let mut decided = BTreeMap::new();
    for subject in subjects {
        // Needs come first; the configuration knows that they form no cycle.
        let mut open = vec![subject];
        while let Some(next) = open.last().copied() {
            let waits = next.needs.iter().filter_map(|need| by_name.get(need.as_str())).find(|need| !decided.contains_key(&need.gate));
            if let Some(need) = waits {
                open.push(need);
                continue;
            }
            open.pop();
            if !decided.contains_key(&next.gate) {
                let decision = decide_one(next, &decided, store, usable);
                decided.insert(next.gate.clone(), decision);
            }
        }
    }
    decided
}

fn decide_one(subject: &Subject, decided: &BTreeMap<String, Decision>, store: &Store, usable: &mut dyn FnMut(&str, &Kept) -> Result<(), String>) -> Decision {
    let parts = match &subject.parts {
        Ok(parts) => parts,
        Err(why) => return Decision::Run(why.clone()),
    };
    let mut known = BTreeMap::new();
    for need in &subject.needs {
        match decided.get(need) {
            Some(Decision::Reuse(kept)) => known.insert(need.clone(), kept.result()),
            Some(Decision::Run(_)) | None => return Decision::Run(format!("it needs {need}, which runs")),
        };
    }
    let kept = fingerprint(parts, &subject.needs, &known).and_then(|fingerprint| store.find(&subject.gate, &fingerprint));
    match kept {
        Some(kept) => usable(&subject.gate, kept).map_or_else(Decision::Run, |()| Decision::Reuse(kept.clone())),
        None => Decision::Run(difference(store.newest(&subject.gate), parts)),
    }
}

/// What a gate came to, for those that need it: its fingerprint and the digest of its outputs.
pub type Outcome = (String, String);

/// The digest of everything that a result depends on; none where something that it needs has no name.
pub fn fingerprint(parts: &Parts, needs: &[String], known: &BTreeMap<String, Outcome>) -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    let mut add = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    for (name, value) in parts {
        add(name);
        add(value);
    }
    for need in needs {
        // Made of the same, it may still have made something else.
        let (fingerprint, outputs) = known.get(need)?;
        add(need);
        add(fingerprint);
        add(outputs);
    }
    Some(hasher.finalize().to_hex().to_string())
}

/// What is other than in the newest result.
fn difference(newest: Option<&Kept>, parts: &Parts) -> String {
    let Some(newest) = newest else { return "no result of it is kept".to_owned() };
    let other: Vec<&str> = parts.iter().filter(|(name, value)| newest.parts.get(*name) != Some(*value)).map(|(name, _)| name.as_str()).collect();
    match other[..] {
        [] => "what it needs has changed".to_owned(),
        _ => format!("changed since run {}: {}", short(&newest.run), other.join(", ")),
    }
}

/// Files that differ, for a reason.
pub fn changed_files(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Option<String> {
    let gone = before.keys().filter(|path| !now.contains_key(*path));
    let other: Vec<&String> = now.iter().filter(|(path, hash)| before.get(*path) != Some(*hash)).map(|(path, _)| path).chain(gone).collect();
    let more = other.len().checked_sub(NAMED).filter(|more| *more > 0).map(|more| format!(" and {more} more")).unwrap_or_default();
    let named: Vec<&str> = other.iter().take(NAMED).map(|path| path.as_str()).collect();
    (!named.is_empty()).then(|| format!("{}{more}", named.join(", ")))
}

/// What a run told of a job: the events that its facts are folded from, and the facts.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Events in their order.
    pub events: Vec<EventKind>,
    /// Facts.
    pub facts: AttemptFacts,
    /// Files that they name.
    pub files: Vec<FileRef>,
}

/// What a run told of some jobs. A journal that is not whole tells nothing.
pub fn told(run: &RunDir, gates: &[&str]) -> BTreeMap<String, Told> {
    let mut all: BTreeMap<String, Told> = gates.iter().map(|gate| ((*gate).to_owned(), Told::default())).collect();
    let mut record = Record::default();
    let mut each = |event: Event| {
        let job = match &event.kind {
            EventKind::ProcEnded { job, .. } | EventKind::ReportRead { job, .. } | EventKind::Measured { job, .. } | EventKind::FileKept { job, .. } => {
                Some(job)
            }
            EventKind::AttemptEnded(ended) => Some(&ended.job),
            _ => None,
        };
        if let Some(told) = job.filter(|job| job.iteration == 1).and_then(|job| all.get_mut(&job.gate)) {
            told.events.push(event.kind.clone());
        }
        record.apply(&event);
    };
    let whole = journal::follow(&run.journal(), &mut each).is_ok_and(|read| read.fault.is_none());
    if !whole || !record.ended {
        return BTreeMap::new();
    }
    for (gate, told) in &mut all {
        let job = JobId { gate: gate.clone(), iteration: 1 };
        let Some(known) = record.jobs.get(&job) else { continue };
        told.facts = known.facts.clone();
        told.files = told.facts.log.iter().chain(told.facts.reports.iter().filter_map(|report| report.file.as_ref())).chain(&known.kept).cloned().collect();
    }
    all
}

/// A result that another run may rely on: it ran to its end, passed at once, and all its files are as they were.
pub fn holds(run: &RunDir, told: &Told, terms: Terms<'_>) -> Result<(), String> {
    let judged = judge::attempt(terms, &told.facts);
    if !told.facts.complete || judged.verdict != Verdict::Pass || judged.flaked.is_some() || told.facts.leaked > 0 {
        return Err(format!("its result in run {} is no plain pass", short(&run.id)));
    }
    told.files.iter().try_for_each(|file| check_ref(run, file)).map_err(|why| format!("run {}: {why}", short(&run.id)))
}

/// Puts the files of a result into another run, without a copy where the file system can. The time of their last change stays.
pub fn bring(from: &RunDir, to: &RunDir, gates: &GatesDir, job: &JobId, told: &Told) -> std::io::Result<()> {
    let out = RunDir::out_name(job, "");
    for file in &told.files {
        link(&from.file(&file.path), &to.file(&file.path))?;
        // Who needs the gate reads its folder.
        if let Some(name) = file.path.strip_prefix(&out) {
            let place = gates.scratch(&to.id).join(job.to_string()).join("out").join(name);
            std::fs::create_dir_all(place.parent().unwrap_or(Path::new(".")))?;
            std::fs::copy(from.file(&file.path), place)?; // it may write there
        }
    }
    Ok(())
}

/// Takes the files of a result out of a run again, before its gate runs there: a log that is there is the other run's own file.
pub fn take_away(from: &RunDir, files: &[FileRef]) {
    for file in files {
        std::fs::remove_file(from.file(&file.path)).ok(); // part of them never came
    }
}

fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to.parent().unwrap_or(Path::new(".")))?;
    if std::fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    std::fs::copy(from, to)?;
    let changed = std::fs::metadata(from)?.modified()?;
    std::fs::File::options().write(true).open(to)?.set_modified(changed)
}

#[cfg(test)]
mod tests;
