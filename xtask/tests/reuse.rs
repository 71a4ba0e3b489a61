//! Results of earlier runs that stand for gates, and gates that a change concerns: what runs is written down by the gates themselves.

use crate::keys::{Row, g, row};
use crate::support::Sandbox;

const PROFILE: &str = "[profile.local]\nreuse = 'same-inputs'\n";

/// A gate that writes down that it ran.
fn gate(id: &str, rest: &str) -> String {
    format!("[gate.{id}]\nowner = 'me'\nshell = '''echo {id} >> ran; test ! -e src/{id}/bad'''\ninputs = ['src/{id}/**']\n{rest}\n")
}

/// `a`, `b` that needs it, `c` alone.
fn three() -> Sandbox {
    let sandbox =
        Sandbox::new(&format!("schema = 1\n{PROFILE}[phase.p]\ngates = ['a', 'b', 'c']\n{}{}{}", gate("a", ""), gate("b", "needs = ['a']"), gate("c", "")));
    for id in ["a", "b", "c"] {
        sandbox.write(&format!("src/{id}/x"), "1");
    }
    sandbox
}

/// Gates that ran, sorted; the next run begins anew.
fn ran(sandbox: &Sandbox, args: &[&str], code: i32) -> String {
    std::fs::remove_file(sandbox.path("ran")).ok();
    sandbox.run(args).exits(code);
    let text = std::fs::read_to_string(sandbox.path("ran")).unwrap_or_default();
    let mut gates: Vec<&str> = text.lines().collect();
    gates.sort_unstable();
    gates.join(" ")
}

const GATE: &[&str] = &["gate", "p"];

#[test]
fn exactly_what_changed_and_what_needs_it_runs() {
    let sandbox = three();
    assert_eq!(ran(&sandbox, GATE, 0), "a b c");
    assert_eq!(ran(&sandbox, GATE, 0), "");
    for (change, wanted) in [("c", "c"), ("b", "b"), ("a", "a b")] {
        sandbox.write(&format!("src/{change}/x"), "2");
        assert_eq!(ran(&sandbox, GATE, 0), wanted, "after a change of {change}");
        assert_eq!(ran(&sandbox, GATE, 0), "", "after a run of {change}");
    }
    sandbox.write("src/c/new/y", "1");
    assert_eq!(ran(&sandbox, GATE, 0), "c", "a new file");
    std::fs::remove_file(sandbox.path("src/c/new/y")).expect("removed");
    assert_eq!(ran(&sandbox, GATE, 0), "", "what was before is known");
    sandbox.write("src/c/x", "2");
    assert_eq!(ran(&sandbox, GATE, 0), "", "the same content, written again");
}

#[test]
fn the_rules_the_environment_and_the_machine_count_too() {
    let mut sandbox = three();
    assert_eq!(ran(&sandbox, GATE, 0), "a b c");
    let text = sandbox.read("gates.toml");
    sandbox.write("gates.toml", &text.replace("[gate.c]\n", "[gate.c]\ntitle = 'other'\n"));
    assert_eq!(ran(&sandbox, GATE, 0), "c", "its own table");
    sandbox.write("gates.toml", &sandbox.read("gates.toml").replace("[phase.p]", "[defaults]\nenv-pass = ['MODE']\n[phase.p]"));
    assert_eq!(ran(&sandbox, GATE, 0), "a b c", "defaults hold for all");
    sandbox.set("MODE", "x");
    assert_eq!(ran(&sandbox, GATE, 0), "a b c", "a variable that is passed");
    sandbox.set("TERM", "other");
    sandbox.set("GITHUB_RUN_ID", "7");
    assert_eq!(ran(&sandbox, GATE, 0), "", "what differs from call to call");
    sandbox.write("gates.baseline", "[c]\nno such case\n");
    assert_eq!(ran(&sandbox, GATE, 1), "c", "cases that must be there");
}

#[test]
fn a_gate_with_secrets_runs() {
    let mut sandbox = Sandbox::new(&format!("schema = 1\n{PROFILE}[phase.p]\ngates = ['a']\n{}", gate("a", "secrets = ['KEY']")));
    sandbox.write("src/a/x", "1");
    sandbox.set("KEY", "hidden-value");
    for _ in 0..2 {
        assert_eq!(ran(&sandbox, GATE, 0), "a");
    }
    sandbox.run(GATE).exits(0).says("it has secrets, and what they open is not here");
}

