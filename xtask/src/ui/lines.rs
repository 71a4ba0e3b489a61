//! One event as lines in the grammar of the terminal: a right-aligned verb, a time, a count, a name, a reason. Pure text; knows
//! colours, not terminals.

use console::{Style, measure_text_width, truncate_str};

use crate::event::{Event, EventKind, Installed, PlannedGate, RunStarted, ServiceReady, ShardTaken};
use crate::model::{JobId, Label, NO_INPUTS, Skip, StopCause, Verdict};
use crate::record::{GateState, Record};
use crate::rundir::short;
use crate::text::{millis, visible};

/// Width of the verb's column.
const VERB: usize = 12;

/// Lines with or without colour.
#[derive(Clone, Copy, Debug)]
pub struct Grammar {
    /// Colours are wanted.
    pub colour: bool,
}

impl Grammar {
    fn paint(self, verb: &str, text: &str) -> String {
        let style = match verb {
            "PASS" => Style::new().green().bold(),
            "FAIL" | "BROKEN" | "TIMEOUT" | "REFUSED" => Style::new().red().bold(),
            "FLAKY" | "SLOW" | "SKIP" | "LEAK" | "CANCEL" | "ADVISORY" | "note" => Style::new().yellow().bold(),
            _ => Style::new().dim(),
        };
        if self.colour { style.force_styling(true).apply_to(text).to_string() } else { text.to_owned() }
    }

    /// `        PASS rest`
    pub fn line(self, verb: &str, rest: &str) -> String {
        let padding = " ".repeat(VERB.saturating_sub(measure_text_width(verb)));
        format!("{padding}{} {}", self.paint(verb, verb), visible(rest)).trim_end().to_owned()
    }

    /// `[   8.2s]`
    pub fn took(took: u64) -> String {
        format!("[{:>8}]", millis(took))
    }

