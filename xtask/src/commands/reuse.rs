//! Reuse of results: what each gate of a plan depends on here and now, which of them need not run, and what is kept for later runs.

mod facing;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

pub(super) use facing::{of_databases, of_runtime};

use facing::{Facing, everything, machine, made_for, tables, tool};

use super::Repository;
use crate::baseline::Baseline;
use crate::config::Config;
use crate::event::{EventKind, JobReused};
use crate::inputs::{Digest, Inputs};
use crate::model::{FileRef, JobId, Label, Skip, Verdict};
use crate::pins::{Ambient, Interpreter};
use crate::plan::{Plan, Work};
use crate::record::Record;
use crate::reuse::{self, Decision, INPUTS, Kept, Parts, Store, Subject, Told};
use crate::run::Reused;
use crate::rundir::{GatesDir, RunDir, short, write_atomic};

/// What deciding looks at.
#[derive(Clone, Copy)]
pub(super) struct Here<'a> {
    pub(super) repository: &'a Repository,
    pub(super) run: &'a RunDir,
    pub(super) config: &'a Config,
    pub(super) plan: &'a Plan,
    pub(super) interpreters: &'a BTreeMap<String, Interpreter>,
    pub(super) ambient: &'a Ambient,
    pub(super) baseline: &'a Baseline,
    pub(super) left_out: &'a [(usize, Skip)],
}

/// Results that may be kept when the run is over.
pub(super) struct Reuse {
    store: Store,
    file: PathBuf,
    gates: GatesDir,
    inputs: Inputs,
    /// Gates that run, with what they depend on as it was before.
    candidates: BTreeMap<String, Candidate>,
    /// Gates whose result was reused.
    reused: BTreeMap<String, Kept>,
}

struct Candidate {
    parts: Parts,
    needs: Vec<String>,
    inputs: Vec<String>,
    /// What those that it needs make: known by what they came to, and made while the run goes on.
    made: Vec<String>,
    outputs: Vec<String>,
    before: Digest,
    files: BTreeMap<String, String>,
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    u64::try_from(time::OffsetDateTime::now_utc().unix_timestamp_nanos()).unwrap_or(0)
}

/// The files of a repository as they were found, and when that began, in nanoseconds since 1970.
pub(super) struct Looked {
    inputs: Inputs,
    now: u64,
}

/// A look at the files that gates depend on, beside other preparations.
pub(super) struct Looking {
    root: PathBuf,
    file: PathBuf,
    globs: Vec<String>,
    /// Who looks, and how to tell it where.
    beside: Option<(Sender<Vec<String>>, JoinHandle<Looked>)>,
}

impl Looking {
    /// Begins to read what is remembered of files.
    pub(super) fn begin(root: &Path, gates: &GatesDir) -> Self {
        let (root, file) = (root.to_owned(), gates.cache("reuse/inputs.bin"));
        let (told, asked) = mpsc::channel::<Vec<String>>();
        let open = {
            let (root, file) = (root.clone(), file.clone());
            move || Inputs::open(&root, file)
        };
        let work = move || looked(open(), &asked.recv().unwrap_or_default());
        let thread = std::thread::Builder::new().name("inputs".to_owned()).spawn(work);
        Self { root, file, globs: Vec::new(), beside: thread.ok().map(|thread| (told, thread)) }
    }

    /// Says what the gates of a plan depend on.
    pub(super) fn at(self, config: &Config, plan: &Plan) -> Self {
        let globs = everything(config, plan);
        if let Some((told, _)) = &self.beside {
            told.send(globs.clone()).ok(); // who has ended is found out at the end
        }
        Self { globs, ..self }
    }

    fn end(self) -> Looked {
        let beside = self.beside.and_then(|(told, thread)| {
            drop(told); // who was never told looks nowhere
            thread.join().ok()
        });
        beside.unwrap_or_else(|| looked(Inputs::open(&self.root, self.file), &self.globs))
    }
}

fn looked(mut inputs: Inputs, globs: &[String]) -> Looked {
    let now = now();
    inputs.look(globs, now);
    Looked { inputs, now }
}

