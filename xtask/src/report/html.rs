//! report.html: the run as one page for people, without anything from elsewhere. What fails comes first; cases are made visible by a small
//! script out of a block of data. Everything is escaped, and the page's own policy lets nothing else run.

mod parts;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write};

use minijinja::{AutoEscape, Environment};
use serde::Serialize;
use serde::ser::Serializer;
use sha2::{Digest as _, Sha256};

use parts::{Bar, Count, Criterion, Data, Fact, Failure, Flake, Gate, Link, Mark, Page, Phase, Red, Service};

use super::timeline::timeline;
use super::{CaseLine, Cases, Format, GateCases};
use crate::event::{PlannedGate, PlannedPhase};
use crate::flake;
use crate::model::{Exit, Label, Outcome, Verdict};
use crate::record::{GateState, Met, Record};
use crate::rundir::short;
use crate::text::{millis, plural, strip_ansi};

pub(super) const FORMAT: Format = Format { name: "html", file: "report.html", doc: "the run as one page for people", write };

const PAGE: &str = include_str!("html/page.html");
const GATE: &str = include_str!("html/gate.html");
/// Where the template wants its two long parts; what people write is escaped and has no such comment.
const GATES_HERE: &str = "<!--gates-->";
const CASES_HERE: &str = "<!--cases-->";
const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");
/// Red cases of a gate that are shown with their text.
const SHOWN: usize = 20;
/// Characters of a failure's text.
const TEXT: usize = 6000;
/// Flaky cases in the table of flakes.
const FLAKES: usize = 500;

fn write(record: &Record, cases: &Cases, out: &mut dyn Write) -> io::Result<()> {
    let mut engine = Environment::new();
    engine.set_auto_escape_callback(|_| AutoEscape::Html);
    let words = |cause: minijinja::Error| io::Error::other(format!("{cause:#}"));
    let template = engine.template_from_str(GATE).map_err(words)?;
    let page = engine.render_str(PAGE, minijinja::value::Serde(page(record, cases))).map_err(words)?;
    // The two long parts go straight into the page: as values of the template they would be in memory several times.
    let cut = |text: &'static str| io::Error::other(format!("the template of the page has no place for {text}"));
    let (front, rest) = page.split_once(GATES_HERE).ok_or_else(|| cut("gates"))?;
    let (middle, end) = rest.rsplit_once(CASES_HERE).ok_or_else(|| cut("cases"))?;
    out.write_all(front.as_bytes())?;
    for (place, gate) in record.head.gates.iter().enumerate() {
        let gate = template.render(minijinja::value::Serde(self::gate(record, cases, gate, place))).map_err(words)?;
        out.write_all(gate.as_bytes())?;
    }
    out.write_all(middle.as_bytes())?;
    data(record, cases, out)?;
    out.write_all(end.as_bytes())
}

fn page(record: &Record, cases: &Cases) -> Page {
    let head = &record.head;
    let exit = record.exit();
    let state = record.source_start.clone().unwrap_or_default();
    let lines = || cases.gates.values().flat_map(|own| own.cases.iter());
    let count = |letter: &'static str, word: &'static str| Count { letter, word, cases: lines().filter(|case| self::letter(case) == letter).count() };
    Page {
        style: STYLE,
        script: SCRIPT,
        style_hash: hash(STYLE),
        script_hash: hash(SCRIPT),
        verdict: verdict(record, exit),
        targets: head.targets.join(" "),
        run: head.run.clone(),
        short: short(&head.run).to_owned(),
        wall: head.wall.get(..19).unwrap_or(&head.wall).replace('T', " ") + " UTC",
        profile: head.profile.clone(),
        took: millis(record.at),
        exit: exit.code(),
        exit_doc: Exit::ALL.iter().find(|(known, _)| *known == exit).map_or("", |(_, doc)| doc),
        source: state.commit.as_deref().map(|commit| commit.get(..12).unwrap_or(commit).to_owned()).unwrap_or_default(),
        dirty: state.dirty.is_some(),
        held: record.source_held() || !record.ended,
        partial: head.partial.clone(),
        ended: record.ended,
        phases: head.phases.iter().map(|phase| self::phase(record, phase)).collect(),
        problems: problems(record),
        flake_line: flake_line(record, cases),
        failures: head.gates.iter().filter_map(|gate| failure(record, cases, gate)).collect(),
        timeline: timeline(record),
        flakes: cases.gates.iter().flat_map(|(gate, own)| own.cases.iter().filter_map(|case| flake(gate, case))).take(FLAKES).collect(),
        outcomes: vec![count("p", "passed"), count("f", "failed"), count("e", "error"), count("s", "skipped"), count("n", "not run")],
        runtimes: record.runtimes.clone(),
        services: record
            .services
            .iter()
            .map(|ready| Service { instance: ready.instance.clone(), took: millis(ready.took), shown: ready.shown.clone() })
            .collect(),
        notes: record.notes.iter().map(|(gate, text)| gate.as_ref().map_or_else(|| text.clone(), |gate| format!("{gate}: {text}"))).collect(),
        tool: head.tool.clone(),
        host: head.host.clone(),
    }
}

