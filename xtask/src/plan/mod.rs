//! What will run and why: phases in order, gates with their needs, iterations, set-ups. Knows no clock and no process; durations
//! and credits arrive as values.

pub mod schedule;
pub mod shard;

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Config, Gate, LockUse, Phase, Profile, StepRun, Template};
use crate::event::{PlannedGate, PlannedPhase};
use crate::model::{Expect, JobId, PROVOKED, Part};
use crate::text::closest;
use schedule::Task;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Phases and gates.
    pub targets: Vec<String>,
    /// Gates left out.
    pub skip: Vec<String>,
    /// Iterations from the command line.
    pub runs: Option<u32>,
    /// Slots.
    pub jobs: u32,
    /// Do not judge required phases.
    pub alone: bool,
    /// Words after `--`.
    pub extra: Vec<String>,
    /// A trial of a hunt.
    pub provoked: bool,
    /// Only these gates of the targets, with a reason: what was not green in an earlier run.
    pub only: Option<(Vec<String>, String)>,
    /// Required phases that another run judged green: phase, run id.
    pub credited: BTreeMap<String, String>,
    /// Milliseconds by gate, from earlier runs.
    pub durations: BTreeMap<String, u64>,
    /// Earlier runs by gate, the oldest first.
    pub recent: BTreeMap<String, Vec<(u64, bool)>>,
    /// Iterations by gate, over everything else.
    pub runs_of: BTreeMap<String, u32>,
    /// Only a shard of the plan.
    pub shard: Option<Selection>,
}

/// What a shard runs.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Gates, each as a whole or a part of its cases, with everything that they need.
    pub gates: BTreeMap<String, Part>,
    /// Why the run is narrowed.
    pub reason: String,
}

/// What a task of the plan is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Set-up of a runtime.
    Install(String),
    /// A gate in one iteration.
    Gate(JobId),
}

/// A plan.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Phases in the order in which they are judged; credited ones left out.
    pub phases: Vec<PlannedPhase>,
    /// Required phases that are credited or not judged.
    pub aside: Vec<(String, Option<String>)>,
    /// Gates in the order in which they are shown.
    pub gates: Vec<PlannedGate>,
    /// Tasks with their work, in the same order.
    pub work: Vec<Work>,
    /// Tasks for the schedule.
    pub tasks: Vec<Task>,
    /// Why the run is narrowed.
    pub partial: Option<String>,
    /// Runtimes in use.
    pub runtimes: Vec<String>,
    /// Gates that `--skip` names.
    pub deselected: BTreeSet<String>,
    /// The phase whose failure skips a stage, by stage.
    pub stages: Vec<Option<String>>,
}

/// Makes a plan, or says which target does not exist.
pub fn plan(config: &Config, profile: &Profile, request: &Request) -> Result<Plan, String> {
    check_names(config, request)?;
    let (asked_phases, asked_gates): (Vec<&String>, Vec<&String>) = request.targets.iter().partition(|name| config.phases.contains_key(*name));
    let mut plan = Plan { partial: partial(&asked_gates, request, profile, config), ..Plan::default() };
    plan.deselected = request.skip.iter().cloned().collect();
    let phases = order_phases(config, &asked_phases, request, &mut plan);
    let mut stage_of: BTreeMap<String, u32> = BTreeMap::new();
    for (index, phase) in phases.iter().enumerate() {
        for gate in &phase.gates {
            pull(config, gate, index as u32, &mut stage_of);
        }
    }
    let last = phases.len().saturating_sub(1) as u32;
    for gate in &asked_gates {
        pull(config, gate, last, &mut stage_of);
    }
    if let Some((only, _)) = &request.only {
        let mut kept = BTreeMap::new();
        for gate in only.iter().filter(|gate| stage_of.contains_key(*gate)) {
            pull(config, gate, stage_of[gate], &mut kept);
        }
        stage_of = kept;
    }
    if let Some(selection) = &request.shard {
        // Phases are judged when all shards are there: until then each of their gates stands for itself.
        stage_of = selection.gates.keys().map(|gate| (gate.clone(), 0)).collect();
    }
    plan.phases = phases.iter().map(|phase| planned_phase(phase, &asked_phases, request)).collect();
    let last = if request.shard.is_some() { 0 } else { last };
    plan.stages = (0..=last).map(|stage| stage.checked_sub(1).and_then(|before| phases.get(before as usize)).map(|phase| phase.id.clone())).collect();
    let shown = show_order(&phases, &asked_gates, &stage_of);
    let terms = Terms::of(config, profile, request, &phases, &asked_gates, &stage_of);
    plan.gates = shown.iter().map(|id| planned_gate(&config.gates[id], &terms)).collect();
    add_tasks(config, request, &stage_of, &mut plan);
    Ok(plan)
}

