//! Every key of gates.toml that is accepted is changed once, and something else happens. A key of the schema without a row here
//! fails a test.

use std::collections::BTreeSet;

use crate::key_criteria::criteria_rows;
use crate::key_gates::{gate_rows, iterations, set_ups, slow};
use crate::key_supplies::{database_rows, ready_rows, service_rows};
use crate::quarantine::quarantine_rows;
use crate::support::{Sandbox, tool};
use xtask::event::EventKind;

/// A key, two manifests that differ in it alone, what to look at, and what is seen before and after.
pub(crate) struct Row {
    key: &'static str,
    before: String,
    after: String,
    see: fn(&Sandbox) -> String,
    seen: (&'static str, &'static str),
}

const HEAD: &str = "schema = 1\n";

/// A manifest with a gate `g` in a phase `p`.
pub(crate) fn g(body: &str) -> String {
    format!("{HEAD}[phase.p]\ngates = ['g']\n[gate.g]\nowner = 'me'\n{body}\n")
}

/// The same with something in front of the phase.
pub(crate) fn with(front: &str, body: &str) -> String {
    format!("{HEAD}{front}\n{}", g(body).trim_start_matches(HEAD))
}

pub(crate) fn row(key: &'static str, before: String, after: String, see: fn(&Sandbox) -> String, seen: (&'static str, &'static str)) -> Row {
    Row { key, before, after, see, seen }
}

pub(crate) fn exit(sandbox: &Sandbox) -> String {
    sandbox.run(&["gate", "p"]).code.to_string()
}

pub(crate) fn log(sandbox: &Sandbox) -> String {
    sandbox.run(&["gate", "p"]);
    sandbox.read(".gates/runs/latest/logs/g.1.log").trim().to_owned()
}

pub(crate) fn explained(sandbox: &Sandbox) -> String {
    let text = sandbox.run(&["explain", "g"]).stdout;
    ["alpha", "omega"].into_iter().find(|word| text.contains(word)).unwrap_or("neither").to_owned()
}

pub(crate) fn listed(sandbox: &Sandbox) -> String {
    let text = sandbox.run(&["list"]).stdout;
    ["alpha", "omega"].into_iter().find(|word| text.contains(word)).unwrap_or("neither").to_owned()
}

pub(crate) fn started(sandbox: &Sandbox) -> String {
    sandbox.run(&["gate", "p"]);
    let names = sandbox.events().into_iter().filter_map(|event| match event.kind {
        EventKind::JobStarted { job, .. } => Some(job.gate),
        _ => None,
    });
    names.collect::<Vec<_>>().join(" ")
}

/// Stubborn for a moment: says `late` if it is left the time.
pub(crate) const LATE: &str = "shell = 'trap \"sleep 1.5; echo late; exit 0\" TERM; sleep 30 & wait || true; wait'\ntimeout = '1500ms'";
pub(crate) const NAP: &str = "run = ['sleep', '1.5']";
pub(crate) const FLOOD: &str = "shell = 'head -c 9000 /dev/zero'";

/// Two gates that must meet: each waits for the other at a fifo, so they pass only side by side.
pub(crate) fn meet(front: &str, body: &str) -> String {
    let script = |own: &str| format!("[gate.{own}]\nowner = 'me'\nrun = ['sh', 'meet.sh', '{own}']\ntimeout = '5s'\ngrace = '100ms'\n{body}\n");
    format!("{HEAD}[profile.local]\njobs = 2\n{front}\n[phase.p]\ngates = ['a', 'b']\n{}{}", script("a"), script("b"))
}

fn python() -> String {
    let found = tool("python3", "python3");
    let version = std::process::Command::new(found).args(["-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"]).output().expect("python answers");
    String::from_utf8_lossy(&version.stdout).trim().to_owned()
}

/// A manifest with a Python runtime; files `pin`, `other` and `near` stand beside it.
pub(crate) fn py(runtime: &str, gate: &str) -> String {
    with(&format!("[runtime.py]\nkind = 'python'\npin = 'pin'\n{runtime}"), &format!("runtimes = ['py']\n{gate}"))
}

