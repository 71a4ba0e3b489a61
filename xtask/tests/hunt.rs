//! Hunting in real suites: the planted order pair, the case that pressure breaks, the one that a time zone breaks; and the printed command
//! shows each again.

use std::path::Path;

use crate::planted::planted_python;
use crate::support::{Sandbox, Transcript, demo_tool};

const PYTHON_SUITE: &str = r#"
import os, time
import pytest

STATE = []

@pytest.mark.parametrize("number", range(6))
def test_before(number):
    assert number < 6

def test_victim():
    assert not STATE

@pytest.mark.parametrize("number", range(6))
def test_between(number):
    assert number < 6

def test_polluter():
    STATE.append(1)

def state(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    except OSError:
        return ["gone", "0"]

def test_under_pressure():
    # What starves for a processor in real life, without a clock that a busy machine would make lie: processes of one of our
    # ancestors that want a processor now.
    ancestors, pid = set(), os.getpid()
    while pid > 1:
        pid = int(state(pid)[1])
        ancestors.add(pid)
    others = [state(pid) for pid in os.listdir("/proc") if pid.isdigit()]
    most = max(sum(found[0] == "R" and int(found[1]) == one for found in others) for one in ancestors - {0, 1})
    assert most < 3

def test_zone():
    time.tzset()
    assert time.timezone != -14 * 3600
"#;

fn pytest_sandbox() -> Sandbox {
    let run = format!("['{}', '-m', 'pytest', '-q', '-p', 'no:cacheprovider', '{{tool.args}}']", planted_python());
    let sandbox = Sandbox::new(&format!(
        "schema = 1\n[phase.p]\ngates = ['g']\n[gate.g]\nowner = 'me'\ntool = 'pytest'\nenv = {{ PYTEST_ADDOPTS = '-p no:randomly' }}\nrun = {run}\n"
    ));
    sandbox.write("test_planted.py", PYTHON_SUITE);
    sandbox
}

/// The command that a hunt printed below a finding, without the program.
fn repro(told: &Transcript, case: &str) -> Vec<String> {
    let mut lines = told.stdout.lines().skip_while(|line| !line.contains(&format!("FOUND {case}")));
    let line = lines.nth(1).unwrap_or_else(|| panic!("{case} is not found in\n{told}"));
    let words = line.trim().strip_prefix("repro ").expect("a command").replace("cargo xtask ", "").replace("xtask ", "");
    words.split(' ').map(|word| word.trim_matches('\'').to_owned()).collect()
}

#[test]
fn an_order_pair_in_pytest_is_found_and_shown_again() {
    let sandbox = pytest_sandbox();
    let told = sandbox.run(&["hunt", "g", "--under", "order"]).exits(1);
    assert!(told.stdout.contains("FOUND test_planted.py::test_victim  fails after test_planted.py::test_polluter"), "{told}");
    assert!(told.stderr.contains("1 order"), "{told}");
    let words = repro(&told, "test_planted.py::test_victim");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    sandbox.run(&words).exits(1).says("test_planted.py::test_victim");
    let history = sandbox.run(&["flakes", "--all", "--json"]).stdout;
    assert!(!history.contains("test_between"), "trials are no history: {history}");
}

#[test]
fn pressure_and_zones_are_told_apart() {
    let sandbox = pytest_sandbox();
    let told = sandbox.run(&["hunt", "g", "--under", "cpu", "--under", "zone"]).exits(1);
    assert!(told.stdout.contains("FOUND test_planted.py::test_under_pressure  red in 10 of 10 iterations under cpu pressure, in none without"), "{told}");
    assert!(told.stdout.contains("FOUND test_planted.py::test_zone  fails with TZ=Pacific/Kiritimati"), "{told}");
    assert_eq!(repro(&told, "test_planted.py::test_under_pressure").join(" "), "hunt g --under cpu");
    assert_eq!(repro(&told, "test_planted.py::test_zone").join(" "), "TZ=Pacific/Kiritimati gate g");
    sandbox.run(&["gate", "g"]).exits(0);
    sandbox.run(&["hunt", "test_planted.py::test_zone", "--under", "cpu"]).exits(0).says("nothing was provoked");
}

#[test]
fn an_order_pair_in_vitest_is_found_and_shown_again() {
    let vitest = demo_tool("demo/frontend/node_modules/.bin/vitest");
    let modules = Path::new(&vitest).ancestors().nth(2).expect("node_modules").to_owned();
    let sandbox =
        Sandbox::new(&format!("schema = 1\n[phase.p]\ngates = ['g']\n[gate.g]\nowner = 'me'\ntool = 'vitest'\nrun = ['{vitest}', 'run', '{{tool.args}}']\n"));
    std::os::unix::fs::symlink(&modules, sandbox.path("node_modules")).expect("linked");
    sandbox.write("package.json", "{\"type\":\"module\"}");
    let filler = "it('good 1', () => {}); it('good 2', () => {}); it('good 3', () => {});";
    sandbox.write(
        "a.test.js",
        &format!("import {{ describe, expect, it }} from 'vitest';\nlet dirty = false;\ndescribe('pair', () => {{ it('victim (clean)', () => {{ expect(dirty).toBe(false); }}); {filler} it('polluter', () => {{ dirty = true; }}); }});\n"),
    );
    let told = sandbox.run(&["hunt", "g", "--under", "order"]).exits(1);
    assert!(told.stdout.contains("FOUND a.test.js > pair > victim (clean)  fails after a.test.js > pair > polluter"), "{told}");
    let words = repro(&told, "a.test.js > pair > victim (clean)");
    let at = words.iter().position(|word| word == "-t").expect("a pattern");
    let pattern = words[at + 1..].join(" ");
    let words: Vec<&str> = words[..=at].iter().map(String::as_str).chain([pattern.as_str()]).collect();
    sandbox.run(&words).exits(1).says("victim (clean)");
}

#[test]
fn a_hunt_says_what_it_cannot_do() {
    let sandbox = Sandbox::new("schema = 1\n[phase.p]\ngates = ['g']\n[gate.g]\nowner = 'me'\nrun = ['true']\n");
    sandbox.run(&["hunt", "g", "--under", "order"]).exits(0).says("names no tool whose order can be changed").says("nothing was provoked");
    sandbox.run(&["hunt", "h"]).exits(2).says("there is no gate `h`");
    sandbox.run(&["hunt", "g", "--for", "1ms"]).exits(0).says("the time of 1ms was over");
    let red = Sandbox::new("schema = 1\n[phase.p]\ngates = ['g']\n[gate.g]\nowner = 'me'\nrun = ['false']\n");
    let told = red.run(&["hunt", "g", "--under", "cpu"]).exits(1);
    assert!(told.stdout.contains("FOUND g  red in 3 of 3 iterations as it is"), "{told}");
}
