//! What a person sees while gates run and after: reporters that hear each event with its record. Knows terminals; nothing here can
//! change a run.

pub mod fancy;
pub mod github;
pub mod lines;
pub mod ndjson;
pub mod outlook;
pub mod plain;
pub mod stream;
pub mod summary;

use std::io;

use crate::event::Event;
use crate::record::Record;
use crate::rundir::RunDir;

/// One way of showing a run.
pub trait Reporter: Send {
    /// Hears an event; the record has it in already.
    fn hear(&mut self, event: &Event, record: &Record) -> io::Result<()>;
    /// Time went by without an event.
    fn tick(&mut self, _record: &Record) -> io::Result<()> {
        Ok(())
    }
    /// Lines that somebody asked for.
    fn print(&mut self, _lines: &[String]) -> io::Result<()> {
        Ok(())
    }
    /// Nothing more will come; the summary is printed after this.
    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// Lines for people: live on a terminal, one line an event elsewhere.
    Human,
    /// Nothing but the verdict and what failed.
    Quiet,
    /// Every event as one JSON line on standard output.
    Ndjson,
}

/// Where a run is shown.
#[derive(Clone, Debug)]
pub struct Screen {
    /// Colour is wanted.
    pub colour: bool,
    /// The log of a job of GitHub Actions, and the run whose output belongs into it.
    pub github: Option<RunDir>,
    /// A gate whose output is shown as it is written, and its run.
    pub stream: Option<(RunDir, String)>,
}

/// The reporter for an output; a terminal on standard error gets the live view.
pub fn choose(output: Output, mut screen: Screen) -> Box<dyn Reporter> {
    match (output, screen.stream.take()) {
        // A program that reads events finds the log in them.
        (Output::Human | Output::Quiet, Some((run, gate))) => Box::new(stream::Stream::new(plainly(output, screen), run, gate)),
        (Output::Human | Output::Quiet | Output::Ndjson, _) => plainly(output, screen),
    }
}

fn plainly(output: Output, screen: Screen) -> Box<dyn Reporter> {
    let Screen { colour, github, .. } = screen;
    match (output, github) {
        (Output::Human, Some(run)) => return Box::new(github::GitHub::new(Box::new(io::stderr()), Box::new(io::stderr()), run)),
        (Output::Human | Output::Quiet | Output::Ndjson, _) => {}
    }
    match output {
        Output::Quiet => Box::new(Silent),
        Output::Ndjson => Box::new(ndjson::Ndjson),
        Output::Human if console::user_attended_stderr() => Box::new(fancy::Fancy::new(indicatif::ProgressDrawTarget::stderr(), colour, None)),
        Output::Human => Box::new(plain::Plain::new(Box::new(io::stderr()), colour)),
    }
}

struct Silent;

impl Reporter for Silent {
    fn hear(&mut self, _event: &Event, _record: &Record) -> io::Result<()> {
        Ok(())
    }

    fn print(&mut self, lines: &[String]) -> io::Result<()> {
        use std::io::Write as _;
        let mut out = io::stderr().lock();
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))
    }
}
