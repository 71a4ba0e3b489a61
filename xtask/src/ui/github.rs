//! A job of GitHub Actions: the plain lines, and behind each red or finished gate its whole output in a folded group, where no line of it can
//! act as a command.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use super::Reporter;
use super::plain::Plain;
use crate::event::{AttemptEnded, Event, EventKind};
use crate::github::{harmless, token};
use crate::model::Verdict;
use crate::record::Record;
use crate::rundir::RunDir;
use crate::text::size;

/// Most of a log that is printed; the file has all of it.
const SHOWN: u64 = 8 << 20;

/// The reporter.
pub struct GitHub {
    plain: Plain,
    out: Box<dyn Write + Send>,
    run: RunDir,
}

impl GitHub {
    /// Writes to `out`, of which `again` is another handle, and reads the logs of a run.
    pub fn new(out: Box<dyn Write + Send>, again: Box<dyn Write + Send>, run: RunDir) -> Self {
        Self { plain: Plain::new(out, false).guarded(), out: again, run }
    }

    /// The output of an attempt, folded. Commands are off from its first byte to its last, by a word that it cannot know.
    fn output(&mut self, ended: &AttemptEnded, record: &Record) -> io::Result<()> {
        let Some(log) = &ended.log else { return Ok(()) };
        let gate = record.planned(&ended.job.gate);
        let verdict = gate.zip(record.jobs.get(&ended.job)).map_or(Verdict::Broken, |(gate, job)| record.judge(gate, job).verdict);
        let runs = gate.map_or(1, |gate| gate.runs);
        let iteration = if runs > 1 { format!(" {}/{runs}", ended.job.iteration) } else { String::new() };
        let title = format!("{} {}{iteration}: {} of output", verdict.word(), ended.job.gate, size(log.size));
        writeln!(self.out, "::group::{}", harmless(&title))?;
        let word = token();
        writeln!(self.out, "::stop-commands::{word}")?;
        let copied = self.copy(&log.path);
        writeln!(self.out, "\n::{word}::")?;
        if let Err(cause) = copied {
            writeln!(self.out, "{}", harmless(&format!("failed to read {}: {cause}", log.path)))?;
        }
        writeln!(self.out, "::endgroup::")?;
        self.out.flush()
    }

    fn copy(&mut self, name: &str) -> io::Result<()> {
        let mut file = File::open(self.run.file(name))?;
        let length = file.metadata()?.len();
        if length > SHOWN {
            writeln!(self.out, "the first {} are in {name} of the run", size(length - SHOWN))?;
            file.seek(SeekFrom::Start(length - SHOWN))?;
        }
        io::copy(&mut file.take(SHOWN), &mut self.out).map(drop)
    }
}

impl Reporter for GitHub {
    fn hear(&mut self, event: &Event, record: &Record) -> io::Result<()> {
        self.plain.hear(event, record)?;
        match &event.kind {
            EventKind::AttemptEnded(ended) => self.output(ended, record),
            _ => Ok(()),
        }
    }

    fn tick(&mut self, record: &Record) -> io::Result<()> {
        self.plain.tick(record)
    }

    fn print(&mut self, lines: &[String]) -> io::Result<()> {
        self.plain.print(lines)
    }
}

/// Lines of ours that may hold words of others.
pub fn guard(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().map(|line| harmless(&line)).collect()
}
