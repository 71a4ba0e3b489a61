//! What a run is asked for becomes its plan: set-ups, gates, a shard, what failed, what is affected; with required phases that an earlier run
//! has judged.

use std::collections::BTreeMap;

use super::start::{Refusing, Task, source};
use super::{Repository, affected, share};
use crate::cli::{self, GateArgs};
use crate::config::{Config, Profile};
use crate::event::{Refusal, RunStarted};
use crate::history;
use crate::model::{RERUN, Skip};
use crate::pins::probe::Probes;
use crate::pins::{self, Ambient, Interpreter};
use crate::plan::shard::ShardPlan;
use crate::plan::{self, Plan, Request, Work};

/// What a task runs.
pub(super) fn plan_of(
    repository: &Repository,
    task: &Task,
    shards: Option<&(ShardPlan, String)>,
    profile: &Profile,
    pins: &mut Pins<'_>,
    head: &mut RunStarted,
) -> Result<Plan, Refusing> {
    match (task, shards) {
        (Task::Setup, _) => Ok(setup_plan(pins.config)),
        (Task::Gate(args), Some(of)) => {
            share::plan_of(of, args.share.attempt, profile, (pins.config, pins.ambient), head).map_err(|why| (Refusal::Config, vec![why]))
        }
        (Task::Gate(args), None) => gate_plan(repository, args, profile, head.jobs, pins, head).map_err(|(cause, why)| (cause, vec![why])),
    }
}

/// Interpreters as they are asked for, each once.
pub(super) struct Pins<'a> {
    pub(super) config: &'a Config,
    pub(super) ambient: &'a Ambient,
    pub(super) probes: Probes,
    pub(super) found: BTreeMap<String, Interpreter>,
    pub(super) problems: Vec<String>,
}

impl Pins<'_> {
    pub(super) fn find(&mut self, id: &str) {
        let runtime = &self.config.runtimes[id];
        if self.found.contains_key(id) {
            return;
        }
        match pins::find(&self.config.root, runtime, runtime.policy, self.ambient, &mut self.probes) {
            Ok(interpreter) => {
                self.found.insert(id.to_owned(), interpreter);
            }
            Err(why) => self.problems.push(why),
        }
    }
}

fn setup_plan(config: &Config) -> Plan {
    let runtimes: Vec<String> = config.runtimes.keys().cloned().collect();
    Plan {
        work: runtimes.iter().cloned().map(Work::Install).collect(),
        tasks: runtimes.iter().map(|_| plan::schedule::Task { cpus: 1, weight: 1, ..Default::default() }).collect(),
        runtimes,
        ..Plan::default()
    }
}

fn gate_plan(
    repository: &Repository,
    args: &GateArgs,
    profile: &Profile,
    jobs: u32,
    pins: &mut Pins<'_>,
    head: &mut RunStarted,
) -> Result<Plan, (Refusal, String)> {
    let recent = history::recent(&repository.gates);
    let mut request = Request {
        targets: args.targets.clone(),
        skip: args.skip.clone(),
        runs: args.runs.or(args.repeat.is_open().then_some(cli::Repeat::MOST)),
        jobs,
        alone: args.alone,
        extra: args.extra.clone(),
        provoked: args.provoked.is_some(),
        durations: recent.durations,
        recent: recent.runs,
        ..Request::default()
    };
    if args.narrow.failed {
        only_failed(repository, &mut request, &head.run).map_err(|why| (Refusal::Nothing, why))?;
        head.targets.clone_from(&request.targets);
    }
    if let Some(base) = &args.narrow.affected {
        affected::narrow(repository, pins.config, base, &mut request)?;
        head.targets.clone_from(&request.targets);
    }
    if request.targets.is_empty() {
        let known: Vec<&str> = pins.config.phases.keys().map(String::as_str).collect();
        return Err((Refusal::Config, format!("name a phase or a gate\n  hint: phases: {}; `list` shows the gates", known.join(", "))));
    }
    if !args.alone {
        request.credited = credits(repository, &request, profile, pins, head);
    }
    plan::plan(pins.config, profile, &request).map_err(|why| (Refusal::Config, why))
}

/// What was not green in the newest run before this one.
fn only_failed(repository: &Repository, request: &mut Request, own: &str) -> Result<(), String> {
    let past = history::runs(&repository.gates).find(|past| past.id != own && !past.targets().is_empty() && !past.gates().is_empty());
    let past = past.ok_or("--failed: there is no earlier run\n  hint: run the phase first")?;
    if request.targets.is_empty() {
        request.targets = past.targets().to_vec();
    }
    let failed: Vec<String> = past.gates().iter().filter(|gate| gate.verdict != "pass").map(|gate| gate.id.clone()).collect();
    if failed.is_empty() {
        return Err(format!("--failed: everything was green in run {}", crate::rundir::short(&past.id)));
    }
    request.only = Some((failed, format!("{RERUN}{}", crate::rundir::short(&past.id))));
    Ok(())
}

/// Phases that the asked ones require and that an earlier run judged green for the same code, pins, profile and gates.toml.
fn credits(repository: &Repository, request: &Request, profile: &Profile, pins: &mut Pins<'_>, head: &RunStarted) -> BTreeMap<String, String> {
    let asked = request.targets.iter().filter_map(|name| pins.config.phases.get(name));
    let required: Vec<String> = asked.flat_map(|phase| phase.requires.iter().cloned()).filter(|phase| !request.targets.contains(phase)).collect();
    if required.is_empty() {
        return BTreeMap::new();
    }
    let ids: Vec<String> = pins.config.runtimes.keys().cloned().collect();
    let problems_before = pins.problems.len();
    for id in ids {
        pins.find(&id);
    }
    pins.problems.truncate(problems_before); // a runtime that this run does not use is not its problem
    let versions = pins.found.iter().map(|(id, found)| (id.clone(), found.says.version.clone())).collect();
    let source = source(&repository.root);
    let config = head.config.as_ref().map(|file| file.digest.clone()).unwrap_or_default();
    let wanted = history::Wanted { source: &source, profile: &profile.name, config: &config, versions: &versions };
    required.into_iter().filter_map(|phase| history::credit(&repository.gates, &phase, &wanted).map(|run| (phase, run))).collect()
}

/// Gates that the command line leaves out.
pub(super) fn deselected(plan: &Plan) -> Vec<(usize, Skip)> {
    let is_out = |work: &Work| matches!(work, Work::Gate(job) if plan.deselected.contains(&job.gate));
    plan.work.iter().enumerate().filter(|(_, work)| is_out(work)).map(|(task, _)| (task, Skip::Deselected)).collect()
}
