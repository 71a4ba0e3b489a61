//! Rows of the keys that criteria have, and what criteria do to a run.

use crate::keys::{Row, exit, row};
use crate::support::{Sandbox, outcome};
use xtask::model::Outcome;

/// A gate whose only case times out in the first two of three iterations, and one that is clean; flaky gates pass.
fn gates(profile: &str, criterion: &str) -> String {
    let script = "f=\"<failure message=\\\"Test timed out in 5ms\\\"/>\"; [ $GATE_ITERATION -lt 3 ] || f=\"\"\n\
                  echo \"<testsuite><testcase classname=\\\"k\\\" name=\\\"a\\\">$f</testcase></testsuite>\" > \"$GATE_JUNIT\"; [ -z \"$f\" ]";
    format!(
        "schema = 1\n[profile.local]\n{profile}\n[phase.p]\ngates = ['g', 'h']\nruns = 3\n[phase.p.criteria.c]\n{criterion}\n\
         [gate.g]\nowner = 'me'\nshell = '''{script}'''\n[gate.h]\nowner = 'me'\nrun = ['true']\n"
    )
}

fn with(criterion: &str) -> String {
    gates("", criterion)
}

/// A gate that reports a measure of 4.
fn measured(threshold: &str) -> String {
    format!(
        "schema = 1\n[phase.p]\ngates = ['g']\n[phase.p.criteria.c]\nmetric = 'failed-flows'\n{threshold}\n\
         [gate.g]\nowner = 'me'\nshell = 'echo \"{{\\\"failed-flows\\\": 4}}\" > $GATE_OUT/measures.json'\n"
    )
}

fn titled(sandbox: &Sandbox) -> String {
    let text = sandbox.run(&["gate", "p"]).stderr;
    ["alpha over", "omega over"].into_iter().find(|title| text.contains(title)).unwrap_or("neither").to_owned()
}

pub(crate) fn criteria_rows() -> Vec<Row> {
    let timeouts = "metric = 'flaky-timeouts'\nmax = 2";
    let rate = "metric = 'max-rate'\nmax = '0.99'";
    let late = "metric = 'flaky'\nmax = 0\nover = 4";
    vec![
        row("phase.*.criteria.*.metric", with("metric = 'flaky-timeouts'\nmax = 1"), with("metric = 'flaky'\nmax = 1"), exit, ("1", "0")),
        row(
            "phase.*.criteria.*.title",
            with(&format!("title = 'alpha'\n{timeouts}")),
            with(&format!("title = 'omega'\n{timeouts}")),
            titled,
            ("alpha over", "omega over"),
        ),
        row("phase.*.criteria.*.gates", with("metric = 'flaky'\nmax = 0\ngates = ['g']"), with("metric = 'flaky'\nmax = 0\ngates = ['h']"), exit, ("1", "0")),
        row("phase.*.criteria.*.max", with(timeouts), with(&timeouts.replace('2', "1")), exit, ("0", "1")),
        row("phase.*.criteria.*.min", measured("min = 4"), measured("min = 5"), exit, ("0", "1")),
        row("phase.*.criteria.*.over", with(&late.replace('4', "3")), with(late), exit, ("1", "0")),
        row("phase.*.criteria.*.confidence", with(rate), with(&format!("{rate}\nconfidence = '0.999'")), exit, ("0", "1")),
        row("profile.*.unjudged", gates("unjudged = 'ignore'", late), gates("unjudged = 'fail'", late), exit, ("0", "1")),
    ]
}

#[test]
fn every_key_of_criteria_changes_something() {
    crate::keys::check(criteria_rows());
}

#[test]
fn a_missed_criterion_is_red_everywhere_and_a_partial_run_judges_none() {
    let sandbox = Sandbox::new(&with("title = 'flaky timeout failures'\nmetric = 'flaky-timeouts'\nmax = 0\nover = 3"));
    sandbox.run(&["gate", "p"]).exits(1).says(
        "FAIL flaky timeout failures over 3 consecutive runs: 2   [3/3 runs valid, retries as reported, 1 test, 0 not run; 95 % upper bound 98.3 % per run]",
    );
    let cases = sandbox.cases();
    assert_eq!(outcome(&cases, "p c"), Some(Outcome::Failed));
    let report = sandbox.report();
    assert_eq!((&report["phases"][0]["verdict"], &report["gates"][0]["verdict"]), (&"fail".into(), &"pass".into()));
    assert_eq!(report["phases"][0]["criteria"][0]["observed"], "2");
    assert!(sandbox.read(".gates/runs/latest/summary.md").contains("**missed** flaky timeout failures over 3"));
    sandbox.run(&["gate", "p", "--runs", "1"]).says("partial");
    assert_eq!(sandbox.report()["phases"][0]["criteria"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_gate_without_cases_is_a_case_of_itself() {
    let sandbox = Sandbox::new(
        "schema = 1\n[phase.p]\ngates = ['g']\nruns = 3\n[phase.p.criteria]\nflaky = { max = 0 }\nrate = { metric = 'max-rate', max = '0.7' }\n\
         [gate.g]\nowner = 'me'\nshell = '[ $GATE_ITERATION != 2 ]'\n",
    );
    sandbox.run(&["gate", "p"]).exits(1).says("flaky over 3 consecutive runs: 1").says("rate over 3 consecutive runs: 0.8646");
}

#[test]
fn mistakes_in_criteria_are_named() {
    let sandbox = Sandbox::new(&with("metric = 'flaky-timeout'\ngates = ['x']\nmax = 'many'\nconfidence = '1'"));
    let transcript = sandbox.run(&["gate", "p"]).exits(2);
    for text in [
        "there is no metric `flaky-timeout`",
        "did you mean \"flaky-timeouts\"?",
        "there is no gate `x`",
        "needs the most that it allows",
        "`1` is not a confidence",
    ] {
        assert!(transcript.stderr.contains(text), "`{text}` is missing in\n{transcript}");
    }
}

#[test]
fn measures_come_from_the_gates() {
    let sandbox = Sandbox::new(&measured("max = 3"));
    sandbox.run(&["gate", "p"]).exits(1).says("FAIL c: 4   [<= 3; 1/1 runs valid]");
    assert_eq!(sandbox.report()["gates"][0]["iterations"][0]["measures"]["failed-flows"], "4");
    for (written, code, said) in [
        ("{}", 1, "`failed-flows` was not reported by g"),
        ("{\\\"failed-flows\\\": 1.5}", 70, "a measure is an integer or a decimal as a string"),
        ("{\\\"failed-flows\\\": \\\"2.5\\\"}", 0, "c: 2.5"),
        ("[]", 70, "measures.json is not a JSON object"),
    ] {
        sandbox.write("gates.toml", &measured("max = 3").replace("{\\\"failed-flows\\\": 4}", written));
        sandbox.run(&["gate", "p"]).exits(code).says(said);
    }
}

#[test]
fn iterations_of_different_code_judge_nothing() {
    let manifest = with("title = 'flakes'\nmetric = 'flaky'\nmax = 0").replace("run = ['true']", "shell = 'echo x >> code'");
    let sandbox = Sandbox::new(&manifest);
    sandbox.write("code", "x");
    sandbox.commit();
    sandbox.run(&["gate", "p"]).exits(0).says("flakes: not judged: the source changed while the gates ran");
}
