//! Gates and their steps: from what the tables say to what they mean. Knows the ids they may name, no process.

use std::collections::BTreeMap;
use std::time::Duration;

use super::resolve::{Input, Report, env_templates, find_cycle, template};
use super::resolve_services::{database_id, database_uses, reached, service_uses};
use super::schema::{self, GatesToml, MissingWord};
use super::template::Names;
use super::{Gate, LockUse, Step, StepRun};
use crate::model::Expect;
use crate::text::parse_size;

/// How long a gate may take where nobody says it.
pub(super) const TIMEOUT: Duration = Duration::from_mins(10);

/// How long a log may be where nobody says it, in bytes.
const LOG_MAX: u64 = 2 << 30;

/// GitHub kills ten seconds after its first signal, and the sweep wants its share.
const CI_GRACE: Duration = Duration::from_secs(6);

/// All gates by id.
pub(super) type Gates = BTreeMap<String, Box<Gate>>;

/// All gates, from what their tables say, one after the other; `said` is everything else.
pub(super) fn resolve(tables: impl Iterator<Item = (String, Box<schema::Gate>)>, said: &GatesToml, input: Input<'_>, report: &mut Report<'_>) -> Gates {
    // Made in one go: a map that grows looks for each one's place. Each table goes before the next one is looked at.
    let gates: Gates = tables
        .map(|(id, gate)| {
            let gate = resolve_gate(&id, &gate, said, input, report);
            (id, Box::new(gate))
        })
        .collect();
    for gate in gates.values() {
        for (index, name) in gate.needs.iter().enumerate() {
            report.known(&["gate", &gate.id, "needs", &index.to_string()], "gate", name, &gates);
        }
    }
    let edges = gates.values().filter(|gate| !gate.needs.is_empty()).map(|gate| (gate.id.as_str(), gate.needs.iter().map(String::as_str).collect())).collect();
    if let Some(cycle) = find_cycle(&edges) {
        report.push(&["gate", &cycle[0], "needs"], format!("gates need each other: {}", cycle.join(" -> ")), "take one of these edges out");
    }
    shared_reports(&gates, report);
    gates
}

fn resolve_gate(id: &str, gate: &schema::Gate, said: &GatesToml, input: Input<'_>, report: &mut Report<'_>) -> Gate {
    let path = |key| ["gate", id, key];
    references(id, gate, said, report);
    for (key, globs) in [("junit", &gate.junit), ("artifacts", &gate.artifacts), ("inputs", &gate.inputs), ("outputs", &gate.outputs)] {
        for (index, glob) in globs.iter().enumerate() {
            let at = index.to_string();
            let here = ["gate", id, key, &at];
            report.inside(&here, glob);
            check_glob(glob, &here, report);
        }
    }
    let timeout = duration(gate.timeout.as_deref(), said.defaults.timeout.as_deref(), TIMEOUT);
    let slow_after = duration(gate.slow_after.as_deref(), said.defaults.slow_after.as_deref(), Duration::from_mins(1));
    let grace = grace(gate.grace.as_deref(), said, input);
    let log_max = gate.log_max.as_deref().or(said.defaults.log_max.as_deref());
    let expect = resolve_expect(id, gate.expect.as_ref(), report);
    let resolved = Gate {
        id: id.to_owned(),
        title: gate.title.clone().unwrap_or_else(|| id.to_owned()),
        owner: gate.owner.clone(),
        steps: resolve_steps(id, gate, said, input, report),
        runtimes: gate.runtimes.clone(),
        secrets: gate.secrets.clone(),
        needs: gate.needs.clone(),
        locks: resolve_locks(id, gate, said, report),
        databases: database_uses(&["gate", id], &gate.databases, said, report),
        services: service_uses(&["gate", id], &gate.services, said, report),
        workers: gate.workers.unwrap_or(1),
        cpus: gate.cpus.unwrap_or(1),
        tools: gate.tools.clone(),
        missing_skips: gate.missing == Some(MissingWord::Skip),
        advisory: gate.advisory.unwrap_or(false),
        timeout,
        slow_after,
        grace,
        log_max: log_max.and_then(parse_size).unwrap_or(LOG_MAX),
        runs: gate.runs,
        shards: gate.shards.unwrap_or(1),
        junit: gate.junit.clone(),
        artifacts: gate.artifacts.clone(),
        expect,
        quarantine: Vec::new(),
        inputs: gate.inputs.clone(),
        outputs: gate.outputs.clone(),
    };
    if gate.expect.is_some() && !resolved.reports() {
        report.push(&path("expect"), format!("gate `{id}` expects cases and writes no report"), "write one to {junit} in run, or name it in junit = [\"...\"]");
    }
    if resolved.shards > 1 && !resolved.reports() {
        report.push(
            &path("shards"),
            format!("gate `{id}` is split and writes no report: nothing could join its parts"),
            "write one to {junit} in run, or name its tool",
        );
    }
    if resolved.shards > 1 && !resolved.splits() {
        let hint = "tool = \"pytest\", \"vitest\", \"playwright\" or \"cargo-nextest\" splits by itself; else a word with {shard.index} and {shard.total}";
        report.push(&path("shards"), format!("nothing in gate `{id}` runs one part of its cases"), hint);
    }
    if !gate.outputs.is_empty() && gate.inputs.is_empty() {
        report.push(&path("outputs"), format!("gate `{id}` has outputs and no inputs: nothing could say when they are made again"), "inputs = [\"src/**\"]");
    }
    if gate.missing.is_some() && gate.tools.is_empty() {
        report.push(&path("missing"), format!("gate `{id}` says what a missing tool means and names none"), "tools = [\"docker\"]");
    }
    resolved
}

