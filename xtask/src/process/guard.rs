//! Two processes: the guard stays in the terminal's foreground group and outlives the runner; the runner has a session of its
//! own. Whichever is killed, the other ends what is left. Knows no gate.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};

use super::spawn::{command, pid_of, reap, signal_one};
use super::tree::sweep_below_self;
use crate::model::End;

/// Time for the last sweep.
const SWEEP: Duration = Duration::from_secs(8);

/// How the runner ended, seen by the guard.
#[derive(Debug)]
pub struct Guarded {
    /// Its end.
    pub end: End,
    /// Processes that it left behind and the guard ended.
    pub swept: usize,
}

/// Starts this program again as the runner, forwards signals to it, and ends whatever it leaves behind. With `keys`, lines that a person
/// types go to the runner. `spare` is asked when the runner is over: processes that stay, with everything below them.
pub fn guard(args: &[OsString], keys: bool, spare: impl FnOnce() -> Vec<i32>) -> io::Result<Guarded> {
    adopt_orphans()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let mut command = command(&own_program());
        command.args(args).stdin(if keys { Stdio::piped() } else { Stdio::null() });
        // Threads of the runner hand big values to each other: what one frees goes back at once, for the others. Gates do not get it.
        command.env("MIMALLOC_PURGE_DELAY", "0");
        // Who waits is there before there is a runner: one that nobody waits for would be left alone.
        let (hand, given) = std::sync::mpsc::channel::<Child>();
        let (told, mut ended) = tokio::sync::oneshot::channel();
        let wait = move || given.recv().ok().and_then(|mut child| told.send(reap(&mut child)).ok());
        std::thread::Builder::new().name("wait".to_owned()).spawn(wait)?;
        let mut child = command.spawn()?;
        if let Some(pipe) = child.stdin.take() {
            // Not waited for: it ends with this process, or when the runner's end is gone. A run without keys is a run.
            std::thread::Builder::new().name("keys".to_owned()).spawn(move || hand_on(pipe)).ok();
        }
        let pid = pid_of(&child);
        hand.send(child).map_err(|_| io::Error::other("the waiting thread is gone"))?;
        let end = loop {
            tokio::select! {
                end = &mut ended => break end.unwrap_or_else(|_| End::Unknown("the waiting thread is gone".to_owned())),
                Some(number) = signals.next() => forward(pid, number),
            }
        };
        Ok(Guarded { end, swept: sweep_below_self(SWEEP, &spare()) })
    })
}

/// Hands lines of the terminal on. Only while this process is in the foreground: whoever reads from behind is stopped.
fn hand_on(mut pipe: ChildStdin) {
    let stdin = io::stdin();
    let wait = rustix::event::Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
    loop {
        let mut asked = [PollFd::new(&stdin, PollFlags::IN)];
        let ready = poll(&mut asked, Some(&wait));
        let in_front = rustix::termios::tcgetpgrp(&stdin).is_ok_and(|group| group == rustix::process::getpgrp());
        if matches!(ready, Ok(0)) || !in_front {
            if ready.is_err() || !in_front {
                std::thread::sleep(Duration::from_millis(250));
            }
            continue;
        }
        let mut line = String::new();
        match stdin.read_line(&mut line) {
            Ok(count) if count > 0 => {}
            Ok(_) | Err(_) => return, // the terminal is gone
        }
        if pipe.write_all(line.as_bytes()).is_err() {
            return; // the runner is over
        }
    }
}

/// This program, also when its file was replaced meanwhile.
#[cfg(target_os = "linux")]
fn own_program() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}

#[cfg(not(target_os = "linux"))]
fn own_program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("xtask"))
}

/// Processes that lose their parent become children of this one.
#[cfg(target_os = "linux")]
fn adopt_orphans() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Elsewhere nobody can adopt: groups are ended, and the guarantee is stated for Linux.
#[cfg(not(target_os = "linux"))]
fn adopt_orphans() -> io::Result<()> {
    Ok(())
}

/// A parent that is gone is told as TERM.
#[cfg(target_os = "linux")]
fn end_with_parent() -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?)
}

#[cfg(not(target_os = "linux"))]
fn end_with_parent() -> io::Result<()> {
    Ok(())
}

fn forward(runner: Pid, signal: Signal) {
    signal_one(runner, signal);
}

/// The signals that both processes care about. Listening to SIGCHLD also undoes an inherited "ignore", under which statuses
/// are lost; listening to SIGTSTP keeps Ctrl-Z from stopping the guard while the gates run on.
struct Signals {
    interrupt: SignalStream,
    terminate: SignalStream,
    hangup: SignalStream,
    stop: SignalStream,
    _child: SignalStream,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            stop: signal(SignalKind::from_raw(Signal::TSTP.as_raw()))?,
            _child: signal(SignalKind::child())?,
        })
    }

    async fn next(&mut self) -> Option<Signal> {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return Some(Signal::INT),
                _ = self.terminate.recv() => return Some(Signal::TERM),
                _ = self.hangup.recv() => return Some(Signal::HUP),
                _ = self.stop.recv() => note_stop(),
            }
        }
    }
}

#[expect(clippy::print_stderr, reason = "the guard has no reporter, and Ctrl-Z must not look dead")]
fn note_stop() {
    eprintln!("note: Ctrl-Z is ignored while gates run; Ctrl-C ends the run");
}

/// Makes this process the runner of a guard: a session of its own, adopter of orphans, told when the guard is gone.
pub fn become_runner(guard: i32) -> io::Result<()> {
    rustix::process::setsid()?;
    adopt_orphans()?;
    end_with_parent()?;
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if parent == Some(guard) { Ok(()) } else { Err(io::Error::other("the guard ended before the runner began")) }
}
