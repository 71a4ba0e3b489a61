//! Everything that must hold before a gate may start: configuration, plan, pins, tools, secrets, a clean tree. What does not hold
//! refuses the run with all reasons at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use super::chosen::{Pins, deselected, plan_of};
use super::reuse::{self, Here, Looking, Reuse};
use super::share::{self, share};
use super::surroundings;
use super::{Repository, caller, check_specs, profile};
use super::{baseline, remember};
use crate::cli::GateArgs;
use crate::config::schema::ReuseWord;
use crate::config::{self, Config, Profile};
use crate::event::{EventKind, Refusal, RunStarted, Source};
use crate::git;
use crate::model::{FlakyRule, Policy, RELEASE, Skip};
use crate::pins::Ambient;
use crate::pins::probe::Probes;
use crate::plan::shard::ShardPlan;
use crate::plan::{Plan, Work};
use crate::postgres::Url;
use crate::process::follow::Depth;
use crate::run::os::Site;
use crate::run::supplies::{self, Supplies, Wish};
use crate::run::{Course, Limits, Repeat, Reused};
use crate::rundir::{RunDir, file_ref, write_atomic};
use crate::text::closest;
use crate::ui::Output;

/// Longest time for a set-up.
const INSTALL: Limits = Limits { timeout: Duration::from_mins(30), slow_after: Duration::from_mins(1), grace: Duration::from_secs(5), supplied: false };

/// What the runner is to do.
pub(super) enum Task {
    /// Run gates.
    Gate(Box<GateArgs>),
    /// Only set up.
    Setup,
}

/// A run that may start.
pub(super) struct Ready {
    pub(super) head: RunStarted,
    pub(super) plan: Plan,
    pub(super) course: CourseParts,
    pub(super) site: Site,
    pub(super) tools: Vec<EventKind>,
    pub(super) warnings: Vec<String>,
    /// Where results may be reused: what to keep when the run is over.
    pub(super) reuse: Option<Reuse>,
    /// Nothing runs: then there is no source that anything ran on.
    pub(super) idle: bool,
}

/// A course without the plan that it borrows.
pub(super) struct CourseParts {
    limits: BTreeMap<String, Limits>,
    slots: u32,
    fail_fast: bool,
    flaky: FlakyRule,
    left_out: Vec<(usize, Skip)>,
    repeat: Repeat,
    reused: Vec<Reused>,
}

impl CourseParts {
    pub(super) fn of(self, plan: &Plan) -> Course<'_> {
        Course {
            plan,
            limits: self.limits,
            install: INSTALL,
            slots: self.slots,
            fail_fast: self.fail_fast,
            flaky: self.flaky,
            left_out: self.left_out,
            repeat: self.repeat,
            reused: self.reused,
        }
    }
}

/// A run that may not.
pub(super) struct Refused {
    pub(super) head: RunStarted,
    pub(super) cause: Refusal,
    pub(super) problems: Vec<String>,
}

/// The state of the source as an event tells it.
pub(super) fn source(root: &Path) -> Source {
    let git::State { commit, tree, dirty } = git::state(root);
    Source { commit, tree, dirty }
}

/// Prepares a run, or says why it may not start.
pub(super) fn prepare(repository: &Repository, folder: &RunDir, task: &Task, ambient: &Ambient, mut head: RunStarted) -> Result<Ready, Box<Refused>> {
    match prepare_into(repository, folder, task, ambient, &mut head) {
        Ok(ready) => Ok(Ready { head, ..ready }),
        Err((cause, problems)) => Err(Box::new(Refused { head, cause, problems })),
    }
}

pub(super) type Refusing = (Refusal, Vec<String>);

