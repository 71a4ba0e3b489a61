//! `doctor`: runtimes, tools and disk of this machine against gates.toml; each finding with the command that mends it.

use std::collections::BTreeSet;

use super::{ambient, load, print, repository, surroundings, trust};
use crate::cli::Place;
use crate::config::{self, Config};
use crate::model::Exit;
use crate::pins::consumers::{agree, readings};
use crate::pins::probe::Probes;
use crate::pins::{self, kind_word};
use crate::postgres::binaries;
use crate::setup::Setup;
use crate::text::size;

/// Disk below this is said to be short.
const SHORT: u64 = 1 << 30;

/// Exit 0 when gates may start, 3 when something keeps them.
pub(super) fn run(place: &Place) -> anyhow::Result<Exit> {
    let repository = repository(place)?;
    let ambient = ambient();
    let config = match load(&repository, &ambient)? {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let mut exit = Exit::Pass;
    let mut probes = Probes::load(repository.gates.cache("probes.json"));
    for runtime in config.runtimes.values() {
        match pins::find(&config.root, runtime, runtime.policy, &ambient, &mut probes) {
            Ok(found) => {
                let setup = match Setup::of(&config.root, &repository.gates, runtime, &found) {
                    Ok(setup) if setup.is_fresh() => "set up".to_owned(),
                    Ok(_) => "set-up is due; `setup` or `gate` does it".to_owned(),
                    Err(why) => why,
                };
                let verdict = if found.mismatch { "warn" } else { "ok" };
                print(&format!(
                    "{verdict:<5} runtime {}: {} {} ({}, pinned {} in {}:{}); {setup}",
                    runtime.id,
                    kind_word(runtime.kind),
                    found.says.version,
                    found.found_by,
                    found.pin.raw,
                    found.pin.file,
                    found.pin.line
                ));
            }
            Err(why) => {
                exit = Exit::Environment;
                print(&format!("FAIL  {why}"));
            }
        }
    }
    probes.save();
    consumers(config);
    let path = ambient.get("PATH").map(String::as_str).unwrap_or_default();
    // Both are shown, whatever the first one says.
    if [servers(config, path), !ports()].contains(&true) {
        exit = Exit::Environment;
    }
    let tools: BTreeSet<(&String, bool)> = config.gates.values().flat_map(|gate| gate.tools.iter().map(|tool| (tool, gate.missing_skips))).collect();
    for (tool, may_be_missing) in tools {
        match (surroundings::tool_there(tool, config, &ambient), may_be_missing) {
            (Ok(place), _) => print(&format!("ok    tool {tool}: {place}")),
            (Err(why), true) => {
                print(&format!("warn  {why}; its gates are skipped, and refused in profile release\n  hint: {}", surroundings::tool_hint(tool)));
            }
            (Err(why), false) => {
                exit = Exit::Environment;
                print(&format!("FAIL  {why}\n  hint: {}", surroundings::tool_hint(tool)));
            }
        }
    }
    signing(place);
    let free = rustix::fs::statvfs(&config.root).map_or(0, |found| found.f_bavail.saturating_mul(found.f_frsize));
    let verdict = if free < SHORT { "warn" } else { "ok" };
    let hint = if free < SHORT { "\n  hint: `runs prune` removes old runs" } else { "" };
    print(&format!("{verdict:<5} disk: {} free{hint}", size(free)));
    Ok(exit)
}

/// Whether the phases of the policy can be signed by those who are free to. It keeps no gate from starting.
fn signing(place: &Place) {
    match trust::problems(place) {
        Ok(None) => {}
        Ok(Some(problems)) if problems.is_empty() => print("ok    trust: every phase of the policy can be signed"),
        Ok(Some(problems)) => problems.iter().for_each(|why| print(&format!("warn  trust: {why}\n  hint: docs/signoff.md; `trust check` looks again"))),
        Err(denied) => print(&format!("warn  trust: {denied}")),
    }
}

/// Services get free ports of this machine.
fn ports() -> bool {
    let bound = std::net::TcpListener::bind("127.0.0.1:0");
    match &bound {
        Ok(_) => print("ok    ports: 127.0.0.1 gives free ones"),
        Err(cause) => print(&format!("FAIL  ports: services want free ones of 127.0.0.1: {cause}\n  hint: bring the loopback interface up")),
    }
    bound.is_ok()
}

/// What the tools that install runtimes would take from each pin file.
fn consumers(config: &Config) {
    let files: BTreeSet<&str> = config.runtimes.values().map(|runtime| runtime.pin.as_str()).collect();
    for file in files {
        let Ok(text) = std::fs::read_to_string(config.root.join(file)) else { continue };
        let readings = readings(file, &text);
        let Some(first) = readings.first() else { continue };
        if agree(&readings) {
            let names: Vec<&str> = readings.iter().map(|reading| reading.consumer).collect();
            print(&format!("ok    pin {file}: {} for {}", first.takes.as_deref().unwrap_or_default(), names.join(", ")));
            continue;
        }
        let said = readings.iter().map(|reading| match &reading.takes {
            Ok(version) => format!("{} takes {version}", reading.consumer),
            Err(why) => format!("{} {why}", reading.consumer),
        });
        print(&format!("warn  pin {file}: {}\n  hint: one plain version with three numbers is the same to all", said.collect::<Vec<_>>().join("; ")));
    }
}

/// Programs of database servers; true when some are missing and nothing can fetch them.
fn servers(config: &Config, path: &str) -> bool {
    let mut missing = false;
    for service in config.services.values() {
        let config::Service::Postgres(postgres) = service else { continue };
        let (id, version) = (&postgres.id, &postgres.version);
        let npm = which::which_in("npm", Some(path), &config.root).is_ok() || config.runtimes.values().any(|runtime| kind_word(runtime.kind) == "node");
        match (binaries::system(version, path), npm) {
            (Some(found), _) => print(&format!("ok    service {id}: PostgreSQL {} in {}", found.version, found.folder.display())),
            (None, true) => print(&format!("ok    service {id}: the system has no PostgreSQL {version}; npm's is fetched by the first run that needs it")),
            (None, false) => {
                missing = true;
                print(&format!("FAIL  service {id}: there is no PostgreSQL {version}, and no npm to fetch one\n  hint: apt-get install postgresql-{version}"));
            }
        }
    }
    missing
}