fn made(sandbox: &Sandbox) -> String {
    sandbox.run(&["gate", "p"]);
    ["made", "sub/made"].into_iter().filter(|name| sandbox.path(name).exists()).collect::<Vec<_>>().join(" ")
}

pub(crate) fn step(body: &str) -> String {
    g(&format!("[[gate.g.steps]]\n{body}"))
}

fn profiled(profile: &str, body: &str) -> String {
    with(&format!("[profile.local]\n{profile}"), body)
}

fn top_rows() -> Vec<Row> {
    let ok = "run = ['true']";
    vec![
        row("schema", g(ok), g(ok).replace("schema = 1", "schema = 2"), exit, ("0", "2")),
        row("required-version", with("required-version = '>=0.1'", ok), with("required-version = '>=7'", ok), exit, ("0", "2")),
        row("defaults.timeout", with("[defaults]\ntimeout = '30s'", NAP), with("[defaults]\ntimeout = '50ms'", NAP), exit, ("0", "1")),
        row("defaults.slow-after", with("[defaults]\nslow-after = '1h'", NAP), with("[defaults]\nslow-after = '50ms'", NAP), slow, ("false", "true")),
        row("defaults.grace", with("[defaults]\ngrace = '30s'", LATE), with("[defaults]\ngrace = '50ms'", LATE), log, ("late", "")),
        row("defaults.log-max", with("[defaults]\nlog-max = '1MiB'", FLOOD), with("[defaults]\nlog-max = '1KiB'", FLOOD), exit, ("0", "1")),
        row(
            "defaults.env-pass",
            with("[defaults]\nenv-pass = []", "shell = 'echo ${PASS_ME:-}'"),
            with("[defaults]\nenv-pass = ['PASS_*']", "shell = 'echo ${PASS_ME:-}'"),
            log,
            ("", "passed"),
        ),
        row("lock.*.max", meet("[lock.x]\nmax = 2", "locks = ['x:shared']"), meet("[lock.x]\nmax = 1", "locks = ['x:shared']"), exit, ("0", "1")),
        row(
            "phase.*.title",
            g(ok).replace("gates =", "title = 'alpha'\ngates ="),
            g(ok).replace("gates =", "title = 'omega'\ngates ="),
            listed,
            ("alpha", "omega"),
        ),
        row(
            "phase.*.gates",
            format!("{}[gate.h]\nowner = 'me'\n{ok}\n", g(ok)),
            format!("{}[gate.h]\nowner = 'me'\n{ok}\n", g(ok)).replace("['g']", "['g', 'h']"),
            started,
            ("g", "g h"),
        ),
        row("phase.*.runs", g(ok), g(ok).replace("gates =", "runs = 2\ngates ="), iterations, ("1", "2")),
        row(
            "phase.*.requires",
            format!("{}[phase.q]\ngates = ['h']\n[gate.h]\nowner = 'me'\n{ok}\n", g(ok)),
            format!("{}[phase.q]\ngates = ['h']\n[gate.h]\nowner = 'me'\n{ok}\n", g(ok)).replace("[phase.p]", "[phase.p]\nrequires = ['q']"),
            started,
            ("g", "h g"),
        ),
    ]
}

fn runtime_rows() -> Vec<Row> {
    let ok = "run = ['true']";
    let install = "install = [['sh', '-c', 'echo x >> made']]";
    let with_lock = format!("lockfiles = ['lock']\n{install}");
    vec![
        row("runtime.*.kind", py("", ok), py("", ok).replace("'python'", "'node'"), exit, ("0", "3")),
        row("runtime.*.pin", py("", ok), py("", ok).replace("pin = 'pin'", "pin = 'other'"), exit, ("0", "3")),
        row(
            "runtime.*.policy",
            py("", ok).replace("pin = 'pin'", "pin = 'near'"),
            py("policy = 'exact'", ok).replace("pin = 'pin'", "pin = 'near'"),
            exit,
            ("0", "3"),
        ),
        row("runtime.*.install", py("", ok), py(install, ok), made, ("", "made")),
        row("runtime.*.cwd", py(install, ok), py(&format!("cwd = 'sub'\n{install}"), ok), made, ("made", "sub/made")),
        row("runtime.*.lockfiles", py(install, ok), py(&with_lock, ok), set_ups, ("1", "2")),
        row("runtime.*.bin", py("", "run = ['own-tool']"), py("bin = ['bin']", "run = ['own-tool']"), exit, ("70", "0")),
        row(
            "runtime.*.env",
            py("", "shell = 'echo ${FROM_RUNTIME:-}'"),
            py("env = { FROM_RUNTIME = 'given' }", "shell = 'echo ${FROM_RUNTIME:-}'"),
            log,
            ("", "given"),
        ),
    ]
}

