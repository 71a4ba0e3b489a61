//! The cases of a run over its iterations, read from the report files that the journal names by digest. A file that is missing or
//! changed is told, so that its gate is broken.

mod line;
mod names;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::event::PlannedGate;
use crate::flake;
use crate::junit::{Case, read};
use crate::model::{CaseFact, Category, FileRef, JobId, Label, Location, Outcome, ReportFact, ReportState, StopCause, Verdict};
use crate::record::{JobRecord, Record};
use crate::rundir::{Checked, RunDir, check_ref};
pub use line::CaseLine;
use line::Failure;
use names::Names;

/// The cases of one gate.
#[derive(Clone, Debug, Default)]
pub struct GateCases {
    /// Cases in the order in which they were first seen.
    pub cases: Vec<CaseLine>,
    /// Cases that some comparable iterations do not hold, as words.
    pub partly: Vec<String>,
    /// The end of the log of its first red iteration, and that log.
    pub tail: String,
    /// Path of that log below the run's folder.
    pub tail_of: Option<String>,
    /// Where the case of a name is in `cases`.
    names: Names,
    /// The file of the case before: neighbours often have the same.
    last_file: Option<Arc<String>>,
}

/// The cases of a run.
#[derive(Clone, Debug, Default)]
pub struct Cases {
    /// By gate.
    pub gates: BTreeMap<String, GateCases>,
}

/// How a file of a run is proven to be what the journal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It is there with the right size: enough for who has just written and hashed it.
    Size,
    /// Its digest is computed again.
    Digest,
}

impl Proof {
    fn check(self, run: &RunDir, file: &FileRef) -> Result<(), String> {
        let size = std::fs::metadata(run.file(&file.path)).map(|found| found.len());
        if self == Self::Size && size.is_ok_and(|size| size == file.size) { Ok(()) } else { check_ref(run, file) }
    }
}

/// When a report is proven to be what the journal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// While it is read.
    Beside,
    /// Before it is read.
    Before,
}

/// Reads the cases of a run. A file that is not what the journal says is told in the record's facts.
pub fn load(record: &mut Record, run: &RunDir, proof: Proof) -> Cases {
    let mut cases = Cases::default();
    for place in 0..record.head.gates.len() {
        let gate = record.head.gates[place].clone();
        let jobs: Vec<_> = record.jobs_of(&gate.id).filter(|(_, job)| job.skip.is_none()).map(|(id, job)| (id.clone(), job.clone())).collect();
        // Nothing is kept of a report that turned out to be another one when it had been read.
        let mut own = load_jobs(&jobs, run, proof, When::Beside);
        if !own.1.is_empty() {
            own = load_jobs(&jobs, run, proof, When::Before);
        }
        let (mut own, lost) = own;
        for (id, why) in lost {
            if let Some(job) = record.jobs.get_mut(&id) {
                job.facts.lost = Some(why);
            }
        }
        for (id, _) in jobs {
            let Some(job) = record.jobs.get(&id).cloned() else { continue };
            own.add_synthetic(&gate, &job, id.iteration, record);
        }
        for excuse in record.gate(&gate).excuses.iter().filter(|excuse| excuse.red > 0 && excuse.refused.is_none()) {
            own.slot(&excuse.case).detail_mut().quarantine = Some(excuse.id.clone());
        }
        own.note_partly(&gate, record);
        own.note_tail(&gate, record, run);
        own.add_state(&gate, record);
        let root = run.path().ancestors().nth(3).map(|root| format!("{}/", root.display())).unwrap_or_default();
        let open_ended = record.is_open_ended();
        for case in &mut own.cases {
            case.open_ended = open_ended;
            if let Some(detail) = case.detail.as_deref_mut().filter(|_| !case.synthetic) {
                detail.at = detail.at.take().map(|at| from_root(at, &root, &gate.cwd));
            }
        }
        own.cases.shrink_to_fit(); // many gates have one case, and room for four
        own.names = Names::default(); // nothing is looked up by name any more
        cases.gates.insert(gate.id.clone(), own);
    }
    cases
}

/// A place as seen from the root of the repository: tools name files absolutely or as seen from their own folder.
fn from_root(at: Location, root: &str, cwd: &str) -> Location {
    let file = match at.file.strip_prefix(root) {
        Some(inside) => inside.to_owned(),
        None if at.file.starts_with('/') || cwd == "." || cwd.is_empty() => at.file,
        // Checks name files as seen from the root, wherever their gate works.
        None if at.file.strip_prefix(cwd).is_some_and(|rest| rest.starts_with('/')) => at.file,
        None => format!("{cwd}/{}", at.file.trim_start_matches("./")),
    };
    Location { file, line: at.line }
}

