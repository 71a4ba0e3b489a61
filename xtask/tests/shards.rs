//! Plans for several machines: what each shard runs, which deliveries count, and that the merged run is the unsharded one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;

use crate::support::Sandbox;
use xtask::model::{Outcome, Part};
use xtask::plan::shard::{PlannedShard, ShardPlan};

/// Cases of a gate, split by their number; those that the file `red` names fail, and only in the first iteration those in `flaky`.
const SUITE: &str = r#"#!/bin/sh
{
echo '<testsuites><testsuite name="s">'
i=0
while [ $i -lt $4 ]; do
  if [ $((i % $3 + 1)) = $2 ]; then
    if grep -qx "$5 $i" red || { [ "$GATE_ITERATION" = 1 ] && grep -qx "$5 $i" flaky; }; then
      echo "<testcase classname='s' name='case $i'><failure message='no $i'/></testcase>"; bad=1
    else
      echo "<testcase classname='s' name='case $i'/>"
    fi
  fi
  i=$((i+1))
done
echo '</testsuite></testsuites>'
} > "$1"
[ -z "$bad" ]
"#;

pub(crate) const GATES: &str = r#"
schema = 1
[phase.early]
gates = ["e"]
[phase.p]
requires = ["early"]
gates = ["t", "a", "b", "c"]
[phase.p.criteria.flaky]
max = 0
over = 2
[gate.e]
owner = "me"
run = ["sh", "suite.sh", "{junit}", "1", "1", "2", "e"]
[gate.t]
owner = "me"
run = ["sh", "suite.sh", "{junit}", "{shard.index}", "{shard.total}", "9", "t"]
shards = 3
expect = { min-tests = 9, cases = [{ match = "s::case*", min = 9 }] }
[gate.a]
owner = "me"
run = ["sh", "suite.sh", "{junit}", "1", "1", "2", "a"]
[gate.b]
owner = "me"
needs = ["a"]
run = ["sh", "suite.sh", "{junit}", "1", "1", "3", "b"]
[gate.c]
owner = "me"
run = ["true"]
"#;

/// Where a run lies, and where a merge is to look.
pub(crate) const UP: &str = ".gates/up";
const PLAN: &str = ".gates/plan.json";

pub(crate) fn repository(gates: &str, red: &str, flaky: &str) -> Sandbox {
    let sandbox = Sandbox::new(gates);
    sandbox.write("suite.sh", SUITE);
    sandbox.write("red", red);
    sandbox.write("flaky", flaky);
    sandbox.commit();
    sandbox
}

pub(crate) fn plan(sandbox: &Sandbox, args: &[&str]) -> ShardPlan {
    sandbox.run(&[&["plan", "p", "--out", PLAN, "--format", "json"], args].concat()).exits(0);
    ShardPlan::parse(&std::fs::read(sandbox.path(PLAN)).expect("written")).expect("a plan")
}

/// Runs a shard, and puts what it left where the merge looks.
pub(crate) fn deliver(sandbox: &Sandbox, shard: &str, attempt: &str) -> PathBuf {
    sandbox.run(&["gate", "--shard", shard, "--plan", PLAN, "--attempt", attempt]);
    let run = std::fs::canonicalize(sandbox.path(".gates/runs/latest")).expect("a run");
    let to = sandbox.path(UP).join(format!("{shard}-{attempt}")).join(run.file_name().expect("an id"));
    copy(&run, &to);
    to
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    for entry in walkdir::WalkDir::new(from).into_iter().flatten().filter(|entry| entry.file_type().is_file()) {
        let target = to.join(entry.path().strip_prefix(from).expect("inside"));
        std::fs::create_dir_all(target.parent().expect("a folder")).expect("made");
        std::fs::copy(entry.path(), target).expect("copied");
    }
}

pub(crate) fn merge(sandbox: &Sandbox) -> crate::support::Transcript {
    sandbox.run(&["merge", "--plan", PLAN, UP])
}

