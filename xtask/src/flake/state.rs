//! What the executions of a case over many runs say of it now: its state, the clean runs that "fixed" would take, the trend. Pure: of
//! outcomes in the order of time.

use std::collections::BTreeMap;

use super::runs_needed;

/// Executions without which a case that never failed is still new.
pub const NEW: u32 = 10;

/// Clean executions that "fixed" takes at least, whatever the rate was.
const LEAST: u32 = 5;

/// Share of flips between neighbouring codes from which a case is flaky although no code has seen both.
const FLIPS: f64 = 0.2;

/// Codes that are looked at for flips.
const WINDOW: usize = 30;

/// Executions without which there is no trend.
const TREND: usize = 4;

/// Where a case stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Red at least twice, and not green since.
    Failing,
    /// Green and red on the same code, or back and forth from code to code.
    Flaky,
    /// Red the last time, and never repeated.
    Unclassified,
    /// Green again after failures, and not often enough to call it fixed.
    Recovering,
    /// No longer among the cases of its gate.
    Missing,
    /// Never red, and not run often enough to say more.
    New,
    /// Never red, or not for as many runs as it takes.
    Stable,
}

impl State {
    /// The word that reports and screens use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Flaky => "flaky",
            Self::Unclassified => "unclassified",
            Self::Recovering => "recovering",
            Self::Missing => "missing",
            Self::New => "new",
            Self::Stable => "stable",
        }
    }
}

/// One execution of a case: the code it ran on (tree, lock files, configuration, pins) and whether it was red.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Number of the code.
    pub code: u32,
    /// Failed, ended in an error, or passed only after a failed attempt.
    pub red: bool,
    /// It passed after all: both on one code.
    pub passed_too: bool,
}

/// What the executions say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// State.
    pub state: State,
    /// Clean executions since the last red one.
    pub streak: u32,
    /// Clean executions after which it counts as fixed; none for what never failed.
    pub fixed_after: Option<u32>,
    /// How the failures of the newer half compare with those of the older: rising, falling or steady.
    pub trend: &'static str,
    /// The newest executions, one mark each: `.` green, `x` red.
    pub recent: String,
}

/// The clean executions that end a case's failing: those after which a rate as high as the observed one would have shown itself with
/// 95 % probability, `ceil(ln 0.05 / ln(1 - p))`.
fn fixed_after(red: u32, executions: u32) -> u32 {
    let rate = f64::from(red) / f64::from(executions.max(1));
    runs_needed(rate).unwrap_or(LEAST).max(LEAST)
}

/// Judges a case by its executions in the order of time. `present` says that its gate still has it.
pub fn standing(executions: &[Execution], present: bool) -> Standing {
    let count = executions.len() as u32;
    let red = executions.iter().filter(|one| one.red).count() as u32;
    let streak = executions.iter().rev().take_while(|one| !one.red).count() as u32;
    let until_last_red = count - streak;
    let needed = (red > 0).then(|| fixed_after(red, until_last_red));
    let state = match needed {
        _ if !present => State::Missing,
        None if count < NEW => State::New,
        None => State::Stable,
        Some(needed) => after_failures(executions, streak, needed),
    };
    Standing { state, streak, fixed_after: needed, trend: trend(executions), recent: recent(executions) }
}

fn after_failures(executions: &[Execution], streak: u32, needed: u32) -> State {
    let last_reds = executions.iter().rev().skip(streak as usize).take_while(|one| one.red && !one.passed_too).count();
    if streak >= needed {
        return State::Stable;
    }
    let both = both_on_one_code(executions);
    if streak == 0 {
        return match last_reds {
            2.. => State::Failing,
            _ if both || flips(executions) >= FLIPS => State::Flaky,
            _ => State::Unclassified,
        };
    }
    if streak >= needed.div_ceil(4) {
        return State::Recovering;
    }
    let mended = last_reds >= 2 && executions[executions.len() - streak as usize - 1].code != executions[executions.len() - 1].code;
    if !mended && (both || flips(executions) >= FLIPS) { State::Flaky } else { State::Recovering }
}

fn both_on_one_code(executions: &[Execution]) -> bool {
    let mut by_code: BTreeMap<u32, (bool, bool)> = BTreeMap::new();
    for one in executions {
        let seen = by_code.entry(one.code).or_default();
        seen.0 |= one.red;
        seen.1 |= !one.red || one.passed_too;
    }
    by_code.values().any(|(red, green)| *red && *green)
}

