//! One plain line an event, and a heartbeat in long silences: for pipes, logs and CI. Never moves a cursor.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::Reporter;
use super::lines::Grammar;
use crate::event::Event;
use crate::record::Record;
use crate::text::millis;

/// Longest silence.
const HEARTBEAT: Duration = Duration::from_mins(1);

/// The reporter.
pub struct Plain {
    out: Box<dyn Write + Send>,
    grammar: Grammar,
    spoke: Instant,
    begun: Instant,
    /// Words of others must not act as commands of GitHub.
    guarded: bool,
}

impl Plain {
    /// Writes to `out`.
    pub fn new(out: Box<dyn Write + Send>, colour: bool) -> Self {
        Self { out, grammar: Grammar { colour }, spoke: Instant::now(), begun: Instant::now(), guarded: false }
    }

    /// The same for a log in which some lines act.
    #[must_use]
    pub fn guarded(self) -> Self {
        Self { guarded: true, ..self }
    }

    fn say(&mut self, lines: &[String]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        self.spoke = Instant::now();
        let lines = if self.guarded { super::github::guard(lines.to_vec()) } else { lines.to_vec() };
        let mut text = lines.join("\n");
        text.push('\n');
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

impl Reporter for Plain {
    fn hear(&mut self, event: &Event, record: &Record) -> io::Result<()> {
        let lines = self.grammar.lines(event, record);
        self.say(&lines)
    }

    fn print(&mut self, lines: &[String]) -> io::Result<()> {
        self.say(lines)
    }

    fn tick(&mut self, record: &Record) -> io::Result<()> {
        if self.spoke.elapsed() < HEARTBEAT {
            return Ok(());
        }
        // The newest event may be a minute old: the time comes from the clock.
        let now = self.begun.elapsed().as_millis() as u64;
        let running: Vec<String> =
            super::outlook::running(record).into_iter().map(|(id, since)| format!("{id} {}", millis(now.saturating_sub(since)))).collect();
        let line = self.grammar.line("Running", &format!("{}: {}", running.len(), running.join(", ")));
        self.say(&[line])
    }
}
