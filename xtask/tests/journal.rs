//! A run that is killed, cut or tampered with: `report` makes every file again, and it is red.

use std::io::Write as _;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Sandbox, end_of, kinds, outcome, read_fifo};
use xtask::model::{Outcome, ReportState};

const GATES: &str = r#"
schema = 1
[phase.p]
gates = ["a", "b", "c", "d"]
[gate.a]
owner = "me"
shell = "echo '<testsuite><testcase classname=\"k\" name=\"one\"/></testsuite>' > $GATE_JUNIT; echo some output"
[gate.b]
owner = "me"
needs = ["a"]
run = ["true"]
[gate.c]
owner = "me"
needs = ["b"]
shell = "exit 3"
[gate.d]
owner = "me"
needs = ["b"]
run = ["true"]
"#;

/// Every planned gate is in junit.xml; what finished keeps its verdict, the rest are errors; nothing is green by accident.
#[track_caller]
fn is_red_and_whole(sandbox: &Sandbox, context: &str) {
    let (state, totals, cases) = sandbox.junit();
    assert_eq!(state, ReportState::Valid, "{context}");
    assert!(totals.failures + totals.errors > 0, "{context}");
    let report = sandbox.report();
    let gates = report["gates"].as_array().expect("a list");
    for gate in gates {
        let id = gate["id"].as_str().expect("a word");
        let own: Vec<_> = cases.iter().filter(|case| case.suites.first().is_some_and(|suite| suite == id)).collect();
        assert!(!own.is_empty(), "{context}: gate {id} is not in junit.xml");
        let green = own.iter().all(|case| case.outcome == Outcome::Passed);
        assert_eq!(green, gate["verdict"] == "pass", "{context}: {id} {own:?} {gate}");
    }
}

#[test]
fn every_truncation_of_a_journal_is_red() {
    let sandbox = Sandbox::new(&GATES.replace("exit 3", "exit 0"));
    sandbox.run(&["gate", "p"]).exits(0);
    let path = sandbox.path(".gates/runs/latest/events.jsonl");
    let whole = std::fs::read(&path).expect("readable");
    for part in 0..50 {
        let cut = whole.len() * part / 50;
        std::fs::write(&path, &whole[..cut]).expect("written");
        let transcript = sandbox.run(&["report", "latest"]);
        assert_eq!(transcript.code, 70, "cut at {cut}: {transcript}");
        is_red_and_whole(&sandbox, &format!("cut at {cut} of {}", whole.len()));
    }
    std::fs::write(&path, &whole).expect("written");
    sandbox.run(&["report", "latest"]).exits(0);
    assert_eq!(sandbox.junit().1.errors, 0, "whole again, green again");
}

#[test]
fn a_report_made_again_is_the_same_to_the_byte() {
    let sandbox = Sandbox::new(GATES);
    let first = sandbox.run(&["gate", "p"]).exits(1);
    let files = ["junit.xml", "report.json", "summary.md"];
    let before: Vec<String> = files.iter().map(|file| sandbox.read(&format!(".gates/runs/latest/{file}"))).collect();
    for file in files {
        std::fs::remove_file(sandbox.path(&format!(".gates/runs/latest/{file}"))).expect("removed");
    }
    let again = sandbox.run(&["report", "latest"]).exits(1);
    let after: Vec<String> = files.iter().map(|file| sandbox.read(&format!(".gates/runs/latest/{file}"))).collect();
    assert_eq!(before, after);
    let summary = |text: &str| text[text.find("───").expect("a rule")..].to_owned();
    assert_eq!(summary(&first.stderr), summary(&again.stderr), "the summary too");
}

#[test]
fn a_missing_or_changed_file_breaks_its_gate() {
    for (file, gate) in [("logs/a.1.log", "a"), ("junit/a.1/1.xml", "a"), ("logs/b.1.log", "b")] {
        let sandbox = Sandbox::new(&GATES.replace("exit 3", "exit 0"));
        sandbox.run(&["gate", "p"]).exits(0);
        let path = sandbox.path(".gates/runs/latest").join(file);
        let mut opened = std::fs::OpenOptions::new().append(true).open(&path).expect("it is there");
        opened.write_all(b" ").expect("written");
        sandbox.run(&["report", "latest"]).exits(70).says("was changed after the run");
        assert_eq!(sandbox.verdict(gate), "broken");
        std::fs::remove_file(&path).expect("removed");
        sandbox.run(&["report", "latest"]).exits(70).says("is missing");
    }
}

#[test]
fn nothing_is_kept_of_a_report_that_is_another_one() {
    let sandbox = Sandbox::new(&GATES.replace("exit 3", "exit 0"));
    sandbox.run(&["gate", "p"]).exits(0);
    let path = sandbox.path(".gates/runs/latest/junit/a.1/1.xml");
    std::fs::write(&path, "<testsuite><testcase classname='k' name='foisted'/></testsuite>").expect("written");
    sandbox.run(&["report", "latest"]).exits(70).says("was changed after the run");
    for file in ["junit.xml", "report.json", "report.html"] {
        assert!(!sandbox.read(&format!(".gates/runs/latest/{file}")).contains("foisted"), "{file}");
    }
}

