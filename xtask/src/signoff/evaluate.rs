//! The verdict of a phase out of its evidence alone: the tally is folded again, junit.xml is counted again, and both must agree with each
//! other, with report.json, with manifest.json and with what gates.toml of the commit asks for. A stored verdict is compared, never
//! believed.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use super::statement::{Criterion, Gate, Tests, Verdict as Signed, moment};
use super::{Denied, no};
use crate::config::Config;
use crate::evidence::{self, Manifest, sha256};
use crate::journal;
use crate::junit;
use crate::model::{Before, Denial, Exit, Outcome, RELEASE, ReportState, Verdict};
use crate::plan::{self, Request};
use crate::record::{Met, Record};
use crate::rundir::RunDir;

/// Files of a run that are kept with a sign-off.
pub const NAMES: [&str; 4] = ["manifest.json", "report.json", "junit.xml", "tally.jsonl"];

/// The kept files, in the order of [`NAMES`], with the place to name.
#[derive(Clone, Debug)]
pub struct Files {
    /// Where they are.
    pub place: String,
    /// manifest.json.
    pub manifest: Vec<u8>,
    /// report.json.
    pub report: Vec<u8>,
    /// junit.xml.
    pub junit: Vec<u8>,
    /// tally.jsonl.
    pub tally: Vec<u8>,
}

/// What a phase came to, from its evidence.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// The fold.
    pub record: Record,
    /// The list of files.
    pub manifest: Manifest,
    /// When the run ended.
    pub finished: OffsetDateTime,
    /// As a statement says it.
    pub verdict: Signed,
    /// Names of the cases of each gate.
    pub inventory: BTreeMap<String, BTreeSet<String>>,
    /// Declared skips: gate, case.
    pub skipped: Vec<(String, String)>,
    /// Quarantine entries of its gates, in words.
    pub quarantine: Vec<String>,
    /// Why the phase is not green; empty where it is.
    pub red: Vec<String>,
}

/// Evaluates a phase. What does not agree is invalid; a phase that is not green is told, not refused.
pub fn evaluate(files: &Files, phase: &str, config: &Config) -> Result<Evaluated, Denied> {
    let at = |name: &str| format!("{}/{name}", files.place);
    let invalid = |name: &str, why: String| no(Denial::Invalid, format!("{}: {why}", at(name)));
    let manifest = Manifest::parse(&files.manifest).map_err(|why| invalid("manifest.json", why))?;
    for (name, bytes) in NAMES.iter().skip(1).zip([&files.report, &files.junit, &files.tally]) {
        let listed = manifest.file(name).ok_or_else(|| invalid("manifest.json", format!("it does not list {name}")))?;
        if listed.sha256 != sha256(bytes) || listed.size != bytes.len() as u64 {
            return Err(invalid(name, "it is not the file that manifest.json lists".to_owned()));
        }
    }
    let record = Record::of(&evidence::read_tally(&files.tally).map_err(|why| invalid("tally.jsonl", why))?);
    let finished = moment(&at("manifest.json"), "finishedOn", &manifest.finished_on)?;
    same_run(&record, &manifest).map_err(|why| invalid("manifest.json", why))?;
    may_be_signed(&record, phase)
        .map_err(|why| no(Denial::Usage, format!("{}: {why}", at("tally.jsonl"))).hint(format!("xtask gate {phase} --profile {RELEASE}")))?;
    same_terms(&record, phase, config).map_err(|why| invalid("tally.jsonl", why))?;
    let (_, cases) = junit::read::read_all(&files.junit[..]).map_err(|cause| invalid("junit.xml", cause.to_string()))?;
    let mut suites: BTreeMap<&str, Vec<&junit::Case>> = BTreeMap::new();
    for case in &cases {
        suites.entry(&case.classname).or_default().push(case);
    }
    let planned =
        record.head.phases.iter().find(|planned| planned.id == phase).ok_or_else(|| invalid("tally.jsonl", format!("it has no phase {phase}")))?.clone();
    let mut evaluated = Evaluated {
        verdict: Signed { result: String::new(), criteria: Vec::new(), gates: Vec::new() },
        inventory: BTreeMap::new(),
        skipped: Vec::new(),
        quarantine: Vec::new(),
        red: Vec::new(),
        finished,
        manifest,
        record,
    };
    for id in &planned.gates {
        let own = suites.get(id.as_str()).map(|cases| &cases[..]).unwrap_or_default();
        evaluated.gate(id, own).map_err(|why| invalid("junit.xml", why))?;
    }
    evaluated.criteria(&planned);
    let verdict = evaluated.record.phase(&planned);
    if verdict != Verdict::Pass && evaluated.red.is_empty() {
        evaluated.red.push(format!("phase {phase}: {}", verdict.word()));
    }
    if evaluated.record.exit() != Exit::Pass && evaluated.red.is_empty() && evaluated.record.phase(&planned) != Verdict::Pass {
        evaluated.red.push(format!("the run ended with exit {}", evaluated.record.exit().code()));
    }
    if evaluated.red.is_empty() { "PASSED" } else { "FAILED" }.clone_into(&mut evaluated.verdict.result);
    agrees(&files.report, &evaluated, phase).map_err(|why| invalid("report.json", why))?;
    Ok(evaluated)
}

