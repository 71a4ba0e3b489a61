//! One file a command. The only room that puts the others together.

mod adopt;
mod affected;
mod annotate;
mod backup;
mod baseline;
mod bootstrap;
mod check;
mod chosen;
mod ci;
mod db;
mod doctor;
mod evidence;
mod explain;
mod finish;
mod flakes;
mod gate;
mod gates;
mod history;
mod hunt;
mod init;
mod junit;
mod keys;
mod list;
mod listen;
mod merge;
mod plan;
mod remember;
mod report;
mod reuse;
mod runs;
mod scene;
mod schema;
mod share;
mod signoff;
mod start;
mod statement;
mod surroundings;
mod trust;
mod verify;
mod waive;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::checks::CHECKS;
use crate::cli::{BaselineCommand, Cli, Colour, Command, ConfigCommand, Lazy, Place};
use crate::config::{self, CheckSpec, Config, Profile};
use crate::model::Exit;
use crate::pins::Ambient;
use crate::rundir::GatesDir;

/// Runs a command; gives back its exit status.
pub fn run(cli: Cli) -> anyhow::Result<u8> {
    let place = &cli.place;
    match &cli.command {
        Command::Signoff(Lazy(args)) => signoff::run(place, args),
        Command::Verify(Lazy(args)) => verify::run(place, args),
        Command::Evidence { command: Lazy(command) } => evidence::run(place, command),
        Command::Trust { command: Lazy(command) } => trust::run(place, command),
        Command::Waive(Lazy(args)) => waive::run(place, args),
        Command::Gates { command: Lazy(command) } => gates::run(place, command),
        _ => run_gates(cli).map(Exit::code),
    }
}

/// Commands whose exit status is that of gates.
fn run_gates(cli: Cli) -> anyhow::Result<Exit> {
    let place = &cli.place;
    match cli.command {
        Command::Gate(Lazy(args)) => gate::guarded(place, args.output),
        Command::Setup { output } => gate::guarded(place, output),
        // Whatever stops a runner before its verdict is no fault of the command line: nothing was judged.
        Command::Runner { guard, run, argv } => Ok(gate::runner(guard, &run, &argv).unwrap_or_else(|error| {
            say(&format!("error: {error:#}"));
            Exit::Broken
        })),
        Command::Plan(Lazy(args)) => plan::run(place, &args),
        Command::Ci { command: Lazy(command) } => ci::run(place, &command),
        Command::Merge(Lazy(args)) => Ok(merge::run(place, &args).unwrap_or_else(|error| {
            say(&format!("error: {error:#}"));
            Exit::Broken
        })),
        Command::List => list::run(place),
        Command::Explain { gate } => explain::run(place, &gate),
        Command::Baseline { command: Lazy(BaselineCommand::Accept { gates }) } => baseline::accept(place, &gates),
        Command::Flakes(Lazy(args)) => flakes::run(place, &args),
        Command::Db { command: Lazy(command) } => db::run(place, &command),
        Command::Hunt(Lazy(args)) => hunt::run(place, &args),
        Command::History { command: Lazy(command) } => history::run(place, &command),
        Command::Doctor => doctor::run(place),
        Command::Runs { command } => runs::run(place, command.as_ref()),
        Command::Report { run, open } => report::run(place, &run, open),
        Command::Check(Lazy(args)) => check::run(place, &args),
        Command::Junit { files, json } => junit::run(&files, json),
        Command::Press { file } => {
            crate::hunt::pressure::press(file.as_deref());
            Ok(Exit::Pass)
        }
        Command::Schema { events } => schema::run(events),
        Command::Config { command: Lazy(ConfigCommand::Validate { json }) } => adopt::validate(place, json),
        Command::Init { check } => init::run(place, check),
        Command::Completions { shell } => adopt::completions(shell),
        Command::Man { out } => adopt::man(out.as_deref()),
        Command::Help { topic } => adopt::help(&topic),
        // These have a table of their own.
        Command::Signoff(_) | Command::Verify(_) | Command::Evidence { .. } | Command::Trust { .. } | Command::Waive(_) | Command::Gates { .. } => {
            Ok(Exit::Usage)
        }
    }
}

