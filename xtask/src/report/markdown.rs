//! summary.md: the run for a reader of a pull request.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::{Cases, Format};
use crate::record::Record;
use crate::text::{millis, plural};

pub(super) const FORMAT: Format = Format { name: "markdown", file: "summary.md", doc: "the run for a reader of a pull request", write };

/// Longest list of red cases.
const LISTED: usize = 50;

fn write(record: &Record, cases: &Cases, out: &mut dyn Write) -> io::Result<()> {
    let mut text = String::new();
    compose(&mut text, record, cases).map_err(io::Error::other)?;
    out.write_all(text.as_bytes())
}

/// What makes the whole run red, and attempts of shards that were not green.
fn broken(out: &mut String, record: &Record) -> std::fmt::Result {
    for (file, line, rule) in &record.secrets {
        writeln!(out, "- **secret** {}:{line}: {}", text(file), text(rule))?;
    }
    for (shard, _, why) in &record.refused_shards {
        writeln!(out, "- **broken** shard {}: {}", text(shard), text(why))?;
    }
    for taken in &record.shards {
        for (attempt, _, red) in taken.superseded.iter().filter(|(_, _, red)| !red.is_empty()) {
            writeln!(out, "- shard {}: attempt {} counts; attempt {attempt} was not green: {}", text(&taken.shard), taken.attempt, text(&red.join(", ")))?;
        }
    }
    Ok(())
}

fn compose(out: &mut String, record: &Record, cases: &Cases) -> std::fmt::Result {
    writeln!(out, "# gate {}\n", text(&record.head.targets.join(" ")))?;
    for phase in &record.head.phases {
        let partial = record.head.partial.as_ref().map(|why| format!(" (partial: {})", text(why))).unwrap_or_default();
        writeln!(out, "**{}** {}{partial}\n", record.phase(phase).word(), text(&phase.id))?;
        for finding in record.criteria(phase) {
            writeln!(out, "- {}{}", if record.is_missed(&finding) { "**missed** " } else { "" }, text(&finding.line))?;
        }
    }
    if let Some((_, problems)) = &record.refused {
        for problem in problems {
            writeln!(out, "- {}", text(problem))?;
        }
        writeln!(out)?;
    }
    broken(out, record)?;
    writeln!(out, "run {} · profile {} · {}\n", record.head.run, record.head.profile, runtimes(record))?;
    writeln!(out, "| verdict | gate | owner | iterations | time | why |\n| --- | --- | --- | --- | --- | --- |")?;
    for gate in &record.head.gates {
        let state = record.gate(gate);
        let why = state.why.first().cloned().or_else(|| record.execution(&gate.id)).map(|why| text(&why)).unwrap_or_default();
        writeln!(out, "| {} | {} | {} | {}/{} | {} | {why} |", state.verdict.word(), gate.id, text(&gate.owner), state.passed, gate.runs, millis(state.took))?;
    }
    for gate in &record.head.gates {
        for excuse in record.gate(gate).excuses.iter().filter(|excuse| excuse.red > 0) {
            let entry = gate.quarantine.iter().find(|entry| entry.id == excuse.id);
            let ticket = entry.map(|entry| format!("{}, {}, until {}", text(&entry.issue), text(&entry.owner), text(&entry.expires))).unwrap_or_default();
            writeln!(out, "\nquarantine {}: {} {}/{} ({ticket})", excuse.id, text(&excuse.case), excuse.red, excuse.of)?;
        }
    }
    let red: Vec<_> = cases.gates.iter().flat_map(|(gate, own)| own.cases.iter().filter(|case| case.red() > 0).map(move |case| (gate, case))).collect();
    if !red.is_empty() {
        writeln!(out, "\n## {}\n", plural(red.len() as u64, "red case"))?;
    }
    for (gate, case) in red.iter().take(LISTED) {
        let at = case.detail().at.as_ref().map(|at| format!(" ({})", text(&at.to_string()))).unwrap_or_default();
        writeln!(out, "- {gate}: {}{at}: {}", text(&case.name), text(&case.detail().message))?;
    }
    if red.len() > LISTED {
        writeln!(out, "- and {} more", red.len() - LISTED)?;
    }
    for gate in &record.head.gates {
        for name in record.witnesses(gate).iter().take(LISTED) {
            writeln!(out, "- {} kept [{}](<{name}>)", gate.id, text(name))?;
        }
    }
    let mut slow: Vec<(u64, &str)> = record.head.gates.iter().map(|gate| (record.gate(gate).took, gate.id.as_str())).filter(|(took, _)| *took > 0).collect();
    slow.sort_unstable_by(|a, b| b.cmp(a));
    if slow.len() > 1 {
        let shown: Vec<String> = slow.iter().take(5).map(|(took, gate)| format!("{gate} {}", millis(*took))).collect();
        writeln!(out, "\nslowest: {}", shown.join(" · "))?;
    }
    let [stable, flaky, failing, unclassified] = cases.labels();
    writeln!(out, "\nflaky {flaky} · failing {failing} · unclassified {unclassified} · stable {stable}")
}

fn runtimes(record: &Record) -> String {
    record.runtimes.iter().map(|found| format!("{} {}", found.kind, found.version)).collect::<Vec<_>>().join(" · ")
}

/// Text of others never acts as markup.
fn text(raw: &str) -> String {
    let mut out = String::new();
    for c in raw.lines().next().unwrap_or("").chars() {
        match c {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"),
            other => out.push(other),
        }
    }
    out
}
