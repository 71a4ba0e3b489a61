//! Rows of the keys that gates have.

use crate::keys::{FLOOD, LATE, NAP, Row, check, exit, explained, g, listed, log, meet, py, row, started, step};
use crate::support::Sandbox;
use xtask::event::EventKind;

fn kept(sandbox: &Sandbox) -> String {
    sandbox.run(&["gate", "p"]);
    sandbox.files(".gates/runs").len().to_string()
}

const CASES: &str = "shell = 'echo \"<testsuite><testcase name=\\\"a\\\"/><testcase name=\\\"b\\\"><skipped/></testcase></testsuite>\" > $GATE_JUNIT'";

const SKIPS: &str = "skips = [{ match = 'b', reason = 'alpha', owner = 'me' }]";

pub(crate) fn slow(sandbox: &Sandbox) -> String {
    sandbox.run(&["gate", "p"]);
    sandbox.events().iter().any(|event| matches!(event.kind, EventKind::ProcSlow { .. })).to_string()
}

pub(crate) fn iterations(sandbox: &Sandbox) -> String {
    sandbox.run(&["gate", "p"]);
    sandbox.report()["gates"][0]["runs"].to_string()
}

/// A gate that can be split.
const SPLIT: &str = "run = ['sh', '-c', 'echo \"$0\"', '{junit} {shard.index}']";