/// Decides which gates need not run; gives what to tell of the others.
pub(super) fn consider(here: Here<'_>, looking: Looking) -> (Reuse, Vec<Reused>, Vec<EventKind>) {
    let gates = &here.repository.gates;
    let file = gates.cache("reuse/results.json");
    let mut store = Store::load(&file);
    let tables = tables(here.repository);
    let all: Vec<&str> = here.plan.gates.iter().map(|planned| planned.id.as_str()).collect();
    let held: BTreeSet<&String> = all.iter().filter_map(|gate| Some(&store.newest(gate)?.held)).collect();
    let mut told: BTreeMap<String, BTreeMap<String, Told>> = held.into_iter().map(|held| (held.clone(), reuse::told(&gates.run(held), &all))).collect();
    let Looked { inputs, now } = looking.end();
    let mut facing = Facing { here, inputs, now, tables, surely: (tool(), machine()), environments: BTreeMap::new() };
    let subjects: Vec<Subject> = here.plan.gates.iter().map(|planned| facing.subject(&planned.id)).collect();
    let mut unusable = Vec::new();
    let mut usable = |gate: &str, kept: &Kept| {
        let run = gates.run(&kept.held);
        let of_run = told.entry(kept.held.clone()).or_insert_with(|| reuse::told(&run, &all));
        let checked = facing.usable(gate, kept, &run, of_run.get(gate));
        if checked.is_err() {
            unusable.push((gate.to_owned(), kept.fingerprint.clone()));
        }
        checked
    };
    let decided = reuse::decide(&subjects, &store, &mut usable);
    for (gate, fingerprint) in unusable {
        store.forget(&gate, &fingerprint);
    }
    let parts: BTreeMap<&str, &Parts> = subjects.iter().filter_map(|subject| Some((subject.gate.as_str(), subject.parts.as_ref().ok()?))).collect();
    let mut reuse = Reuse { store, file, gates: gates.clone(), inputs: facing.inputs, candidates: BTreeMap::new(), reused: BTreeMap::new() };
    let (mut taken, mut fresh, mut brought) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (task, work) in here.plan.work.iter().enumerate() {
        let Work::Gate(job) = work else { continue };
        match decided.get(&job.gate) {
            Some(Decision::Reuse(kept)) => {
                let from = gates.run(&kept.held);
                let result = told.get_mut(&kept.held).and_then(|run| run.remove(&job.gate)).unwrap_or_default();
                match reuse::bring(&from, here.run, gates, job, &result) {
                    Ok(()) => {
                        brought.insert(job.gate.clone(), result.files);
                        taken.push(Reused { task, told: words(job, kept, result.events), facts: result.facts });
                        reuse.reused.insert(job.gate.clone(), kept.clone());
                    }
                    Err(cause) => {
                        reuse::take_away(here.run, &result.files);
                        fresh.push(EventKind::JobFresh { gate: job.gate.clone(), why: format!("the files of run {}: {cause}", short(&kept.held)) });
                    }
                }
            }
            Some(Decision::Run(why)) => {
                let candidate = parts.get(job.gate.as_str()).and_then(|parts| reuse.candidate(here.config, &job.gate, parts, now));
                let why = candidate.as_ref().map_or_else(|| why.clone(), |candidate| reuse.with_files(&job.gate, why, candidate));
                reuse.candidates.extend(candidate.map(|candidate| (job.gate.clone(), candidate)));
                fresh.push(EventKind::JobFresh { gate: job.gate.clone(), why });
            }
            None => {}
        }
    }
    fresh.extend(reuse.give_up(here, &mut taken, &brought));
    taken.extend(idle_set_ups(here, &taken));
    reuse.inputs.save().ok(); // without it the next run reads once more
    (reuse, taken, fresh)
}

