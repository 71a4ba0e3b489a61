//! What a run is: order, locks, iterations, narrowing, required phases, refusals.

use crate::support::{Sandbox, end_of, kinds, one_gate, outcome, read_fifo, within};
use xtask::event::EventKind;
use xtask::model::{Outcome, ReportState};

fn two_phases() -> String {
    "schema = 1\n[phase.zero]\ngates = ['a']\n[phase.one]\nrequires = ['zero']\ngates = ['b', 'c']\n\
     [gate.a]\nowner = 'me'\nshell = '[ ! -e break-a ]'\n[gate.b]\nowner = 'me'\nshell = '[ ! -e break-b ]'\n[gate.c]\nowner = 'me'\nneeds = ['b']\nrun = ['true']\n"
        .to_owned()
}

#[test]
fn words_behind_two_dashes_are_for_the_named_gate_alone() {
    let sandbox = Sandbox::new(
        "schema = 1\n[phase.p]\ngates = ['build', 'g']\n[gate.build]\nowner = 'me'\nrun = ['echo', 'built']\n[gate.g]\nowner = 'me'\nneeds = ['build']\nrun = ['echo', 'ran']\n",
    );
    sandbox.run(&["gate", "g", "--", "narrowed"]).exits(0);
    assert_eq!((sandbox.read(".gates/runs/latest/logs/build.1.log").trim(), sandbox.read(".gates/runs/latest/logs/g.1.log").trim()), ("built", "ran narrowed"));
}

