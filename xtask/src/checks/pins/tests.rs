use super::*;
use crate::pins::Ambient;

/// Files, and what is wrong in them as `file:line message`.
fn check(files: &[(&str, &str)], expected: &[&str]) {
    let folder = tempfile::tempdir().expect("temporary folder");
    for (name, text) in
        [(".nvmrc", "20.20.2\n"), (".python-version", "3.11.7\n"), ("rust-toolchain.toml", "[toolchain]\nchannel = \"1.95.0\"\n")].iter().chain(files)
    {
        crate::rundir::write_atomic(&folder.path().join(name), text.as_bytes()).expect("written");
    }
    let found = findings(folder.path());
    let wrong: Vec<String> = found.iter().filter_map(|one| one.wrong.as_ref().map(|(message, _)| format!("{} {message}", one.at))).collect();
    assert_eq!(wrong, expected);
    assert!(found.iter().all(|one| one.wrong.as_ref().is_none_or(|(_, mend)| !mend.is_empty())), "every finding has its mend");
}

fn findings(root: &Path) -> Vec<Finding> {
    let with = serde_json::Map::new();
    run(&Task { root, with: &with, ambient: &Ambient::new(), today: time::macros::date!(2026 - 01 - 01), show: |_| {} }).expect("it looks")
}

#[test]
fn workflows_name_the_pin_files() {
    let steps = |with: &str| format!("jobs:\n  a:\n    steps:\n      - uses: actions/setup-node@v4\n{with}");
    check(&[(".github/workflows/a.yml", &steps("        with:\n          node-version-file: .nvmrc\n"))], &[]);
    check(
        &[(".github/workflows/a.yml", &steps("        with:\n          node-version-file: package.json\n"))],
        &[".github/workflows/a.yml:6 reads `package.json`, the pin is .nvmrc"],
    );
    check(
        &[(".github/workflows/a.yml", &steps("        with:\n          node-version: 20.20.2\n"))],
        &[".github/workflows/a.yml:6 a literal `20.20.2` although .nvmrc pins 20.20.2"],
    );
    check(&[(".github/workflows/a.yml", &steps(""))], &[".github/workflows/a.yml:4 actions/setup-node takes whatever is on PATH"]);
}

#[test]
fn the_float_trap_is_found_with_and_without_a_matrix() {
    let workflow = "jobs:\n  a:\n    strategy:\n      matrix:\n        python-version: [3.9, 3.10, \"3.20\"]\n    steps:\n      - uses: actions/setup-python@v5\n        with:\n          python-version: ${{ matrix.python-version }}\n      - uses: actions/setup-python@v5\n        with:\n          python-version: 3.10\n";
    check(
        &[(".github/workflows/a.yml", workflow)],
        &[".github/workflows/a.yml:5 `3.10` without quotes is the number 3.1", ".github/workflows/a.yml:12 `3.10` without quotes is the number 3.1"],
    );
}

#[test]
fn images_follow_the_pins_and_never_float() {
    let dockerfile =
        "FROM node:20.20.2-slim AS build\nFROM build AS test\nFROM python:3.12-slim\nFROM node:20\nFROM redis\nFROM scratch\nARG PYTHON_VERSION=3.11.7\n";
    check(
        &[("Dockerfile", dockerfile)],
        &[
            "Dockerfile:3 `3.12`, .python-version:1 says 3.11.7",
            "Dockerfile:4 `20` floats over minor versions, .nvmrc:1 says 20.20.2",
            "Dockerfile:5 `redis` moves on its own",
        ],
    );
    let compose = "services:\n  db:\n    image: postgres:latest\n  web:\n    image: node:lts-alpine\n  api:\n    image: registry.example/team/api:1.2\n";
    check(
        &[("docker-compose.yml", compose)],
        &["docker-compose.yml:3 `postgres:latest` moves on its own", "docker-compose.yml:5 `node:lts-alpine` moves on its own"],
    );
    let workflow = "jobs:\n  a:\n    services:\n      db:\n        image: postgres\n    steps:\n      - uses: dtolnay/rust-toolchain@1.90.0\n";
    check(
        &[(".github/workflows/w.yml", workflow)],
        &[".github/workflows/w.yml:5 `postgres` moves on its own", ".github/workflows/w.yml:7 `1.90.0`, rust-toolchain.toml:2 says 1.95.0"],
    );
}

#[test]
fn ranges_must_hold_the_pin() {
    check(&[("package.json", "{\n  \"engines\": { \"node\": \">=20 <21\" }\n}")], &[]);
    check(
        &[("web/package.json", "{\n  \"engines\": { \"node\": \"^18 || 22.x\" }\n}")],
        &["web/package.json:2 `^18 || 22.x` does not hold 20.20.2 (.nvmrc:1)"],
    );
    check(&[("pyproject.toml", "[project]\nname = \"x\"\nrequires-python = \"~=3.11\"\n")], &[]);
    check(&[("pyproject.toml", "[project]\nrequires-python = \">=3.12\"\n")], &["pyproject.toml:2 `>=3.12` does not hold 3.11.7 (.python-version:1)"]);
}

