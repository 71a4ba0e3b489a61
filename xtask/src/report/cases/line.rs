//! One case over the iterations of a run. A report may have a million of them: a line is small, and what only a red one needs stands apart.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::flake::{self, Fingerprint};
use crate::junit::Case;
use crate::model::{Category, Label, Location, Outcome};

/// A case over the iterations of a run. A report may have a million of them that passed once: what a red one needs stands apart.
#[derive(Clone, Debug)]
pub struct CaseLine {
    /// Printed name.
    pub name: Box<str>,
    /// Seconds of the slowest iteration.
    pub seconds: f64,
    pub(super) outcomes: Outcomes,
    pub(super) file: Option<Arc<String>>,
    pub(super) detail: Option<Box<Detail>>,
    /// Source line, if the report tells.
    pub line: Option<NonZeroU32>,
    /// Its bound must allow for having been looked at after each iteration.
    pub(super) open_ended: bool,
    /// Made by us: it stands for something that no report says.
    pub synthetic: bool,
}

/// What only a case has that did not simply pass.
#[derive(Clone, Debug)]
pub struct Detail {
    /// Iterations that were stopped from outside or never ran: red in a report, and no execution.
    pub(super) cut: BTreeSet<u32>,
    /// Failed attempts by iteration in which it passed in the end.
    pub attempts: BTreeMap<u32, u32>,
    /// Its failures by red iteration, in their order.
    failures: Vec<(u32, Failure)>,
    /// Of the worst iteration: type, message, text, place.
    pub kind: String,
    /// First line of the message.
    pub message: String,
    /// Text of the failure.
    pub text: String,
    /// Where it failed.
    pub at: Option<Location>,
    /// The quarantine that excuses it.
    pub quarantine: Option<String>,
}

/// What a failure is.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// Kind.
    pub category: Category,
    /// The rule that said so.
    pub rule: &'static str,
    /// What it has in common with others.
    pub print: Fingerprint,
}

impl Failure {
    pub(super) fn of(kind: &str, message: &str, headline: &str, text: &str) -> Self {
        let (category, rule) = flake::category(kind, headline, text);
        Self { category, rule, print: flake::fingerprint(category, kind, message, text) }
    }
}

/// Iterations whose outcomes have room in a line.
const FEW: usize = 15;

/// Outcomes by iteration, the first at index 0; none where the case was not there.
#[derive(Clone, Debug)]
pub(super) enum Outcomes {
    Few([Option<Outcome>; FEW]),
    #[expect(clippy::box_collection, reason = "this is the rare one, and a line has less room than a vector takes")]
    Many(Box<Vec<Option<Outcome>>>),
}

impl Outcomes {
    fn all(&self) -> &[Option<Outcome>] {
        match self {
            Self::Few(few) => few,
            Self::Many(many) => many,
        }
    }

    /// That of an iteration, to be set. Iterations count from 1.
    pub(super) fn get_mut(&mut self, iteration: u32) -> &mut Option<Outcome> {
        let place = iteration.saturating_sub(1) as usize;
        if let Self::Few(few) = self
            && place >= FEW
        {
            *self = Self::Many(Box::new(few.to_vec()));
        }
        match self {
            Self::Few(few) => &mut few[place],
            Self::Many(many) => {
                if many.len() <= place {
                    many.resize(place + 1, None);
                }
                &mut many[place]
            }
        }
    }
}

static NOTHING: Detail = Detail::new();

impl Detail {
    const fn new() -> Self {
        Self {
            cut: BTreeSet::new(),
            attempts: BTreeMap::new(),
            failures: Vec::new(),
            kind: String::new(),
            message: String::new(),
            text: String::new(),
            at: None,
            quarantine: None,
        }
    }

    /// Red iterations with their failures.
    pub fn failures(&self) -> impl Iterator<Item = (u32, Failure)> {
        self.failures.iter().copied()
    }

    /// Its failure in one iteration.
    pub fn failure_in(&self, iteration: u32) -> Option<Failure> {
        let place = self.failures.binary_search_by_key(&iteration, |(iteration, _)| *iteration).ok()?;
        Some(self.failures[place].1)
    }

    /// Notes its failure in an iteration, where it has none yet or this one counts `instead`.
    pub(super) fn fail(&mut self, iteration: u32, instead: bool, failure: impl FnOnce() -> Failure) {
        match self.failures.binary_search_by_key(&iteration, |(iteration, _)| *iteration) {
            Ok(place) if instead => self.failures[place].1 = failure(),
            Ok(_) => {}
            Err(place) => {
                self.failures.reserve_exact(1); // nearly always the only one
                self.failures.insert(place, (iteration, failure()));
            }
        }
    }
}

