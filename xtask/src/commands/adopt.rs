//! What a new user asks for: help on a topic, completions for a shell, pages for `man`, whether gates.toml is valid.

use anyhow::Context as _;
use clap::CommandFactory as _;
use serde_json::json;

use super::{ambient, caller, check_specs, load, print, program, repository, say};
use crate::checks;
use crate::cli::{Cli, Place, Shell};
use crate::config::{self, reference};
use crate::model::Exit;
use crate::rundir::write_atomic;

/// Help on a command, or the reference of gates.toml or of the built-in checks.
pub(super) fn help(topic: &[String]) -> anyhow::Result<Exit> {
    if topic.len() == 1 && topic[0] == "config" {
        print(reference::markdown().trim_end());
        return Ok(Exit::Pass);
    }
    if topic.len() == 1 && topic[0] == "checks" {
        print(checks::reference().trim_end());
        return Ok(Exit::Pass);
    }
    let mut command = Cli::command();
    command.build();
    let mut at = &mut command;
    for word in topic {
        let known: Vec<String> = at.get_subcommands().filter(|one| !one.is_hide_set()).map(|one| one.get_name().to_owned()).collect();
        let Some(found) = at.find_subcommand_mut(word) else {
            let near = crate::text::closest(word, known.iter().map(String::as_str)).map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
            say(&format!("error: there is no command `{word}`{near}\n  hint: known: {}", known.join(", ")));
            return Ok(Exit::Usage);
        };
        at = found;
    }
    print(at.render_long_help().to_string().trim_end());
    Ok(Exit::Pass)
}

/// The script that a shell reads. It asks this program for every completion, so that ids of phases and gates complete too.
pub(super) fn completions(shell: Shell) -> anyhow::Result<Exit> {
    let exe = std::env::current_exe().context("failed to find this program")?;
    let words = ambient();
    let name = program(&words);
    if name != "xtask" {
        say("note: completions are for the program `xtask` on PATH; cargo does not complete words of an alias");
    }
    let shells = clap_complete::env::Shells::builtins();
    let completer = shells.completer(shell.word()).context("the shell is not known")?;
    let mut script = Vec::new();
    completer.write_registration("COMPLETE", "xtask", "xtask", &exe.display().to_string(), &mut script).context("failed to write the script")?;
    print(String::from_utf8_lossy(&script).trim_end());
    Ok(Exit::Pass)
}

/// One page on standard output, or a page a command in a folder.
pub(super) fn man(out: Option<&std::path::Path>) -> anyhow::Result<Exit> {
    let mut command = Cli::command();
    command.build();
    let page = |command: clap::Command| -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        clap_mangen::Man::new(command).render(&mut bytes).context("failed to write a page")?;
        Ok(bytes)
    };
    let Some(folder) = out else {
        print(String::from_utf8_lossy(&page(command)?).trim_end());
        return Ok(Exit::Pass);
    };
    let mut pages = vec![("xtask".to_owned(), command.clone())];
    for one in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        let name: &'static str = format!("xtask-{}", one.get_name()).leak();
        pages.push((name.to_owned(), one.clone().name(name)));
    }
    let count = pages.len();
    for (name, command) in pages {
        let file = folder.join(format!("{name}.1"));
        write_atomic(&file, &page(command)?).with_context(|| format!("failed to write {}", file.display()))?;
    }
    say(&format!("wrote {count} pages to {}; `man -l {}` shows one", folder.display(), folder.join("xtask.1").display()));
    Ok(Exit::Pass)
}

/// Exit 0 when gates.toml is valid, 2 when not.
pub(super) fn validate(place: &Place, as_json: bool) -> anyhow::Result<Exit> {
    let repository = repository(place)?;
    let ambient = ambient();
    if !as_json {
        return Ok(match load(&repository, &ambient)? {
            Ok(config) => {
                say(&format!("{} is valid: {} phases, {} gates", config.file, config.phases.len(), config.gates.len()));
                Exit::Pass
            }
            Err(exit) => exit,
        });
    }
    let loaded = config::load(&repository.root, &repository.manifest, caller(&check_specs(), &ambient));
    let problems = loaded.err().unwrap_or_default();
    let document =
        json!({ "schema": 1, "file": repository.manifest.file_name().map(|name| name.to_string_lossy()), "valid": problems.is_empty(), "problems": problems });
    print(&serde_json::to_string_pretty(&document)?);
    Ok(if problems.is_empty() { Exit::Pass } else { Exit::Usage })
}
