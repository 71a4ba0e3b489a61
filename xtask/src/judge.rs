//! From facts to a verdict: exit status, reports and expectations of one attempt, then a gate over its iterations. Pure; the
//! runner asks it for what to skip, the record for what to show.

mod criteria;
mod quarantine;

pub use criteria::{Finding, Measured, Met, Observed, criterion, moved};
pub use quarantine::Excuse;

use std::collections::BTreeSet;

use crate::flake;
use crate::model::{
    AttemptFacts, Category, End, Expect, FlakyRule, Label, MIGRATE, Outcome, Quarantine, ReportState, StepFact, StopCause, Totals, UNREPORTED, Verdict,
};
use crate::text::{millis, plural, size};

/// What a gate promises, as far as judging needs it.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// It promises a report.
    pub reports: bool,
    /// What the reports must hold.
    pub expect: &'a Expect,
    /// Timeout in milliseconds, for the words.
    pub timeout: u64,
}

/// A verdict with its reasons, the weightiest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Verdict.
    pub verdict: Verdict,
    /// Why, in whole words; empty for a pass.
    pub why: Vec<String>,
    /// The exit status failed and no report explains it.
    pub unreported: bool,
    /// Cases that passed only after a failed attempt, and the first of them.
    pub flaked: Option<(u64, String)>,
    /// Cases that were red, or passed only after a failed attempt, as far as they are named.
    pub red: Vec<(String, Category)>,
    /// More cases were red than are named.
    pub unnamed: bool,
    /// Cases in quarantine that its reports hold.
    pub quarantined: BTreeSet<String>,
    /// Names of all its cases in one digest; none where something else than cases decides what is there.
    pub inventory: Option<String>,
    /// Only red cases and the exit status that goes with them are wrong: what a flake looks like.
    pub only_cases: bool,
    /// All reports together.
    pub totals: Totals,
}

/// The kind of a failure, by what its report says.
pub fn category(kind: &str, message: &str, text: &str) -> Category {
    flake::category(kind, message, text).0
}

/// A red case took too long, by what its report says.
pub fn is_timeout(kind: &str, message: &str, text: &str) -> bool {
    category(kind, message, text) == Category::Timeout
}

/// Judges one attempt.
pub fn attempt(terms: Terms<'_>, facts: &AttemptFacts) -> Judgement {
    let mut totals = Totals::default();
    for report in &facts.reports {
        totals.merge(report.counted);
    }
    let mut judging = Judging { verdict: Verdict::Pass, why: Vec::new(), unreported: false, only_cases: true, totals };
    judging.ending(terms, facts);
    judging.reports(facts);
    if let Some(why) = &facts.migrate {
        judging.fail_hard(format!("{MIGRATE}: {why}"));
    } else if judging.verdict != Verdict::Cancelled {
        judging.exit_and_cases(terms, facts);
        judging.expectations(terms, facts);
    }
    let Judging { verdict, why, unreported, only_cases, totals } = judging;
    let only_cases = only_cases && verdict == Verdict::Fail;
    let named = !facts.reports.is_empty() && facts.reports.iter().all(|report| !report.inventory.is_empty());
    let whole = facts.complete && named && (verdict == Verdict::Pass || only_cases);
    let inventory = whole.then(|| facts.reports.iter().map(|report| report.inventory.as_str()).collect::<Vec<_>>().join(" "));
    let cases = || facts.reports.iter().flat_map(|report| report.red.iter().chain(&report.flaky));
    let red: Vec<(String, Category)> = cases().map(|case| (case.case.clone(), case.category.unwrap_or(Category::Unknown))).collect();
    let named: usize = facts.reports.iter().map(|report| report.red.len()).sum();
    let quarantined = facts.reports.iter().flat_map(|report| report.quarantined.iter().cloned()).collect();
    let unnamed = totals.failures + totals.errors > named as u64;
    Judgement { verdict, why, unreported, flaked: flaked(facts), red, unnamed, quarantined, inventory, only_cases, totals }
}