impl CaseLine {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            seconds: 0.0,
            outcomes: Outcomes::Few([None; FEW]),
            file: None,
            detail: None,
            line: None,
            open_ended: false,
            synthetic: false,
        }
    }

    /// Source file; empty if the report does not tell.
    pub fn file(&self) -> &str {
        self.file.as_ref().map_or("", |file| file.as_str())
    }

    /// What is known of it beyond its outcomes.
    pub fn detail(&self) -> &Detail {
        self.detail.as_deref().unwrap_or(&NOTHING)
    }

    pub(super) fn detail_mut(&mut self) -> &mut Detail {
        self.detail.get_or_insert_with(|| Box::new(Detail::new()))
    }

    /// Outcomes by iteration.
    pub fn outcomes(&self) -> impl Iterator<Item = (u32, Outcome)> {
        (1..).zip(self.outcomes.all()).filter_map(|(iteration, outcome)| Some((iteration, (*outcome)?)))
    }

    /// Its outcome in one iteration; none where it was not there.
    pub fn outcome_in(&self, iteration: u32) -> Option<Outcome> {
        *self.outcomes.all().get(iteration.checked_sub(1)? as usize)?
    }

    /// The worst of its outcomes.
    pub fn worst(&self) -> Option<Outcome> {
        self.outcomes.all().iter().copied().max().flatten()
    }

    /// Outcomes by iteration, without those that were cut.
    fn executions(&self) -> impl Iterator<Item = (u32, Outcome)> {
        self.outcomes().filter(|(iteration, _)| !self.detail().cut.contains(iteration))
    }

    /// An iteration was cut in which it counts as red.
    pub fn is_cut(&self) -> bool {
        self.detail().cut.iter().any(|iteration| self.outcome_in(*iteration).is_some_and(Outcome::is_red))
    }

    /// Its label.
    pub fn label(&self) -> Label {
        let retried = self.detail().attempts.keys().map(|_| Outcome::Failed);
        flake::label(self.executions().map(|(_, outcome)| outcome).chain(retried))
    }

    /// The outcome that a reader of one line needs: passed when flaky, the worst otherwise.
    pub fn outcome(&self) -> Outcome {
        let worst = self.worst().unwrap_or(Outcome::NotRun);
        let passed = self.outcomes.all().contains(&Some(Outcome::Passed));
        match worst {
            Outcome::Skipped | Outcome::NotRun if passed => Outcome::Passed,
            Outcome::Passed | Outcome::Skipped | Outcome::NotRun | Outcome::Failed | Outcome::Error => worst,
        }
    }

    /// Iterations that gave a result: passed, failed or error.
    pub fn ran(&self) -> u32 {
        self.executions().filter(|(_, outcome)| *outcome == Outcome::Passed || outcome.is_red()).count() as u32
    }

    /// The kind of its failures: that of most red iterations, the weightier where two are equal.
    pub fn category(&self) -> Option<(Category, &'static str)> {
        let failures = &self.detail().failures;
        let count = |wanted: Category| failures.iter().filter(|(_, failure)| failure.category == wanted).count();
        let kinds = failures.iter().map(|(_, failure)| (failure.category, failure.rule));
        kinds.max_by_key(|(category, _)| (count(*category), std::cmp::Reverse(*category)))
    }

    /// The fingerprint of its newest failure.
    pub fn print(&self) -> Option<Fingerprint> {
        self.detail().failures.last().map(|(_, failure)| failure.print)
    }

    /// It keeps what an element of a report says of it.
    pub(super) fn say(&mut self, case: &Case) {
        let silent = !case.outcome.is_red() && case.kind.is_empty() && case.message.is_empty() && case.text.is_empty();
        if silent && self.detail.is_none() {
            return;
        }
        let detail = self.detail_mut();
        detail.message = case.headline();
        detail.at = if case.outcome.is_red() { case.place() } else { None };
        detail.kind.clone_from(&case.kind);
        detail.text.clone_from(&case.text);
    }

    /// Takes in a later element of the same name.
    pub(super) fn join(&mut self, later: Self) {
        let worse = later.worst() > self.worst();
        for (iteration, outcome) in later.outcomes() {
            let own = self.outcomes.get_mut(iteration);
            *own = Some(own.map_or(outcome, |own| own.max(outcome)));
        }
        self.seconds = self.seconds.max(later.seconds);
        for (iteration, failure) in later.detail().failures() {
            self.detail_mut().fail(iteration, false, || failure);
        }
        if worse && (later.detail.is_some() || self.detail.is_some()) {
            let (own, later) = (self.detail_mut(), later.detail.map_or_else(Detail::new, |detail| *detail));
            (own.kind, own.message, own.text, own.at) = (later.kind, later.message, later.text, later.at);
        }
        if self.file.is_none() {
            (self.file, self.line) = (later.file, later.line);
        }
    }

    /// Upper bound on its failure rate, from the iterations that gave a result.
    pub fn upper_bound(&self) -> f64 {
        if self.open_ended { flake::streak_bound(self.red(), self.ran()) } else { flake::upper_bound(self.red(), self.ran()) }
    }

    /// Iterations in which it was red, or passed only after a failed attempt.
    pub fn red(&self) -> u32 {
        let retried = |iteration: &u32| self.detail().attempts.contains_key(iteration);
        self.executions().filter(|(iteration, outcome)| outcome.is_red() || retried(iteration)).count() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report may have a million cases: a line of them is in memory for each.
    #[test]
    fn a_line_is_small() {
        assert_eq!(size_of::<CaseLine>(), 64);
    }

    #[test]
    fn outcomes_have_room_for_any_iteration() {
        let mut line = CaseLine::new("a");
        for iteration in [1, 15, 16, 400, 2] {
            assert_eq!(line.outcome_in(iteration), None);
            *line.outcomes.get_mut(iteration) = Some(Outcome::Failed);
        }
        assert_eq!(line.outcomes().map(|(iteration, _)| iteration).collect::<Vec<_>>(), [1, 2, 15, 16, 400]);
        assert_eq!((line.outcome_in(0), line.outcome_in(401), line.worst(), line.ran()), (None, None, Some(Outcome::Failed), 5));
    }
}
