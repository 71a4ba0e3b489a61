//! A process that serves gates: started, asked until it answers, watched, and ended with everything below it. Blocking; knows no
//! gate and no database.

mod ready;

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

pub use ready::Asked;

use crate::mask::Mask;
use crate::model::End;
use crate::process::follow::part;
use crate::process::pipe::MaskingPipe;
use crate::process::spawn::{self, Spec};
use crate::process::tree;

/// How often a service is looked at.
const POLL: Duration = Duration::from_millis(10);
/// Read of a log's end.
const TAIL: u64 = 64 << 10;

/// What to start.
pub struct Order<'a> {
    /// Service id, for messages.
    pub id: &'a str,
    /// The process.
    pub spec: Spec,
    /// Values that its log must not show.
    pub mask: Mask,
    /// Its log.
    pub log: PathBuf,
    /// How it says that it is ready.
    pub asked: Asked,
    /// Longest time until then.
    pub timeout: Duration,
    /// TERM to KILL.
    pub grace: Duration,
    /// The run was cancelled.
    pub stopped: &'a dyn Fn() -> bool,
}

/// A service that answers.
#[derive(Debug)]
pub struct Instance {
    /// Service id.
    pub id: String,
    /// Its process.
    pub pid: i32,
    /// Its log.
    pub log: PathBuf,
    grace: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    child: Child,
    pipe: Option<MaskingPipe>,
    end: Option<End>,
}

impl Instance {
    /// Starts it and waits until it answers; what does not is ended.
    pub fn start(order: &Order<'_>) -> Result<Self, String> {
        let io = |cause: std::io::Error| format!("failed to start `{}`: {cause}", order.spec.exe.display());
        if let Some(place) = order.asked.already_answers() {
            return Err(format!("something else answers at {place} before it was started: the port is taken"));
        }
        let log = File::options().create(true).truncate(false).read(true).append(true).open(&order.log).map_err(io)?;
        let (pipe, out, err): (_, Stdio, Stdio) = if order.mask.is_empty() {
            (None, log.try_clone().map_err(io)?.into(), log.try_clone().map_err(io)?.into())
        } else {
            let (pipe, writer) = MaskingPipe::start(order.mask.clone(), log.try_clone().map_err(io)?).map_err(io)?;
            let second = writer.try_clone().map_err(io)?;
            (Some(pipe), writer.into(), second.into())
        };
        let from = log.metadata().map_or(0, |found| found.len());
        let child = spawn::start(&order.spec, out, err).map_err(io)?;
        let pid = spawn::pid_of(&child).as_raw_nonzero().get();
        let state = Mutex::new(State { child, pipe, end: None });
        let instance = Self { id: order.id.to_owned(), pid, log: order.log.clone(), grace: order.grace, state };
        match instance.wait_until_ready(order, &log, from) {
            Ok(()) => Ok(instance),
            Err(why) => {
                instance.stop(false);
                Err(why)
            }
        }
    }

    fn wait_until_ready(&self, order: &Order<'_>, log: &File, from: u64) -> Result<(), String> {
        let until = Instant::now() + order.timeout;
        loop {
            let answer = order.asked.ask(log, from, until.saturating_duration_since(Instant::now()));
            let last = || crate::process::follow::last_line(&part(log, from, u64::MAX, TAIL));
            if let Some(end) = self.lost() {
                return Err(format!("ended with {end} before it was ready: {}", last()));
            }
            let Err(why) = answer else { return Ok(()) };
            if (order.stopped)() {
                return Err("cancelled".to_owned());
            }
            if Instant::now() >= until {
                let timeout = humantime::format_duration(order.timeout);
                return Err(format!("was not ready within {timeout} ({why}); its last line: {}", last()));
            }
            std::thread::sleep(POLL);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it ended, if it did.
    pub fn lost(&self) -> Option<End> {
        let mut state = self.state();
        if state.end.is_none() && Pid::from_raw(self.pid).is_some_and(spawn::has_ended) {
            state.end = Some(self.bury(&mut state));
        }
        state.end.clone()
    }

    /// Ends it with everything below it: TERM, then KILL after its grace, at once where that is asked for.
    pub fn stop(&self, at_once: bool) -> End {
        let mut state = self.state();
        if let Some(end) = &state.end {
            return end.clone();
        }
        let Some(leader) = Pid::from_raw(self.pid) else { return End::Unknown("it has no process id".to_owned()) };
        let below = tree::descendants(self.pid);
        if !at_once {
            spawn::signal_group(leader, Signal::TERM);
            spawn::signal_group(leader, Signal::CONT);
            for one in below.iter().copied().filter(|one| tree::group_and_session(*one).is_some_and(|(group, _)| group != self.pid)) {
                if let Some(one) = Pid::from_raw(one) {
                    spawn::signal_one(one, Signal::TERM);
                }
            }
            let until = Instant::now() + self.grace;
            while !spawn::has_ended(leader) && Instant::now() < until {
                std::thread::sleep(POLL);
            }
        }
        tree::kill(self.pid);
        // Those that left the group have had their time too; the markers of their environment tell the rest.
        let end = self.bury(&mut state);
        state.end = Some(end.clone());
        end
    }

    /// Kills its group while its number is still taken, then reads its status.
    fn bury(&self, state: &mut State) -> End {
        if let Some(leader) = Pid::from_raw(self.pid) {
            spawn::signal_group(leader, Signal::KILL);
        }
        let end = spawn::reap(&mut state.child);
        match state.pipe.take().map(MaskingPipe::finish) {
            Some(Err(cause)) => End::Unknown(format!("its output was lost: {cause}")),
            Some(Ok(())) | None => end,
        }
    }
}

#[cfg(test)]
mod tests;