/// The cases of a gate, and what is wrong with files of its attempts.
fn load_jobs(jobs: &[(JobId, JobRecord)], run: &RunDir, proof: Proof, when: When) -> (GateCases, Vec<(JobId, String)>) {
    let (mut own, mut lost) = (GateCases::default(), Vec::new());
    for (id, job) in jobs {
        if let Err(why) = load_job(job, run, proof, when, id.iteration, &mut own) {
            lost.push((id.clone(), why));
        }
    }
    own.settle();
    (own, lost)
}

fn load_job(job: &JobRecord, run: &RunDir, proof: Proof, when: When, iteration: u32, own: &mut GateCases) -> Result<(), String> {
    for file in job.facts.log.iter().chain(&job.kept) {
        proof.check(run, file)?;
    }
    for report in &job.facts.reports {
        // Cases are read from it now: another gate may have written into it since its own gate ended.
        let Some(file) = &report.file else { continue };
        if report.state == ReportState::Absent || report.state == ReportState::Stale {
            check_ref(run, file)?;
            continue;
        }
        if when == When::Before {
            check_ref(run, file)?;
        }
        own.expect(report);
        let mut opened = Checked::open(run, file)?;
        let told = read::read(&mut opened, &mut |case| own.add(case, iteration));
        own.settle();
        told.map_err(|cause| format!("failed to read {}: {cause}", file.path))?;
        opened.finish()?;
        for fact in &report.flaky {
            own.attempted(fact, iteration);
        }
    }
    Ok(())
}

impl GateCases {
    /// What the first red iteration said last.
    fn note_tail(&mut self, gate: &PlannedGate, record: &Record, run: &RunDir) {
        let red = |job: &&JobRecord| job.skip.is_none() && record.judge(gate, job).verdict != Verdict::Pass;
        if let Some(log) = record.jobs_of(&gate.id).map(|(_, job)| job).find(red).and_then(|job| job.facts.log.clone()) {
            self.tail = run.end_of(&log);
            self.tail_of = Some(log.path);
        }
    }

    /// Attempts that failed before a case passed.
    fn attempted(&mut self, fact: &CaseFact, iteration: u32) {
        let line = self.slot(&fact.case).detail_mut();
        line.attempts.insert(iteration, fact.attempts);
        line.fail(iteration, false, || Failure::of("", &fact.message, &fact.message, ""));
        if line.message.is_empty() {
            line.message.clone_from(&fact.message);
        }
    }

    /// The case of a name, which may be new.
    fn slot(&mut self, name: &str) -> &mut CaseLine {
        self.names.slot(&mut self.cases, name)
    }

    /// Ends the first report.
    fn settle(&mut self) {
        self.names.settle(&mut self.cases);
    }

    /// Makes room for the cases that the first report is said to have; others mostly have the same ones.
    fn expect(&mut self, report: &ReportFact) {
        // An element takes more than some bytes of it.
        let most = report.file.as_ref().map_or(0, |file| file.size / 16);
        let count = report.counted.tests.min(most) as usize;
        if self.cases.is_empty() {
            self.cases.reserve_exact(count);
            self.names.expect(count);
        }
    }

    fn add(&mut self, case: &Case, iteration: u32) {
        let own_file = if case.file.is_empty() && case.classname.contains('/') { &case.classname } else { &case.file };
        if !own_file.is_empty() && self.last_file.as_ref().is_none_or(|last| **last != *own_file) {
            self.last_file = Some(Arc::new(own_file.clone()));
        }
        let file = self.last_file.clone().filter(|_| !own_file.is_empty());
        let line = self.names.slot(&mut self.cases, &case.printed);
        let worst_before = line.worst();
        let outcome = line.outcomes.get_mut(iteration);
        *outcome = Some(outcome.map_or(case.outcome, |before| before.max(case.outcome)));
        if case.outcome.is_red() {
            let failure = || Failure::of(&case.kind, &case.message, &case.headline(), &case.text);
            line.detail_mut().fail(iteration, false, failure);
        }
        line.seconds = line.seconds.max(case.seconds.unwrap_or(0.0));
        if line.file.is_none() {
            line.file = file;
            line.line = case.line.and_then(|line| NonZeroU32::new(line.saturating_add(u32::from(!case.file.is_empty()))));
        }
        if worst_before.is_none_or(|worst| case.outcome > worst) {
            line.say(case);
        }
    }

