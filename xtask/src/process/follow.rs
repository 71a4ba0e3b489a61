//! Follows logs while they grow: digest, last line, length limit, and whether bytes vanished. One thread for all logs; never in
//! the way of the process that writes.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::FileRef;
use crate::rundir::{Digest, changed_ref};

/// How often a log that does not grow fast is looked at.
const PERIOD: Duration = Duration::from_millis(20);
/// How often while one grew by `FAST` since the last look: its bytes are then still in the processor's cache when they are read.
/// With the long period only, they had left it, and a gibibyte of output took a fifth longer than without a digest.
const SHORT_PERIOD: Duration = Duration::from_millis(2);
/// Bytes between two looks that shorten the period.
const FAST: u64 = 256 << 10;
/// Read at once: small enough that the digest finds it in the processor's cache.
const CHUNK: usize = 64 << 10;
/// Chunks of one log before the next log has its turn.
const TURN: usize = 256;
/// Read of the end of a log, for its last line.
const TAIL: u64 = 4096;
/// Kept away from the end of a log that grows: reading what is being written slows the writer.
const LAG: u64 = 2 << 20;

/// How much of a log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// All of it, for a digest of its bytes: the run's files go on to other machines.
    Whole,
    /// At most [`HELD`] bytes: a longer log of a run that stays here is known by its size and the time of its last change. To read a gibibyte
    /// once more takes a tenth of the time in which it was written.
    Front,
}

/// Bytes of a log up to which its digest is that of its bytes, in every run.
pub const HELD: u64 = 64 << 20;

/// A log that grows.
struct Tail {
    file: File,
    depth: Depth,
    read: u64,
    /// Length at the last look.
    known: u64,
    hasher: Digest,
    shrank: bool,
    max: u64,
    over: bool,
}

impl Tail {
    /// Looks at the length, and reads one chunk of what is new and not too fresh. True when there is more of that.
    fn advance(&mut self, buffer: &mut [u8], lag: u64) -> io::Result<bool> {
        if self.read + lag >= self.known {
            self.look()?;
        }
        if self.shrank || self.read + lag >= self.known || self.is_skipped() {
            return Ok(false);
        }
        let count = self.file.read_at(buffer, self.read)?;
        self.hasher.update(&buffer[..count]);
        self.read += count as u64;
        if count == 0 {
            self.shrank = true; // it was cut below what its length said a moment ago
        }
        Ok(count > 0 && self.read + lag < self.known)
    }

    /// It is too long for its bytes to be read.
    fn is_skipped(&self) -> bool {
        self.depth == Depth::Front && self.known > HELD
    }

    /// The length as it is now, and what it says.
    fn look(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        self.shrank |= length < self.known;
        self.over |= length > self.max;
        self.known = length;
        Ok(())
    }

    fn read_again(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK];
        self.hasher = Digest::xxh3();
        self.read = 0;
        loop {
            let count = self.file.read_at(&mut buffer, self.read)?;
            if count == 0 {
                return Ok(());
            }
            self.hasher.update(&buffer[..count]);
            self.read += count as u64;
        }
    }
}

/// What a log turned out to be.
#[derive(Debug)]
pub struct Followed {
    /// The file.
    pub file: FileRef,
    /// Bytes vanished while it was written.
    pub shrank: bool,
    /// It passed its limit.
    pub over: bool,
}

/// Follows any number of logs.
#[derive(Clone)]
pub struct Follower {
    logs: Arc<Mutex<HashMap<String, Arc<Mutex<Tail>>>>>,
    stop: Arc<AtomicBool>,
    depth: Depth,
}

impl Follower {
    /// Starts the thread. `over` is told the key of a log that passed its limit, once.
    pub fn start(depth: Depth, over: impl Fn(&str) + Send + 'static) -> io::Result<Self> {
        let follower = Self { logs: Arc::default(), stop: Arc::default(), depth };
        let own = follower.clone();
        std::thread::Builder::new().name("follow".to_owned()).spawn(move || own.watch(&over))?;
        Ok(follower)
    }

    fn watch(&self, over: &dyn Fn(&str)) {
        let mut buffer = vec![0; CHUNK];
        while !self.stop.load(Ordering::Relaxed) {
            let logs: Vec<(String, Arc<Mutex<Tail>>)> = lock(&self.logs).iter().map(|(key, tail)| (key.clone(), Arc::clone(tail))).collect();
            let (mut busy, mut fast) = (false, false);
            for (key, tail) in logs {
                let mut tail = lock(&tail);
                let (was_over, was_known) = (tail.over, tail.known);
                let mut more = true;
                for _ in 0..TURN {
                    more = tail.advance(&mut buffer, LAG).unwrap_or(false);
                    if !more {
                        break;
                    }
                }
                busy |= more;
                fast |= tail.known >= was_known + FAST;
                if tail.over && !was_over {
                    drop(tail);
                    over(&key);
                }
            }
            if !busy {
                std::thread::sleep(if fast { SHORT_PERIOD } else { PERIOD });
            }
        }
    }

