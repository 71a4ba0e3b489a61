//! What repeated outcomes say: labels, bounds on rates, and what kind of failure a red case is. Pure: of outcomes, not of records.

mod bound;
mod category;
mod fingerprint;
mod state;

pub use bound::{ALPHA, runs_needed, streak_bound, upper_bound, upper_bound_at};
pub use category::category;
pub use fingerprint::{Fingerprint, fingerprint, groups, template};
pub use state::{Execution, NEW, Standing, State, standing};

use crate::model::{Label, Outcome};

/// The label of outcomes over iterations.
pub fn label(outcomes: impl IntoIterator<Item = Outcome>) -> Label {
    let (mut passed, mut red) = (0u32, 0u32);
    for outcome in outcomes {
        match outcome {
            Outcome::Passed => passed += 1,
            Outcome::Failed | Outcome::Error => red += 1,
            Outcome::Skipped | Outcome::NotRun => {}
        }
    }
    match (passed, red) {
        (0, 0 | 1) => Label::Unclassified,
        (_, 0) => Label::Stable,
        (0, _) => Label::Failing,
        (_, _) => Label::Flaky,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_follow_the_mix() {
        use Outcome::{Error, Failed, NotRun, Passed, Skipped};
        for (outcomes, expected) in [
            (&[Passed, Passed][..], Label::Stable),
            (&[Passed], Label::Stable),
            (&[Failed], Label::Unclassified),
            (&[Failed, Error], Label::Failing),
            (&[Passed, Error], Label::Flaky),
            (&[Failed, Skipped], Label::Unclassified),
            (&[Passed, NotRun], Label::Stable),
            (&[], Label::Unclassified),
            (&[Skipped, Skipped], Label::Unclassified),
        ] {
            assert_eq!(label(outcomes.iter().copied()), expected, "{outcomes:?}");
        }
    }
}