#[test]
fn two_pin_files_and_the_readme_agree() {
    check(&[(".node-version", "22.0.0\n")], &[".node-version:1 `22.0.0` here, `20.20.2` in .nvmrc:1"]);
    check(&[("README.md", "Needs Python 3.11.7,\nNode.js 20.19 and Rust 1.95.\n")], &["README.md:2 `20.19`, .nvmrc:1 says 20.20.2"]);
}

#[test]
fn what_is_installed_is_not_ours() {
    check(&[("node_modules/x/package.json", "{ \"engines\": { \"node\": \"^4\" } }"), ("node_modules/x/Dockerfile", "FROM node\n")], &[]);
}

#[test]
fn files_of_version_managers_agree_and_are_read_alike() {
    check(&[(".tool-versions", "nodejs 20.20.2\npython 3.11.7\nterraform 1.5\n")], &[]);
    check(
        &[(".tool-versions", "nodejs 20.1.2 18.0.0\npython 3.11.7 # why\n")],
        &[
            ".tool-versions:1 `20.1.2`, .nvmrc:1 says 20.20.2",
            ".tool-versions:1 `20.1.2 18.0.0` is not read alike: asdf and mise take 20.1.2, and setup-node does not understand the line",
            ".tool-versions:2 `python 3.11.7 # why` is not read alike: asdf and mise take 3.11.7, and setup-node may take a word of the comment",
        ],
    );
    check(&[("mise.toml", "[tools]\nnode = \"20.20.2\"\npython = { version = \"3.11\" }\n")], &[]);
    check(
        &[(".mise.toml", "[tools]\nnode = [\"20.20.2\", \"22\"]\npython = \"3.12\"\n")],
        &[
            ".mise.toml:2 `a list` is not read alike: mise takes 20.20.2, and setup-node takes whatever is on PATH",
            ".mise.toml:3 `3.12`, .python-version:1 says 3.11.7",
        ],
    );
    check(
        &[("mise.toml", "[tools]\nnodejs = \"20.20.2\"\n")],
        &["mise.toml:2 `nodejs` is not read alike: mise takes 20.20.2, and setup-node reads `[tools]` as the version"],
    );
}

/// The ways in which two public repositories drifted: folders with pins of their own, images and scripts of another version, services without one.
#[test]
fn real_drift_is_found_and_nothing_else() {
    let workflow = "jobs:\n  a:\n    services:\n      db:\n        image: postgres\n      redis:\n        image: redis:7.4-alpine\n    steps:\n      - uses: actions/setup-node@v4\n        with:\n          node-version: 22\n      - uses: actions/setup-python@v5\n        with:\n          python-version-file: pyproject.toml\n";
    check(
        &[
            (".github/workflows/test.yml", workflow),
            ("clients/.node-version", "20.20.2\n"),
            ("docs/.node-version", "22\n"),
            ("server/.python-version", "3.11.7\n"),
            ("server/Dockerfile", "FROM node:22-slim AS web\nFROM python:3.11.13-slim\nRUN curl -fsSL https://deb.nodesource.com/setup_22.x | bash -\n"),
            ("docker-compose.yml", "services:\n  db:\n    image: postgres:14.6\n  redis:\n    image: redis:alpine\n"),
        ],
        &[
            ".github/workflows/test.yml:5 `postgres` without a tag, docker-compose.yml:3 says `postgres:14.6`",
            ".github/workflows/test.yml:7 `redis:7.4-alpine`, docker-compose.yml:5 says `redis:alpine`",
            ".github/workflows/test.yml:5 `postgres` moves on its own",
            ".github/workflows/test.yml:11 a literal `22` although .nvmrc pins 20.20.2",
            ".github/workflows/test.yml:14 reads `pyproject.toml`, the pin is .python-version",
            "docker-compose.yml:5 `redis:alpine` moves on its own",
            "docs/.node-version:1 `22`, .nvmrc:1 says 20.20.2",
            "server/Dockerfile:1 `22`, .nvmrc:1 says 20.20.2",
            "server/Dockerfile:2 `3.11.13`, .python-version:1 says 3.11.7",
            "server/Dockerfile:3 `22`, .nvmrc:1 says 20.20.2",
        ],
    );
    check(
        &[
            (".github/workflows/test.yml", "jobs:\n  a:\n    services:\n      db:\n        image: postgres:14.6\n    steps:\n      - run: true\n"),
            ("docker-compose.yml", "services:\n  db:\n    image: postgres:14.6\n"),
        ],
        &[],
    );
}
