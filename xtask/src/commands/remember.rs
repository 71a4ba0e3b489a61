//! From a finished run to what the history keeps of it, and the history of a repository brought up to date with its runs.

use std::io::{BufRead as _, BufReader};
use std::path::Path;

use super::Repository;
use crate::event::{Event, EventKind, PlannedGate};
use crate::history::{Cause, Fault, GateLesson, IterationLesson, Lesson, ResultLesson, Store};
use crate::journal;
use crate::model::{Before, JobId, Outcome, Verdict};
use crate::record::{JobRecord, Record};
use crate::report::{CaseLine, Cases, GateCases, Proof, load};
use crate::rundir::RunDir;

/// What the history keeps of a run: iterations that came to an end, and what did not pass in them.
pub(super) fn lesson<'a>(record: &'a Record, cases: &'a Cases) -> Lesson<'a> {
    let gates = record.head.gates.iter().map(|gate| gate_lesson(gate, record, cases.gates.get(&gate.id)));
    // What was provoked says nothing of how often it happens; a shard is taken in with the run that it was merged into.
    let provoked = record.head.partial.as_deref() == Some(crate::model::PROVOKED) || record.head.shard.is_some();
    let source = record.source_start.clone().unwrap_or_default();
    Lesson {
        run: record.head.run.clone(),
        wall: record.head.wall.clone(),
        commit: source.commit.unwrap_or_default(),
        code: code(record),
        gates: gates.filter(|gate| !provoked && !gate.iterations.is_empty()).collect(),
    }
}

/// Everything that makes executions comparable. Outside of git two runs never are.
fn code(record: &Record) -> String {
    let source = record.source_start.clone().unwrap_or_default();
    let tree = source.tree.unwrap_or_else(|| format!("run {}", record.head.run));
    let config = record.head.config.as_ref().map(|file| file.digest.as_str()).unwrap_or_default();
    let mut words: Vec<String> = record.runtimes.iter().map(|found| format!("{} {}", found.kind, found.version)).collect();
    words.extend(record.servers().map(|(version, _)| format!("postgres {version}")));
    words.sort();
    words.dedup();
    let text = [tree.as_str(), source.dirty.as_deref().unwrap_or_default(), config, &record.head.host, &words.join(",")].join("\n");
    blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
}

fn gate_lesson<'a>(gate: &'a PlannedGate, record: &Record, own: Option<&'a GateCases>) -> GateLesson<'a> {
    let own = own.map(|own| &own.cases[..]).unwrap_or_default();
    // A result of another run is no execution, and is known from that run.
    let ended = record.jobs_of(&gate.id).filter(|(_, job)| job.skip.is_none() && job.reused.is_none() && job.facts.complete);
    let iterations = ended.filter_map(|(id, job)| iteration(gate, record, own, id, job)).collect();
    GateLesson { gate: gate.id.clone(), owner: gate.owner.clone(), iterations }
}

fn iteration<'a>(gate: &'a PlannedGate, record: &Record, own: &'a [CaseLine], id: &JobId, job: &JobRecord) -> Option<IterationLesson<'a>> {
    let judged = record.judge(gate, job);
    let valid = match judged.verdict {
        Verdict::Pass | Verdict::Fail => true,
        Verdict::Broken => false,
        Verdict::Skipped | Verdict::Cancelled => return None,
    };
    let whole = valid && gate.part.is_none() && (judged.inventory.is_some() || !gate.reports);
    let number = id.iteration;
    let result = |case: &CaseLine, outcome: Outcome, attempts: u32| ResultLesson {
        // A case of the gate itself stands for whatever no report says.
        case: if case.synthetic { gate.id.clone() } else { case.name.to_string() },
        outcome,
        attempts,
        cause: case.detail().failure_in(number).map(|failure| Cause {
            print: failure.print.cause,
            category: failure.category,
            rule: failure.rule.to_owned(),
            message: case.detail().message.clone(),
        }),
    };
    let (mut names, mut results) = (Vec::with_capacity(if whole { own.len() + 1 } else { 0 }), Vec::new());
    let mut own_id = whole.then_some(gate.id.as_str());
    for (case, outcome) in own.iter().filter_map(|case| Some((case, case.outcome_in(number)?))) {
        if whole && !case.synthetic {
            names.push(&*case.name);
            own_id = own_id.filter(|id| **id != *case.name);
        }
        let attempts = case.detail().attempts.get(&number).copied().unwrap_or(0);
        if (valid || case.synthetic) && (outcome != Outcome::Passed || attempts > 0) {
            results.push(result(case, outcome, attempts));
        }
    }
    names.extend(own_id);
    Some(IterationLesson { number, took: job.facts.took, whole, inventory: judged.inventory.unwrap_or_else(|| "-".to_owned()), names, results })
}