    /// What an attempt came to that no case of a report says.
    fn add_synthetic(&mut self, gate: &PlannedGate, job: &JobRecord, iteration: u32, record: &Record) {
        let judged = record.judge(gate, job);
        let red_case = judged.totals.failures + judged.totals.errors > 0;
        let name = if job.facts.migrate.is_some() && judged.verdict == Verdict::Fail {
            crate::model::MIGRATE.to_owned()
        } else if judged.unreported {
            crate::model::UNREPORTED.to_owned()
        } else if !gate.reports || judged.verdict == Verdict::Broken || judged.verdict == Verdict::Cancelled || !red_case && judged.verdict == Verdict::Fail {
            gate.id.clone()
        } else if judged.verdict == Verdict::Fail && !judged.only_cases {
            format!("{} (gate)", gate.id)
        } else {
            return;
        };
        let (outcome, kind) = match judged.verdict {
            Verdict::Pass => (Outcome::Passed, ""),
            Verdict::Fail if judged.unreported => (Outcome::Error, "gate.unreported"),
            Verdict::Fail if job.facts.migrate.is_some() => (Outcome::Failed, "gate.migrate"),
            Verdict::Fail => (Outcome::Failed, "gate.fail"),
            Verdict::Broken => (Outcome::Error, "gate.broken"),
            Verdict::Cancelled => (Outcome::Error, "gate.cancelled"),
            Verdict::Skipped => (Outcome::Skipped, ""),
        };
        let line = self.slot(&name);
        line.synthetic = true;
        *line.outcomes.get_mut(iteration) = Some(outcome);
        if judged.verdict == Verdict::Cancelled {
            line.detail_mut().cut.insert(iteration);
        }
        line.seconds = line.seconds.max(job.facts.took as f64 / 1000.0);
        if outcome.is_red() {
            let detail = line.detail_mut();
            let place = job.facts.steps.iter().rev().find_map(|step| step.at.clone());
            kind.clone_into(&mut detail.kind);
            // Beside red cases that speak for themselves, the last reason is the one that they do not give.
            let why = if red_case && !judged.unreported { judged.why.last() } else { judged.why.first() };
            detail.message = why.cloned().unwrap_or_default();
            detail.text = judged.why.join("\n");
            detail.at = place.filter(|_| !red_case);
            let by_clock = job.facts.stopped == Some(StopCause::Timeout);
            let (category, rule) = if by_clock { (Category::Timeout, "gate-timeout") } else { flake::category(&detail.kind, &detail.message, &detail.text) };
            let print = flake::fingerprint(category, &detail.kind, &detail.message, &detail.text);
            detail.fail(iteration, true, || Failure { category, rule, print });
        }
    }

    /// Which cases stand in some of the iterations whose cases are comparable, and not in all.
    fn note_partly(&mut self, gate: &PlannedGate, record: &Record) {
        let whole = |job: &JobRecord| job.skip.is_none() && record.judge(gate, job).inventory.is_some();
        let whole: Vec<u32> = record.jobs_of(&gate.id).filter(|(_, job)| whole(job)).map(|(id, _)| id.iteration).collect();
        if whole.len() < 2 {
            return;
        }
        let mut partly: Vec<(String, &str, usize)> = Vec::new();
        for case in self.cases.iter().filter(|case| !case.synthetic) {
            let seen = whole.iter().filter(|iteration| case.outcome_in(**iteration).is_some()).count();
            if seen > 0 && seen < whole.len() {
                partly.push((flake::template(&case.name), &case.name, seen));
            }
        }
        let alike = |template: &str| partly.iter().filter(|(other, _, _)| other == template).count() > 1;
        let words = partly.iter().map(|(template, name, seen)| {
            let unstable = if alike(template) { ", whose name changes from run to run" } else { "" };
            format!("in {seen} of {} iterations{unstable}: {name}", whole.len())
        });
        self.partly = words.collect();
    }

