//! `flakes`: what all runs together say of each case; and the history of one case for `explain`.

use anyhow::Context as _;
use serde_json::json;

use super::{Repository, ambient, load, print, remember, repository, say};
use crate::cli::{FlakesArgs, Place};
use crate::flake::State;
use crate::history::CaseHistory;
use crate::model::Exit;
use crate::rundir::short;
use crate::text::{closest, plural, visible};

pub(super) fn run(place: &Place, args: &FlakesArgs) -> anyhow::Result<Exit> {
    let repository = repository(place)?;
    let tally = match remember::caught_up(&repository).and_then(|store| store.tally()) {
        Ok(tally) => tally,
        Err(fault) => {
            say(&format!("error: {fault}"));
            return Ok(Exit::Environment);
        }
    };
    let gates = match &args.phase {
        None => None,
        Some(phase) => match gates_of(&repository, phase)? {
            Ok(gates) => Some(gates),
            Err(exit) => return Ok(exit),
        },
    };
    let since = args.since.as_deref().map(since).transpose().map_err(|why| anyhow::anyhow!("--since: {why}"))?;
    let total = tally.len();
    let shown: Vec<&CaseHistory> = tally
        .iter()
        .filter(|case| {
            args.all || !matches!(case.standing.state, State::Stable | State::New | State::Missing) || case.standing.state == State::Missing && case.red > 0
        })
        .filter(|case| gates.as_ref().is_none_or(|gates| gates.contains(&case.gate)))
        .filter(|case| args.gate.as_ref().is_none_or(|gate| *gate == case.gate))
        .filter(|case| args.owner.as_ref().is_none_or(|owner| *owner == case.owner))
        .filter(|case| args.category.as_ref().is_none_or(|category| *category == case.category))
        .filter(|case| since.as_ref().is_none_or(|since| case.reds.last().is_some_and(|red| red.wall >= *since)))
        .collect();
    if args.json {
        let all: Vec<serde_json::Value> = shown.iter().map(|case| value(case)).collect();
        print(&serde_json::to_string_pretty(&all).context("failed to write JSON")?);
    } else if args.markdown {
        markdown(&shown);
    } else {
        table(&shown, total);
    }
    Ok(Exit::Pass)
}

fn gates_of(repository: &Repository, phase: &str) -> anyhow::Result<Result<Vec<String>, Exit>> {
    let config = match load(repository, &ambient())? {
        Ok(config) => config,
        Err(exit) => return Ok(Err(exit)),
    };
    let known = || closest(phase, config.phases.keys().map(String::as_str)).map(|near| format!("\n  hint: did you mean `{near}`?")).unwrap_or_default();
    let found = config.phases.get(phase).with_context(|| format!("there is no phase `{phase}`{}", known()))?;
    Ok(Ok(found.gates.clone()))
}

/// The earliest wall time that a word means: a date, or so long ago.
fn since(word: &str) -> Result<String, String> {
    let date = word.len() == 10 && word.chars().enumerate().all(|(place, c)| if place == 4 || place == 7 { c == '-' } else { c.is_ascii_digit() });
    if date {
        return Ok(word.to_owned());
    }
    let span = humantime::parse_duration(word).map_err(|_| format!("`{word}` is neither a date such as 2026-01-31 nor a time such as 14days"))?;
    let then = time::OffsetDateTime::now_utc() - span;
    then.format(&time::format_description::well_known::Rfc3339).map_err(|cause| cause.to_string())
}

fn value(case: &CaseHistory) -> serde_json::Value {
    json!({
        "gate": case.gate,
        "owner": case.owner,
        "case": case.case,
        "state": case.standing.state.word(),
        "red": case.red,
        "executions": case.executions,
        "upper95": format!("{:.4}", case.upper95),
        "category": case.category,
        "fingerprint": case.print.map(|print| format!("{print:016x}")),
        "cause": case.cause,
        "trend": case.standing.trend,
        "recent": case.standing.recent,
        "clean_streak": case.standing.streak,
        "fixed_after": case.standing.fixed_after,
        "first_seen": case.first,
        "last_seen": case.last,
        "last_red": case.reds.last().map(|red| red.wall.clone()),
    })
}

/// `3/40`
fn rate(case: &CaseHistory) -> String {
    format!("{}/{}", case.red, case.executions)
}

fn day(wall: &str) -> &str {
    wall.get(..10).unwrap_or(wall)
}

/// What it takes to call it fixed.
fn fixed(case: &CaseHistory) -> String {
    match (case.standing.state, case.standing.fixed_after) {
        (State::Stable, Some(_)) => "fixed".to_owned(),
        (State::Missing, _) | (_, None) => String::new(),
        (_, Some(needed)) => format!("{}/{needed} clean", case.standing.streak),
    }
}

