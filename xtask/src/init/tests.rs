//! Small repositories, and what is drafted for them.

use super::*;

/// A draft for some files with their texts.
fn of(files: &[(&str, &str)]) -> Draft {
    let texts: BTreeMap<String, String> = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let read = |name: &str| texts.get(name).cloned();
    let versions = [("python", "3.11.7"), ("node", "20.20.2"), ("rust", "1.95.0")].map(|(kind, version)| (kind, version.to_owned())).into();
    draft(&Tree { files: texts.keys().cloned().collect(), read: &read, versions })
}

#[track_caller]
fn gates(files: &[(&str, &str)], wanted: &[&str]) -> Draft {
    let found = of(files);
    let ids: Vec<String> = found.gates.iter().map(|gate| if gate.active { gate.id.clone() } else { format!("({})", gate.id) }).collect();
    assert_eq!(ids, wanted, "{}", found.text());
    assert!(found.text().parse::<toml::Table>().is_ok(), "{}", found.text());
    found
}

#[test]
fn python_is_found_with_its_installer_and_its_tests() {
    let found = gates(&[("requirements.txt", "pytest==9\n"), ("tests/test_a.py", "def test_a(): pass\n")], &["python-tests"]);
    assert_eq!(found.pins, [(".python-version".to_owned(), "3.11.7\n".to_owned())]);
    assert!(found.text().contains(r#"run = ["pytest", "-q", "{tool.args}"]"#) && found.text().contains(r#""-r", "requirements.txt""#), "{}", found.text());
    let found =
        gates(&[("api/uv.lock", "pytest"), ("api/pyproject.toml", "[project]\n"), ("api/test_a.py", ""), ("api/.python-version", "3.12")], &["api-tests"]);
    assert!(found.pins.is_empty() && found.tools == ["uv"] && found.text().contains("pin = \"api/.python-version\""), "{}", found.text());
    let found = gates(&[("pyproject.toml", "[project]\n[project.optional-dependencies]\ndev = [\"pytest\"]\n"), ("test_a.py", "")], &["python-tests"]);
    assert!(found.text().contains(r#""-e", ".[dev]""#), "{}", found.text());
    gates(&[("setup.py", ""), ("tests/test_a.py", "import unittest\n")], &["python-tests"]);
    let found = gates(&[("requirements.txt", "flask\n")], &[]);
    assert!(found.notes[0].contains("no tests yet"));
}

#[test]
fn django_and_alembic_bring_gates_of_their_own() {
    let django = [("manage.py", ""), ("requirements.txt", "Django==5\n"), ("shop/tests.py", "from django.test import TestCase")];
    let found = gates(&django, &["python-check", "python-migrations", "python-tests"]);
    assert!(found.text().contains(r#"run = ["python", "manage.py", "test"]"#));
    let alembic = |env: &'static str| {
        [
            ("requirements.txt", "alembic\npsycopg\npytest"),
            ("alembic.ini", "[alembic]\nscript_location = %(here)s/migrations\n"),
            ("migrations/env.py", env),
            ("test_a.py", ""),
        ]
    };
    let found = gates(&alembic("os.environ['DATABASE_URL']"), &["python-tests", "python-fresh-db"]);
    assert!(found.text().contains("url-scheme = \"postgresql+psycopg\"") && found.text().contains("\"migrations/**\""), "{}", found.text());
    gates(&alembic("sqlite"), &["python-tests", "(python-fresh-db)"]);
}

#[test]
fn node_is_found_with_its_manager_and_its_scripts() {
    let package =
        r#"{"scripts":{"build":"vite build","lint":"eslint .","test":"vitest"},"devDependencies":{"vitest":"3","typescript":"5","@playwright/test":"1"}}"#;
    let files = [
        ("web/package.json", package),
        ("web/package-lock.json", "{}"),
        ("web/tsconfig.json", "{\"references\": []}"),
        ("web/src/a.test.ts", ""),
        ("web/playwright.config.ts", ""),
        ("web/node_modules/x/package.json", "{}"),
    ];
    let found = gates(&files, &["web-typecheck", "web-lint", "web-tests", "web-build", "(web-e2e)"]);
    assert!(
        found.text().contains(r#"run = ["tsc", "-b", "--noEmit"]"#) && found.text().contains(r#"["npm", "ci", "--no-audit", "--no-fund"],"#),
        "{}",
        found.text()
    );
    let jest = r#"{"scripts":{"test":"jest"},"devDependencies":{"jest":"30","jest-junit":"16"}}"#;
    let found = gates(&[("package.json", jest), ("pnpm-lock.yaml", "")], &["node-tests"]);
    assert!(found.tools == ["pnpm"] && found.text().contains("JEST_JUNIT_OUTPUT_FILE = \"{junit}\""), "{}", found.text());
    let found = gates(&[("package.json", r#"{"scripts":{"test":"echo \"Error: no test specified\" && exit 1"}}"#)], &[]);
    assert!(found.notes[0].contains("no lock file"));
    // Members of a workspace are installed by it.
    let member = r#"{"scripts":{"build":"tsc"}}"#;
    let found = gates(&[("package.json", "{\"workspaces\":[\"a\"]}"), ("yarn.lock", ""), ("a/package.json", member)], &["a-build"]);
    assert!(found.runtimes.len() == 1 && found.text().contains("cwd = \"a\""), "{}", found.text());
}

#[test]
fn rust_go_and_compose_are_found() {
    let found = gates(&[("Cargo.toml", "[workspace]"), ("a/Cargo.toml", ""), (".config/nextest.toml", "")], &["rust-fmt", "rust-tests", "(rust-clippy)"]);
    assert!(found.text().contains("tool = \"cargo-nextest\"") && found.pins[0].1.contains("channel = \"1.95.0\""), "{}", found.text());
    gates(&[("go.mod", ""), ("compose.yaml", "")], &["go-vet", "go-tests", "(compose-hygiene)"]);
    let both = [("pyproject.toml", "[project]"), ("test_a.py", "pytest"), ("package.json", r#"{"scripts":{"test":"x"}}"#), ("package-lock.json", "")];
    gates(&both, &["python-tests", "node-tests"]);
    assert!(of(&[]).gates.is_empty());
}