/// Whatever is red in the newest attempt is excused by a quarantine, as far as the attempts so far can tell.
pub fn is_excused(attempts: &[Judgement], entries: &[Quarantine]) -> bool {
    let newest = attempts.last().filter(|_| !entries.is_empty());
    newest.is_some_and(|newest| quarantine::is_excused(newest, &quarantine::excuses(attempts, entries)))
}

fn flaked(facts: &AttemptFacts) -> Option<(u64, String)> {
    let first = facts.reports.iter().flat_map(|report| &report.flaky).next()?;
    Some((facts.reports.iter().map(|report| report.flaky.len() as u64).sum(), first.case.clone()))
}

struct Judging {
    verdict: Verdict,
    why: Vec<String>,
    unreported: bool,
    only_cases: bool,
    totals: Totals,
}

impl Judging {
    /// Broken outweighs fail: what could not be judged was not judged to fail. Cancelled outweighs both.
    fn worsen(&mut self, to: Verdict, why: String) {
        let weight = |verdict| match verdict {
            Verdict::Pass | Verdict::Skipped => 0,
            Verdict::Fail => 1,
            Verdict::Broken => 2,
            Verdict::Cancelled => 3,
        };
        if weight(to) > weight(self.verdict) {
            self.verdict = to;
            self.why.insert(0, why);
        } else {
            self.why.push(why);
        }
        if to != Verdict::Fail {
            self.only_cases = false;
        }
    }

    /// A failure that no flaky case explains.
    fn fail_hard(&mut self, why: String) {
        self.only_cases = false;
        self.worsen(Verdict::Fail, why);
    }

    fn ending(&mut self, terms: Terms<'_>, facts: &AttemptFacts) {
        match facts.stopped {
            None => {}
            Some(StopCause::Timeout) => self.fail_hard(format!("timed out after {}", millis(terms.timeout.min(facts.took.max(1))))),
            Some(StopCause::LogMax) => {
                self.fail_hard(format!("its log passed log-max{}", facts.log.as_ref().map(|log| format!(" at {}", size(log.size))).unwrap_or_default()));
            }
            Some(StopCause::Cancel) => self.worsen(Verdict::Cancelled, "cancelled while it ran".to_owned()),
            Some(StopCause::DiskFull) => self.worsen(Verdict::Broken, "the disk is full".to_owned()),
        }
        if !facts.complete {
            self.worsen(Verdict::Broken, "the run ended before this gate did".to_owned());
        }
        if let Some(why) = &facts.lost {
            self.worsen(Verdict::Broken, why.clone());
        }
        if facts.log_shrank {
            self.worsen(Verdict::Broken, "its log lost bytes while it was written (hint: use `>&2`, not `> /dev/stderr`)".to_owned());
        }
        if facts.steps.is_empty() && facts.complete && facts.stopped.is_none() && facts.lost.is_none() && facts.migrate.is_none() {
            self.worsen(Verdict::Broken, "no process was started".to_owned());
        }
        for step in &facts.steps {
            match &step.end {
                End::NotStarted(why) => self.worsen(Verdict::Broken, format!("{}could not start: {why}", step_name(facts, step))),
                End::Unknown(why) => self.worsen(Verdict::Broken, format!("{}status lost: {why}", step_name(facts, step))),
                End::Code(_) | End::Signal(_) => {}
            }
        }
    }

    fn reports(&mut self, facts: &AttemptFacts) {
        // A step that was stopped or that failed before it could write explains an absent report well enough.
        let stopped = facts.stopped.is_some() || self.verdict == Verdict::Cancelled;
        for report in facts.reports.iter().filter(|report| report.state != ReportState::Valid) {
            if stopped {
                continue;
            }
            let note = if report.note.is_empty() { String::new() } else { format!(": {}", report.note) };
            let exit = facts.steps.iter().find(|step| step.step == report.step).map(|step| format!(" ({})", step.end)).unwrap_or_default();
            self.worsen(Verdict::Broken, format!("report {} is {}{note}{exit}", report.promised, report.state.word()));
        }
    }

