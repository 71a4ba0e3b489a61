//! `ci generate` and `ci check`: the workflow from gates.toml, and whether the one that is there still is that.

use anyhow::Context as _;
use clap::Parser as _;

use super::{Repository, ambient, load, program, repository, say};
use crate::ci::{self, Wanted};
use crate::cli::{CiCommand, CiSystem, Cli, Command, Lazy, Place, WorkflowArgs};
use crate::config::Config;
use crate::model::Exit;
use crate::rundir::write_atomic;

pub(super) fn run(place: &Place, command: &CiCommand) -> anyhow::Result<Exit> {
    let repository = repository(place)?;
    let ambient = ambient();
    let config = match load(&repository, &ambient)? {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    match command {
        CiCommand::Generate { system: CiSystem::Github(args) } => {
            let Some(text) = text(&repository, config, args) else { return Ok(Exit::Usage) };
            let file = repository.root.join(ci::FILE);
            write_atomic(&file, text.as_bytes()).with_context(|| format!("failed to write {}", file.display()))?;
            say(&format!("wrote {}; require its job `verdict` alone", ci::FILE));
            Ok(Exit::Pass)
        }
        CiCommand::Check => check(&repository, config, program(&ambient)),
    }
}

fn text(repository: &Repository, config: &Config, args: &WorkflowArgs) -> Option<String> {
    if !config.phases.contains_key(&args.phase) {
        let known: Vec<&str> = config.phases.keys().map(String::as_str).collect();
        say(&format!("error: there is no phase `{}` in {}\n  hint: known: {}", args.phase, config.file, known.join(", ")));
        return None;
    }
    if let Some(name) = args.profile.as_ref().filter(|name| !config.profiles.contains_key(*name)) {
        let known: Vec<&str> = config.profiles.keys().map(String::as_str).collect();
        say(&format!("error: --profile {name}: there is no such profile\n  hint: known: {}", known.join(", ")));
        return None;
    }
    let wanted = Wanted {
        phase: &args.phase,
        shards: args.shards.to_string(),
        runner: &args.runner,
        branch: &args.branch,
        profile: args.profile.as_deref(),
        attests: args.attest,
        install: args.install.as_deref(),
        builds: args.install.is_none() && repository.root.join("xtask/Cargo.toml").is_file(),
    };
    Some(ci::workflow(config, &wanted))
}

/// Compares the workflow with what would be made now, with the words that it was made with.
fn check(repository: &Repository, config: &Config, program: &str) -> anyhow::Result<Exit> {
    let file = ci::FILE;
    let Ok(found) = std::fs::read_to_string(repository.root.join(file)) else {
        say(&format!("error: there is no {file}\n  hint: {program} ci generate github PHASE"));
        return Ok(Exit::Fail);
    };
    let Some(words) = ci::made_by(&found) else {
        say(&format!("error: {file} does not say how it was made\n  hint: {program} ci generate github PHASE"));
        return Ok(Exit::Fail);
    };
    let split = shlex::split(words).context("its second line is no command line")?;
    let line = ["xtask", "ci", "generate", "github"].map(str::to_owned).into_iter().chain(split);
    let parsed = Cli::try_parse_from(line).map_err(|cause| anyhow::anyhow!("{file}: the command that made it is not understood: {cause}"))?;
    let Command::Ci { command: Lazy(CiCommand::Generate { system: CiSystem::Github(args) }) } = parsed.command else {
        anyhow::bail!("{file}: the command that made it is another one");
    };
    let Some(wanted) = text(repository, config, &args) else { return Ok(Exit::Fail) };
    if wanted == found {
        say(&format!("{file} agrees with gates.toml"));
        return Ok(Exit::Pass);
    }
    let missing = "(nothing)";
    let (mut there, mut due) = (found.lines(), wanted.lines());
    let mut number = 1;
    let (there, due) = loop {
        match (there.next(), due.next()) {
            (one, other) if one != other || one.is_none() => break (one.unwrap_or(missing), other.unwrap_or(missing)),
            _ => number += 1,
        }
    };
    say(&format!("error: {file}:{number}: it does not agree with gates.toml\n  there: {there}\n  due:   {due}\n  hint: {program} ci generate github {words}"));
    Ok(Exit::Fail)
}
