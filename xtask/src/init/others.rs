//! Rust, Go, compose files; and pin files that are not there yet.

use super::draft::{Draft, Gate, Runtime};
use super::{Tree, folder_of, id, join};

pub(super) fn look(tree: &Tree<'_>, draft: &mut Draft) {
    rust(tree, draft);
    for folder in tree.folders(&["go.mod"]) {
        let name = id(&folder, "go");
        let gate = |what: &str, title: &str, words: &[&str]| {
            Gate::new(format!("{name}-{what}"), title, &name, None, &folder).line("tools = [\"go\"]").line("env-pass = [\"GO*\"]").run(words)
        };
        let plain = |mut gate: Gate| {
            gate.lines.retain(|line| !line.starts_with("env-pass"));
            gate
        };
        draft.add(plain(gate("vet", "go vet finds nothing", &["go", "vet", "./..."])));
        draft.add(plain(gate("tests", "the tests pass", &["go", "test", "./..."])));
        draft.tools.push("go".to_owned());
    }
    for name in ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"] {
        if tree.has("", name) {
            let gate = Gate::new("compose-hygiene".to_owned(), "production carries nothing of development", "devops", None, "")
                .line("check = \"compose-hygiene\"")
                .line(format!("with = {{ file = \"{name}\" }}"));
            draft.add(
                gate.later(format!("It wants of {name}: health checks, restart policies, pinned images, no source mounts outside of a development profile.")),
            );
        }
    }
}

fn rust(tree: &Tree<'_>, draft: &mut Draft) {
    let mut taken: Vec<String> = Vec::new();
    for folder in tree.folders(&["Cargo.toml"]) {
        if taken.iter().any(|outer| outer.is_empty() || folder.starts_with(&format!("{outer}/"))) {
            continue; // a member of a workspace
        }
        let pin = tree.pin(&folder, &["rust-toolchain.toml"]).unwrap_or_else(|| make_pin(draft, tree, "rust", "rust-toolchain.toml"));
        let name = id(&folder, "rust");
        let runtime = draft.add_runtime(Runtime { id: name.clone(), kind: "rust", pin, ..Runtime::default() });
        let gate = |what: &str, title: &str| Gate::new(format!("{name}-{what}"), title, &name, Some(&runtime), &folder);
        if !draft.supplies.iter().any(|supply| supply.starts_with("[lock.cargo]")) {
            draft.supplies.push("[lock.cargo]                # cargo locks its folder: one at a time".to_owned());
        }
        draft.add(gate("fmt", "the code is formatted").run(&["cargo", "fmt", "--all", "--check"]));
        let tests = gate("tests", "the tests pass").line("locks = [\"cargo\"]").line("timeout = \"30m\"");
        if tree.has(&folder, ".config/nextest.toml") {
            draft.add(tests.line("tool = \"cargo-nextest\"").run(&["cargo", "nextest", "run", "--workspace", "{tool.args}"]));
        } else {
            draft.add(tests.run(&["cargo", "test", "--workspace"]));
        }
        let clippy = gate("clippy", "clippy finds nothing").line("locks = [\"cargo\"]").run(&[
            "cargo",
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]);
        draft.add(clippy.later("Clippy is a component of its own (`rustup component add clippy`), and its findings of today would be red."));
        taken.push(folder);
    }
}

/// A pin file at the root with the version that this machine has, unless it is going to be made already.
pub(super) fn make_pin(draft: &mut Draft, tree: &Tree<'_>, kind: &'static str, name: &str) -> String {
    let path = join(folder_of(name), name);
    if draft.pins.iter().any(|(known, _)| *known == path) {
        return path;
    }
    let Some(version) = tree.versions.get(kind) else {
        draft.notes.push(format!("there is no {kind} on this machine: write the version that this repository needs into {path}"));
        return path;
    };
    let text = if kind == "rust" { format!("[toolchain]\nchannel = \"{version}\"\n") } else { format!("{version}\n") };
    draft.pins.push((path.clone(), text));
    path
}