/// What is told of a job that is taken over.
fn words(job: &JobId, kept: &Kept, events: Vec<EventKind>) -> Vec<EventKind> {
    let reused = JobReused {
        job: job.clone(),
        run: kept.run.clone(),
        wall: kept.wall.clone(),
        commit: kept.commit.clone(),
        dirty: kept.dirty,
        fingerprint: kept.fingerprint.clone(),
    };
    std::iter::once(EventKind::JobReused(Box::new(reused))).chain(events).collect()
}

/// Set-ups that no gate wants which runs.
fn idle_set_ups(here: Here<'_>, taken: &[Reused]) -> Vec<Reused> {
    let is_taken = |task: usize| taken.iter().any(|reused| reused.task == task) || here.left_out.iter().any(|(out, _)| *out == task);
    let running = here.plan.work.iter().enumerate().filter(|(task, _)| !is_taken(*task));
    let gates = running.filter_map(|(_, work)| if let Work::Gate(job) = work { here.config.gates.get(&job.gate) } else { None });
    let wanted: BTreeSet<String> = gates.flat_map(|gate| here.config.runtimes_of(gate)).collect();
    let set_ups = here.plan.work.iter().enumerate().filter(|(_, work)| matches!(work, Work::Install(runtime) if !wanted.contains(runtime)));
    set_ups.map(|(task, _)| Reused { task, told: Vec::new(), facts: crate::model::AttemptFacts::default() }).collect()
}

fn outputs(inputs: &mut Inputs, globs: &[String], now: u64) -> Result<String, String> {
    if globs.is_empty() { Ok(String::new()) } else { inputs.digest(globs, &[], now).map(|digest| digest.content).map_err(|why| format!("its outputs: {why}")) }
}

impl Reuse {
    fn candidate(&mut self, config: &Config, gate: &str, parts: &Parts, now: u64) -> Option<Candidate> {
        let gate = config.gates.get(gate)?;
        let made = made_for(config, gate);
        let before = self.inputs.digest(&gate.inputs, &made, now).ok()?;
        let files = self.inputs.files(&gate.inputs, &made);
        let (inputs, outputs, needs) = (gate.inputs.clone(), gate.outputs.clone(), gate.needs.clone());
        Some(Candidate { parts: parts.clone(), needs, inputs, made, outputs, before, files })
    }

    /// The list of files that the newest result of a gate was made of.
    fn list(&self, gate: &str) -> PathBuf {
        self.gates.cache(&format!("reuse/{gate}.files.json"))
    }