/// Names of the cases of every gate of a kept junit.xml. Suites of phases hold criteria, and no tests.
pub fn names(files: &Files) -> Result<BTreeMap<String, BTreeSet<String>>, Denied> {
    let phases = Manifest::parse(&files.manifest).map_err(|why| no(Denial::Invalid, format!("{}/manifest.json: {why}", files.place)))?.phases;
    let (_, cases) = junit::read::read_all(&files.junit[..]).map_err(|cause| no(Denial::Invalid, format!("{}/junit.xml: {cause}", files.place)))?;
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for case in cases.into_iter().filter(|case| !phases.contains(&case.classname)) {
        names.entry(case.classname).or_default().insert(case.name);
    }
    Ok(names)
}

/// The whole folder of the run is what the sign-off was made of: every file that the manifest lists, the journal that the tally was taken
/// from, and the reports of the tools with the counts that the journal says.
pub fn check_folder(run: &RunDir, files: &Files, evaluated: &Evaluated) -> Result<(), Denied> {
    let place = run.path().display();
    let invalid = |why: String| no(Denial::Invalid, format!("{place}/{why}"));
    let manifest = std::fs::read(run.file("manifest.json")).map_err(|cause| no(Denial::Absent, format!("{place}/manifest.json: {cause}")))?;
    if manifest != files.manifest {
        return Err(invalid("manifest.json is not the signed one".to_owned()));
    }
    evidence::check(run, &evaluated.manifest).map_err(|wrong| invalid(wrong.join("; ")))?;
    let readout = journal::read(&run.journal()).map_err(|cause| invalid(format!("events.jsonl: {cause}")))?;
    if let Some(fault) = readout.fault {
        return Err(invalid(format!("events.jsonl: {fault}")));
    }
    if evidence::tally(&readout.events) != files.tally {
        return Err(invalid("tally.jsonl is not what events.jsonl comes to".to_owned()));
    }
    for job in evaluated.record.jobs.values() {
        for report in job.facts.reports.iter().filter(|report| report.state == ReportState::Valid) {
            let Some(file) = &report.file else { continue };
            let opened = std::fs::File::open(run.file(&file.path)).map_err(|cause| invalid(format!("{}: {cause}", file.path)))?;
            let mut tally = junit::tally::Tally::default();
            junit::read::read(opened, &mut |case| {
                tally.add(case);
            })
            .map_err(|cause| invalid(format!("{}: {cause}", file.path)))?;
            if tally.totals() != report.counted {
                return Err(invalid(format!("{} does not hold the cases that events.jsonl counted", file.path)));
            }
        }
    }
    Ok(())
}

/// The tally and the manifest are of one run.
fn same_run(record: &Record, manifest: &Manifest) -> Result<(), String> {
    let commit = record.source_start.as_ref().and_then(|source| source.commit.clone()).unwrap_or_default();
    let pairs = [
        ("run", &manifest.run, &record.head.run),
        ("startedOn", &manifest.started_on, &record.head.wall),
        ("profile", &manifest.profile, &record.head.profile),
        ("commit", &manifest.commit, &commit),
    ];
    match pairs.iter().find(|(_, one, other)| one != other) {
        Some((what, one, other)) => Err(format!("its {what} is `{one}`, and that of tally.jsonl `{other}`")),
        None => Ok(()),
    }
}

/// Rules that hold for every run that is signed, whatever its verdict.
fn may_be_signed(record: &Record, phase: &str) -> Result<(), String> {
    if record.head.profile != RELEASE {
        return Err(format!("the run has profile {}, and only runs of profile {RELEASE} are signed", record.head.profile));
    }
    if let Some(why) = &record.head.partial {
        return Err(format!("the run is partial ({why})"));
    }
    if !record.ended || record.cancelled.is_some() || record.refused.is_some() {
        return Err("the run has not come to its end".to_owned());
    }
    if !record.source_held() {
        return Err("the source changed while the gates ran".to_owned());
    }
    let start = record.source_start.clone().unwrap_or_default();
    if start.commit.is_none() || start.dirty.is_some() {
        return Err("the run was of uncommitted changes".to_owned());
    }
    if record.reuses() {
        return Err("the run took results from another run, and what is signed was executed".to_owned());
    }
    if !record.head.phases.iter().any(|planned| planned.id == phase) {
        let known: Vec<&str> = record.head.phases.iter().map(|planned| planned.id.as_str()).collect();
        return Err(format!("the run did not judge {phase}, but {}", known.join(", ")));
    }
    Ok(())
}

