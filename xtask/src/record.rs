//! The fold of a run's events, and every question one may ask of it: verdicts, labels, the exit status. Derived each time, never
//! stored; knows no screen.

mod criteria;
mod execution;
mod verdict;
mod witnesses;

use std::collections::BTreeMap;

pub use crate::judge::{Excuse, Finding, Met};

use crate::event::{
    AttemptEnded, Event, EventKind, Installed, JobReused, PlannedGate, Refusal, RunStarted, RuntimeFound, ServiceReady, ShardTaken, Source, When,
};
use crate::judge::{self, Judgement, Terms};
use crate::model::{AttemptFacts, CancelCause, FileRef, FlakyRule, JobId, Label, Quarantine, Skip, Verdict};

/// A run as far as its events tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The plan; empty before the first event.
    pub head: RunStarted,
    /// Why nothing could run.
    pub refused: Option<(Refusal, Vec<String>)>,
    /// Source before the gates.
    pub source_start: Option<Source>,
    /// Source after the gates.
    pub source_end: Option<Source>,
    /// Interpreters that were really used.
    pub runtimes: Vec<RuntimeFound>,
    /// Services and database servers that came up.
    pub services: Vec<ServiceReady>,
    /// When services and servers answered, from their start on, and until when: instance, milliseconds.
    pub spans: Vec<(String, u64, Option<u64>)>,
    /// Set-ups that ended.
    pub installs: BTreeMap<String, Installed>,
    /// Required phases that another run judged: phase, run.
    pub credited: Vec<(String, String)>,
    /// Required phases that were not judged.
    pub unjudged: Vec<String>,
    /// Jobs that were told of.
    pub jobs: BTreeMap<JobId, JobRecord>,
    /// Gates that ran although results could have been reused, and why.
    pub fresh: BTreeMap<String, String>,
    /// Shards that this run was merged of.
    pub shards: Vec<ShardTaken>,
    /// Shards that are missing or cannot count: shard, gates, why.
    pub refused_shards: Vec<(String, Vec<String>, String)>,
    /// What looks like a secret in its files: file, line, rule.
    pub secrets: Vec<(String, u64, String)>,
    /// Notes: gate, text.
    pub notes: Vec<(Option<String>, String)>,
    /// Who stopped the run.
    pub cancelled: Option<CancelCause>,
    /// The last event was seen.
    pub ended: bool,
    /// Time of the newest event, milliseconds.
    pub at: u64,
    /// Place of each gate in the plan.
    index: BTreeMap<String, usize>,
    /// For each gate of the plan: iterations of which nothing more will come.
    over: Vec<u32>,
    finished: usize,
    /// What each gate came to, where nothing more will happen to it.
    settled: Vec<GateState>,
}

/// A run to which nothing more will happen: it can be asked, and not changed.
#[derive(Debug)]
pub struct Settled(Record);

impl std::ops::Deref for Settled {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.0
    }
}

/// One job as far as its events tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobRecord {
    /// What happened.
    pub facts: AttemptFacts,
    /// Start, milliseconds.
    pub started: Option<u64>,
    /// Why it did not run.
    pub skip: Option<Skip>,
    /// Command lines of processes that outlived it.
    pub leaked: Vec<String>,
    /// Numbers that it reported.
    pub measures: BTreeMap<String, String>,
    /// Files that were kept.
    pub kept: Vec<FileRef>,
    /// Processes at the moment it was stopped.
    pub tree: Vec<String>,
    /// The run that its facts were taken from.
    pub reused: Option<Box<JobReused>>,
}

/// What a gate came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateState {
    /// Verdict.
    pub verdict: Verdict,
    /// Label over its iterations.
    pub label: Label,
    /// Why, in whole words.
    pub why: Vec<String>,
    /// Why it did not run.
    pub skip: Option<Skip>,
    /// Iterations that ended.
    pub ended: u32,
    /// Iterations that passed.
    pub passed: u32,
    /// Milliseconds over all iterations.
    pub took: u64,
    /// Its quarantine.
    pub excuses: Vec<Excuse>,
}