#[test]
fn a_required_phase_runs_first_and_is_credited_later() {
    let sandbox = Sandbox::new(&two_phases());
    sandbox.run(&["gate", "one"]).exits(0);
    let started: Vec<String> = sandbox
        .events()
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::JobStarted { job, .. } => Some(job.gate.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(started, ["a", "b", "c"]);
    // The same code, pins, profile and gates.toml: the earlier run is named instead.
    sandbox.run(&["gate", "one"]).exits(0).says("requires zero: pass in run");
    assert!(!kinds(&sandbox.events()).is_empty() && sandbox.cases().len() == 2);
    // Another line of code: nothing is credited.
    sandbox.write("other.txt", "changed");
    sandbox.run(&["gate", "one"]).exits(0).never_says("requires zero: pass");
    // Another gates.toml: nothing either.
    sandbox.run(&["gate", "one"]).exits(0).says("requires zero: pass in run");
    sandbox.write("gates.toml", &format!("{}# changed\n", two_phases()));
    sandbox.run(&["gate", "one"]).exits(0).never_says("requires zero: pass");
}

#[test]
fn a_required_phase_that_fails_skips_the_other() {
    let sandbox = Sandbox::new(&two_phases());
    sandbox.write("break-a", "");
    sandbox.run(&["gate", "one"]).exits(1).says("requires phase zero, which was not green");
    assert_eq!(outcome(&sandbox.cases(), "b b"), Some(Outcome::Error), "what was not judged is an error in junit.xml");
    sandbox.run(&["gate", "one", "--alone"]).exits(0).says("requires zero: not judged");
}

#[test]
fn a_failed_need_skips_and_the_rest_goes_on() {
    let sandbox = Sandbox::new(&two_phases().replace("gates = ['b', 'c']", "gates = ['b', 'c', 'a']"));
    sandbox.write("break-b", "");
    sandbox.run(&["gate", "one", "--alone"]).exits(1).says("SKIP").says("needs b, which was not green");
    assert_eq!((sandbox.verdict("b").as_str(), sandbox.verdict("c").as_str(), sandbox.verdict("a").as_str()), ("fail", "skipped", "pass"));
    assert_eq!(outcome(&sandbox.cases(), "c c"), Some(Outcome::Skipped));
}

#[test]
fn narrowed_runs_are_partial_and_no_verdict_of_a_phase() {
    let sandbox = Sandbox::new(&two_phases());
    sandbox.run(&["gate", "b"]).exits(0).says("partial: single gates");
    sandbox.run(&["gate", "zero", "one", "--skip", "c"]).exits(0).says("partial (--skip c): not a verdict of one").never_says("PASS one");
    sandbox.run(&["gate", "one"]).exits(0).never_says("requires zero: pass");
}

#[test]
fn failed_runs_what_was_not_green() {
    let sandbox = Sandbox::new(&two_phases());
    sandbox.write("break-b", "");
    sandbox.run(&["gate", "one", "--alone"]).exits(1);
    std::fs::remove_file(sandbox.path("break-b")).expect("removed");
    sandbox.run(&["gate", "--failed", "--alone"]).exits(0).says("partial: --failed of run");
    let ids: Vec<String> = sandbox.report()["gates"].as_array().expect("a list").iter().map(|gate| gate["id"].to_string()).collect();
    assert_eq!(ids, ["\"b\"", "\"c\""]);
    sandbox.run(&["gate", "--failed", "--alone"]).exits(4).says("everything was green");
}

#[test]
fn the_repro_line_works_when_pasted() {
    let sandbox = Sandbox::new(&two_phases());
    sandbox.write("break-b", "");
    let transcript = sandbox.run(&["gate", "one", "--alone"]).exits(1);
    let line = transcript.stderr.lines().last().expect("a last line").trim().to_owned();
    let words: Vec<&str> = line.strip_prefix("repro xtask ").expect("a repro line").split("  ").next().expect("a command").split(' ').collect();
    sandbox.run(&words).exits(1).says("FAIL b");
}

#[test]
fn arguments_after_the_dashes_go_to_one_gate() {
    let sandbox = Sandbox::with_gate("run = ['echo', 'first']");
    sandbox.run(&["gate", "g", "--", "second", "third word"]).exits(0).says("partial: extra arguments");
    assert_eq!(sandbox.read(".gates/runs/latest/logs/g.1.log"), "first second third word\n");
    sandbox.run(&["gate", "p", "--", "x"]).exits(2).says("arguments after `--` go to one gate");
}

#[test]
fn fail_fast_starts_nothing_more() {
    let gates = "schema = 1\n[phase.p]\ngates = ['a', 'b']\n[gate.a]\nowner = 'me'\nrun = ['false']\n[gate.b]\nowner = 'me'\nrun = ['true']\n";
    let sandbox = Sandbox::new(gates);
    sandbox.run(&["gate", "p", "--jobs", "1"]).exits(1);
    assert_eq!(sandbox.verdict("b"), "pass");
    sandbox.run(&["gate", "p", "--jobs", "1", "--fail-fast"]).exits(1).says("--fail-fast after a");
    assert_eq!(sandbox.verdict("b"), "skipped");
}

#[test]
fn a_phase_of_advisory_gates_alone_is_not_green() {
    let sandbox = Sandbox::new(
        "schema = 1\n[phase.o]\ngates = ['b']\n[phase.p]\nrequires = ['o']\ngates = ['a']\n[gate.a]\nowner = 'me'\nrun = ['true']\nadvisory = true\n[gate.b]\nowner = 'me'\nrun = ['true']\n",
    );
    sandbox.run(&["gate", "p"]).exits(4).says("PASS o").never_says("PASS p");
    assert_eq!(sandbox.report()["phases"][1]["verdict"], "skipped");
    // By itself it is a trial.
    sandbox.run(&["gate", "a"]).exits(0);
}

#[test]
fn an_advisory_gate_is_shown_and_changes_nothing() {
    let sandbox = Sandbox::new(
        "schema = 1\n[phase.p]\ngates = ['a', 'b']\n[gate.a]\nowner = 'me'\nrun = ['false']\nadvisory = true\n[gate.b]\nowner = 'me'\nrun = ['true']\n",
    );
    sandbox.run(&["gate", "p"]).exits(0).says("ADVISORY").says("1 advisory");
}

#[test]
fn a_lock_holds_between_two_runs() {
    // The first run holds the lock while it waits at its fifo; the second must not start its gate meanwhile.
    let gate = "shell = 'echo started > $(cat name); cat release > /dev/null'\nlocks = ['x']";
    let sandbox = Sandbox::new(&format!("{}[lock.x]\n", one_gate(gate)));
    let (first, second, release) = (sandbox.fifo("first"), sandbox.fifo("second"), sandbox.fifo("release"));
    sandbox.write("name", "first");
    let one = sandbox.start(&["gate", "p"]);
    read_fifo(&first);
    sandbox.write("name", "second");
    let two = sandbox.start(&["gate", "p"]);
    let runs = sandbox.path(".gates/runs");
    within("the second run having its plan", move || {
        let planned = |runs: &std::path::Path| {
            std::fs::read_dir(runs)
                .into_iter()
                .flatten()
                .flatten()
                .filter(|run| !run.path().is_symlink())
                .filter(|run| std::fs::read_to_string(run.path().join("events.jsonl")).unwrap_or_default().contains("SourceRead"))
                .count()
        };
        while planned(&runs) < 2 {
            std::thread::yield_now();
        }
    });
    let started = || kinds(&sandbox.events()).contains(&"JobStarted".to_owned());
    assert!(!started(), "the second gate started while the first held the lock");
    std::fs::write(&release, "go").expect("the first gate reads");
    assert_eq!(end_of(one).code(), Some(0));
    read_fifo(&second);
    std::fs::write(&release, "go").expect("the second gate reads");
    assert_eq!(end_of(two).code(), Some(0));
}

#[test]
fn refusals_make_a_run_with_a_red_report() {
    let missing_tool = one_gate("run = ['true']\ntools = ['no-such-tool']");
    for (gates, code, said) in [
        ("schema = 1\n[phase.p]\ngates = ['x']\n".to_owned(), 2, "there is no gate `x`"),
        (missing_tool.clone(), 3, "tool `no-such-tool` is not on this machine"),
        (format!("{missing_tool}missing = 'skip'\n"), 4, "nothing is left to run"),
        ("not toml at all".to_owned(), 2, "gates.toml:1"),
    ] {
        let sandbox = Sandbox::new(&gates);
        sandbox.run(&["gate", "p"]).exits(code).says(said);
        let (state, totals, _) = sandbox.junit();
        assert_eq!(state, ReportState::Valid);
        assert!(totals.errors > 0, "{gates}");
    }
}

#[test]
fn a_declared_missing_tool_skips_and_never_in_release() {
    let gates = "schema = 1\n[phase.p]\ngates = ['a', 'b']\n[gate.a]\nowner = 'me'\nrun = ['true']\ntools = ['no-such-tool']\nmissing = 'skip'\n[gate.b]\nowner = 'me'\nrun = ['true']\n";
    let sandbox = Sandbox::new(gates);
    sandbox.run(&["gate", "p"]).exits(0).says("1 skipped (declared)");
    sandbox.run(&["gate", "p", "--profile", "release"]).exits(3).says("profile release does not allow missing");
}

#[test]
fn release_outside_of_git_is_refused() {
    let sandbox = Sandbox::with_gate("run = ['true']");
    std::fs::remove_dir_all(sandbox.path(".git")).expect("removed");
    sandbox.run(&["gate", "p", "--profile", "release"]).exits(3).says("there is no commit here");
}

#[test]
fn a_runner_that_cannot_begin_is_broken() {
    let sandbox = Sandbox::with_gate("run = ['true']");
    sandbox.write(".gates", "a file where the folder should be");
    sandbox.run(&["gate", "p"]).exits(70).says("failed to create");
}

#[test]
fn the_environment_is_built_not_inherited() {
    let mut sandbox = Sandbox::with_gate("shell = 'env | sort'");
    for (name, value) in [
        ("CARGO_MANIFEST_DIR", "/x"),
        ("RUSTUP_TOOLCHAIN", "nightly"),
        ("LD_LIBRARY_PATH", "/x"),
        ("GITHUB_ENV", "/x"),
        ("MY_TOKEN", "x"),
        ("DATABASE_URL", "x"),
        ("TZ", "UTC"),
    ] {
        sandbox.set(name, value);
    }
    sandbox.run(&["gate", "p"]).exits(0);
    let log = sandbox.read(".gates/runs/latest/logs/g.1.log");
    let names: Vec<&str> = log.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    for name in ["CARGO_MANIFEST_DIR", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH", "GITHUB_ENV", "MY_TOKEN", "DATABASE_URL"] {
        assert!(!names.contains(&name), "{name} leaked\n{log}");
    }
    for name in ["HOME", "PATH", "TZ", "GATE_ITERATION", "GATE_XTASK", "RUSTUP_AUTO_INSTALL"] {
        assert!(names.contains(&name), "{name} is missing\n{log}");
    }
}

#[test]
fn a_needed_gate_hands_its_folder_on() {
    let gates = "schema = 1\n[phase.p]\ngates = ['b']\n[gate.a]\nowner = 'me'\nshell = 'echo made > $GATE_OUT/file'\n[gate.b]\nowner = 'me'\nneeds = ['a']\nrun = ['cat', '{a.out}/file']\n";
    let sandbox = Sandbox::new(gates);
    sandbox.run(&["gate", "p"]).exits(0);
    assert_eq!(sandbox.read(".gates/runs/latest/logs/b.1.log"), "made\n");
    assert_eq!(sandbox.report()["gates"].as_array().map(Vec::len), Some(2));
    sandbox.run(&["plan", "p"]).exits(0).says("needed by b");
}

#[test]
fn runs_are_listed_and_pruned() {
    let sandbox = Sandbox::with_gate("run = ['true']");
    for _ in 0..3 {
        sandbox.run(&["gate", "p"]).exits(0);
    }
    let listed = sandbox.run(&["runs"]).exits(0).says("*latest").says("1 pass");
    assert_eq!(listed.stdout.lines().count(), 3);
    sandbox.run(&["runs", "prune"]).exits(0).says("removed 0 runs");
    sandbox.run(&["runs", "prune", "--size", "1B"]).exits(0).says("removed 2 runs");
    assert_eq!(sandbox.run(&["runs"]).stdout.lines().count(), 1);
    sandbox.run(&["report", "latest"]).exits(0);
}

#[test]
fn two_runs_at_once_do_not_meet() {
    let sandbox = Sandbox::with_gate("shell = 'echo \"<testsuite><testcase name=\\\"a\\\"/></testsuite>\" > $GATE_JUNIT'");
    let both: Vec<_> = (0..4).map(|_| sandbox.start(&["gate", "p", "--runs", "5"])).collect();
    for run in both {
        assert_eq!(end_of(run).code(), Some(0));
    }
}

#[test]
fn pictures_and_traces_of_what_is_red_are_named_in_every_report() {
    let sandbox = Sandbox::with_gate("shell = 'mkdir -p $GATE_OUT/shop; echo x > $GATE_OUT/shop/failed.png; echo x > $GATE_OUT/shop/notes.txt; test -e good'");
    let told = sandbox.run(&["gate", "p"]).exits(1);
    assert!(told.stderr.contains("/out/g.1/shop/failed.png") && !told.stderr.contains("/out/g.1/shop/notes.txt"), "{told}");
    assert!(sandbox.read(".gates/runs/latest/summary.md").contains("](<out/g.1/shop/failed.png>)"));
    assert_eq!(sandbox.report()["gates"][0]["iterations"][0]["kept"], serde_json::json!(["out/g.1/shop/failed.png", "out/g.1/shop/notes.txt"]));
    sandbox.write("good", "");
    sandbox.run(&["gate", "p"]).exits(0).never_says("kept .gates");
}

#[test]
fn a_run_of_what_failed_stands_below_the_run_that_it_repeats() {
    let sandbox =
        Sandbox::new("schema = 1\n[phase.p]\ngates = ['a', 'b']\n[gate.a]\nowner = 'me'\nshell = 'test -e good'\n[gate.b]\nowner = 'me'\nrun = ['true']\n");
    sandbox.run(&["gate", "p"]).exits(1);
    sandbox.run(&["gate", "--failed"]).exits(1);
    sandbox.write("good", "");
    sandbox.run(&["gate", "--failed"]).exits(0);
    sandbox.run(&["gate", "p"]).exits(0);
    let listed = sandbox.run(&["runs"]).exits(0).stdout;
    let marks: Vec<&str> = listed.lines().map(|line| line.split("20").next().unwrap_or_default()).collect();
    assert_eq!(marks, ["", "", "└─ ", "   └─ "], "{listed}");
}
