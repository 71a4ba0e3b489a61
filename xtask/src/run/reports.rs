//! After the last step: reads every promised report, keeps masked copies and artifacts in the run's folder. Knows the file
//! system, no verdict.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::attempt::Place;
use super::launch::Told;
use super::tools::VitestAttempts;
use crate::config::{Gate, StepRun};
use crate::judge;
use crate::junit::tally::Tally;
use crate::junit::{Case, read};
use crate::model::{AttemptFacts, CaseFact, FileRef, Outcome, ReportFact, ReportState, Retries, Tool, Totals};
use crate::rundir::{MEASURES, RunDir, file_ref, write_atomic};

/// A file system's clock may lag behind by this much.
const SLACK: Duration = Duration::from_secs(2);
/// Cases named in an event.
const NAMED: usize = 100;

/// Reads reports and keeps files; whatever goes wrong is said in the facts.
pub(super) fn collect(place: &Place<'_>, gate: &Gate, since: Option<SystemTime>, facts: &mut AttemptFacts) {
    // Words behind `--` choose among the cases: then nothing is missing. What a part does not have, another has; the merge looks at that.
    let whole = place.site.extra(&gate.id).is_empty() && place.site.part(&gate.id).total == 1;
    let baseline = place.site.baseline.gates.get(&gate.id).filter(|_| whole);
    let mut gone = baseline.cloned().unwrap_or_default();
    for (step, promised, file) in promises(place, gate, facts) {
        let report = one_report(place, gate, since, (&step, &promised), file.as_deref(), &mut gone);
        place.line.tell(Told::Report { task: place.line.task, report: Box::new(report.clone()) });
        facts.reports.push(report);
    }
    if facts.stopped.is_none() {
        facts.gone = (gone.len() as u64, gone.into_iter().take(NAMED).collect());
    }
    match measures(&place.scratch.join("out").join(MEASURES)) {
        Ok(measures) if measures.is_empty() => {}
        Ok(measures) => place.line.tell(Told::Measured { task: place.line.task, measures }),
        Err(why) => {
            facts.lost.get_or_insert(why);
        }
    }
    if let Err(why) = keep_files(place, gate) {
        facts.lost.get_or_insert(why);
    }
}

/// Numbers that the attempt wrote: integers, or decimals as strings, so that nobody rounds them on the way.
fn measures(file: &Path) -> Result<Vec<(String, String)>, String> {
    let Ok(text) = fs::read(file) else { return Ok(Vec::new()) };
    let table: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&text).map_err(|cause| format!("{MEASURES} is not a JSON object: {cause}"))?;
    let number = |(name, value): (String, serde_json::Value)| match &value {
        serde_json::Value::Number(number) if number.is_i64() || number.is_u64() => Ok((name, number.to_string())),
        serde_json::Value::String(text) if text.parse::<f64>().is_ok_and(f64::is_finite) => Ok((name, text.clone())),
        other => Err(format!("{MEASURES}: `{name}` is {other}, and a measure is an integer or a decimal as a string")),
    };
    table.into_iter().map(number).collect()
}

/// Every report that a started step promised: step, promise, file if it is there.
fn promises(place: &Place<'_>, gate: &Gate, facts: &AttemptFacts) -> Vec<(String, String, Option<PathBuf>)> {
    let mut all = Vec::new();
    for step in gate.steps.iter().filter(|step| step.wants_junit() && facts.steps.iter().any(|fact| fact.step == step.name)) {
        let file = place.scratch.join(format!("{}.xml", step.name));
        all.push((step.name.clone(), "{junit}".to_owned(), Some(file).filter(|file| file.exists())));
    }
    for promised in gate.junit.iter().filter(|_| !facts.steps.is_empty()) {
        let files = glob(&place.site.config.root, promised);
        if files.is_empty() {
            all.push((String::new(), promised.clone(), None));
        }
        all.extend(files.into_iter().map(|file| (String::new(), promised.clone(), Some(file))));
    }
    all
}