/// Everything that a verdict says: cases with outcomes, verdicts and labels of gates, phases.
fn said(sandbox: &Sandbox) -> (BTreeMap<String, Outcome>, Vec<String>) {
    let (_, _, cases) = sandbox.junit();
    let report = sandbox.report();
    let gate = |gate: &serde_json::Value| {
        let mut cases: Vec<String> = gate["not_stable"].as_array().expect("cases").iter().map(ToString::to_string).collect();
        cases.sort();
        format!("{} {} {} {} {cases:?}", gate["id"], gate["verdict"], gate["label"], gate["passed"])
    };
    let phase = |phase: &serde_json::Value| format!("{} {} {}", phase["id"], phase["verdict"], phase["criteria"]);
    let gates = report["gates"].as_array().expect("gates").iter().map(gate);
    let phases = report["phases"].as_array().expect("phases").iter().map(phase);
    (cases.into_iter().map(|case| (format!("{} {}", case.suites.join("/"), case.name), case.outcome)).collect(), gates.chain(phases).collect())
}

#[test]
fn the_merged_run_says_what_the_unsharded_one_says() {
    let worlds = [("", ""), ("t 4\n", ""), ("", "t 2\nt 3\nb 1\n"), ("a 1\n", "c 1\n"), ("t 0\nt 1\nt 2\n", ""), ("e 1\n", "")];
    for (world, (red, flaky)) in worlds.into_iter().enumerate() {
        let sandbox = repository(GATES, red, flaky);
        let whole = sandbox.run(&["gate", "p", "--runs", "2"]);
        let mut wanted = said(&sandbox);
        if red.contains('e') {
            // Behind a red phase nothing else starts here; on other machines it has run meanwhile, and its phase is not green either.
            wanted.0.retain(|name, _| name.starts_with("e "));
            wanted.1.retain(|line| line.starts_with("\"e\"") || line.starts_with("\"early\""));
        }
        for machines in 1..=4 {
            let plan = plan(&sandbox, &["--runs", "2", "--shards", &machines.to_string()]);
            std::fs::remove_dir_all(sandbox.path(UP)).ok();
            for shard in &plan.shards {
                deliver(&sandbox, &shard.id, "1");
            }
            let merged = merge(&sandbox).exits(whole.code);
            let mut got = said(&sandbox);
            if red.contains('e') {
                assert!(got.1.iter().any(|line| line.starts_with("\"p\" \"skipped\"")), "{:?}", got.1);
                got.0.retain(|name, _| name.starts_with("e "));
                got.1.retain(|line| line.starts_with("\"e\"") || line.starts_with("\"early\""));
            }
            assert_eq!(got, wanted, "world {world} on {machines} machines\n{merged}");
        }
    }
}

/// Whoever runs what: any partition of the gates, and of the cases of the one that can be split, says the same.
#[test]
fn every_partition_says_the_same() {
    let mut seed = 11_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let sandbox = repository(GATES, "t 4\n", "b 1\nt 7\n");
    let whole = sandbox.run(&["gate", "p", "--runs", "2"]);
    let wanted = said(&sandbox);
    for round in 0..8 {
        let plan = plan(&sandbox, &["--runs", "2", "--shards", "1"]);
        let machines = 1 + random(5);
        let mut shards: Vec<PlannedShard> = (1..=machines).map(|number| PlannedShard { id: number.to_string(), ..PlannedShard::default() }).collect();
        for gate in ["e", "a", "b", "c"] {
            let own = &mut shards[random(machines)];
            own.gates.insert(gate.to_owned(), Part::WHOLE);
            if gate == "b" {
                own.also.insert("a".to_owned());
            }
        }
        let total = 1 + random(machines.min(3)) as u32;
        let mut free: Vec<usize> = (0..machines).collect();
        for index in 1..=total {
            let at = free.swap_remove(random(free.len()));
            shards[at].gates.insert("t".to_owned(), Part { index, total });
        }
        for shard in &mut shards {
            shard.also.retain(|gate| !shard.gates.contains_key(gate));
        }
        shards.retain(|shard| !shard.gates.is_empty());
        let plan = ShardPlan { shards, ..plan }.sealed();
        sandbox.write(PLAN, &serde_json::to_string(&plan).expect("JSON"));
        std::fs::remove_dir_all(sandbox.path(UP)).ok();
        for shard in &plan.shards {
            deliver(&sandbox, &shard.id, "1");
        }
        merge(&sandbox).exits(whole.code);
        assert_eq!(said(&sandbox), wanted, "round {round}: {:?}", plan.shards);
    }
}

