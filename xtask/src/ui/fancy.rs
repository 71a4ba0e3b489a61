//! The live view: what is over scrolls by, what runs stands below with its time. Uses no alternate screen and survives any width.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Reporter;
use super::lines::{Grammar, cut};
use crate::event::{Event, EventKind};
use crate::record::Record;
use crate::text::duration;

/// Most gates shown at once.
const SHOWN: usize = 8;

/// The reporter.
pub struct Fancy {
    screen: MultiProgress,
    grammar: Grammar,
    bars: BTreeMap<String, (ProgressBar, Instant)>,
    total: Option<ProgressBar>,
    begun: Instant,
}

impl Fancy {
    /// Draws on a target; a terminal of no known width is taken as 80 columns.
    pub fn new(target: ProgressDrawTarget, colour: bool) -> Self {
        Self { screen: MultiProgress::with_draw_target(target), grammar: Grammar { colour }, bars: BTreeMap::new(), total: None, begun: Instant::now() }
    }

    fn width() -> usize {
        console::Term::stderr().size_checked().map_or(80, |(_, columns)| usize::from(columns))
    }

    fn draw(&mut self, record: &Record) {
        let width = Self::width();
        let now = Instant::now();
        let running: BTreeMap<String, u64> = running(record).into_iter().take(SHOWN).collect();
        self.bars.retain(|id, (bar, _)| {
            let keep = running.contains_key(id);
            if !keep {
                bar.finish_and_clear();
            }
            keep
        });
        for id in running.keys() {
            if !self.bars.contains_key(id) {
                let bar = ProgressBar::new_spinner().with_style(bare());
                let bar = match &self.total {
                    Some(total) => self.screen.insert_before(total, bar),
                    None => self.screen.add(bar),
                };
                self.bars.insert(id.clone(), (bar, now));
            }
        }
        for (id, (bar, since)) in &self.bars {
            let line = self.grammar.line("Running", &format!("[{:>8}] {id}", duration(since.elapsed())));
            bar.set_message(cut(&line, Some(width)));
        }
        let total = self.total.get_or_insert_with(|| self.screen.add(ProgressBar::new_spinner().with_style(bare())));
        let line = format!("{}/{} gates over · {}", record.finished(), record.head.gates.len(), duration(self.begun.elapsed()));
        total.set_message(cut(&self.grammar.line("", &line), Some(width)));
    }
}

/// A bar that is nothing but its message.
fn bare() -> ProgressStyle {
    ProgressStyle::with_template("{msg}").expect("the template is a constant that a test draws")
}

/// Gates and set-ups that run now: id and start, milliseconds.
pub fn running(record: &Record) -> Vec<(String, u64)> {
    let live = record.jobs.iter().filter(|(_, job)| job.skip.is_none() && !job.facts.complete);
    let live = live.filter(|(id, _)| !record.installs.contains_key(&id.gate));
    live.filter_map(|(id, job)| Some((id.gate.clone(), job.started?))).collect()
}

impl Reporter for Fancy {
    fn hear(&mut self, event: &Event, record: &Record) -> io::Result<()> {
        let width = Self::width();
        for line in self.grammar.lines(event, record) {
            self.screen.println(cut(&line, Some(width)))?;
        }
        match event.kind {
            EventKind::JobStarted { .. } | EventKind::AttemptEnded(_) => self.draw(record),
            _ => {}
        }
        Ok(())
    }

    fn tick(&mut self, record: &Record) -> io::Result<()> {
        self.draw(record);
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        for (bar, _) in self.bars.values() {
            bar.finish_and_clear();
        }
        if let Some(total) = &self.total {
            total.finish_and_clear();
        }
        // A last draw that was held back would stand below the summary.
        std::thread::sleep(Duration::from_millis(1));
        self.screen.clear()
    }
}