    /// Begins to follow a log.
    pub fn add(&self, key: &str, file: File, max: u64) {
        let tail = Tail { file, depth: self.depth, read: 0, known: 0, hasher: Digest::xxh3(), shrank: false, max, over: false };
        lock(&self.logs).insert(key.to_owned(), Arc::new(Mutex::new(tail)));
    }

    /// The last line with text of a log, and whether it is followed at all.
    pub fn last_line(&self, key: &str) -> Option<String> {
        let tail = lock(&self.logs).get(key).map(Arc::clone)?;
        let mut bytes = vec![0; TAIL as usize];
        let mut tail = lock(&tail);
        tail.look().ok()?;
        let count = tail.file.read_at(&mut bytes, tail.known.saturating_sub(TAIL)).unwrap_or(0);
        bytes.truncate(count);
        Some(last_line(&String::from_utf8_lossy(&bytes)))
    }

    /// Reads the rest of a log that nobody writes any more.
    pub fn finish(&self, key: &str, name: &str) -> io::Result<Followed> {
        let tail = lock(&self.logs).remove(key).ok_or_else(|| io::Error::other("this log is not followed"))?;
        let mut tail = lock(&tail);
        tail.look()?;
        let mut buffer = if tail.known > tail.read { vec![0; CHUNK] } else { Vec::new() };
        while tail.advance(&mut buffer, 0)? {}
        if tail.is_skipped() && !tail.shrank {
            let file = changed_ref(&tail.file, name)?;
            return Ok(Followed { file, shrank: false, over: tail.over });
        }
        if tail.shrank {
            // What was read is not what is there: the reference is of the file as it is.
            tail.read_again()?;
        }
        let file = FileRef { path: name.to_owned(), size: tail.read, digest: tail.hasher.finish() };
        Ok(Followed { file, shrank: tail.shrank, over: tail.over })
    }

    /// Ends the thread.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The last line with something on it, without colours, cut.
pub fn last_line(text: &str) -> String {
    let text = crate::text::strip_ansi(text);
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("").chars().take(300).collect()
}

/// A part of a log as text, at most this much of its end.
pub fn part(log: &File, from: u64, to: u64, most: u64) -> String {
    let to = to.min(log.metadata().map_or(to, |found| found.len()));
    let start = from.max(to.saturating_sub(most));
    let mut bytes = vec![0; to.saturating_sub(start) as usize];
    let count = log.read_at(&mut bytes, start).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..count]).into_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panicked while it held the lock left plain values, which are as good as before.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn digest_last_line_and_shrinking() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("log");
        let follower = Follower::start(Depth::Whole, |_| {}).expect("thread");
        let mut file = File::options().create(true).append(true).read(true).open(&path).expect("created");
        follower.add("a", file.try_clone().expect("cloned"), 1 << 20);
        file.write_all(&b"first\n\x1b[31mlast\x1b[0m\n\n".repeat(20_000)).expect("written");
        let followed = follower.finish("a", "log").expect("followed");
        let run = crate::rundir::GatesDir::new(folder.path()).create_run("r").expect("created");
        std::fs::copy(&path, run.file("log")).expect("copied");
        assert_eq!(crate::rundir::check_ref(&run, &followed.file), Ok(()));
        assert!(!followed.shrank);

        follower.add("b", file.try_clone().expect("cloned"), 10);
        let until = std::time::Instant::now() + Duration::from_secs(20);
        while follower.last_line("b").as_deref() != Some("last") {
            assert!(std::time::Instant::now() < until, "{:?}", follower.last_line("b"));
            std::thread::yield_now();
        }
        file.set_len(0).expect("truncated");
        assert!(follower.finish("b", "log").expect("followed").shrank);
        follower.stop();
    }

    #[test]
    fn a_long_log_that_stays_here_is_known_by_its_last_change() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let run = crate::rundir::GatesDir::new(folder.path()).create_run("r").expect("created");
        for (depth, size, begin) in [(Depth::Front, HELD + 1, "changed:"), (Depth::Front, HELD, "xxh3:"), (Depth::Whole, HELD + 1, "xxh3:")] {
            let file = File::options().create(true).truncate(true).write(true).read(true).open(run.file("log")).expect("created");
            let follower = Follower::start(depth, |_| {}).expect("thread");
            follower.add("a", file.try_clone().expect("cloned"), u64::MAX);
            file.set_len(size).expect("a hole");
            let followed = follower.finish("a", "log").expect("followed");
            assert!(followed.file.digest.starts_with(begin) && followed.file.size == size, "{depth:?} {size}: {followed:?}");
            assert_eq!(crate::rundir::check_ref(&run, &followed.file), Ok(()));
            // One byte in its middle.
            file.write_at(b"x", size / 2).expect("written");
            assert!(crate::rundir::check_ref(&run, &followed.file).is_err_and(|why| why.contains("was changed")));
            follower.stop();
        }
    }
}