/// Files below the root that a glob names, sorted.
pub fn glob(root: &Path, pattern: &str) -> Vec<PathBuf> {
    if !pattern.contains(['*', '?', '[', '{']) {
        let file = root.join(pattern);
        return if file.is_file() { vec![file] } else { Vec::new() };
    }
    let Ok(matcher) = globset::GlobBuilder::new(pattern).literal_separator(true).build().map(|glob| glob.compile_matcher()) else { return Vec::new() };
    let fixed: PathBuf = Path::new(pattern).components().take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{'])).collect();
    let mut found: Vec<PathBuf> = walkdir::WalkDir::new(root.join(fixed))
        .into_iter()
        .filter_entry(|entry| entry.file_name() != ".git" && entry.file_name() != ".gates")
        .flatten()
        .filter(|entry| entry.file_type().is_file() && entry.path().strip_prefix(root).is_ok_and(|path| matcher.is_match(path)))
        .map(walkdir::DirEntry::into_path)
        .collect();
    found.sort();
    found
}

fn one_report(
    place: &Place<'_>,
    gate: &Gate,
    since: Option<SystemTime>,
    (step, promised): (&str, &str),
    file: Option<&Path>,
    gone: &mut BTreeSet<String>,
) -> ReportFact {
    let mut fact = ReportFact {
        step: step.to_owned(),
        promised: promised.to_owned(),
        file: None,
        state: ReportState::Absent,
        note: String::new(),
        counted: Totals::default(),
        red: Vec::new(),
        timeouts: 0,
        flaky: Vec::new(),
        quarantined: Vec::new(),
        retries: Retries::default(),
        inventory: String::new(),
        undeclared: Vec::new(),
        undeclared_count: 0,
        matched: vec![0; gate.expect.cases.len()],
    };
    let Some(file) = file else { return fact };
    let name = if step.is_empty() { flat(&place.site.config.root, file) } else { format!("{step}.xml") };
    match keep(place, file, &RunDir::junit_name(place.job, &name)) {
        Ok(kept) => fact.file = Some(kept),
        Err(why) => {
            fact.state = ReportState::Unreadable;
            fact.note = why;
            return fact;
        }
    }
    let written = fs::metadata(file).and_then(|metadata| metadata.modified()).ok();
    if let (Some(written), Some(since)) = (written, since)
        && written + SLACK < since
    {
        fact.state = ReportState::Stale;
        fact.note.push_str("it is older than the attempt that should have written it");
        return fact;
    }
    read_into(place, gate, file, &mut fact, gone);
    fact
}

fn flat(root: &Path, file: &Path) -> String {
    file.strip_prefix(root).unwrap_or(file).to_string_lossy().replace('/', "__")
}

fn read_into(place: &Place<'_>, gate: &Gate, original: &Path, fact: &mut ReportFact, gone: &mut BTreeSet<String>) {
    let Some(kept) = &fact.file else { return };
    let name = kept.path.clone();
    let step = gate.steps.iter().find(|step| step.name == fact.step);
    let tool = step.and_then(|step| step.tool);
    let vitest = (tool == Some(Tool::Vitest)).then(|| VitestAttempts::read(original));
    if let Some(Err(why)) = &vitest {
        place.line.tell(Told::Noted { task: place.line.task, text: format!("{why}; failed attempts cannot be seen") });
    }
    let untold = matches!(vitest, Some(Err(_)));
    let mut reading = Reading::new(place, gate, vitest.and_then(Result::ok));
    let opened = File::open(place.site.run.file(&name));
    match opened.and_then(|file| read::read(file, &mut |case| reading.add(case))) {
        Ok(summary) => {
            fact.state = summary.state;
            fact.note = if summary.state == ReportState::Valid { String::new() } else { summary.notes.join("; ") };
        }
        Err(cause) => {
            fact.state = ReportState::Unreadable;
            fact.note = cause.to_string();
        }
    }
    let Reading { tally, red, undeclared, undeclared_count, timeouts, matched, said, .. } = reading;
    fact.counted = tally.totals();
    fact.inventory = tally.inventory();
    gone.retain(|case| tally.get(case).is_none());
    fact.quarantined = gate
        .quarantine
        .iter()
        .filter(|entry| !place.site.extra(&gate.id).is_empty() || tally.get(&entry.case).is_some())
        .map(|entry| entry.case.clone())
        .collect();
    fact.flaky = tally
        .flaky()
        .into_iter()
        .map(|(case, attempts)| CaseFact {
            case: case.to_owned(),
            outcome: Outcome::Passed,
            message: said.get(case).cloned().unwrap_or_default(),
            at: None,
            attempts,
            category: Some(judge::category("", said.get(case).map_or("", String::as_str), "")),
        })
        .collect();
    let once = tool.is_some() || step.is_some_and(|step| matches!(step.run, StepRun::Check { .. }));
    fact.retries = match (once, untold) {
        (true, false) => Retries::Off,
        (true, true) => Retries::Hidden,
        (false, _) => tally.retries(),
    };
    (fact.red, fact.undeclared, fact.undeclared_count, fact.matched, fact.timeouts) = (red, undeclared, undeclared_count, matched, timeouts);
}

/// One report while it is read.
struct Reading<'a> {
    place: &'a Place<'a>,
    wanted: Vec<Option<globset::GlobMatcher>>,
    declared: Vec<globset::GlobMatcher>,
    vitest: Option<VitestAttempts>,
    tally: Tally,
    red: Vec<CaseFact>,
    undeclared: Vec<CaseFact>,
    undeclared_count: u64,
    timeouts: u64,
    matched: Vec<u64>,
    /// What the last failed attempt of a case said.
    said: HashMap<String, String>,
}

