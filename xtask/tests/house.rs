//! The house checks itself: layers, headers, sizes, registries, links, dependencies, fresh documents. Every finding is named, not only
//! the first.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use xtask::checks::CHECKS;
use xtask::model::Exit;
use xtask::report::FORMATS;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

/// Files that git would commit, with their paths from the root.
fn committed() -> Vec<String> {
    let shell = xshell::Shell::new().expect("a shell");
    shell.change_dir(root());
    let listed = xshell::cmd!(shell, "git ls-files --cached --others --exclude-standard").quiet().read().expect("git lists files");
    listed.lines().filter(|name| root().join(name).is_file()).map(str::to_owned).collect()
}

fn rust_files() -> Vec<String> {
    committed().into_iter().filter(|name| name.starts_with("xtask/") && Path::new(name).extension().is_some_and(|ending| ending == "rs")).collect()
}

/// Source without its unit tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

#[track_caller]
fn none(findings: &[String]) {
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

/// Room -> rooms it may use, from the table in ARCHITECTURE.md.
fn law() -> BTreeMap<String, Vec<String>> {
    let text = read(&root().join("ARCHITECTURE.md"));
    let rows = text.lines().filter(|line| line.starts_with("| ") && line.chars().nth(2).is_some_and(|c| c.is_ascii_digit()));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        (cells[2].to_owned(), cells[3].split_whitespace().map(str::to_owned).collect())
    })
    .collect()
}

fn room_of(name: &str) -> Option<String> {
    let below = name.strip_prefix("xtask/src/")?;
    let room = below.split('/').next()?.trim_end_matches(".rs");
    (!["main", "lib"].contains(&room)).then(|| room.to_owned())
}

#[test]
fn imports_follow_the_law() {
    let law = law();
    let mut findings = Vec::new();
    let mut rooms = BTreeSet::new();
    for name in rust_files().iter().filter(|name| !name.ends_with("/tests.rs")) {
        let Some(room) = room_of(name) else { continue };
        rooms.insert(room.clone());
        let Some(allowed) = law.get(&room) else {
            findings.push(format!("{name}: room `{room}` has no row in ARCHITECTURE.md"));
            continue;
        };
        let source = read(&root().join(name));
        for (number, line) in without_tests(&source).lines().enumerate() {
            for part in line.split("crate::").skip(1) {
                let used: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let good = used == room || allowed.contains(&used) || allowed == &["anything"];
                if !good {
                    findings.push(format!("{name}:{}: `{room}` may not use `{used}`", number + 1));
                }
            }
        }
    }
    findings.extend(law.keys().filter(|room| !rooms.contains(*room)).map(|room| format!("ARCHITECTURE.md: there is no room `{room}`")));
    none(&findings);
}

/// The layers order the rooms: a table in which a room uses a later one would allow a knot.
#[test]
fn the_law_itself_has_no_upward_arrow() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let layer = |room: &str| {
        let row = text.lines().find(|line| line.split('|').nth(2).is_some_and(|cell| cell.trim() == room));
        row.and_then(|row| row.split('|').nth(1)?.trim().parse::<u32>().ok())
    };
    let mut findings = Vec::new();
    for (room, allowed) in law() {
        for used in allowed.iter().filter(|used| *used != "anything") {
            if layer(used).is_none_or(|below| below > layer(&room).unwrap_or(0)) {
                findings.push(format!("`{room}` may use `{used}`, which is above it or missing"));
            }
        }
    }
    none(&findings);
}

#[test]
fn every_file_says_what_it_is() {
    let headless = |name: &&String| !name.ends_with("/tests.rs") && !read(&root().join(name)).starts_with("//!");
    none(&rust_files().iter().filter(headless).map(|name| format!("{name}: the first line is no `//!`")).collect::<Vec<_>>());
    let bad = ["util", "helper", "common", "misc", "imp", "manager", "context"];
    let vague = |name: &&String| bad.iter().any(|word| Path::new(name).file_stem().is_some_and(|stem| stem.to_string_lossy().contains(word)));
    none(&rust_files().iter().filter(vague).map(|name| format!("{name}: names no room")).collect::<Vec<_>>());
}

/// Files over 400 lines without their unit tests, each with its reason.
const LONG: &[(&str, &str)] = &[("xtask/src/junit/read.rs", "one state machine over one document; its arms are small functions")];