    /// A reason that names the files that changed.
    fn with_files(&self, gate: &str, why: &str, candidate: &Candidate) -> String {
        let newest = self.store.newest(gate);
        if newest.is_none_or(|newest| newest.parts.get(INPUTS) == candidate.parts.get(INPUTS)) {
            return why.to_owned();
        }
        let before = std::fs::read(self.list(gate)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        match reuse::changed_files(&before, &candidate.files).filter(|_| !before.is_empty()) {
            Some(files) if why.ends_with(INPUTS) || why.contains(&format!("{INPUTS}, ")) => why.replacen(INPUTS, &format!("{INPUTS} ({files})"), 1),
            _ => why.to_owned(),
        }
    }

    /// What could not be brought here runs, and so does what needs it.
    fn give_up(&mut self, here: Here<'_>, taken: &mut Vec<Reused>, brought: &BTreeMap<String, Vec<FileRef>>) -> Vec<EventKind> {
        let broken: BTreeSet<String> = taken.iter().filter_map(|reused| self.broken_need(here, reused)).collect();
        taken.retain(|reused| !matches!(&here.plan.work[reused.task], Work::Gate(job) if broken.contains(&job.gate)));
        self.reused.retain(|gate, _| !broken.contains(gate));
        for gate in &broken {
            reuse::take_away(here.run, brought.get(gate).map(Vec::as_slice).unwrap_or_default());
        }
        broken.into_iter().map(|gate| EventKind::JobFresh { gate, why: "something that it needs runs".to_owned() }).collect()
    }

    /// A gate that was to be taken over although something that it needs was not.
    fn broken_need(&self, here: Here<'_>, reused: &Reused) -> Option<String> {
        let Work::Gate(job) = &here.plan.work[reused.task] else { return None };
        let mut open: Vec<&String> = here.config.gates.get(&job.gate)?.needs.iter().collect();
        while let Some(need) = open.pop() {
            if !self.reused.contains_key(need) {
                return Some(job.gate.clone());
            }
            open.extend(here.config.gates.get(need).into_iter().flat_map(|gate| &gate.needs));
        }
        None
    }

    /// After the gates: what a gate depends on must be as it was before it ran, down to the times. Gives what there is to say.
    pub(super) fn settle(&mut self) -> Vec<EventKind> {
        let now = now();
        let globs: BTreeSet<String> = self.candidates.values().flat_map(|one| one.inputs.iter().chain(&one.outputs).cloned()).collect();
        self.inputs.look(&globs.into_iter().collect::<Vec<_>>(), now);
        let mut notes = Vec::new();
        let mut gone = Vec::new();
        for (gate, candidate) in &self.candidates {
            let after = self.inputs.digest(&candidate.inputs, &candidate.made, now);
            if after.as_ref().is_ok_and(|after| *after == candidate.before) {
                continue;
            }
            let files = reuse::changed_files(&candidate.files, &self.inputs.files(&candidate.inputs, &candidate.made))
                .unwrap_or_else(|| "the times of some files".to_owned());
            notes.push(EventKind::Noted {
                gate: Some(gate.clone()),
                text: format!("its inputs changed while it ran, so its result is not kept for reuse: {files}"),
            });
            gone.push(gate.clone());
        }
        self.candidates.retain(|gate, _| !gone.contains(gate));
        self.inputs.save().ok();
        notes
    }

    /// Keeps what passed and forgets what did not, when the verdicts are known. What cannot be written is not reused.
    pub(super) fn remember(mut self, record: &Record) {
        if self.candidates.is_empty() {
            std::mem::forget(self.inputs); // the command ends with it, and giving it back takes time
            return; // what is kept stays as it is, with the runs that hold it
        }
        let now = now();
        let head = &record.head;
        let mut known: BTreeMap<String, reuse::Outcome> = BTreeMap::new();
        for (gate, kept) in std::mem::take(&mut self.reused) {
            known.insert(gate.clone(), kept.result());
            self.store.keep(&gate, Kept { held: head.run.clone(), ..kept });
        }
        let source = record.source_start.clone().unwrap_or_default();
        let mut open = std::mem::take(&mut self.candidates);
        // What others need comes first; what stays open needs something that has no result.
        while let Some(id) = open.iter().find(|(_, one)| one.needs.iter().all(|need| known.contains_key(need))).map(|(id, _)| id.clone()) {
            let Some(candidate) = open.remove(&id) else { break };
            let Some(fingerprint) = reuse::fingerprint(&candidate.parts, &candidate.needs, &known) else { continue };
            if !is_plain_pass(record, &id) {
                self.store.forget(&id, &fingerprint);
                continue;
            }
            let Ok(outputs) = outputs(&mut self.inputs, &candidate.outputs, now) else { continue };
            let list = serde_json::to_vec(&candidate.files).unwrap_or_default();
            write_atomic(&self.list(&id), &list).ok();
            let (run, wall, commit, dirty) = (head.run.clone(), head.wall.clone(), source.commit.clone(), source.dirty.is_some());
            let kept = Kept { fingerprint, parts: candidate.parts, held: run.clone(), run, wall, commit, dirty, outputs };
            known.insert(id.clone(), kept.result());
            self.store.keep(&id, kept);
        }
        self.store.save(&self.file).ok();
    }
}

/// It passed at once, alone, and left nothing behind.
fn is_plain_pass(record: &Record, gate: &str) -> bool {
    let Some(planned) = record.planned(gate) else { return false };
    let state = record.gate(planned);
    let plain = record.jobs_of(gate).all(|(_, job)| job.skip.is_none() && job.leaked.is_empty() && record.judge(planned, job).flaked.is_none());
    state.verdict == Verdict::Pass && state.label != Label::Flaky && plain && state.ended == 1
}