#[test]
fn what_is_delivered_wrong_is_refused_by_name() {
    let sandbox = repository(GATES, "", "");
    let plan_of = |args: &[&str]| plan(&sandbox, args);
    let shards = plan_of(&["--shards", "3"]);
    assert_eq!(shards.shards.len(), 3);
    merge_of_nothing(&sandbox);
    for id in ["1", "2"] {
        deliver(&sandbox, id, "1");
    }
    merge(&sandbox).exits(70).says("shard 3: nothing was delivered for it").says("BROKEN p");
    let missing = sandbox.junit().2;
    assert!(missing.iter().any(|case| case.name == "shard 3" && case.outcome == Outcome::Error));

    let third = deliver(&sandbox, "3", "1");
    merge(&sandbox).exits(0).says("PASS p");
    let green = said(&sandbox);

    // The same thing twice is one thing.
    copy(&third, &sandbox.path(UP).join("again").join(third.file_name().expect("an id")));
    merge(&sandbox).exits(0).says("was delivered twice, and counts once");
    assert_eq!(said(&sandbox), green);

    // Two different runs of one attempt: nobody knows which.
    std::fs::remove_dir_all(sandbox.path(UP).join("again")).expect("there");
    let other = deliver(&sandbox, "3", "1");
    merge(&sandbox).exits(70).says("both say that they are attempt 1 of it");
    std::fs::remove_dir_all(&other).expect("there");
    merge(&sandbox).exits(0);

    // A journal that is cut.
    let journal = third.join("events.jsonl");
    let text = std::fs::read(&journal).expect("there");
    std::fs::write(&journal, &text[..text.len() / 2]).expect("written");
    merge(&sandbox).exits(70).says("was cut before its end");
    std::fs::write(&journal, &text).expect("written");
    // A report that is cut.
    let report = sandbox
        .files(UP)
        .into_iter()
        .find(|file| file.starts_with(&third) && file.parent().is_some_and(|folder| folder.ends_with("t.1")))
        .expect("t has a part there");
    let whole = std::fs::read(&report).expect("there");
    std::fs::write(&report, &whole[..whole.len() / 2]).expect("written");
    merge(&sandbox).exits(70).says("was changed after the run");
    std::fs::write(&report, &whole).expect("written");
    merge(&sandbox).exits(0);

    // A journal that takes a result from another run: no shard does that by itself.
    std::fs::write(&journal, with_reuse(&text)).expect("written");
    merge(&sandbox).exits(70).says("shard 3").says("took results from another run, which no shard does");
    std::fs::write(&journal, &text).expect("written");
    merge(&sandbox).exits(0);

    // Another plan, another commit.
    let again = plan_of(&["--shards", "2"]);
    assert_ne!(again.digest, shards.digest);
    merge(&sandbox).exits(70).says("is of plan").says(&shards.digest[..8]);
    sandbox.write("more", "x");
    merge(&sandbox).exits(2).says("with changes that are not committed").says("hint: check out the same commit");
    sandbox.run(&["gate", "--shard", "1", "--plan", PLAN]).exits(2).says("the plan is of");
    sandbox.commit();
    sandbox.run(&["gate", "--shard", "1", "--plan", PLAN]).exits(2).says("the plan is of");
}

/// A journal with one event more before its end.
fn with_reuse(journal: &[u8]) -> String {
    let text = String::from_utf8_lossy(journal);
    let mut events: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
    let job = events.iter().find_map(|event| event["kind"]["JobStarted"].get("job")).expect("a job started").clone();
    let reused = json!({ "job": job, "run": "other", "wall": "2026-01-01T00:00:00Z", "commit": null, "dirty": false, "fingerprint": "f" });
    let place = events.len() - 1;
    events.insert(place, json!({ "seq": place, "at": 0, "kind": { "JobReused": reused } }));
    events[place + 1]["seq"] = json!(place + 1);
    events.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n") + "\n"
}

fn merge_of_nothing(sandbox: &Sandbox) {
    std::fs::create_dir_all(sandbox.path(UP)).expect("made");
    merge(sandbox).exits(70).says("shard 1: nothing was delivered").says("shard 2: nothing").says("shard 3: nothing");
    sandbox.run(&["gate", "--shard", "9", "--plan", PLAN]).exits(2).says("the plan has no shard `9`").says("hint: it has 1, 2, 3");
    sandbox.run(&["gate", "p", "--shard", "1", "--plan", PLAN]).exits(2).says("cannot be used with");
    let text = sandbox.read(PLAN).replace("\"profile\": \"local\"", "\"profile\": \"ci\"");
    sandbox.write(".gates/forged.json", &text);
    sandbox.run(&["gate", "--shard", "1", "--plan", ".gates/forged.json"]).exits(2).says("it was changed after it was made");
}

