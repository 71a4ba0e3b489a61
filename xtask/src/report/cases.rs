//! The cases of a run over its iterations, read from the report files that the journal names by digest. A file that is missing or
//! changed is told, so that its gate is broken.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;

use crate::event::PlannedGate;
use crate::flake::{self, Fingerprint};
use crate::junit::{Case, read};
use crate::model::{CaseFact, Category, FileRef, Label, Location, Outcome, ReportState, StopCause, Verdict};
use crate::record::{JobRecord, Record};
use crate::rundir::{RunDir, check_ref};

/// A case over the iterations of a run.
#[derive(Clone, Debug)]
pub struct CaseLine {
    /// Printed name.
    pub name: String,
    /// Source file, if the report tells.
    pub file: String,
    /// Source line, if the report tells.
    pub line: Option<u32>,
    /// Outcome by iteration.
    pub outcomes: BTreeMap<u32, Outcome>,
    /// Iterations that were stopped from outside or never ran: red in a report, and no execution.
    pub cut: BTreeSet<u32>,
    /// Failed attempts by iteration in which it passed in the end.
    pub attempts: BTreeMap<u32, u32>,
    /// Kind of failure by red iteration, with the rule that said so.
    pub categories: BTreeMap<u32, (Category, &'static str)>,
    /// What its failures have in common, by red iteration.
    pub prints: BTreeMap<u32, Fingerprint>,
    /// Seconds of the slowest iteration.
    pub seconds: f64,
    /// Of the worst iteration: type, message, text, place.
    pub kind: String,
    /// First line of the message.
    pub message: String,
    /// Text of the failure.
    pub text: String,
    /// Where it failed.
    pub at: Option<Location>,
    /// The quarantine that excuses it.
    pub quarantine: Option<String>,
    /// Its bound must allow for having been looked at after each iteration.
    pub open_ended: bool,
    /// Made by us: it stands for something that no report says.
    pub synthetic: bool,
}

impl CaseLine {
    /// Outcomes by iteration, without those that were cut.
    fn executions(&self) -> impl Iterator<Item = (u32, Outcome)> {
        self.outcomes.iter().filter(|(iteration, _)| !self.cut.contains(iteration)).map(|(iteration, outcome)| (*iteration, *outcome))
    }

    /// Its label.
    pub fn label(&self) -> Label {
        let retried = self.attempts.keys().map(|_| Outcome::Failed);
        flake::label(self.executions().map(|(_, outcome)| outcome).chain(retried))
    }

    /// The outcome that a reader of one line needs: passed when flaky, the worst otherwise.
    pub fn outcome(&self) -> Outcome {
        let worst = self.outcomes.values().copied().max().unwrap_or(Outcome::NotRun);
        let passed = self.outcomes.values().any(|outcome| *outcome == Outcome::Passed);
        match worst {
            Outcome::Skipped | Outcome::NotRun if passed => Outcome::Passed,
            Outcome::Passed | Outcome::Skipped | Outcome::NotRun | Outcome::Failed | Outcome::Error => worst,
        }
    }

    /// Iterations that gave a result: passed, failed or error.
    pub fn ran(&self) -> u32 {
        self.executions().filter(|(_, outcome)| *outcome == Outcome::Passed || outcome.is_red()).count() as u32
    }

    /// The kind of its failures: that of most red iterations, the weightier where two are equal.
    pub fn category(&self) -> Option<(Category, &'static str)> {
        let count = |wanted: Category| self.categories.values().filter(|(category, _)| *category == wanted).count();
        self.categories.values().copied().max_by_key(|(category, _)| (count(*category), std::cmp::Reverse(*category)))
    }

    /// The fingerprint of its newest failure.
    pub fn print(&self) -> Option<Fingerprint> {
        self.prints.values().next_back().copied()
    }

    /// Upper bound on its failure rate, from the iterations that gave a result.
    pub fn upper_bound(&self) -> f64 {
        if self.open_ended { flake::streak_bound(self.red(), self.ran()) } else { flake::upper_bound(self.red(), self.ran()) }
    }

