//! The history at size: a tally over a thousand runs of ten thousand cases, and what a result costs on disk, passing or not.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark drives and prints")]

use std::path::Path;
use std::time::Instant;

use xtask::history::{Cause, GateLesson, IterationLesson, Lesson, ResultLesson, Store};
use xtask::model::{Category, Outcome};

const RUNS: u32 = 1000;
const CASES: u32 = 10_000;
/// Every hundredth case fails in one of twenty runs.
const FLAKY: u32 = 100;

fn main() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let names: Vec<String> = (0..CASES).map(|case| format!("tests/test_module_{}.py::TestGroup::test_number_{case}[parameter]", case % 97)).collect();
    let begun = Instant::now();
    let (red_bytes, results) = fill(&folder.path().join("red.sqlite"), &names, RUNS, true);
    let learning = begun.elapsed().as_secs_f64();
    let (green_bytes, _) = fill(&folder.path().join("green.sqlite"), &names, RUNS, false);
    let (one_bytes, _) = fill(&folder.path().join("one.sqlite"), &names, 1, false);
    let mut tallies: Vec<f64> = (0..7).map(|_| tally(&folder.path().join("red.sqlite"))).collect();
    tallies.sort_by(f64::total_cmp);
    println!("history: {RUNS} runs of {CASES} cases, {results} results that did not pass, taken in within {learning:.1} s");
    println!("  tally                    {:>8.0} ms (median of 7, at most 200)", tallies[3] * 1000.0);
    println!("  a result that did not pass {:>6.1} bytes (at most 100)", (red_bytes - green_bytes) as f64 / f64::from(results));
    println!(
        "  a pass                   {:>8.4} bytes ({} passes in {} bytes)",
        (green_bytes - one_bytes) as f64 / f64::from(RUNS * CASES),
        RUNS * CASES,
        green_bytes
    );
}

/// Bytes of a history of some runs, and how many results did not pass.
fn fill(file: &Path, names: &[String], runs: u32, red: bool) -> (u64, u32) {
    let mut store = Store::open(file).expect("opened");
    let mut count = 0;
    for run in 0..runs {
        let failing = (0..CASES).step_by(FLAKY as usize).filter(|case| red && (case / FLAKY * 13 + run).is_multiple_of(20));
        let result = |case: u32| ResultLesson {
            case: names[case as usize].clone(),
            outcome: Outcome::Failed,
            attempts: 0,
            cause: Some(Cause {
                print: u64::from(case % 30),
                category: Category::Timeout,
                rule: "vitest-timeout".to_owned(),
                message: "Test timed out in <duration>".to_owned(),
            }),
        };
        let results: Vec<ResultLesson> = failing.map(result).collect();
        count += results.len() as u32;
        let iteration =
            IterationLesson { number: 1, took: 1000, whole: true, inventory: "same".to_owned(), names: names.iter().map(String::as_str).collect(), results };
        let gates = vec![GateLesson { gate: "backend-tests".to_owned(), owner: "backend".to_owned(), iterations: vec![iteration] }];
        let wall = format!("2026-01-{:02}T{:02}:{:02}:00Z", 1 + run / 500, run / 60 % 24, run % 60);
        store.learn(&Lesson { run: format!("run-{run:05}"), wall, commit: "0".repeat(40), code: format!("code {}", run / 4), gates }).expect("learned");
    }
    drop(store);
    (std::fs::metadata(file).expect("there").len(), count)
}

/// Seconds from a closed file to the list.
fn tally(file: &Path) -> f64 {
    let begun = Instant::now();
    let all = Store::open(file).expect("opened").tally().expect("a tally");
    assert_eq!(all.len(), CASES as usize);
    begun.elapsed().as_secs_f64()
}
