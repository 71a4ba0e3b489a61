//! Ratios against the machine's own limits, interleaved in one run: a gibibyte of output against `cmd > file`, a thousand gates of
//! `true` against ninja and against plain threads; and how long the demo's databases take.
//!
//! `cargo bench --profile tool` builds with the profile of the alias. `ninja` must be on PATH (Debian package `ninja-build`, or the
//! package `ninja` of PyPI). Folders are new in each round and are left to the end: deleting many files between
//! rounds slows the next one.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark drives and prints")]

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

const XTASK: &str = env!("CARGO_BIN_EXE_xtask");
const ROUNDS: usize = 5;
/// Of the gibibyte: short, and at the mercy of the disk's write-back, so that the median wants more of them.
const LOG_ROUNDS: usize = 11;
const GATES: usize = 1000;

fn main() {
    let folder = tempfile::tempdir_in(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")).expect("temporary folder");
    let arguments: Vec<String> = std::env::args().collect();
    let chosen = ["log", "noop", "database"].iter().any(|name| arguments.iter().any(|word| word == name));
    let wants = |name: &str| !chosen || arguments.iter().any(|word| word == name);
    if wants("log") {
        log(folder.path());
    }
    if wants("noop") {
        noop(folder.path(), 8);
        noop(folder.path(), 2);
    }
    if wants("database") {
        database();
    }
}

/// The demo's database: a clone of its migrated template against migrating an empty one, both as the events of a run tell them.
fn database() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let (mut clones, mut migrations) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        // `schema-drift` wants a clone an iteration, `fresh-db` runs the migrations itself.
        seconds(&mut xtask(root, &["gate", "schema-drift", "fresh-db", "--runs", "4", "--jobs", "1"]));
        let text = fs::read_to_string(root.join(".gates/runs/latest/events.jsonl")).expect("a journal");
        for line in text.lines() {
            let event: serde_json::Value = serde_json::from_str(line).expect("an event");
            let (ready, built, ended) = (&event["kind"]["DatabaseReady"], &event["kind"]["TemplateBuilt"], &event["kind"]["ProcEnded"]);
            if ready["state"] == "migrated" {
                clones.push(ready["took"].as_f64().expect("milliseconds"));
            } else if built["took"].is_u64() {
                migrations.push(built["took"].as_f64().expect("milliseconds"));
            } else if ended["fact"]["step"] == "upgrade" {
                migrations.push(ended["fact"]["took"].as_f64().expect("milliseconds"));
            }
        }
    }
    let (count, clone, migration) = (clones.len(), median(clones), median(migrations));
    println!("a clone of the migrated template {clone:.0} ms (median of {count}, at most 100), migrating an empty database {migration:.0} ms");
}

