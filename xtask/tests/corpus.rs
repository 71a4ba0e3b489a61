//! The reader against a folder of real reports with expected totals. Not part of `cargo test`: the folder is not in this
//! repository. `JUNIT_CORPUS=DIR cargo test --test corpus`; DIR holds EXPECTED.tsv.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests play the world outside")]

use std::path::{Path, PathBuf};

use xtask::flake::category;
use xtask::junit::read::read_all;
use xtask::model::{Category, Outcome, ReportState};

fn corpus() -> PathBuf {
    PathBuf::from(std::env::var_os("JUNIT_CORPUS").expect("JUNIT_CORPUS names the folder of EXPECTED.tsv"))
}

struct Row {
    file: String,
    verdict: String,
    totals: Vec<String>,
}

fn rows(folder: &Path) -> Vec<Row> {
    let table = std::fs::read_to_string(folder.join("EXPECTED.tsv")).expect("EXPECTED.tsv is readable");
    let rows = table.lines().skip(1).map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        Row { file: columns[0].to_owned(), verdict: columns[2].to_owned(), totals: columns[3..7].iter().map(|count| (*count).to_owned()).collect() }
    });
    rows.collect()
}

#[test]
fn every_row_agrees() {
    let folder = corpus();
    let mut wrong = Vec::new();
    for row in rows(&folder) {
        let bytes = std::fs::read(folder.join(&row.file)).expect("a listed file is there");
        let (summary, _) = read_all(&bytes[..]).expect("in memory");
        let totals = summary.totals;
        let found = [totals.tests, totals.failures, totals.errors, totals.skipped].map(|count| count.to_string());
        let valid = summary.state == ReportState::Valid;
        let expected = row.verdict == "valid";
        if valid != expected || expected && found.as_slice() != row.totals.as_slice() {
            wrong.push(format!("{}: {} {:?}, found {:?} {found:?} {:?}", row.file, row.verdict, row.totals, summary.state, summary.notes));
        }
    }
    assert!(wrong.is_empty(), "{} rows differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Timeouts say so in many ways, two of three without the word in type or message.
#[test]
fn timeouts_are_counted() {
    let folder = corpus().join("_generated");
    for (file, wanted) in [("playwright-retries2.xml", 3), ("vitest-basic.xml", 3), ("pytest-basic.xml", 1)] {
        let bytes = std::fs::read(folder.join(file)).expect("the corpus has it");
        let (_, cases) = read_all(&bytes[..]).expect("in memory");
        let red = cases.iter().filter(|case| case.outcome.is_red());
        let found: Vec<&str> =
            red.filter(|case| category(&case.kind, &case.headline(), &case.text).0 == Category::Timeout).map(|case| case.name.as_str()).collect();
        assert_eq!(found.len(), wanted, "{file}: {found:?}");
    }
}

#[test]
fn no_prefix_is_valid_or_passes_more() {
    let folder = corpus();
    let passed = |bytes: &[u8]| {
        let (summary, cases) = read_all(bytes).expect("in memory");
        (summary.state, cases.iter().filter(|case| case.outcome == Outcome::Passed).count())
    };
    for row in rows(&folder).into_iter().filter(|row| row.verdict == "valid") {
        let bytes = std::fs::read(folder.join(&row.file)).expect("a listed file is there");
        let whole = passed(&bytes).1;
        let end = root_end(&bytes);
        // Every byte of small files, a spread of cuts through large ones.
        let step = (end / 1500).max(1);
        for cut in (0..end).step_by(step).chain(end.saturating_sub(40)..end) {
            let (state, passes) = passed(&bytes[..cut]);
            assert!(state != ReportState::Valid && passes <= whole, "{} cut at {cut}: {state:?}, {passes} of {whole}", row.file);
        }
    }
}

/// Where the root's end tag begins (or where a root without content begins).
fn root_end(bytes: &[u8]) -> usize {
    let text = String::from_utf8_lossy(bytes);
    text.rfind("</").filter(|at| text[*at..].starts_with("</testsuite") || text[*at..].contains("testsuite")).or_else(|| text.rfind('<')).unwrap_or(0)
}

/// What real tools left behind when they did not pass, with the exit status that went with it: none of it may end green.
#[test]
fn false_greens_of_real_tools_end_red() {
    for (file, code) in [
        ("vitest-unhandled.xml", 1),
        ("jest-basic.xml", 1),
        ("playwright-maxfail.xml", 1),
        ("playwright-passedflaky.xml", 1),
        ("playwright-failonflaky.xml", 1),
        ("playwright-nomatch.xml", 1),
        ("vitest-killed.xml", 137),
        ("pytest-nothing.xml", 5),
    ] {
        let folder = tempfile::tempdir().expect("temporary folder");
        let fixture = corpus().join("_generated").join(file).canonicalize().expect("the corpus has it");
        for code in [code, 0] {
            // With status 0 a report that simply passed is green, and rightly so: the tool has said nothing else.
            let simply_green = ["vitest-unhandled.xml", "playwright-passedflaky.xml", "playwright-failonflaky.xml"].contains(&file);
            if code == 0 && simply_green {
                continue;
            }
            let script = format!("cp '{}' $GATE_JUNIT; exit {code}", fixture.display());
            let manifest = format!("schema = 1\n[phase.p]\ngates = ['g']\n[gate.g]\nowner = 'me'\nshell = \"{script}\"\n");
            std::fs::write(folder.path().join("gates.toml"), manifest).expect("written");
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_xtask")).args(["gate", "p"]).current_dir(folder.path()).output().expect("it starts");
            let report = std::fs::read(folder.path().join(".gates/runs/latest/junit.xml")).expect("a report");
            let (_, cases) = read_all(&report[..]).expect("in memory");
            assert!(matches!(output.status.code(), Some(1 | 70)), "{file} with {code}: {}", String::from_utf8_lossy(&output.stderr));
            assert!(cases.iter().any(|case| case.outcome.is_red()), "{file} with {code}: the report is green");
        }
    }
}

/// What engines printed, in every form: `COMPOSE_CORPUS` names the folder.
mod compose {
    use std::path::PathBuf;

    use xtask::compose::containers::{inspected, listed};
    use xtask::compose::watch::{Expected, Watch};

    fn files(prefix: &str) -> Vec<(String, String)> {
        let folder = PathBuf::from(std::env::var_os("COMPOSE_CORPUS").expect("COMPOSE_CORPUS names the folder of what engines printed"));
        let entries = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
        let named = entries.map(|path| (path.file_name().expect("a name").to_string_lossy().into_owned(), path));
        named.filter(|(name, _)| name.starts_with(prefix)).map(|(name, path)| (name, std::fs::read_to_string(path).expect("text"))).collect()
    }

    #[test]
    fn every_listing_is_read_or_refused() {
        let mut read = 0;
        for (name, text) in files("ps-").into_iter().chain(files("podman-")) {
            let ids = listed(&text);
            assert_eq!(ids.is_ok(), !name.ends_with(".txt"), "{name}: {ids:?}");
            read += usize::from(ids.is_ok_and(|ids| !ids.is_empty()));
        }
        assert!(read >= 16, "{read}");
    }

    #[test]
    fn every_container_stands_where_it_should() {
        let well = ["db", "migrate", "plain"];
        let files = files("inspect-");
        assert_eq!(files.len(), 8);
        for (name, text) in files {
            let containers = inspected(&text).unwrap_or_else(|why| panic!("{name}: {why}"));
            let service = containers[0].service.clone();
            let mut watch = Watch::new(vec![Expected { service: service.clone(), one_shot: ["migrate", "failed"].contains(&service.as_str()) }]);
            watch.look(&containers);
            assert_eq!(watch.is_settled(), well.contains(&service.as_str()), "{name}: {:?}", watch.verdicts());
            assert_eq!(watch.restarted(), usize::from(["crash", "limited"].contains(&service.as_str())), "{name}");
        }
    }
}
