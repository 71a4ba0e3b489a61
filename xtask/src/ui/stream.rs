//! The output of one gate between the lines of another reporter, as it is written.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use super::Reporter;
use crate::event::{Event, EventKind};
use crate::model::JobId;
use crate::record::Record;
use crate::rundir::RunDir;
use crate::text::visible;

/// Most bytes that are shown between two looks; a flood is shown in part, and the log has all of it.
const MOST: u64 = 256 << 10;

/// The reporter.
pub struct Stream {
    inner: Box<dyn Reporter>,
    run: RunDir,
    gate: String,
    /// The job whose log is read, how far, and the line that is not over yet.
    now: Option<(JobId, u64, String)>,
}

impl Stream {
    /// Shows a gate's output through another reporter.
    pub fn new(inner: Box<dyn Reporter>, run: RunDir, gate: String) -> Self {
        Self { inner, run, gate, now: None }
    }

    /// What was written since the last look; with `last` also a line without an end.
    fn look(&mut self, last: bool) -> io::Result<()> {
        let Some((job, read, rest)) = &mut self.now else { return Ok(()) };
        let mut lines = Vec::new();
        if let Ok(mut file) = File::open(self.run.file(&RunDir::log_name(job))) {
            let length = file.metadata().map_or(*read, |found| found.len());
            if length > *read + MOST {
                lines.push(format!("... {} bytes are left out here", length - *read - MOST));
                *read = length - MOST;
                rest.clear();
            }
            let mut bytes = Vec::new();
            let got = file.seek(SeekFrom::Start(*read)).and_then(|_| file.take(MOST).read_to_end(&mut bytes));
            *read += got.unwrap_or(0) as u64;
            rest.push_str(&String::from_utf8_lossy(&bytes));
        }
        while let Some(at) = rest.find('\n') {
            lines.push(rest[..at].to_owned());
            rest.drain(..=at);
        }
        if last && !rest.is_empty() {
            lines.push(std::mem::take(rest));
        }
        let lines: Vec<String> = lines.iter().map(|line| format!("{} | {}", self.gate, visible(line.trim_end()))).collect();
        self.inner.print(&lines)
    }
}

impl Reporter for Stream {
    fn hear(&mut self, event: &Event, record: &Record) -> io::Result<()> {
        match &event.kind {
            EventKind::JobStarted { job, .. } if job.gate == self.gate => self.now = Some((job.clone(), 0, String::new())),
            EventKind::AttemptEnded(ended) if ended.job.gate == self.gate => {
                self.look(true)?;
                self.now = None;
            }
            _ => {}
        }
        self.inner.hear(event, record)
    }

    fn tick(&mut self, record: &Record) -> io::Result<()> {
        self.look(false)?;
        self.inner.tick(record)
    }

    fn print(&mut self, lines: &[String]) -> io::Result<()> {
        self.inner.print(lines)
    }

    fn end(&mut self) -> io::Result<()> {
        self.inner.end()
    }
}