/// The runner is killed at fifty places of a run: after each event in turn, as far as a kill can be aimed.
#[test]
fn fifty_kills_of_the_runner_are_red() {
    // Every gate waits at a fifo for the test, and needs the one before it: the test knows where the run is.
    let needs = |n: u32| if n == 0 { String::new() } else { format!("needs = [\"g{}\"]\n", n - 1) };
    let gates: Vec<String> = (0..50).map(|n| format!("[gate.g{n}]\nowner = \"me\"\n{}shell = \"echo {n} > fifo{n}\"\n", needs(n))).collect();
    let ids: Vec<String> = (0..50).map(|n| format!("\"g{n}\"")).collect();
    let sandbox = Sandbox::new(&format!("schema = 1\n[phase.p]\ngates = [{}]\n{}", ids.join(", "), gates.concat()));
    for n in 0..50 {
        sandbox.fifo(&format!("fifo{n}"));
    }
    for kill_at in 0..50 {
        let run = sandbox.start(&["gate", "p", "--jobs", "1"]);
        for n in 0..=kill_at {
            read_fifo(&sandbox.path(&format!("fifo{n}")));
        }
        let runner = xtask::process::tree::children(run.id() as i32).first().copied().and_then(Pid::from_raw);
        // A run whose last gate was read may be over already; every other one must still be there.
        if let Some(runner) = runner {
            kill_process(runner, Signal::KILL).ok();
        }
        let status = end_of(run);
        if status.code() == Some(0) {
            assert_eq!(kill_at, 49);
            continue;
        }
        assert_eq!(status.code(), Some(70), "killed in gate {kill_at}");
        is_red_and_whole(&sandbox, &format!("killed in gate {kill_at}"));
        sandbox.run(&["report", "latest"]).exits(70);
        is_red_and_whole(&sandbox, &format!("reported after a kill in gate {kill_at}"));
    }
}

#[test]
fn output_that_is_not_utf8_ends_whole() {
    let sandbox = Sandbox::with_gate("shell = '''printf '\\377\\376\\000\\033[31m\\200 error\\n'; exit 1'''");
    sandbox.run(&["gate", "p"]).exits(1);
    let log = std::fs::read(sandbox.path(".gates/runs/latest/logs/g.1.log")).expect("readable");
    assert_eq!(log, b"\xff\xfe\x00\x1b[31m\x80 error\n");
    assert_eq!(sandbox.junit().0, ReportState::Valid);

    let sandbox = Sandbox::with_gate("shell = '''printf '<testsuite><testcase name=\"\\377\"/></testsuite>' > $GATE_JUNIT'''");
    sandbox.run(&["gate", "p"]).exits(70).says("not UTF-8");
    assert_eq!(sandbox.junit().0, ReportState::Valid);
}

/// A disk of four MiB that a gate fills. It needs a mount of its own: as root, or in a user namespace.
#[test]
fn a_full_disk_is_broken_and_what_was_written_is_whole() {
    let unshare = crate::support::tool("unshare", "util-linux");
    let body = "shell = 'head -c 64M /dev/zero; true'\ngrace = '300ms'";
    let sandbox = Sandbox::with_gate(body);
    let script = format!(
        "mkdir .gates && mount -t tmpfs -o size=12m none .gates && {} gate p; echo \"exit $?\"; ls -l .gates/runs/latest/; cat .gates/runs/latest/events.jsonl",
        env!("CARGO_BIN_EXE_xtask")
    );
    let output = std::process::Command::new(unshare).args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]).current_dir(sandbox.root()).output();
    let output = output.expect("unshare starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains("exit 70"), "this test needs mounts in a user namespace (or root)\n{stdout}\n{stderr}");
    let lines: Vec<&str> = stdout.lines().filter(|line| line.starts_with("{\"seq\"")).collect();
    assert!(lines.iter().all(|line| serde_json::from_str::<xtask::event::Event>(line).is_ok()), "{stdout}");
    assert!(stderr.contains("disk is full") || stderr.contains("No space left"), "{stderr}");
}

#[test]
fn the_journal_tells_a_run_in_order() {
    let sandbox = Sandbox::new(GATES);
    sandbox.run(&["gate", "p"]).exits(1);
    let events = sandbox.events();
    let kinds = kinds(&events);
    assert_eq!(kinds.first().map(String::as_str), Some("RunStarted"));
    assert_eq!(kinds.last().map(String::as_str), Some("RunEnded"));
    assert!(events.windows(2).all(|pair| pair[0].at <= pair[1].at && pair[0].seq + 1 == pair[1].seq));
    let cases = sandbox.cases();
    assert_eq!(outcome(&cases, "a k::one"), Some(Outcome::Passed));
    assert_eq!(outcome(&cases, "c c"), Some(Outcome::Failed));
}