/// Fills in the head as far as it comes: also a refused run says what it would have run.
fn prepare_into(repository: &Repository, folder: &RunDir, task: &Task, ambient: &Ambient, head: &mut RunStarted) -> Result<Ready, Refusing> {
    let shards = asked(repository, task, head).map_err(|why| (Refusal::Config, vec![why]))?;
    let (config, profile, looking) = settle(repository, folder, task, shards.as_ref(), ambient, head)?;
    let wish = wish(&config, task, ambient).map_err(|why| (Refusal::Config, vec![why]))?;
    let probes = Probes::load(repository.gates.cache("probes.json"));
    let mut pins = Pins { config: &config, ambient, probes, found: BTreeMap::new(), problems: Vec::new() };
    let mut plan = plan_of(repository, task, shards.as_ref(), &profile, &mut pins, head)?;
    let looking = looking.map(|looking| looking.at(&config, &plan));
    remember::recall(repository, &mut plan.gates);
    planned(head, &plan);
    for runtime in &plan.runtimes {
        pins.find(runtime);
    }
    let Pins { probes, found, problems, .. } = pins;
    probes.save();
    if !problems.is_empty() {
        return Err((Refusal::Pin, problems));
    }
    streams(task, &plan)?;
    let mut left_out = deselected(&plan);
    let mut tools = Vec::new();
    let problems = surroundings::problems(repository, &config, &profile, &plan, ambient, &mut left_out, &mut tools);
    if !problems.is_empty() {
        return Err((Refusal::Environment, problems));
    }
    if is_empty(task, &plan, &left_out) {
        return Err((Refusal::Nothing, vec![share::nothing(shards.as_ref())]));
    }
    let warnings = warnings(&config, repository, &head.run, &wish, ambient);
    let (fail_fast, extra) = appended(task, &profile);
    let slots = head.jobs;
    let repeat = repeat(&config, &profile, task);
    head.until_fail = repeat.until_fail;
    let baseline = baseline::known(repository, &config).map_err(|why| (Refusal::Config, vec![why]))?;
    let here = Here { repository, run: folder, config: &config, plan: &plan, interpreters: &found, ambient, baseline: &baseline, left_out: &left_out };
    let considered = looking.filter(|_| wish.outside.is_empty()).map(|looking| reuse::consider(here, looking));
    let (reuse, reused, fresh) = considered.map_or_else(Default::default, |(reuse, reused, fresh)| (Some(reuse), reused, fresh));
    tools.extend(fresh);
    let idle = reused.len() + left_out.len() >= plan.work.len();
    let course = CourseParts { limits: limits(&config), slots, fail_fast, flaky: profile.flaky, left_out, repeat, reused };
    let site = Site {
        gates: repository.gates.clone(),
        run: folder.clone(),
        xtask: std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into()),
        ambient: ambient.clone(),
        interpreters: found,
        probes: Mutex::new(probes),
        environments: Mutex::default(),
        programs: Mutex::default(),
        plugins: Mutex::default(),
        in_use: Mutex::default(),
        extra,
        baseline,
        depth: if head.ci || profile.name == RELEASE || shards.is_some() { Depth::Whole } else { Depth::Front },
        slots,
        supplies: Supplies::new(&config, wish),
        parts: plan.gates.iter().filter_map(|gate| Some((gate.id.clone(), gate.part?))).collect(),
        runs: plan.gates.iter().map(|gate| (gate.id.clone(), gate.runs)).collect(),
        config,
    };
    Ok(Ready { head: RunStarted::default(), plan, course, site, tools, warnings, reuse, idle })
}

/// Nothing is left to run.
fn is_empty(task: &Task, plan: &Plan, left_out: &[(usize, Skip)]) -> bool {
    let gates = plan.work.iter().filter(|work| matches!(work, Work::Gate(_))).count();
    plan.work.is_empty() || matches!(task, Task::Gate(_)) && left_out.len() >= gates
}

/// Results may be reused; else nothing is looked at.
fn may_reuse(task: &Task, profile: &Profile, is_shard: bool) -> bool {
    profile.reuse == ReuseWord::SameInputs && !is_shard && matches!(task, Task::Gate(args) if args.may_reuse())
}

/// Targets of the command line, and the plan that it wants a shard of.
fn asked(repository: &Repository, task: &Task, head: &mut RunStarted) -> Result<Option<(ShardPlan, String)>, String> {
    let Task::Gate(args) = task else { return Ok(None) };
    head.targets.clone_from(&args.targets);
    share(repository, &args.share)
}

/// The gate whose output is to be shown is one of this run.
fn streams(task: &Task, plan: &Plan) -> Result<(), Refusing> {
    let Task::Gate(args) = task else { return Ok(()) };
    if args.stream.is_some() && args.output == Output::Ndjson {
        return Err((
            Refusal::Config,
            vec!["--stream does not go with --output ndjson\n  hint: the events name the log file of each job; follow that file".to_owned()],
        ));
    }
    let Some(unknown) = args.stream.as_ref().filter(|id| !plan.gates.iter().any(|gate| gate.id == **id)) else { return Ok(()) };
    let near = closest(unknown, plan.gates.iter().map(|gate| gate.id.as_str())).map(|near| format!("\n  hint: did you mean `{near}`?")).unwrap_or_default();
    Err((Refusal::Config, vec![format!("--stream {unknown}: this run has no such gate{near}")]))
}

/// What the plan says, in the words of the first event.
fn planned(head: &mut RunStarted, plan: &Plan) {
    head.phases.clone_from(&plan.phases);
    head.gates.clone_from(&plan.gates);
    head.partial.clone_from(&plan.partial);
    head.installs.clone_from(&plan.runtimes);
}

/// Whether the first red gate is the last one, and the words behind `--` with the gate that they are for.
fn appended(task: &Task, profile: &Profile) -> (bool, (String, Vec<String>)) {
    let Task::Gate(args) = task else { return Default::default() };
    (args.fail_fast || profile.fail_fast, (args.targets.first().cloned().unwrap_or_default(), args.extra.clone()))
}