fn machines(sandbox: &Sandbox) -> String {
    let told = sandbox.run(&["plan", "p", "--shards", "2", "--format", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&told.stdout).unwrap_or_default();
    plan["shards"].as_array().map_or(0, Vec::len).to_string()
}

/// Runs, changes the lock file, runs again: how often the set-up ran.
pub(crate) fn set_ups(sandbox: &Sandbox) -> String {
    sandbox.run(&["gate", "p"]);
    sandbox.write("lock", "changed");
    sandbox.run(&["gate", "p"]);
    std::fs::read_to_string(sandbox.path("made")).unwrap_or_default().lines().count().to_string()
}

fn expecting(expect: &str) -> String {
    g(&format!("{CASES}\nexpect = {{ {expect} }}"))
}

pub(crate) fn gate_rows() -> Vec<Row> {
    let ok = "run = ['true']";
    vec![
        row("gate.*.title", g(&format!("{ok}\ntitle = 'alpha'")), g(&format!("{ok}\ntitle = 'omega'")), explained, ("alpha", "omega")),
        row("gate.*.owner", g(ok).replace("'me'", "'alpha'"), g(ok).replace("'me'", "'omega'"), listed, ("alpha", "omega")),
        row("gate.*.run", g(ok), g("run = ['false']"), exit, ("0", "1")),
        row("gate.*.shell", g("shell = 'exit 0'"), g("shell = 'exit 4'"), exit, ("0", "1")),
        row("gate.*.check", g(ok), g("check = 'pins'"), exit, ("0", "1")),
        row("gate.*.with", g("check = 'pins'"), g("check = 'pins'\nwith = { exclude = ['README.md'] }"), exit, ("1", "0")),
        row("gate.*.exit", g("shell = 'exit 4'"), g("shell = 'exit 4'\nexit = [0, 4]"), exit, ("1", "0")),
        row("gate.*.tool", g("run = ['echo', 'a', '{tool.args}']"), g("run = ['echo', 'a', '{tool.args}']\ntool = 'playwright'"), exit, ("2", "70")),
        row(
            "gate.*.steps.tool",
            g("steps = [{ run = ['true', '{tool.args}'] }]"),
            g("steps = [{ run = ['true', '{tool.args}'], tool = 'vitest' }]"),
            exit,
            ("2", "70"),
        ),
        row("gate.*.cwd", g("run = ['ls']\ncwd = 'bin'"), g("run = ['ls']\ncwd = 'sub'"), log, ("own-tool", "file")),
        row("gate.*.env", g("shell = 'echo ${A:-}'"), g("shell = 'echo ${A:-}'\nenv = { A = 'given' }"), log, ("", "given")),
        row("gate.*.timeout", g(NAP), g(&format!("{NAP}\ntimeout = '50ms'")), exit, ("0", "1")),
        row("gate.*.steps", step("run = ['echo', 'a']"), format!("{}[[gate.g.steps]]\nrun = ['echo', 'b']\n", step("run = ['echo', 'a']")), log, ("a", "a\nb")),
        row(
            "gate.*.runtimes",
            py("bin = ['bin']", "run = ['own-tool']").replace("runtimes = ['py']", ""),
            py("bin = ['bin']", "run = ['own-tool']"),
            exit,
            ("70", "0"),
        ),
        row("gate.*.secrets", g("shell = 'echo ${PASS_ME:-}'"), g("shell = 'echo ${PASS_ME:-}'\nsecrets = ['PASS_ME']"), log, ("", "***")),
        row(
            "gate.*.needs",
            format!("{}[gate.h]\nowner = 'me'\n{ok}\n", g(ok)),
            format!("{}[gate.h]\nowner = 'me'\n{ok}\n", g(&format!("{ok}\nneeds = ['h']"))),
            started,
            ("g", "h g"),
        ),
        row("gate.*.locks", meet("[lock.x]", ""), meet("[lock.x]", "locks = ['x']"), exit, ("0", "1")),
        row("gate.*.cpus", meet("", ""), meet("", "cpus = 2"), exit, ("0", "1")),
        row("gate.*.tools", g(ok), g(&format!("{ok}\ntools = ['no-such-tool']")), exit, ("0", "3")),
        row("gate.*.missing", g(&format!("{ok}\ntools = ['no-such-tool']")), g(&format!("{ok}\ntools = ['no-such-tool']\nmissing = 'skip'")), exit, ("3", "4")),
        row("gate.*.advisory", g("run = ['false']"), g("run = ['false']\nadvisory = true"), exit, ("1", "4")),
        row("gate.*.slow-after", g(NAP), g(&format!("{NAP}\nslow-after = '50ms'")), slow, ("false", "true")),
        row("gate.*.grace", g(&format!("{LATE}\ngrace = '30s'")), g(&format!("{LATE}\ngrace = '50ms'")), log, ("late", "")),
        row("gate.*.log-max", g(FLOOD), g(&format!("{FLOOD}\nlog-max = '1KiB'")), exit, ("0", "1")),
        row("gate.*.runs", g(ok), g(&format!("{ok}\nruns = 2")), iterations, ("1", "2")),
        row("gate.*.junit", g(ok), g(&format!("{ok}\njunit = ['absent.xml']")), exit, ("0", "70")),
        row("gate.*.shards", g(SPLIT), g(&format!("{SPLIT}\nshards = 2")), machines, ("1", "2")),
        row("gate.*.artifacts", g(ok), g(&format!("{ok}\nartifacts = ['sub/*']")), kept, ("7", "8")),
        row("gate.*.expect.min-tests", expecting(SKIPS), expecting(&format!("min-tests = 2, {SKIPS}")), exit, ("0", "1")),
        row("gate.*.expect.cases", expecting(SKIPS), expecting(&format!("{SKIPS}, cases = [{{ match = 'z' }}]")), exit, ("0", "1")),
        row(
            "gate.*.expect.cases.match",
            expecting(&format!("{SKIPS}, cases = [{{ match = 'a' }}]")),
            expecting(&format!("{SKIPS}, cases = [{{ match = 'z' }}]")),
            exit,
            ("0", "1"),
        ),
        row(
            "gate.*.expect.cases.min",
            expecting(&format!("{SKIPS}, cases = [{{ match = '*' }}]")),
            expecting(&format!("{SKIPS}, cases = [{{ match = '*', min = 3 }}]")),
            exit,
            ("0", "1"),
        ),
        row("gate.*.expect.skips", expecting(SKIPS), expecting("skips = []"), exit, ("0", "1")),
        row("gate.*.expect.skips.match", expecting(SKIPS), expecting(&SKIPS.replace("'b'", "'c'")), exit, ("0", "1")),
        row("gate.*.expect.skips.reason", expecting(SKIPS), expecting(&SKIPS.replace("'alpha'", "'omega'")), explained, ("alpha", "omega")),
        row(
            "gate.*.expect.skips.owner",
            expecting(&SKIPS.replace("'alpha'", "'x'").replace("'me'", "'alpha'")),
            expecting(&SKIPS.replace("'alpha'", "'x'").replace("'me'", "'omega'")),
            explained,
            ("alpha", "omega"),
        ),
    ]
}

#[test]
fn every_key_of_gates_changes_something() {
    check(gate_rows());
}
