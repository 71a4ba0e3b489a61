//! Shards of a plan become one run: which delivery counts, and the events of a journal that says what all of them did. The files of every
//! shard that counts lie below `shards/` of the merged run, so that its journal can be held against theirs. Knows no process.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::event::{AttemptEnded, Event, EventKind, FoundBy, RunStarted, ShardTaken, When};
use crate::junit::read;
use crate::model::{AttemptFacts, FileRef, JobId, Part, Skip, Verdict};
use crate::plan::shard::{PlannedShard, ShardPlan};
use crate::record::{JobRecord, Record};
use crate::rundir::{RunDir, check_ref, file_ref, short, write_atomic};

/// Cases named in an event.
const NAMED: usize = 100;

/// What came from another machine.
#[derive(Debug)]
pub struct Delivery {
    /// Its folder.
    pub folder: RunDir,
    /// The fold of its journal.
    pub record: Record,
    /// Digest of its journal.
    pub digest: String,
}

/// A merged run, as events.
#[derive(Debug, Default)]
pub struct Merged {
    /// The journal.
    pub events: Vec<Event>,
    /// Earlier attempts: they count in the history alone.
    pub superseded: Vec<usize>,
    /// What is worth a line and changes nothing.
    pub notes: Vec<String>,
}

/// The deliveries that count, by shard, and why others do not.
#[derive(Debug, Default)]
struct Sorted<'d> {
    taken: BTreeMap<String, Vec<(usize, &'d Delivery)>>,
    refused: Vec<(String, Vec<String>, String)>,
    notes: Vec<String>,
}

/// Merges deliveries. `head` is the merged run's own; its folder gets the shards' files.
pub fn merge(plan: &ShardPlan, deliveries: &[Delivery], into: &RunDir, head: RunStarted, baseline: &BTreeMap<String, BTreeSet<String>>) -> io::Result<Merged> {
    let sorted = sort(plan, deliveries);
    let newest: BTreeMap<&str, &Delivery> = sorted.taken.iter().filter_map(|(id, all)| Some((id.as_str(), all.last()?.1))).collect();
    for (id, delivery) in &newest {
        copy(delivery.folder.path(), &into.file(&format!("shards/{id}")))?;
    }
    let first = newest.values().filter_map(|delivery| wall(&delivery.record)).min();
    let mut joining = Joining { plan, newest: &newest, into, baseline, first, events: Vec::new() };
    joining.surroundings();
    for gate in &plan.head.gates {
        if plan.skip.contains(&gate.id) {
            for iteration in 1..=gate.runs {
                joining.tell(0, EventKind::JobSkipped { job: JobId { gate: gate.id.clone(), iteration }, skip: Skip::Deselected });
            }
            continue;
        }
        for iteration in 1..=gate.runs {
            joining.job(&JobId { gate: gate.id.clone(), iteration })?;
        }
    }
    let mut timed = joining.events;
    timed.sort_by_key(|(at, _)| *at);
    let end = timed.last().map_or(0, |(at, _)| *at);
    let mut kinds = vec![(0, EventKind::RunStarted(Box::new(head))), (0, EventKind::SourceRead { when: When::Start, source: plan.source.clone() })];
    kinds.extend(plan.unjudged.iter().map(|phase| (0, EventKind::PhaseUnjudged { phase: phase.clone() })));
    for (id, all) in &sorted.taken {
        kinds.push((0, EventKind::ShardTaken(Box::new(taken(plan, id, all)))));
    }
    kinds.extend(sorted.refused.into_iter().map(|(shard, gates, why)| (0, EventKind::ShardRefused { shard, gates, why })));
    kinds.extend(timed);
    kinds.push((end, EventKind::SourceRead { when: When::End, source: plan.source.clone() }));
    kinds.push((end, EventKind::RunEnded {}));
    let events = kinds.into_iter().enumerate().map(|(seq, (at, kind))| Event { seq: seq as u64, at, kind }).collect();
    let superseded = sorted.taken.values().flat_map(|all| all[..all.len() - 1].iter().map(|(index, _)| *index)).collect();
    Ok(Merged { events, superseded, notes: sorted.notes })
}

