//! What the elements of one report say of each case: its outcome and the attempts that failed before it. Knows which tools write
//! one case several times.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::Case;
use super::name::{Dialect, Digest, digest};
use crate::model::{Outcome, Retries, Totals};

/// What is known of one case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The worst of its elements.
    pub outcome: Outcome,
    /// Attempts that failed before its result.
    pub attempts: u32,
}

/// The cases of one report by printed name. Of a name only its digest is kept, since there may be a million of them. Names that were made
/// to have one digest would be one case, as red as the worst of them.
#[derive(Debug, Default)]
pub struct Tally {
    seen: HashMap<Digest, Seen>,
    /// Names of those with failed attempts.
    retried: HashMap<Digest, String>,
    dialect: Dialect,
    shows_attempts: bool,
}

impl Tally {
    /// Takes one element in, and says whether its case is new.
    ///
    /// pytest-rerunfailures writes each attempt as an element of its own, and a failed one that was repeated has no child, so it
    /// looks as if it had passed: a childless element that another one of the same name follows is a failed attempt.
    pub fn add(&mut self, case: &Case) -> bool {
        self.dialect = case.dialect;
        self.shows_attempts |= !case.retries.is_empty();
        let (digest, retries) = (digest(&case.printed), case.retries.len() as u32);
        let (fresh, seen) = match self.seen.entry(digest) {
            Entry::Occupied(before) => (false, before.into_mut()),
            Entry::Vacant(room) => (true, room.insert(Seen { outcome: case.outcome, attempts: 0 })),
        };
        seen.attempts += retries + u32::from(!fresh && seen.outcome == Outcome::Passed);
        seen.outcome = seen.outcome.max(case.outcome);
        if seen.attempts > 0 {
            self.retried.entry(digest).or_insert_with(|| case.printed.clone());
        }
        fresh
    }

    /// A failed attempt that only another file of the tool tells of.
    pub fn attempt(&mut self, printed: &str, count: u32) {
        let digest = digest(printed);
        if let Some(seen) = self.seen.get_mut(&digest) {
            seen.attempts = seen.attempts.max(count);
            self.retried.entry(digest).or_insert_with(|| printed.to_owned());
        }
    }

    /// Cases that passed after failed attempts, with their number, by name.
    pub fn flaky(&self) -> Vec<(&str, u32)> {
        let seen = self.retried.iter().filter_map(|(digest, name)| Some((name.as_str(), self.seen.get(digest)?)));
        let passed = seen.filter(|(_, seen)| seen.outcome == Outcome::Passed && seen.attempts > 0);
        let mut flaky: Vec<(&str, u32)> = passed.map(|(name, seen)| (name, seen.attempts)).collect();
        flaky.sort_unstable();
        flaky
    }

    /// What it holds of a name.
    pub fn get(&self, printed: &str) -> Option<Seen> {
        self.seen.get(&digest(printed)).copied()
    }

    /// Counts of cases, each once.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.seen.values().for_each(|seen| totals.add(seen.outcome));
        totals
    }

    /// What the report itself lets one know of attempts.
    pub fn retries(&self) -> Retries {
        match self.dialect {
            Dialect::Vitest | Dialect::Jest => Retries::Hidden,
            Dialect::Playwright if !self.shows_attempts => Retries::Hidden,
            Dialect::Playwright | Dialect::Pytest | Dialect::Other => Retries::Reported,
        }
    }

    /// Digest of the names, whatever their order: the sum of their XXH3 hashes.
    pub fn inventory(&self) -> String {
        let sum = self.seen.keys().fold(0_u128, |sum, name| sum.wrapping_add(u128::from_ne_bytes(*name)));
        format!("{}-{sum:032x}", self.seen.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::junit::read::read_all;

    fn tally(text: &str) -> Tally {
        let (_, cases) = read_all(text.as_bytes()).expect("in memory");
        let mut tally = Tally::default();
        for case in &cases {
            tally.add(case);
        }
        tally
    }

    #[test]
    fn reruns_of_pytest_are_attempts() {
        // What pytest-rerunfailures writes under --reruns 2: always failing, flaky, failing in its teardown, clean.
        let text = "<testsuites name='pytest tests'><testsuite name='pytest' tests='3'>\
                    <testcase file='t.py' name='red'/><testcase file='t.py' name='red'/><testcase file='t.py' name='red'><failure/></testcase>\
                    <testcase file='t.py' name='flaky'/><testcase file='t.py' name='flaky'/>\
                    <testcase file='t.py' name='both'><failure/></testcase><testcase file='t.py' name='both'><error/></testcase>\
                    <testcase file='t.py' name='clean'/></testsuite></testsuites>";
        let tally = tally(text);
        assert_eq!(tally.flaky(), [("t.py::flaky", 1)]);
        assert_eq!(tally.get("t.py::red"), Some(Seen { outcome: Outcome::Failed, attempts: 2 }));
        assert_eq!(tally.get("t.py::both"), Some(Seen { outcome: Outcome::Error, attempts: 0 }));
        assert_eq!(tally.totals(), Totals { tests: 4, failures: 1, errors: 1, skipped: 0 });
        assert_eq!(tally.retries(), Retries::Reported);
    }

    #[test]
    fn retry_elements_are_attempts() {
        let tally = tally(
            "<testsuites><testsuite name='s'><testcase name='a'><flakyFailure message='x'/><flakyFailure/></testcase>\
             <testcase name='b'><failure/><rerunFailure/></testcase></testsuite></testsuites>",
        );
        assert_eq!(tally.flaky(), [("s::a", 2)]);
        assert_eq!(tally.get("s::b"), Some(Seen { outcome: Outcome::Failed, attempts: 1 }));
    }

    #[test]
    fn tools_that_hide_attempts_are_known() {
        let retries =
            |root: &str, suite: &str| tally(&format!("<testsuites {root}><testsuite {suite}><testcase name='a'/></testsuite></testsuites>")).retries();
        assert_eq!(retries("name='vitest tests'", "name='a.test.ts'"), Retries::Hidden);
        assert_eq!(retries("name='jest tests'", "name='a'"), Retries::Hidden);
        assert_eq!(retries("", "name='a.spec.ts' hostname='chromium'"), Retries::Hidden);
        assert_eq!(retries("", "name='a'"), Retries::Reported);
    }

    #[test]
    fn names_of_one_digest_are_as_red_as_the_worst_of_them() {
        let mut tally = Tally::default();
        let case = |outcome| Case { printed: "one".to_owned(), outcome, dialect: Dialect::Other, ..Case::default() };
        assert!(tally.add(&case(Outcome::Failed)) && !tally.add(&case(Outcome::Passed)));
        assert_eq!((tally.get("one").map(|seen| seen.outcome), tally.get("two")), (Some(Outcome::Failed), None));
    }

    #[test]
    fn an_inventory_knows_no_order_and_no_outcome() {
        let inventory = |cases: &str| tally(&format!("<testsuite name='s'>{cases}</testsuite>")).inventory();
        assert_eq!(inventory("<testcase name='a'/><testcase name='b'/>"), inventory("<testcase name='b'><failure/></testcase><testcase name='a'/>"));
        assert_ne!(inventory("<testcase name='a'/><testcase name='b'/>"), inventory("<testcase name='a'/><testcase name='c'/>"));
    }
}
