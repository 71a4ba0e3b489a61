//! Earlier runs: their folders with reports (`past`), and what all of them say of each case (`store`). Knows no screen and no way in
//! which a run is made.

mod bunch;
mod export;
mod learn;
mod past;
mod presence;
mod schema;
mod store;
mod tally;

pub use export::Export;
pub use past::{Past, PastGate, PastReport, Pruned, Recent, Wanted, bytes_below, credit, past, prune, recent, runs};
pub use store::{Fault, Store};
pub use tally::{CaseHistory, RedResult};

use crate::model::{Category, Outcome};

/// One run as the store takes it in.
#[derive(Clone, Debug, Default)]
pub struct Lesson<'a> {
    /// Run id; a run is taken in once.
    pub run: String,
    /// Wall time, RFC 3339, UTC: runs are ordered by it.
    pub wall: String,
    /// Commit.
    pub commit: String,
    /// Everything that makes two executions comparable, in one word: tree, configuration, pins, profile.
    pub code: String,
    /// Gates of which something ran.
    pub gates: Vec<GateLesson<'a>>,
}

/// One gate of a run.
#[derive(Clone, Debug, Default)]
pub struct GateLesson<'a> {
    /// Id.
    pub gate: String,
    /// Who answers for it.
    pub owner: String,
    /// Iterations in their order.
    pub iterations: Vec<IterationLesson<'a>>,
}

/// One iteration of a gate.
#[derive(Clone, Debug, Default)]
pub struct IterationLesson<'a> {
    /// From 1.
    pub number: u32,
    /// Milliseconds.
    pub took: u64,
    /// Every case of the gate was there and came to a result.
    pub whole: bool,
    /// Digest of the names; equal digests mean equal names.
    pub inventory: String,
    /// Names of its cases, each once, which may be a million; of use where `whole`.
    pub names: Vec<&'a str>,
    /// What did not simply pass.
    pub results: Vec<ResultLesson>,
}

/// A case that did not simply pass.
#[derive(Clone, Debug)]
pub struct ResultLesson {
    /// Printed name.
    pub case: String,
    /// Outcome.
    pub outcome: Outcome,
    /// Failed attempts before it passed.
    pub attempts: u32,
    /// Kind of failure, with the rule that said so; none for what was only skipped.
    pub cause: Option<Cause>,
}

/// What a failure has in common with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Fingerprint of type and message.
    pub print: u64,
    /// Kind.
    pub category: Category,
    /// Rule that said so.
    pub rule: String,
    /// First line of the message, as it was seen first.
    pub message: String,
}
