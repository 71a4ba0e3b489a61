//! The last lines of a run: what failed by name, the verdict, the flake line, and the next step. Pure text of a finished record.

use std::collections::BTreeSet;

use super::lines::{Grammar, verb};
use crate::event::Installed;
use crate::model::{Exit, JobId, Label, Outcome, Skip, Verdict};
use crate::record::{JobRecord, Record};
use crate::rundir::short;
use crate::text::{millis, plural};

/// A red case for the summary.
#[derive(Clone, Debug)]
pub struct RedCase {
    /// Gate.
    pub gate: String,
    /// Printed name.
    pub name: String,
    /// Where, if known.
    pub at: Option<String>,
    /// First line of the message.
    pub message: String,
    /// Label over the iterations.
    pub label: Label,
    /// Iterations in which it was red, and iterations.
    pub red: (u32, u32),
    /// Worst outcome.
    pub outcome: Outcome,
    /// Kind of failure.
    pub category: &'static str,
    /// Upper bound on its failure rate.
    pub bound: f64,
    /// Iterations in which it passed only after a failed attempt.
    pub retried: u32,
}

/// What the summary needs beside the record.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Red cases.
    pub red: Vec<RedCase>,
    /// Cases by label: stable, flaky, failing, unclassified.
    pub labels: [u64; 4],
    /// Causes of the flaky ones: failures of one kind at the same time are one.
    pub causes: u64,
    /// Cases that are not where they should be: gate, what is wrong, words.
    pub partly: Vec<(String, &'static str, String)>,
    /// Gates whose tools hide failed attempts.
    pub hidden: Vec<String>,
    /// Iterations of the gate that has most of them.
    pub iterations: u32,
    /// Upper bound on the failure rate of what never failed in so many.
    pub bound: f64,
    /// How this program is called.
    pub program: String,
    /// Folder of the run, as a person would type it.
    pub folder: String,
}

/// Pictures and traces that are named for a gate.
const WITNESSES: usize = 4;
/// Red cases named one by one.
const NAMED: usize = 20;

/// The summary as lines.
pub fn summary(record: &Record, tally: &Tally, grammar: Grammar) -> Vec<String> {
    let mut lines = vec![format!("  {}", "─".repeat(70))];
    if let Some((_, problems)) = &record.refused {
        for problem in problems {
            lines.push(grammar.line("REFUSED", ""));
            lines.extend(problem.lines().map(|line| format!("  {}", crate::text::visible(line))));
        }
    }
    for phase in record.head.phases.iter().filter(|_| record.refused.is_none()) {
        let verdict = record.phase(phase);
        let partial = record.head.partial.as_ref().map(|why| format!("  partial ({why}): not a verdict of {}", phase.id)).unwrap_or_default();
        let shown = if record.head.partial.is_some() && verdict == Verdict::Pass { "partial" } else { word(verdict) };
        lines.push(grammar.line(shown, &format!("{}        {}      {}{partial}", phase.id, counts(record, Some(&phase.gates)), millis(record.at))));
    }
    for finding in record.head.phases.iter().filter(|_| record.refused.is_none()).flat_map(|phase| record.criteria(phase)) {
        lines.push(grammar.line(if record.is_missed(&finding) { "FAIL" } else { "" }, &finding.line));
    }
    if record.is_setup() {
        let shown = if record.exit() == Exit::Pass { "PASS" } else { "FAIL" };
        let installs: Vec<&str> = record.installs.keys().map(String::as_str).collect();
        lines.push(grammar.line(shown, &format!("set-up of {}      {}", installs.join(", "), millis(record.at))));
    } else if record.head.phases.is_empty() && record.refused.is_none() {
        let shown = if record.exit() == Exit::Pass { "PASS" } else { "FAIL" };
        lines.push(grammar.line(shown, &format!("{}        {}      {}", record.head.targets.join(" "), counts(record, None), millis(record.at))));
    }
    for (phase, run) in &record.credited {
        lines.push(grammar.line("", &format!("requires {phase}: pass in run {}", short(run))));
    }
    for phase in &record.unjudged {
        lines.push(grammar.line("", &format!("requires {phase}: not judged")));
    }
    let runtimes = record.runtimes.iter().map(|found| format!("{} {} ({})", found.kind, found.version, found.exe));
    let used: Vec<String> = runtimes.chain(record.servers().map(|(version, place)| format!("PostgreSQL {version} ({place})"))).collect();
    if !used.is_empty() {
        lines.push(grammar.line("ran on", &used.join(" · ")));
    }
    if let (Some(start), Some(end)) = (&record.source_start, &record.source_end)
        && start != end
    {
        lines.push(grammar.line("note", "the source changed while the gates ran: this run stands for no phase later"));
    }
    for taken in record.shards.iter().filter(|taken| !taken.superseded.is_empty()) {
        lines.push(grammar.line("shard", &super::lines::shard(taken)));
    }
    for (shard, _, why) in &record.refused_shards {
        lines.push(grammar.line("BROKEN", &format!("shard {shard}: {why}")));
    }
    for (file, line, rule) in &record.secrets {
        lines.push(grammar.line("FAIL", &format!("{file}:{line} holds what looks like a secret: {rule}")));
    }
    if !record.secrets.is_empty() {
        lines.push(grammar.line("hint", "name its variable in `secrets` of the gate, which masks it, or keep it out of what the gate prints and reports"));
    }
    failures(record, tally, grammar, &mut lines);
    quarantined(record, grammar, &mut lines);
    if record.refused.is_none() && !record.is_setup() {
        lines.push(grammar.line("", &flake_line(tally)));
    }
    next_step(record, tally, grammar, &mut lines);
    lines
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail => "FAIL",
        Verdict::Broken => "BROKEN",
        Verdict::Skipped => "SKIP",
        Verdict::Cancelled => "CANCEL",
    }
}

