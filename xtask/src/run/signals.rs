//! Signals to the runner become requests to stop. Knows no gate.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedSender;

use crate::model::CancelCause;

/// Listens from now on; every signal becomes one request.
pub fn listen(stop: UnboundedSender<CancelCause>) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    // Undoes an inherited "ignore", under which the statuses of children are lost.
    let child = signal(SignalKind::child())?;
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