#[test]
fn files_are_small() {
    let mut findings = Vec::new();
    for name in rust_files().iter().filter(|name| name.starts_with("xtask/src/") && !name.ends_with("/tests.rs")) {
        let lines = without_tests(&read(&root().join(name))).lines().count();
        let excused = LONG.iter().any(|(long, _)| long == name);
        if lines > 400 && !excused {
            findings.push(format!("{name}: {lines} lines"));
        }
        if lines <= 400 && excused {
            findings.push(format!("{name}: {lines} lines need no excuse any more"));
        }
    }
    none(&findings);
}

#[test]
fn asynchrony_stays_where_processes_are() {
    let allowed = ["process", "run", "commands"];
    let mut findings = Vec::new();
    for name in rust_files().iter().filter(|name| room_of(name).is_some_and(|room| !allowed.contains(&room.as_str()))) {
        let source = read(&root().join(name));
        if without_tests(&source).lines().any(|line| line.contains("async ") && !line.trim_start().starts_with("//")) {
            findings.push(format!("{name}: async"));
        }
    }
    none(&findings);
}

/// Names of the files of a folder, without `mod` and `tests`.
fn files_of(folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(folder)).expect("a folder of ours").flatten();
    let stems = entries.map(|entry| entry.path().file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default());
    stems.filter(|stem| !["mod", "tests"].contains(&stem.as_str())).collect()
}

#[test]
fn registries_hold_every_file() {
    let checks: BTreeSet<String> = CHECKS.iter().map(|check| check.spec.name.replace('-', "_")).collect();
    assert_eq!(checks, files_of("xtask/src/checks"));
    assert!(CHECKS.iter().all(|check| !check.doc.is_empty() && check.spec.keys.iter().all(|key| !key.doc.is_empty())));
    let mut formats: BTreeSet<String> = FORMATS.iter().map(|format| format.name.to_owned()).collect();
    formats.extend(["cases", "timeline"].map(str::to_owned));
    assert_eq!(formats, files_of("xtask/src/report"));
    let sorted = |names: Vec<&str>| names.windows(2).all(|pair| pair[0] < pair[1]);
    assert!(sorted(FORMATS.iter().map(|format| format.name).collect()) && sorted(CHECKS.iter().map(|check| check.spec.name).collect()));
    for folder in ["commands", "config", "evidence", "junit", "pins", "plan", "process", "run", "signoff", "ui"] {
        let module = read(&root().join(format!("xtask/src/{folder}/mod.rs")));
        let missing: Vec<String> = files_of(&format!("xtask/src/{folder}")).into_iter().filter(|file| !module.contains(&format!("mod {file};"))).collect();
        none(&missing);
    }
    let main = read(&root().join("xtask/tests/main.rs"));
    let forgotten: Vec<String> = files_of("xtask/tests")
        .into_iter()
        .filter(|file| {
            !["main", "corpus", "engine", "workflow", "actions", "envelope", "fixtures"].contains(&file.as_str()) && !main.contains(&format!("mod {file};"))
        })
        .collect();
    none(&forgotten);
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut findings = Vec::new();
    for name in committed().iter().filter(|name| Path::new(name).extension().is_some_and(|ending| ending == "md")) {
        let text = read(&root().join(name));
        let folder = root().join(name).parent().expect("in a folder").to_owned();
        for (number, line) in text.lines().enumerate() {
            for target in line.split("](").skip(1).filter_map(|part| part.split(')').next()) {
                let file = target.split('#').next().unwrap_or_default();
                if !file.is_empty() && !file.contains("://") && !folder.join(file).exists() {
                    findings.push(format!("{name}:{}: {target}", number + 1));
                }
            }
            for word in line.split('`').skip(1).step_by(2).filter(|word| word.starts_with("xtask/") && !word.contains([' ', '*', '<'])) {
                if !root().join(word).exists() {
                    findings.push(format!("{name}:{}: `{word}`", number + 1));
                }
            }
        }
    }
    none(&findings);
}

