//! report.json: the run as one document for programs.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::{Value, json};

use super::{CaseLine, Cases, Format};
use crate::event::{PlannedGate, PlannedPhase};
use crate::model::{Label, ReportFact, Retries};
use crate::record::{Excuse, Finding, JobRecord, Met, Record};

pub(super) const FORMAT: Format = Format { name: "json", file: "report.json", doc: "the run as one document for programs", write };

fn write(record: &Record, cases: &Cases, out: &mut dyn Write) -> io::Result<()> {
    let phases: Vec<Value> = record
        .head
        .phases
        .iter()
        .map(|phase| json!({ "id": phase.id, "title": phase.title, "asked": phase.asked, "gates": phase.gates, "verdict": record.phase(phase).word(), "criteria": criteria(record, phase) }))
        .collect();
    let [stable, flaky, failing, unclassified] = cases.labels();
    let front = json!({
        "schema": 1,
        "run": record.head.run,
        "wall": record.head.wall,
        "tool": record.head.tool,
        "targets": record.head.targets,
        "profile": record.head.profile,
        "partial": record.head.partial,
        "shard": record.head.shard,
        "shards": record.shards,
        "refused_shards": record.refused_shards.iter().map(|(shard, gates, why)| json!({ "shard": shard, "gates": gates, "why": why })).collect::<Vec<_>>(),
        "exit": record.exit().code(),
        "ended": record.ended,
        "took_ms": record.at,
        "source": record.source_start,
        "source_held": record.source_held(),
        "terms": record.terms(),
        "config": record.head.config.as_ref().map(|file| &file.digest),
        "refused": record.refused.as_ref().map(|(_, problems)| problems),
        "runtimes": record.runtimes,
        "services": record.services,
        "credited": record.credited,
        "unjudged": record.unjudged,
        "secrets": record.secrets.iter().map(|(file, line, rule)| json!({ "file": file, "line": line, "rule": rule })).collect::<Vec<_>>(),
        "phases": phases,
    });
    let back = json!({
        "labels": { "stable": stable, "flaky": flaky, "failing": failing, "unclassified": unclassified },
        "notes": record.notes.iter().map(|(gate, text)| json!({ "gate": gate, "text": text })).collect::<Vec<_>>(),
    });
    serde_json::to_writer_pretty(out, &Document { record, cases, front, back }).map_err(io::Error::other)
}

/// The document. Its gates are made one at a time: ten thousand of them as values would fill the memory.
struct Document<'a> {
    record: &'a Record,
    cases: &'a Cases,
    front: Value,
    back: Value,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.front.as_object().into_iter().flatten() {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry("gates", &Gates(self))?;
        for (key, value) in self.back.as_object().into_iter().flatten() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

struct Gates<'a>(&'a Document<'a>);

impl Serialize for Gates<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Document { record, cases, .. } = self.0;
        serializer.collect_seq(record.head.gates.iter().map(|gate| gate_out(record, cases, gate)))
    }
}

fn criteria(record: &Record, phase: &PlannedPhase) -> Vec<Value> {
    let wanted = |id: &str| phase.criteria.iter().find(|criterion| criterion.id == id);
    let findings = record.criteria(phase).into_iter();
    let value = |finding: Finding| {
        let wanted = wanted(&finding.id)?;
        let met = match finding.met {
            Met::Yes => Some(true),
            Met::No => Some(false),
            Met::NotJudged => None,
        };
        let (metric, operator) = (wanted.metric.word(), wanted.operator.sign());
        Some(
            json!({ "id": finding.id, "metric": metric, "operator": operator, "threshold": wanted.threshold, "observed": finding.observed, "unit": wanted.metric.unit(), "met": met, "line": finding.line }),
        )
    };
    findings.filter_map(value).collect()
}

/// A gate as the document has it.
#[derive(Serialize)]
struct GateOut<'a> {
    id: &'a str,
    title: &'a str,
    owner: &'a str,
    advisory: bool,
    verdict: &'static str,
    label: &'static str,
    why: Vec<String>,
    runs: u32,
    passed: u32,
    took_ms: u64,
    execution: &'static str,
    executed_because: Option<&'a String>,
    reused: Option<Value>,
    cases: usize,
    quarantine: Vec<Value>,
    not_in_every_iteration: &'a [String],
    not_stable: NotStable<'a>,
    iterations: Vec<IterationOut<'a>>,
}