fn step_rows() -> Vec<Row> {
    vec![
        row("gate.*.steps.name", step("name = 'alpha'\nrun = ['true']"), step("name = 'omega'\nrun = ['true']"), explained, ("alpha", "omega")),
        row("gate.*.steps.run", step("run = ['true']"), step("run = ['false']"), exit, ("0", "1")),
        row("gate.*.steps.shell", step("shell = 'exit 0'"), step("shell = 'exit 4'"), exit, ("0", "1")),
        row("gate.*.steps.check", step("run = ['true']"), step("check = 'pins'"), exit, ("0", "1")),
        row("gate.*.steps.with", step("check = 'pins'"), step("check = 'pins'\nwith = { exclude = ['README.md'] }"), exit, ("1", "0")),
        row("gate.*.steps.exit", step("shell = 'exit 4'"), step("shell = 'exit 4'\nexit = [4]"), exit, ("1", "0")),
        row("gate.*.steps.cwd", step("run = ['ls']\ncwd = 'bin'"), step("run = ['ls']\ncwd = 'sub'"), log, ("own-tool", "file")),
        row("gate.*.steps.env", step("shell = 'echo ${A:-}'"), step("shell = 'echo ${A:-}'\nenv = { A = 'given' }"), log, ("", "given")),
        row("gate.*.steps.timeout", step(NAP), step(&format!("{NAP}\ntimeout = '50ms'")), exit, ("0", "1")),
    ]
}

fn profile_rows() -> Vec<Row> {
    let ok = "run = ['true']";
    let odd = "shell = '[ $GATE_ITERATION = 1 ]'\nruns = 2";
    let two = format!("{ok}\n[gate.h]\nowner = 'me'\n{ok}");
    let failing = |profile: &str| profiled(profile, "run = ['false']\n[gate.h]\nowner = 'me'\nrun = ['true']").replace("['g']", "['g', 'h']");
    vec![
        row("profile.*.runs", profiled("", ok), profiled("runs = 2", ok), iterations, ("1", "2")),
        row("profile.*.jobs", meet("", ""), meet("", "").replace("jobs = 2", "jobs = 1"), exit, ("0", "1")),
        row("profile.*.flaky", profiled("flaky = 'warn'", odd), profiled("flaky = 'fail'", odd), exit, ("0", "1")),
        row(
            "profile.*.missing",
            profiled("", &format!("{two}\ntools = ['no-such-tool']\nmissing = 'skip'")).replace("['g']", "['g', 'h']"),
            profiled("missing = 'fail'", &format!("{two}\ntools = ['no-such-tool']\nmissing = 'skip'")).replace("['g']", "['g', 'h']"),
            exit,
            ("0", "3"),
        ),
        row("profile.*.pins", py("", ok).replace("'pin'", "'near'"), py("[profile.local]\npins = 'exact'", ok).replace("'pin'", "'near'"), exit, ("0", "3")),
        row("profile.*.clean-tree", profiled("clean-tree = false", ok), profiled("clean-tree = true", ok), exit, ("0", "3")),
        row("profile.*.fail-fast", failing("jobs = 1"), failing("jobs = 1\nfail-fast = true"), started, ("g h", "g")),
        row(
            "profile.*.inherits",
            profiled("[profile.base]\nruns = 2", ok),
            profiled("inherits = 'base'\n[profile.base]\nruns = 2", ok),
            iterations,
            ("1", "2"),
        ),
    ]
}