/// A source of a content security policy: the digest of what may stand in the page.
fn hash(text: &str) -> String {
    use base64ct::{Base64, Encoding as _};
    format!("sha256-{}", Base64::encode_string(&Sha256::digest(text.as_bytes())))
}

/// One word for all that was asked for.
fn verdict(record: &Record, exit: Exit) -> &'static str {
    match exit {
        Exit::Pass if record.head.partial.is_some() => "partial",
        Exit::Pass => "pass",
        Exit::Fail => "fail",
        Exit::Broken => "broken",
        Exit::Interrupted | Exit::Terminated => "cancelled",
        Exit::Nothing => "skipped",
        Exit::Usage | Exit::Environment => "refused",
    }
}

fn phase(record: &Record, phase: &PlannedPhase) -> Phase {
    let criteria = record.criteria(phase).into_iter().map(|finding| {
        let (met, class) = match finding.met {
            Met::Yes => ("met", "pass"),
            Met::No => ("missed", "fail"),
            Met::NotJudged if record.is_missed(&finding) => ("not judged", "fail"),
            Met::NotJudged => ("not judged", "skipped"),
        };
        Criterion { class, met, line: finding.line }
    });
    Phase { id: phase.id.clone(), title: phase.title.clone(), verdict: record.phase(phase).word(), criteria: criteria.collect() }
}

fn problems(record: &Record) -> Vec<String> {
    let mut problems: Vec<String> = record.refused.iter().flat_map(|(_, problems)| problems.clone()).collect();
    problems.extend(record.secrets.iter().map(|(file, line, rule)| format!("{file}:{line} holds what looks like a secret: {rule}")));
    problems.extend(record.refused_shards.iter().map(|(shard, _, why)| format!("shard {shard}: {why}")));
    problems
}

fn flake_line(record: &Record, cases: &Cases) -> String {
    let [stable, flaky, failing, unclassified] = cases.labels();
    let iterations = record.head.gates.iter().map(|gate| record.gate(gate).ended).max().unwrap_or(0);
    let bound = flake::upper_bound(0, iterations) * 100.0;
    format!(
        "{stable} stable, {flaky} flaky, {failing} failing, {unclassified} unclassified. What never failed in {} fails in at most {bound:.1} % of runs (95 %).",
        plural(u64::from(iterations), "iteration")
    )
}

/// The word of a gate: its verdict, or that it flaked.
fn word(state: &GateState) -> &'static str {
    if state.label == Label::Flaky && state.verdict != Verdict::Broken { "flaky" } else { state.verdict.word() }
}

