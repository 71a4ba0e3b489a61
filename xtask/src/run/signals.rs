//! Signals to the runner become requests to stop. Knows no gate.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedSender;

use crate::model::CancelCause;

/// SIGCHLD is ignored, or nobody can say.
fn ignores_children() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask & (1 << (SignalKind::child().as_raw_value() - 1)) != 0)
}

/// Listens from now on; every signal becomes one request.
pub fn listen(stop: UnboundedSender<CancelCause>) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    // Undoes an inherited "ignore", under which the statuses of children are lost. Without need it would wake a thread for every child.
    let child = if ignores_children() { Some(signal(SignalKind::child())?) } else { None };
    tokio::spawn(async move {
        let _child = child;
        loop {
            let cause = tokio::select! {
                _ = interrupt.recv() => CancelCause::Interrupt,
                _ = terminate.recv() => CancelCause::Terminate,
                _ = hangup.recv() => CancelCause::Terminate,
            };
            if stop.send(cause).is_err() {
                return;
            }
        }
    });
    Ok(())
}
