//! Everything that looks green and is not: verdict, exit status and junit.xml each say so.

use crate::support::{Sandbox, demo_tool, end_of, outcome, within};
use xtask::model::Outcome;

const GREEN: &str = "<testsuite name='s' tests='2'><testcase classname='c' name='a'/><testcase classname='c' name='b'/></testsuite>";
const RED: &str = "<testsuite name='s' tests='2' failures='1'><testcase classname='c' name='a'/><testcase classname='c' name='b'><failure message='no'>x.py:3: no</failure></testcase></testsuite>";

/// Runs one gate whose script is given, and asserts what it came to.
#[track_caller]
fn check(script: &str, more: &str, verdict: &str, code: i32) -> Sandbox {
    let sandbox = Sandbox::with_gate(&format!("shell = '''\n{script}\n'''\n{more}"));
    let transcript = sandbox.run(&["gate", "p"]);
    assert_eq!((sandbox.verdict("g").as_str(), transcript.code), (verdict, code), "{script}\n{transcript}");
    let totals = sandbox.junit().1;
    assert_eq!(totals.failures + totals.errors > 0, verdict != "pass", "junit.xml must be as red as the verdict\n{transcript}");
    sandbox
}

fn report(xml: &str) -> String {
    format!("cat > \"$GATE_JUNIT\" <<'END'\n{xml}\nEND\n")
}

#[test]
fn a_green_report_with_exit_0_passes() {
    let sandbox = check(&report(GREEN), "", "pass", 0);
    assert_eq!(sandbox.junit().1.tests, 2);
}

#[test]
fn exit_0_with_a_red_report_fails() {
    let sandbox = check(&report(RED), "", "fail", 1);
    assert_eq!(outcome(&sandbox.cases(), "g c::b"), Some(Outcome::Failed));
}

#[test]
fn exit_1_with_a_green_report_is_an_unreported_failure() {
    let sandbox = check(&format!("{}exit 1", report(GREEN)), "", "fail", 1);
    assert_eq!(outcome(&sandbox.cases(), "g unreported failure"), Some(Outcome::Error));
}

#[test]
fn an_absent_report_is_broken() {
    check(": $GATE_JUNIT", "", "broken", 70);
    check(": $GATE_JUNIT; exit 1", "", "broken", 70);
}

#[test]
fn a_report_of_yesterday_is_broken() {
    let body = "shell = 'true'\njunit = ['out.xml']";
    let sandbox = Sandbox::with_gate(body);
    sandbox.write("out.xml", GREEN);
    sandbox.run(&["gate", "p"]).exits(70).says("report out.xml is absent");
    assert_eq!(sandbox.verdict("g"), "broken");

    let sandbox = Sandbox::with_gate("shell = 'cp -p old.xml out.xml'\njunit = ['out.xml']");
    sandbox.write("old.xml", GREEN);
    std::process::Command::new("touch").args(["-d", "yesterday", "old.xml"]).current_dir(sandbox.root()).status().expect("touch is installed");
    sandbox.run(&["gate", "p"]).exits(70).says("is stale");
}

#[test]
fn an_empty_a_cut_and_a_foreign_report_are_broken() {
    check(": > \"$GATE_JUNIT\"", "", "broken", 70);
    check(&report(&GREEN[..GREEN.len() - 14]), "", "broken", 70);
    check(&report("<html><body>all good</body></html>"), "", "broken", 70);
    check(&report("all good"), "", "broken", 70);
    check(&report("<testsuites/>"), "", "broken", 70);
    check(&report("<testsuite tests='5'/>"), "", "broken", 70);
    check("mkdir \"$GATE_JUNIT\"", "", "broken", 70);
}

#[test]
fn one_missing_report_of_two_is_broken() {
    let body = "shell = '''cat > a.xml <<END\n<testsuite><testcase name=\"a\"/></testsuite>\nEND'''\njunit = ['a.xml', 'b.xml']";
    let sandbox = Sandbox::with_gate(body);
    sandbox.run(&["gate", "p"]).exits(70).says("report b.xml is absent");
}

#[test]
fn too_few_tests_fail() {
    check(&report(GREEN), "expect = { min-tests = 3 }", "fail", 1);
    check(&report(GREEN), "expect = { min-tests = 2 }", "pass", 0);
}

#[test]
fn missing_cases_fail() {
    check(&report(GREEN), "expect = { cases = [{ match = 'c::*', min = 3 }] }", "fail", 1);
    check(&report(GREEN), "expect = { cases = [{ match = 'c::*', min = 2 }] }", "pass", 0);
}