impl<'a> Reading<'a> {
    fn new(place: &'a Place<'a>, gate: &Gate, vitest: Option<VitestAttempts>) -> Self {
        let matcher = |pattern: &str| globset::Glob::new(pattern).ok().map(|glob| glob.compile_matcher());
        let wanted: Vec<_> = gate.expect.cases.iter().map(|(pattern, _)| matcher(pattern)).collect();
        Self {
            place,
            matched: vec![0; wanted.len()],
            wanted,
            declared: gate.expect.skips.iter().filter_map(|(pattern, _, _)| matcher(pattern)).collect(),
            vitest,
            tally: Tally::default(),
            red: Vec::new(),
            undeclared: Vec::new(),
            undeclared_count: 0,
            timeouts: 0,
            said: HashMap::new(),
        }
    }

    fn add(&mut self, case: &Case) {
        let fresh = self.tally.add(case);
        self.attempts(case);
        for (found, matcher) in self.matched.iter_mut().zip(&self.wanted) {
            *found += u64::from(fresh && matcher.as_ref().is_some_and(|matcher| matcher.is_match(&case.printed)));
        }
        let is_timeout = case.outcome.is_red() && judge::is_timeout(&case.kind, &case.headline(), &case.text);
        self.timeouts += u64::from(is_timeout);
        match case.outcome {
            Outcome::Failed | Outcome::Error if self.red.len() < NAMED => self.red.push(case_fact(self.place, case)),
            Outcome::Skipped | Outcome::NotRun if !self.declared.iter().any(|matcher| matcher.is_match(&case.printed)) => {
                self.undeclared_count += 1;
                if self.undeclared.len() < NAMED {
                    self.undeclared.push(case_fact(self.place, case));
                }
            }
            Outcome::Passed | Outcome::Failed | Outcome::Error | Outcome::Skipped | Outcome::NotRun => {}
        }
    }

    /// Attempts that failed before the result, as far as anything tells.
    fn attempts(&mut self, case: &Case) {
        let hidden = self.vitest.as_ref().map(|vitest| vitest.of(case)).unwrap_or_default();
        if !hidden.is_empty() {
            self.tally.attempt(&case.printed, hidden.len() as u32);
        }
        for message in case.retries.iter().map(|(_, message)| message).chain(hidden) {
            self.timeouts += u64::from(judge::is_timeout("", message, ""));
            let line = crate::text::strip_ansi(crate::text::first_line(message)).chars().take(300).collect();
            self.said.insert(case.printed.clone(), line);
        }
    }
}

fn case_fact(place: &Place<'_>, case: &Case) -> CaseFact {
    let root = format!("{}/", place.site.config.root.display());
    let at = case.place().map(|at| crate::model::Location { file: at.file.strip_prefix(&root).map_or_else(|| at.file.clone(), str::to_owned), line: at.line });
    let category = case.outcome.is_red().then(|| judge::category(&case.kind, &case.headline(), &case.text));
    CaseFact { case: case.printed.clone(), outcome: case.outcome, message: case.headline(), at, attempts: 0, category }
}

/// Copies a file into the run, masked where the gate has secrets.
fn keep(place: &Place<'_>, from: &Path, name: &str) -> Result<FileRef, String> {
    let to = place.site.run.file(name);
    let failed = |cause: std::io::Error| format!("failed to keep {name}: {cause}");
    if place.mask.is_empty() {
        fs::create_dir_all(to.parent().unwrap_or(Path::new("."))).map_err(failed)?;
        fs::copy(from, &to).map_err(failed)?;
    } else {
        // Another encoding would hide a secret from the mask: what is kept is UTF-8.
        let mut bytes = Vec::new();
        let mut decoded = File::open(from).and_then(crate::junit::decode::decode).map_err(failed)?;
        decoded.reader.read_to_end(&mut bytes).map_err(failed)?;
        write_atomic(&to, &place.mask.bytes(&bytes)).map_err(failed)?;
    }
    file_ref(&to, name).map_err(failed)
}

/// Files of `{out}` and artifacts.
fn keep_files(place: &Place<'_>, gate: &Gate) -> Result<(), String> {
    let out = place.scratch.join("out");
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    if out.is_dir() {
        for entry in walkdir::WalkDir::new(&out).sort_by_file_name().into_iter().flatten().filter(|entry| entry.file_type().is_file()) {
            let name = entry.path().strip_prefix(&out).unwrap_or(entry.path()).to_string_lossy().into_owned();
            files.push((entry.into_path(), name));
        }
    }
    for pattern in &gate.artifacts {
        let root = &place.site.config.root;
        files.extend(glob(root, pattern).into_iter().map(|file| (file.clone(), flat(root, &file))));
    }
    for (file, name) in files {
        // A secret inside an archive cannot be seen, so it cannot be masked.
        if !place.mask.is_empty() && fs::read(&file).is_ok_and(|bytes| std::str::from_utf8(&bytes).is_err()) {
            place.line.tell(Told::Noted { task: place.line.task, text: format!("{name} was not kept: it is not text, and this gate has secrets") });
            continue;
        }
        let kept = keep(place, &file, &RunDir::out_name(place.job, &name))?;
        place.line.tell(Told::Kept { task: place.line.task, file: kept });
    }
    Ok(())
}