/// Which deliveries belong to the plan, and which of each shard is the newest.
fn sort<'d>(plan: &ShardPlan, deliveries: &'d [Delivery]) -> Sorted<'d> {
    let mut sorted = Sorted::default();
    for (index, delivery) in deliveries.iter().enumerate() {
        let name = short(&delivery.folder.id);
        match belongs(plan, &delivery.record) {
            Ok(shard) => {
                let known = sorted.taken.entry(shard.id.clone()).or_default();
                if known.iter().any(|(_, other)| other.digest == delivery.digest) {
                    sorted.notes.push(format!("shard {}: run {name} was delivered twice, and counts once", shard.id));
                } else {
                    known.push((index, delivery));
                }
            }
            Err((shard, why)) => sorted.refused.push((shard, Vec::new(), format!("run {name} {why}"))),
        }
    }
    let attempt = |delivery: &Delivery| delivery.record.head.shard.as_ref().map_or(0, |shard| shard.attempt);
    for shard in &plan.shards {
        let gates: Vec<String> = shard.gates.keys().cloned().collect();
        let Some(all) = sorted.taken.get_mut(&shard.id) else {
            if plan.empty.is_none() {
                sorted.refused.push((shard.id.clone(), gates, "nothing was delivered for it".to_owned()));
            }
            continue;
        };
        all.sort_by_key(|(_, delivery)| attempt(delivery));
        let [.., (_, one), (_, other)] = all.as_slice() else { continue };
        if attempt(one) == attempt(other) {
            let why = format!("runs {} and {} both say that they are attempt {} of it", short(&one.folder.id), short(&other.folder.id), attempt(one));
            sorted.refused.push((shard.id.clone(), gates, why));
            sorted.taken.remove(&shard.id);
        }
    }
    sorted
}

/// The shard that a run is, or why it is none of this plan.
fn belongs<'p>(plan: &'p ShardPlan, record: &Record) -> Result<&'p PlannedShard, (String, String)> {
    let Some(own) = &record.head.shard else { return Err(("-".to_owned(), "is no shard of any plan".to_owned())) };
    let strange = |why: String| Err((own.id.clone(), why));
    if own.plan != plan.digest {
        return strange(format!("is of plan {}, and this one is {}", own.plan.get(..8).unwrap_or_default(), &plan.digest[..8]));
    }
    let Some(shard) = plan.shards.iter().find(|shard| shard.id == own.id) else { return strange("is of a shard that the plan does not have".to_owned()) };
    let commit = |source: &crate::event::Source| source.commit.clone().map_or_else(|| "no commit".to_owned(), |commit| commit.chars().take(8).collect());
    match (&record.source_start, &record.source_end) {
        (Some(start), _) if *start != plan.source => strange(format!("ran on other sources ({}) than the plan ({})", commit(start), commit(&plan.source))),
        (_, Some(end)) if *end != plan.source => strange("saw its sources change while it ran".to_owned()),
        _ if record.reuses() => strange("took results from another run, which no shard does".to_owned()),
        _ => Ok(shard),
    }
}

fn taken(plan: &ShardPlan, id: &str, all: &[(usize, &Delivery)]) -> ShardTaken {
    let attempt = |delivery: &Delivery| delivery.record.head.shard.as_ref().map_or(0, |shard| shard.attempt);
    let not_green = |delivery: &Delivery| {
        let record = &delivery.record;
        let red = record.head.gates.iter().filter(|gate| !matches!(record.gate(gate).verdict, Verdict::Pass) && !record.gate(gate).is_neutral());
        red.map(|gate| gate.id.clone()).collect::<Vec<_>>()
    };
    let (earlier, last) = all.split_at(all.len() - 1);
    let newest = last[0].1;
    ShardTaken {
        shard: id.to_owned(),
        run: newest.folder.id.clone(),
        attempt: attempt(newest),
        host: newest.record.head.host.clone(),
        expected: plan.shard(id).map_or(0, |shard| shard.expected),
        took: newest.record.at,
        superseded: earlier.iter().map(|(_, one)| (attempt(one), one.folder.id.clone(), not_green(one))).collect(),
    }
}

fn wall(record: &Record) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(&record.head.wall, &Rfc3339).ok()
}