    fn exit_and_cases(&mut self, terms: Terms<'_>, facts: &AttemptFacts) {
        let red = self.totals.failures + self.totals.errors;
        let failed: Vec<&StepFact> = facts.steps.iter().filter(|step| !step.accepted() && matches!(step.end, End::Code(_) | End::Signal(_))).collect();
        if red > 0 {
            let first = facts.reports.iter().flat_map(|report| &report.red).next();
            let named = first.map(|case| format!(": {}", case.case)).unwrap_or_default();
            let exit = if failed.is_empty() { format!("{} although the exit status is accepted", plural(red, "red case")) } else { plural(red, "red case") };
            self.worsen(Verdict::Fail, format!("{exit}{named}"));
        }
        for step in failed {
            if facts.stopped.is_some() {
                continue;
            }
            let signal = matches!(step.end, End::Signal(_));
            let reported = facts.reports.iter().any(|report| report.step == step.step && report.counted.failures + report.counted.errors > 0)
                || (red > 0 && facts.reports.iter().all(|report| report.step.is_empty()));
            let what = format!("{}{}", step_name(facts, step), step.end);
            if signal {
                self.fail_hard(format!("{what}{}", tail(step)));
            } else if reported {
                self.worsen(Verdict::Fail, what);
            } else if terms.reports {
                self.unreported = true;
                self.fail_hard(format!("{UNREPORTED}: {what}, and no report has a red case{}", tail(step)));
            } else {
                self.worsen(Verdict::Fail, format!("{what}{}", tail(step)));
            }
        }
    }

    fn expectations(&mut self, terms: Terms<'_>, facts: &AttemptFacts) {
        // What was stopped or could not be read has said so already.
        if facts.stopped.is_some() || facts.reports.iter().any(|report| report.state != ReportState::Valid) {
            return;
        }
        if facts.reports.is_empty() && facts.steps.iter().any(|step| !step.accepted()) {
            return; // a step before the reporting one failed, which is told
        }
        if let (count @ 1.., first) = (facts.gone.0, facts.gone.1.first()) {
            let first = first.map(|case| format!(": {case}")).unwrap_or_default();
            self.fail_hard(format!("{} of gates.baseline missing{first}", plural(count, "case")));
        }
        if !terms.reports {
            return;
        }
        if self.totals.tests == 0 {
            self.worsen(Verdict::Broken, "the report holds no case".to_owned());
            return;
        }
        let executed = self.totals.executed();
        if executed < terms.expect.min_tests {
            self.fail_hard(format!("{} ran, expect.min-tests is {}", plural(executed, "case"), terms.expect.min_tests));
        }
        for (index, (pattern, min)) in terms.expect.cases.iter().enumerate() {
            let found: u64 = facts.reports.iter().filter_map(|report| report.matched.get(index)).sum();
            if found < *min {
                self.fail_hard(format!("{} match `{pattern}`, expect.cases wants {min}", plural(found, "case")));
            }
        }
        let undeclared: u64 = facts.reports.iter().map(|report| report.undeclared_count).sum();
        if undeclared > 0 {
            let first = facts.reports.iter().flat_map(|report| &report.undeclared).next();
            let named = first.map(|case| format!(": {}", case.case)).unwrap_or_default();
            self.fail_hard(format!("{} not declared in expect.skips{named}", plural(undeclared, "skipped case")));
        }
    }
}

fn step_name(facts: &AttemptFacts, step: &StepFact) -> String {
    if facts.steps.len() > 1 || step.step.parse::<u32>().is_err() { format!("step {}: ", step.step) } else { String::new() }
}

fn tail(step: &StepFact) -> String {
    if step.excerpt.is_empty() { String::new() } else { format!(": {}", step.excerpt) }
}

/// Verdict and label of a gate over its iterations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateJudgement {
    /// Verdict.
    pub verdict: Verdict,
    /// Label.
    pub label: Label,
    /// Why, in whole words; empty for a pass.
    pub why: Vec<String>,
    /// Its quarantine.
    pub excuses: Vec<Excuse>,
}