/// A duration that is said, else the file's default, else the built-in one.
pub(super) fn duration(own: Option<&str>, default: Option<&str>, built_in: Duration) -> Duration {
    own.or(default).map_or(built_in, |text| humantime::parse_duration(text).unwrap_or(built_in))
}

/// From TERM to KILL.
pub(super) fn grace(own: Option<&str>, said: &GatesToml, input: Input<'_>) -> Duration {
    let grace = duration(own, said.defaults.grace.as_deref(), Duration::from_secs(5));
    if input.caller.in_ci { grace.min(CI_GRACE) } else { grace }
}

fn references(id: &str, gate: &schema::Gate, said: &GatesToml, report: &mut Report<'_>) {
    for (index, name) in gate.runtimes.iter().enumerate() {
        report.known(&["gate", id, "runtimes", &index.to_string()], "runtime", name, &said.runtime);
    }
    if gate.owner.trim().is_empty() {
        report.push(&["gate", id, "owner"], "the owner is empty", "name who answers for this gate");
    }
    secrets(&["gate", id], &gate.secrets, report);
}

/// Names of secret variables.
pub(super) fn secrets(base: &[&str], names: &[String], report: &mut Report<'_>) {
    for (index, name) in names.iter().enumerate() {
        let good = !name.is_empty() && name != "PATH" && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !good {
            let place = index.to_string();
            let path: Vec<&str> = base.iter().copied().chain(["secrets", &place]).collect();
            report.push(&path, format!("`{name}` is not a variable's name"), "such as \"API_KEY\"");
        }
    }
}

fn resolve_locks(id: &str, gate: &schema::Gate, said: &GatesToml, report: &mut Report<'_>) -> Vec<LockUse> {
    let mut locks = Vec::new();
    for (index, text) in gate.locks.iter().enumerate() {
        let place = index.to_string();
        let here = ["gate", id, "locks", &place];
        let (name, mode) = text.split_once(':').unwrap_or((text, ""));
        if !["", "shared"].contains(&mode) {
            report.push(&here, format!("`{mode}` is not a mode of a lock"), "\"ID\" takes all of it, \"ID:shared\" one unit");
        }
        if report.known(&here, "lock", name, &said.lock) {
            let max = said.lock.get(name).and_then(|lock| lock.max).unwrap_or(1);
            locks.push(LockUse { lock: name.to_owned(), shared: mode == "shared", max });
        }
    }
    locks.sort_by(|a, b| a.lock.cmp(&b.lock));
    if let Some(twice) = locks.windows(2).find(|pair| pair[0].lock == pair[1].lock) {
        report.push(&["gate", id, "locks"], format!("lock `{}` stands twice", twice[0].lock), "name it once");
    }
    locks
}

