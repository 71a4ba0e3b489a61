//! What will run and why: phases in order, gates with their needs, iterations, set-ups. Knows no clock and no process; durations
//! and credits arrive as values.

pub mod schedule;
pub mod shard;

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::{HashMap, HashSet};

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
    // To look a thousand names up in a sorted map takes ten times as long.
    let gates: Known<'_> = config.gates.iter().map(|(id, gate)| (id.as_str(), &**gate)).collect();
    let mut stage_of = Stages::with_capacity(phases.iter().map(|phase| phase.gates.len()).sum());
    for (index, phase) in phases.iter().enumerate() {
        for gate in &phase.gates {
            pull(&gates, gate, index as u32, &mut stage_of);
        }
    }
    let last = phases.len().saturating_sub(1) as u32;
    for gate in &asked_gates {
        pull(&gates, gate, last, &mut stage_of);
    }
    if let Some((only, _)) = &request.only {
        let mut kept = Stages::new();
        for gate in only {
            if let Some((stage, _)) = stage_of.get(gate.as_str()) {
                pull(&gates, gate, *stage, &mut kept);
            }
        }
        stage_of = kept;
    }
    if let Some(selection) = &request.shard {
        // Phases are judged when all shards are there: until then each of their gates stands for itself.
        stage_of = selection.gates.keys().map(|gate| (gate.as_str(), (0, &*config.gates[gate]))).collect();
    }
    plan.phases = phases.iter().map(|phase| planned_phase(phase, &asked_phases, request)).collect();
    let last = if request.shard.is_some() { 0 } else { last };
    plan.stages = (0..=last).map(|stage| stage.checked_sub(1).and_then(|before| phases.get(before as usize)).map(|phase| phase.id.clone())).collect();
    let shown = show_order(config, &phases, &asked_gates, &stage_of);
    let terms = Terms::of(config, profile, request, &phases, &asked_gates, &shown);
    plan.gates = shown.iter().map(|(_, gate)| planned_gate(gate, &terms)).collect();
    add_tasks(&shown, request, &mut plan);
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

/// Gates by id.
type Known<'c> = HashMap<&'c str, &'c Gate>;
/// Gates by id, each with the stage in which it runs.
type Stages<'c> = HashMap<&'c str, Staged<'c>>;
type Staged<'c> = (u32, &'c Gate);

/// A gate and everything it needs, in the earliest stage that wants it.
fn pull<'c>(gates: &Known<'c>, gate: &str, stage: u32, stage_of: &mut Stages<'c>) {
    if stage_of.get(gate).is_some_and(|(known, _)| *known <= stage) {
        return;
    }
    let gate = gates[gate];
    stage_of.insert(&gate.id, (stage, gate));
    for need in &gate.needs {
        pull(gates, need, stage, stage_of);
    }
}

/// As phases list them, then as the command line names them, then by id.
fn show_order<'c>(config: &'c Config, phases: &[&Phase], asked: &[&String], stage_of: &Stages<'c>) -> Vec<Staged<'c>> {
    let mut shown = Vec::with_capacity(stage_of.len());
    let mut seen: HashSet<&str> = HashSet::with_capacity(stage_of.len());
    let listed = phases.iter().flat_map(|phase| &phase.gates).chain(asked.iter().copied());
    for gate in listed.chain(config.gates.keys()) {
        if shown.len() == stage_of.len() {
            break;
        }
        if let Some(staged) = stage_of.get(gate.as_str()).filter(|_| seen.insert(gate)) {
            shown.push(*staged);
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
    listed: HashMap<&'a str, Option<u32>>,
    /// Who needs a gate that is not among them.
    needed_by: HashMap<&'a str, Vec<String>>,
}

impl<'a> Terms<'a> {
    fn of(config: &'a Config, profile: &'a Profile, request: &'a Request, phases: &[&'a Phase], asked: &[&'a String], shown: &[Staged<'a>]) -> Self {
        let mut listed: HashMap<&str, Option<u32>> = HashMap::with_capacity(shown.len());
        listed.extend(asked.iter().map(|gate| (gate.as_str(), None)));
        for phase in phases {
            for gate in &phase.gates {
                let runs = listed.entry(gate).or_default();
                *runs = (*runs).max(phase.runs);
            }
        }
        let mut needed_by: HashMap<&str, Vec<String>> = HashMap::new();
        for (_, gate) in shown {
            for need in gate.needs.iter().filter(|need| !listed.contains_key(need.as_str())) {
                needed_by.entry(need).or_default().push(gate.id.clone());
            }
        }
        for gates in needed_by.values_mut() {
            gates.sort();
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
    let needed_by = terms.needed_by.get(gate.id.as_str()).cloned().unwrap_or_default();
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
            let sources: Vec<_> = words.iter().map(Template::source).collect();
            let mut line = String::new();
            for word in crate::mask::redacted(sources.iter().map(AsRef::as_ref)) {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(&crate::text::shell_word(&word));
            }
            line
        }
        StepRun::Shell(script) => format!("sh: {}", crate::text::first_line(script)),
        StepRun::Check { name, .. } => format!("check {name}"),
    }
}

fn add_tasks(shown: &[Staged<'_>], request: &Request, plan: &mut Plan) {
    let mut install_of: BTreeMap<&str, usize> = BTreeMap::new();
    for runtime in plan.gates.iter().flat_map(|planned| &planned.runtimes) {
        install_of.entry(runtime).or_insert_with(|| {
            plan.work.push(Work::Install(runtime.clone()));
            plan.tasks.push(Task { cpus: 1, weight: 1, ..Task::default() });
            plan.work.len() - 1
        });
    }
    plan.runtimes = install_of.keys().map(|runtime| (*runtime).to_owned()).collect();
    let needed: HashSet<&str> = plan.gates.iter().flat_map(|gate| &gate.needs).map(String::as_str).collect();
    let mut first_of: HashMap<&str, (usize, u32)> = HashMap::with_capacity(needed.len());
    for planned in &plan.gates {
        if !needed.is_empty() && needed.contains(planned.id.as_str()) {
            first_of.insert(&planned.id, (plan.work.len(), planned.runs));
        }
        plan.work.extend((1..=planned.runs).map(|iteration| Work::Gate(JobId { gate: planned.id.clone(), iteration })));
    }
    plan.tasks.reserve(plan.work.len());
    for (planned, (stage, gate)) in plan.gates.iter().zip(shown) {
        let start = plan.tasks.len();
        for index in 0..planned.runs as usize {
            let mut locks = gate.locks.clone();
            if !gate.junit.is_empty() {
                // Two runs at once would take each other's report in a fixed place for their own.
                locks.push(LockUse { lock: format!("reports:{}", gate.id), shared: false, max: 1 });
            }
            let installs = planned.runtimes.iter().map(|runtime| install_of[runtime.as_str()]);
            let gates = gate.needs.iter().map(|need| {
                let (start, runs) = first_of[need.as_str()];
                start + index.min(runs as usize - 1)
            });
            plan.tasks.push(Task {
                needs: installs.chain(gates).collect(),
                after: if index > 0 { vec![start + index - 1] } else { Vec::new() },
                stage: *stage,
                cpus: gate.cpus.min(request.jobs.max(1)),
                locks,
                weight: planned.estimate.unwrap_or(1000).max(1),
            });
        }
    }
}

/// Locks of a task, as words for the journal.
pub fn lock_words(locks: &[LockUse]) -> Vec<String> {
    locks.iter().map(|held| if held.shared { format!("{}:shared", held.lock) } else { held.lock.clone() }).collect()
}

#[cfg(test)]
mod tests;
