//! The command line of plans.

use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::complete;
use crate::plan::shard::Count;

/// Arguments of `plan`.
#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    /// Phases or gates of gates.toml.
    #[arg(value_name = "PHASE|GATE", required = true, add = ArgValueCandidates::new(complete::targets))]
    pub targets: Vec<String>,
    /// Iterations of every gate.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub runs: Option<u32>,
    /// Profile.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Leave a gate out.
    #[arg(long, value_name = "GATE", add = ArgValueCandidates::new(complete::gates))]
    pub skip: Vec<String>,
    /// Leave required phases out.
    #[arg(long)]
    pub alone: bool,
    /// Format.
    #[arg(long, value_enum, default_value = "text")]
    pub format: PlanFormat,
    /// Pack the gates for so many machines by the time that they took; `auto` for as many as make it faster.
    #[arg(long, value_name = "auto|N")]
    pub shards: Option<Count>,
    /// Also write the plan for several machines here, for `gate --shard` and `merge`.
    #[arg(long, value_name = "FILE", requires = "shards")]
    pub out: Option<PathBuf>,
}

/// Formats of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum PlanFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// A picture of needs and phases, which GitHub and GitLab draw.
    Mermaid,
    /// The rows of a matrix of GitHub Actions: ids of shards.
    #[value(name = "github-matrix")]
    GithubMatrix,
}