    /// What an event has to say to a person; often nothing.
    pub fn lines(self, event: &Event, record: &Record) -> Vec<String> {
        match &event.kind {
            EventKind::RunStarted(head) => vec![started(head)],
            EventKind::RunRefused { .. }
            | EventKind::SecretFound { .. }
            | EventKind::SourceRead { .. }
            | EventKind::RunEnded {}
            | EventKind::FileKept { .. } => Vec::new(),
            EventKind::PhaseCredited { phase, run } => vec![self.line("credited", &format!("requires {phase}: pass in run {}", short(run)))],
            EventKind::PhaseUnjudged { phase } => vec![self.line("note", &format!("requires {phase}: not judged"))],
            EventKind::RuntimeFound(found) => {
                let mismatch = if found.mismatch { format!("  (pinned {}, policy warn)", found.wanted) } else { String::new() };
                vec![self.line("Runtime", &format!("{}  {} {}  {}{mismatch}", found.runtime, found.kind, found.version, found.exe))]
            }
            EventKind::ToolFound { tool, path: None, gate } => vec![self.line("note", &format!("tool {tool} of {gate} is missing here"))],
            EventKind::ToolFound { path: Some(_), .. } | EventKind::ReportRead { .. } | EventKind::ProcEnded { .. } => Vec::new(),
            EventKind::InstallEnded { runtime, result } => match result {
                Installed::Unchanged => Vec::new(),
                Installed::Installed => vec![self.line("Installed", runtime)],
                Installed::Failed(why) => vec![self.line("FAIL", &format!("set-up of {runtime}: {why}"))],
            },
            EventKind::ServiceReady(ready) => vec![self.line("Service", &service(ready))],
            EventKind::ServiceFailed { service, why } => vec![self.line("FAIL", &format!("service {service} {why}"))],
            EventKind::ServiceEnded { instance, end, lost: true, .. } => vec![self.line("FAIL", &format!("service {instance} ended by itself: {end}"))],
            EventKind::ServiceEnded { .. } | EventKind::DatabaseReady { .. } | EventKind::Measured { .. } => Vec::new(),
            EventKind::TemplateBuilt { failed: Some(_), .. } => Vec::new(), // each gate that wanted it says so
            EventKind::TemplateBuilt { database, state, took, .. } => vec![self.line("Database", &format!("{database}  {state} in {}", millis(*took)))],
            EventKind::JobStarted { job, waited, locks } if *waited > 1000 => {
                vec![self.line("Started", &format!("{}  waited {} for {}", job.gate, millis(*waited), locks.join(", ")))]
            }
            EventKind::JobStarted { .. } => Vec::new(),
            EventKind::ProcStarted(proc) => {
                let install = record.planned(&proc.job.gate).is_none();
                if install { vec![self.line("Setting up", &format!("{}  {}", proc.job.gate, proc.argv.join(" ")))] } else { Vec::new() }
            }
            EventKind::ProcSlow { job, after, last_line, .. } => {
                let last = if last_line.is_empty() { String::new() } else { format!("  last line: {last_line}") };
                vec![self.line("SLOW", &format!("[>{:>7}]      {}{last}", millis(*after), job.gate))]
            }
            EventKind::KillSent { job, cause: StopCause::Timeout, signal, tree } if signal == "TERM" => self.timeout(job, tree, record),
            EventKind::KillSent { .. } => Vec::new(),
            EventKind::ProcLeaked { job, argv, .. } => {
                let gate = job.as_ref().map_or("the run", |job| job.gate.as_str());
                vec![self.line("LEAK", &format!("{gate} left a process behind, which was ended: {argv}"))]
            }
            EventKind::AttemptEnded(ended) => self.attempt(&ended.job, record),
            EventKind::JobSkipped { job, skip } => self.skipped(job, skip, record),
            EventKind::JobReused(_) | EventKind::JobFresh { .. } => Vec::new(), // the line of its end says so
            EventKind::RepetitionEnded { why, runs, .. } => self.enough(why, runs, record),
            EventKind::ShardTaken(taken) => vec![self.line("Shard", &shard(taken))],
            EventKind::ShardRefused { shard, why, .. } => vec![self.line("BROKEN", &format!("shard {shard}: {why}"))],
            EventKind::CancelRequested { force: true, .. } => vec![self.line("CANCEL", "ending everything at once")],
            EventKind::CancelRequested { .. } => vec![self.line("CANCEL", "ending what runs; once more ends it at once")],
            EventKind::Noted { gate, text } => {
                let gate = gate.as_ref().map(|gate| format!("{gate}: ")).unwrap_or_default();
                vec![self.line("note", &format!("{gate}{text}"))]
            }
        }
    }

    /// What is ended, what it holds, and its processes.
    fn timeout(self, job: &JobId, tree: &[String], record: &Record) -> Vec<String> {
        let mut lines = vec![self.line("TIMEOUT", &format!("{}  ending it: TERM, then KILL", job.gate))];
        if let Some(gate) = record.planned(&job.gate).filter(|gate| !gate.locks.is_empty()) {
            lines.push(self.line("", &format!("  it holds {}", gate.locks.join(", "))));
        }
        lines.extend(tree.iter().take(10).map(|process| self.line("", &format!("  {process}"))));
        lines
    }

    /// One line a gate when its last iteration is over; a red iteration before that speaks up at once.
    fn attempt(self, job: &JobId, record: &Record) -> Vec<String> {
        let Some(gate) = record.planned(&job.gate) else { return Vec::new() };
        let state = record.gate(gate);
        if state.ended < gate.runs {
            let judged = record.jobs.get(job).map(|own| record.judge(gate, own));
            return match judged.filter(|judged| judged.verdict != Verdict::Pass) {
                Some(judged) => {
                    let why = judged.why.first().cloned().unwrap_or_default();
                    vec![self.line("iteration", &format!("{}/{} of {} {}: {why}", job.iteration, gate.runs, gate.id, judged.verdict.word()))]
                }
                None => Vec::new(),
            };
        }
        vec![self.over(gate, record)]
    }

    /// No iteration starts any more: gates that only waited for one are over.
    fn enough(self, why: &str, runs: &[(String, u32)], record: &Record) -> Vec<String> {
        let over = runs.iter().filter_map(|(gate, runs)| record.planned(gate).filter(|planned| record.gate(planned).ended == *runs));
        std::iter::once(self.line("enough", why)).chain(over.map(|gate| self.over(gate, record))).collect()
    }