    /// A gate of which nothing ran still has one case: skipped where that is in order, an error where it is not.
    fn add_state(&mut self, gate: &PlannedGate, record: &Record) {
        let state = record.gate(gate);
        let whole = state.ended == gate.runs || state.verdict == Verdict::Pass;
        let already_red = || self.cases.iter().any(|case| case.synthetic && case.outcome().is_red());
        // What only the iterations together show: no attempt of its own says so.
        let unsaid = state.verdict == Verdict::Broken && !already_red();
        if !unsaid && (whole || !self.cases.is_empty() && state.verdict == Verdict::Fail) {
            return;
        }
        let missing = state.skip.is_none();
        if !missing && already_red() {
            return;
        }
        let (outcome, kind) = match (&state.verdict, &state.skip) {
            (Verdict::Skipped, Some(crate::model::Skip::Phase(_) | crate::model::Skip::Install(_) | crate::model::Skip::Service(..))) => {
                (Outcome::Error, "gate.not-run")
            }
            (Verdict::Skipped, _) => (Outcome::Skipped, ""),
            (Verdict::Pass | Verdict::Fail | Verdict::Broken | Verdict::Cancelled, _) => (Outcome::Error, "gate.not-run"),
        };
        let partly = self.partly.join("\n");
        let line = self.slot(&gate.id);
        line.synthetic = true;
        *line.outcomes.get_mut(state.ended + 1) = Some(outcome);
        let detail = line.detail_mut();
        if state.verdict != Verdict::Broken {
            detail.cut.insert(state.ended + 1);
        }
        kind.clone_into(&mut detail.kind);
        detail.message = state.why.first().cloned().unwrap_or_default();
        detail.text = state.why.join("\n");
        if !partly.is_empty() {
            "gate.uneven".clone_into(&mut detail.kind);
            detail.text = [detail.text.as_str(), &partly].join("\n");
        }
    }
}

impl Cases {
    /// How many cases that ran have each label: stable, flaky, failing, unclassified.
    pub fn labels(&self) -> [u64; 4] {
        let mut counts = [0; 4];
        let ran = |case: &&CaseLine| case.ran() > 0;
        for case in self.gates.values().flat_map(|gate| &gate.cases).filter(ran) {
            match case.label() {
                Label::Stable => counts[0] += 1,
                Label::Flaky => counts[1] += 1,
                Label::Failing => counts[2] += 1,
                Label::Unclassified => counts[3] += 1,
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_found_by_its_name_among_many() {
        let mut own = GateCases::default();
        for round in 1..=2 {
            for number in 0..1000 {
                let case = Case { printed: format!("case {number}"), classname: "tests/a".to_owned(), ..Case::default() };
                own.add(&case, round);
            }
            own.settle();
        }
        assert_eq!(own.cases.len(), 1000);
        assert!(own.cases.iter().all(|line| line.ran() == 2 && line.file() == "tests/a" && line.detail.is_none()));
    }

    #[test]
    fn the_first_failure_of_an_iteration_counts_but_for_ours() {
        let mut own = GateCases::default();
        let case = |message: &str| Case { printed: "a".to_owned(), outcome: Outcome::Failed, message: message.to_owned(), ..Case::default() };
        for (iteration, message) in [(2, "timed out after 5 s"), (1, "assert 1 == 2"), (2, "assert 1 == 3")] {
            own.add(&case(message), iteration);
        }
        own.settle();
        let detail = own.cases[0].detail();
        let told: Vec<_> = detail.failures().map(|(iteration, failure)| (iteration, failure.category)).collect();
        assert_eq!(told.len(), 2);
        assert_eq!((told[0].0, detail.failure_in(2).map(|failure| failure.category)), (1, Some(told[1].1)));
        assert_ne!(told[0].1, told[1].1, "{told:?}");
    }

    /// What a case has said is the same whether its elements were joined behind the first report or found their case one by one.
    #[test]
    fn elements_of_one_name_are_one_case_in_any_report() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let element = |random: &mut fastrand::Rng| {
                let outcome = [Outcome::Passed, Outcome::Skipped, Outcome::NotRun, Outcome::Failed, Outcome::Error][random.usize(..5)];
                let text = |random: &mut fastrand::Rng, text: &str| if random.bool() { format!("{text} {}", random.u8(..)) } else { String::new() };
                let printed = format!("case {}", random.u8(..6));
                let (message, file) = (text(random, "assert"), text(random, "tests/a.py"));
                Case { printed, outcome, message, file, line: Some(random.u32(..9)), seconds: Some(random.f64()), ..Case::default() }
            };
            let elements: Vec<Case> = (0..random.usize(..12)).map(|_| element(&mut random)).collect();
            let (mut joined, mut found) = (GateCases::default(), GateCases::default());
            found.settle();
            for case in &elements {
                joined.add(case, 1);
                found.add(case, 1);
            }
            joined.settle();
            assert_eq!(format!("{:#?}", joined.cases), format!("{:#?}", found.cases), "seed {seed}");
            for case in &elements {
                let place = joined.cases.iter().position(|line| *line.name == *case.printed);
                assert_eq!(joined.names.find(&joined.cases, &case.printed), place, "seed {seed}: {}", case.printed);
            }
        }
    }
}
