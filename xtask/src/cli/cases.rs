//! Arguments of the commands about cases over many runs. Knows no behaviour.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::hunt::Under;

/// Arguments of `hunt`.
#[derive(Clone, Debug, Args)]
pub struct HuntArgs {
    /// Gate, or the exact name of a case that the history knows.
    #[arg(value_name = "GATE|CASE")]
    pub target: String,
    /// Only these ways.
    #[arg(long, value_enum, value_name = "WAY")]
    pub under: Vec<Under>,
    /// Longest time.
    #[arg(long = "for", value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration)]
    pub time: std::time::Duration,
    /// Words that are appended to the command of the gate in every trial.
    #[arg(last = true, value_name = "ARGS")]
    pub extra: Vec<String>,
}

/// Arguments of `flakes`.
#[derive(Clone, Debug, Args)]
pub struct FlakesArgs {
    /// Gates of this phase.
    #[arg(long, value_name = "PHASE")]
    pub phase: Option<String>,
    /// This gate.
    #[arg(long, value_name = "GATE")]
    pub gate: Option<String>,
    /// Gates of this owner.
    #[arg(long, value_name = "OWNER")]
    pub owner: Option<String>,
    /// This kind of failure: crash, timeout, infra, collection, fixture, assertion, unreported, unknown.
    #[arg(long, value_name = "KIND", value_parser = kinds())]
    pub category: Option<String>,
    /// What was red since a date, or so long ago: 2026-01-31, 14days.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Also what is stable, new or missing.
    #[arg(long)]
    pub all: bool,
    /// For programs.
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// For an issue or a wiki.
    #[arg(long)]
    pub markdown: bool,
}

fn kinds() -> Vec<clap::builder::PossibleValue> {
    crate::model::Category::ALL.iter().map(|kind| kind.word().into()).collect()
}

/// What to do with the cases that must be there.
#[derive(Clone, Debug, Subcommand)]
pub enum BaselineCommand {
    /// Write the cases of a gate's newest clean run into gates.baseline: new ones, and without those that are gone.
    Accept {
        /// Gates.
        #[arg(required = true, value_name = "GATE")]
        gates: Vec<String>,
    },
}

/// What to do with the history.
#[derive(Clone, Debug, Subcommand)]
pub enum HistoryCommand {
    /// Take in runs of other machines: folders that hold run folders, or exports.
    Import {
        /// Folders and files.
        #[arg(required = true, value_name = "DIR|FILE")]
        paths: Vec<PathBuf>,
    },
    /// Write the history to standard output.
    Export {
        /// json can be imported again; csv has one line a case.
        #[arg(long, value_enum, default_value = "json")]
        format: ExportFormat,
    },
}

/// Formats of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// Everything, to be imported.
    Json,
    /// One line a case.
    Csv,
}
