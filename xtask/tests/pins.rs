//! Pins and interpreters for real: decoys, wrong pins, spellings of .nvmrc, set-ups that are killed or run twice at once.

use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Sandbox, end_of, read_fifo, tool};
use xtask::event::EventKind;

fn version(program: &str, args: &[&str], package: &str) -> String {
    let output = Command::new(tool(program, package)).args(args).output().expect("it answers");
    String::from_utf8_lossy(&output.stdout).trim().trim_start_matches('v').to_owned()
}

fn python() -> String {
    version("python3", &["-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"], "python3")
}

fn node() -> String {
    version("node", &["--version"], "nodejs")
}

/// A repository with a runtime of one kind whose pin holds a text, and a gate that uses it.
fn pinned(kind: &str, pin: &str, gate: &str) -> Sandbox {
    let manifest =
        format!("schema = 1\n[runtime.r]\nkind = '{kind}'\npin = 'pin'\n[phase.p]\ngates = ['g']\n[gate.g]\nowner = 'me'\nruntimes = ['r']\n{gate}\n");
    let sandbox = Sandbox::new("schema = 1\n");
    sandbox.write("pin", pin);
    sandbox.write("gates.toml", &manifest);
    sandbox
}

/// The interpreter in the journal, and what the gate's own process said of itself.
fn told(sandbox: &Sandbox) -> (String, String) {
    let found = sandbox.events().into_iter().find_map(|event| match event.kind {
        EventKind::RuntimeFound(found) => Some(found.exe),
        _ => None,
    });
    (found.expect("the journal has the interpreter"), sandbox.read(".gates/runs/latest/logs/g.1.log").trim().to_owned())
}

#[test]
fn decoys_first_on_path_are_not_spawned() {
    for (kind, pin, gate) in [
        ("python", python(), "run = ['python', '-c', 'import sys; print(sys.executable)']"),
        ("node", node(), "run = ['node', '-p', 'process.execPath']"),
        ("node", node(), "shell = 'node -p process.execPath'"),
    ] {
        let mut sandbox = pinned(kind, &pin, gate);
        for decoy in ["python", "python3", "node"] {
            sandbox.script(&format!("decoy/{decoy}"), "#!/bin/sh\necho decoy; exit 0\n");
        }
        sandbox.put_first_on_path("decoy");
        sandbox.run(&["gate", "p"]).exits(0).never_says("decoy");
        let (journal, own) = told(&sandbox);
        assert_eq!(journal, own, "{kind}");
    }
}

#[test]
fn a_virtual_environment_is_the_interpreter_of_its_gates() {
    let mut sandbox = pinned("python", &python(), "run = ['python', '-c', 'import sys; print(sys.executable)']");
    let manifest = sandbox.read("gates.toml");
    sandbox
        .write("gates.toml", &manifest.replace("pin = 'pin'", "pin = 'pin'\ninstall = [['{r.exe}', '-m', 'venv', '--clear', '.venv']]\nbin = ['.venv/bin']"));
    sandbox.script("decoy/python", "#!/bin/sh\necho decoy\n");
    sandbox.put_first_on_path("decoy");
    sandbox.run(&["gate", "p"]).exits(0);
    let (journal, own) = told(&sandbox);
    assert_eq!(journal, own);
    assert!(own.ends_with("/.venv/bin/python"), "{own}");
    // The environment vanished: the stamp goes with it.
    std::fs::remove_dir_all(sandbox.path(".venv")).expect("removed");
    sandbox.run(&["gate", "p"]).exits(0).says("Installed r");
    sandbox.run(&["gate", "p"]).exits(0).never_says("Installed r");
}

#[test]
fn a_wrong_pin_refuses_with_three_facts_and_the_command() {
    let found = node();
    let sandbox = pinned("node", "19.1.2\n", "run = ['true']");
    let transcript = sandbox.run(&["gate", "p"]).exits(3).says("pinned: 19.1.2 (pin:1, policy minor)").says("hint: ").says("19.1.2");
    assert!(transcript.stderr.contains(&found), "what was found is named\n{transcript}");
    assert!(sandbox.junit().1.errors > 0);
    sandbox.run(&["doctor"]).exits(3).says("pinned: 19.1.2");
    let manifest = sandbox.read("gates.toml");
    sandbox.write("gates.toml", &manifest.replace("pin = 'pin'", "pin = 'pin'\npolicy = 'warn'"));
    sandbox.run(&["gate", "p"]).exits(0).says("(pinned 19.1.2, policy warn)");
    sandbox.run(&["gate", "p", "--profile", "release"]).exits(3);
}

#[test]
fn nvmrc_in_every_spelling() {
    let found = node();
    let major = found.split('.').next().expect("a number");
    let codename = if major == "20" { "lts/iron" } else { major };
    for text in
        [major.to_owned(), format!("v{major}\n"), format!("{found}\n"), format!("{found}\r\n"), format!("# why\n{found} # this\n"), format!("{codename}\n")]
    {
        pinned("node", &text, "run = ['true']").run(&["gate", "p"]).exits(0);
    }
    for (text, reason) in [
        (format!("\u{feff}{found}"), "byte order mark"),
        ("LTS/Iron".to_owned(), "lower case only"),
        (format!("{major}.x"), "is a range"),
        (format!("{found}\n22\n"), "2 versions"),
        (String::new(), "names no version"),
    ] {
        pinned("node", &text, "run = ['true']").run(&["gate", "p"]).exits(3).says(reason).says("pin:");
    }
}