fn counts(record: &Record, only: Option<&[String]>) -> String {
    let only: Option<BTreeSet<&String>> = only.map(|only| only.iter().collect());
    let mut counted: Vec<(&str, u64)> = Vec::new();
    for gate in record.head.gates.iter().filter(|gate| only.as_ref().is_none_or(|only| only.contains(&gate.id) || !gate.needed_by.is_empty())) {
        let state = record.gate(gate);
        let word = match (gate.advisory && state.verdict != Verdict::Pass, state.verdict, state.label) {
            (true, _, _) => "advisory",
            (false, Verdict::Pass, Label::Flaky) => "flaky",
            (false, Verdict::Pass, _) if record.reused(&gate.id).is_some() => "reused",
            (false, Verdict::Skipped, _) if state.is_neutral() => "skipped (declared)",
            (false, verdict, _) => verdict.word(),
        };
        match counted.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counted.push((word, 1)),
        }
    }
    counted.iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(" · ")
}

fn failures(record: &Record, tally: &Tally, grammar: Grammar, lines: &mut Vec<String>) {
    let mut named = 0;
    for (runtime, result) in &record.installs {
        if let Installed::Failed(why) = result {
            lines.push(grammar.line("FAIL", &format!("set-up of {runtime}  {why}")));
        }
    }
    for gate in record.head.gates.iter().filter(|_| record.refused.is_none()) {
        let state = record.gate(gate);
        let red: Vec<&RedCase> = tally.red.iter().filter(|case| case.gate == gate.id).collect();
        let quiet = state.verdict == Verdict::Pass && state.label != Label::Flaky || state.is_neutral() || state.verdict == Verdict::Cancelled;
        if quiet {
            continue;
        }
        let shown = verb(&state, gate.advisory);
        let why = state.why.iter().take(2).cloned().collect::<Vec<_>>().join("; ");
        let needs = if gate.needed_by.is_empty() { String::new() } else { format!("  (needed by {})", gate.needed_by.join(", ")) };
        let at = first_place(record, &gate.id).map(|at| format!("  {at}")).unwrap_or_default();
        lines.push(grammar.line(shown, &format!("{}  {}  {why}{at}{needs}", gate.id, gate.shown)));
        for (_, verb, words) in tally.partly.iter().filter(|(own, _, _)| *own == gate.id).take(NAMED) {
            lines.push(grammar.line(verb, words));
        }
        let kept = record.witnesses(gate);
        for case in red {
            named += 1;
            if named > NAMED {
                continue;
            }
            let at = case.at.as_ref().map(|at| format!("  {at}")).unwrap_or_default();
            let times = if case.retried > 0 && case.red.1 == 1 {
                "  passed only after a failed attempt".to_owned()
            } else if case.red.1 > 1 {
                format!("  {} {}/{}, {}, at most {:.1} % a run", case.label.word(), case.red.0, case.red.1, case.category, case.bound * 100.0)
            } else {
                String::new()
            };
            let verb = if case.outcome.is_red() { case.outcome.word() } else { "retried" };
            lines.push(grammar.line(verb, &format!("{}{at}{times}", case.name)));
            if !case.message.is_empty() && !why.contains(&case.message) {
                lines.push(grammar.line("", &format!("  {}", case.message)));
            }
        }
        for name in kept.iter().take(WITNESSES) {
            lines.push(grammar.line("kept", &format!(".gates/runs/{}/{name}", record.head.run)));
        }
        if kept.len() > WITNESSES {
            lines.push(grammar.line("", &format!("and {} more beside them", kept.len() - WITNESSES)));
        }
    }
    if named > NAMED {
        lines.push(grammar.line("", &format!("and {} more red cases in junit.xml", named - NAMED)));
    }
}