/// The events of the jobs, each at its own time.
struct Joining<'a> {
    plan: &'a ShardPlan,
    newest: &'a BTreeMap<&'a str, &'a Delivery>,
    into: &'a RunDir,
    baseline: &'a BTreeMap<String, BTreeSet<String>>,
    first: Option<OffsetDateTime>,
    events: Vec<(u64, EventKind)>,
}

impl Joining<'_> {
    fn tell(&mut self, at: u64, kind: EventKind) {
        self.events.push((at, kind));
    }

    /// Milliseconds from the start of the first shard to the start of this one.
    fn offset(&self, record: &Record) -> u64 {
        let Some((first, own)) = self.first.zip(wall(record)) else { return 0 };
        u64::try_from((own - first).whole_milliseconds()).unwrap_or(0)
    }

    /// What the shards ran on, each thing once; what they said of themselves; and why one did not run.
    fn surroundings(&mut self) {
        let mut kinds: Vec<EventKind> = Vec::new();
        let mut versions: BTreeMap<String, (String, String)> = BTreeMap::new();
        for (id, delivery) in self.newest {
            let record = &delivery.record;
            kinds.extend(record.runtimes.iter().map(|found| EventKind::RuntimeFound(Box::new(found.clone()))));
            kinds.extend(record.services.iter().filter(|ready| ready.version.is_some()).map(|ready| EventKind::ServiceReady(Box::new(ready.clone()))));
            kinds.extend(record.installs.iter().map(|(runtime, result)| EventKind::InstallEnded { runtime: runtime.clone(), result: result.clone() }));
            kinds.extend(record.notes.iter().map(|(gate, text)| EventKind::Noted { gate: gate.clone(), text: format!("shard {id}: {text}") }));
            let gates = || self.plan.shard(id).map(|shard| shard.gates.keys().cloned().collect()).unwrap_or_default();
            if self.plan.empty.is_some() {
                continue; // it was refused for want of work, which the plan says
            }
            if let Some((_, problems)) = &record.refused {
                kinds.push(EventKind::ShardRefused { shard: (*id).to_owned(), gates: gates(), why: problems.join("; ") });
            } else if !record.ended {
                kinds.push(EventKind::ShardRefused {
                    shard: (*id).to_owned(),
                    gates: gates(),
                    why: format!("run {} was cut before its end", short(&delivery.folder.id)),
                });
            }
            for found in &record.runtimes {
                let (shard, version) = versions.entry(found.runtime.clone()).or_insert_with(|| ((*id).to_owned(), found.version.clone()));
                if *version != found.version {
                    let text = format!("runtime {} is {version} in shard {shard} and {} in shard {id}", found.runtime, found.version);
                    kinds.push(EventKind::Noted { gate: None, text });
                }
            }
            kinds.extend(self.also_red(id, record));
        }
        let mut seen: Vec<EventKind> = Vec::new();
        for kind in kinds {
            let same = |known: &EventKind| match (known, &kind) {
                // One server is like another of the same version.
                (EventKind::ServiceReady(a), EventKind::ServiceReady(b)) => a.version == b.version && a.shown == b.shown,
                (a, b) => a == b,
            };
            if !seen.iter().any(same) {
                seen.push(kind.clone());
                self.events.push((0, kind));
            }
        }
    }

    /// A gate that was red where others need it, and whose own result comes from another shard.
    fn also_red(&self, id: &str, record: &Record) -> Vec<EventKind> {
        let also = self.plan.shard(id).map(|shard| shard.also.clone()).unwrap_or_default();
        let gates = record.head.gates.iter().filter(|gate| also.contains(&gate.id));
        let red = gates.map(|gate| (gate, record.gate(gate))).filter(|(_, state)| state.verdict != Verdict::Pass && !state.is_neutral());
        let note = |why: String| format!("was not green in shard {id}, where others need it: {why}");
        red.map(|(gate, state)| EventKind::Noted { gate: Some(gate.id.clone()), text: note(state.why.join("; ")) }).collect()
    }

    /// One job, of one shard or of the parts that several have.
    fn job(&mut self, id: &JobId) -> io::Result<()> {
        let mut parts: Vec<(Part, &str, &Delivery, &JobRecord)> = Vec::new();
        for (shard, delivery) in self.newest {
            let part = self.plan.shard(shard).ok().and_then(|shard| shard.gates.get(&id.gate));
            if let (Some(part), Some(job)) = (part, delivery.record.jobs.get(id)) {
                parts.push((*part, *shard, *delivery, job));
            }
        }
        parts.sort_by_key(|(part, ..)| *part);
        let started = parts.iter().filter_map(|(_, _, delivery, job)| Some(self.offset(&delivery.record) + job.started?)).min();
        let skips: Vec<&Skip> = parts.iter().filter_map(|(.., job)| job.skip.as_ref()).collect();
        let declared = skips.iter().all(|skip| matches!(skip, Skip::Tool(_)));
        if let Some(skip) = skips.first().filter(|_| !declared || skips.len() == parts.len()) {
            self.tell(started.unwrap_or(0), EventKind::JobSkipped { job: id.clone(), skip: (*skip).clone() });
            return Ok(());
        }
        let Some(started) = started else { return Ok(()) };
        self.tell(started, EventKind::JobStarted { job: id.clone(), waited: 0, locks: Vec::new() });
        let mut whole = AttemptFacts { complete: true, ..AttemptFacts::default() };
        let mut end = started;
        for (part, shard, delivery, job) in &parts {
            let facts = Self::placed(*part, shard, job);
            let at = self.offset(&delivery.record) + job.started.unwrap_or(0) + facts.took;
            end = end.max(at);
            self.of_part(id, at, shard, job, &facts);
            join(&mut whole, *part, &facts);
        }
        let due = self.plan.shards.iter().filter(|shard| shard.gates.contains_key(&id.gate)).count();
        if parts.len() < due {
            whole.lost.get_or_insert_with(|| format!("{} of its {due} parts are there", parts.len()));
        }
        // Nobody knows whether numbers of parts are to be added, and one of them alone would hide the others.
        if due > 1 && parts.iter().any(|(.., job)| !job.measures.is_empty()) {
            whole.lost.get_or_insert_with(|| "its parts report measures: a gate with numbers of its own cannot be split".to_owned());
        }
        for (part, _, delivery, job) in &parts {
            let why = job.facts.log.as_ref().and_then(|log| check_ref(&delivery.folder, log).err());
            if let Some(why) = why.filter(|_| part.total > 1) {
                whole.lost.get_or_insert_with(|| format!("part {part}: {why}"));
            }
        }
        whole.log = self.log(id, &parts)?;
        if parts.iter().any(|(part, ..)| part.total > 1) {
            whole.gone = self.gone(id, &whole);
        }
        if let (Some(skip), None) = (skips.first(), &whole.lost) {
            whole.lost = Some(format!("a part of it did not run: {skip}"));
        }
        if !whole.complete {
            return Ok(()); // its end is missing in the journal of the shard, and so it is here
        }
        let AttemptFacts { took, log, log_shrank, stopped, lost, migrate, gone, .. } = whole;
        self.tell(end, EventKind::AttemptEnded(Box::new(AttemptEnded { job: id.clone(), took, log, log_shrank, stopped, lost, migrate, gone })));
        Ok(())
    }

    /// The facts of a job with its files where they lie now. A part without a case is no part.
    fn placed(part: Part, shard: &str, job: &JobRecord) -> AttemptFacts {
        let mut facts = job.facts.clone();
        let place = |file: &mut FileRef| file.path = format!("shards/{shard}/{}", file.path);
        facts.log.iter_mut().for_each(place);
        facts.reports.iter_mut().filter_map(|report| report.file.as_mut()).for_each(place);
        if part.total > 1 {
            let read = !facts.reports.is_empty() && facts.stopped.is_none() && facts.lost.is_none();
            if read && facts.reports.iter().all(|report| report.counted.tests == 0) {
                facts.lost = Some(format!("part {part} holds no case"));
            }
            facts.steps.iter_mut().for_each(|step| step.step = format!("{} {part}", step.step));
            facts.reports.iter_mut().filter(|report| !report.step.is_empty()).for_each(|report| report.step = format!("{} {part}", report.step));
        }
        facts
    }

    fn of_part(&mut self, id: &JobId, at: u64, shard: &str, job: &JobRecord, facts: &AttemptFacts) {
        if let (Some(cause), false) = (facts.stopped, job.tree.is_empty()) {
            self.tell(at, EventKind::KillSent { job: id.clone(), cause, signal: "TERM".to_owned(), tree: job.tree.clone() });
        }
        for fact in &facts.steps {
            self.tell(at, EventKind::ProcEnded { job: id.clone(), fact: Box::new(fact.clone()), from: 0, to: 0 });
        }
        for argv in &job.leaked {
            self.tell(at, EventKind::ProcLeaked { job: Some(id.clone()), pid: 0, argv: argv.clone(), found_by: FoundBy::Group });
        }
        for report in &facts.reports {
            self.tell(at, EventKind::ReportRead { job: id.clone(), report: Box::new(report.clone()) });
        }
        if !job.measures.is_empty() {
            self.tell(at, EventKind::Measured { job: id.clone(), measures: job.measures.clone().into_iter().collect() });
        }
        for file in &job.kept {
            let path = format!("shards/{shard}/{}", file.path);
            self.tell(at, EventKind::FileKept { job: id.clone(), file: FileRef { path, ..file.clone() } });
        }
    }

    /// The log of a job that is whole; of parts, one after the other, as they were.
    fn log(&self, id: &JobId, parts: &[(Part, &str, &Delivery, &JobRecord)]) -> io::Result<Option<FileRef>> {
        if let [(part, shard, _, job)] = parts
            && part.total == 1
        {
            return Ok(Self::placed(*part, shard, job).log);
        }
        let mut text = Vec::new();
        for (part, shard, delivery, job) in parts {
            let Some(log) = &job.facts.log else { continue };
            text.extend(format!("=== part {part}, shard {shard}\n").bytes());
            match check_ref(&delivery.folder, log) {
                Ok(()) => text.extend(std::fs::read(delivery.folder.file(&log.path))?),
                Err(why) => text.extend(format!("{why}\n").bytes()),
            }
        }
        let name = RunDir::log_name(id);
        write_atomic(&self.into.file(&name), &text)?;
        file_ref(&self.into.file(&name), &name).map(Some)
    }

    /// Cases of gates.baseline that no part holds.
    fn gone(&self, id: &JobId, facts: &AttemptFacts) -> (u64, Vec<String>) {
        let Some(baseline) = self.baseline.get(&id.gate).filter(|_| facts.stopped.is_none()) else { return (0, Vec::new()) };
        let mut gone = baseline.clone();
        for file in facts.reports.iter().filter_map(|report| report.file.as_ref()) {
            // What cannot be read holds nothing: then its cases are gone.
            if let Ok(opened) = std::fs::File::open(self.into.file(&file.path)) {
                read::read(opened, &mut |case| _ = gone.remove(&case.printed)).ok();
            }
        }
        (gone.len() as u64, gone.into_iter().take(NAMED).collect())
    }
}

/// One part more of an attempt: what went wrong in any of them went wrong.
fn join(whole: &mut AttemptFacts, part: Part, facts: &AttemptFacts) {
    let named = |why: &String| if part.total > 1 { format!("part {part}: {why}") } else { why.clone() };
    whole.steps.extend(facts.steps.iter().cloned());
    whole.reports.extend(facts.reports.iter().cloned());
    whole.stopped = whole.stopped.or(facts.stopped);
    whole.log_shrank |= facts.log_shrank;
    whole.leaked += facts.leaked;
    whole.lost = whole.lost.take().or_else(|| facts.lost.as_ref().map(named));
    whole.migrate = whole.migrate.take().or_else(|| facts.migrate.as_ref().map(named));
    whole.gone = facts.gone.clone();
    whole.took += facts.took;
    whole.complete &= facts.complete;
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in walkdir::WalkDir::new(from).sort_by_file_name() {
        let entry = entry?;
        let Ok(inside) = entry.path().strip_prefix(from) else { continue };
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(to.join(inside))?;
        } else if entry.file_type().is_file() {
            std::fs::copy(entry.path(), to.join(inside))?;
        }
    }
    Ok(())
}
