//! What a quarantine excuses: a flaky case of a listed kind, below its rate, in a valid iteration. Never what always fails, a crash, what
//! did not run, or what could not be judged. Pure.

use super::Judgement;
use crate::model::{Quarantine, Verdict};

/// An entry against what its gate showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excuse {
    /// Entry.
    pub id: String,
    /// Case.
    pub case: String,
    /// Iterations in which it was red, or passed only after a failed attempt.
    pub red: u32,
    /// Iterations that were judged.
    pub of: u32,
    /// Why it excuses nothing; none where it does, or where nothing is to be excused.
    pub refused: Option<String>,
    /// No iteration has such a case: the entry itself is wrong.
    pub unmatched: bool,
}

/// Every entry against the iterations of its gate.
pub(super) fn excuses(attempts: &[Judgement], entries: &[Quarantine]) -> Vec<Excuse> {
    let judged = || attempts.iter().filter(|judged| matches!(judged.verdict, Verdict::Pass | Verdict::Fail));
    let of = judged().count() as u32;
    let excuse = |entry: &Quarantine| {
        let reds = || judged().flat_map(|judged| judged.red.iter().filter(|(case, _)| *case == entry.case));
        let red = judged().filter(|judged| judged.red.iter().any(|(case, _)| *case == entry.case)).count() as u32;
        let stranger = reds().map(|(_, category)| *category).find(|category| !entry.categories.contains(category));
        let rate = f64::from(entry.before.red + red) / f64::from((entry.before.executions + of).max(1));
        let refused = match (&entry.max_rate, stranger) {
            _ if red == 0 => None,
            (_, Some(category)) => Some(format!("its failure is of kind {}", category.word())),
            _ if of > 1 && red == of => Some(format!("it failed in all {of} iterations")),
            _ if of == 1 && entry.before.executions == 0 => Some("nothing shows that it is a flake: it was never seen to pass".to_owned()),
            _ if of == 1 && entry.before.in_a_row > 0 => Some("it failed the last time too".to_owned()),
            (Some(most), None) if most.parse::<f64>().is_ok_and(|most| rate > most) => Some(format!("its rate {rate:.3} is above max-rate {most}")),
            (_, None) => None,
        };
        let whole = || judged().filter(|judged| judged.inventory.is_some());
        let unmatched = whole().count() > 0 && whole().all(|judged| !judged.quarantined.contains(&entry.case));
        Excuse { id: entry.id.clone(), case: entry.case.clone(), red, of, refused, unmatched }
    };
    entries.iter().map(excuse).collect()
}

/// Everything that is red in an attempt is excused.
pub(super) fn is_excused(judged: &Judgement, excuses: &[Excuse]) -> bool {
    let only_cases = judged.verdict == Verdict::Pass || judged.verdict == Verdict::Fail && judged.only_cases;
    let excused = |case: &str| excuses.iter().any(|excuse| excuse.case == case && excuse.refused.is_none());
    only_cases && !judged.red.is_empty() && !judged.unnamed && judged.red.iter().all(|(case, _)| excused(case))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Before, Category, Totals};

    fn entry(max_rate: Option<&str>, before: Before) -> Quarantine {
        let word = |text: &str| text.to_owned();
        Quarantine {
            id: word("q"),
            case: word("late"),
            owner: word("me"),
            issue: word("A-1"),
            reason: word("known"),
            expires: word("2026-01-20"),
            categories: vec![Category::Timeout],
            max_rate: max_rate.map(str::to_owned),
            before,
        }
    }

    fn judged(red: &[(&str, Category)]) -> Judgement {
        let verdict = if red.is_empty() { Verdict::Pass } else { Verdict::Fail };
        Judgement {
            verdict,
            why: Vec::new(),
            unreported: false,
            flaked: None,
            inventory: Some("2-x".to_owned()),
            only_cases: !red.is_empty(),
            red: red.iter().map(|(case, category)| ((*case).to_owned(), *category)).collect(),
            unnamed: false,
            quarantined: ["late".to_owned()].into(),
            totals: Totals::default(),
        }
    }

    const LATE: (&str, Category) = ("late", Category::Timeout);

    fn refused(attempts: &[Judgement], entry: Quarantine) -> String {
        excuses(attempts, &[entry])[0].refused.clone().unwrap_or_default()
    }

    #[test]
    fn only_a_flake_of_a_listed_kind_is_excused() {
        let clean = || judged(&[]);
        let none = Before::default();
        assert_eq!(refused(&[clean(), judged(&[LATE])], entry(None, none)), "");
        let green = Before { executions: 3, red: 0, in_a_row: 0 };
        assert_eq!(refused(&[judged(&[LATE])], entry(None, green)), "");
        assert_eq!(refused(&[judged(&[LATE])], entry(None, none)), "nothing shows that it is a flake: it was never seen to pass");
        assert_eq!(refused(&[judged(&[LATE]), judged(&[LATE])], entry(None, none)), "it failed in all 2 iterations");
        assert_eq!(refused(&[judged(&[("late", Category::Crash)]), clean()], entry(None, none)), "its failure is of kind crash");
        let before = Before { executions: 9, red: 1, in_a_row: 1 };
        assert_eq!(refused(&[judged(&[LATE])], entry(None, before)), "it failed the last time too");
        assert_eq!(refused(&[judged(&[LATE]), clean()], entry(Some("0.1"), before)), "its rate 0.182 is above max-rate 0.1");
        assert_eq!(refused(&[judged(&[LATE]), clean()], entry(Some("0.2"), before)), "");
    }

    #[test]
    fn an_iteration_is_excused_as_a_whole_or_not_at_all() {
        let excuses = |attempts: &[Judgement]| excuses(attempts, &[entry(None, Before::default())]);
        let (late, both) = (judged(&[LATE]), judged(&[LATE, ("other", Category::Timeout)]));
        let seen = excuses(&[late.clone(), judged(&[])]);
        assert!(is_excused(&late, &seen) && !is_excused(&both, &seen) && !is_excused(&judged(&[]), &seen));
        assert!(!is_excused(&Judgement { unnamed: true, ..late.clone() }, &seen), "more is red than is named");
        assert!(!is_excused(&Judgement { only_cases: false, ..late.clone() }, &seen), "something else is wrong too");
        assert!(!is_excused(&Judgement { verdict: Verdict::Broken, ..late }, &seen));
        let stranger = Judgement { quarantined: [].into(), ..judged(&[]) };
        assert!(excuses(&[stranger])[0].unmatched);
    }
}