#[test]
fn skips_must_be_declared_and_count_for_nothing() {
    let skipped = "<testsuite><testcase classname='c' name='a'/><testcase classname='c' name='slow'><skipped/></testcase></testsuite>";
    check(&report(skipped), "", "fail", 1);
    check(&report(skipped), "expect = { skips = [{ match = '*slow', reason = 'nightly', owner = 'me' }] }", "pass", 0);
    let all = "<testsuite><testcase classname='c' name='slow'><skipped/></testcase></testsuite>";
    check(&report(all), "expect = { skips = [{ match = '*', reason = 'nightly', owner = 'me' }] }", "fail", 1);
}

#[test]
fn a_step_that_cannot_start_is_broken() {
    let sandbox = Sandbox::with_gate("run = ['no-such-program-here']");
    sandbox.run(&["gate", "p"]).exits(70).says("`no-such-program-here` is not on the PATH");
}

#[test]
fn a_signal_fails() {
    let sandbox = Sandbox::with_gate("shell = 'kill -SEGV $$'");
    sandbox.run(&["gate", "p"]).exits(1).says("signal 11");
}

#[test]
fn a_log_that_shrank_is_broken() {
    // Writing to /dev/stderr opens the log anew and cuts it; the gate does so once a notice shows that the line was read.
    let sandbox = Sandbox::with_gate("shell = 'echo a long line before; cat fifo; echo x > /dev/stderr'\nslow-after = '20ms'");
    let fifo = sandbox.fifo("fifo");
    let run = sandbox.start(&["gate", "p"]);
    let journal = sandbox.path(".gates/runs/latest/events.jsonl");
    within("the notice with the last line", move || {
        while !std::fs::read_to_string(&journal).unwrap_or_default().contains("\"last_line\":\"a long line before\"") {
            std::thread::yield_now();
        }
    });
    std::fs::write(fifo, "go\n").expect("the gate reads");
    assert_eq!(end_of(run).code(), Some(70));
    assert!(sandbox.report()["gates"][0]["why"][0].as_str().is_some_and(|why| why.contains("use `>&2`")), "{}", sandbox.report());
}

/// pytest for real: a suite skipped as a whole, and a module that cannot be imported.
#[test]
fn pytest_that_ran_nothing_is_never_green() {
    let python = demo_tool("demo/backend/.venv/bin/python");
    let gate = format!("run = ['{python}', '-m', 'pytest', '-q', '-p', 'no:cacheprovider', '-o', 'junit_family=xunit1', '--junitxml={{junit}}']");
    for (file, said) in [
        ("import pytest\npytestmark = pytest.mark.skip(reason='later')\ndef test_a(): pass\ndef test_b(): pass\n", "expect.min-tests is 1"),
        ("import no_such_module\ndef test_a(): pass\n", "red case"),
        ("def test_a(): assert 1 == 2\n", "test_x.py:1"),
    ] {
        let sandbox = Sandbox::with_gate(&gate);
        sandbox.write("test_x.py", file);
        sandbox.run(&["gate", "p"]).exits(1).says(said);
        assert_eq!(sandbox.verdict("g"), "fail", "{file}");
    }
}

/// vitest for real: one `it.only` leaves the others out, and a rejection that nobody handles is in no report.
#[test]
fn vitest_that_hides_something_is_never_green() {
    let vitest = demo_tool("demo/frontend/node_modules/.bin/vitest");
    let modules = std::path::Path::new(&vitest).ancestors().nth(2).expect("node_modules").to_owned();
    let gate = format!("run = ['{vitest}', 'run', '--reporter=junit', '--outputFile.junit={{junit}}']");
    let start = "import { expect, it } from 'vitest';\n";
    for (file, said) in [
        ("it.only('a', () => {}); it('b', () => { expect(1).toBe(2); });", "1 skipped case not declared in expect.skips"),
        ("it('a', () => { void Promise.reject(new Error('nobody hears this')); });", "unreported failure"),
    ] {
        let sandbox = Sandbox::with_gate(&gate);
        std::os::unix::fs::symlink(&modules, sandbox.path("node_modules")).expect("linked");
        sandbox.write("package.json", "{\"type\":\"module\"}");
        sandbox.write("a.test.ts", &format!("{start}{file}"));
        sandbox.run(&["gate", "p"]).exits(1).says(said);
        assert_eq!(sandbox.verdict("g"), "fail", "{file}");
    }
}
