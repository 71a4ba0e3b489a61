//! What a new user asks for: help, completions, pages for `man`, whether gates.toml is valid, a picture of the plan.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Sandbox, tool};

const GATES: &str = "schema = 1\n[phase.one]\ngates = ['unit']\n[phase.two]\ntitle = 'The second'\nrequires = ['one']\ngates = ['ends']\n[gate.unit]\nowner = 'me'\nrun = ['true']\n\
    [gate.ends]\nowner = 'me'\nneeds = ['unit']\nrun = ['true']\n";

#[test]
fn help_is_there_for_every_command_and_for_gates_toml() {
    let sandbox = Sandbox::new(GATES);
    sandbox.run(&["help", "gate"]).exits(0).says("Run phases or gates");
    sandbox.run(&["help", "db", "drift"]).exits(0).says("--url");
    sandbox.run(&["help", "gaet"]).exits(2).says("did you mean `gate`?");
    for (topic, file) in [("config", "docs/configuration.md"), ("checks", "docs/checks-reference.md")] {
        let reference = sandbox.run(&["help", topic]).exits(0).stdout;
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join(file);
        assert_eq!(reference, std::fs::read_to_string(committed).expect("readable"), "run: cargo xtask help {topic} > {file}");
    }
}

#[test]
fn a_file_is_validated_without_running_anything() {
    let sandbox = Sandbox::new(GATES);
    sandbox.run(&["config", "validate"]).exits(0).says("gates.toml is valid: 2 phases, 2 gates");
    sandbox.write("gates.toml", &GATES.replace("needs = ['unit']", "neds = ['unit']").replace("requires = ['one']", "requires = ['nine']"));
    sandbox.run(&["config", "validate"]).exits(2).says("did you mean `needs`?").says("2 problems");
    let told = sandbox.run(&["config", "validate", "--json"]).exits(2);
    let value: Value = serde_json::from_str(&told.stdout).expect("JSON");
    assert_eq!((value["valid"].as_bool(), value["problems"].as_array().map(Vec::len)), (Some(false), Some(2)), "{told}");
    assert!(value["problems"].as_array().expect("a list").iter().all(|one| one["line"].as_u64() > Some(0) && one["hint"] != ""), "{told}");
}

/// A real bash, with the script that the program prints.
#[test]
fn bash_completes_phases_and_gates() {
    let sandbox = Sandbox::new(GATES);
    let folder = Path::new(env!("CARGO_BIN_EXE_xtask")).parent().expect("a folder").display().to_string();
    let complete = |words: &[&str]| {
        let line = format!(
            "eval \"$(xtask completions bash 2>/dev/null)\"; COMP_WORDS=({}); COMP_CWORD={}; COMP_TYPE=9; _clap_complete_xtask xtask '{}' ''; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words.join(" "),
            words.len() - 1,
            words.last().expect("a word")
        );
        let output = Command::new(tool("bash", "bash"))
            .args(["-c", &line])
            .current_dir(sandbox.root())
            .env("PATH", format!("{folder}:{}", std::env::var("PATH").expect("a path")))
            .output()
            .expect("bash starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let all = complete(&["xtask", "gate", ""]);
    assert!(["one", "two", "unit", "ends"].iter().all(|id| all.lines().any(|line| line.trim() == *id)), "{all}");
    assert_eq!(complete(&["xtask", "plan", "tw"]).trim(), "two");
    assert_eq!(complete(&["xtask", "verif"]).trim(), "verify");
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(sandbox.run(&["completions", shell]).exits(0).stdout.contains("COMPLETE"), "{shell}");
    }
}

#[test]
fn pages_for_man_are_written_for_every_command() {
    let sandbox = Sandbox::new(GATES);
    assert!(sandbox.run(&["man"]).exits(0).stdout.contains(".SH NAME"));
    sandbox.run(&["man", "--out", "pages"]).exits(0);
    assert!(sandbox.read("pages/xtask-gate.1").contains("fail") && sandbox.files("pages").len() > 20);
}

/// Under the name that cargo looks for: `cargo xtask` in a repository that is not Rust at all.
#[test]
fn cargo_starts_it_by_its_other_name() {
    let sandbox = Sandbox::new(GATES);
    std::fs::create_dir_all(sandbox.path("bin")).expect("made");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_xtask"), sandbox.path("bin/cargo-xtask")).expect("linked");
    let path = format!("{}:{}", sandbox.path("bin").display(), std::env::var("PATH").expect("a path"));
    let cargo = |words: &[&str]| {
        let output =
            Command::new(tool("cargo", "rustup")).arg("xtask").args(words).current_dir(sandbox.root()).env("PATH", &path).output().expect("cargo starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = cargo(&["gate", "two"]);
    assert!(code == Some(0) && said.contains("PASS two"), "{said}");
    assert_eq!(cargo(&["gate", "three"]).0, Some(2));
}

#[test]
fn a_plan_is_drawn() {
    let sandbox = Sandbox::new(GATES);
    let picture = sandbox.run(&["plan", "two", "--format", "mermaid"]).exits(0).stdout;
    for line in ["flowchart LR", "  subgraph p_two[\"two\"]", "    g_ends[\"ends\"]", "  p_one --> p_two", "  g_unit --> g_ends"] {
        assert!(picture.lines().any(|one| one == line), "`{line}` is missing in {picture}");
    }
}

#[test]
fn a_report_is_opened_or_named() {
    let mut sandbox = Sandbox::new(GATES);
    sandbox.run(&["gate", "unit"]).exits(0);
    sandbox.script("bin/xdg-open", "#!/bin/sh\necho \"$1\" > opened\n");
    sandbox.put_first_on_path("bin");
    sandbox.run(&["report", "--open"]).exits(0).says("opened");
    assert!(sandbox.read("opened").trim().ends_with("report.html"));
    sandbox.script("bin/xdg-open", "#!/bin/sh\nexit 3\n");
    sandbox.run(&["report", "--open"]).exits(0).says("in a browser");
}
