//! Rows of the keys that a quarantine has, and what an entry excuses in a real run.

use crate::keys::{Row, exit, row};
use crate::support::{Sandbox, outcome};
use xtask::model::Outcome;

/// Days from today as gates.toml writes them.
fn day(from_today: i64) -> String {
    let day = time::OffsetDateTime::now_utc().date() + time::Duration::days(from_today);
    format!("{:04}-{:02}-{:02}", day.year(), u8::from(day.month()), day.day())
}

/// A gate whose case `k::late` times out in the iterations that a pattern of the shell names, and an entry for it.
fn gates(iterations: &str, entry: &str) -> String {
    let script = format!(
        "f=; case $GATE_ITERATION in {iterations}) f='<failure message=\"Test timed out in 5ms\"/>';; esac\n\
         echo \"<testsuite><testcase classname='k' name='late'>$f</testcase><testcase classname='k' name='good'/></testsuite>\" > $GATE_JUNIT; [ -z \"$f\" ]"
    );
    format!("schema = 1\n[profile.local]\nflaky = 'fail'\n[phase.p]\ngates = ['g']\nruns = 2\n[gate.g]\nowner = 'me'\nshell = '''{script}'''\n{entry}")
}

fn entry(case: &str, expires: &str, rest: &str) -> String {
    format!("[quarantine.q]\ngate = 'g'\ncase = '{case}'\nowner = 'alpha'\nissue = 'A-1'\nreason = 'known'\nexpires = '{expires}'\n{rest}\n")
}

/// One red iteration, excused by an entry.
fn once(rest: &str) -> String {
    gates("1", &entry("k::late", &day(9), rest))
}

fn told(sandbox: &Sandbox) -> String {
    let report = {
        sandbox.run(&["gate", "p"]);
        sandbox.report()
    };
    let entry = &report["gates"][0]["quarantine"][0];
    format!("{} {}", entry["owner"].as_str().unwrap_or_default(), entry["issue"].as_str().unwrap_or_default())
}

pub(crate) fn quarantine_rows() -> Vec<Row> {
    let twice = |gate: &str| format!("{}[gate.h]\nowner = 'me'\nrun = ['true']\n", once("").replace("gate = 'g'", &format!("gate = '{gate}'")));
    vec![
        row("quarantine.*.gate", twice("g"), twice("h"), exit, ("0", "1")),
        row("quarantine.*.case", once(""), once("").replace("case = 'k::late'", "case = 'k::good'"), exit, ("0", "1")),
        row("quarantine.*.owner", once(""), once("").replace("owner = 'alpha'", "owner = 'omega'"), told, ("alpha A-1", "omega A-1")),
        row("quarantine.*.issue", once(""), once("").replace("A-1", "A-2"), told, ("alpha A-1", "alpha A-2")),
        row("quarantine.*.reason", once(""), once("").replace("reason = 'known'", "reason = ''"), exit, ("0", "2")),
        row("quarantine.*.expires", once(""), once("").replace(&day(9), &day(-1)), exit, ("0", "2")),
        row("quarantine.*.categories", once(""), once("categories = ['assertion']"), exit, ("0", "1")),
        row("quarantine.*.max-rate", once(""), once("max-rate = '0.4'"), exit, ("0", "1")),
    ]
}

#[test]
fn every_key_of_a_quarantine_changes_something() {
    crate::keys::check(quarantine_rows());
}

#[test]
fn a_flake_in_quarantine_is_shown_counted_and_excused() {
    let sandbox = Sandbox::new(&gates("2", &entry("k::late", &day(9), "")));
    let until = format!("quarantine g: k::late  red 1/3, A-1 (alpha), until {}", day(9));
    sandbox.run(&["gate", "p", "--runs", "3"]).exits(0).says(&until).says("flaky 1");
    let cases = sandbox.cases();
    assert_eq!(outcome(&cases, "g k::late"), Some(Outcome::Passed), "the report agrees with the verdict");
    assert_eq!(cases["g k::late"].retries.len(), 1, "and shows the failure");
    assert_eq!(sandbox.report()["gates"][0]["not_stable"][0]["quarantine"], "q");
    assert!(sandbox.read(".gates/runs/latest/summary.md").contains("quarantine q: k::late 1/3 (A-1, alpha"));
    let tally: serde_json::Value = serde_json::from_str(&sandbox.run(&["flakes", "--json"]).stdout).expect("JSON");
    assert_eq!((&tally[0]["case"], &tally[0]["red"]), (&"k::late".into(), &1.into()), "it counts in the history");
}