fn resolve_steps(id: &str, gate: &schema::Gate, said: &GatesToml, input: Input<'_>, report: &mut Report<'_>) -> Vec<Step> {
    let own = [gate.run.is_some(), gate.shell.is_some(), gate.check.is_some(), gate.steps.is_some()];
    if own.iter().filter(|given| **given).count() != 1 {
        report.push(&["gate", id], format!("gate `{id}` needs exactly one of run, shell, check, steps"), "run = [\"program\", \"argument\"]");
    }
    let Some(steps) = &gate.steps else { return vec![resolve_step(&SaidStep::sole(gate), 0, &["gate", id], gate, &StepNames { said, input }, report)] };
    for (key, given) in [("exit", gate.exit.is_some()), ("with", gate.with.is_some()), ("tool", gate.tool.is_some())] {
        if given {
            report.push(&["gate", id, key], format!("`{key}` belongs to the steps here"), "move it into [[gate.ID.steps]]");
        }
    }
    let mut resolved: Vec<Step> = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().map(SaidStep::of).enumerate() {
        let place = index.to_string();
        let base = ["gate", id, "steps", &place];
        let step = resolve_step(&step, index, &base, gate, &StepNames { said, input }, report);
        if resolved.iter().any(|earlier| earlier.name == step.name) {
            report.push(&base, format!("two steps are named `{}`", step.name), "a step's name is unique in its gate");
        }
        resolved.push(step);
    }
    resolved
}

/// A step as its own table says it, or as the gate's table says its only one.
pub(super) struct SaidStep<'s> {
    name: Option<&'s str>,
    pub(super) run: Option<&'s [String]>,
    shell: Option<&'s str>,
    check: Option<&'s str>,
    with: Option<&'s BTreeMap<String, toml::Value>>,
    exit: Option<&'s [u8]>,
    pub(super) tool: Option<schema::ToolWord>,
    /// What only a table of its own says.
    own: Option<&'s schema::Step>,
}

impl<'s> SaidStep<'s> {
    fn of(step: &'s schema::Step) -> Self {
        Self {
            name: step.name.as_deref(),
            run: step.run.as_deref(),
            shell: step.shell.as_deref(),
            check: step.check.as_deref(),
            with: step.with.as_ref(),
            exit: step.exit.as_deref(),
            tool: step.tool,
            own: Some(step),
        }
    }

    fn sole(gate: &'s schema::Gate) -> Self {
        Self {
            name: None,
            run: gate.run.as_deref(),
            shell: gate.shell.as_deref(),
            check: gate.check.as_deref(),
            with: gate.with.as_ref(),
            exit: gate.exit.as_deref(),
            tool: gate.tool,
            own: None,
        }
    }
}

struct StepNames<'a> {
    said: &'a GatesToml,
    input: Input<'a>,
}