/// Changes between red and green from one code to the next, as a share of the steps.
fn flips(executions: &[Execution]) -> f64 {
    let mut codes: Vec<(u32, bool)> = Vec::new();
    for one in executions {
        match codes.last_mut().filter(|(code, _)| *code == one.code) {
            Some((_, red)) => *red |= one.red,
            None => codes.push((one.code, one.red)),
        }
    }
    let newest = &codes[codes.len().saturating_sub(WINDOW)..];
    if newest.len() < 3 {
        return 0.0; // one step shows a change of the code, not of the mind
    }
    let changes = newest.windows(2).filter(|pair| pair[0].1 != pair[1].1).count();
    changes as f64 / (newest.len() - 1) as f64
}

fn trend(executions: &[Execution]) -> &'static str {
    if executions.len() < TREND {
        return "steady";
    }
    let newest = &executions[executions.len().saturating_sub(WINDOW)..];
    let (older, newer) = newest.split_at(newest.len() / 2);
    let reds = |part: &[Execution]| part.iter().filter(|one| one.red).count() * 2;
    match (reds(older), reds(newer)) {
        (older, newer) if newer > older + 1 => "rising",
        (older, newer) if older > newer + 1 => "falling",
        _ => "steady",
    }
}

fn recent(executions: &[Execution]) -> String {
    executions[executions.len().saturating_sub(20)..].iter().map(|one| if one.red { 'x' } else { '.' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `.` green, `x` red, `!` green after a failed attempt, `|` another code.
    fn executions(marks: &str) -> Vec<Execution> {
        let mut code = 0;
        let mut all = Vec::new();
        for mark in marks.chars() {
            match mark {
                '|' => code += 1,
                mark => all.push(Execution { code, red: mark != '.', passed_too: mark == '!' }),
            }
        }
        all
    }

    fn state(marks: &str) -> State {
        standing(&executions(marks), true).state
    }

    #[test]
    fn states_follow_the_executions() {
        for (marks, wanted) in [
            (".........", State::New),
            ("..........", State::Stable),
            ("", State::New),
            ("x", State::Unclassified),
            ("....|x", State::Unclassified),
            ("xx", State::Failing),
            ("x|x", State::Failing),
            ("....xx", State::Failing),
            ("..x.", State::Flaky),
            (".x", State::Flaky),
            ("!", State::Flaky),
            ("....!", State::Flaky),
            ("x|.", State::Recovering),
            ("xx|.", State::Recovering),
            ("xx|....", State::Recovering),
            ("xx|.....", State::Stable),
            (".|x|.|x|.|x", State::Flaky),
        ] {
            assert_eq!(state(marks), wanted, "{marks}");
        }
        assert_eq!(standing(&executions("...."), false).state, State::Missing);
    }

    #[test]
    fn fixed_is_a_number_of_clean_executions() {
        assert_eq!([fixed_after(3, 50), fixed_after(1, 10), fixed_after(2, 10), fixed_after(4, 4)], [49, 29, 14, 5]);
        let ten = ".........x"; // one of ten: flaky until a quarter of 29 clean executions, fixed after all of them
        for (clean, wanted) in [(1, State::Flaky), (7, State::Flaky), (8, State::Recovering), (28, State::Recovering), (29, State::Stable)] {
            assert_eq!(state(&format!("{ten}{}", ".".repeat(clean))), wanted, "{clean}");
        }
        let standing = standing(&executions(&format!("{ten}..")), true);
        assert_eq!((standing.streak, standing.fixed_after, standing.recent.as_str()), (2, Some(29), ".........x.."));
    }

    #[test]
    fn trends_compare_halves() {
        assert_eq!(standing(&executions("..........xxx."), true).trend, "rising");
        assert_eq!(standing(&executions("xxx..........."), true).trend, "falling");
        assert_eq!(standing(&executions("..x......x...."), true).trend, "steady");
        assert_eq!(standing(&executions("x"), true).trend, "steady", "one execution has no direction");
    }

    /// Exactly: two failures in a row of a flake with rate p happen with p squared, look like failing, and heal with the next pass.
    #[test]
    fn two_in_a_row_look_like_failing_until_the_next_pass() {
        assert_eq!(state("....xx"), State::Failing);
        assert_eq!(state("....xx."), State::Flaky);
    }
}
