//! Suites with planted flakes, in real pytest and vitest: which case fails in which iteration follows a seeded schedule, so that
//! counts, labels, kinds and bounds are exact.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::support::{Sandbox, demo_tool, end_of, read_fifo};

/// Iterations of a planted suite.
const RUNS: u32 = 20;

/// Rates in percent.
const RATES: [u64; 4] = [1, 5, 20, 50];

/// A python with pytest and the plugins that the planted suites need, made once.
pub(crate) fn planted_python() -> String {
    static PYTHON: OnceLock<String> = OnceLock::new();
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/planted/requirements.lock");
    PYTHON.get_or_init(|| locked_python("planted", &lock)).clone()
}

/// A python with what a lock file names; made where there is none for its digest yet.
pub(crate) fn locked_python(name: &str, lock: &Path) -> String {
    let digest = blake3::hash(&std::fs::read(lock).expect("the lock file")).to_hex();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", &digest[..12]));
    let python = folder.join("bin/python");
    if !folder.join("ready").exists() {
        let run = |program: &str, args: &[&str]| {
            let output = std::process::Command::new(program).args(args).output().expect("it starts");
            assert!(output.status.success(), "{program} {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
        };
        run(&demo_tool("demo/backend/.venv/bin/python"), &["-m", "venv", "--clear", &folder.display().to_string()]);
        let lock = lock.display().to_string();
        run(&python.display().to_string(), &["-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes", "-r", &lock]);
        std::fs::write(folder.join("ready"), "").expect("written");
    }
    python.display().to_string()
}

/// The seed under which 1, 1, 4 and 10 of the 20 iterations fail.
const SEED: u64 = 144;

/// Iterations in which a case of a rate fails: splitmix64 of the seed, the rate and the iteration against the rate.
fn planned(percent: u64) -> BTreeSet<u32> {
    let draw = |iteration: &u32| {
        let mut z = (SEED * 1_000_003 + percent * 1009 + u64::from(*iteration)).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % 100 < percent
    };
    (1..=RUNS).filter(draw).collect()
}

/// The schedule of the cases with a rate, by name.
fn schedule(sandbox: &Sandbox) -> BTreeMap<String, BTreeSet<u32>> {
    let all: BTreeMap<String, BTreeSet<u32>> = RATES.iter().map(|rate| (format!("rate {rate}"), planned(*rate))).collect();
    sandbox.write("schedule.json", &serde_json::to_string(&all).expect("JSON"));
    all
}

const PYTHON_SUITE: &str = r#"
import json, os, pathlib
import pytest

ITERATION = int(os.environ["GATE_ITERATION"])
SCHEDULE = json.loads(pathlib.Path(__file__).with_name("schedule.json").read_text())
CALLS = []

@pytest.mark.parametrize("name", SCHEDULE)
def test_rate(name):
    if ITERATION in SCHEDULE[name]:
        raise TimeoutError("no answer within 5 ms")

@pytest.mark.parametrize("number", range(20))
def test_stable(number):
    assert number < 20

def test_always():
    assert 1 == 2

@pytest.mark.flaky(reruns=3)
def test_marked():
    CALLS.append(1)
    assert ITERATION not in SCHEDULE["rate 50"] or len(CALLS) > 1
"#;

fn pytest_gate(python: &str, rest: &str) -> String {
    format!(
        "schema = 1\n[phase.p]\ngates = ['g']\n[gate.g]\nowner = 'me'\n{}\n",
        rest.replace("PYTEST", &format!("'{python}', '-m', 'pytest', '-q', '-p', 'no:cacheprovider', '-p', 'no:randomly'"))
    )
}

/// What report.json says of the cases that are not stable: red, ran, label, category, bound.
fn unstable(sandbox: &Sandbox) -> BTreeMap<String, (u64, u64, String, String, String)> {
    let report = sandbox.report();
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let cases = report["gates"][0]["not_stable"].as_array().cloned().unwrap_or_default();
    let told = |case: &serde_json::Value| {
        let count = |key: &str| case[key].as_u64().expect("a count");
        (word(&case["name"]), (count("red"), count("ran"), word(&case["label"]), word(&case["category"]), word(&case["upper95"])))
    };
    cases.iter().map(told).collect()
}

fn wanted(failed: usize, label: &str, category: &str) -> (u64, u64, String, String, String) {
    let bound = xtask::flake::upper_bound(failed as u32, RUNS);
    (failed as u64, u64::from(RUNS), label.to_owned(), category.to_owned(), format!("{bound:.4}"))
}

#[test]
fn planted_flakes_of_pytest_are_counted_exactly() {
    let sandbox = Sandbox::new(&pytest_gate(&planted_python(), "tool = 'pytest'\nrun = [PYTEST, '{tool.args}']"));
    let schedule = schedule(&sandbox);
    sandbox.write("pytest.ini", "[pytest]\naddopts = --reruns 2\n"); // what would hide every one of them
    sandbox.write("test_planted.py", PYTHON_SUITE);
    let told = sandbox.run(&["gate", "p", "--runs", &RUNS.to_string()]).exits(1);
    let mut expected: BTreeMap<String, _> = schedule
        .iter()
        .filter(|(_, red)| !red.is_empty())
        .map(|(name, red)| (format!("test_planted.py::test_rate[{name}]"), wanted(red.len(), "flaky", "timeout")))
        .collect();
    expected.insert("test_planted.py::test_always".to_owned(), wanted(RUNS as usize, "failing", "assertion"));
    expected.insert("test_planted.py::test_marked".to_owned(), wanted(schedule["rate 50"].len(), "flaky", "assertion"));
    assert_eq!(unstable(&sandbox), expected, "{told}");
    assert_eq!(schedule.values().map(BTreeSet::len).sum::<usize>(), 1 + 4 + 1 + 10, "{schedule:?}");
    let stable = sandbox.report()["labels"]["stable"].as_u64();
    assert_eq!(stable, Some(20 + schedule.values().filter(|red| red.is_empty()).count() as u64));
    assert_eq!(sandbox.report()["gates"][0]["iterations"][0]["retries"], "off");
    let (_, totals, _) = sandbox.junit();
    assert_eq!(totals.tests, 20 + 4 + 2, "each case once");
}

#[test]
fn reruns_that_nobody_switched_off_are_seen() {
    let run = "run = [PYTEST, '--reruns', '2', '-o', 'junit_family=xunit1', '--junitxml={junit}']";
    let manifest = pytest_gate(&planted_python(), run);
    let suite = "CALLS = []\ndef test_always(): assert 1 == 2\ndef test_late():\n    CALLS.append(1)\n    assert len(CALLS) > 1\ndef test_good(): pass\n";
    let sandbox = Sandbox::new(&manifest);
    sandbox.write("test_reruns.py", suite);
    sandbox.run(&["gate", "p", "--runs", "2"]).exits(1);
    let found = unstable(&sandbox);
    let labels: Vec<(&str, u64, &str)> = found.iter().map(|(name, case)| (name.as_str(), case.0, case.2.as_str())).collect();
    assert_eq!(labels, [("test_reruns.py::test_always", 2, "failing"), ("test_reruns.py::test_late", 2, "flaky")]);
    // Alone it looks green to pytest, and is a flake all the same: a pass with a warning, or a failure where flakes are.
    sandbox.write("test_reruns.py", &suite.replace("assert 1 == 2", "pass"));
    sandbox.run(&["gate", "p"]).exits(0).says("FLAKY").says("passed only after a failed attempt");
    sandbox.write("gates.toml", &format!("{manifest}[profile.local]\nflaky = 'fail'\n"));
    sandbox.run(&["gate", "p"]).exits(1).says("1 case passed only after a failed attempt: test_reruns.py::test_late");
    let (_, totals, _) = sandbox.junit();
    assert_eq!((totals.tests, totals.failures), (3, 1));
}

#[test]
fn a_case_that_is_not_always_there_makes_the_gate_broken() {
    let run = "tool = 'pytest'\nrun = [PYTEST, '{tool.args}']";
    let sandbox = Sandbox::new(&pytest_gate(&planted_python(), run));
    sandbox.write("test_some.py", "import os\nif os.environ['GATE_ITERATION'] != '2':\n    def test_sometimes(): pass\ndef test_always(): pass\n");
    sandbox
        .run(&["gate", "p", "--runs", "3"])
        .exits(70)
        .says("iterations 1 and 2 do not hold the same cases")
        .says("in 2 of 3 iterations: test_some.py::test_sometimes");
    let (_, totals, _) = sandbox.junit();
    assert_eq!(totals.errors, 1, "the report is red too");
    sandbox.write("test_some.py", "import time\nimport pytest\n@pytest.mark.parametrize('at', [time.time_ns()])\ndef test_named(at): pass\n");
    sandbox.run(&["gate", "p", "--runs", "2"]).exits(70).says("whose name changes from run to run");
}

#[test]
fn a_crash_of_a_pytest_worker_is_a_crash() {
    let run = "tool = 'pytest'\nrun = [PYTEST, '-n', '2', '{tool.args}']";
    let sandbox = Sandbox::new(&pytest_gate(&planted_python(), run));
    sandbox.write("test_crash.py", "import os\ndef test_crash():\n    if os.environ['GATE_ITERATION'] == '2': os._exit(3)\ndef test_good(): pass\n");
    sandbox.run(&["gate", "p", "--runs", "3"]).exits(0);
    let found = unstable(&sandbox);
    assert_eq!(found.len(), 1, "{found:?}");
    let (name, case) = found.iter().next().expect("one");
    assert!(name.ends_with("test_crash") || name.contains("test_crash"), "{name}");
    assert_eq!((case.0, case.1, case.2.as_str(), case.3.as_str()), (1, 3, "flaky", "crash"));
}

const SCRIPT_SUITE: &str = r"
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
const iteration = Number(process.env.GATE_ITERATION);
const schedule = JSON.parse(readFileSync('schedule.json', 'utf8'));
describe('planted', () => {
  for (const name of Object.keys(schedule)) {
    it(name, () => { if (schedule[name].includes(iteration)) throw new Error('Test timed out in 5ms.'); });
  }
  for (let number = 0; number < 20; number++) it(`stable ${number}`, () => { expect(number).toBeLessThan(20); });
  it('always', () => { expect(1).toBe(2); });
  let calls = 0;
  it('asks for retries itself', { retry: 3 }, () => { calls++; if (schedule['rate 50'].includes(iteration)) expect(calls).toBeGreaterThan(1); });
});
";

fn vitest_sandbox(run: &str) -> Sandbox {
    let vitest = demo_tool("demo/frontend/node_modules/.bin/vitest");
    let modules: PathBuf = Path::new(&vitest).ancestors().nth(2).expect("node_modules").to_owned();
    let gate = format!("schema = 1\n[phase.p]\ngates = ['g']\n[gate.g]\nowner = 'me'\n{}\n", run.replace("VITEST", &format!("'{vitest}', 'run'")));
    let sandbox = Sandbox::new(&gate);
    std::os::unix::fs::symlink(&modules, sandbox.path("node_modules")).expect("linked");
    sandbox.write("package.json", "{\"type\":\"module\"}");
    sandbox
}

#[test]
fn planted_flakes_of_vitest_are_counted_exactly() {
    let sandbox = vitest_sandbox("tool = 'vitest'\nrun = [VITEST, '{tool.args}']");
    let schedule = schedule(&sandbox);
    sandbox.write("vitest.config.js", "export default { test: { retry: 2 } };\n");
    sandbox.write("planted.test.js", SCRIPT_SUITE);
    let told = sandbox.run(&["gate", "p", "--runs", &RUNS.to_string()]).exits(1);
    let name = |case: &str| format!("planted.test.js > planted > {case}");
    let mut expected: BTreeMap<String, _> =
        schedule.iter().filter(|(_, red)| !red.is_empty()).map(|(case, red)| (name(case), wanted(red.len(), "flaky", "timeout"))).collect();
    expected.insert(name("always"), wanted(RUNS as usize, "failing", "assertion"));
    expected.insert(name("asks for retries itself"), wanted(schedule["rate 50"].len(), "flaky", "assertion"));
    assert_eq!(unstable(&sandbox), expected, "{told}");
    let stable = sandbox.report()["labels"]["stable"].as_u64();
    assert_eq!(stable, Some(20 + schedule.values().filter(|red| red.is_empty()).count() as u64));
}

#[test]
fn a_crash_of_a_vitest_worker_is_a_crash() {
    let sandbox = vitest_sandbox("tool = 'vitest'\nrun = [VITEST, '--pool=forks', '{tool.args}']");
    sandbox.write(
        "a.test.js",
        "import { it } from 'vitest';\nit('a', () => { if (process.env.GATE_ITERATION === '2') process.kill(process.pid, 'SIGKILL'); });\n",
    );
    sandbox.run(&["gate", "p", "--runs", "3"]).exits(1);
    let found = unstable(&sandbox);
    assert_eq!(found.values().map(|case| (case.0, case.3.as_str())).collect::<Vec<_>>(), [(1, "crash")], "{found:?}");
}

#[test]
fn vitest_without_its_preset_makes_no_claim() {
    let criterion = "[phase.p.criteria]\nflaky = { max = 0 }\n";
    let sandbox = vitest_sandbox("run = [VITEST, '--reporter=junit', '--outputFile.junit={junit}']");
    sandbox.write("a.test.js", "import { it } from 'vitest';\nit('a', () => {});\n");
    sandbox.write("gates.toml", &format!("{}{criterion}", sandbox.read("gates.toml")));
    let withheld = "flaky: not judged: attempts not observable in g: claim withheld";
    sandbox.run(&["gate", "p", "--runs", "2"]).exits(0).says(withheld).says("stable 1 · attempts not observable in g: claim withheld");
    sandbox.write("gates.toml", &format!("{}[profile.local]\nunjudged = 'fail'\n", sandbox.read("gates.toml")));
    sandbox.run(&["gate", "p", "--runs", "2"]).exits(1).says(withheld);
}

/// A gate whose shell writes a report with a number of red cases.
fn shell_gate(script: &str) -> Sandbox {
    Sandbox::new(&format!("schema = 1\n[phase.p]\ngates = ['g']\n[gate.g]\nowner = 'me'\nshell = '''{script}'''\n"))
}

#[test]
fn what_is_systemic_is_not_repeated() {
    let script = "{ echo '<testsuite>'; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo \"<testcase name='c$i'><failure/></testcase>\"; done; echo '</testsuite>'; } > $GATE_JUNIT; exit 1";
    let sandbox = shell_gate(script);
    sandbox.run(&["gate", "p", "--runs", "5"]).exits(1).says("systemic, not repeated: 12 of 12 cases failed in the first iteration").says("repro");
    assert_eq!(sandbox.report()["gates"][0]["iterations"].as_array().map(Vec::len), Some(5));
    assert_eq!(sandbox.verdict("g"), "fail");
    let few = shell_gate(&script.replace("11 12", ""));
    few.run(&["gate", "p", "--runs", "2"]).exits(1).never_says("systemic");
}

#[test]
fn until_fail_stops_at_the_first_red_iteration_with_a_bound_that_may_be_looked_at() {
    let sandbox = shell_gate("[ $GATE_ITERATION -lt 4 ]");
    let bound = format!("{:.1} % a run for what never failed in 4 iterations", xtask::flake::streak_bound(0, 4) * 100.0);
    sandbox.run(&["gate", "p", "--until-fail"]).exits(0).says("--until-fail: g was not green in iteration 4").says("FLAKY").says(&bound);
    assert_eq!(sandbox.report()["gates"][0]["runs"], 4);
    let green = shell_gate("true");
    green.run(&["gate", "p", "--until-fail", "--runs", "3"]).exits(0).says("3/3 iterations passed");
    green.run(&["gate", "p", "--runs-for", "1ms"]).exits(0).says("--runs-for 1ms");
}

#[test]
fn ctrl_c_after_some_iterations_still_gives_their_tally() {
    let script = "[ $GATE_ITERATION != 2 ] || exit 1\n[ $GATE_ITERATION != 4 ] || { echo here > fifo; exec sleep 60; }";
    let sandbox = shell_gate(script);
    let fifo = sandbox.fifo("fifo");
    let run = sandbox.start(&["gate", "p", "--runs", "50"]);
    assert_eq!(read_fifo(&fifo).trim(), "here");
    rustix::process::kill_process(rustix::process::Pid::from_child(&run), rustix::process::Signal::INT).expect("sent");
    assert_eq!(end_of(run).code(), Some(130));
    let report = sandbox.report();
    let own = &report["gates"][0]["not_stable"][0];
    assert_eq!((&own["name"], &own["label"], &own["red"], &own["ran"]), (&"g".into(), &"flaky".into(), &1.into(), &3.into()), "the fourth was cut: {own}");
    assert!(sandbox.junit().1.errors > 0, "and is red in the report");
    let history: serde_json::Value = serde_json::from_str(&sandbox.run(&["flakes", "--json"]).stdout).expect("JSON");
    assert_eq!((&history[0]["red"], &history[0]["executions"], &history[0]["recent"]), (&1.into(), &3.into(), &".x.".into()), "{history}");
}
