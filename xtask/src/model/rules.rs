//! What a gate or a phase promises, as values for the journal: criteria, expectations, quarantine. Knows no outcome that really was.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Category;

/// Why a gate always runs: nothing could say that nothing has changed.
pub const NO_INPUTS: &str = "it names no inputs";
/// Why a run is partial that repeats what was not green in another one: these words, then the end of that run's id.
pub const RERUN: &str = "--failed of run ";

/// The profile whose runs can be signed.
pub const RELEASE: &str = "release";

/// What a criterion counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Timeouts over all iterations: of cases, and of whole gates.
    FlakyTimeouts,
    /// Cases that were red in some valid iterations and not in all.
    Flaky,
    /// Upper bound on the failure rate of the worst case.
    MaxRate,
    /// Restarts of a container or a process while it should have stayed up.
    RestartLoops,
    /// Differences that a drift check reports on a fresh database.
    DriftFalsePositives,
    /// Flows through the application that did not come to their end.
    FailedFlows,
    /// Lines of the longest file.
    MaxLines,
}

impl Metric {
    /// The closed list.
    pub const ALL: &'static [Self] =
        &[Self::FlakyTimeouts, Self::Flaky, Self::MaxRate, Self::RestartLoops, Self::DriftFalsePositives, Self::FailedFlows, Self::MaxLines];

    /// A number that a gate reports, and not one that iterations show.
    pub fn is_measure(self) -> bool {
        match self {
            Self::FlakyTimeouts | Self::Flaky | Self::MaxRate => false,
            Self::RestartLoops | Self::DriftFalsePositives | Self::FailedFlows | Self::MaxLines => true,
        }
    }

    /// The word in gates.toml.
    pub fn word(self) -> &'static str {
        match self {
            Self::FlakyTimeouts => "flaky-timeouts",
            Self::Flaky => "flaky",
            Self::MaxRate => "max-rate",
            Self::RestartLoops => "restart-loops",
            Self::DriftFalsePositives => "drift-false-positives",
            Self::FailedFlows => "failed-flows",
            Self::MaxLines => "max-lines",
        }
    }

    /// What its numbers count.
    pub fn unit(self) -> &'static str {
        match self {
            Self::FlakyTimeouts | Self::Flaky | Self::RestartLoops | Self::DriftFalsePositives | Self::FailedFlows => "count",
            Self::MaxRate => "share of runs",
            Self::MaxLines => "lines",
        }
    }
}

/// On which side of a threshold a criterion holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Operator {
    /// Up to and with the threshold.
    #[default]
    AtMost,
    /// From the threshold on.
    AtLeast,
}

impl Operator {
    /// As reports write it.
    pub fn sign(self) -> &'static str {
        match self {
            Self::AtMost => "<=",
            Self::AtLeast => ">=",
        }
    }
}

/// A threshold of a phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Criterion {
    /// Name.
    pub id: String,
    /// The printed line.
    pub title: String,
    /// What is counted.
    pub metric: Metric,
    /// Gates that it looks at.
    pub gates: Vec<String>,
    /// On which side of the threshold it holds.
    #[serde(default)]
    pub operator: Operator,
    /// The most or the least that is allowed, as it was written.
    #[serde(alias = "max")]
    pub threshold: String,
    /// Valid iterations without which it is not judged.
    pub over: u32,
    /// Confidence of the bound, as it was written.
    pub confidence: String,
}

/// What the history says of a case before this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Before {
    /// Executions.
    pub executions: u32,
    /// Red ones.
    pub red: u32,
    /// Red ones at the end, without a green one between.
    pub in_a_row: u32,
}

/// A case that is known to be flaky.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quarantine {
    /// Entry.
    pub id: String,
    /// Exact printed name.
    pub case: String,
    /// Who mends it.
    pub owner: String,
    /// Ticket.
    pub issue: String,
    /// What is known of it.
    pub reason: String,
    /// Last day.
    pub expires: String,
    /// Kinds of failure that are excused.
    pub categories: Vec<Category>,
    /// Highest rate that is excused, as it was written.
    pub max_rate: Option<String>,
    /// What the history says of it.
    #[serde(default)]
    pub before: Before,
}

/// What a gate promises of its reports (`expect` in gates.toml).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Expect {
    /// Least number of cases that passed, failed or ended in an error.
    pub min_tests: u64,
    /// Cases that must be there: glob on the printed name, least number.
    pub cases: Vec<(String, u64)>,
    /// Skips that are declared: glob on the printed name, reason, owner.
    pub skips: Vec<(String, String, String)>,
}