/// Where the repository is.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    /// Folder of the manifest.
    pub(crate) root: PathBuf,
    /// The manifest.
    pub(crate) manifest: PathBuf,
    /// `.gates/`.
    pub(crate) gates: GatesDir,
}

/// Finds the repository that a command line means.
pub(crate) fn repository(place: &Place) -> anyhow::Result<Repository> {
    let here = std::env::current_dir().context("failed to read the working folder")?;
    let from = place.directory.as_ref().map_or_else(|| here.clone(), |folder| here.join(folder));
    let manifest = match &place.manifest {
        Some(file) => Some(from.join(file)),
        None => config::find(&from),
    };
    let hint = "hint: run it inside a repository that has one, or point to it with -C DIR or --manifest FILE";
    let manifest = manifest.with_context(|| format!("there is no gates.toml in {} or above\n  {hint}", from.display()))?;
    let manifest = manifest.canonicalize().with_context(|| format!("failed to find `{}`\n  {hint}", manifest.display()))?;
    let root = manifest.parent().context("the manifest has no folder")?.to_owned();
    Ok(Repository { gates: GatesDir::new(&root), root, manifest })
}

/// The caller's environment; names and values that are not UTF-8 stay behind.
pub(crate) fn ambient() -> Ambient {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

/// What gates.toml may say of checks.
pub(crate) fn check_specs() -> Vec<CheckSpec> {
    CHECKS.iter().map(|check| check.spec).collect()
}

/// Who reads gates.toml here and today.
pub(crate) fn caller<'c>(checks: &'c [CheckSpec], ambient: &Ambient) -> config::Caller<'c> {
    config::Caller { checks, in_ci: in_ci(ambient), today: time::OffsetDateTime::now_utc().date(), elsewhere: false }
}

/// Loads the configuration; its problems are printed and become exit 2. It stays until the process ends: a command reads it once,
/// and taking a big one apart takes as long as a part of reading it.
pub(crate) fn load(repository: &Repository, ambient: &Ambient) -> anyhow::Result<Result<&'static Config, Exit>> {
    match config::load(&repository.root, &repository.manifest, caller(&check_specs(), ambient)) {
        Ok(config) => Ok(Ok(Box::leak(Box::new(config)))),
        Err(problems) => {
            for problem in &problems {
                say(&format!("error: {problem}\n"));
            }
            say(&format!("{} in {}", crate::text::plural(problems.len() as u64, "problem"), repository.manifest.display()));
            Ok(Err(Exit::Usage))
        }
    }
}

/// CI is set to something that does not mean no.
pub(crate) fn in_ci(ambient: &Ambient) -> bool {
    ambient.get("CI").is_some_and(|value| !["", "0", "false"].contains(&value.as_str()))
}

/// The profile that a command line means.
pub(crate) fn profile(config: &Config, name: Option<&str>, ambient: &Ambient) -> Result<Profile, String> {
    let name = name.unwrap_or(if in_ci(ambient) { "ci" } else { "local" });
    config.profiles.get(name).cloned().ok_or_else(|| {
        let known: Vec<&str> = config.profiles.keys().map(String::as_str).collect();
        format!("there is no profile `{name}`\n  hint: known: {}", known.join(", "))
    })
}

/// Colour for standard error.
pub(crate) fn colour(place: &Place, ambient: &Ambient) -> bool {
    match place.color {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => {
            console::user_attended_stderr() && ambient.get("NO_COLOR").is_none_or(String::is_empty) && ambient.get("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// How a person called this program.
pub(crate) fn program(ambient: &BTreeMap<String, String>) -> &'static str {
    if ambient.contains_key("CARGO") { "cargo xtask" } else { "xtask" }
}

/// Talk goes to standard error.
#[expect(clippy::print_stderr, reason = "talk of commands that have no reporter")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

/// Data goes to standard output; a reader that went away is no error.
pub(crate) fn print(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()).ok();
}
