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
    width: Option<usize>,
}

impl Fancy {
    /// Draws on a target; without a fixed width it asks the terminal at every drawing.
    pub fn new(target: ProgressDrawTarget, colour: bool, width: Option<usize>) -> Self {
        Self { width, screen: MultiProgress::with_draw_target(target), grammar: Grammar { colour }, bars: BTreeMap::new(), total: None, begun: Instant::now() }
    }

    /// A terminal that does not tell its width is taken as 80 columns wide.
    fn width(&self) -> usize {
        self.width.unwrap_or_else(|| console::Term::stderr().size_checked().map_or(80, |(_, columns)| usize::from(columns)))
    }

    fn draw(&mut self, record: &Record) {
        let width = self.width();
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
        // What scrolls by is for keeps and wraps as the terminal likes; only what is drawn again is cut.
        for line in self.grammar.lines(event, record) {
            self.screen.println(line)?;
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

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;
    use crate::event::{AttemptEnded, PlannedGate, RunStarted};
    use crate::model::{End, JobId, StepFact};

    fn planned(id: &str) -> PlannedGate {
        PlannedGate { id: id.to_owned(), runs: 1, ..PlannedGate::default() }
    }

    /// The screen after two gates began and one of them ended.
    fn screen(columns: u16) -> String {
        let terminal = InMemoryTerm::new(20, columns);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let mut fancy = Fancy::new(target, false, Some(usize::from(columns)));
        let gates = vec![planned("prüfung-mit-einem-langen-namen-and-more-of-it"), planned("b")];
        let job = |id: &str| JobId { gate: id.to_owned(), iteration: 1 };
        let head = RunStarted { gates: gates.clone(), targets: vec!["p".to_owned()], profile: "local".to_owned(), ..RunStarted::default() };
        let fact = StepFact { step: "1".to_owned(), end: End::Code(0), accepted: vec![0], took: 5, excerpt: String::new(), at: None };
        let ended = AttemptEnded { job: job("b"), took: 5, log: None, log_shrank: false, stopped: None, lost: None, migrate: None, gone: (0, Vec::new()) };
        let kinds = [
            EventKind::RunStarted(Box::new(head)),
            EventKind::JobStarted { job: job(&gates[0].id), waited: 0, locks: Vec::new() },
            EventKind::JobStarted { job: job("b"), waited: 0, locks: Vec::new() },
            EventKind::ProcEnded { job: job("b"), fact: Box::new(fact), from: 0, to: 0 },
            EventKind::AttemptEnded(Box::new(ended)),
        ];
        let mut record = Record::default();
        for (seq, kind) in kinds.into_iter().enumerate() {
            let event = Event { seq: seq as u64, at: 0, kind };
            record.apply(&event);
            fancy.hear(&event, &record).expect("a screen in memory");
        }
        fancy.draw(&record);
        terminal.contents()
    }

    #[test]
    fn what_is_over_scrolls_and_what_runs_stands_below() {
        let lines: Vec<String> = screen(80).lines().map(|line| line.trim_end().to_owned()).collect();
        assert_eq!(lines[0], " gate p · run  · profile local");
        assert_eq!(lines[1], "        PASS [    0.0s] 1/2 b");
        assert!(lines[2].starts_with("     Running [") && lines[2].ends_with("prüfung-mit-einem-langen-namen-and-more-of-it"), "{lines:?}");
        assert!(lines[3].contains("1/2 gates over"), "{lines:?}");
        assert_eq!(lines.len(), 4);
    }

    #[test]
    fn a_narrow_screen_cuts_what_is_drawn_again() {
        let text = screen(40);
        let running = text.lines().find(|line| line.contains("Running")).expect("a line").trim_end();
        assert!(running.ends_with('…') && console::measure_text_width(running) <= 40, "{text}");
    }
}
