//! Runs a small command for its output, with a limit on time and size: how interpreters are asked for their version. Knows
//! nothing of pins.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::spawn::{Spec, pid_of, signal_group, start};

/// Read of what it says.
const MOST: u64 = 16 << 20;

/// What a command said, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// It ended with 0.
    pub good: bool,
    /// How it ended, in words.
    pub end: String,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// A command whose end interests whatever it is. It is ended when its time is over, or somebody wants to stop; `echo` shows both outputs
/// on our standard error as they come.
pub fn said(spec: &Spec, limit: Duration, stopped: &dyn Fn() -> bool, echo: bool) -> Result<Said, String> {
    let (status, out, err) = ran(spec, limit, Stdio::piped(), stopped, echo)?;
    Ok(Said { good: status.success(), end: status.to_string(), out, err })
}

/// The standard output of a command that exits with 0 in time.
pub fn output(spec: &Spec, limit: Duration) -> Result<String, String> {
    let (status, text, _) = ran(spec, limit, Stdio::null(), &|| false, false)?;
    if status.success() { Ok(text) } else { Err(format!("`{}` answered with {status}", spec.exe.display())) }
}

/// The same, with what it said on its standard error where it fails.
pub fn outcome(spec: &Spec, limit: Duration) -> Result<String, String> {
    let (status, text, said) = ran(spec, limit, Stdio::piped(), &|| false, false)?;
    let said = said.trim();
    match (status.success(), said.is_empty()) {
        (true, _) => Ok(text),
        (false, false) => Err(said.to_owned()),
        (false, true) => Err(format!("`{}` answered with {status}", spec.exe.display())),
    }
}

fn ran(spec: &Spec, limit: Duration, stderr: Stdio, stopped: &dyn Fn() -> bool, echo: bool) -> Result<(ExitStatus, String, String), String> {
    let mut child = start(spec, Stdio::piped(), stderr).map_err(|cause| format!("failed to start `{}`: {cause}", spec.exe.display()))?;
    let reader = reading(child.stdout.take(), echo);
    let errors = reading(child.stderr.take(), echo);
    let until = Instant::now() + limit;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if stopped() => {
                signal_group(pid_of(&child), Signal::KILL);
                child.wait().ok();
                return Err(format!("`{}` was stopped", spec.exe.display()));
            }
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(2)),
            Ok(None) => {
                signal_group(pid_of(&child), Signal::KILL);
                child.wait().ok();
                return Err(format!("`{}` gave no answer within {}", spec.exe.display(), crate::text::duration(limit)));
            }
            Err(cause) => return Err(format!("failed to wait for `{}`: {cause}", spec.exe.display())),
        }
    };
    Ok((status, reader.join().unwrap_or_default(), errors.join().unwrap_or_default()))
}

fn reading(pipe: Option<impl Read + Send + 'static>, echo: bool) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        let Some(pipe) = pipe else { return text };
        if !echo {
            pipe.take(MOST).read_to_string(&mut text).ok();
            return text;
        }
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            std::io::stderr().write_all(format!("{line}\n").as_bytes()).ok();
            if (text.len() as u64) < MOST {
                text.push_str(&line);
                text.push('\n');
            }
        }
        text
    })
}