const SLOW_SETUP: &str = "#!/bin/sh\nset -eu\nrm -rf env\nmkdir env\necho half > env/state\nif [ -p wait ]; then echo \"$$\" > wait; cat hold > /dev/null; fi\necho whole > env/state\necho x >> count\n";

fn slow() -> Sandbox {
    let sandbox = pinned("python", &python(), "run = ['grep', '-q', 'whole', 'env/state']");
    let manifest = sandbox.read("gates.toml");
    sandbox.write("gates.toml", &manifest.replace("pin = 'pin'", "pin = 'pin'\nlockfiles = ['lock']\ninstall = [['./setup.sh']]\nbin = ['env']"));
    sandbox.write("lock", "one");
    sandbox.script("setup.sh", SLOW_SETUP);
    sandbox
}

fn count(sandbox: &Sandbox) -> usize {
    std::fs::read_to_string(sandbox.path("count")).unwrap_or_default().lines().count()
}

#[test]
fn a_set_up_that_was_killed_is_repaired() {
    for victim in ["step", "runner", "guard"] {
        let sandbox = slow();
        let wait = sandbox.fifo("wait");
        sandbox.fifo("hold");
        let run = sandbox.start(&["gate", "p"]);
        let step: i32 = read_fifo(&wait).trim().parse().expect("a pid");
        let runner = xtask::process::tree::children(run.id() as i32).first().copied().and_then(Pid::from_raw).expect("a runner");
        let target = match victim {
            "step" => Pid::from_raw(step).expect("a pid"),
            "runner" => runner,
            _ => Pid::from_child(&run),
        };
        kill_process(target, Signal::KILL).expect("sent");
        assert_ne!(end_of(run).code(), Some(0), "{victim}");
        std::fs::remove_file(sandbox.path("wait")).expect("removed");
        sandbox.run(&["gate", "p"]).exits(0).says("Installed r");
        assert_eq!(count(&sandbox), 1);
        sandbox.run(&["gate", "p"]).exits(0).never_says("Installed r");
    }
}

#[test]
fn a_set_up_runs_again_when_its_lock_file_changed() {
    let sandbox = slow();
    sandbox.run(&["gate", "p"]).exits(0);
    sandbox.run(&["gate", "p"]).exits(0);
    assert_eq!(count(&sandbox), 1);
    sandbox.write("lock", "two");
    sandbox.run(&["gate", "p"]).exits(0);
    assert_eq!(count(&sandbox), 2);
}

#[test]
fn two_runs_set_up_once_and_wait_for_each_other() {
    let sandbox = slow();
    let wait = sandbox.fifo("wait");
    let hold = sandbox.fifo("hold");
    let first = sandbox.start(&["gate", "p"]);
    read_fifo(&wait);
    let second = sandbox.start(&["gate", "p"]);
    let third = sandbox.start(&["gate", "p"]);
    std::fs::write(&hold, "go").expect("the set-up reads");
    for run in [first, second, third] {
        assert_eq!(end_of(run).code(), Some(0));
    }
    assert_eq!(count(&sandbox), 1);
}

#[test]
fn a_gate_never_spawns_an_interpreter_of_another_runtime_by_name() {
    // The pinned folder has node and no python: a gate of a node runtime may use any python; one of a python runtime may not.
    let mut sandbox = pinned("python", &python(), "run = ['true']");
    sandbox.script("only/python3", &format!("#!/bin/sh\nexec {} \"$@\"\n", tool("python3", "python3").display()));
    sandbox.script("decoy/python", "#!/bin/sh\necho decoy\n");
    sandbox.set("HOME", &sandbox.path("nohome").display().to_string());
    sandbox.set("PYENV_ROOT", "");
    let path = format!("{}:{}:/usr/bin:/bin", sandbox.path("only").display(), sandbox.path("decoy").display());
    sandbox.set("PATH", &path);
    sandbox.run(&["gate", "p"]).exits(3).says("does not belong to runtime `r`");
}

#[test]
fn cargo_xtask_leaks_nothing_of_cargo() {
    let mut sandbox = Sandbox::with_gate("shell = 'env'");
    for (name, value) in [("CARGO", "/x/cargo"), ("CARGO_PKG_NAME", "xtask"), ("RUSTUP_TOOLCHAIN", "1.0"), ("LD_LIBRARY_PATH", "/x")] {
        sandbox.set(name, value);
    }
    sandbox.run(&["gate", "p"]).exits(0);
    let log = sandbox.read(".gates/runs/latest/logs/g.1.log");
    assert!(!log.contains("CARGO_PKG") && !log.contains("RUSTUP_TOOLCHAIN") && !log.contains("LD_LIBRARY"), "{log}");
}
