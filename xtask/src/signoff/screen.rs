//! What a release manager sees before signing, and a sign-off as a reader sees it later: text, Markdown, HTML. Knows no terminal.

use std::fmt::Write as _;

use super::statement::{Decision, Signoff, Statement, Verdict};
use super::waiver::{Weighed, cut};
use super::{Accepted, Evaluated};
use crate::git::short;
use crate::text::plural;

/// Everything that one screen shows.
#[derive(Debug)]
pub struct View<'a> {
    /// Phase with its title.
    pub title: String,
    /// Where the sign-off will lie.
    pub place: &'a str,
    /// The commit.
    pub commit: &'a str,
    /// Decision.
    pub decision: Decision,
    /// Who signs, and in which role.
    pub signer: String,
    /// The evidence.
    pub evaluated: &'a Evaluated,
    /// What changed in gates.toml since the last sign-off, and that sign-off's commit.
    pub weighed: &'a Weighed,
    /// The commit of the last sign-off of this phase.
    pub since: Option<&'a str>,
    /// How many commits since then.
    pub commits: u64,
    /// Who wrote them.
    pub authors: Vec<String>,
    /// Sign-offs of the required phases.
    pub previous: &'a [Accepted],
    /// Cases that are new since the last sign-off.
    pub added: usize,
    /// What a reader must know.
    pub warnings: Vec<String>,
}

/// Lines of a list before it is cut.
const LISTED: usize = 10;

/// The screen before the signature. Every line on it can be a reason to say no.
pub fn text(view: &View<'_>) -> String {
    let mut out = String::new();
    // Writing into a string does not fail.
    compose(&mut out, view).ok();
    out
}

fn compose(out: &mut String, view: &View<'_>) -> std::fmt::Result {
    let seen = view.evaluated;
    writeln!(out, "sign-off of {}", view.title)?;
    writeln!(out, "  commit      {}", view.commit)?;
    writeln!(out, "  run         {} of {}, {}", seen.record.head.run, seen.manifest.finished_on, origin(&seen.manifest.run_uri))?;
    writeln!(out, "  verdict     {}", seen.verdict.result)?;
    for red in &seen.red {
        writeln!(out, "    RED       {red}")?;
    }
    writeln!(out, "  criteria    {}", if seen.verdict.criteria.is_empty() { "none" } else { "" })?;
    for one in &seen.verdict.criteria {
        let met = if one.met { "met" } else { "MISSED" };
        writeln!(out, "    {met:<9} {}: {} {} {} ({})", one.id, one.observed, one.op, one.threshold, one.unit)?;
    }
    writeln!(out, "  gates")?;
    for gate in &seen.verdict.gates {
        let cases = if gate.tests.total > 0 { format!("  {}, {} skipped", plural(gate.tests.total, "case"), gate.tests.skipped) } else { String::new() };
        let advisory = if gate.required { "" } else { "  advisory" };
        writeln!(out, "    {:<9} {}  {}/{} iterations{cases}{advisory}", gate.result, gate.id, gate.passed, gate.requested)?;
    }
    writeln!(out, "  flakes      {}", flakes(seen))?;
    list(out, "quarantine", &seen.quarantine)?;
    list(out, "skipped", &seen.skipped.iter().map(|(gate, case)| format!("{gate}: {case}")).collect::<Vec<_>>())?;
    let since = view.since.map_or_else(|| "the first sign-off of this phase: nothing to compare with".to_owned(), |since| format!("since {}", short(since)));
    writeln!(out, "  changes     {}, {since}", plural(view.commits, "commit"))?;
    list(out, "authors", &view.authors)?;
    let changes: Vec<String> =
        view.weighed.changes.iter().map(|change| format!("{:<9} {}: {} -> {}", change.class.word(), change.path, cut(&change.from), cut(&change.to))).collect();
    list(out, "gates.toml", &changes)?;
    list(out, "waivers", &view.weighed.waivers)?;
    writeln!(out, "  inventory   {} added, {} gone", plural(view.added as u64, "case"), view.weighed.gone.len())?;
    list(out, "  gone", &view.weighed.gone)?;
    let previous: Vec<String> = view.previous.iter().map(|one| format!("{} {:04} at {}", one.phase, one.number, short(&one.commit))).collect();
    list(out, "requires", &previous)?;
    list(out, "warnings", &view.warnings)?;
    let decision = if view.decision == Decision::Approved { "APPROVED" } else { "REJECTED" };
    writeln!(out, "  decision    {decision} by {}", view.signer)?;
    writeln!(out, "  written to  {}", view.place)
}