#[derive(Serialize)]
struct IterationOut<'a> {
    iteration: u32,
    verdict: &'static str,
    why: Vec<String>,
    took_ms: u64,
    log: Option<&'a str>,
    reports: Vec<Value>,
    tests: u64,
    failures: u64,
    errors: u64,
    skipped: u64,
    retries: Option<Retries>,
    missing: &'a [String],
    measures: &'a BTreeMap<String, String>,
    kept: Vec<&'a str>,
    leaked: &'a [String],
}

fn gate_out<'a>(record: &'a Record, cases: &'a Cases, gate: &'a PlannedGate) -> GateOut<'a> {
    let state = record.gate(gate);
    let own_cases = cases.gates.get(&gate.id);
    let own = own_cases.map(|own| &own.cases[..]).unwrap_or_default();
    let reused = record.reused(&gate.id);
    GateOut {
        id: &gate.id,
        title: &gate.title,
        owner: &gate.owner,
        advisory: gate.advisory,
        verdict: state.verdict.word(),
        label: state.label.word(),
        why: state.why,
        runs: gate.runs,
        passed: state.passed,
        took_ms: state.took,
        execution: if reused.is_some() {
            "reused"
        } else if state.ended > 0 {
            "executed"
        } else {
            "none"
        },
        executed_because: record.fresh.get(&gate.id),
        reused: reused
            .map(|reused| json!({ "run": reused.run, "wall": reused.wall, "commit": reused.commit, "dirty": reused.dirty, "fingerprint": reused.fingerprint })),
        cases: own.len(),
        quarantine: state.excuses.iter().map(|excuse| excuse_value(gate, excuse)).collect(),
        not_in_every_iteration: own_cases.map(|own| &own.partly[..]).unwrap_or_default(),
        not_stable: NotStable(own),
        iterations: record.jobs_of(&gate.id).map(|(id, job)| iteration_out(record, gate, id.iteration, job)).collect(),
    }
}

fn iteration_out<'a>(record: &Record, gate: &PlannedGate, iteration: u32, job: &'a JobRecord) -> IterationOut<'a> {
    let judged = record.judge(gate, job);
    let report =
        |report: &ReportFact| json!({ "promised": report.promised, "state": report.state.word(), "file": report.file.as_ref().map(|file| &file.path) });
    IterationOut {
        iteration,
        verdict: if job.skip.is_some() { "skipped" } else { judged.verdict.word() },
        why: if let Some(skip) = &job.skip { vec![skip.to_string()] } else { judged.why },
        took_ms: job.facts.took,
        log: job.facts.log.as_ref().map(|log| log.path.as_str()),
        reports: job.facts.reports.iter().map(report).collect(),
        tests: judged.totals.tests,
        failures: judged.totals.failures,
        errors: judged.totals.errors,
        skipped: judged.totals.skipped,
        retries: job.facts.reports.iter().map(|report| report.retries).max(),
        missing: &job.facts.gone.1,
        measures: &job.measures,
        kept: job.kept.iter().map(|file| file.path.as_str()).collect(),
        leaked: &job.leaked,
    }
}

fn excuse_value(gate: &PlannedGate, excuse: &Excuse) -> Value {
    let entry = gate.quarantine.iter().find(|entry| entry.id == excuse.id);
    json!({
        "id": excuse.id,
        "case": excuse.case,
        "red": excuse.red,
        "of": excuse.of,
        "excuses": excuse.red > 0 && excuse.refused.is_none(),
        "refused": excuse.refused,
        "unmatched": excuse.unmatched,
        "owner": entry.map(|entry| &entry.owner),
        "issue": entry.map(|entry| &entry.issue),
        "expires": entry.map(|entry| &entry.expires),
    })
}

/// Cases of a gate that are not stable, made one at a time too.
struct NotStable<'a>(&'a [CaseLine]);

impl Serialize for NotStable<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().filter(|case| case.label() != Label::Stable).map(case_value))
    }
}

fn case_value(case: &CaseLine) -> Value {
    json!({
        "name": case.name,
        "label": case.label().word(),
        "red": case.red(),
        "ran": case.ran(),
        "upper95": format!("{:.4}", case.upper_bound()),
        "category": case.category().map(|(category, _)| category.word()),
        "fingerprint": case.print().map(|print| format!("{:016x}", print.cause)),
        "attempts": case.detail().attempts,
        "quarantine": case.detail().quarantine,
        "rule": case.category().map(|(_, rule)| rule),
        "iterations": case.outcomes().map(|(iteration, outcome)| json!([iteration, outcome.word()])).collect::<Vec<_>>(),
        "message": case.detail().message,
        "at": case.detail().at.as_ref().map(ToString::to_string),
    })
}