fn rows() -> Vec<Row> {
    [
        top_rows(),
        runtime_rows(),
        gate_rows(),
        step_rows(),
        profile_rows(),
        service_rows(),
        ready_rows(),
        database_rows(),
        criteria_rows(),
        quarantine_rows(),
        crate::reuse::reuse_rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn sandbox(manifest: &str) -> Sandbox {
    let mut sandbox = Sandbox::new(manifest);
    let version = python();
    let (major_minor, _) = version.rsplit_once('.').expect("x.y.z");
    sandbox.write("pin", &version);
    sandbox.write("near", &format!("{major_minor}.999"));
    sandbox.write("other", "3.999.1");
    sandbox.write("lock", "first");
    sandbox.write("sub/file", "x");
    sandbox.write(".nvmrc", "20.20.2\n");
    sandbox.write("README.md", "Needs Node 18.0.0.\n");
    sandbox.script("bin/own-tool", "#!/bin/sh\nexit 0\n");
    // Each tells the other that it is here, and waits for the other's word.
    sandbox.write("meet.sh", "[ $1 = a ] && other=b || other=a\n(exec 3>$1.f; echo here >&3) &\nread -r word < $other.f\nwait\n");
    sandbox.fifo("a.f");
    sandbox.fifo("b.f");
    sandbox.write("migrate.sh", "psql -q -v ON_ERROR_STOP=1 \"$DATABASE_URL\" -c 'create table t (a int)'\n");
    sandbox.write("later/migrate.sh", "psql -q -v ON_ERROR_STOP=1 \"$DATABASE_URL\" -c 'create table u (a int)'\n");
    sandbox.write("old.sql", "create table t (a int);\n");
    sandbox.write("new.sql", "create table u (a int);\n");
    sandbox.set("OUTSIDE", "postgresql://192.0.2.1/x");
    sandbox.set("PASS_ME", "passed");
    sandbox
}

/// Sees both sides of every row.
#[track_caller]
pub(crate) fn check(rows: Vec<Row>) {
    let mut wrong = Vec::new();
    for row in rows {
        for (manifest, expected) in [(&row.before, row.seen.0), (&row.after, row.seen.1)] {
            let seen = (row.see)(&sandbox(manifest));
            if seen != expected {
                wrong.push(format!("{}: saw `{seen}` instead of `{expected}` with\n{manifest}", row.key));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_key_of_top_tables_changes_something() {
    check(top_rows());
}

#[test]
fn every_key_of_runtimes_changes_something() {
    check(runtime_rows());
}

#[test]
fn every_key_of_steps_changes_something() {
    check(step_rows());
}

#[test]
fn every_key_of_profiles_changes_something() {
    check(profile_rows());
}

/// Keys of the schema as paths; `*` stands for an id, lists are transparent.
fn keys(schema: &serde_json::Value, node: &serde_json::Value, path: &str, found: &mut BTreeSet<String>) {
    let node = match node.get("$ref").and_then(|reference| reference.as_str()) {
        Some(reference) => &schema["$defs"][reference.trim_start_matches("#/$defs/")],
        None => node,
    };
    for part in node.get("anyOf").and_then(|parts| parts.as_array()).into_iter().flatten() {
        keys(schema, part, path, found);
    }
    if let Some(items) = node.get("items") {
        keys(schema, items, path, found);
    }
    if node.get("properties").is_none()
        && !path.is_empty()
        && node.get("anyOf").is_none()
        && node.get("additionalProperties").is_none_or(|more| !more.to_string().contains("$ref"))
    {
        found.insert(path.to_owned());
    }
    if let Some(more) = node.get("additionalProperties").filter(|more| more.get("$ref").is_some()) {
        keys(schema, more, &format!("{path}.*"), found);
    }
    for (name, part) in node.get("properties").and_then(|known| known.as_object()).into_iter().flatten() {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        found.insert(below.clone());
        keys(schema, part, &below, found);
    }
}

#[test]
fn every_key_of_the_schema_has_a_row() {
    let schema = xtask::config::schema::json_schema();
    let mut found = BTreeSet::new();
    keys(&schema, &schema, "", &mut found);
    // Tables whose keys have rows of their own.
    for table in
        ["defaults", "runtime", "lock", "phase", "gate", "profile", "gate.*.expect", "service", "database", "service.*.ready", "phase.*.criteria", "quarantine"]
    {
        assert!(found.remove(table), "{table} is no table of the schema");
    }
    let known: BTreeSet<String> = rows().iter().map(|row| row.key.to_owned()).collect();
    assert_eq!(found, known);
}