    /// Iterations in which it was red, or passed only after a failed attempt.
    pub fn red(&self) -> u32 {
        let retried = |iteration: &u32| self.attempts.contains_key(iteration);
        self.executions().filter(|(iteration, outcome)| outcome.is_red() || retried(iteration)).count() as u32
    }
}

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
    index: HashMap<String, usize>,
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

/// Reads the cases of a run. A file that is not what the journal says is told in the record's facts.
pub fn load(record: &mut Record, run: &RunDir, proof: Proof) -> Cases {
    let mut cases = Cases::default();
    for place in 0..record.head.gates.len() {
        let gate = record.head.gates[place].clone();
        let mut own = GateCases::default();
        let jobs: Vec<_> = record.jobs_of(&gate.id).map(|(id, job)| (id.clone(), job.clone())).collect();
        for (id, mut job) in jobs {
            if job.skip.is_some() {
                continue;
            }
            if let Err(why) = load_job(&job, run, proof, id.iteration, &mut own) {
                job.facts.lost = Some(why);
                record.jobs.insert(id.clone(), job.clone());
            }
            own.add_synthetic(&gate, &job, id.iteration, record);
        }
        for excuse in record.gate(&gate).excuses.iter().filter(|excuse| excuse.red > 0 && excuse.refused.is_none()) {
            own.slot(&excuse.case).quarantine = Some(excuse.id.clone());
        }
        own.note_partly(&gate, record);
        own.note_tail(&gate, record, run);
        own.add_state(&gate, record);
        let root = run.path().ancestors().nth(3).map(|root| format!("{}/", root.display())).unwrap_or_default();
        for case in own.cases.iter_mut().filter(|case| !case.synthetic) {
            case.at = case.at.take().map(|at| from_root(at, &root, &gate.cwd));
        }
        own.cases.iter_mut().for_each(|case| case.open_ended = record.is_open_ended());
        own.cases.shrink_to_fit(); // many gates have one case, and room for four
        own.index = HashMap::new(); // nothing is looked up by name any more
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

fn load_job(job: &JobRecord, run: &RunDir, proof: Proof, iteration: u32, own: &mut GateCases) -> Result<(), String> {
    for file in job.facts.log.iter().chain(&job.kept) {
        proof.check(run, file)?;
    }
    for report in &job.facts.reports {
        // Cases are read from it now: another gate may have written into it since its own gate ended.
        let Some(file) = &report.file else { continue };
        check_ref(run, file)?;
        if report.state == ReportState::Absent || report.state == ReportState::Stale {
            continue;
        }
        let opened = File::open(run.file(&file.path)).map_err(|cause| format!("failed to read {}: {cause}", file.path))?;
        read::read(opened, &mut |case| own.add(case, iteration)).map_err(|cause| format!("failed to read {}: {cause}", file.path))?;
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
        let line = self.slot(&fact.case);
        line.attempts.insert(iteration, fact.attempts);
        let (category, rule) = flake::category("", &fact.message, "");
        line.categories.entry(iteration).or_insert((category, rule));
        line.prints.entry(iteration).or_insert_with(|| flake::fingerprint(category, "", &fact.message, ""));
        if line.message.is_empty() {
            line.message.clone_from(&fact.message);
        }
    }

    fn slot(&mut self, name: &str) -> &mut CaseLine {
        let next = self.cases.len();
        let index = *self.index.entry(name.to_owned()).or_insert(next);
        if index == next {
            self.cases.push(CaseLine {
                name: name.to_owned(),
                file: String::new(),
                line: None,
                outcomes: BTreeMap::new(),
                cut: BTreeSet::new(),
                attempts: BTreeMap::new(),
                categories: BTreeMap::new(),
                prints: BTreeMap::new(),
                seconds: 0.0,
                kind: String::new(),
                message: String::new(),
                text: String::new(),
                at: None,
                quarantine: None,
                open_ended: false,
                synthetic: false,
            });
        }
        &mut self.cases[index]
    }

    fn add(&mut self, case: &mut Case, iteration: u32) {
        let line = self.slot(&case.printed);
        let worst_before = line.outcomes.values().copied().max();
        let outcome = line.outcomes.entry(iteration).or_insert(case.outcome);
        *outcome = (*outcome).max(case.outcome);
        if case.outcome.is_red() {
            let (category, rule) = flake::category(&case.kind, &case.headline(), &case.text);
            line.categories.entry(iteration).or_insert((category, rule));
            line.prints.entry(iteration).or_insert_with(|| flake::fingerprint(category, &case.kind, &case.message, &case.text));
        }
        line.seconds = line.seconds.max(case.seconds.unwrap_or(0.0));
        if line.file.is_empty() {
            line.file = if case.file.is_empty() && case.classname.contains('/') { case.classname.clone() } else { case.file.clone() };
            line.line = case.line.map(|line| line + u32::from(!case.file.is_empty()));
        }
        if worst_before.is_none_or(|worst| case.outcome > worst) {
            line.message = case.headline();
            line.at = if case.outcome.is_red() { case.place() } else { None };
            line.kind.clone_from(&case.kind);
            line.text.clone_from(&case.text);
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
        line.outcomes.insert(iteration, outcome);
        if judged.verdict == Verdict::Cancelled {
            line.cut.insert(iteration);
        }
        line.seconds = line.seconds.max(job.facts.took as f64 / 1000.0);
        if outcome.is_red() {
            let place = job.facts.steps.iter().rev().find_map(|step| step.at.clone());
            kind.clone_into(&mut line.kind);
            // Beside red cases that speak for themselves, the last reason is the one that they do not give.
            let why = if red_case && !judged.unreported { judged.why.last() } else { judged.why.first() };
            line.message = why.cloned().unwrap_or_default();
            line.text = judged.why.join("\n");
            line.at = place.filter(|_| !red_case);
            let by_clock = job.facts.stopped == Some(StopCause::Timeout);
            let own = if by_clock { (Category::Timeout, "gate-timeout") } else { flake::category(&line.kind, &line.message, &line.text) };
            line.categories.insert(iteration, own);
            let print = flake::fingerprint(own.0, &line.kind, &line.message, &line.text);
            line.prints.insert(iteration, print);
        }
    }

    /// Which cases stand in some of the iterations whose cases are comparable, and not in all.
    fn note_partly(&mut self, gate: &PlannedGate, record: &Record) {
        let whole = |job: &JobRecord| job.skip.is_none() && record.judge(gate, job).inventory.is_some();
        let whole: Vec<u32> = record.jobs_of(&gate.id).filter(|(_, job)| whole(job)).map(|(id, _)| id.iteration).collect();
        let mut partly: Vec<(String, &str, usize)> = Vec::new();
        for case in self.cases.iter().filter(|case| !case.synthetic) {
            let seen = whole.iter().filter(|iteration| case.outcomes.contains_key(iteration)).count();
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
        let already_red = self.cases.iter().any(|case| case.synthetic && case.outcome().is_red());
        // What only the iterations together show: no attempt of its own says so.
        let unsaid = state.verdict == Verdict::Broken && !already_red;
        if !unsaid && (whole || !self.cases.is_empty() && state.verdict == Verdict::Fail) {
            return;
        }
        let missing = state.skip.is_none();
        if already_red && !missing {
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
        line.outcomes.insert(state.ended + 1, outcome);
        if state.verdict != Verdict::Broken {
            line.cut.insert(state.ended + 1);
        }
        kind.clone_into(&mut line.kind);
        line.message = state.why.first().cloned().unwrap_or_default();
        line.text = state.why.join("\n");
        if !partly.is_empty() {
            "gate.uneven".clone_into(&mut line.kind);
            line.text = [line.text.as_str(), &partly].join("\n");
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
