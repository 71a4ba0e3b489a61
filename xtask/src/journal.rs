//! Appends events to events.jsonl and reads them back, also from a file cut at any byte. Knows the line format, not what the
//! events mean.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use crate::event::Event;

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    file: File,
    hasher: blake3::Hasher,
    length: u64,
}

impl Journal {
    /// A new, empty journal.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create_new(true).append(true).open(path)?;
        Ok(Self { file, hasher: blake3::Hasher::new(), length: 0 })
    }

    /// Appends a batch with one write: enough against SIGKILL, which loses no page cache.
    pub fn append(&mut self, events: &[Event]) -> io::Result<()> {
        let mut lines = Vec::with_capacity(events.len() * 200);
        for event in events {
            serde_json::to_writer(&mut lines, event)?;
            lines.push(b'\n');
        }
        if let Err(cause) = self.file.write_all(&lines) {
            // A full disk took a part of it: the journal ends with the last whole event.
            self.file.set_len(self.length).ok();
            return Err(cause);
        }
        self.length += lines.len() as u64;
        self.hasher.update(&lines);
        Ok(())
    }

    /// Syncs, and gives the digest of everything that was appended.
    pub fn finish(self) -> io::Result<String> {
        self.file.sync_all()?;
        Ok(self.hasher.finalize().to_hex().to_string())
    }
}

/// What a journal on disk holds.
#[derive(Debug, Default)]
pub struct Readout {
    /// Whole events in their order, up to the first that is not.
    pub events: Vec<Event>,
    /// Why reading stopped before the end of the file.
    pub fault: Option<String>,
    /// Digest of the file.
    pub digest: String,
}

/// Reads a journal as a whole.
pub fn read(path: &Path) -> io::Result<Readout> {
    let mut events = Vec::new();
    let Told { fault, digest } = follow(path, &mut |event| events.push(event))?;
    Ok(Readout { events, fault, digest })
}

/// What is said of a journal whose events were handed on.
#[derive(Debug, Default)]
pub struct Told {
    /// Why reading stopped before the end of the file.
    pub fault: Option<String>,
    /// Digest of the file.
    pub digest: String,
}

/// Reads a journal event by event. A line that is cut or out of order ends it; what stands before counts.
pub fn follow(path: &Path, each: &mut dyn FnMut(Event)) -> io::Result<Told> {
    let mut reader = BufReader::with_capacity(256 << 10, File::open(path)?);
    let mut told = Told::default();
    let mut number = 0;
    let mut hasher = blake3::Hasher::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        hasher.update(&line);
        if told.fault.is_some() {
            continue;
        }
        match serde_json::from_slice::<Event>(&line) {
            Ok(event) if event.seq == number && line.ends_with(b"\n") => {
                number += 1;
                each(event);
            }
            Ok(event) if line.ends_with(b"\n") => told.fault = Some(format!("line {}: event {} where {number} was due", number + 1, event.seq)),
            Ok(_) => told.fault = Some(format!("line {}: cut", number + 1)),
            Err(cause) => told.fault = Some(format!("line {}: {cause}", number + 1)),
        }
    }
    told.digest = hasher.finalize().to_hex().to_string();
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKind;

    #[test]
    fn a_journal_cut_at_any_byte_gives_whole_events_only() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("events.jsonl");
        let mut journal = Journal::create(&path).expect("created");
        let note = |seq| Event { seq, at: seq * 7, kind: EventKind::Noted { gate: None, text: format!("number {seq} \"ä\"\n") } };
        let events: Vec<Event> = (0..5).map(note).collect();
        journal.append(&events).expect("appended");
        let digest = journal.finish().expect("synced");
        let whole = std::fs::read(&path).expect("readable");
        assert_eq!(read(&path).expect("readable").digest, digest);
        for cut in 0..=whole.len() {
            crate::rundir::write_atomic(&path, &whole[..cut]).expect("written");
            let readout = read(&path).expect("readable");
            let lines = String::from_utf8_lossy(&whole[..cut]).matches('\n').count();
            assert_eq!(readout.events, events[..lines], "cut at {cut}");
            assert_eq!(readout.fault.is_some(), cut > 0 && whole[cut - 1] != b'\n', "cut at {cut}");
        }
    }
}
