//! The live view: what is over scrolls by, what runs stands below with its time. Uses no alternate screen and survives any width.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Reporter;
use super::lines::{Grammar, cut};
use super::outlook;
use crate::event::{Event, EventKind};
use crate::record::Record;
use crate::text::{duration, millis};

/// Most gates shown at once.
const SHOWN: usize = 8;
/// How often it is worked out what is to come: with thousands of gates that is not free.
const AHEAD: Duration = Duration::from_millis(250);

/// The reporter.
pub struct Fancy {
    screen: MultiProgress,
    grammar: Grammar,
    bars: BTreeMap<String, (ProgressBar, Instant)>,
    total: Option<ProgressBar>,
    begun: Instant,
    width: Option<usize>,
    /// What is to come, and when that was worked out.
    ahead: Option<(String, Instant)>,
}

impl Fancy {
    /// Draws on a target; without a fixed width it asks the terminal at every drawing.
    pub fn new(target: ProgressDrawTarget, colour: bool, width: Option<usize>) -> Self {
        Self {
            width,
            screen: MultiProgress::with_draw_target(target),
            grammar: Grammar { colour },
            bars: BTreeMap::new(),
            total: None,
            begun: Instant::now(),
            ahead: None,
        }
    }

    /// A terminal that does not tell its width is taken as 80 columns wide.
    fn width(&self) -> usize {
        self.width.unwrap_or_else(|| console::Term::stderr().size_checked().map_or(80, |(_, columns)| usize::from(columns)))
    }

    fn draw(&mut self, record: &Record) {
        let width = self.width();
        let now = Instant::now();
        let all = outlook::running(record);
        let running: Vec<&str> = all.iter().take(SHOWN).map(|(id, _)| id.as_str()).collect();
        self.bars.retain(|id, (bar, _)| {
            let keep = running.contains(&id.as_str());
            if !keep {
                bar.finish_and_clear();
            }
            keep
        });
        // New ones come last: what is there stays in its place.
        for id in running {
            if !self.bars.contains_key(id) {
                let bar = ProgressBar::new_spinner().with_style(bare());
                let bar = match &self.total {
                    Some(total) => self.screen.insert_before(total, bar),
                    None => self.screen.add(bar),
                };
                self.bars.insert(id.to_owned(), (bar, now));
            }
        }
        for (id, (bar, since)) in &self.bars {
            let about = record.planned(id).and_then(outlook::expected).map(|took| format!(" of about {}", millis(took))).unwrap_or_default();
            let line = self.grammar.line("Running", &format!("[{:>8}] {id}{about}", duration(since.elapsed())));
            bar.set_message(cut(&line, Some(width)));
        }
        if self.ahead.as_ref().is_none_or(|(_, made)| made.elapsed() >= AHEAD) {
            self.ahead = Some((self.ahead(record, all.len()), now));
        }
        let ahead = self.ahead.as_ref().map(|(words, _)| words.as_str()).unwrap_or_default();
        let line = format!("{}/{} gates over · {}{ahead}", record.finished(), record.head.gates.len(), duration(self.begun.elapsed()));
        let total = self.total.get_or_insert_with(|| self.screen.add(ProgressBar::new_spinner().with_style(bare())));
        total.set_message(cut(&self.grammar.line("", &line), Some(width)));
    }
}

impl Fancy {
    /// What is to come, in words that begin with a mark; nothing where nothing can be said.
    fn ahead(&self, record: &Record, running: usize) -> String {
        let now = self.begun.elapsed().as_millis() as u64;
        let left = outlook::left(record, now).filter(|left| *left > 0).map(|left| format!("about {} left", millis(left)));
        let waits = outlook::waiting(record).into_iter().next().map(|(gate, lock, holder)| format!("{gate} waits for {lock} of {holder}"));
        let more = (running > SHOWN).then(|| format!("{} more run", running - SHOWN));
        [left, waits, more].into_iter().flatten().flat_map(|words| [" · ".to_owned(), words]).collect()
    }
}

/// A bar that is nothing but its message.
fn bare() -> ProgressStyle {
    ProgressStyle::with_template("{msg}").expect("the template is a constant that a test draws")
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

    fn print(&mut self, lines: &[String]) -> io::Result<()> {
        lines.iter().try_for_each(|line| self.screen.println(line))
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
        let first = PlannedGate { estimate: Some(9000), recent: vec![(9000, true); 3], ..planned("prüfung-mit-einem-langen-namen-and-more-of-it") };
        let gates = vec![first, planned("b")];
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
        let lines: Vec<String> = screen(100).lines().map(|line| line.trim_end().to_owned()).collect();
        assert_eq!(lines[0], " gate p · run  · profile local");
        assert_eq!(lines[1], "        PASS [    0.0s] 1/2 b");
        assert!(lines[2].starts_with("     Running [") && lines[2].ends_with("prüfung-mit-einem-langen-namen-and-more-of-it of about 9.0s"), "{lines:?}");
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
