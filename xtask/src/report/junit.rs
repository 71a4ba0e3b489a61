//! junit.xml: one suite a gate, one case an identity, whatever the number of iterations.

use std::io::{self, Write};
use std::num::NonZeroU32;

use super::{CaseLine, Cases, Format};
use crate::event::{PlannedGate, PlannedPhase};
use crate::junit::write::{OutCase, OutSuite, write_document};
use crate::model::{FlakyRule, Label, Outcome, Totals};
use crate::record::{Finding, Met, Record};

pub(super) const FORMAT: Format = Format { name: "junit", file: "junit.xml", doc: "one JUnit document over all gates and iterations", write };

fn write(record: &Record, cases: &Cases, out: &mut dyn Write) -> io::Result<()> {
    let mut suites: Vec<OutSuite<'_>> = record.head.gates.iter().map(|gate| suite(record, cases, gate)).collect();
    for phase in &record.head.phases {
        let cases: Vec<OutCase> = record.criteria(phase).iter().map(|finding| criterion(record, phase, finding)).collect();
        if !cases.is_empty() {
            suites.push(OutSuite::of(&phase.id, cases, Vec::new()));
        }
    }
    if let Some((_, problems)) = record.refused.as_ref().filter(|_| suites.is_empty()) {
        let cases = problems.iter().enumerate().map(|(index, problem)| refusal(index, problem)).collect();
        suites.push(OutSuite::of(&record.head.manifest, cases, Vec::new()));
    }
    if !record.refused_shards.is_empty() {
        let case = |(index, (shard, _, why)): (usize, &(String, Vec<String>, String))| OutCase {
            name: format!("shard {shard}"),
            kind: "gate.shard-refused".to_owned(),
            ..refusal(index, why)
        };
        let cases = record.refused_shards.iter().enumerate().map(case).collect();
        suites.push(OutSuite::of("shards", cases, Vec::new()));
    }
    if !record.secrets.is_empty() {
        let case = |(index, (file, line, rule)): (usize, &(String, u64, String))| OutCase {
            name: format!("{file}:{line}"),
            kind: "gate.secret".to_owned(),
            outcome: Outcome::Failed,
            ..refusal(index, &format!("it looks like a secret: {rule}"))
        };
        let cases = record.secrets.iter().enumerate().map(case).collect();
        suites.push(OutSuite::of("secrets", cases, Vec::new()));
    }
    if !record.ended {
        let why = if suites.is_empty() { "the journal holds no plan" } else { "the run was cut before its end" };
        let cut = OutCase { name: "the run ended".to_owned(), kind: "gate.run-cut".to_owned(), ..refusal(0, why) };
        suites.push(OutSuite::of("run", vec![cut], Vec::new()));
    }
    write_document(&format!("gate {}", record.head.targets.join(" ")), &record.head.wall, suites, out).map_err(io::Error::other)
}

fn refusal(index: usize, problem: &str) -> OutCase {
    OutCase {
        name: format!("refused {}", index + 1),
        classname: "run".to_owned(),
        file: String::new(),
        line: None,
        seconds: 0.0,
        outcome: Outcome::Error,
        kind: "gate.refused".to_owned(),
        message: problem.to_owned(),
        text: problem.to_owned(),
        properties: Vec::new(),
        retries: Vec::new(),
    }
}

/// A criterion is a case of its phase: skipped while it cannot be judged and need not be.
fn criterion(record: &Record, phase: &PlannedPhase, finding: &Finding) -> OutCase {
    let outcome = match finding.met {
        Met::Yes => Outcome::Passed,
        Met::No | Met::NotJudged if record.is_missed(finding) => Outcome::Failed,
        Met::No | Met::NotJudged => Outcome::Skipped,
    };
    let red = outcome.is_red();
    let base = refusal(0, &finding.line);
    let text = if red { base.text } else { String::new() };
    OutCase {
        name: finding.id.clone(),
        classname: phase.id.clone(),
        outcome,
        kind: if red { "gate.criterion".to_owned() } else { String::new() },
        text,
        ..refusal(0, &finding.line)
    }
}

