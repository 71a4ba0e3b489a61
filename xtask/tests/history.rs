//! The history over many runs: what it says, how it travels, and what kills, full disks, second writers and newer versions leave of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Sandbox, end_of, within};
use xtask::flake::State;
use xtask::history::{Cause, GateLesson, IterationLesson, Lesson, ResultLesson, Store};
use xtask::model::{Category, Outcome};

/// Two cases, one of which is red in the second of three iterations and times out.
const FLAKY: &str = "f=; [ $GATE_ITERATION != 2 ] || f='<failure message=\"Test timed out in 5ms\"/>'
echo \"<testsuite><testcase classname='k' name='late'>$f</testcase><testcase classname='k' name='good'/></testsuite>\" > $GATE_JUNIT; [ -z \"$f\" ]";

fn flaky() -> Sandbox {
    let gate = format!("[gate.g]\nowner = 'me'\nshell = '''{FLAKY}'''\n[gate.h]\nowner = 'you'\nrun = ['true']\n");
    Sandbox::new(&format!("schema = 1\n[phase.p]\ngates = ['g']\n[phase.q]\ngates = ['h']\n{gate}"))
}

fn flakes(sandbox: &Sandbox, args: &[&str]) -> Vec<serde_json::Value> {
    let args: Vec<&str> = ["flakes", "--json"].iter().chain(args).copied().collect();
    serde_json::from_str(&sandbox.run(&args).exits(0).stdout).expect("JSON")
}

#[test]
fn runs_add_up_to_a_tally() {
    let sandbox = flaky();
    sandbox.commit();
    sandbox.run(&["gate", "p", "--runs", "3"]).exits(0);
    sandbox.run(&["gate", "p", "q", "--runs", "3"]).exits(0);
    let all = flakes(&sandbox, &[]);
    assert_eq!(all.len(), 1, "{all:?}");
    let late = &all[0];
    for (key, wanted) in [("case", "k::late"), ("state", "flaky"), ("category", "timeout"), ("owner", "me"), ("recent", ".x..x."), ("trend", "steady")] {
        assert_eq!(late[key], wanted, "{late}");
    }
    let count = |key: &str| late[key].as_u64();
    assert_eq!((count("red"), count("executions"), count("clean_streak"), count("fixed_after")), (Some(2), Some(6), Some(1), Some(6)), "{late}");
    assert_eq!(late["upper95"], format!("{:.4}", xtask::flake::streak_bound(2, 6)));
    let names = |args: &[&str]| flakes(&sandbox, args).iter().map(|case| case["case"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&["--all"]), ["k::late", "g", "k::good", "h"], "the worst first, and a gate is a case of itself");
    assert_eq!(names(&["--all", "--phase", "q"]), ["h"]);
    assert_eq!(names(&["--all", "--owner", "you"]), ["h"]);
    assert_eq!((names(&["--category", "timeout"]).len(), names(&["--category", "crash"]).len(), names(&["--gate", "h"]).len()), (1, 0, 0));
    assert_eq!((names(&["--since", "1h"]).len(), names(&["--since", "2999-01-01"]).len()), (1, 0));
    sandbox.run(&["flakes", "--since", "soon"]).exits(2).says("neither a date");
    let markdown = sandbox.run(&["flakes", "--markdown"]).exits(0).stdout;
    assert!(markdown.contains("| flaky | 2/6 |"), "{markdown}");
    let told = sandbox.run(&["explain", "late"]).exits(0).stdout;
    assert!(told.contains("after 6 clean executions in a row; 1 so far") && told.contains("timeout (vitest-timeout)  Test timed out in 5ms"), "{told}");
    sandbox.run(&["explain", "k::"]).exits(2).says("means 2 cases");
}

#[test]
fn a_case_that_is_gone_is_missing_and_one_that_is_mended_recovers() {
    let sandbox = flaky();
    sandbox.commit();
    sandbox.run(&["gate", "p", "--runs", "2"]).exits(0);
    let manifest = sandbox.read("gates.toml");
    sandbox.write("gates.toml", &manifest.replace("f='<failure message=\"Test timed out in 5ms\"/>'", "f="));
    sandbox.run(&["gate", "p", "--runs", "2"]).exits(0);
    let recovering = &flakes(&sandbox, &["--all"])[0];
    assert_eq!((&recovering["state"], &recovering["fixed_after"]), (&"recovering".into(), &5.into()), "{recovering}");
    sandbox.run(&["gate", "p", "--runs", "3"]).exits(0);
    let fixed = flakes(&sandbox, &["--all"]);
    let fixed = fixed.iter().find(|case| case["case"] == "k::late").expect("it is there");
    assert_eq!((&fixed["state"], &fixed["clean_streak"]), (&"stable".into(), &5.into()), "{fixed}");
    sandbox.write("gates.toml", &manifest.replace("name='good'", "name='other'"));
    sandbox.run(&["gate", "p"]).exits(0);
    let states: Vec<(String, String)> = flakes(&sandbox, &["--all"])
        .iter()
        .map(|case| (case["case"].as_str().unwrap_or_default().to_owned(), case["state"].as_str().unwrap_or_default().to_owned()))
        .collect();
    assert!(states.contains(&("k::good".to_owned(), "missing".to_owned())), "{states:?}");
    assert!(states.contains(&("k::other".to_owned(), "new".to_owned())), "{states:?}");
}