#[test]
fn a_database_server_that_was_updated_is_another_one() {
    let server = "[service.pg]\nkind = 'postgres'\nversion = '15'\n[database.app]\nservice = 'pg'\nmigrate = [['true']]\ninputs = ['1.sql']\n";
    let gates = gate("a", "databases = ['app']") + &gate("b", "");
    let mut sandbox = Sandbox::new(&format!("schema = 1\n{PROFILE}{server}[phase.p]\ngates = ['a', 'b']\n{gates}"));
    for (file, text) in [("src/a/x", "1"), ("src/b/x", "1"), ("1.sql", ""), ("bin/other", "")] {
        sandbox.write(file, text);
    }
    sandbox.put_first_on_path("bin");
    assert_eq!(ran(&sandbox, GATE, 0), "a b");
    assert_eq!(ran(&sandbox, GATE, 0), "");
    // Of another version, so that the same server runs as before: only whoever asks it would know that.
    sandbox.script("bin/postgres", "#!/bin/sh\necho 'postgres (PostgreSQL) 9.6'");
    assert_eq!(ran(&sandbox, GATE, 0), "a");
    assert_eq!(ran(&sandbox, GATE, 0), "");
}

#[test]
fn what_did_not_pass_at_once_is_never_reused() {
    let sandbox = three();
    sandbox.write("src/a/bad", "");
    assert_eq!(ran(&sandbox, GATE, 1), "a c", "b is skipped");
    assert_eq!(ran(&sandbox, GATE, 1), "a", "what failed runs again, what was skipped is skipped");
    std::fs::remove_file(sandbox.path("src/a/bad")).expect("removed");
    assert_eq!(ran(&sandbox, GATE, 0), "a b");
    // A case that passed at its second attempt.
    let flaky =
        "echo f >> ran; printf \"<testsuites><testsuite name='s'><testcase name='a'><flakyFailure/></testcase></testsuite></testsuites>\" > $GATE_JUNIT";
    let sandbox = Sandbox::new(&format!(
        "schema = 1\n{PROFILE}flaky = 'warn'\n[phase.p]\ngates = ['f']\n[gate.f]\nowner = 'me'\nshell = '''{flaky}'''\ninputs = ['in']\n"
    ));
    sandbox.write("in", "1");
    for _ in 0..2 {
        assert_eq!(ran(&sandbox, GATE, 0), "f");
    }
}

#[test]
fn who_wants_to_see_gates_run_does() {
    let sandbox = three();
    assert_eq!(ran(&sandbox, GATE, 0), "a b c");
    assert_eq!(ran(&sandbox, &["gate", "p", "--no-reuse"], 0), "a b c");
    assert_eq!(ran(&sandbox, &["gate", "p", "--runs", "1"], 0), "a b c");
    assert_eq!(ran(&sandbox, &["gate", "p", "--runs", "2"], 0), "a a b b c c");
    assert_eq!(ran(&sandbox, &["gate", "p", "--until-fail", "--runs", "2"], 0), "a a b b c c");
    assert_eq!(ran(&sandbox, &["gate", "c", "--", "word"], 0), "c");
    assert_eq!(ran(&sandbox, &["gate", "p", "--profile", "ci"], 0), "", "ci inherits from local");
    sandbox.commit();
    let ten = ["a", "b", "c"].map(|id| [id; 10].join(" ")).join(" ");
    assert_eq!(ran(&sandbox, &["gate", "p", "--profile", "release"], 0), ten);
    assert_eq!(ran(&sandbox, GATE, 0), "");
    sandbox.write("gates.toml", &format!("{}[profile.release]\nreuse = 'same-inputs'\n", sandbox.read("gates.toml")));
    sandbox.run(GATE).exits(2).says("profile release may only be tightened, and `reuse` weakens it");
}

