//! `list`: phases and gates with their last verdicts.

use std::collections::BTreeMap;

use super::{ambient, load, print, repository};
use crate::cli::Place;
use crate::history;
use crate::model::Exit;
use crate::plan::shown;
use crate::rundir::short;

pub(super) fn run(place: &Place) -> anyhow::Result<Exit> {
    let repository = repository(place)?;
    let config = match load(&repository, &ambient())? {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let mut last: BTreeMap<String, (String, String)> = BTreeMap::new();
    for past in history::runs(&repository.gates).take(50) {
        for gate in past.gates() {
            last.entry(gate.id.clone()).or_insert((gate.verdict.clone(), short(&past.id).to_owned()));
        }
    }
    let line = |gate: &str| {
        let (verdict, run) = last.get(gate).cloned().unwrap_or_else(|| ("-".to_owned(), String::new()));
        format!("  {verdict:<9} {run:<5} {gate:<24} {:<12} {}", config.gates[gate].owner, shown(&config.gates[gate]))
    };
    for phase in config.phases.values() {
        let requires = if phase.requires.is_empty() { String::new() } else { format!("  requires {}", phase.requires.join(", ")) };
        print(&format!("{}  {}{requires}", phase.id, phase.title));
        for gate in &phase.gates {
            print(&line(gate));
        }
    }
    let rest: Vec<&String> = config.gates.keys().filter(|gate| !config.phases.values().any(|phase| phase.gates.contains(gate))).collect();
    if !rest.is_empty() {
        print("in no phase");
        for gate in rest {
            print(&line(gate));
        }
    }
    Ok(Exit::Pass)
}