#[test]
fn the_history_is_made_again_from_runs_and_travels() {
    let sandbox = flaky();
    sandbox.commit();
    sandbox.run(&["gate", "p", "--runs", "3"]).exits(0);
    sandbox.run(&["gate", "p", "q", "--runs", "2"]).exits(0);
    let all = flakes(&sandbox, &["--all"]);
    std::fs::remove_file(sandbox.path(".gates/history.sqlite")).expect("removed");
    assert_eq!(flakes(&sandbox, &["--all"]), all, "from the journals");

    let export = sandbox.run(&["history", "export"]).exits(0).stdout;
    let csv = sandbox.run(&["history", "export", "--format", "csv"]).exits(0).stdout;
    assert!(csv.contains("g,me,k::late,flaky,2,5,"), "{csv}");
    let other = flaky();
    other.write("artifact/history.json", &export);
    other.run(&["history", "import", "artifact/history.json"]).exits(0).says("imported 2 runs, 0 known already");
    assert_eq!(flakes(&other, &["--all"]), all, "as an export");
    other.run(&["history", "import", "artifact"]).exits(0).says("imported 0 runs, 2 known already");
    assert_eq!(flakes(&other, &["--all"]), all);

    let third = flaky();
    let copied = Command::new("cp").args(["-r", &sandbox.path(".gates/runs").display().to_string(), &third.path("downloaded").display().to_string()]).status();
    assert!(copied.expect("cp starts").success());
    third.run(&["history", "import", "downloaded"]).exits(0).says("imported 2 runs");
    assert_eq!(flakes(&third, &["--all"]), all, "as run folders");

    other.run(&["history", "import", "nowhere"]).exits(2).says("failed to find `nowhere`");
    other.write("empty/note.txt", "nothing");
    other.run(&["history", "import", "empty"]).exits(2).says("there is no run and no history.json below `empty`");
    other.write("bad.json", "{\"schema\":9,\"inventories\":{},\"runs\":[]}");
    // A place without a run is an error before another place is taken in.
    let fourth = flaky();
    fourth.write("artifact/history.json", &export);
    fourth.write("torn/.gates/runs/20260101-000000000-0000/events.jsonl", "");
    fourth.run(&["history", "import", "artifact", "torn"]).exits(2).says("there is no run and no history.json below `torn`");
    assert!(flakes(&fourth, &["--all"]).is_empty());
    other.run(&["history", "import", "bad.json"]).exits(2).says("an export of schema 9");
}

#[test]
fn a_newer_history_is_left_alone_and_a_damaged_one_is_kept_aside() {
    let sandbox = flaky();
    sandbox.run(&["gate", "q"]).exits(0);
    let file = sandbox.path(".gates/history.sqlite");
    let connection = rusqlite::Connection::open(&file).expect("opened");
    connection
        .execute_batch("PRAGMA user_version = 99; CREATE TABLE later (x); PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;")
        .expect("made newer");
    drop(connection);
    let before = std::fs::read(&file).expect("readable");
    sandbox.run(&["flakes"]).exits(3).says("has version 99, and this program knows 2").says("nothing was changed");
    sandbox.run(&["gate", "q"]).exits(0).says("this run is not in the history yet");
    sandbox.run(&["history", "import", "."]).exits(3);
    assert_eq!(std::fs::read(&file).expect("readable"), before);
    std::fs::write(&file, b"this is no database, and it is longer than a header of one would have to be....................................").expect("written");
    sandbox.run(&["flakes", "--all"]).exits(0).says("the history was damaged");
    assert_eq!(flakes(&sandbox, &["--all"]).len(), 1, "made again from the runs");
    assert!(sandbox.path(".gates/history.damaged-1").exists());
}