#[test]
fn a_result_whose_files_are_not_what_they_were_runs_again() {
    let outputs = "outputs = ['dist/made']";
    let making = gate("a", outputs).replace("echo a >> ran;", "echo a >> ran; mkdir -p dist; cp src/a/x dist/made; echo told; echo kept > $GATE_OUT/kept;");
    let reading = gate("b", "needs = ['a']")
        .replace("echo b >> ran;", "echo b >> ran; cat dist/made $GATE_A_OUT/kept;")
        .replace("['src/b/**']", "['src/b/**', 'dist/**']");
    let sandbox = Sandbox::new(&format!("schema = 1\n{PROFILE}[phase.p]\ngates = ['a', 'b']\n{making}{reading}"));
    sandbox.write("src/a/x", "1");
    sandbox.write("src/b/x", "1");
    assert_eq!(ran(&sandbox, GATE, 0), "a b");
    assert_eq!(ran(&sandbox, GATE, 0), "", "what a need makes is no change of what reads it");
    std::fs::remove_file(sandbox.path("dist/made")).expect("removed");
    assert_eq!(ran(&sandbox, GATE, 0), "a b", "an output is gone");
    sandbox.write("src/b/x", "2");
    assert_eq!(ran(&sandbox, GATE, 0), "b", "the folder of a need that did not run is there");
    assert!(sandbox.read(".gates/runs/latest/logs/b.1.log").contains("kept"));
    assert_eq!(sandbox.read(".gates/runs/latest/logs/a.1.log"), "told\n");
    let log = std::fs::canonicalize(sandbox.path(".gates/runs/latest/logs/a.1.log")).expect("there");
    std::fs::write(log, "forged").expect("written");
    assert_eq!(ran(&sandbox, GATE, 0), "a b", "a log was changed");
    std::fs::remove_dir_all(sandbox.path(".gates/runs")).expect("removed");
    assert_eq!(ran(&sandbox, GATE, 0), "a b", "the runs are gone");
    sandbox.write(".gates/cache/reuse/results.json", "{");
    assert_eq!(ran(&sandbox, GATE, 0), "a b", "the list is damaged");
    sandbox.write(".gates/cache/reuse/inputs.bin", "x");
    assert_eq!(ran(&sandbox, GATE, 0), "", "the stat cache is damaged, and everything is read");
}

#[test]
fn a_gate_that_writes_its_own_inputs_is_not_kept() {
    let writing = gate("a", "").replace("echo a >> ran;", "echo a >> ran; date +%N > src/a/x;");
    let sandbox = Sandbox::new(&format!("schema = 1\n{PROFILE}[phase.p]\ngates = ['a']\n{writing}"));
    sandbox.write("src/a/x", "1");
    for _ in 0..2 {
        assert_eq!(ran(&sandbox, GATE, 0), "a");
    }
    sandbox.run(GATE).exits(0).says("its inputs changed while it ran, so its result is not kept for reuse: src/a/x");
}

#[test]
fn every_report_says_executed_or_reused_from_which_run_and_commit() {
    let sandbox = three();
    sandbox.commit();
    sandbox.run(GATE).exits(0).says("no result of it is kept");
    let first = sandbox.report();
    let (run, commit) = (first["run"].as_str().expect("an id").to_owned(), first["source"]["commit"].as_str().expect("an id").to_owned());
    sandbox.write("src/b/x", "2");
    let words = format!("from run {}, commit {}", &run[run.len() - 4..], &commit[..12]);
    sandbox.run(GATE).exits(0).says(&format!("a  {words}")).says("REUSED").says("inputs (src/b/x)").says("2 reused · 1 pass");
    let report = sandbox.report();
    assert_eq!((&report["gates"][0]["execution"], &report["gates"][1]["execution"]), (&"reused".into(), &"executed".into()));
    assert_eq!((&report["gates"][0]["reused"]["run"], &report["gates"][0]["reused"]["commit"]), (&run.clone().into(), &commit.clone().into()));
    let junit = sandbox.read(".gates/runs/latest/junit.xml");
    assert!(junit.contains(&format!("name=\"gate.execution\" value=\"REUSED {words}\"")), "{junit}");
    assert!(junit.contains("value=\"EXECUTED: changed since run"), "{junit}");
    for file in ["summary.md", "report.html"] {
        assert!(sandbox.read(&format!(".gates/runs/latest/{file}")).contains(&format!("REUSED {words}")), "{file}");
    }
    // A third run says where it was executed, not where it was found.
    sandbox.run(GATE).exits(0).says(&format!("a  {words}"));
    sandbox.run(&["report", "latest"]).exits(0);
    assert_eq!(sandbox.report()["gates"][0]["reused"]["run"], run.as_str());
    assert!(sandbox.report()["source"].is_null(), "nothing ran on any source");
}

