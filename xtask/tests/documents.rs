//! What documents show works: every command of them is run, with the exit status that a reader would see, and every gates.toml is valid.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::support::Sandbox;
use crate::yard::yard;

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned();
    let docs = std::fs::read_dir(root.join("docs")).expect("there").flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|ending| ending == "md")).chain([root.join("README.md")]).collect();
    found.sort();
    found
}

/// Blocks of a document between fences: language, first line's number, text.
fn blocks(text: &str) -> Vec<(String, usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => open = Some((language.to_owned(), number + 2, String::new())),
            (None, Some((_, _, block))) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// A command line of a shell as words: without what a shell would do with it.
fn words(line: &str) -> Option<Vec<String>> {
    let line = line.trim_start_matches("$ ").split(" # ").next()?.split(" && ").next()?.trim();
    let line = line.strip_prefix("exec ").unwrap_or(line);
    let rest = line.strip_prefix("cargo xtask").or_else(|| line.strip_prefix("xtask")).filter(|rest| rest.is_empty() || rest.starts_with(' '))?;
    let rest = rest.split([';', '>', '|']).next()?;
    Some(std::iter::once("xtask".to_owned()).chain(shlex::split(rest)?).collect())
}

/// Commands of all documents, as they stand there, with their first place.
fn commands() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for path in documents() {
        let text = std::fs::read_to_string(&path).expect("readable");
        for (_, first, block) in blocks(&text).into_iter().filter(|(language, ..)| ["", "sh", "bash", "console"].contains(&language.as_str())) {
            for (number, line) in block.lines().enumerate() {
                let Some(words) = words(line.trim()) else { continue };
                found.entry(words[1..].join(" ")).or_insert_with(|| format!("{}:{}", path.display(), first + number));
            }
        }
    }
    found
}

/// In the order of a day: what is typed, and how it ends. `signoff` has nobody to ask here, and nothing is signed.
const AT_HOME: &[(&str, i32)] = &[
    ("config validate --json", 0),
    ("plan phase1 --format json", 0),
    ("gate phase1", 0),
    ("gate phase1 --output quiet", 0),
    ("gate phase1 --output ndjson", 0),
    ("gate phase1 --affected origin/main", 0),
    ("gate backend-tests --until-fail", 1),
    ("flakes", 0),
    ("flakes --json", 0),
    ("explain tests/test_cart.py::test_total", 0),
    ("ci generate github phase1", 0),
    ("ci check", 0),
    ("gate phase1 --profile release", 0),
    ("signoff phase1", 6),
    ("verify phase1", 6),
];

/// On several machines.
const SHARED: &[(&str, i32)] =
    &[("plan phase1 --shards auto --out .gates/plan.json", 0), ("gate --shard 1 --plan .gates/plan.json", 0), ("merge --plan .gates/plan.json DIR...", 0)];

/// In the worst hour: a populated database without a revision, its way to the head, and the way back.
const AT_THE_DATABASE: &[(&str, i32)] = &[
    ("db status app --url postgresql://app@db.example/app --expect head", 3),
    ("db status app --url $URL --expect head", 1),
    ("db snapshot app --url $URL --out /backup/inventory-before --file /srv/uploads.tar", 0),
    ("db drill app --url $URL", 0),
    ("db bootstrap app --url $URL", 1),
    ("db bootstrap app --url $URL --stamp 0001 --confirm inventory", 0),
    ("db drift app --url $URL", 0),
    ("db drill app --strict --url $URL", 0),
    ("db restore .gates/snapshots/inventory-1 app --url $URL --confirm inventory --older", 0),
];

/// A phase of one suite that holds for a while.
fn home() -> Sandbox {
    let sandbox = Sandbox::new(
        "schema = 1\n[phase.phase1]\ngates = ['backend-tests']\n[gate.backend-tests]\nowner = 'me'\njunit = ['out.xml']\nshell = 'cp cases.xml out.xml; test $GATE_ITERATION -lt 12'\n",
    );
    sandbox
        .write("cases.xml", "<testsuites><testsuite name='s'><testcase classname='tests/test_cart.py' name='test_total' time='0.1'/></testsuite></testsuites>");
    sandbox.write(".gitignore", ".gates/\nout.xml\n.github/\n");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-q", "-m", "x"]);
    sandbox.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    sandbox
}

fn run_all(sandbox: &Sandbox, table: &[(&str, i32)], change: impl Fn(&str) -> String) {
    for (line, code) in table {
        let words = shlex::split(&change(line)).expect("words");
        sandbox.run(&words.iter().map(String::as_str).collect::<Vec<_>>()).exits(*code);
    }
}

#[test]
fn every_command_ends_as_a_reader_would_see_it() {
    run_all(&home(), AT_HOME, str::to_owned);
    run_all(&home(), SHARED, |line| line.replace("DIR...", ".gates/runs"));
    let newcomer = Sandbox::new("");
    std::fs::remove_file(newcomer.path("gates.toml")).expect("removed");
    newcomer.write("Cargo.toml", "[package]\nname = \"x\"\n");
    newcomer.write("rust-toolchain.toml", "[toolchain]\nchannel = \"1.95.0\"\n");
    newcomer.run(&["init"]).exits(0);

    let known: Vec<&str> = AT_HOME.iter().chain(SHARED).chain(AT_THE_DATABASE).map(|(line, _)| *line).chain(["init", "hunt backend-tests"]).collect();
    let found = commands();
    let untried: Vec<String> = found.iter().filter(|(line, _)| !known.contains(&line.as_str())).map(|(line, place)| format!("{place}: xtask {line}")).collect();
    assert!(untried.is_empty(), "no test runs these:\n{}", untried.join("\n"));
    let gone: Vec<&&str> = known.iter().filter(|line| !found.contains_key(**line)).collect();
    assert!(gone.is_empty(), "no document has these any more: {gone:?}");
}

#[test]
fn every_command_about_a_database_ends_as_a_reader_would_see_it() {
    let yard = yard();
    let template = yard.database(Some("0001"));
    yard.sql(&template, "DROP TABLE alembic_version");
    yard.sql(&template, "INSERT INTO items (sku, state) VALUES ('a', 'draft'), ('b', 'sold')");
    yard.server.sql(None, &format!("CREATE DATABASE inventory TEMPLATE {template}")).expect("created");
    let folder = yard.sandbox.path("aside").display().to_string();
    yard.sandbox.write("aside/uploads.tar", "files\n");
    let url = yard.url("inventory");
    run_all(&yard.sandbox, AT_THE_DATABASE, |line| {
        line.replace("$URL", &format!("'{url}'"))
            .replace("/backup/", &format!("{folder}/"))
            .replace("/srv/", &format!("{folder}/"))
            .replace("@db.example/", "@127.0.0.1:1/")
    });
}

#[test]
fn every_recipe_is_valid() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("docs/recipes.md");
    let text = std::fs::read_to_string(path).expect("readable");
    let recipes: Vec<String> = blocks(&text).into_iter().filter(|(language, ..)| language == "toml").map(|(_, _, block)| block).collect();
    assert!(recipes.len() >= 4);
    for recipe in recipes {
        let caller = xtask::config::Caller { elsewhere: true, ..xtask::config::Caller::default() };
        let problems = xtask::config::parse(Path::new("."), "docs/recipes.md", &recipe, caller).err().unwrap_or_default();
        assert!(problems.is_empty(), "{}\n{recipe}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }
}