fn list(out: &mut String, name: &str, lines: &[String]) -> std::fmt::Result {
    if lines.is_empty() {
        return writeln!(out, "  {name:<11} none");
    }
    writeln!(out, "  {name:<11} {}", lines.len())?;
    for line in lines.iter().take(LISTED) {
        writeln!(out, "    {}", crate::text::visible(line))?;
    }
    if lines.len() > LISTED { writeln!(out, "    and {} more", lines.len() - LISTED) } else { Ok(()) }
}

fn origin(uri: &str) -> String {
    if uri.is_empty() { "made on somebody's machine: its word for it".to_owned() } else { format!("made by {uri}") }
}

/// What the iterations say of flakiness.
pub(super) fn flakes(seen: &Evaluated) -> String {
    let iterations = seen.verdict.gates.iter().map(|gate| gate.completed).max().unwrap_or(0);
    let flaky: Vec<&str> = seen.verdict.gates.iter().filter(|gate| gate.passed < gate.completed).map(|gate| gate.id.as_str()).collect();
    let bound = seen.record.upper_bound(0, iterations) * 100.0;
    let hidden = seen.record.hidden_attempts();
    let hidden = if hidden.is_empty() { String::new() } else { format!("; attempts hidden in {}", hidden.join(", ")) };
    let red = if flaky.is_empty() { "no gate was red".to_owned() } else { format!("red in some: {}", flaky.join(", ")) };
    format!("{red} in {}; what never failed fails in at most {bound:.1} % of runs (95 %){hidden}", plural(u64::from(iterations), "iteration"))
}

/// A sign-off for a reader: name, time and meaning first.
pub fn markdown(statements: &[(String, Statement, String)]) -> String {
    let mut out = String::new();
    write_markdown(&mut out, statements).ok(); // a string takes everything
    out
}

fn write_markdown(out: &mut String, statements: &[(String, Statement, String)]) -> std::fmt::Result {
    let Some((_, first, _)) = statements.first() else { return Ok(()) };
    let said = &first.predicate;
    writeln!(out, "# Sign-off {} of {}\n", format_args!("{:04}", said.sequence), escape(&said.phase))?;
    for (file, statement, digest) in statements {
        let signer = &statement.predicate.signer;
        writeln!(
            out,
            "- **{}**: {} ({}), {}, on {}, holds until {}",
            word(&statement.predicate),
            escape(&signer.name),
            escape(&signer.principal),
            escape(&signer.meaning),
            statement.predicate.signed_on,
            statement.predicate.expires_on
        )?;
        if !signer.comment.is_empty() {
            writeln!(out, "  - {}", escape(&signer.comment))?;
        }
        writeln!(out, "  - `{file}` sha256:{digest}")?;
    }
    writeln!(out, "\nVerdict **{}** of run {} ({}).\n", said.verdict.result, escape(&said.evidence.run), escape(&origin(&said.evidence.run_uri)))?;
    writeln!(out, "| criterion | observed | wanted | unit | met |\n| --- | --- | --- | --- | --- |")?;
    for one in &said.verdict.criteria {
        writeln!(
            out,
            "| {} | {} | {} {} | {} | {} |",
            escape(&one.id),
            escape(&one.observed),
            escape(&one.op),
            escape(&one.threshold),
            escape(&one.unit),
            if one.met { "yes" } else { "no" }
        )?;
    }
    writeln!(out, "\n| gate | result | iterations | cases | skipped |\n| --- | --- | --- | --- | --- |")?;
    for gate in &said.verdict.gates {
        writeln!(out, "| {} | {} | {}/{} | {} | {} |", escape(&gate.id), gate.result, gate.passed, gate.requested, gate.tests.total, gate.tests.skipped)?;
    }
    writeln!(out, "\n| digest of | value |\n| --- | --- |")?;
    for (name, value) in digests(first) {
        writeln!(out, "| {} | `{value}` |", escape(&name))?;
    }
    Ok(())
}

fn word(said: &Signoff) -> &'static str {
    if said.decision == Decision::Approved { "APPROVED" } else { "REJECTED" }
}

fn digests(statement: &Statement) -> Vec<(String, String)> {
    let mut digests = Vec::new();
    for subject in &statement.subject {
        let digest = &subject.digest;
        for (kind, value) in [("commit", &digest.git_commit), ("tree", &digest.git_tree), ("sha256", &digest.sha256)] {
            digests.extend(value.iter().map(|value| (format!("{} ({kind})", subject.name), value.clone())));
        }
    }
    let policy = &statement.predicate.policy;
    for named in [&policy.gates, &policy.trust] {
        digests.extend(named.digest.sha256.iter().map(|value| (format!("{} (sha256)", named.name), value.clone())));
    }
    digests
}

