//! What the template of a page is filled with: words that are ready to be shown. Knows no run.

use serde::Serialize;

use crate::event::RuntimeFound;
use crate::report::timeline::Timeline;

#[derive(Serialize)]
pub(super) struct Page {
    pub(super) style: &'static str,
    pub(super) script: &'static str,
    pub(super) style_hash: String,
    pub(super) script_hash: String,
    pub(super) verdict: &'static str,
    pub(super) targets: String,
    pub(super) run: String,
    pub(super) short: String,
    pub(super) wall: String,
    pub(super) profile: String,
    pub(super) took: String,
    pub(super) exit: u8,
    pub(super) exit_doc: &'static str,
    pub(super) source: String,
    pub(super) dirty: bool,
    pub(super) held: bool,
    pub(super) partial: Option<String>,
    pub(super) ended: bool,
    pub(super) phases: Vec<Phase>,
    pub(super) problems: Vec<String>,
    pub(super) flake_line: String,
    pub(super) failures: Vec<Failure>,
    pub(super) timeline: Timeline,
    pub(super) flakes: Vec<Flake>,
    pub(super) outcomes: Vec<Count>,
    pub(super) runtimes: Vec<RuntimeFound>,
    pub(super) services: Vec<Service>,
    pub(super) notes: Vec<String>,
    pub(super) tool: String,
    pub(super) host: String,
}

#[derive(Serialize)]
pub(super) struct Phase {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) verdict: &'static str,
    pub(super) criteria: Vec<Criterion>,
}

#[derive(Serialize)]
pub(super) struct Criterion {
    pub(super) class: &'static str,
    pub(super) met: &'static str,
    pub(super) line: String,
}

#[derive(Serialize)]
pub(super) struct Failure {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) verdict: &'static str,
    pub(super) word: &'static str,
    pub(super) why: Vec<String>,
    pub(super) cases: Vec<Red>,
    pub(super) more: usize,
    pub(super) tail: String,
    pub(super) log: Option<String>,
    pub(super) kept: Vec<Link>,
    pub(super) repro: String,
}

#[derive(Serialize)]
pub(super) struct Red {
    pub(super) outcome: &'static str,
    pub(super) name: String,
    pub(super) at: Option<String>,
    pub(super) times: Option<String>,
    pub(super) message: String,
    pub(super) text: String,
}

#[derive(Serialize)]
pub(super) struct Link {
    pub(super) href: String,
    pub(super) name: String,
}

#[derive(Serialize)]
pub(super) struct Flake {
    pub(super) name: String,
    pub(super) gate: String,
    pub(super) label: &'static str,
    pub(super) quarantine: Option<String>,
    pub(super) words: String,
    pub(super) marks: Vec<Mark>,
    pub(super) red: u32,
    pub(super) ran: u32,
    pub(super) bound: String,
    pub(super) kind: &'static str,
}

#[derive(Serialize)]
pub(super) struct Mark {
    pub(super) iteration: u32,
    pub(super) outcome: String,
    pub(super) sign: &'static str,
}

#[derive(Serialize)]
pub(super) struct Count {
    pub(super) letter: &'static str,
    pub(super) word: &'static str,
    pub(super) cases: usize,
}

#[derive(Serialize)]
pub(super) struct Gate {
    /// Its place in the plan.
    pub(super) place: usize,
    pub(super) id: String,
    pub(super) verdict: &'static str,
    pub(super) word: &'static str,
    pub(super) summary: String,
    pub(super) facts: Vec<Fact>,
    pub(super) logs: Vec<Link>,
    pub(super) kept: Vec<Link>,
    pub(super) trend: Vec<Bar>,
    pub(super) trend_words: String,
}

#[derive(Serialize)]
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) value: String,
}

#[derive(Serialize)]
pub(super) struct Bar {
    pub(super) x: usize,
    pub(super) y: u64,
    pub(super) h: u64,
    pub(super) class: &'static str,
}

#[derive(Serialize)]
pub(super) struct Service {
    pub(super) instance: String,
    pub(super) took: String,
    pub(super) shown: String,
}

/// Cases of a gate, for the script: letter, name, seconds, message.
#[derive(Serialize)]
pub(super) struct Data<'c> {
    pub(super) id: &'c str,
    pub(super) cases: super::Lines<'c>,
}
