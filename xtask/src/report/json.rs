//! report.json: the run as one document for programs.

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Value, json};

use super::{CaseLine, Cases, Format};
use crate::event::{PlannedGate, PlannedPhase};
use crate::model::Label;
use crate::record::{Excuse, Finding, Met, Record};

pub(super) const FORMAT: Format = Format { name: "json", file: "report.json", doc: "the run as one document for programs", render };

fn render(record: &Record, cases: &Cases) -> Result<Vec<u8>, String> {
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
    serde_json::to_vec_pretty(&Document { record, cases, front, back }).map_err(|cause| cause.to_string())
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
        serializer.collect_seq(record.head.gates.iter().map(|gate| gate_value(record, cases, gate)))
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

fn gate_value(record: &Record, cases: &Cases, gate: &PlannedGate) -> Value {
    let state = record.gate(gate);
    let own_cases = cases.gates.get(&gate.id);
    let own = own_cases.map(|own| &own.cases[..]).unwrap_or_default();
    let iterations: Vec<Value> = record.jobs_of(&gate.id).map(|(id, job)| {
        let judged = record.judge(gate, job);
        json!({
            "iteration": id.iteration,
            "verdict": if job.skip.is_some() { "skipped" } else { judged.verdict.word() },
            "why": if let Some(skip) = &job.skip { vec![skip.to_string()] } else { judged.why },
            "took_ms": job.facts.took,
            "log": job.facts.log.as_ref().map(|log| &log.path),
            "reports": job.facts.reports.iter().map(|report| json!({ "promised": report.promised, "state": report.state.word(), "file": report.file.as_ref().map(|file| &file.path) })).collect::<Vec<_>>(),
            "tests": judged.totals.tests,
            "failures": judged.totals.failures,
            "errors": judged.totals.errors,
            "skipped": judged.totals.skipped,
            "retries": job.facts.reports.iter().map(|report| report.retries).max(),
            "missing": job.facts.gone.1,
            "measures": job.measures,
            "kept": job.kept.iter().map(|file| &file.path).collect::<Vec<_>>(),
            "leaked": job.leaked,
        })
    }).collect();
    json!({
        "id": gate.id,
        "title": gate.title,
        "owner": gate.owner,
        "advisory": gate.advisory,
        "verdict": state.verdict.word(),
        "label": state.label.word(),
        "why": state.why,
        "runs": gate.runs,
        "passed": state.passed,
        "took_ms": state.took,
        "execution": if record.reused(&gate.id).is_some() { "reused" } else if state.ended > 0 { "executed" } else { "none" },
        "executed_because": record.fresh.get(&gate.id),
        "reused": record.reused(&gate.id).map(|reused| json!({ "run": reused.run, "wall": reused.wall, "commit": reused.commit, "dirty": reused.dirty, "fingerprint": reused.fingerprint })),
        "cases": own.len(),
        "quarantine": state.excuses.iter().map(|excuse| excuse_value(gate, excuse)).collect::<Vec<_>>(),
        "not_in_every_iteration": own_cases.map(|own| own.partly.clone()).unwrap_or_default(),
        "not_stable": own.iter().filter(|case| case.label() != Label::Stable).map(case_value).collect::<Vec<_>>(),
        "iterations": iterations,
    })
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

fn case_value(case: &CaseLine) -> Value {
    json!({
        "name": case.name,
        "label": case.label().word(),
        "red": case.red(),
        "ran": case.ran(),
        "upper95": format!("{:.4}", case.upper_bound()),
        "category": case.category().map(|(category, _)| category.word()),
        "fingerprint": case.print().map(|print| format!("{:016x}", print.cause)),
        "attempts": case.attempts,
        "quarantine": case.quarantine,
        "rule": case.category().map(|(_, rule)| rule),
        "iterations": case.outcomes.iter().map(|(iteration, outcome)| json!([iteration, outcome.word()])).collect::<Vec<_>>(),
        "message": case.message,
        "at": case.at.as_ref().map(ToString::to_string),
    })
}