/// Takes a run into the repository's history.
pub(super) fn remember(repository: &Repository, lesson: &Lesson<'_>) -> Result<(), Fault> {
    if lesson.gates.is_empty() {
        return Ok(()); // it teaches nothing; whoever asks the history takes it in
    }
    open(repository)?.learn(lesson).map(|_| ())
}

/// Opens the history. A damaged one is set aside, so that it is neither lost nor in the way.
pub(super) fn open(repository: &Repository) -> Result<Store, Fault> {
    let file = repository.gates.history();
    repository.gates.ignore().ok(); // what cannot be written is told when the history is
    match Store::open(&file) {
        Err(Fault::Damaged { cause, .. }) if file.is_file() => {
            let moved = Store::set_aside(&file).map_err(|why| Fault::Damaged { file: file.clone(), cause: format!("{cause}; {why}") })?;
            super::say(&format!("note: the history was damaged ({cause}); it is kept as {} and made again from the runs here", moved.display()));
            Store::open(&file)
        }
        opened => opened,
    }
}

/// Opens the history and takes in every run on disk that it does not know.
pub(super) fn caught_up(repository: &Repository) -> Result<Store, Fault> {
    let mut store = open(repository)?;
    let known = store.runs()?;
    for id in repository.gates.run_ids().into_iter().filter(|id| !known.contains(id)) {
        let folder = repository.gates.run(&id);
        let active = std::fs::File::open(folder.journal()).is_ok_and(|journal| journal.try_lock_shared().is_err());
        if !active {
            learn(&folder, &mut store, false)?;
        }
    }
    Ok(store)
}

/// The journal of a run has its first event.
pub(super) fn has_begun(folder: &RunDir) -> bool {
    let mut line = String::new();
    let read = std::fs::File::open(folder.journal()).and_then(|file| BufReader::new(file).read_line(&mut line));
    read.is_ok() && serde_json::from_str::<Event>(&line).is_ok_and(|event| matches!(event.kind, EventKind::RunStarted(_)))
}

/// Takes in a run on disk; says whether it was new, and nothing where there is no run. Where it is the last thing that the command does, its cases
/// are left to the end of the process, as taking big ones apart takes time.
pub(super) fn learn(folder: &RunDir, store: &mut Store, is_last: bool) -> Result<Option<bool>, Fault> {
    let Some((mut record, fault)) = journal::read(&folder.journal()).ok().map(|readout| (Record::of(&readout.events), readout.fault)) else {
        return Ok(None);
    };
    if record.head.run.is_empty() {
        return Ok(None);
    }
    record.ended &= fault.is_none();
    let cases = load(&mut record, folder, Proof::Size);
    let learned = store.learn(&lesson(&record, &cases)).map(Some);
    if is_last {
        std::mem::forget(cases);
    }
    learned
}

/// Run folders at or below a place.
pub(super) fn run_folders(place: &Path) -> Vec<RunDir> {
    let mut folders = Vec::new();
    let mut walk = walkdir::WalkDir::new(place).sort_by_file_name().into_iter();
    while let Some(entry) = walk.next() {
        let Ok(entry) = entry else { continue };
        if entry.file_type().is_dir() && entry.path().join("events.jsonl").is_file() {
            folders.extend(entry.path().canonicalize().ok().and_then(|path| RunDir::at(&path)));
            // The shards below a merged run are in it already.
            walk.skip_current_dir();
        }
    }
    folders
}

/// What the history says of cases in quarantine. What it does not know is excused in no single iteration.
pub(super) fn recall(repository: &Repository, gates: &mut [PlannedGate]) {
    if gates.iter().all(|gate| gate.quarantine.is_empty()) {
        return;
    }
    let tally = caught_up(repository).and_then(|store| store.tally()).unwrap_or_else(|fault| {
        super::say(&format!("note: quarantine is judged without the history: {fault}"));
        Vec::new()
    });
    for gate in gates {
        for entry in &mut gate.quarantine {
            let Some(known) = tally.iter().find(|case| case.gate == gate.id && case.case == entry.case) else { continue };
            let in_a_row = known.standing.recent.chars().rev().take_while(|mark| *mark == 'x').count() as u32;
            entry.before = Before { executions: known.executions, red: known.red, in_a_row };
        }
    }
}
