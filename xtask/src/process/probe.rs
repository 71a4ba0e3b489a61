//! Runs a small command for its output, with a limit on time and size: how interpreters are asked for their version. Knows
//! nothing of pins.

use std::io::Read;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::spawn::{Spec, pid_of, signal_group, start};

/// Read of what it says.
const MOST: u64 = 16 << 20;

/// The standard output of a command that exits with 0 in time.
pub fn output(spec: &Spec, limit: Duration) -> Result<String, String> {
    let (status, text, _) = ran(spec, limit, Stdio::null())?;
    if status.success() { Ok(text) } else { Err(format!("`{}` answered with {status}", spec.exe.display())) }
}

/// The same, with what it said on its standard error where it fails.
pub fn outcome(spec: &Spec, limit: Duration) -> Result<String, String> {
    let (status, text, said) = ran(spec, limit, Stdio::piped())?;
    let said = said.trim();
    match (status.success(), said.is_empty()) {
        (true, _) => Ok(text),
        (false, false) => Err(said.to_owned()),
        (false, true) => Err(format!("`{}` answered with {status}", spec.exe.display())),
    }
}

fn ran(spec: &Spec, limit: Duration, stderr: Stdio) -> Result<(ExitStatus, String, String), String> {
    let mut child = start(spec, Stdio::piped(), stderr).map_err(|cause| format!("failed to start `{}`: {cause}", spec.exe.display()))?;
    let reader = reading(child.stdout.take());
    let errors = reading(child.stderr.take());
    let until = Instant::now() + limit;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
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

fn reading(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        pipe.map(|pipe| pipe.take(MOST).read_to_string(&mut text));
        text
    })
}
