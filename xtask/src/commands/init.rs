//! `init`: a first gates.toml for a repository, and what is still missing for it to pass.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use xshell::{Shell, cmd};

use super::{ambient, caller, check_specs, print, program, say};
use crate::cli::Place;
use crate::config;
use crate::init::{self, Draft, Tree};
use crate::model::Exit;
use crate::pins::probe::Probes;
use crate::pins::{self, Ambient};
use crate::rundir::{GatesDir, write_atomic};
use crate::text::plural;

/// Files of a repository that are looked at.
const MOST: usize = 200_000;

pub(super) fn run(place: &Place, check: bool) -> anyhow::Result<Exit> {
    let here = std::env::current_dir().context("failed to read the working folder")?;
    let root = place.directory.as_ref().map_or_else(|| here.clone(), |folder| here.join(folder));
    let root = root.canonicalize().with_context(|| format!("failed to find `{}`", root.display()))?;
    let file = root.join("gates.toml");
    let ambient = ambient();
    let name = program(&ambient);
    if file.exists() && !check {
        say(&format!(
            "error: {} is there already\n  hint: `{name} init --check` shows what would be written; `{name} help config` has every key",
            file.display()
        ));
        return Ok(Exit::Usage);
    }
    let read = |name: &str| std::fs::read_to_string(root.join(name)).ok();
    let tree = Tree { files: files(&root).into_iter().collect(), read: &read, versions: versions(&root) };
    let draft = init::draft(&tree);
    if !draft.gates.iter().any(|gate| gate.active) {
        for note in &draft.notes {
            say(&format!("note: {note}"));
        }
        say(&format!(
            "error: nothing that can be gated was found in {}\n  hint: looked for Python, Node.js, Rust and Go projects with tests; docs/recipes.md has gates to begin with",
            root.display()
        ));
        return Ok(Exit::Nothing);
    }
    let text = draft.text();
    if check {
        print(text.trim_end());
        for (pin, text) in &draft.pins {
            print(&format!("\n# {pin}\n{}", text.trim_end()));
        }
    } else {
        for (pin, text) in &draft.pins {
            write_atomic(&root.join(pin), text.as_bytes()).with_context(|| format!("failed to write {pin}"))?;
            say(&format!("wrote {pin} with the version of this machine: {}", text.trim().replace('\n', " ")));
        }
        write_atomic(&file, text.as_bytes()).context("failed to write gates.toml")?;
        GatesDir::new(&root).ignore().context("failed to write .gates/.gitignore")?;
        say(&format!("wrote gates.toml: {}", plural(draft.gates.iter().filter(|gate| gate.active).count() as u64, "gate")));
    }
    let exit = missing(&root, &draft, &text, check, &ambient)?;
    say(&format!("next: {name} gate phase1"));
    Ok(exit)
}

/// What the person must know or bring, each with its way out.
fn missing(root: &Path, draft: &Draft, text: &str, check: bool, ambient: &Ambient) -> anyhow::Result<Exit> {
    for note in &draft.notes {
        say(&format!("note: {note}"));
    }
    let later: Vec<&str> = draft.gates.iter().filter(|gate| !gate.active).map(|gate| gate.id.as_str()).collect();
    if !later.is_empty() {
        say(&format!("note: written as comments, with what they need: {}", later.join(", ")));
    }
    for folder in unignored(root, draft) {
        say(&format!(
            "note: git does not ignore {folder}/: a run that makes it changes the source, and then stands for no phase\n  hint: echo '{folder}/' >> .gitignore"
        ));
    }
    let specs = check_specs();
    // With --check the pin files may not be there yet.
    let caller = config::Caller { elsewhere: check, ..caller(&specs, ambient) };
    let config = match config::parse(root, "gates.toml", text, caller) {
        Ok(config) => config,
        Err(problems) => anyhow::bail!(
            "the draft is not valid, which is a fault of this program: {}",
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        ),
    };
    let path = ambient.get("PATH").map(String::as_str).unwrap_or_default();
    let mut exit = Exit::Pass;
    for tool in draft.tools.iter().filter(|tool| which::which_in(tool, Some(path), root).is_err()) {
        say(&format!("missing: `{tool}` is not on this machine"));
        exit = Exit::Environment;
    }
    if !check {
        let mut probes = Probes::load(GatesDir::new(root).cache("probes.json"));
        for runtime in config.runtimes.values() {
            if let Err(why) = pins::find(root, runtime, runtime.policy, ambient, &mut probes) {
                say(&format!("missing: {why}"));
                exit = Exit::Environment;
            }
        }
        probes.save();
    }
    Ok(exit)
}

/// Folders that set-ups and tools fill, and that git would take for source.
fn unignored(root: &Path, draft: &Draft) -> Vec<String> {
    let Ok(shell) = Shell::new() else { return Vec::new() };
    shell.change_dir(root);
    let bins = draft.runtimes.iter().flat_map(|runtime| runtime.bin.iter());
    let made = bins.filter_map(|bin| bin.strip_suffix("/bin").or_else(|| bin.strip_suffix("/.bin"))).map(str::to_owned);
    let target = draft.runtimes.iter().any(|runtime| runtime.kind == "rust").then(|| "target".to_owned());
    let taken = |folder: &String| {
        let inside = format!("{folder}/x");
        let asked = cmd!(shell, "git check-ignore -q {inside}").quiet().ignore_status().ignore_stderr().output();
        asked.is_ok_and(|output| output.status.code() == Some(1))
    };
    made.chain(target).filter(taken).collect()
}

/// Files that git knows or would take, else all files.
fn files(root: &Path) -> Vec<String> {
    let listed = Shell::new().ok().and_then(|shell| {
        shell.change_dir(root);
        cmd!(shell, "git ls-files --cached --others --exclude-standard -z").quiet().ignore_stderr().read().ok()
    });
    if let Some(listed) = listed.filter(|listed| !listed.is_empty()) {
        return listed.split('\0').filter(|name| !name.is_empty() && root.join(name).is_file()).take(MOST).map(str::to_owned).collect();
    }
    let skip =
        |entry: &walkdir::DirEntry| entry.depth() == 0 || ![".git", "node_modules", ".venv", "target"].contains(&entry.file_name().to_string_lossy().as_ref());
    let walk = walkdir::WalkDir::new(root).max_depth(8).into_iter().filter_entry(skip).flatten();
    let inside = |path: PathBuf| Some(path.strip_prefix(root).ok()?.to_str()?.replace('\\', "/"));
    walk.filter(|entry| entry.file_type().is_file()).take(MOST).filter_map(|entry| inside(entry.into_path())).collect()
}

/// Versions of interpreters that PATH leads to.
fn versions(root: &Path) -> BTreeMap<&'static str, String> {
    let asked = [("python", "python3"), ("node", "node"), ("rust", "rustc")];
    let version = |program: &str| {
        let shell = Shell::new().ok()?;
        shell.change_dir(root);
        let said = cmd!(shell, "{program} --version").quiet().ignore_stderr().read().ok()?;
        said.split_whitespace().find_map(|word| {
            let word = word.trim_start_matches('v');
            (word.split('.').count() == 3 && word.split('.').all(|part| !part.is_empty() && part.chars().all(|sign| sign.is_ascii_digit())))
                .then(|| word.to_owned())
        })
    };
    asked.into_iter().filter_map(|(kind, program)| Some((kind, version(program)?))).collect()
}
