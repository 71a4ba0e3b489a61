//! Runs a small command for its output, with a limit on time and size: how interpreters are asked for their version. Knows
//! nothing of pins.

use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::spawn::{Spec, pid_of, signal_group, start};

/// The standard output of a command that exits with 0 in time.
pub fn output(spec: &Spec, limit: Duration) -> Result<String, String> {
    let mut child = start(spec, Stdio::piped(), Stdio::null()).map_err(|cause| format!("failed to start `{}`: {cause}", spec.exe.display()))?;
    let stdout = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.map(|pipe| pipe.take(64 << 10).read_to_string(&mut text));
        text
    });
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
    let text = reader.join().unwrap_or_default();
    if status.success() { Ok(text) } else { Err(format!("`{}` answered with {status}", spec.exe.display())) }
}