#[test]
fn the_newest_attempt_counts_and_the_history_knows_all() {
    // `late` turns red when the file is there, which is ignored by git: the same code, another result.
    let gates = "schema = 1\n[phase.p]\ngates = ['late', 'other']\n[gate.late]\nowner = 'me'\nshell = 'test ! -e .gates/storm'\n[gate.other]\nowner = 'me'\nrun = ['true']\n";
    let sandbox = repository(gates, "", "");
    let shards = plan(&sandbox, &["--shards", "2"]);
    let late = shards.shards.iter().find(|shard| shard.gates.contains_key("late")).expect("there").id.clone();
    let other = if late == "1" { "2" } else { "1" };
    sandbox.write(".gates/storm", "");
    deliver(&sandbox, &late, "1");
    deliver(&sandbox, other, "1");
    merge(&sandbox).exits(1).says("FAIL late");
    std::fs::remove_dir_all(sandbox.path(".gates/runs")).expect("there");
    std::fs::remove_file(sandbox.path(".gates/history.sqlite")).expect("there");
    std::fs::remove_file(sandbox.path(".gates/storm")).expect("there");
    deliver(&sandbox, &late, "2");
    merge(&sandbox).exits(0).says("PASS p").says("attempt 1").says("does not count here, not green: late");
    assert!(sandbox.read(".gates/runs/latest/summary.md").contains("attempt 1 was not green: late"));
    let flakes = sandbox.run(&["flakes", "--json", "--all"]).exits(0);
    let known: serde_json::Value = serde_json::from_str(&flakes.stdout).expect("JSON");
    let text = known.to_string();
    assert!(text.contains("\"late\"") && text.contains("\"red\":1") && text.contains("\"executions\":2"), "{text}");
}

#[test]
fn a_plan_without_work_has_one_row_and_is_never_green() {
    let sandbox = repository("schema = 1\n[phase.p]\ngates = ['a']\n[gate.a]\nowner = 'me'\nrun = ['true']\n", "", "");
    let told = sandbox.run(&["plan", "p", "--skip", "a", "--shards", "auto", "--format", "github-matrix", "--out", PLAN]).exits(0);
    assert_eq!(told.stdout.trim(), "{\"shard\":[\"none\"]}");
    sandbox.run(&["gate", "--shard", "none", "--plan", PLAN]).exits(4).says("the plan has no work: 1 gate left out");
    std::fs::create_dir_all(sandbox.path(UP)).expect("made");
    merge(&sandbox).exits(4);
    sandbox.run(&["plan", "p", "--format", "github-matrix"]).exits(2).says("hint: --shards auto");
}

#[test]
fn machines_are_filled_by_the_times_of_earlier_runs() {
    let gate = |id: &str, seconds: &str| format!("[gate.{id}]\nowner = 'me'\nshell = 'sleep {seconds}'\n");
    let gates = ["a", "b", "c", "d"].map(|id| gate(id, if id == "d" { "1.2" } else { "0.1" })).concat();
    let sandbox = repository(&format!("schema = 1\n[phase.p]\ngates = ['a', 'b', 'c', 'd']\n{gates}"), "", "");
    let alone = |plan: &ShardPlan| plan.shards.iter().any(|shard| shard.gates.len() == 1 && shard.gates.contains_key("d"));
    assert!(!alone(&plan(&sandbox, &["--shards", "2"])), "nothing is known yet");
    sandbox.run(&["gate", "p"]).exits(0);
    assert!(alone(&plan(&sandbox, &["--shards", "2"])));
    // Another machine knows nothing but what is brought to it.
    let export = sandbox.run(&["history", "export"]).exits(0).stdout;
    let fresh = repository(&sandbox.read("gates.toml"), "", "");
    fresh.write(".gates/history.json", &export);
    fresh.run(&["history", "import", ".gates/history.json"]).exits(0);
    assert!(alone(&plan(&fresh, &["--shards", "2"])));
}
