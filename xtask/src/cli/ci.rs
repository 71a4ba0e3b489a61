//! The command line of the workflow.

use clap::{Args, Subcommand};

use crate::plan::shard::Count;

/// What to do with the workflow.
#[derive(Clone, Debug, Subcommand)]
pub enum CiCommand {
    /// Write it from gates.toml.
    Generate {
        /// For which CI system.
        #[command(subcommand)]
        system: CiSystem,
    },
    /// Say whether it is what `ci generate` would write now.
    Check,
}

/// A CI system.
#[derive(Clone, Debug, Subcommand)]
pub enum CiSystem {
    /// GitHub Actions: .github/workflows/gates.yml.
    Github(WorkflowArgs),
}

/// What a workflow is made of beside gates.toml; it says so itself, and `ci check` reads it there.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct WorkflowArgs {
    /// The phase that a pull request must pass.
    pub phase: String,
    /// How many machines at most.
    #[arg(long, value_name = "auto|N", default_value = "auto")]
    pub shards: Count,
    /// Image of the machines.
    #[arg(long, value_name = "LABEL", default_value = "ubuntu-24.04")]
    pub runner: String,
    /// The branch that pull requests go into.
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub branch: String,
    /// Profile of the runs. Default: the one of CI. Only runs of profile release can be signed.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Add a job that attests manifest.json of a green push to the branch, and runs nothing of the project.
    #[arg(long)]
    pub attest: bool,
    /// How a job gets the program `xtask`. Default: it is built once from ./xtask where there is one, else it has to be on PATH.
    #[arg(long, value_name = "COMMAND")]
    pub install: Option<String>,
}