impl GateState {
    /// A skip that the gate declares, or that the person asked for: neither green nor red.
    pub fn is_neutral(&self) -> bool {
        matches!(self.skip, Some(Skip::Tool(_) | Skip::Deselected))
    }
}

impl Record {
    /// The fold of some events.
    pub fn of<'e>(events: impl IntoIterator<Item = &'e Event>) -> Self {
        let mut record = Self::default();
        for event in events {
            record.apply(event);
        }
        record
    }

    /// Takes one event in that nobody else wants.
    pub fn take(&mut self, event: Event) {
        match event.kind {
            EventKind::RunStarted(head) => {
                self.at = event.at;
                self.begin(*head); // the plan of many gates is big, and there once
            }
            kind => self.apply(&Event { kind, ..event }),
        }
    }

    fn begin(&mut self, head: RunStarted) {
        self.index = head.gates.iter().enumerate().map(|(place, gate)| (gate.id.clone(), place)).collect();
        self.over = vec![0; head.gates.len()];
        self.head = head;
    }

    /// Nothing more will be told or changed: what each gate came to is worked out once, for all who ask.
    #[must_use]
    pub fn settle(mut self) -> Settled {
        self.settled = Vec::new();
        let states: Vec<GateState> = self.head.gates.iter().map(|gate| self.state(gate)).collect();
        self.settled = states;
        Settled(self)
    }

    /// Takes one event in.
    pub fn apply(&mut self, event: &Event) {
        self.at = event.at;
        match &event.kind {
            EventKind::RunStarted(head) => self.begin((**head).clone()),
            EventKind::RunRefused { cause, problems } => self.refused = Some((*cause, problems.clone())),
            EventKind::SourceRead { when: When::Start, source } => self.source_start = Some(source.clone()),
            EventKind::SourceRead { when: When::End, source } => self.source_end = Some(source.clone()),
            EventKind::PhaseCredited { phase, run } => self.credited.push((phase.clone(), run.clone())),
            EventKind::PhaseUnjudged { phase } => self.unjudged.push(phase.clone()),
            EventKind::RuntimeFound(found) => self.runtimes.push((**found).clone()),
            EventKind::ServiceReady(ready) => {
                self.services.push((**ready).clone());
                self.spans.push((ready.instance.clone(), event.at.saturating_sub(ready.took), None));
            }
            EventKind::ServiceEnded { instance, .. } => self.served(instance, event.at),
            EventKind::InstallEnded { runtime, result } => {
                self.installs.insert(runtime.clone(), result.clone());
            }
            EventKind::JobStarted { job, .. } => self.job(job).started = Some(event.at),
            EventKind::ProcEnded { job, fact, .. } => self.job(job).facts.steps.push((**fact).clone()),
            EventKind::KillSent { job, cause, tree, .. } => {
                let record = self.job(job);
                record.facts.stopped.get_or_insert(*cause);
                if record.tree.is_empty() {
                    record.tree.clone_from(tree);
                }
            }
            EventKind::ProcLeaked { job: Some(job), argv, .. } => {
                let record = self.job(job);
                record.facts.leaked += 1;
                record.leaked.push(argv.clone());
            }
            EventKind::ProcLeaked { job: None, argv, .. } => self.notes.push((None, format!("a process outlived its gate and was ended: {argv}"))),
            EventKind::ReportRead { job, report } => self.job(job).facts.reports.push((**report).clone()),
            EventKind::Measured { job, measures } => self.job(job).measures.extend(measures.iter().cloned()),
            EventKind::FileKept { job, file } => self.job(job).kept.push(file.clone()),
            EventKind::AttemptEnded(ended) => self.attempt_ended(ended),
            EventKind::JobSkipped { job, skip } => {
                self.job(job).skip = Some(skip.clone());
                self.count(job);
            }
            EventKind::JobReused(reused) => {
                let at = event.at;
                let record = self.job(&reused.job);
                (record.reused, record.started) = (Some(reused.clone()), Some(at));
            }
            EventKind::JobFresh { gate, why } => {
                self.fresh.insert(gate.clone(), why.clone());
            }
            EventKind::RepetitionEnded { runs, partial, .. } => self.repeated(runs, partial.as_ref()),
            EventKind::ShardTaken(taken) => self.shards.push((**taken).clone()),
            EventKind::ShardRefused { shard, gates, why } => self.refused_shards.push((shard.clone(), gates.clone(), why.clone())),
            EventKind::SecretFound { file, line, rule } => self.secrets.push((file.clone(), *line, rule.clone())),
            EventKind::CancelRequested { cause, .. } => {
                self.cancelled.get_or_insert(*cause);
            }
            EventKind::Noted { gate, text } => self.notes.push((gate.clone(), text.clone())),
            EventKind::RunEnded {} => self.ended = true,
            EventKind::ToolFound { .. } | EventKind::ProcStarted(_) | EventKind::ProcSlow { .. } => {}
            EventKind::ServiceFailed { .. } | EventKind::TemplateBuilt { .. } | EventKind::DatabaseReady { .. } => {}
        }
    }

    fn job(&mut self, job: &JobId) -> &mut JobRecord {
        self.jobs.entry(job.clone()).or_default()
    }

    /// One more iteration of a gate is over.
    fn count(&mut self, job: &JobId) {
        if let Some(place) = self.index.get(&job.gate).copied() {
            self.over[place] += 1;
            self.finished += usize::from(self.over[place] == self.head.gates[place].runs);
        }
    }

    fn attempt_ended(&mut self, ended: &AttemptEnded) {
        let facts = &mut self.job(&ended.job).facts;
        facts.stopped = ended.stopped;
        facts.log_shrank = ended.log_shrank;
        facts.log.clone_from(&ended.log);
        facts.lost.clone_from(&ended.lost);
        facts.migrate.clone_from(&ended.migrate);
        facts.gone.clone_from(&ended.gone);
        facts.took = ended.took;
        facts.complete = true;
        facts.steps.shrink_to_fit(); // most have one, and room for four
        self.count(&ended.job);
    }

    /// Gates have got no more than these iterations.
    fn repeated(&mut self, runs: &[(String, u32)], partial: Option<&String>) {
        for (gate, runs) in runs {
            let Some(place) = self.index.get(gate).copied() else { continue };
            let planned = &mut self.head.gates[place];
            self.finished += usize::from(planned.runs > *runs && self.over[place] >= *runs);
            planned.runs = *runs;
        }
        if self.head.partial.is_none() {
            self.head.partial = partial.cloned();
        }
    }

    /// A gate of the plan by its id.
    pub fn planned(&self, gate: &str) -> Option<&PlannedGate> {
        self.index.get(gate).and_then(|place| self.head.gates.get(*place))
    }

    /// Gates of which nothing more will come.
    pub fn finished(&self) -> usize {
        self.finished
    }

    /// Jobs of a gate in the order of iterations.
    pub fn jobs_of<'r>(&'r self, gate: &str) -> impl Iterator<Item = (&'r JobId, &'r JobRecord)> + use<'r> {
        // One way down the tree, not two: with many gates that is most of what asking costs.
        let first = JobId { gate: gate.to_owned(), iteration: 0 };
        let gate = gate.to_owned();
        self.jobs.range(first..).take_while(move |(job, _)| job.gate == gate)
    }

    /// The judgement of one attempt.
    pub fn judge(&self, gate: &PlannedGate, job: &JobRecord) -> Judgement {
        judge::attempt(Terms { reports: gate.reports, expect: &gate.expect, timeout: gate.timeout }, &job.facts)
    }

    /// What a gate came to, as if the run were over now.
    pub fn gate(&self, gate: &PlannedGate) -> GateState {
        let place = if self.settled.is_empty() { None } else { self.index.get(&gate.id) };
        place.and_then(|place| self.settled.get(*place)).cloned().unwrap_or_else(|| self.state(gate))
    }

    fn state(&self, gate: &PlannedGate) -> GateState {
        let jobs: Vec<&JobRecord> = self.jobs_of(&gate.id).map(|(_, job)| job).collect();
        let ran: Vec<&JobRecord> = jobs.iter().copied().filter(|job| job.skip.is_none()).collect();
        let mut judged: Vec<Judgement> = ran.iter().map(|job| self.judge(gate, job)).collect();
        let skip = jobs.iter().find_map(|job| job.skip.clone());
        let passed = judged.iter().filter(|one| one.verdict == Verdict::Pass).count() as u32;
        let ended = ran.iter().filter(|job| job.facts.complete).count() as u32;
        let took = ran.iter().map(|job| job.facts.took).sum();
        let missing = (gate.runs as usize).saturating_sub(jobs.len());
        if missing > 0 && self.refused.is_none() {
            judged.push(self.never_ran());
        }
        // A part need not hold every case in quarantine.
        let held = |entry: &&Quarantine| gate.part.is_none() || judged.iter().any(|judged| judged.quarantined.contains(&entry.case));
        let quarantine: Vec<Quarantine> = gate.quarantine.iter().filter(held).cloned().collect();
        let mut state = judge::gate(&judged, self.head.flaky.unwrap_or(FlakyRule::Fail), &quarantine);
        if let Some((_, problems)) = &self.refused {
            state.verdict = Verdict::Broken;
            state.why.clone_from(problems);
        } else if let (Some(skip), Verdict::Pass | Verdict::Skipped) = (&skip, state.verdict) {
            // Some iterations passed and the rest never ran: that is not what was asked for.
            state.verdict = if matches!(skip, Skip::Cancelled) { Verdict::Cancelled } else { Verdict::Skipped };
            state.why = vec![skip.to_string()];
        }
        if let Some((shard, _, why)) = self.refused_shards.iter().find(|(_, gates, _)| gates.contains(&gate.id)) {
            state.verdict = Verdict::Broken;
            state.why.insert(0, format!("shard {shard}: {why}"));
        }
        if let Some(Skip::Systemic(_)) = &skip {
            state.why.insert(0, skip.iter().map(ToString::to_string).collect());
        }
        GateState { verdict: state.verdict, label: state.label, why: state.why, skip, ended, passed, took, excuses: state.excuses }
    }

    fn never_ran(&self) -> Judgement {
        let why = if self.ended { "the journal has no end of this gate" } else { "the run ended before this gate did" };
        Judgement {
            verdict: Verdict::Broken,
            why: vec![why.to_owned()],
            unreported: false,
            flaked: None,
            red: Vec::new(),
            unnamed: false,
            quarantined: [].into(),
            inventory: None,
            only_cases: false,
            totals: crate::model::Totals::default(),
        }
    }

    /// The run only sets up.
    pub fn is_setup(&self) -> bool {
        self.head.gates.is_empty() && self.head.phases.is_empty() && !self.installs.is_empty()
    }

    /// The source was the same before and after.
    pub fn source_held(&self) -> bool {
        self.source_start.is_some() && self.source_start == self.source_end
    }

    /// The run can stand for a phase later: whole, ended, on an unchanged source.
    pub fn is_whole(&self) -> bool {
        self.ended && self.head.partial.is_none() && self.cancelled.is_none() && self.source_held()
    }

    /// Version and place of each database server.
    pub fn servers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.services.iter().filter_map(|ready| Some((ready.version.as_deref()?, ready.shown.as_str())))
    }

    /// The pins and profile of the run in one word: two runs with the same are comparable.
    pub fn terms(&self) -> String {
        let mut words: Vec<String> = self.runtimes.iter().map(|found| format!("{}={} {}", found.runtime, found.version, found.exe)).collect();
        words.extend(self.servers().map(|(version, place)| format!("postgres={version} {place}")));
        words.sort();
        words.push(format!("profile={}", self.head.profile));
        words.join(";")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{End, Exit, StepFact};

    fn gate(id: &str) -> PlannedGate {
        PlannedGate { id: id.to_owned(), runs: 1, ..PlannedGate::default() }
    }

    fn events(kinds: Vec<EventKind>) -> Vec<Event> {
        let head = RunStarted { gates: vec![gate("a"), gate("b")], flaky: Some(FlakyRule::Warn), ..RunStarted::default() };
        let all = std::iter::once(EventKind::RunStarted(Box::new(head))).chain(kinds);
        all.enumerate().map(|(seq, kind)| Event { seq: seq as u64, at: seq as u64, kind }).collect()
    }

    fn ran(id: &str, code: i32) -> Vec<EventKind> {
        let job = JobId { gate: id.to_owned(), iteration: 1 };
        let fact = StepFact { step: "1".to_owned(), end: End::Code(code), accepted: vec![0], took: 1, excerpt: String::new(), at: None };
        let ended = AttemptEnded { job: job.clone(), took: 1, log: None, log_shrank: false, stopped: None, lost: None, migrate: None, gone: (0, Vec::new()) };
        vec![
            EventKind::JobStarted { job: job.clone(), waited: 0, locks: Vec::new() },
            EventKind::ProcEnded { job, fact: Box::new(fact), from: 0, to: 0 },
            EventKind::AttemptEnded(Box::new(ended)),
        ]
    }

    fn exit(kinds: Vec<EventKind>) -> Exit {
        Record::of(&events(kinds)).exit()
    }

    #[test]
    fn exits_follow_the_worst() {
        let both = |a, b, rest: Vec<EventKind>| exit([ran("a", a), ran("b", b), rest].concat());
        let end = || vec![EventKind::RunEnded {}];
        assert_eq!(both(0, 0, end()), Exit::Pass);
        assert_eq!(both(0, 1, end()), Exit::Fail);
        assert_eq!(both(0, 0, Vec::new()), Exit::Broken, "no end");
        assert_eq!(exit([ran("a", 0), end()].concat()), Exit::Broken, "b never ended");
        let cancel = EventKind::CancelRequested { cause: CancelCause::Interrupt, force: false };
        assert_eq!(both(0, 0, [vec![cancel], end()].concat()), Exit::Interrupted);
        let skip = |id: &str, skip| EventKind::JobSkipped { job: JobId { gate: id.to_owned(), iteration: 1 }, skip };
        assert_eq!(exit([ran("a", 0), vec![skip("b", Skip::Tool("docker".to_owned()))], end()].concat()), Exit::Pass);
        assert_eq!(exit([ran("a", 0), vec![skip("b", Skip::Need("a".to_owned()))], end()].concat()), Exit::Fail);
        assert_eq!(exit([vec![skip("a", Skip::Deselected), skip("b", Skip::Deselected)], end()].concat()), Exit::Nothing);
        let refused = EventKind::RunRefused { cause: Refusal::Pin, problems: vec!["x".to_owned()] };
        assert_eq!(exit(vec![refused]), Exit::Environment);
    }

    #[test]
    fn every_cut_of_a_green_run_is_red() {
        let all = events([ran("a", 0), ran("b", 0), vec![EventKind::RunEnded {}]].concat());
        for cut in 0..all.len() {
            assert_eq!(Record::of(&all[..cut]).exit(), Exit::Broken, "cut after {cut} events");
        }
        assert_eq!(Record::of(&all).exit(), Exit::Pass);
    }
}