#[test]
fn a_damaged_bunch_of_names_is_told_with_a_way_out() {
    let sandbox = flaky();
    sandbox.run(&["gate", "p", "--runs", "2"]);
    let file = sandbox.path(".gates/history.sqlite");
    let connection = rusqlite::Connection::open(&file).expect("opened");
    assert_eq!(connection.execute("UPDATE bunch SET names = x'0500000050666f75720a'", []).expect("changed"), 1);
    drop(connection);
    sandbox.run(&["flakes", "--all"]).says("history.sqlite is damaged").says("hint: move it away").exits(3);
    std::fs::remove_file(&file).expect("moved away");
    assert_eq!(flakes(&sandbox, &["--all"]).len(), 3, "made again from the runs");
}

fn names() -> Vec<String> {
    (0..100).map(|case| format!("case {case}")).collect()
}

/// A lesson of one gate with a hundred cases, some red.
fn lesson(number: u32, names: &[String]) -> Lesson<'_> {
    let names = names.iter().map(String::as_str).collect();
    let cause = Cause { print: 7, category: Category::Timeout, rule: "r".to_owned(), message: "late".to_owned() };
    let red = |case: &u32| (number + case).is_multiple_of(7);
    let results =
        (0..10).filter(red).map(|case| ResultLesson { case: format!("case {case}"), outcome: Outcome::Failed, attempts: 0, cause: Some(cause.clone()) });
    let iteration = IterationLesson { number: 1, took: 5, whole: true, inventory: "same".to_owned(), names, results: results.collect() };
    Lesson {
        run: format!("run-{number:05}"),
        wall: format!("2026-01-01T00:{:02}:{:02}Z", number / 60 % 60, number % 60),
        commit: "c".to_owned(),
        code: format!("code {}", number / 3),
        gates: vec![GateLesson { gate: "g".to_owned(), owner: "me".to_owned(), iterations: vec![iteration] }],
    }
}

fn told(store: &Store) -> Vec<String> {
    store
        .tally()
        .expect("a tally")
        .iter()
        .map(|case| format!("{} {}/{} {:?} {}", case.case, case.red, case.executions, case.standing.state, case.standing.recent))
        .collect()
}

#[test]
fn order_of_arrival_does_not_matter() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut straight = Store::open(&folder.path().join("a.sqlite")).expect("opened");
    let mut mixed = Store::open(&folder.path().join("b.sqlite")).expect("opened");
    for number in 0..60 {
        assert!(straight.learn(&lesson(number, &names())).expect("learned"));
        assert!(mixed.learn(&lesson(number * 7 % 60, &names())).expect("learned"));
    }
    assert!(!mixed.learn(&lesson(3, &names())).expect("known"), "a run is taken in once");
    assert_eq!(told(&straight), told(&mixed));
    let red: u32 = straight.tally().expect("a tally").iter().map(|case| case.red).sum();
    let planted = (0..60_u32).map(|number| (0..10).filter(|case| (number + case) % 7 == 0).count() as u32).sum::<u32>();
    assert_eq!(red, planted);
    assert!(straight.tally().expect("a tally").iter().filter(|case| case.red == 0).all(|case| case.standing.state == State::Stable && case.executions == 60));
}

#[test]
fn two_writers_lose_nothing() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let file = folder.path().join("history.sqlite");
    let writer = |from: u32| {
        let file = file.clone();
        std::thread::spawn(move || {
            let mut store = Store::open(&file).expect("opened");
            (from..from + 60).for_each(|number| assert!(store.learn(&lesson(number, &names())).expect("learned")));
        })
    };
    let writers = [writer(0), writer(1000), writer(2000)];
    for writer in writers {
        writer.join().expect("a writer");
    }
    let store = Store::open(&file).expect("opened");
    assert_eq!(store.runs().expect("runs").len(), 180);
    assert!(store.tally().expect("a tally").iter().all(|case| case.executions == 180));
}

#[test]
fn a_new_history_is_made_once_by_whoever_comes_first() {
    for _ in 0..50 {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("history.sqlite");
        let start = std::sync::Arc::new(std::sync::Barrier::new(6));
        let openers = [(); 6].map(|()| {
            let (file, start) = (file.clone(), start.clone());
            std::thread::spawn(move || {
                start.wait();
                Store::open(&file).and_then(|store| store.runs()).map_err(|cause| cause.to_string())
            })
        });
        for opener in openers {
            assert_eq!(opener.join().expect("no panic"), Ok(std::collections::BTreeSet::new()));
        }
    }
}