fn escape(text: &str) -> String {
    let mut out = String::new();
    for sign in text.chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\r' => out.push(' '),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' => {
                out.push('\\');
                out.push(sign);
            }
            _ => out.push(sign),
        }
    }
    out
}

/// The same as one page without scripts and without anything from elsewhere.
pub fn html(statements: &[(String, Statement, String)]) -> String {
    let mut out = String::new();
    write_html(&mut out, statements).ok(); // a string takes everything
    out
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}\
table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #8888;padding:.25rem .6rem;text-align:left}code{overflow-wrap:anywhere}\
.APPROVED,.PASSED{color:#0a7a33}.REJECTED,.FAILED{color:#c0242b}@media(prefers-color-scheme:dark){.APPROVED,.PASSED{color:#4ad07d}.REJECTED,.FAILED{color:#ff7b80}}";

fn write_html(out: &mut String, statements: &[(String, Statement, String)]) -> std::fmt::Result {
    let Some((_, first, _)) = statements.first() else { return Ok(()) };
    let said = &first.predicate;
    let title = format!("Sign-off {:04} of {}", said.sequence, html_text(&said.phase));
    write!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    )?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>")?;
    writeln!(
        out,
        "<table><caption>Signatures</caption><tr><th>decision</th><th>name</th><th>meaning</th><th>signed on</th><th>holds until</th><th>statement</th></tr>"
    )?;
    for (file, statement, digest) in statements {
        let (signer, decision) = (&statement.predicate.signer, word(&statement.predicate));
        write!(
            out,
            "<tr><td class=\"{decision}\"><strong>{decision}</strong></td><td>{} &lt;{}&gt;</td>",
            html_text(&signer.name),
            html_text(&signer.principal)
        )?;
        write!(
            out,
            "<td>{} as {}{}</td>",
            html_text(&signer.meaning),
            html_text(&signer.role),
            if signer.comment.is_empty() { String::new() } else { format!(": {}", html_text(&signer.comment)) }
        )?;
        writeln!(
            out,
            "<td>{}</td><td>{}</td><td><code>{}</code> <code>sha256:{digest}</code></td></tr>",
            html_text(&statement.predicate.signed_on),
            html_text(&statement.predicate.expires_on),
            html_text(file)
        )?;
    }
    html_verdict(out, first)
}

fn html_verdict(out: &mut String, first: &Statement) -> std::fmt::Result {
    let said = &first.predicate;
    let Verdict { result, criteria, gates } = &said.verdict;
    writeln!(out, "</table><h2>Verdict: <span class=\"{}\">{}</span></h2>", html_text(result), html_text(result))?;
    writeln!(out, "<p>Run {}, {}.</p>", html_text(&said.evidence.run), html_text(&origin(&said.evidence.run_uri)))?;
    writeln!(out, "<table><caption>Criteria</caption><tr><th>criterion</th><th>observed</th><th>wanted</th><th>unit</th><th>met</th></tr>")?;
    for one in criteria {
        let (id, observed, op, threshold) = (html_text(&one.id), html_text(&one.observed), html_text(&one.op), html_text(&one.threshold));
        writeln!(
            out,
            "<tr><td>{id}</td><td>{observed}</td><td>{op} {threshold}</td><td>{}</td><td>{}</td></tr>",
            html_text(&one.unit),
            if one.met { "yes" } else { "no" }
        )?;
    }
    writeln!(out, "</table><table><caption>Gates</caption><tr><th>gate</th><th>result</th><th>iterations</th><th>cases</th><th>skipped</th></tr>")?;
    for gate in gates {
        let (id, result) = (html_text(&gate.id), html_text(&gate.result));
        writeln!(
            out,
            "<tr><td>{id}</td><td class=\"{result}\">{result}</td><td>{}/{}</td><td>{}</td><td>{}</td></tr>",
            gate.passed, gate.requested, gate.tests.total, gate.tests.skipped
        )?;
    }
    writeln!(out, "</table><table><caption>Digests</caption><tr><th>of</th><th>value</th></tr>")?;
    for (name, value) in digests(first) {
        writeln!(out, "<tr><td>{}</td><td><code>{}</code></td></tr>", html_text(&name), html_text(&value))?;
    }
    writeln!(out, "</table></body></html>")
}

fn html_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
