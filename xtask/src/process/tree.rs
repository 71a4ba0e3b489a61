//! Who descends from whom, read from /proc: children by thread, markers in environments, and the sweep of what is left.
//! Elsewhere than on Linux there is nothing to read, and only groups are ended.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::spawn::{reap_pid, signal_one};
use crate::mask::{Mask, redact};

/// Children of one thread of a process.
fn children_of(pid: i32, task: &str) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{task}/children")).unwrap_or_default();
    text.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Children of all threads of a process.
pub fn children(pid: i32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks.flat_map(|task| children_of(pid, &task.file_name().to_string_lossy())).collect()
}

/// Everything below a process, parents before children.
pub fn descendants(pid: i32) -> Vec<i32> {
    let mut all = children(pid);
    let mut next = 0;
    while next < all.len() {
        let below: Vec<i32> = children(all[next]).into_iter().filter(|pid| !all.contains(pid)).collect();
        all.extend(below);
        next += 1;
    }
    all
}

/// Orphans that this process adopted as subreaper: the children of its main thread, which itself starts nothing.
pub fn orphans() -> Vec<i32> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    children_of(own, &own.to_string())
}

/// The process carries this text in the environment it was started with.
pub fn has_marker(pid: i32, marker: &str) -> bool {
    let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environ.split(|byte| *byte == 0).any(|entry| entry == marker.as_bytes())
}

/// The value of a variable in the environment that a process was started with.
pub fn entry(pid: i32, name: &str) -> Option<String> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut entries = environ.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    entries.find_map(|entry| entry.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()))
}

/// Process group and session.
pub fn group_and_session(pid: i32) -> Option<(i32, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after = stat.rsplit_once(')')?.1;
    let mut fields = after.split_ascii_whitespace().skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// The process has ended and only waits to be reaped.
pub fn is_zombie(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, after)| after.trim_start().starts_with(['Z', 'X']))
}

/// Command line in one string without secrets, cut: after the mask, so that no part of one is left at the cut.
pub fn command_line(pid: i32, mask: &Mask) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<String> = String::from_utf8_lossy(&bytes).split('\0').map(|word| mask.text(word)).collect();
    redact(&words).join(" ").trim().chars().take(200).collect()
}

/// A process and everything below it as `pid command line`, for people.
pub fn shown(pid: i32, mask: &Mask) -> Vec<String> {
    std::iter::once(pid).chain(descendants(pid)).take(50).map(|pid| format!("{pid} {}", command_line(pid, mask))).collect()
}

/// Ends a process and everything below it at once.
pub fn kill(pid: i32) {
    for one in std::iter::once(pid).chain(descendants(pid)) {
        if let Some(one) = Pid::from_raw(one) {
            signal_one(one, Signal::KILL);
        }
    }
}

/// Ends everything below this process, and again what appears meanwhile, until nothing is left but what is spared, or the time is over. Gives the
/// number of processes ended.
pub fn sweep_below_self(limit: Duration, spared: &[i32]) -> usize {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let until = Instant::now() + limit;
    let mut ended = std::collections::BTreeSet::new();
    loop {
        let kept: Vec<i32> = spared.iter().flat_map(|pid| std::iter::once(*pid).chain(descendants(*pid))).collect();
        let below: Vec<i32> = descendants(own).into_iter().filter(|pid| !kept.contains(pid)).collect();
        if below.is_empty() || Instant::now() > until {
            return ended.len();
        }
        for pid in below.into_iter().filter_map(Pid::from_raw) {
            signal_one(pid, Signal::KILL);
            if ended.insert(pid.as_raw_nonzero()) || reap_pid(pid) {
                continue;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