fn check_names(config: &Config, request: &Request) -> Result<(), String> {
    let unknown = |name: &str, known: &mut dyn Iterator<Item = &str>, kind: &str| {
        let known: Vec<&str> = known.collect();
        let hint = closest(name, known.iter().copied()).map_or_else(|| format!("known: {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
        format!("there is no {kind} `{name}` in {}\n  hint: {hint}", config.file)
    };
    for name in &request.targets {
        if !config.phases.contains_key(name) && !config.gates.contains_key(name) {
            let mut known = config.phases.keys().chain(config.gates.keys()).map(String::as_str);
            return Err(unknown(name, &mut known, "phase or gate"));
        }
    }
    for name in &request.skip {
        if !config.gates.contains_key(name) {
            return Err(unknown(name, &mut config.gates.keys().map(String::as_str), "gate"));
        }
    }
    if !request.extra.is_empty() && (request.targets.len() != 1 || !config.gates.contains_key(&request.targets[0])) {
        return Err("arguments after `--` go to one gate\n  hint: cargo xtask gate GATE -- ARGUMENTS".to_owned());
    }
    Ok(())
}

fn partial(asked_gates: &[&String], request: &Request, profile: &Profile, config: &Config) -> Option<String> {
    if request.provoked {
        return Some(PROVOKED.to_owned());
    }
    if let Some((_, reason)) = &request.only {
        return Some(reason.clone());
    }
    if let Some(selection) = &request.shard {
        return Some(selection.reason.clone());
    }
    if !request.extra.is_empty() {
        return Some("extra arguments".to_owned());
    }
    if !request.skip.is_empty() {
        return Some(format!("--skip {}", request.skip.join(" ")));
    }
    if !asked_gates.is_empty() {
        return Some("single gates".to_owned());
    }
    let wanted = request.targets.iter().filter_map(|phase| config.phases.get(phase)).map(|phase| phase.runs.unwrap_or(profile.runs)).max();
    match (request.runs, wanted) {
        (Some(runs), Some(wanted)) if runs < wanted => Some(format!("--runs {runs} where {wanted} are due")),
        _ => None,
    }
}

/// Required phases before those that require them.
fn order_phases<'c>(config: &'c Config, asked: &[&String], request: &Request, plan: &mut Plan) -> Vec<&'c Phase> {
    let mut ordered: Vec<&Phase> = Vec::new();
    for name in asked {
        visit_phase(config, name, asked, request, plan, &mut ordered);
    }
    ordered
}

fn visit_phase<'c>(config: &'c Config, name: &str, asked: &[&String], request: &Request, plan: &mut Plan, ordered: &mut Vec<&'c Phase>) {
    if ordered.iter().any(|phase| phase.id == name) || plan.aside.iter().any(|(phase, _)| phase == name) {
        return;
    }
    if !asked.iter().any(|phase| *phase == name) {
        let credit = request.credited.get(name).cloned();
        if request.alone || credit.is_some() {
            plan.aside.push((name.to_owned(), credit));
            return;
        }
    }
    let phase = &config.phases[name];
    for required in &phase.requires {
        visit_phase(config, required, asked, request, plan, ordered);
    }
    ordered.push(phase);
}

/// A gate and everything it needs, in the earliest stage that wants it.
fn pull(config: &Config, gate: &str, stage: u32, stage_of: &mut BTreeMap<String, u32>) {
    if stage_of.get(gate).is_some_and(|known| *known <= stage) {
        return;
    }
    stage_of.insert(gate.to_owned(), stage);
    for need in &config.gates[gate].needs {
        pull(config, need, stage, stage_of);
    }
}

fn show_order(phases: &[&Phase], asked: &[&String], stage_of: &BTreeMap<String, u32>) -> Vec<String> {
    let mut shown: Vec<String> = Vec::new();
    let listed = phases.iter().flat_map(|phase| &phase.gates).chain(asked.iter().copied()).chain(stage_of.keys());
    let mut seen = BTreeSet::new();
    for gate in listed.filter(|gate| stage_of.contains_key(*gate)) {
        if seen.insert(gate) {
            shown.push(gate.clone());
        }
    }
    shown
}

fn planned_phase(phase: &Phase, asked: &[&String], request: &Request) -> PlannedPhase {
    let is_asked = asked.iter().any(|name| **name == phase.id);
    let criteria = if request.shard.is_some() { Vec::new() } else { phase.criteria.clone() };
    PlannedPhase { id: phase.id.clone(), title: phase.title.clone(), gates: phase.gates.clone(), requires: phase.requires.clone(), asked: is_asked, criteria }
}

struct Terms<'a> {
    config: &'a Config,
    profile: &'a Profile,
    request: &'a Request,
    /// Gates that a phase lists or the command line names, with the iterations that their phases want.
    listed: BTreeMap<&'a str, Option<u32>>,
    /// Who needs a gate.
    needed_by: BTreeMap<&'a str, Vec<String>>,
}