fn failure(record: &Record, cases: &Cases, gate: &PlannedGate) -> Option<Failure> {
    let state = record.gate(gate);
    let quiet = state.verdict == Verdict::Pass && state.label != Label::Flaky || state.is_neutral();
    if quiet || record.refused.is_some() {
        return None;
    }
    let empty = GateCases::default();
    let own = cases.gates.get(&gate.id).unwrap_or(&empty);
    let red: Vec<&CaseLine> = own.cases.iter().filter(|case| case.red() > 0).collect();
    let times = |case: &CaseLine| {
        let kind = case.category().map_or("", |(category, _)| category.word());
        (gate.runs > 1).then(|| format!("{} of {} iterations, {kind}", case.red(), case.ran()))
    };
    let shown = red.iter().take(SHOWN).map(|case| Red {
        outcome: if case.outcome().is_red() { case.outcome().word() } else { "flaky" },
        name: case.name.to_string(),
        at: case.detail().at.as_ref().map(ToString::to_string),
        times: times(case),
        message: strip_ansi(&case.detail().message),
        text: cut(&strip_ansi(&case.detail().text)),
    });
    let logs = logs(record, gate);
    Some(Failure {
        id: gate.id.clone(),
        title: title(gate),
        verdict: state.verdict.word(),
        word: word(&state),
        why: state.why.iter().map(|why| strip_ansi(why)).collect(),
        cases: shown.collect(),
        more: red.len().saturating_sub(SHOWN),
        tail: strip_ansi(&own.tail),
        log: own.tail_of.clone().or_else(|| logs.into_iter().next().map(|log| log.href)),
        kept: record.witnesses(gate).into_iter().map(link).collect(),
        repro: format!("xtask gate {}", gate.id),
    })
}

fn title(gate: &PlannedGate) -> String {
    if gate.title == gate.id { String::new() } else { gate.title.clone() }
}

/// The beginning of a long text.
fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT) {
        Some((at, _)) => format!("{}\n... the report has all of it", &text[..at]),
        None => text.to_owned(),
    }
}

/// A file of the run's folder: letters that would mean something in an address are spelt out.
fn link(name: &str) -> Link {
    let mut href = String::new();
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => href.push(byte as char),
            _ => {
                write!(href, "%{byte:02X}").ok(); // a string takes everything
            }
        }
    }
    Link { href, name: name.rsplit('/').next().unwrap_or(name).to_owned() }
}

fn logs(record: &Record, gate: &PlannedGate) -> Vec<Link> {
    record.jobs_of(&gate.id).filter_map(|(_, job)| job.facts.log.as_ref()).map(|log| link(&log.path)).collect()
}

fn flake(gate: &str, case: &CaseLine) -> Option<Flake> {
    if case.label() != Label::Flaky && case.detail().quarantine.is_none() {
        return None;
    }
    let mark = |(iteration, outcome): (u32, Outcome)| Mark {
        iteration,
        outcome: outcome.word().replace(' ', "-"),
        sign: match outcome {
            Outcome::Passed => "·",
            Outcome::Failed => "✗",
            Outcome::Error => "E",
            Outcome::Skipped => "s",
            Outcome::NotRun => "n",
        },
    };
    let marks: Vec<Mark> = case.outcomes().map(mark).collect();
    Some(Flake {
        name: case.name.to_string(),
        gate: gate.to_owned(),
        label: case.label().word(),
        quarantine: case.detail().quarantine.clone(),
        words: marks.iter().map(|mark| format!("{} {}", mark.iteration, mark.outcome)).collect::<Vec<_>>().join(", "),
        marks,
        red: case.red(),
        ran: case.ran(),
        bound: format!("{:.1} %", case.upper_bound() * 100.0),
        kind: case.category().map_or("", |(category, _)| category.word()),
    })
}