fn suite<'a>(record: &Record, cases: &'a Cases, gate: &'a PlannedGate) -> OutSuite<'a> {
    let state = record.gate(gate);
    let execution = record.execution(&gate.id).unwrap_or_default();
    let properties = [
        ("gate.owner", gate.owner.as_str()),
        ("gate.verdict", state.verdict.word()),
        ("gate.label", state.label.word()),
        ("gate.why", state.why.first().map_or("", String::as_str)),
        ("gate.execution", execution.as_str()),
        ("gate.advisory", if gate.advisory { "true" } else { "" }),
    ];
    let properties = properties.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let strict = record.head.flaky.unwrap_or(FlakyRule::Fail) == FlakyRule::Fail;
    let own = cases.gates.get(&gate.id).map(|own| &own.cases[..]).unwrap_or_default();
    let mut totals = Totals::default();
    for case in own {
        totals.add(outcome(case, strict).0);
    }
    let seconds = own.iter().map(|case| case.seconds).sum();
    OutSuite { name: gate.id.clone(), properties, totals, seconds, cases: Box::new(own.iter().map(move |case| out_case(case, gate, strict))) }
}

/// What a case counts as, and the type of its failure.
fn outcome(case: &CaseLine, strict: bool) -> (Outcome, &str) {
    let excused = case.detail().quarantine.is_some();
    // A cut iteration is no execution, and a report that holds one is not green.
    let cut = case.is_cut();
    match (case.label() == Label::Flaky, strict && !excused) {
        _ if cut => (case.outcome(), &case.detail().kind),
        (false, _) if excused => (Outcome::Passed, ""),
        (true, true) => (Outcome::Failed, "flaky"),
        (true, false) => (Outcome::Passed, ""),
        (false, _) => (case.outcome(), &case.detail().kind),
    }
}

/// A flaky case under a strict rule is a failure with its flaky attempts, in nextest's form; under a lenient one it passes with
/// them.
fn out_case(case: &CaseLine, gate: &PlannedGate, strict: bool) -> OutCase {
    let (flaky, detail) = (case.label() == Label::Flaky, case.detail());
    let excused = case.detail().quarantine.is_some();
    let (outcome, kind) = outcome(case, strict);
    let element = if flaky || excused { "flakyFailure" } else { "rerunFailure" };
    let retried: u32 = detail.attempts.values().map(|attempts| attempts.saturating_sub(1)).sum();
    let further = if flaky || excused { case.red() + retried } else { case.red().saturating_sub(1) };
    let retries = (0..further).map(|_| (element, detail.message.clone())).collect();
    let mut properties = Vec::new();
    if gate.runs > 1 {
        properties.push(("gate.runs".to_owned(), case.outcomes().count().to_string()));
        properties.push(("gate.failed_runs".to_owned(), case.red().to_string()));
        properties.push(("gate.state".to_owned(), case.label().word().to_owned()));
        properties.push(("gate.upper95".to_owned(), format!("{:.4}", case.upper_bound())));
        properties.extend(case.category().map(|(category, _)| ("gate.category".to_owned(), category.word().to_owned())));
        let prints = case.print().into_iter().flat_map(|print| [("gate.cause", print.cause), ("gate.fingerprint", print.place)]);
        properties.extend(prints.map(|(name, print)| (name.to_owned(), format!("{print:016x}"))));
    }
    let place = detail.at.as_ref();
    properties.extend(case.detail().quarantine.iter().map(|id| ("gate.quarantine".to_owned(), id.clone())));
    OutCase {
        name: case.name.to_string(),
        classname: gate.id.clone(),
        file: if case.file().is_empty() { place.map(|at| at.file.clone()).unwrap_or_default() } else { case.file().to_owned() },
        line: place.filter(|at| at.file.ends_with(case.file())).map(|at| at.line).or(case.line.map(NonZeroU32::get)),
        seconds: case.seconds,
        outcome,
        kind: kind.to_owned(),
        message: detail.message.clone(),
        text: detail.text.clone(),
        properties,
        retries,
    }
}