    /// A gate of which nothing more will come.
    fn over(self, gate: &PlannedGate, record: &Record) -> String {
        let state = record.gate(gate);
        let reused = state.verdict == Verdict::Pass && record.reused(&gate.id).is_some();
        let verb = if reused { "REUSED" } else { verb(&state, gate.advisory) };
        let why = match record.execution(&gate.id) {
            Some(from) if reused => from.trim_start_matches("REUSED ").to_owned(),
            // Where nothing could have been reused, there is nothing to ask.
            _ => state.why.first().cloned().or_else(|| record.fresh.get(&gate.id).filter(|why| *why != NO_INPUTS).cloned()).unwrap_or_default(),
        };
        let runs = if gate.runs > 1 { format!("  {}/{} iterations passed", state.passed, gate.runs) } else { String::new() };
        let done = record.finished();
        let reason = if why.is_empty() { String::new() } else { format!("  {why}") };
        self.line(verb, &format!("{} {done}/{} {}{runs}{reason}", Self::took(state.took), record.head.gates.len(), gate.id))
    }

    fn skipped(self, job: &JobId, skip: &Skip, record: &Record) -> Vec<String> {
        // What we cancelled ourselves stays quiet, and a gate says it once for all its iterations.
        if record.cancelled.is_some() || record.jobs_of(&job.gate).filter(|(_, own)| own.skip.is_some()).count() > 1 {
            return Vec::new();
        }
        let why = match skip {
            Skip::Service(service, _) => format!("needs service {service}, which does not serve"), // it has said why itself
            other => other.to_string(),
        };
        vec![self.line("SKIP", &format!("{:>10} {}/{} {}  {why}", "", record.finished(), record.head.gates.len(), job.gate))]
    }
}

/// What a shard was expected to take and took, and what its earlier attempts came to.
pub fn shard(taken: &ShardTaken) -> String {
    let earlier = taken.superseded.iter().map(|(attempt, run, red)| {
        let red = if red.is_empty() { "all green".to_owned() } else { format!("not green: {}", red.join(", ")) };
        format!("  attempt {attempt} (run {}) does not count here, {red}", short(run))
    });
    let times = format!("{} where {} were expected", millis(taken.took), millis(taken.expected));
    format!("{}  attempt {}, run {}, {times}{}", taken.shard, taken.attempt, short(&taken.run), earlier.collect::<String>())
}

fn started(head: &RunStarted) -> String {
    let partial = head.partial.as_ref().map(|why| format!(" · partial: {why}")).unwrap_or_default();
    let what = if head.targets.is_empty() { "set-up".to_owned() } else { format!("gate {}", head.targets.join(" ")) };
    format!(" {what} · run {} · profile {}{partial}", short(&head.run), head.profile)
}

fn service(ready: &ServiceReady) -> String {
    let version = ready.version.as_ref().map(|version| format!("PostgreSQL {version}  ")).unwrap_or_default();
    let port = ready.port.map(|port| format!("port {port}  ")).unwrap_or_default();
    format!("{}  {version}ready in {}  {port}{}", ready.instance, millis(ready.took), ready.shown)
}

/// Cuts a line to a terminal's width; no line is cut where there is no terminal.
pub fn cut(line: &str, width: Option<usize>) -> String {
    match width {
        Some(width) => truncate_str(line, width.max(20), "…").into_owned(),
        None => line.to_owned(),
    }
}

/// The verb of a gate that is over.
pub fn verb(state: &GateState, advisory: bool) -> &'static str {
    match (state.verdict, state.label) {
        (Verdict::Pass, Label::Flaky) => "FLAKY",
        (Verdict::Pass, Label::Stable | Label::Failing | Label::Unclassified) => "PASS",
        (Verdict::Skipped, _) => "SKIP",
        (_, _) if advisory => "ADVISORY",
        (Verdict::Fail, _) => "FAIL",
        (Verdict::Broken, _) => "BROKEN",
        (Verdict::Cancelled, _) => "CANCEL",
    }
}