fn resolve_step(step: &SaidStep<'_>, index: usize, base: &[&str], gate: &schema::Gate, names: &StepNames<'_>, report: &mut Report<'_>) -> Step {
    let at = |key| base.iter().copied().chain([key]).collect::<Vec<&str>>();
    let runtimes: Vec<&str> = gate.runtimes.iter().map(String::as_str).filter(|id| names.said.runtime.contains_key(*id)).collect();
    let (databases, services) = match step.own {
        Some(own) => (database_uses(base, &own.databases, names.said, report), service_uses(base, &own.services, names.said, report)),
        None => (Vec::new(), Vec::new()),
    };
    let reached = reached(gate.services.iter().chain(&services), names.said);
    let named: Vec<String> = gate.databases.iter().map(|text| database_id(text).to_owned()).chain(databases.iter().map(|one| one.database.clone())).collect();
    let words = Names { runtimes: &runtimes, needs: &gate.needs, services: &reached, databases: &named, ..Names::default() };
    let given = [step.run.is_some(), step.shell.is_some(), step.check.is_some()].iter().filter(|given| **given).count();
    if gate.steps.is_some() && given != 1 {
        report.push(base, format!("step {} needs exactly one of run, shell, check", index + 1), "run = [\"program\", \"argument\"]");
    }
    if step.with.is_some() && step.check.is_none() {
        report.push(&at("with"), "`with` belongs to a check", "check = \"NAME\"");
    }
    let run = if let Some(check) = step.check {
        let with: Vec<(String, toml::Value)> = step.with.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
        let with = super::with::resolve(check, &with, names.input.caller.checks, words, base, report);
        StepRun::Check { name: check.to_owned(), with }
    } else if let Some(script) = step.shell {
        StepRun::Shell(script.to_owned())
    } else {
        let (argv, here) = (step.run.unwrap_or_default(), at("run"));
        if argv.first().is_some_and(String::is_empty) {
            report.push(&here, "the program's name is empty", "run = [\"program\", \"argument\"]");
        }
        let words = Names { tool: step.tool.is_some(), ..words };
        StepRun::Argv(argv.iter().filter_map(|word| template(word, words, &here, report)).collect())
    };
    let tool = super::tools::resolve(step, base, report);
    let cwd = step.own.and_then(|own| own.cwd.as_deref()).or(gate.cwd.as_deref());
    if let Some(cwd) = cwd {
        report.inside(&at("cwd"), cwd);
    }
    let mut env = env_templates(&gate.env, words, &["gate", base[1], "env"], report);
    if let Some(own) = step.own {
        env.extend(env_templates(&own.env, words, &at("env"), report));
    }
    if let Some(clash) = gate.secrets.iter().find(|name| env.contains_key(*name)) {
        report.push(base, format!("`{clash}` is both a secret and set in env"), "a secret's value comes from the caller's environment alone");
    }
    Step {
        name: step.name.map_or_else(|| (index + 1).to_string(), str::to_owned),
        run,
        exit: step.exit.map_or_else(|| vec![0], |codes| codes.iter().map(|code| i32::from(*code)).collect()),
        tool,
        cwd: cwd.unwrap_or(".").to_owned(),
        env,
        timeout: step.own.and_then(|own| own.timeout.as_deref()).and_then(|text| humantime::parse_duration(text).ok()),
        databases,
        services,
    }
}

fn resolve_expect(id: &str, said: Option<&schema::Expect>, report: &mut Report<'_>) -> Expect {
    let Some(said) = said else { return Expect { min_tests: 1, ..Expect::default() } };
    for (index, cases) in said.cases.iter().enumerate() {
        check_glob(&cases.pattern, &["gate", id, "expect", "cases", &index.to_string(), "match"], report);
    }
    for (index, skip) in said.skips.iter().enumerate() {
        check_glob(&skip.pattern, &["gate", id, "expect", "skips", &index.to_string(), "match"], report);
        if skip.reason.trim().is_empty() || skip.owner.trim().is_empty() {
            report.push(
                &["gate", id, "expect", "skips", &index.to_string()],
                "a declared skip needs a reason and an owner",
                "reason = \"...\", owner = \"...\"",
            );
        }
    }
    Expect {
        min_tests: said.min_tests.unwrap_or(1),
        cases: said.cases.iter().map(|cases| (cases.pattern.clone(), cases.min.unwrap_or(1))).collect(),
        skips: said.skips.iter().map(|skip| (skip.pattern.clone(), skip.reason.clone(), skip.owner.clone())).collect(),
    }
}

pub(super) fn check_glob(glob: &str, path: &[&str], report: &mut Report<'_>) {
    if let Err(cause) = globset::Glob::new(glob) {
        report.push(path, format!("`{glob}` is not a glob: {}", cause.kind()), "globs know * ** ? {a,b} and [ab]; write \\[ for a plain bracket");
    }
}

/// Two gates that write one report would erase or judge each other's.
fn shared_reports(gates: &Gates, report: &mut Report<'_>) {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for (id, gate) in gates {
        for (index, glob) in gate.junit.iter().enumerate() {
            if let Some(other) = owners.insert(glob, id)
                && other != id
            {
                let message = format!("gates `{other}` and `{id}` both claim the report `{glob}`");
                report.push(&["gate", id, "junit", &index.to_string()], message, "give each gate a file of its own, best by {junit}");
            }
        }
    }
}