fn table(shown: &[&CaseHistory], total: usize) {
    if shown.is_empty() {
        say(&format!("nothing to show: {} in the history (--all lists them)", plural(total as u64, "case")));
        return;
    }
    let head = ["state", "red", "bound", "kind", "cause", "trend", "first seen", "last seen", "last red", "fixed", "recent"];
    let [state, red, bound, kind, cause, trend, first, last, last_red, until, recent] = head;
    print(&format!(
        "{state:<12} {red:>8} {bound:>7}  {kind:<10} {cause:>5}  {trend:<7}  {first:<10}  {last:<10}  {last_red:<10}  {until:<11} {recent:<20} case"
    ));
    for case in shown {
        let cause = case.cause.map(|cause| format!("#{cause}")).unwrap_or_default();
        let last_red = case.reds.last().map(|red| day(&red.wall)).unwrap_or_default();
        print(&format!(
            "{:<12} {:>8} {:>5.1} %  {:<10} {cause:>5}  {:<7}  {:<10}  {:<10}  {last_red:<10}  {:<11} {:<20} {}: {}",
            case.standing.state.word(),
            rate(case),
            case.upper95 * 100.0,
            case.category,
            case.standing.trend,
            day(&case.first),
            day(&case.last),
            fixed(case),
            case.standing.recent,
            case.gate,
            visible(&case.case)
        ));
    }
    let flaky: Vec<&&CaseHistory> = shown.iter().filter(|case| case.standing.state == State::Flaky).collect();
    if flaky.len() > 1 {
        let causes: std::collections::BTreeSet<usize> = flaky.iter().filter_map(|case| case.cause).collect();
        say(&format!("{}, {}", plural(flaky.len() as u64, "flaky case"), plural(causes.len() as u64, "cause")));
    }
}

fn markdown(shown: &[&CaseHistory]) {
    print(
        "| state | red | bound | kind | cause | owner | first seen | last seen | last red | trend | case |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    );
    let cell = |text: &str| visible(text).replace('|', "\\|").replace('<', "&lt;").replace('@', "&#64;").replace('`', "'");
    for case in shown {
        print(&format!(
            "| {} | {} | {:.1} % | {} | {} | {} | {} | {} | {} | {} | {}: {} |",
            case.standing.state.word(),
            rate(case),
            case.upper95 * 100.0,
            case.category,
            case.cause.map(|cause| format!("cause {cause}")).unwrap_or_default(),
            cell(&case.owner),
            day(&case.first),
            day(&case.last),
            case.reds.last().map(|red| day(&red.wall)).unwrap_or_default(),
            case.standing.trend,
            case.gate,
            cell(&case.case)
        ));
    }
}

/// The history of a case that a word means; none where it means none.
pub(super) fn explain(repository: &Repository, word: &str) -> Result<Option<Exit>, String> {
    let tally = remember::caught_up(repository).and_then(|store| store.tally()).map_err(|fault| fault.to_string())?;
    let exact: Vec<&CaseHistory> = tally.iter().filter(|case| case.case == word || format!("{}: {}", case.gate, case.case) == word).collect();
    let near: Vec<&CaseHistory> = if exact.is_empty() { tally.iter().filter(|case| case.case.contains(word)).collect() } else { exact };
    match near.as_slice() {
        [] => Ok(None),
        [case] => {
            told(case);
            Ok(Some(Exit::Pass))
        }
        many => {
            let names: Vec<String> = many.iter().take(10).map(|case| format!("  {}: {}", case.gate, case.case)).collect();
            say(&format!("error: `{word}` means {} cases\n{}", many.len(), names.join("\n")));
            Ok(Some(Exit::Usage))
        }
    }
}

fn told(case: &CaseHistory) {
    let row = |name: &str, value: &str| {
        if !value.is_empty() {
            print(&format!("  {name:<18} {}", visible(value)));
        }
    };
    print(&format!("{}: {}  (owner {})", case.gate, visible(&case.case), case.owner));
    row("state", case.standing.state.word());
    row("red", &format!("{} executions, 95 % upper bound {:.1} % a run", rate(case), case.upper95 * 100.0));
    row("seen", &format!("{} to {}", case.first, case.last));
    row("kind", &case.category);
    row("trend", &format!("{}  {}", case.standing.trend, case.standing.recent));
    if let Some(needed) = case.standing.fixed_after {
        row("fixed", &format!("after {needed} clean executions in a row; {} so far", case.standing.streak));
    }
    if let (Some(print), Some(cause)) = (case.print, case.cause) {
        row("cause", &format!("#{cause}, fingerprint {print:016x}"));
    }
    for red in case.reds.iter().rev().take(20) {
        let kind = if red.rule.is_empty() { String::new() } else { format!("  {} ({})", red.category, red.rule) };
        let outcome = if red.outcome.is_red() { red.outcome.word() } else { "retried" };
        row(&format!("run {}.{}", short(&red.run), red.iteration), &format!("{}  {outcome}{kind}  {}", red.wall, red.message));
    }
    if case.reds.len() > 20 {
        row("", &format!("and {} older ones", case.reds.len() - 20));
    }
}