#[test]
fn the_missions_crates_do_their_jobs() {
    let shell = xshell::Shell::new().expect("a shell");
    shell.change_dir(root());
    let metadata = xshell::cmd!(shell, "cargo metadata --no-deps --format-version 1 --offline").quiet().ignore_stderr().read().expect("cargo metadata");
    let metadata: serde_json::Value = serde_json::from_str(&metadata).expect("JSON");
    let package = metadata["packages"].as_array().expect("packages").iter().find(|package| package["name"] == "xtask").expect("xtask");
    let direct: Vec<&str> =
        package["dependencies"].as_array().expect("a list").iter().filter(|dep| dep["kind"].is_null()).filter_map(|dep| dep["name"].as_str()).collect();
    let sources: Vec<String> = rust_files()
        .iter()
        .filter(|name| name.starts_with("xtask/src/") && !name.ends_with("/tests.rs"))
        .map(|name| without_tests(&read(&root().join(name))).to_owned())
        .collect();
    let mut findings = Vec::new();
    for name in ["xshell", "clap", "serde", "toml", "indicatif", "which", "anyhow", "junit-report", "tokio"] {
        let path = format!("{}::", name.replace('-', "_"));
        if !direct.contains(&name) {
            findings.push(format!("{name} is no dependency"));
        }
        if !sources.iter().any(|source| source.lines().any(|line| line.contains(&path) && !line.trim_start().starts_with("//"))) {
            findings.push(format!("{name} is used nowhere outside tests"));
        }
    }
    none(&findings);
}

#[test]
fn every_dependency_has_its_reason() {
    let text = read(&root().join("xtask/Cargo.toml"));
    let mut findings = Vec::new();
    let (mut in_dependencies, mut before) = (false, "");
    for line in text.lines() {
        if line.starts_with('[') {
            in_dependencies = line.contains("dependencies");
        } else if in_dependencies && line.contains(" = ") && !before.starts_with("# ") {
            findings.push(format!("no reason beside: {line}"));
        }
        before = line;
    }
    none(&findings);
}

#[test]
fn documents_are_fresh() {
    let schema: serde_json::Value = serde_json::from_str(&read(&root().join("docs/gates.schema.json"))).expect("JSON");
    assert_eq!(schema, xtask::config::schema::json_schema(), "run: cargo xtask schema > docs/gates.schema.json");
    let schema: serde_json::Value = serde_json::from_str(&read(&root().join("docs/events.schema.json"))).expect("JSON");
    assert_eq!(schema, xtask::event::json_schema(), "run: cargo xtask schema --events > docs/events.schema.json");
    let changelog = read(&root().join("CHANGELOG.md"));
    assert!(changelog.contains("## [Unreleased]") && changelog.contains(&format!("## [{}]", env!("CARGO_PKG_VERSION"))));
    let readme = read(&root().join("README.md"));
    let first_block: Vec<&str> = readme.lines().skip_while(|line| *line != "```").skip(1).take(2).collect();
    assert!(first_block[0].starts_with("cargo xtask gate phase1") && first_block[1].starts_with("cargo test --workspace"), "{first_block:?}");
    for (exit, _) in Exit::ALL {
        let code = exit.code().to_string();
        assert!(
            readme.lines().any(|line| line.starts_with("| ") && line.split('|').nth(1).is_some_and(|cell| cell.split(',').any(|word| word.trim() == code))),
            "exit {code} is not in the README's table"
        );
    }
    let help = <xtask::cli::Cli as clap::CommandFactory>::command();
    for command in help.get_subcommands().filter(|command| !command.is_hide_set()) {
        assert!(readme.contains(&format!("`{}", command.get_name())), "`{}` is not in the README", command.get_name());
        assert!(command.get_about().is_some(), "`{}` has no help", command.get_name());
    }
}

#[test]
fn nothing_of_a_machine_is_committed() {
    let mut findings = Vec::new();
    // Spelt in pieces, so that this file does not find itself.
    let needles = ["/ro", "/home", "/work"].map(|start| format!("{start}{}", if start == "/ro" { "ot/" } else { "/" }));
    for name in committed().iter().filter(|name| !name.contains("lock")) {
        let Ok(text) = std::fs::read_to_string(root().join(name)) else { continue };
        for (number, line) in text.lines().enumerate() {
            if needles.iter().any(|needle| line.contains(needle.as_str())) && !line.contains("/nowhere") {
                findings.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    none(&findings);
    let lock = read(&root().join("demo/frontend/package-lock.json"));
    assert!(!lock.contains("\"resolved\"") && lock.contains("\"integrity\""), "hashes, and no registry addresses");
    let lock = read(&root().join("demo/backend/requirements.lock"));
    assert!(!lock.contains("://") && lock.contains("--hash=sha256:"), "hashes, and no registry addresses");
}