/// The run was planned with the terms of gates.toml: criteria, iterations, expectations, quarantine.
fn same_terms(record: &Record, phase: &str, config: &Config) -> Result<(), String> {
    let profile = config.profiles.get(RELEASE).ok_or("gates.toml has no profile release")?;
    let request = Request { targets: vec![phase.to_owned()], alone: true, jobs: 1, ..Request::default() };
    let wanted = plan::plan(config, profile, &request)?;
    let wanted_phase = &wanted.phases[0];
    let found = record.head.phases.iter().find(|planned| planned.id == phase).ok_or("it has no such phase")?;
    if (&found.gates, &found.requires, &found.criteria) != (&wanted_phase.gates, &wanted_phase.requires, &wanted_phase.criteria) {
        return Err(format!("it judged {phase} by other gates or criteria than gates.toml of the commit has"));
    }
    if record.head.flaky != Some(profile.flaky) || !record.head.unjudged_fails {
        return Err("it judged flaky or unjudged results by other rules than profile release has".to_owned());
    }
    for gate in &wanted.gates {
        let found = record.planned(&gate.id).ok_or_else(|| format!("it has no gate {}", gate.id))?;
        let mut quarantine = found.quarantine.clone();
        for entry in &mut quarantine {
            entry.before = Before::default();
        }
        let differs = [
            ("needs", found.needs != gate.needs),
            ("runtimes", found.runtimes != gate.runtimes),
            ("advisory", found.advisory != gate.advisory),
            ("reports", found.reports != gate.reports),
            ("expect", found.expect != gate.expect),
            ("timeout", found.timeout != gate.timeout),
            ("quarantine", quarantine != gate.quarantine),
            ("part", found.part.is_some()),
            ("runs", found.runs < gate.runs),
        ];
        if let Some((what, _)) = differs.iter().find(|(_, differs)| *differs) {
            return Err(format!("gate {} ran with another `{what}` than gates.toml of the commit has", gate.id));
        }
    }
    Ok(())
}

impl Evaluated {
    /// A gate from the fold, and its cases counted again.
    fn gate(&mut self, id: &str, cases: &[&junit::Case]) -> Result<(), String> {
        let planned = self.record.planned(id).ok_or_else(|| format!("there is no gate {id}"))?.clone();
        let state = self.record.gate(&planned);
        let mut tests = Tests { total: cases.len() as u64, ..Tests::default() };
        let mut names = BTreeSet::new();
        for case in cases {
            match case.outcome {
                Outcome::Passed => tests.passed += 1,
                Outcome::Failed | Outcome::Error => tests.failed += 1,
                Outcome::Skipped | Outcome::NotRun => {
                    tests.skipped += 1;
                    self.skipped.push((id.to_owned(), case.name.clone()));
                }
            }
            if !names.insert(case.name.clone()) {
                return Err(format!("gate {id}: the case `{}` is there twice", case.name));
            }
        }
        tests.inventory_sha256 = sha256(names.iter().flat_map(|name| [name.as_str(), "\n"]).collect::<String>().as_bytes());
        if planned.reports && state.verdict == Verdict::Pass {
            self.recount(&planned, &tests, &names)?;
        }
        if tests.failed > 0 && state.verdict == Verdict::Pass && !planned.advisory {
            return Err(format!("gate {id} passed in tally.jsonl, and {} of its cases are red", tests.failed));
        }
        self.inventory.insert(id.to_owned(), names);
        self.quarantine
            .extend(planned.quarantine.iter().map(|entry| format!("{id}: {} ({}, {}, until {})", entry.case, entry.owner, entry.issue, entry.expires)));
        let neutral = state.is_neutral() || planned.advisory;
        if state.verdict != Verdict::Pass && !neutral {
            self.red.push(format!("gate {id}: {}{}", state.verdict.word(), state.why.first().map(|why| format!(": {why}")).unwrap_or_default()));
        } else if state.is_neutral() {
            // The release profile lets nothing be skipped for a missing tool.
            self.red.push(format!("gate {id}: skipped: {}", state.skip.as_ref().map(ToString::to_string).unwrap_or_default()));
        }
        let result = match state.verdict {
            Verdict::Pass => "PASSED",
            Verdict::Fail => "FAILED",
            Verdict::Broken => "BROKEN",
            Verdict::Skipped => "SKIPPED",
            Verdict::Cancelled => "CANCELLED",
        };
        self.verdict.gates.push(Gate {
            id: id.to_owned(),
            required: !planned.advisory,
            result: result.to_owned(),
            requested: planned.runs,
            completed: state.ended,
            passed: state.passed,
            tests,
        });
        Ok(())
    }

