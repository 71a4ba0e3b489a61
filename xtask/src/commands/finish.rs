//! From a journal on disk to every file of its run: the same for a run that has just ended, one that was killed, and one that is
//! looked at again a year later.

use std::collections::BTreeSet;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Repository, remember};
use crate::beside::both;
use crate::evidence::{self, Manifest};
use crate::history::Fault;
use crate::journal;
use crate::model::{Exit, Label};
use crate::record::{Record, Settled};
use crate::report::{Cases, FORMATS, Format, Proof, load};
use crate::rundir::{RunDir, write_atomic, write_atomic_with};
use crate::ui::summary::{RedCase, Tally};

/// A run whose files were made.
pub(super) struct Finished {
    /// The fold of the journal on disk.
    pub(super) record: Settled,
    /// What the summary shows.
    pub(super) tally: Tally,
    /// Exit status; broken when a file could not be made.
    pub(super) exit: Exit,
    /// What went wrong while the files were made.
    pub(super) faults: Vec<String>,
    /// Digest of the journal.
    pub(super) digest: String,
    /// summary.md.
    pub(super) summary: String,
    /// Why the history did not take it in, where it should have.
    pub(super) unlearned: Option<Fault>,
}

/// Reads the journal and makes every report. Files that this very process has just written and hashed are looked at, not read.
///
/// The history of a repository, where one is given, learns of the run beside them.
pub(super) fn finish(run: &RunDir, program: &str, proof: Proof, history: Option<&Repository>) -> Finished {
    let mut faults = Vec::new();
    let mut record = Record::default();
    let told = journal::follow(&run.journal(), &mut |event| record.take(event)).unwrap_or_else(|cause| {
        faults.push(format!("failed to read the journal: {cause}"));
        journal::Told::default()
    });
    if let Some(fault) = told.fault {
        faults.push(format!("the journal ends early: {fault}"));
        record.ended = false;
    }
    if record.head.run.is_empty() {
        record.head.run.clone_from(&run.id);
    }
    let cases = load(&mut record, run, proof);
    let record = record.settle();
    let sealed = sealed(run);
    let lesson = remember::lesson(&record, &cases);
    let learn = || history.and_then(|repository| remember::remember(repository, &lesson).err());
    let (unlearned, unmade) = both(learn, || reports(run, &record, &cases, &sealed));
    let unlearned = unlearned.unwrap_or_default();
    faults.extend(unmade);
    faults.extend(seal(run, &record, &sealed).err());
    // Read back: it was just made, or is named among the faults.
    let summary = std::fs::read_to_string(run.file("summary.md")).unwrap_or_default();
    let exit = if faults.is_empty() { record.exit() } else { Exit::Broken };
    let tally = tally(&record, &cases, run, program);
    // The command ends with them, and taking big ones apart takes time.
    std::mem::forget(lesson);
    std::mem::forget(cases);
    Finished { tally, record, exit, faults, digest: told.digest, summary, unlearned }
}

/// Makes every report that is not there as it was sealed, two at a time; gives what went wrong.
fn reports(run: &RunDir, record: &Record, cases: &Cases, sealed: &BTreeSet<String>) -> Vec<String> {
    let due: Vec<&Format> = FORMATS.iter().filter(|format| !sealed.contains(format.file)).collect();
    let make = |format: &Format| {
        let made = write_atomic_with(&run.file(format.file), |file| (format.write)(record, cases, file));
        made.err().map(|cause| format!("failed to write {}: {cause}", format.file))
    };
    let (front, back) = due.split_at(due.len() / 2);
    let all = |formats: &[&Format]| -> Vec<String> { formats.iter().filter_map(|format| make(format)).collect() };
    let (front, back) = both(|| all(front), || all(back));
    let front = front.unwrap_or_else(|_| vec!["failed to write the reports: a bug of this program".to_owned()]);
    [front, back].concat()
}

/// The reports of a run that is as it was sealed, file by file: it is shown as that, also by a newer version of this program.
fn sealed(run: &RunDir) -> BTreeSet<String> {
    let manifest = std::fs::read(run.file("manifest.json")).ok().and_then(|bytes| Manifest::parse(&bytes).ok());
    let Some(manifest) = manifest.filter(|manifest| evidence::check(run, manifest).is_ok()) else { return BTreeSet::new() };
    let names = FORMATS.iter().map(|format| format.file).chain(["tally.jsonl"]);
    names.filter(|name| manifest.file(name).is_some()).map(str::to_owned).collect()
}

