//! A flag that is set when somebody asks this process to end, for work that must be undone first.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

/// Sets the flag at the first TERM, INT or HUP from now on; the signals no longer end the process.
pub fn on_stop(flag: Arc<AtomicBool>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let listening =
        runtime.block_on(async { Ok::<_, io::Error>((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?)) });
    let (mut terminate, mut interrupt, mut hangup) = listening?;
    std::thread::Builder::new().name("stop".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => {}
            }
        });
        flag.store(true, Ordering::Release);
    })?;
    Ok(())
}
