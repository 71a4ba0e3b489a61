//! What happened in one attempt, as values for the journal: steps, reports, cases. Knows no verdict.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Category, End, FileRef, Location, Outcome, StopCause, Totals};

/// What is known of attempts that a tool makes by itself. The order is how little can be claimed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Retries {
    /// Each case was tried once, or every attempt is known.
    Off,
    /// Failed attempts count as far as the report shows them.
    #[default]
    Reported,
    /// The tool is one whose report hides failed attempts.
    Hidden,
}

/// A case that did not pass, as facts for the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaseFact {
    /// Printed name.
    pub case: String,
    /// Outcome.
    pub outcome: Outcome,
    /// First line of its message.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Where it failed, if the report tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Location>,
    /// Failed attempts before it passed.
    #[serde(default, skip_serializing_if = "no_attempts")]
    pub attempts: u32,
    /// Kind of failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn no_attempts(count: &u32) -> bool {
    *count == 0
}

/// State of one report file after reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReportState {
    /// A whole JUnit document.
    Valid,
    /// Cut before its end.
    Truncated,
    /// No bytes.
    Empty,
    /// Well formed, and not JUnit.
    NotJunit,
    /// Not well-formed XML.
    IllFormed,
    /// Declares more than it holds.
    Mismatch,
    /// No file where one was promised.
    Absent,
    /// Older than the attempt that should have written it.
    Stale,
    /// There, and the file system refuses to give it.
    Unreadable,
}

impl ReportState {
    /// The word that reports and screens use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Truncated => "truncated",
            Self::Empty => "empty",
            Self::NotJunit => "not-junit",
            Self::IllFormed => "ill-formed",
            Self::Mismatch => "mismatch",
            Self::Absent => "absent",
            Self::Stale => "stale",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What was read from one report: counts, and the cases that did not simply pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReportFact {
    /// Step that wrote it.
    pub step: String,
    /// The name or glob it was promised under.
    pub promised: String,
    /// The copy in the run's folder; none when there was nothing to copy.
    pub file: Option<FileRef>,
    /// State.
    pub state: ReportState,
    /// Why the state is not valid, in the reader's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Counted elements.
    pub counted: Totals,
    /// The first hundred red cases.
    pub red: Vec<CaseFact>,
    /// How many red cases and failed attempts are timeouts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub timeouts: u64,
    /// Cases that passed after failed attempts, all of them: a retry buys a label, never a clean pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flaky: Vec<CaseFact>,
    /// Cases in quarantine that it holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<String>,
    /// What is known of attempts.
    #[serde(default)]
    pub retries: Retries,
    /// Digest of the names of all its cases.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub inventory: String,
    /// The first hundred skipped cases that `expect.skips` does not name.
    pub undeclared: Vec<CaseFact>,
    /// How many skipped cases `expect.skips` does not name.
    pub undeclared_count: u64,
    /// For each entry of `expect.cases`: how many cases match.
    pub matched: Vec<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// How one step of an attempt went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepFact {
    /// Name of the step.
    pub step: String,
    /// How its process ended.
    pub end: End,
    /// Accepted exit codes.
    pub accepted: Vec<i32>,
    /// Milliseconds.
    pub took: u64,
    /// The line of the log that says most about a failure.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub excerpt: String,
    /// The place that line names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Location>,
}

impl StepFact {
    /// The process exited with a status that the gate accepts.
    pub fn accepted(&self) -> bool {
        match &self.end {
            End::Code(code) => self.accepted.contains(code),
            End::Signal(_) | End::NotStarted(_) | End::Unknown(_) => false,
        }
    }
}

/// Everything that happened in one attempt, from which it is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptFacts {
    /// Steps that were started, in order.
    pub steps: Vec<StepFact>,
    /// Reports that were promised, read or missed.
    pub reports: Vec<ReportFact>,
    /// Why the runner ended it, if it did.
    pub stopped: Option<StopCause>,
    /// The log lost bytes while it was written.
    pub log_shrank: bool,
    /// The log file, complete.
    pub log: Option<FileRef>,
    /// Processes that outlived their step.
    pub leaked: u32,
    /// Why its files could not be kept or read again.
    pub lost: Option<String>,
    /// Why a database of it could not be migrated.
    pub migrate: Option<String>,
    /// Cases of gates.baseline that no report holds: how many, and the first hundred.
    pub gone: (u64, Vec<String>),
    /// From the first process to the last, in milliseconds.
    pub took: u64,
    /// The attempt ended in an orderly way: every file of it is in place.
    pub complete: bool,
}