/// The tally and the manifest of a run that has just ended, where it can become evidence.
fn seal(run: &RunDir, record: &Record, sealed: &BTreeSet<String>) -> Result<(), String> {
    let has_manifest = run.file("manifest.json").exists();
    if !record.ended || !record.head.can_be_evidence() || record.reuses() || (has_manifest && sealed.contains("tally.jsonl")) {
        return Ok(());
    }
    let events = journal::read(&run.journal()).map_err(|cause| format!("failed to read the journal: {cause}"))?.events;
    write_atomic(&run.file("tally.jsonl"), &evidence::tally(&events)).map_err(|cause| format!("failed to write tally.jsonl: {cause}"))?;
    if has_manifest {
        return Ok(()); // what was sealed and then changed stays visible as that
    }
    let started = OffsetDateTime::parse(&record.head.wall, &Rfc3339).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let ended = started + std::time::Duration::from_millis(record.at);
    let ended = ended.replace_nanosecond(0).unwrap_or(ended).format(&Rfc3339).unwrap_or_default();
    evidence::seal(run, record, &ended, &run_uri()).map(|_| ())
}

/// The address of the job of a CI system that this is.
fn run_uri() -> String {
    let ambient = super::ambient();
    let part = |name: &str| ambient.get(name).filter(|value| !value.is_empty());
    match (part("GITHUB_SERVER_URL"), part("GITHUB_REPOSITORY"), part("GITHUB_RUN_ID"), part("GITHUB_RUN_ATTEMPT")) {
        (Some(server), Some(repository), Some(run), Some(attempt)) => format!("{server}/{repository}/actions/runs/{run}/attempts/{attempt}"),
        _ => String::new(),
    }
}

fn tally(record: &Record, cases: &Cases, run: &RunDir, program: &str) -> Tally {
    let gates = record.head.gates.iter().filter_map(|planned| cases.gates.get_key_value(&planned.id));
    let red = gates.flat_map(|(gate, own)| {
        own.cases.iter().filter(|case| case.red() > 0 && !(case.synthetic && *case.name == **gate)).map(|case| RedCase {
            gate: gate.clone(),
            name: case.name.to_string(),
            at: case
                .detail()
                .at
                .as_ref()
                .map(ToString::to_string)
                .or_else(|| Some(format!("{}:{}", case.file(), case.line?)).filter(|_| !case.file().is_empty())),
            message: case.detail().message.clone(),
            label: if case.outcomes().count() > 1 { case.label() } else { Label::Unclassified },
            red: (case.red(), case.outcomes().count() as u32),
            outcome: case.worst().unwrap_or_default(),
            category: case.category().map_or("unknown", |(category, _)| category.word()),
            bound: case.upper_bound(),
            retried: case.detail().attempts.len() as u32,
        })
    });
    let partly = cases.gates.iter().flat_map(|(gate, own)| own.partly.iter().map(|words| (gate.clone(), "uneven", words.clone())));
    let gone = record.head.gates.iter().flat_map(|gate| gone(record, &gate.id).into_iter().map(|case| (gate.id.clone(), "missing", case)));
    let partly = partly.chain(gone).collect();
    let iterations = record.head.gates.iter().map(|gate| record.gate(gate).ended).max().unwrap_or(0);
    let bound = record.upper_bound(0, iterations);
    Tally {
        red: red.collect(),
        labels: cases.labels(),
        causes: causes(cases),
        partly,
        hidden: record.hidden_attempts(),
        iterations,
        bound,
        program: program.to_owned(),
        folder: folder(run),
    }
}

/// Cases of gates.baseline that an iteration of a gate did not hold.
fn gone(record: &Record, gate: &str) -> BTreeSet<String> {
    record.jobs_of(gate).flat_map(|(_, job)| job.facts.gone.1.iter().cloned()).collect()
}

/// Causes of what is flaky.
fn causes(cases: &Cases) -> u64 {
    let flaky = cases.gates.values().flat_map(|own| &own.cases).filter(|case| case.label() == Label::Flaky);
    let items: Vec<_> =
        flaky.filter_map(|case| Some((case.print()?.cause, case.detail().failures().map(|(iteration, _)| u64::from(iteration)).collect()))).collect();
    crate::flake::groups(&items).into_iter().max().map_or(0, |last| last as u64 + 1)
}

/// The run's folder as a person here would type it.
fn folder(run: &RunDir) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    run.path().strip_prefix(&here).unwrap_or(run.path()).display().to_string()
}