impl<'a> Terms<'a> {
    fn of(
        config: &'a Config,
        profile: &'a Profile,
        request: &'a Request,
        phases: &[&'a Phase],
        asked: &[&'a String],
        gates: &'a BTreeMap<String, u32>,
    ) -> Self {
        let mut listed: BTreeMap<&str, Option<u32>> = asked.iter().map(|gate| (gate.as_str(), None)).collect();
        for phase in phases {
            for gate in &phase.gates {
                let runs = listed.entry(gate).or_default();
                *runs = (*runs).max(phase.runs);
            }
        }
        let mut needed_by: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for id in gates.keys() {
            for need in &config.gates[id].needs {
                needed_by.entry(need).or_default().push(id.clone());
            }
        }
        Self { config, profile, request, listed, needed_by }
    }
}

fn planned_gate(gate: &Gate, terms: &Terms<'_>) -> PlannedGate {
    let listed = terms.listed.get(gate.id.as_str());
    let own = terms.request.runs_of.get(&gate.id).copied();
    let runs = own.or(terms.request.runs).or(gate.runs).or(listed.copied().flatten()).unwrap_or(terms.profile.runs);
    let part = terms.request.shard.as_ref().and_then(|selection| selection.gates.get(&gate.id)).copied().filter(|part| part.total > 1);
    let narrowed = !terms.request.extra.is_empty() && terms.request.targets.contains(&gate.id);
    // How many cases there are is known when all parts are there; each has at least one. Words behind `--` choose among them.
    let expect = if part.is_some() || narrowed { Expect { min_tests: 1, cases: Vec::new(), skips: gate.expect.skips.clone() } } else { gate.expect.clone() };
    let needed_by = if listed.is_some() { Vec::new() } else { terms.needed_by.get(gate.id.as_str()).cloned().unwrap_or_default() };
    PlannedGate {
        id: gate.id.clone(),
        title: gate.title.clone(),
        owner: gate.owner.clone(),
        needs: gate.needs.clone(),
        needed_by,
        runtimes: terms.config.runtimes_of(gate),
        runs,
        advisory: gate.advisory,
        reports: gate.reports(),
        expect,
        quarantine: gate.quarantine.clone(),
        timeout: gate.timeout.as_millis() as u64,
        shown: shown(gate),
        cwd: gate.steps.first().map(|step| step.cwd.clone()).unwrap_or_default(),
        estimate: terms.request.durations.get(&gate.id).map(|took| took / u64::from(part.map_or(1, |part| part.total))),
        locks: lock_words(&gate.locks),
        recent: terms.request.recent.get(&gate.id).cloned().unwrap_or_default(),
        part,
    }
}

/// What a gate runs, in a few words.
pub fn shown(gate: &Gate) -> String {
    let Some(step) = gate.steps.first() else { return String::new() };
    match &step.run {
        StepRun::Argv(words) => {
            let words = crate::mask::redact(&words.iter().map(Template::source).collect::<Vec<_>>());
            words.iter().map(|word| crate::text::shell_word(word)).collect::<Vec<_>>().join(" ")
        }
        StepRun::Shell(script) => format!("sh: {}", crate::text::first_line(script)),
        StepRun::Check { name, .. } => format!("check {name}"),
    }
}

fn add_tasks(config: &Config, request: &Request, stage_of: &BTreeMap<String, u32>, plan: &mut Plan) {
    let mut install_of: BTreeMap<String, usize> = BTreeMap::new();
    for gate in &plan.gates {
        for runtime in config.runtimes_of(&config.gates[&gate.id]) {
            install_of.entry(runtime.clone()).or_insert_with(|| {
                plan.work.push(Work::Install(runtime));
                plan.tasks.push(Task { cpus: 1, weight: 1, ..Task::default() });
                plan.work.len() - 1
            });
        }
    }
    plan.runtimes = install_of.keys().cloned().collect();
    let mut first_of: BTreeMap<&str, (usize, u32)> = BTreeMap::new();
    for planned in &plan.gates {
        first_of.insert(&planned.id, (plan.work.len(), planned.runs));
        for iteration in 1..=planned.runs {
            plan.work.push(Work::Gate(JobId { gate: planned.id.clone(), iteration }));
            plan.tasks.push(Task::default());
        }
    }
    for planned in &plan.gates {
        let gate = &config.gates[&planned.id];
        let (first, runs) = first_of[planned.id.as_str()];
        for index in 0..runs as usize {
            let task = &mut plan.tasks[first + index];
            task.cpus = gate.cpus.min(request.jobs.max(1));
            task.stage = stage_of[&planned.id];
            task.weight = planned.estimate.unwrap_or(1000).max(1);
            task.locks.clone_from(&gate.locks);
            if !gate.junit.is_empty() {
                // Two runs at once would take each other's report in a fixed place for their own.
                task.locks.push(LockUse { lock: format!("reports:{}", gate.id), shared: false, max: 1 });
            }
            task.needs = config.runtimes_of(gate).iter().map(|runtime| install_of[runtime]).collect();
            for need in &gate.needs {
                let (start, runs) = first_of[need.as_str()];
                task.needs.push(start + index.min(runs as usize - 1));
            }
            task.after = if index > 0 { vec![first + index - 1] } else { Vec::new() };
        }
    }
}

/// Locks of a task, as words for the journal.
pub fn lock_words(locks: &[LockUse]) -> Vec<String> {
    locks.iter().map(|held| if held.shared { format!("{}:shared", held.lock) } else { held.lock.clone() }).collect()
}

#[cfg(test)]
mod tests;
