//! The command line: types whose doc comments are the help. Knows no behaviour.

mod adopt;
mod cases;
mod ci;
mod complete;
mod db;
mod lazy;
mod narrow;
mod plan;
mod signoff;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use clap_complete::engine::ArgValueCandidates;

pub use adopt::{ConfigCommand, Shell};
pub use cases::{BaselineCommand, ExportFormat, FlakesArgs, HistoryCommand, HuntArgs};
pub use ci::{CiCommand, CiSystem, WorkflowArgs};
pub use db::{BootstrapArgs, DbCommand, DbTarget, RestoreArgs, SnapshotArgs};
pub use lazy::Lazy;
pub use narrow::Narrow;
pub use plan::{PlanArgs, PlanFormat};
pub use signoff::{AnchorArgs, EvidenceCommand, ExportArgs, Format, GatesCommand, Recorded, Shown, SignoffArgs, TrustCommand, VerifyArgs, WaiveArgs};

use crate::ui::Output;

/// Runs the test gates of a remediation roadmap and says whether a release may go on.
#[derive(Debug, Parser)]
#[command(name = "xtask", version, disable_help_subcommand = true, after_help = exits())]
pub struct Cli {
    /// What every command shares.
    #[command(flatten)]
    pub place: Place,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

fn exits() -> String {
    let lines: Vec<String> = crate::model::Exit::ALL.iter().map(|(exit, doc)| format!("  {:>3}  {doc}", exit.code())).collect();
    format!("Exit status of commands that run gates:\n{}", lines.join("\n"))
}

fn denials() -> String {
    let lines: Vec<String> = crate::model::Denial::ALL.iter().map(|(denial, doc)| format!("  {:>3}  {doc}", denial.code())).collect();
    format!("Exit status:\n    0  it holds\n{}", lines.join("\n"))
}

/// The command line with the program first. As `cargo-xtask` on PATH, cargo starts this program for `cargo xtask` and names that word again.
pub fn words(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = args.into_iter().collect();
    let is_subcommand = words.first().is_some_and(|program| Path::new(program).file_stem().is_some_and(|stem| stem == "cargo-xtask"));
    if is_subcommand && words.get(1).is_some_and(|word| word == "xtask") {
        words.remove(1);
    }
    words
}

/// Which repository.
#[derive(Clone, Debug, Args)]
pub struct Place {
    /// Act as if started in DIR.
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true)]
    pub directory: Option<PathBuf>,
    /// The manifest; its folder is the root. Default: gates.toml here or in a folder above.
    #[arg(long, value_name = "FILE", global = true)]
    pub manifest: Option<PathBuf>,
    /// When to use colour.
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub color: Colour,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run phases or gates.
    Gate(Lazy<GateArgs>),
    /// Show what would run, and why.
    Plan(Lazy<PlanArgs>),
    /// Join the shards of a plan into one run with one verdict.
    Merge(Lazy<MergeArgs>),
    /// The workflow that runs the gates in CI.
    Ci {
        /// What to do with it.
        #[command(subcommand)]
        command: Lazy<CiCommand>,
    },
    /// List phases and gates with their last verdicts.
    List,
    /// Show one gate: commands, environment, pins, needs, history; or the history of one case.
    Explain {
        /// Gate id, or the name of a case or a unique part of it.
        #[arg(value_name = "GATE|CASE", add = ArgValueCandidates::new(complete::gates))]
        gate: String,
    },
    /// Look at the migrations of a database.
    Db {
        /// What to do.
        #[command(subcommand)]
        command: Lazy<DbCommand>,
    },
    /// Provoke flakes: other orders, pressure, time zones, languages; and find what an order dependence depends on.
    Hunt(Lazy<HuntArgs>),
    /// What all runs together say of each case: state, failures, bound, cause.
    Flakes(Lazy<FlakesArgs>),
    /// Take in what happened on other machines, or write it down for them.
    History {
        /// What to do.
        #[command(subcommand)]
        command: Lazy<HistoryCommand>,
    },
    /// The cases that must be there.
    Baseline {
        /// What to do with them.
        #[command(subcommand)]
        command: Lazy<BaselineCommand>,
    },
    /// Install what the pinned runtimes need.
    Setup {
        /// How the run is shown.
        #[arg(long, value_enum, default_value = "human")]
        output: Output,
    },
    /// Check runtimes, tools and disk; each finding with the command that mends it.
    Doctor,
    /// List runs, or remove old ones.
    Runs {
        /// What to do with them.
        #[command(subcommand)]
        command: Option<RunsCommand>,
    },
    /// Make every report of a run again from its journal and the files that it names.
    Report {
        /// Run id, a unique part of it, or `latest`.
        #[arg(default_value = "latest")]
        run: String,
        /// Also show report.html in the browser.
        #[arg(long)]
        open: bool,
    },
    /// Run a built-in check by hand.
    Check(Lazy<CheckArgs>),
    /// Read JUnit reports of any tool and say what they hold.
    Junit {
        /// Reports.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// One JSON object a file on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Sign the evidence of a run: the release may go on, or may not.
    #[command(after_help = denials())]
    Signoff(Lazy<SignoffArgs>),
    /// Say whether a phase is signed for a commit, from git's objects alone; anything but 0 means: do not deploy.
    #[command(after_help = denials())]
    Verify(Lazy<VerifyArgs>),
    /// Sign-offs, their files, and what others make of them.
    Evidence {
        /// What to do.
        #[command(subcommand)]
        command: Lazy<EvidenceCommand>,
    },
    /// Who may sign what.
    Trust {
        /// What to do.
        #[command(subcommand)]
        command: Lazy<TrustCommand>,
    },
    /// Allow a weaker gate for a time, as a gate-owner.
    Waive(Lazy<WaiveArgs>),
    /// What happens to gates.toml.
    Gates {
        /// What to do.
        #[command(subcommand)]
        command: Lazy<GatesCommand>,
    },
    /// Print the JSON Schema of gates.toml.
    Schema {
        /// Of the events of a run instead: a line of events.jsonl and of `--output ndjson`.
        #[arg(long)]
        events: bool,
    },
    /// Write a first gates.toml from what the repository holds, and say what is still missing.
    Init {
        /// Show what it would write, and write nothing.
        #[arg(long)]
        check: bool,
    },
    /// Look at gates.toml without running anything.
    Config {
        /// What to do.
        #[command(subcommand)]
        command: Lazy<ConfigCommand>,
    },
    /// Print the script that makes a shell complete commands, phases and gates.
    Completions {
        /// Shell.
        shell: Shell,
    },
    /// Print a page for `man`.
    Man {
        /// Write a page a command into this folder instead.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Help on a command; `help config` is the reference of gates.toml, `help checks` that of the built-in checks, key by key.
    Help {
        /// Command, or `config`, or `checks`.
        topic: Vec<String>,
    },
    /// Keeps the machine busy; started by `hunt`.
    #[command(name = "__press", hide = true)]
    Press {
        /// File to write; none to spin.
        file: Option<PathBuf>,
    },
    /// The second process of a run; started by the first.
    #[command(name = "__run", hide = true)]
    Runner {
        /// Process id of the guard.
        guard: i32,
        /// Run id.
        run: String,
        /// The command line of the guard.
        #[arg(last = true)]
        argv: Vec<std::ffi::OsString>,
    },
}

/// Arguments of `gate`.
#[derive(Clone, Debug, Args)]
pub struct GateArgs {
    /// Phases or gates of gates.toml.
    #[arg(value_name = "PHASE|GATE", add = ArgValueCandidates::new(complete::targets))]
    pub targets: Vec<String>,
    /// One shard of a plan for several machines.
    #[command(flatten)]
    pub share: Share,
    /// Iterations of every gate; over gates.toml and the profile.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub runs: Option<u32>,
    /// How long to repeat.
    #[command(flatten)]
    pub repeat: Repeat,
    /// Slots for gates that run side by side. Default: the profile's, else the number of cores.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub jobs: Option<u32>,
    /// Profile. Default: ci where CI is set, else local.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Leave a gate out; the run is partial.
    #[arg(long, value_name = "GATE", add = ArgValueCandidates::new(complete::gates))]
    pub skip: Vec<String>,
    /// Start nothing after the first gate that is not green.
    #[arg(long)]
    pub fail_fast: bool,
    /// Which gates of the targets, and which of them need not run.
    #[command(flatten)]
    pub narrow: Narrow,
    /// Do not judge the phases that a phase requires.
    #[arg(long)]
    pub alone: bool,
    /// Which database servers, and for how long.
    #[command(flatten)]
    pub servers: Servers,
    /// A trial of `hunt`, which says nothing of any rate.
    #[arg(long, hide = true, value_name = "TOKEN")]
    pub provoked: Option<String>,
    /// How the run is shown.
    #[arg(long, value_enum, default_value = "human")]
    pub output: Output,
    /// Show the output of this gate as it is written.
    #[arg(long, value_name = "GATE", add = ArgValueCandidates::new(complete::gates))]
    pub stream: Option<String>,
    /// Words that are appended to the command of one gate.
    #[arg(last = true, value_name = "ARGS")]
    pub extra: Vec<String>,
}

/// Arguments of `gate` about plans for several machines.
#[derive(Clone, Debug, Args)]
pub struct Share {
    /// Run one shard of a plan, by its id.
    #[arg(long, value_name = "ID", requires = "plan", conflicts_with_all = ["targets", "runs", "skip", "failed", "affected", "alone", "profile", "until_fail", "runs_for", "extra"])]
    pub shard: Option<String>,
    /// The plan: what `plan --shards N --out FILE` wrote.
    #[arg(long, value_name = "FILE", requires = "shard")]
    pub plan: Option<PathBuf>,
    /// Attempt of the shard. Default: what GitHub counts, else 1.
    #[arg(long, value_name = "N", requires = "shard", value_parser = clap::value_parser!(u32).range(1..))]
    pub attempt: Option<u32>,
}

/// Arguments of `merge`.
#[derive(Clone, Debug, Args)]
pub struct MergeArgs {
    /// The plan that the shards were run of.
    #[arg(long, value_name = "FILE")]
    pub plan: PathBuf,
    /// How the run is shown.
    #[arg(long, value_enum, default_value = "human")]
    pub output: Output,
    /// Folders with the runs of the shards, at any depth.
    #[arg(value_name = "DIR", required = true)]
    pub places: Vec<PathBuf>,
}

/// Arguments of `gate` about repetition without a fixed number.
#[derive(Clone, Debug, Args)]
pub struct Repeat {
    /// Repeat until something is not green, at most 1000 times or as often as --runs says.
    #[arg(long)]
    pub until_fail: bool,
    /// Start iterations for so long, at most 1000 or as many as --runs says.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub runs_for: Option<std::time::Duration>,
}

impl Repeat {
    /// Most iterations where the command line names no number.
    pub const MOST: u32 = 1000;

    /// The number of iterations is open.
    pub fn is_open(&self) -> bool {
        self.until_fail || self.runs_for.is_some()
    }
}

/// Arguments of `gate` about database servers.
#[derive(Clone, Debug, Args)]
pub struct Servers {
    /// Use this PostgreSQL server for every postgres service; only databases that the run makes itself are dropped there.
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// Allow an outside server on a host that is not this machine.
    #[arg(long)]
    pub allow_remote: bool,
    /// Keep database servers and their databases after the run, and print how to look into them.
    #[arg(long)]
    pub keep_services: bool,
}

/// What to do with runs.
#[derive(Clone, Debug, Subcommand)]
pub enum RunsCommand {
    /// Remove old runs; the newest always stays.
    Prune {
        /// Keep what is younger.
        #[arg(long, value_name = "TIME", default_value = "30days", value_parser = humantime::parse_duration)]
        age: std::time::Duration,
        /// Keep this much.
        #[arg(long, value_name = "SIZE", default_value = "5GiB", value_parser = parse_size)]
        size: u64,
    },
}

fn parse_size(text: &str) -> Result<u64, String> {
    crate::text::parse_size(text).ok_or_else(|| "a size with a unit, such as 5GiB".to_owned())
}

/// Arguments of `check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Name of the check.
    pub name: String,
    /// Also write the findings as JUnit.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Keys of the check as a JSON object.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub with: String,
    /// Repository. Default: the folder of gates.toml.
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}