#[test]
fn a_reused_result_is_no_execution_and_no_credit() {
    let sandbox = Sandbox::new(&format!(
        "schema = 1\n{PROFILE}[phase.p]\ngates = ['a']\n[phase.q]\nrequires = ['p']\ngates = ['c']\n{}{}",
        gate("a", ""),
        gate("c", "").replace("inputs = ['src/c/**']", "")
    ));
    sandbox.write("src/a/x", "1");
    sandbox.write(".gitignore", ".gates/\nran\n");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-q", "-m", "x"]);
    for _ in 0..3 {
        sandbox.run(GATE).exits(0);
    }
    let known = sandbox.run(&["flakes", "--all", "--json"]).exits(0).stdout;
    let known: serde_json::Value = serde_json::from_str(&known).expect("JSON");
    let of = |gate: &str| known.as_array().expect("a list").iter().find(|case| case["gate"] == gate).map(|case| case["executions"].clone());
    assert_eq!(of("a"), Some(1.into()), "{known}");
    // The run that executed it is credited; the newer ones that reused it are not.
    let runs = sandbox.run(&["runs"]).stdout;
    let first = runs.lines().last().and_then(|line| line.split_whitespace().next()).expect("a run");
    sandbox.run(&["gate", "q"]).exits(0).says(&format!("requires p: pass in run {}", &first[first.len() - 4..]));
}

#[test]
fn a_later_phase_waits_for_what_it_requires() {
    let sandbox =
        Sandbox::new(&format!("schema = 1\n{PROFILE}[phase.p]\ngates = ['a']\n[phase.q]\nrequires = ['p']\ngates = ['c']\n{}{}", gate("a", ""), gate("c", "")));
    sandbox.write("src/a/x", "1");
    sandbox.write("src/c/x", "1");
    assert_eq!(ran(&sandbox, &["gate", "q"], 0), "a c");
    assert_eq!(ran(&sandbox, &["gate", "q"], 0), "");
    sandbox.write("src/a/bad", "1");
    assert_eq!(ran(&sandbox, &["gate", "q"], 1), "a");
    assert_eq!(sandbox.verdict("c"), "skipped", "it would have been reused");
}

#[test]
fn only_what_a_change_concerns_runs() {
    let always = "[gate.d]\nowner = 'me'\nshell = 'echo d >> ran'\n";
    let manifest = format!(
        "schema = 1\n[phase.p]\ngates = ['a', 'b', 'c']\n[phase.q]\ngates = ['d']\n{}{}{}{always}",
        gate("a", ""),
        gate("b", "needs = ['a']"),
        gate("c", "")
    );
    let sandbox = Sandbox::new(&manifest);
    for id in ["a", "b", "c"] {
        sandbox.write(&format!("src/{id}/x"), "1");
    }
    sandbox.write("README.md", "1");
    sandbox.commit();
    sandbox.git(&["branch", "-M", "main"]);
    sandbox.git(&["checkout", "-q", "-b", "topic"]);
    let affected = |args: &[&str], code| ran(&sandbox, &[&["gate", "--affected", "main"], args].concat(), code);
    sandbox.run(&["gate", "p", "--affected", "main"]).exits(4).says("0 files changed since").says("none of these gates depends on any of them");
    assert_eq!(affected(&[], 0), "d", "without inputs always");
    sandbox.write("README.md", "2");
    sandbox.write("src/c/x", "2");
    assert_eq!(affected(&["p"], 0), "c", "not committed");
    sandbox.write("src/b/new", "1");
    assert_eq!(affected(&["p"], 0), "a b c", "new, and what it needs");
    sandbox.git(&["add", "README.md", "src"]);
    sandbox.git(&["commit", "-q", "-m", "y"]);
    assert_eq!(affected(&["p"], 0), "a b c", "committed");
    // What happens on the other branch is no change of this one.
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write("src/a/x", "9");
    sandbox.git(&["commit", "-q", "-am", "z"]);
    sandbox.git(&["checkout", "-q", "topic"]);
    std::fs::remove_file(sandbox.path("src/b/new")).expect("removed");
    assert_eq!(affected(&["p"], 0), "c");
    assert_eq!(sandbox.report()["partial"], "--affected main");
    sandbox.write("gates.toml", &manifest.replace("'me'", "'you'"));
    assert_eq!(affected(&["p"], 0), "a b c", "the rules changed");
    sandbox.run(&["gate", "--affected", "nowhere"]).exits(2).says("`nowhere` names no commit that this repository has");
    sandbox.run(&["gate", "--affected", "main", "--failed"]).exits(2).says("cannot be used with");
}

