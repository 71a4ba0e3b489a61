//! Gates and services over time, as bars of a picture, with the chain of gates that the end of the run waited for. Knows no markup.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::JobId;
use crate::record::Record;
use crate::text::millis;

/// Rows that a person still looks at.
const MOST: usize = 120;
/// Gates of the critical path that are named.
const CHAIN: usize = 30;
/// The picture's width, of which the left part is for names.
const WIDTH: f64 = 1000.0;
const NAMES: f64 = 220.0;
/// Height of a row.
const ROW: usize = 18;
/// Milliseconds within which one gate ends and the next that waited for it starts.
const SOON: u64 = 250;

/// The picture.
#[derive(Debug, Serialize)]
pub(super) struct Timeline {
    height: usize,
    ticks: Vec<Tick>,
    rows: Vec<Row>,
    words: String,
    left_out: usize,
}

#[derive(Debug, Serialize)]
struct Tick {
    x: f64,
    word: String,
}

#[derive(Debug, Serialize)]
struct Row {
    label: String,
    y: usize,
    bars: Vec<Bar>,
}

#[derive(Debug, Serialize)]
struct Bar {
    x: f64,
    w: f64,
    class: String,
    words: String,
}

/// A gate's iteration from its start to its end.
struct Span<'r> {
    job: &'r JobId,
    from: u64,
    to: u64,
}

pub(super) fn timeline(record: &Record) -> Timeline {
    let spans: Vec<Span<'_>> = record.jobs.iter().filter_map(|(job, one)| Some(Span { job, from: one.started?, to: one.started? + one.facts.took })).collect();
    let critical = critical_path(record, &spans);
    let outlined: BTreeSet<usize> = critical.iter().copied().collect();
    let end = record.at.max(1) as f64;
    let place = |at: u64| round(NAMES + (at as f64 / end).min(1.0) * (WIDTH - NAMES));
    let mut rows: BTreeMap<&str, (u64, Vec<Bar>)> = BTreeMap::new();
    for (number, span) in spans.iter().enumerate() {
        let Some(planned) = record.planned(&span.job.gate) else { continue };
        let verdict = record.jobs.get(span.job).map_or("skipped", |job| record.judge(planned, job).verdict.word());
        let on_path = if outlined.contains(&number) { " critical" } else { "" };
        let iteration = if planned.runs > 1 { format!(" iteration {}", span.job.iteration) } else { String::new() };
        let words = format!("{}{iteration}: {verdict}, {} after {}", span.job.gate, millis(span.to - span.from), millis(span.from));
        let bar = Bar { x: place(span.from), w: round((place(span.to) - place(span.from)).max(1.0)), class: format!("{verdict}{on_path}"), words };
        let slot = rows.entry(&span.job.gate).or_insert((span.from, Vec::new()));
        slot.0 = slot.0.min(span.from);
        slot.1.push(bar);
    }
    for (instance, from, to) in &record.spans {
        let to = to.unwrap_or(record.at);
        let words = format!("service {instance}: {} after {}", millis(to.saturating_sub(*from)), millis(*from));
        let bar = Bar { x: place(*from), w: round((place(to) - place(*from)).max(1.0)), class: "service".to_owned(), words };
        rows.entry(instance).or_insert((*from, Vec::new())).1.push(bar);
    }
    let mut rows: Vec<(&str, u64, Vec<Bar>)> = rows.into_iter().map(|(label, (from, bars))| (label, from, bars)).collect();
    let total = rows.len();
    let wide = |bars: &[Bar]| bars.iter().map(|bar| bar.w).sum::<f64>();
    rows.sort_by(|one, other| wide(&other.2).total_cmp(&wide(&one.2)));
    rows.truncate(MOST);
    rows.sort_by_key(|(_, from, _)| *from);
    let rows: Vec<Row> = rows.into_iter().zip(1..).map(|((label, _, bars), line)| Row { label: short(label), y: line * ROW, bars }).collect();
    let took: u64 = critical.iter().map(|number| spans[*number].to - spans[*number].from).sum();
    let chain: Vec<&str> = critical.iter().map(|number| spans[*number].job.gate.as_str()).collect();
    let first = chain[..chain.len().min(CHAIN)].join(" > ");
    let rest = chain.len().checked_sub(CHAIN).filter(|rest| *rest > 0).map(|rest| format!(" and {rest} more")).unwrap_or_default();
    let words = match chain.len() {
        0 => String::new(),
        _ => format!("Critical path, outlined: {first}{rest} ({} of {})", millis(took), millis(record.at)),
    };
    let ticks = (0..5).map(|part| Tick { x: place(record.at / 5 * part), word: millis(record.at / 5 * part) }).collect();
    Timeline { height: (rows.len() + 1) * ROW + 6, ticks, left_out: total - rows.len(), rows, words }
}

/// The chain of iterations that the end waited for, oldest first: from the last that ended back to what each one waited for, which is
/// whatever ended just before it started and so gave it its slot or its lock, else the newest end among what it needs.
fn critical_path(record: &Record, spans: &[Span<'_>]) -> Vec<usize> {
    let mut by_end: Vec<usize> = (0..spans.len()).collect();
    by_end.sort_by_key(|number| spans[*number].to);
    let mut of_gate: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for number in &by_end {
        of_gate.entry(&spans[*number].job.gate).or_default().push(*number);
    }
    let mut on_path = vec![false; spans.len()];
    // The newest end of some spans, sorted by their ends, before a moment.
    let before = |sorted: &[usize], moment: u64, on_path: &[bool]| {
        let ended = sorted.partition_point(|number| spans[*number].to <= moment);
        sorted[..ended].iter().rev().copied().find(|number| !on_path[*number])
    };
    let mut path = Vec::new();
    let mut now = by_end.last().copied();
    while let Some(number) = now {
        path.push(number);
        on_path[number] = true;
        let span = &spans[number];
        let needs = record.planned(&span.job.gate).map(|planned| &planned.needs[..]).unwrap_or_default();
        let needed = || {
            let newest = needs.iter().filter_map(|need| before(of_gate.get(need.as_str())?, span.from, &on_path));
            newest.max_by_key(|other| spans[*other].to)
        };
        now = before(&by_end, span.from, &on_path).filter(|other| span.from - spans[*other].to <= SOON).or_else(needed);
    }
    path.reverse();
    path
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// A name that fits beside the bars.
fn short(label: &str) -> String {
    match label.char_indices().nth(29) {
        Some((at, _)) if label.chars().count() > 30 => format!("{}…", &label[..at]),
        _ => label.to_owned(),
    }
}