    /// The cases of junit.xml are those that every iteration of the tally counted.
    fn recount(&self, planned: &crate::event::PlannedGate, tests: &Tests, names: &BTreeSet<String>) -> Result<(), String> {
        let id = &planned.id;
        for (job, facts) in self.record.jobs_of(id).filter(|(_, job)| job.skip.is_none()) {
            let counted = self.record.judge(planned, facts).totals;
            if counted.tests != tests.total {
                return Err(format!("gate {id} has {} cases, and iteration {} counted {}", tests.total, job.iteration, counted.tests));
            }
            if counted.skipped != tests.skipped && planned.runs == 1 {
                return Err(format!("gate {id} has {} skipped cases, and its run counted {}", tests.skipped, counted.skipped));
            }
        }
        if tests.passed + tests.failed < planned.expect.min_tests.max(1) {
            return Err(format!("gate {id} has {} executed cases, and expect.min-tests is {}", tests.passed + tests.failed, planned.expect.min_tests));
        }
        let glob = |pattern: &str| globset::Glob::new(pattern).map(|glob| glob.compile_matcher()).map_err(|cause| format!("`{pattern}`: {cause}"));
        for (pattern, least) in &planned.expect.cases {
            let glob = glob(pattern)?;
            let found = names.iter().filter(|name| glob.is_match(name)).count() as u64;
            if found < *least {
                return Err(format!("gate {id}: {found} cases match `{pattern}`, and expect.cases wants {least}"));
            }
        }
        let skips = planned.expect.skips.iter().map(|(pattern, ..)| glob(pattern)).collect::<Result<Vec<_>, _>>()?;
        match self.skipped.iter().filter(|(gate, _)| gate == id).find(|(_, case)| !skips.iter().any(|glob| glob.is_match(case))) {
            Some((_, case)) => Err(format!("gate {id}: the skipped case `{case}` is not declared in expect.skips")),
            None => Ok(()),
        }
    }

    fn criteria(&mut self, planned: &crate::event::PlannedPhase) {
        for finding in self.record.criteria(planned) {
            let Some(wanted) = planned.criteria.iter().find(|wanted| wanted.id == finding.id) else { continue };
            if self.record.is_missed(&finding) {
                self.red.push(format!("criterion {}", finding.line));
            }
            self.verdict.criteria.push(Criterion {
                id: finding.id.clone(),
                metric: wanted.metric.word().to_owned(),
                op: wanted.operator.sign().to_owned(),
                threshold: wanted.threshold.clone(),
                observed: finding.observed.clone(),
                unit: wanted.metric.unit().to_owned(),
                met: finding.met == Met::Yes,
            });
        }
    }
}

/// report.json says what the fold says.
fn agrees(report: &[u8], evaluated: &Evaluated, phase: &str) -> Result<(), String> {
    #[derive(serde::Deserialize)]
    struct Told {
        run: String,
        phases: Vec<ToldPhase>,
    }
    #[derive(serde::Deserialize)]
    struct ToldPhase {
        id: String,
        verdict: String,
        criteria: Vec<ToldCriterion>,
    }
    #[derive(serde::Deserialize)]
    struct ToldCriterion {
        id: String,
        observed: String,
        threshold: String,
    }
    let told: Told = serde_json::from_slice(report).map_err(|cause| cause.to_string())?;
    if told.run != evaluated.record.head.run {
        return Err(format!("it is of run {}", told.run));
    }
    let own = told.phases.iter().find(|told| told.id == phase).ok_or_else(|| format!("it has no phase {phase}"))?;
    let planned = evaluated.record.head.phases.iter().find(|planned| planned.id == phase).ok_or("no such phase")?;
    let verdict = evaluated.record.phase(planned).word();
    if own.verdict != verdict {
        return Err(format!("it says {} of {phase}, and the tally comes to {verdict}", own.verdict));
    }
    let known: Vec<(&str, &str, &str)> =
        evaluated.verdict.criteria.iter().map(|one| (one.id.as_str(), one.observed.as_str(), one.threshold.as_str())).collect();
    let said: Vec<(&str, &str, &str)> = own.criteria.iter().map(|one| (one.id.as_str(), one.observed.as_str(), one.threshold.as_str())).collect();
    if known != said {
        return Err(format!("its criteria of {phase} are {said:?}, and the tally comes to {known:?}"));
    }
    Ok(())
}