/// Seconds of a command that must succeed.
fn seconds(command: &mut Command) -> f64 {
    let begun = Instant::now();
    let status = command.stdin(Stdio::null()).status().expect("it starts");
    assert!(status.success(), "{command:?} ended with {status}");
    begun.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn repository(folder: PathBuf, manifest: &str) -> PathBuf {
    fs::create_dir_all(&folder).expect("created");
    fs::write(folder.join("gates.toml"), manifest).expect("written");
    folder
}

fn xtask(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(XTASK);
    command.args(args).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// One gibibyte of lines, captured. `dd` writes them as a program writes; `cat` would ask the kernel to copy the file, which it does
/// not do into a log that is only appended to.
fn log(folder: &Path) {
    let source = folder.join("source");
    let line = format!("{}\n", "0123456789abcdef".repeat(8));
    fs::write(&source, line.repeat((1 << 30) / line.len())).expect("written");
    let manifest = format!("schema = 1\n[phase.p]\ngates = ['g']\n[gate.g]\nowner = 'b'\nrun = ['dd', 'if={}', 'bs=128k', 'status=none']\n", source.display());
    let (mut plain, mut gated, mut peak) = (Vec::new(), Vec::new(), 0);
    for round in 0..LOG_ROUNDS {
        let place = repository(folder.join(format!("log.{round}")), &manifest);
        let copy = folder.join(format!("plain.{round}"));
        // Who comes second finds the disk busier: they take turns.
        for side in [round % 2, 1 - round % 2] {
            rustix::fs::sync(); // each side begins with nothing left to write back
            if side == 0 {
                let out = File::create(&copy).expect("created");
                plain.push(seconds(Command::new("dd").arg(format!("if={}", source.display())).args(["bs=128k", "status=none"]).stdout(out)));
                // Two gibibytes a round would be throttled by the disk's write-back; nothing is created in this folder again.
                fs::remove_file(&copy).expect("removed");
            } else {
                let (took, most) = watched(&mut xtask(&place, &["gate", "p"]));
                gated.push(took);
                peak = peak.max(most);
                let captured = place.join(".gates/runs/latest/logs/g.1.log");
                assert!(same(&source, &captured), "the log is not byte-equal to what was written");
                fs::remove_file(captured).expect("removed");
            }
        }
    }
    let ratio = median(plain.iter().zip(&gated).map(|(plain, gated)| gated / plain).collect());
    let (plain, gated) = (median(plain), median(gated));
    println!(
        "1 GiB of output: dd > file {plain:.2} s, gate {gated:.2} s, median of the rounds' ratios {ratio:.2} (at most 1.1); runner's peak {} MiB (at most 30); \
         byte-equal",
        peak >> 10
    );
}

/// Seconds of a run, and its runner's peak resident KiB: read from /proc while it lives, as GNU time would be a package more.
fn watched(command: &mut Command) -> (f64, u64) {
    let begun = Instant::now();
    let mut child = command.spawn().expect("it starts");
    let (guard, over) = (child.id(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut peak = 0;
            while !over.load(Ordering::Relaxed) {
                peak = peak_of_runner(guard).max(peak);
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            peak
        });
        assert!(child.wait().expect("ours").success(), "the run is green");
        let took = begun.elapsed().as_secs_f64();
        over.store(true, Ordering::Relaxed);
        (took, sampler.join().expect("it only reads"))
    })
}

/// Peak resident KiB of the second process of a run.
fn peak_of_runner(guard: u32) -> u64 {
    let children = fs::read_to_string(format!("/proc/{guard}/task/{guard}/children")).unwrap_or_default();
    let runner = children.split_whitespace().next().unwrap_or_default().to_owned();
    let status = fs::read_to_string(format!("/proc/{runner}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn same(one: &Path, other: &Path) -> bool {
    seconds(Command::new("cmp").arg(one).arg(other)) >= 0.0
}

/// A thousand gates of `true`.
fn noop(folder: &Path, jobs: usize) {
    let ninja = which::which("ninja").unwrap_or_else(|_| panic!("this benchmark needs `ninja`: Debian package `ninja-build`, or `pip install ninja`"));
    let ids: Vec<String> = (0..GATES).map(|n| format!("'g{n}'")).collect();
    let gates: Vec<String> = (0..GATES).map(|n| format!("[gate.g{n}]\nowner = 'b'\nrun = ['/bin/true']\n")).collect();
    let manifest = format!("schema = 1\n[phase.p]\ngates = [{}]\n{}", ids.join(", "), gates.concat());
    let builds: Vec<String> = (0..GATES).map(|n| format!("build g{n}: t\n")).collect();
    // The same program: as a bare word, the shell that ninja starts would answer itself without starting anything.
    let build = format!("rule t\n  command = /bin/true\n{}", builds.concat());
    let (mut ours, mut theirs, mut floor) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let place = folder.join(format!("ninja.{jobs}.{round}"));
        fs::create_dir_all(&place).expect("created");
        fs::write(place.join("build.ninja"), &build).expect("written");
        theirs.push(seconds(Command::new(&ninja).arg(format!("-j{jobs}")).current_dir(&place).stdout(Stdio::null())));
        let place = repository(folder.join(format!("noop.{jobs}.{round}")), &manifest);
        ours.push(seconds(&mut xtask(&place, &["gate", "p", "--jobs", &jobs.to_string()])));
        floor.push(threads(&folder.join(format!("floor.{jobs}.{round}")), jobs));
    }
    let (ours, theirs, floor) = (median(ours), median(theirs), median(floor));
    println!(
        "{GATES} gates of true at -j{jobs}: ninja {theirs:.2} s, gate {ours:.2} s, ratio {:.2} (at most 0.8); plain threads with a log each {floor:.2} s, {:.2} x ninja",
        ours / theirs,
        floor / theirs
    );
}

/// The floor: threads that do nothing but open a log and run `true` in a group of its own.
fn threads(folder: &Path, jobs: usize) -> f64 {
    fs::create_dir_all(folder).expect("created");
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= GATES {
                        return;
                    }
                    let log = File::create(folder.join(format!("{number}.log"))).expect("created");
                    let err = log.try_clone().expect("cloned");
                    let status = Command::new("/bin/true").stdin(Stdio::null()).stdout(log).stderr(err).process_group(0).status();
                    assert!(status.expect("it starts").success());
                }
            });
        }
    });
    begun.elapsed().as_secs_f64()
}