/// Clocks by gate.
fn limits(config: &Config) -> BTreeMap<String, Limits> {
    let own = |gate: &config::Gate| Limits { timeout: gate.timeout, slow_after: gate.slow_after, grace: gate.grace, supplied: gate.is_supplied() };
    config.gates.values().map(|gate| (gate.id.clone(), own(gate))).collect()
}

/// When iterations end, and how many the asked phases want.
fn repeat(config: &Config, profile: &Profile, task: &Task) -> Repeat {
    let Task::Gate(args) = task else { return Repeat::default() };
    let phases = args.targets.iter().filter_map(|target| config.phases.get(target));
    let due = phases.map(|phase| phase.runs.unwrap_or(profile.runs)).max().unwrap_or(0);
    Repeat { until_fail: args.repeat.until_fail, runs_for: args.repeat.runs_for, due }
}

/// Configuration and profile, with what the command line changes in them. Where results may be reused, what is remembered of files begins to be read.
fn settle(
    repository: &Repository,
    folder: &RunDir,
    task: &Task,
    shards: Option<&(ShardPlan, String)>,
    ambient: &Ambient,
    head: &mut RunStarted,
) -> Result<(Config, Profile, Option<Looking>), Refusing> {
    let mut config = config::load(&repository.root, &repository.manifest, caller(&check_specs(), ambient))
        .map_err(|problems| (Refusal::Config, problems.iter().map(ToString::to_string).collect()))?;
    let named = if let Task::Gate(args) = task { args.profile.as_deref() } else { None };
    let named = shards.map(|(plan, _)| plan.head.profile.as_str()).or(named);
    let profile = profile(&config, named, ambient);
    let reuses = profile.as_ref().is_ok_and(|profile| may_reuse(task, profile, shards.is_some()));
    let looking = reuses.then(|| Looking::begin(&config.root, &repository.gates));
    head.config = keep_manifest(repository, folder);
    let profile = profile.map_err(|why| (Refusal::Config, vec![why]))?;
    if profile.exact_pins {
        config.runtimes.values_mut().for_each(|runtime| runtime.policy = Policy::Exact);
    }
    let cores = std::thread::available_parallelism().map_or(2, |count| count.get() as u32);
    let jobs = if let Task::Gate(args) = task { args.jobs } else { None };
    head.jobs = jobs.or(profile.jobs).unwrap_or(cores);
    head.profile.clone_from(&profile.name);
    head.flaky = Some(profile.flaky);
    head.unjudged_fails = profile.unjudged == config::schema::UnjudgedWord::Fail;
    Ok((config, profile, looking))
}

/// What is odd in gates.toml, and what earlier runs left behind.
fn warnings(config: &Config, repository: &Repository, run: &str, wish: &Wish, ambient: &Ambient) -> Vec<String> {
    let odd = config.warnings.iter().map(|warning| format!("{}:{}: {} ({})", warning.file, warning.line, warning.message, warning.hint));
    odd.chain(supplies::sweep(&repository.gates, run, wish, ambient)).collect()
}

/// Outside servers, which are only used where somebody says so.
fn wish(config: &Config, task: &Task, ambient: &Ambient) -> Result<Wish, String> {
    let Task::Gate(args) = task else { return Ok(Wish::default()) };
    let mut wish = Wish { keep: args.servers.keep_services, ..Wish::default() };
    for service in config.services.values() {
        let config::Service::Postgres(postgres) = service else { continue };
        let named = postgres.external_env.as_ref().and_then(|name| ambient.get(name).filter(|value| !value.is_empty()).map(|value| (name.as_str(), value)));
        let Some((origin, text)) = args.servers.database_url.as_ref().map(|url| ("--database-url", url)).or(named) else { continue };
        let url = Url::parse(text).map_err(|why| format!("{origin}: {why}"))?;
        if !url.is_loopback() && !args.servers.allow_remote {
            let place = url.place();
            return Err(format!("{origin}: {place} is not this machine\n  hint: add --allow-remote if databases may be made and dropped there"));
        }
        wish.outside.insert(postgres.id.clone(), url);
    }
    if args.servers.database_url.is_some() && wish.outside.is_empty() {
        return Err("--database-url: there is no service of kind postgres in gates.toml\n  hint: [service.postgres]".to_owned());
    }
    Ok(wish)
}

fn keep_manifest(repository: &Repository, folder: &RunDir) -> Option<crate::model::FileRef> {
    let bytes = std::fs::read(&repository.manifest).ok()?;
    write_atomic(&folder.file("gates.toml"), &bytes).ok()?;
    file_ref(&folder.file("gates.toml"), "gates.toml").ok()
}
