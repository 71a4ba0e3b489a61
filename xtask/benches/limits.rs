//! What the machine itself allows, as programs that `bench/bench.py` measures beside the tools: threads that do nothing but start processes, a
//! walk with a stat of every file, a reader of XML that keeps nothing.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark drives and prints")]

use std::fs::File;
use std::io::BufReader;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["threads", count, jobs] => threads(number(count), number(jobs)),
        ["walk", folder] => walk(Path::new(folder)),
        ["quick-xml", file] => xml(Path::new(file)),
        _ => println!("started by bench/bench.py: threads COUNT JOBS, walk DIR, quick-xml FILE"),
    }
}

fn number(word: &str) -> usize {
    word.parse().expect("a number")
}

/// Opens a log and runs `true` in a group of its own, as often as wanted.
fn threads(count: usize, jobs: usize) {
    std::fs::create_dir_all("logs").expect("created");
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let log = File::create(format!("logs/{number}.log")).expect("created");
                    let err = log.try_clone().expect("cloned");
                    let status = Command::new("/bin/true").stdin(Stdio::null()).stdout(log).stderr(err).process_group(0).status();
                    assert!(status.expect("it starts").success());
                }
            });
        }
    });
}

/// One stat a file, half of the folders a thread.
fn walk(folder: &Path) {
    let folders: Vec<_> = walkdir::WalkDir::new(folder).into_iter().flatten().filter(|entry| entry.file_type().is_dir()).collect();
    let files = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for half in 0..2 {
            let (folders, files) = (&folders, &files);
            scope.spawn(move || {
                for entry in folders.iter().skip(half).step_by(2).flat_map(|folder| std::fs::read_dir(folder.path())).flatten().flatten() {
                    files.fetch_add(usize::from(entry.path().symlink_metadata().is_ok_and(|found| found.is_file())), Ordering::Relaxed);
                }
            });
        }
    });
    assert!(files.into_inner() > 0);
}

/// Reads every event and unescapes every attribute.
fn xml(file: &Path) {
    let mut reader = quick_xml::Reader::from_reader(BufReader::with_capacity(256 << 10, File::open(file).expect("opened")));
    let (mut buffer, mut cases, mut length) = (Vec::new(), 0_u64, 0_usize);
    loop {
        match reader.read_event_into(&mut buffer).expect("well-formed") {
            quick_xml::events::Event::Eof => break,
            quick_xml::events::Event::Start(start) | quick_xml::events::Event::Empty(start) => {
                cases += u64::from(start.name().as_ref() == b"testcase");
                for attribute in start.attributes().flatten() {
                    length += quick_xml::escape::unescape(std::str::from_utf8(&attribute.value).expect("UTF-8")).expect("known entities").len();
                }
            }
            _ => {}
        }
        buffer.clear();
    }
    println!("{cases} cases, {length} bytes of attributes");
}
