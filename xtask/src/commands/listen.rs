//! The one listener of a run: journal first, then the record, then each reporter. A journal that cannot be written cancels the
//! run; a reporter that fails is dropped and says so once.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::keys::{self, Keys, Wish};
use super::say;
use crate::event::{Event, EventKind};
use crate::journal::Journal;
use crate::mask::Mask;
use crate::model::CancelCause;
use crate::record::Record;
use crate::rundir::RunDir;
use crate::ui::Reporter;

/// Time between two looks at the screen.
const TICK: Duration = Duration::from_millis(100);
/// Most events in one write.
const BATCH: usize = 512;
/// How long the first event waits for others: each write of its own would cost as much as a small gate.
const GATHER: Duration = Duration::from_millis(2);

/// What the listener knows when no more events come.
pub(super) struct Heard {
    /// The live fold.
    pub(super) record: Record,
    /// Digest of what was appended; or why it could not be.
    pub(super) journal: Result<String, String>,
}

/// Starts the listener; it ends when every sender of events is gone.
pub(super) fn start(
    events: Receiver<Event>,
    journal: Journal,
    reporter: Box<dyn Reporter>,
    asked: Asked,
    stop: UnboundedSender<CancelCause>,
) -> std::io::Result<JoinHandle<Heard>> {
    std::thread::Builder::new().name("listen".to_owned()).spawn(move || {
        let mut listener =
            Listener { journal: Some(journal), fault: None, record: Record::default(), reporter: Some(reporter), asked, begun: Instant::now(), stop };
        listener.listen(&events);
        listener.end()
    })
}

/// What a person may ask while gates run, and the run that answers.
pub(super) struct Asked {
    pub(super) keys: Keys,
    pub(super) run: RunDir,
    /// What no answer may show; known before the first gate starts.
    pub(super) mask: Arc<OnceLock<Mask>>,
}

struct Listener {
    journal: Option<Journal>,
    fault: Option<String>,
    record: Record,
    reporter: Option<Box<dyn Reporter>>,
    asked: Asked,
    begun: Instant,
    stop: UnboundedSender<CancelCause>,
}

impl Listener {
    fn listen(&mut self, events: &Receiver<Event>) {
        loop {
            match events.recv_timeout(TICK) {
                Ok(first) => {
                    if !matches!(first.kind, EventKind::RunEnded {}) {
                        std::thread::sleep(GATHER);
                    }
                    let mut batch = vec![first];
                    while batch.len() < BATCH {
                        let Ok(event) = events.try_recv() else { break };
                        batch.push(event);
                    }
                    self.take(&batch);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let record = &self.record;
                    let result = self.reporter.as_mut().map_or(Ok(()), |reporter| reporter.tick(record));
                    self.check(result);
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if let Some(wish) = self.asked.keys.take() {
                self.answer(wish);
            }
        }
    }

    fn answer(&mut self, wish: Wish) {
        let mask = self.asked.mask.get().cloned().unwrap_or_default();
        let lines = keys::snapshot(&self.record, &self.asked.run, &mask, self.begun.elapsed().as_millis() as u64, wish);
        let result = self.reporter.as_mut().map_or(Ok(()), |reporter| reporter.print(&lines));
        self.check(result);
    }

    fn take(&mut self, batch: &[Event]) {
        if let Some(journal) = &mut self.journal
            && let Err(cause) = journal.append(batch)
        {
            self.journal = None;
            self.fault = Some(format!("failed to write the journal: {cause}"));
            self.stop.send(CancelCause::Journal).ok();
        }
        for event in batch {
            self.record.apply(event);
            let record = &self.record;
            let result = self.reporter.as_mut().map_or(Ok(()), |reporter| reporter.hear(event, record));
            self.check(result);
        }
    }

    fn check(&mut self, result: std::io::Result<()>) {
        if let Err(cause) = result {
            self.reporter = None;
            say(&format!("note: the view of this run is gone ({cause}); the run goes on"));
        }
    }

    fn end(mut self) -> Heard {
        let result = self.reporter.as_mut().map_or(Ok(()), |reporter| reporter.end());
        self.check(result);
        let journal = match (self.journal, self.fault) {
            (Some(journal), _) => journal.finish().map_err(|cause| format!("failed to sync the journal: {cause}")),
            (None, fault) => Err(fault.unwrap_or_default()),
        };
        Heard { record: self.record, journal }
    }
}