/// Twenty cases that come, go, come back, fail and are skipped, against a list of all executions.
#[test]
fn cases_that_come_and_go_are_counted_as_a_plain_list_counts_them() {
    let names = names();
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut store = Store::open(&folder.path().join("a.sqlite")).expect("opened");
        let mut there = vec![false; 20];
        let mut plain = BTreeMap::<usize, (u32, u32)>::new();
        for number in 0..25 {
            for here in &mut there {
                *here ^= random.u32(..6) == 0;
            }
            let whole = random.u32(..4) > 0;
            let mut results = Vec::new();
            for case in (0..20).filter(|case| there[*case]) {
                let outcome = match random.u32(..12) {
                    0 => Outcome::Failed,
                    1 => Outcome::Skipped,
                    _ => Outcome::Passed,
                };
                let told = plain.entry(case).or_default();
                told.0 += u32::from(outcome.is_red() || whole && outcome == Outcome::Passed);
                told.1 += u32::from(outcome.is_red());
                if outcome != Outcome::Passed {
                    results.push(ResultLesson { case: names[case].clone(), outcome, attempts: 0, cause: None });
                }
            }
            let names: Vec<&str> = (0..20).filter(|case| there[*case]).map(|case| names[case].as_str()).collect();
            let inventory = names.join(",");
            let iteration = IterationLesson { number: 1, took: 5, whole, inventory, names, results };
            let gates = vec![GateLesson { gate: "g".to_owned(), owner: "me".to_owned(), iterations: vec![iteration] }];
            let wall = format!("2026-01-01T00:00:{number:02}Z");
            store.learn(&Lesson { run: format!("run-{number:05}"), wall, commit: "c".to_owned(), code: "code".to_owned(), gates }).expect("learned");
        }
        let counted = |store: &Store| store.tally().expect("a tally").into_iter().map(|case| (case.case, (case.executions, case.red))).collect();
        let found: BTreeMap<String, (u32, u32)> = counted(&store);
        let plain = plain.into_iter().filter(|(_, told)| told.0 > 0).map(|(case, told)| (names[case].clone(), told)).collect();
        assert_eq!(found, plain, "seed {seed}");
        let mut copy = Store::open(&folder.path().join("b.sqlite")).expect("opened");
        let export = store.export().expect("exported");
        for lesson in export.lessons().expect("whole") {
            copy.learn(&lesson).expect("learned");
        }
        assert_eq!(counted(&copy), plain, "seed {seed}, carried over");
    }
}

fn import_file(sandbox: &Sandbox, count: u32) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut store = Store::open(&folder.path().join("history.sqlite")).expect("opened");
    (0..count).for_each(|number| assert!(store.learn(&lesson(number, &names())).expect("learned")));
    sandbox.write("import.json", &serde_json::to_string(&store.export().expect("exported")).expect("JSON"));
}

#[test]
fn a_killed_import_leaves_whole_runs_and_can_be_repeated() {
    let sandbox = flaky();
    import_file(&sandbox, 400);
    let file = sandbox.path(".gates/history.sqlite");
    let runs = |file: &Path| Store::open(file).and_then(|store| store.runs()).map_or(0, |runs| runs.len());
    for round in 0..5 {
        let mut import = sandbox.command(&["history", "import", "import.json"]).stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("it starts");
        let (seen, wanted) = (file.clone(), round * 20 + 5);
        within("some runs", move || {
            while runs(&seen) < wanted {
                std::thread::yield_now();
            }
        });
        import.kill().ok(); // it may be over already
        end_of(import);
        let store = Store::open(&file).expect("opened");
        let known = store.runs().expect("runs").len() as u32;
        let tally = store.tally().expect("a tally");
        assert!(tally.iter().all(|case| case.executions == known), "round {round}: whole runs only");
        let connection = rusqlite::Connection::open(&file).expect("opened");
        let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
        assert_eq!(check, "ok");
    }
    sandbox.run(&["history", "import", "import.json"]).exits(0);
    assert_eq!(runs(&file), 400);
}

/// A disk of two MiB: the verdict stays, the history says what it could not do, and what was in it is whole.
#[test]
fn a_full_disk_keeps_what_was_learned() {
    let unshare = crate::support::tool("unshare", "util-linux");
    let sandbox = flaky();
    import_file(&sandbox, 3000);
    let script = format!(
        "mkdir -p .gates && mount -t tmpfs -o size=600k none .gates && {0} history import import.json; echo \"exit $?\"; cat .gates/* > /dev/null; {0} flakes --json --all; echo \"exit $?\"",
        env!("CARGO_BIN_EXE_xtask")
    );
    let output = Command::new(unshare).args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]).current_dir(sandbox.root()).output();
    let output = output.expect("unshare starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(stderr.contains("disk is full"), "this test needs mounts in a user namespace (or root)\n{stdout}\n{stderr}");
    let first = stdout.lines().next().unwrap_or_default();
    assert_ne!(first, "exit 0", "{stdout}\n{stderr}");
    assert!(!stderr.contains("damaged"), "{stderr}");
}
