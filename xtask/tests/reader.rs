//! The reader against reports as real tools write them, cut at every byte.

use std::path::Path;

use xtask::junit::read::read_all;
use xtask::model::{Outcome, ReportState};

fn fixtures() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/junit");
    let mut all: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .expect("the fixtures are there")
        .flatten()
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).expect("readable")))
        .collect();
    all.sort();
    assert!(all.len() >= 6);
    all
}

fn passes(bytes: &[u8]) -> (ReportState, usize) {
    let (summary, cases) = read_all(bytes).expect("in memory");
    (summary.state, cases.iter().filter(|case| case.outcome == Outcome::Passed).count())
}

#[test]
fn each_tools_report_is_read_as_it_was_meant() {
    let expected = [
        ("gtest.xml", [4, 1, 0, 2], "Suite::Fails"),
        ("nested.xml", [3, 0, 1, 0], "inner::c"),
        ("playwright.xml", [4, 1, 0, 2], "a.spec.ts › flow › breaks"),
        ("pytest.xml", [5, 1, 1, 1], "tests/test_a.py::TestOne::test_bad[a-1]"),
        ("surefire.xml", [2, 0, 0, 0], ""),
        ("vitest.xml", [3, 1, 0, 1], "src/a.test.ts > group > breaks"),
    ];
    for (name, bytes) in fixtures() {
        let (summary, cases) = read_all(&bytes[..]).expect("in memory");
        let (_, counts, red) = expected.iter().find(|(known, ..)| *known == name).unwrap_or_else(|| panic!("{name} has no expectation"));
        let totals = summary.totals;
        assert_eq!((summary.state, [totals.tests, totals.failures, totals.errors, totals.skipped]), (ReportState::Valid, *counts), "{name}");
        assert_eq!(cases.iter().find(|case| case.outcome.is_red()).map_or("", |case| case.printed.as_str()), *red, "{name}");
    }
}

#[test]
fn every_cut_is_never_valid_and_never_passes_more() {
    for (name, bytes) in fixtures() {
        let (_, whole) = passes(&bytes);
        let end = String::from_utf8_lossy(&bytes).rfind("</testsuite").expect("a root");
        for cut in 0..end {
            let (state, some) = passes(&bytes[..cut]);
            assert!(state != ReportState::Valid && some <= whole, "{name} cut at {cut}: {state:?}, {some} of {whole} pass");
        }
    }
}

/// Bytes that no tool wrote: whatever is read, nothing panics, and the counts are those of the cases.
#[test]
fn damage_never_panics() {
    let mut seed = 0x2545_F491_4F6C_DD1Du64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as usize % below.max(1)
    };
    for (name, bytes) in fixtures() {
        for _ in 0..400 {
            let mut damaged = bytes.clone();
            for _ in 0..=random(3) {
                let at = random(damaged.len());
                damaged[at] = random(256) as u8;
            }
            let (summary, cases) = read_all(&damaged[..]).expect("in memory");
            assert_eq!(summary.totals.tests, cases.len() as u64, "{name}");
        }
    }
}

#[test]
fn a_failure_names_its_place() {
    let places: Vec<(String, String)> = fixtures()
        .into_iter()
        .flat_map(|(name, bytes)| {
            let (_, cases) = read_all(&bytes[..]).expect("in memory");
            let red: Vec<_> = cases.into_iter().filter(|case| case.outcome == Outcome::Failed).collect();
            red.into_iter().filter_map(move |case| Some((name.clone(), case.place()?.to_string()))).collect::<Vec<_>>()
        })
        .collect();
    let expected = [("gtest.xml", "suite.cc:12"), ("playwright.xml", "a.spec.ts:9"), ("pytest.xml", "tests/test_a.py:7"), ("vitest.xml", "src/a.test.ts:4")];
    assert_eq!(places, expected.map(|(name, at)| (name.to_owned(), at.to_owned())));
}