#[test]
fn what_always_fails_crashes_or_is_gone_is_not_excused() {
    let known = entry("k::late", &day(9), "");
    let sandbox = Sandbox::new(&gates("*", &known));
    sandbox.run(&["gate", "p", "--runs", "2"]).exits(1).says("not excused, it failed in all 2 iterations");
    let crash = Sandbox::new(&gates("2", &known).replace("Test timed out in 5ms", "worker gw0 crashed while running"));
    crash.run(&["gate", "p", "--runs", "3"]).exits(1).says("not excused, its failure is of kind crash");
    let gone = Sandbox::new(&gates("none", &entry("k::gone", &day(9), "")));
    gone.run(&["gate", "p"]).exits(1).says("quarantine q: there is no case `k::gone`");
    let other = Sandbox::new(&gates("2", &known).replace("[ -z \"$f\" ]", "[ -z \"$f\" ] || exit 9").replace("name='good'/>", "name='good'>$f</testcase>"));
    other.run(&["gate", "p", "--runs", "3"]).exits(1).says("1 of 3 iterations failed");
    let silent = Sandbox::new(&gates("2", &known).replace("[ -z \"$f\" ]", "[ -z \"$f\" ] || rm $GATE_JUNIT"));
    silent.run(&["gate", "p", "--runs", "3"]).exits(70);
}

#[test]
fn one_red_run_alone_is_no_flake() {
    // A runner without a history cannot know whether the case ever passed.
    let known = entry("k::late", &day(9), "");
    let sandbox = Sandbox::new(&gates("1", &known));
    sandbox.run(&["gate", "p", "--runs", "1"]).exits(1).says("not excused, nothing shows that it is a flake: it was never seen to pass");
    sandbox.run(&["gate", "p", "--runs", "1"]).exits(1).says("not excused, it failed the last time too");
    sandbox.write("gates.toml", &gates("none", &known));
    sandbox.run(&["gate", "p", "--runs", "1"]).exits(0);
    sandbox.write("gates.toml", &gates("1", &known));
    sandbox.run(&["gate", "p", "--runs", "1"]).exits(0).says("quarantine g: k::late  red 1/1");
    sandbox.run(&["gate", "p", "--runs", "1"]).exits(1).says("not excused, it failed the last time too");
    sandbox.write("gates.toml", &gates("none", &known.replace("k::late", "k::gone")));
    sandbox.run(&["gate", "g", "--runs", "1", "--", "narrowed"]).exits(0);
}

#[test]
fn wrong_entries_are_problems() {
    for (entry, said) in [
        (entry("k::late", &day(31), ""), "is 31 days away"),
        (entry("k::late", "soon", ""), "`soon` is not a date"),
        (entry("k::late", &day(9), "").replace("'alpha'", "' '"), "the owner is empty"),
        (entry("k::late", &day(9), "").replace("gate = 'g'", "gate = 'x'"), "there is no gate `x`"),
        (entry("k::late", &day(9), "categories = ['crash']"), "crash"),
        (entry("k::late", &day(9), "max-rate = '2'"), "`2` is not a rate"),
        (
            format!("{0}{1}", entry("k::late", &day(9), ""), entry("k::late", &day(9), "").replace("[quarantine.q]", "[quarantine.r]")),
            "quarantine `q` names this case already",
        ),
    ] {
        Sandbox::new(&gates("1", &entry)).run(&["gate", "p"]).exits(2).says(said);
    }
}