/// Judges a gate from the judgements of the iterations that ended.
pub fn gate(attempts: &[Judgement], flaky: FlakyRule, entries: &[Quarantine]) -> GateJudgement {
    let excuses = quarantine::excuses(attempts, entries);
    let excused: Vec<bool> = attempts.iter().map(|judged| quarantine::is_excused(judged, &excuses)).collect();
    let mut judgement = unexcused(attempts, &excused, flaky);
    if let Some(wrong) = excuses.iter().find(|excuse| excuse.unmatched).filter(|_| judgement.verdict == Verdict::Pass) {
        judgement.verdict = Verdict::Fail;
        judgement.why = vec![format!("quarantine {}: there is no case `{}` (hint: remove the entry)", wrong.id, wrong.case)];
    }
    for excuse in excuses.iter().filter(|_| judgement.verdict == Verdict::Fail) {
        judgement.why.extend(excuse.refused.as_ref().map(|why| format!("quarantine {} does not excuse {}: {why}", excuse.id, excuse.case)));
    }
    GateJudgement { excuses, ..judgement }
}

fn unexcused(attempts: &[Judgement], excused: &[bool], flaky: FlakyRule) -> GateJudgement {
    let excuses = Vec::new();
    let open = || attempts.iter().zip(excused).filter(|(_, excused)| !**excused).map(|(judged, _)| judged);
    let flaked = open().find_map(|judged| judged.flaked.as_ref());
    let any_flaked = attempts.iter().any(|judged| judged.flaked.is_some());
    // A failed attempt inside a passing iteration is a red result and a green one.
    let label = match flake::label(attempts.iter().filter_map(outcome)) {
        Label::Stable if any_flaked => Label::Flaky,
        label => label,
    };
    let count = |verdict| open().filter(|judged| judged.verdict == verdict).count();
    let why_of = |verdict| open().find(|judged| judged.verdict == verdict).map(|judged| judged.why.clone()).unwrap_or_default();
    for verdict in [Verdict::Broken, Verdict::Cancelled] {
        if count(verdict) > 0 {
            return GateJudgement { verdict, label, why: why_of(verdict), excuses };
        }
    }
    if let Some(why) = uneven(attempts) {
        return GateJudgement { verdict: Verdict::Broken, label, why: vec![why], excuses };
    }
    let failed = count(Verdict::Fail);
    if let (0, Some((cases, first)), FlakyRule::Fail) = (failed, flaked, flaky) {
        return GateJudgement {
            verdict: Verdict::Fail,
            label,
            why: vec![format!("{} passed only after a failed attempt: {first}", plural(*cases, "case"))],
            excuses,
        };
    }
    if failed == 0 {
        let verdict = if attempts.is_empty() { Verdict::Skipped } else { Verdict::Pass };
        return GateJudgement { verdict, label, why: Vec::new(), excuses };
    }
    let only_flakes = label == Label::Flaky && open().all(|judged| judged.verdict == Verdict::Pass || judged.only_cases);
    let verdict = if only_flakes && flaky != FlakyRule::Fail { Verdict::Pass } else { Verdict::Fail };
    let mut why = why_of(Verdict::Fail);
    if attempts.len() > 1 {
        why.insert(0, format!("{failed} of {} failed", plural(attempts.len() as u64, "iteration")));
    }
    GateJudgement { verdict, label, why, excuses }
}

/// Iterations of one code must hold the same cases: of one that is not always there nothing can be said.
fn uneven(attempts: &[Judgement]) -> Option<String> {
    let mut inventories = attempts.iter().enumerate().filter_map(|(index, judged)| Some((index + 1, judged.inventory.as_ref()?)));
    let (first, wanted) = inventories.next()?;
    let (other, _) = inventories.find(|(_, inventory)| *inventory != wanted)?;
    Some(format!("iterations {first} and {other} do not hold the same cases"))
}

fn outcome(judged: &Judgement) -> Option<Outcome> {
    match judged.verdict {
        Verdict::Pass => Some(Outcome::Passed),
        Verdict::Fail => Some(Outcome::Failed),
        Verdict::Broken => Some(Outcome::Error),
        Verdict::Skipped | Verdict::Cancelled => None,
    }
}

#[cfg(test)]
mod tests;