#[test]
fn a_change_that_git_does_not_show_file_by_file_concerns_gates_too() {
    let manifest = format!("schema = 1\n[phase.p]\ngates = ['a', 'b', 'c']\n{}{}{}", gate("a", ""), gate("b", ""), gate("c", ""));
    let sandbox = Sandbox::new(&manifest);
    for id in ["a", "b", "c"] {
        sandbox.write(&format!("src/{id}/x"), "1");
    }
    sandbox.commit();
    let affected = |code| ran(&sandbox, &["gate", "p", "--affected", "HEAD"], code);
    assert_eq!(affected(4), "");
    sandbox.git(&["update-index", "--assume-unchanged", "src/a/x"]);
    sandbox.write("src/a/x", "2");
    assert_eq!(affected(0), "a", "git was told not to look");
    std::fs::remove_file(sandbox.path("src/a/x")).expect("removed");
    assert_eq!(affected(0), "a", "nor to miss it");
    sandbox.git(&["update-index", "--no-assume-unchanged", "src/a/x"]);
    sandbox.git(&["checkout", "-q", "src/a/x"]);
    assert_eq!(affected(4), "");
    // A repository inside of this one is a folder to git, whatever is in it.
    sandbox.write("src/b/inner/y", "1");
    let inner = |args: &[&str]| sandbox.git(&[&["-C", "src/b/inner", "-c", "user.name=x", "-c", "user.email=x@example.invalid"], args].concat());
    inner(&["init", "-q"]);
    inner(&["add", "y"]);
    inner(&["commit", "-q", "-m", "inner"]);
    assert_eq!(affected(0), "b", "a new repository");
    sandbox.git(&["add", "src/b/inner"]);
    sandbox.commit();
    assert_eq!(affected(4), "");
    sandbox.write("src/b/inner/y", "2");
    assert_eq!(affected(0), "b", "a submodule whose tree is not clean");
}

/// How often the gate ran in two runs of its phase.
fn executions(sandbox: &Sandbox) -> String {
    sandbox.write("src/g/x", "1");
    sandbox.run(GATE);
    sandbox.run(GATE);
    sandbox.read("ran").lines().count().to_string()
}

/// The same where what it made is gone in between.
fn without_what_it_made(sandbox: &Sandbox) -> String {
    sandbox.write("src/g/x", "1");
    sandbox.run(GATE);
    std::fs::remove_file(sandbox.path("made")).expect("it was made");
    sandbox.run(GATE);
    sandbox.read("ran").lines().count().to_string()
}

pub(crate) fn reuse_rows() -> Vec<Row> {
    let with = |rest: &str| format!("{}{PROFILE}", g(&format!("shell = 'echo g >> ran; touch made'\n{rest}")));
    let inputs = with("inputs = ['src/g/**']");
    vec![
        row("gate.*.inputs", with(""), inputs.clone(), executions, ("2", "1")),
        row("gate.*.outputs", inputs.clone(), with("inputs = ['src/g/**']\noutputs = ['made']"), without_what_it_made, ("1", "2")),
        row("profile.*.reuse", inputs.replace("same-inputs", "never"), inputs, executions, ("2", "1")),
    ]
}

#[test]
fn every_key_of_reuse_changes_something() {
    crate::keys::check(reuse_rows());
}
