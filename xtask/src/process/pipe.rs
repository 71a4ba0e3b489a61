//! A pipe between a process with secrets and its log: what passes is masked. Never waits for the pipe's end alone: an orphan may
//! hold it open for ever.

use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::mask::Mask;

/// A thread that moves bytes from a pipe to a log.
#[derive(Debug)]
pub struct MaskingPipe {
    thread: JoinHandle<io::Result<()>>,
    ended: Arc<AtomicBool>,
}

impl MaskingPipe {
    /// Starts the thread and gives the end for the process.
    pub fn start(mask: Mask, log: File) -> io::Result<(Self, io::PipeWriter)> {
        let (reader, writer) = io::pipe()?;
        let ended = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&ended);
        let thread = std::thread::Builder::new().name("mask".to_owned()).spawn(move || pump(reader, &mask, log, &flag))?;
        Ok((Self { thread, ended }, writer))
    }

    /// The process has ended: takes what is in the pipe now, and no more.
    pub fn finish(self) -> io::Result<()> {
        self.ended.store(true, Ordering::Release);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the masking thread panicked")))
    }
}

fn pump(mut reader: PipeReader, mask: &Mask, mut log: File, ended: &AtomicBool) -> io::Result<()> {
    let mut stream = mask.stream();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let last = ended.load(Ordering::Acquire);
        let wait = Timespec { tv_sec: 0, tv_nsec: if last { 0 } else { 20_000_000 } };
        let mut fds = [PollFd::new(&reader, PollFlags::IN)];
        let ready = match poll(&mut fds, Some(&wait)) {
            Ok(count) => count > 0,
            Err(rustix::io::Errno::INTR) => continue,
            Err(cause) => return Err(cause.into()),
        };
        if !ready {
            if last {
                break;
            }
            continue;
        }
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        log.write_all(&stream.push(&buffer[..count]))?;
    }
    log.write_all(&stream.finish())
}
