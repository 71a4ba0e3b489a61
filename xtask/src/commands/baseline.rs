//! `baseline accept`: the cases of a gate as they are now become those that must be there.

use std::collections::BTreeSet;

use anyhow::Context as _;

use super::{Repository, ambient, load, print, repository, say};
use crate::baseline::{Baseline, FILE};
use crate::cli::Place;
use crate::config::Config;
use crate::journal;
use crate::model::{Exit, ReportState};
use crate::record::{JobRecord, Record};
use crate::report::{Proof, load as load_cases};
use crate::rundir::{RunDir, short, write_atomic};
use crate::text::{closest, plural, visible};

/// The committed baseline. A gate that gates.toml no longer has would take its cases with it unseen.
pub(super) fn known(repository: &Repository, config: &Config) -> Result<Baseline, String> {
    let baseline = read(repository)?;
    match baseline.gates.iter().find(|(gate, cases)| !config.gates.contains_key(*gate) && !cases.is_empty()) {
        None => Ok(baseline),
        Some((gate, cases)) => Err(format!(
            "{FILE} names {} of gate `{gate}`, which is not in {}\n  hint: `baseline accept` of another gate takes them out, and says so",
            plural(cases.len() as u64, "case"),
            config.file
        )),
    }
}

/// The file as it is; empty where there is none.
fn read(repository: &Repository) -> Result<Baseline, String> {
    match std::fs::read_to_string(repository.root.join(FILE)) {
        Ok(text) => Baseline::parse(&text).map_err(|why| format!("{why}\n  hint: `baseline accept GATE` writes it")),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(Baseline::default()),
        Err(cause) => Err(format!("failed to read `{FILE}`: {cause}")),
    }
}

pub(super) fn accept(place: &Place, gates: &[String]) -> anyhow::Result<Exit> {
    let repository = repository(place)?;
    let config = match load(&repository, &ambient())? {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let mut baseline = read(&repository).map_err(anyhow::Error::msg)?;
    for gate in gates {
        if !config.gates.contains_key(gate) {
            let hint = closest(gate, config.gates.keys().map(String::as_str))
                .map_or_else(|| "`list` shows the gates".to_owned(), |near| format!("did you mean `{near}`?"));
            anyhow::bail!("there is no gate `{gate}`\n  hint: {hint}");
        }
        let (run, cases) = newest(&repository, gate)?;
        let before = baseline.gates.insert(gate.clone(), cases.clone()).unwrap_or_default();
        let gone: Vec<&String> = before.difference(&cases).collect();
        let added = cases.difference(&before).count() as u64;
        say(&format!("{gate}: {} of run {}, {added} added, {} removed", plural(cases.len() as u64, "case"), short(&run), gone.len()));
        for name in gone {
            print(&format!("removed {gate}: {}", visible(name)));
        }
    }
    for (gate, cases) in baseline.gates.iter().filter(|(gate, _)| !config.gates.contains_key(*gate)) {
        print(&format!("removed {gate}: {}, with the gate", plural(cases.len() as u64, "case")));
    }
    baseline.gates.retain(|gate, _| config.gates.contains_key(gate));
    write_atomic(&repository.root.join(FILE), baseline.render().as_bytes()).with_context(|| format!("failed to write {FILE}"))?;
    Ok(Exit::Pass)
}

/// The cases of a gate in the newest run in which all of them ran and passed.
fn newest(repository: &Repository, gate: &str) -> anyhow::Result<(String, BTreeSet<String>)> {
    for id in repository.gates.run_ids().into_iter().rev() {
        if let Some(cases) = cases_of(&repository.gates.run(&id), gate) {
            return Ok((id, cases));
        }
    }
    anyhow::bail!("there is no run in which every case of `{gate}` passed\n  hint: run `gate {gate}` first; cases that are gone do not count")
}

fn cases_of(folder: &RunDir, gate: &str) -> Option<BTreeSet<String>> {
    let readout = journal::read(&folder.journal()).ok()?;
    let mut record = Record::of(&readout.events);
    record.planned(gate)?;
    // Words behind `--` choose among the cases.
    if record.head.partial.as_deref() == Some("extra arguments") || readout.fault.is_some() {
        return None;
    }
    let clean = |job: &JobRecord| {
        let facts = &job.facts;
        let valid = !facts.reports.is_empty() && facts.reports.iter().all(|report| report.state == ReportState::Valid && report.red.is_empty());
        job.skip.is_none()
            && facts.complete
            && facts.stopped.is_none()
            && facts.lost.is_none()
            && valid
            && facts.steps.iter().all(crate::model::StepFact::accepted)
    };
    let iteration = record.jobs_of(gate).filter(|(_, job)| clean(job)).map(|(id, _)| id.iteration).last()?;
    let cases = load_cases(&mut record, folder, Proof::Digest);
    let own = &cases.gates.get(gate)?.cases;
    Some(own.iter().filter(|case| !case.synthetic && case.outcome_in(iteration).is_some()).map(|case| case.name.to_string()).collect())
}
