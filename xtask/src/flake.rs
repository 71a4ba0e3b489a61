//! What repeated outcomes say: labels and the bound on what was never seen to fail. Pure: of outcomes, not of records.

use crate::model::{Label, Outcome};

/// One-sided error of every printed bound.
pub const ALPHA: f64 = 0.05;

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

/// Upper bound on the failure rate after `n` runs without a failure: `1 - alpha^(1/n)`.
///
/// Source: Clopper and Pearson 1934, "The use of confidence or fiducial limits", one-sided, no event seen.
pub fn upper_bound_none_failed(n: u32) -> f64 {
    if n == 0 { 1.0 } else { 1.0 - ALPHA.powf(1.0 / f64::from(n)) }
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

    #[test]
    fn the_bound_is_the_published_one() {
        for (n, percent) in [(1, 95.0), (5, 45.07), (10, 25.89), (59, 4.95), (299, 1.0)] {
            assert!((upper_bound_none_failed(n) * 100.0 - percent).abs() < 0.01, "{n}");
        }
    }
}