/// What is excused is shown on every run.
fn quarantined(record: &Record, grammar: Grammar, lines: &mut Vec<String>) {
    for gate in record.head.gates.iter().filter(|_| record.refused.is_none()) {
        for excuse in record.gate(gate).excuses.iter().filter(|excuse| excuse.red > 0) {
            let Some(entry) = gate.quarantine.iter().find(|entry| entry.id == excuse.id) else { continue };
            let refused = excuse.refused.as_ref().map(|why| format!(": not excused, {why}")).unwrap_or_default();
            let ticket = format!("{} ({}), until {}", entry.issue, entry.owner, entry.expires);
            lines.push(grammar.line("quarantine", &format!("{}: {}  red {}/{}, {ticket}{refused}", gate.id, excuse.case, excuse.red, excuse.of)));
        }
    }
}

fn first_place(record: &Record, gate: &str) -> Option<String> {
    let red = record.jobs_of(gate).any(|(_, job)| job.facts.reports.iter().any(|report| !report.red.is_empty()));
    if red {
        return None; // each red case names its own
    }
    record.jobs_of(gate).flat_map(|(_, job)| &job.facts.steps).find_map(|step| step.at.as_ref()).map(ToString::to_string)
}

/// The flake line of every run: counts by label and the bound that this number of iterations allows.
fn flake_line(tally: &Tally) -> String {
    let [stable, flaky, failing, unclassified] = tally.labels;
    let failing = if failing > 0 { format!(" · failing {failing}") } else { String::new() };
    let unclassified = if unclassified > 0 { format!(" · unclassified {unclassified}") } else { String::new() };
    let causes = if flaky > 1 { format!(" ({})", plural(tally.causes, "cause")) } else { String::new() };
    let bound = tally.bound * 100.0;
    let claim = if tally.hidden.is_empty() || tally.iterations < 2 {
        format!("95 % upper bound {bound:.1} % a run for what never failed in {}", plural(u64::from(tally.iterations), "iteration"))
    } else {
        format!("attempts not observable in {}: claim withheld", tally.hidden.join(", "))
    };
    format!("flaky {flaky}{causes}{failing}{unclassified} · stable {stable} · {claim}")
}

fn next_step(record: &Record, tally: &Tally, grammar: Grammar, lines: &mut Vec<String>) {
    let bad = |gate: &&crate::event::PlannedGate| {
        let state = record.gate(gate);
        !matches!(state.verdict, Verdict::Pass | Verdict::Cancelled) && !state.is_neutral() && matches!(state.skip, None | Some(Skip::Systemic(_)))
    };
    if record.refused.is_none()
        && let Some(gate) = record.head.gates.iter().find(bad)
    {
        let log = record.jobs_of(&gate.id).find(|(_, job)| job.facts.steps.iter().any(|step| !step.accepted())).or_else(|| record.jobs_of(&gate.id).next());
        let path = |(job, own): (&JobId, &JobRecord)| own.facts.log.as_ref().map_or_else(|| format!("logs/{job}.log"), |log| log.path.clone());
        let log = log.map(|found| format!("        log {}/{}", tally.folder, path(found))).unwrap_or_default();
        let profile = if record.head.profile == "local" { String::new() } else { format!(" --profile {}", record.head.profile) };
        lines.push(grammar.line("repro", &format!("{} gate {}{profile}{log}", tally.program, gate.id)));
        return;
    }
    lines.push(grammar.line("report", &format!("{}/junit.xml", tally.folder)));
}