fn gate(record: &Record, cases: &Cases, gate: &PlannedGate, place: usize) -> Gate {
    let state = record.gate(gate);
    let own = cases.gates.get(&gate.id).map_or(0, |own| own.cases.iter().filter(|case| !case.synthetic).count());
    let iterations = if gate.runs > 1 { format!("{}/{} iterations · ", state.passed, gate.runs) } else { String::new() };
    let summary = format!("{iterations}{}{}", if own > 0 { format!("{} · ", plural(own as u64, "case")) } else { String::new() }, millis(state.took));
    let mut facts = vec![Fact { name: "runs", value: gate.shown.clone() }, Fact { name: "owner", value: gate.owner.clone() }];
    let mut fact = |name: &'static str, value: String| {
        if !value.is_empty() {
            facts.push(Fact { name, value });
        }
    };
    fact("title", title(gate));
    fact("needs", gate.needs.join(", "));
    fact("why", state.why.join("; "));
    fact("execution", record.execution(&gate.id).unwrap_or_default());
    let measures: BTreeSet<String> =
        record.jobs_of(&gate.id).flat_map(|(_, job)| job.measures.iter()).map(|(name, value)| format!("{name} = {value}")).collect();
    fact("measures", measures.into_iter().collect::<Vec<_>>().join(", "));
    let kept = record.jobs_of(&gate.id).flat_map(|(_, job)| job.kept.iter()).map(|file| link(&file.path));
    let longest = gate.recent.iter().map(|(took, _)| *took).max().unwrap_or(0).max(1);
    let bar = |(index, (took, green)): (usize, &(u64, bool))| {
        let h = (took * 15 / longest).max(1);
        Bar { x: index * 8, y: 16 - h, h, class: if *green { "green" } else { "red" } }
    };
    let before: Vec<String> = gate.recent.iter().map(|(took, green)| format!("{} {}", millis(*took), if *green { "green" } else { "red" })).collect();
    Gate {
        place,
        id: gate.id.clone(),
        verdict: state.verdict.word(),
        word: word(&state),
        summary,
        facts,
        logs: logs(record, gate),
        kept: kept.take(200).collect(),
        trend: gate.recent.iter().enumerate().map(bar).collect(),
        trend_words: format!("earlier runs: {}", before.join(", ")),
    }
}

fn letter(case: &CaseLine) -> &'static str {
    match case.outcome() {
        Outcome::Passed => "p",
        Outcome::Failed => "f",
        Outcome::Error => "e",
        Outcome::Skipped => "s",
        Outcome::NotRun => "n",
    }
}

/// The cases as the script reads them. No `<` stands in it, so that no name can end the block.
fn data(record: &Record, cases: &Cases, out: &mut dyn Write) -> io::Result<()> {
    let mut out = Harmless(out);
    let mut document = serde_json::Serializer::new(&mut out);
    document.collect_seq(record.head.gates.iter().map(|gate| Data { id: &gate.id, cases: Lines(cases.gates.get(&gate.id)) })).map_err(io::Error::other)
}

/// The cases of a gate as a list: letter, name, seconds, message. A million of them would fill the memory.
struct Lines<'a>(Option<&'a GateCases>);

impl Serialize for Lines<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let own = self.0.map(|own| &own.cases[..]).unwrap_or_default();
        serializer.collect_seq(own.iter().map(|case| (letter(case), &*case.name, (case.seconds * 1000.0).round() / 1000.0, &case.detail().message)))
    }
}

/// JSON on its way into a block of a page.
struct Harmless<'a>(&'a mut dyn Write);

impl Write for Harmless<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A writer of JSON gives a string in whole stretches, so that no character comes in parts.
        let mut rest = bytes;
        while let Some(at) = memchr::memchr2(b'<', 0xE2, rest) {
            self.0.write_all(&rest[..at])?;
            let (sign, end): (&[u8], usize) = match rest[at..] {
                [b'<', ..] => (b"\\u003c", 1),
                [0xE2, 0x80, 0xA8, ..] => (b"\\u2028", 3),
                _ => (&rest[at..=at], 1),
            };
            self.0.write_all(sign)?;
            rest = &rest[at + end..];
        }
        self.0.write_all(rest)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_the_block_that_it_stands_in() {
        for text in ["</script><!--", "<", "a\u{2028}b\u{2029}<é€\u{2026}", "€", ""] {
            let mut page = Vec::new();
            serde_json::to_writer(Harmless(&mut page), &(text, text)).expect("in memory");
            let written = String::from_utf8(page).expect("text");
            assert!(!written.contains(['<', '\u{2028}']), "{written}");
            assert_eq!(serde_json::from_str::<(String, String)>(&written).expect("JSON"), (text.to_owned(), text.to_owned()));
        }
    }
}
