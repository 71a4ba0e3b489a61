//! `plan`: what would run, in which order, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::Context as _;
use serde_json::json;

use super::remember;
use super::start::source;
use super::{Repository, ambient, load, print, profile, repository, say};
use crate::cli::{Place, PlanArgs, PlanFormat};
use crate::config::schema::UnjudgedWord;
use crate::config::{Config, Profile};
use crate::event::RunStarted;
use crate::github;
use crate::history;
use crate::model::{Exit, Part};
use crate::plan::shard::{Count, ShardPlan};
use crate::plan::{Plan, Request, Work, lock_words, plan};
use crate::rundir::{file_ref, write_atomic};
use crate::text::{millis, plural};

pub(super) fn run(place: &Place, args: &PlanArgs) -> anyhow::Result<Exit> {
    let repository = repository(place)?;
    let ambient = ambient();
    let config = match load(&repository, &ambient)? {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    if args.format == PlanFormat::GithubMatrix && args.shards.is_none() {
        say("error: a matrix has a row for each shard\n  hint: --shards auto");
        return Ok(Exit::Usage);
    }
    let made = profile(config, args.profile.as_deref(), &ambient).and_then(|profile| {
        let cores = || std::thread::available_parallelism().map_or(2, |count| count.get() as u32);
        // Slots bound what a gate takes of them; to count this machine's takes reading files of its control groups.
        let is_wide = config.gates.values().any(|gate| gate.cpus > 1);
        let request = Request {
            targets: args.targets.clone(),
            skip: args.skip.clone(),
            runs: args.runs,
            jobs: profile.jobs.unwrap_or_else(|| if is_wide { cores() } else { 1 }),
            alone: args.alone,
            // A preview looks at the runs here; machines are filled by whatever the history knows.
            durations: if args.shards.is_some() { durations(&repository) } else { history::recent(&repository.gates).durations },
            ..Request::default()
        };
        // Taking a big plan apart takes time, and the process ends with it.
        plan(config, &profile, &request).map(|plan| (&*Box::leak(Box::new(plan)), profile))
    });
    let (plan, profile) = match made {
        Ok(made) => made,
        Err(why) => {
            say(&format!("error: {why}"));
            return Ok(Exit::Usage);
        }
    };
    let Some(count) = args.shards else {
        match args.format {
            PlanFormat::Json => print(&serde_json::to_string_pretty(&document(plan, &profile))?),
            PlanFormat::Mermaid => print(mermaid(plan).trim_end()),
            PlanFormat::Text | PlanFormat::GithubMatrix => text(plan, config, &profile),
        }
        return Ok(Exit::Pass);
    };
    if source(&repository.root).commit.is_none() {
        say("error: several machines need one commit, and this is no git repository with one\n  hint: git init, and commit");
        return Ok(Exit::Usage);
    }
    let shards = shard_plan(&repository, args, (config, &profile), plan, count)?;
    let document = serde_json::to_string_pretty(&shards)?;
    if let Some(file) = &args.out {
        write_atomic(file, document.as_bytes()).with_context(|| format!("failed to write {}", file.display()))?;
    }
    match args.format {
        PlanFormat::Text => packed(&shards),
        PlanFormat::Mermaid => print(mermaid(plan).trim_end()),
        PlanFormat::Json => print(&document),
        PlanFormat::GithubMatrix => {
            print(&shards.matrix());
            let outputs = [("matrix", shards.matrix()), ("digest", shards.digest.clone())];
            github::set_outputs(&ambient, &outputs).context("failed to write GITHUB_OUTPUT")?;
        }
    }
    Ok(Exit::Pass)
}

/// The plan for several machines.
fn shard_plan(repository: &Repository, args: &PlanArgs, (config, profile): (&Config, &Profile), plan: &Plan, count: Count) -> anyhow::Result<ShardPlan> {
    let head = RunStarted {
        targets: args.targets.clone(),
        manifest: repository.manifest.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        config: Some(file_ref(&repository.manifest, "gates.toml").context("failed to read gates.toml")?),
        profile: profile.name.clone(),
        jobs: profile.jobs.unwrap_or(1),
        flaky: Some(profile.flaky),
        unjudged_fails: profile.unjudged == UnjudgedWord::Fail,
        ..RunStarted::default()
    };
    Ok(ShardPlan::new(plan, config, head, source(&repository.root), count))
}

/// Milliseconds by gate: of every run that the history knows, wherever it ran, else of the runs here.
fn durations(repository: &Repository) -> BTreeMap<String, u64> {
    let mut known = history::recent(&repository.gates).durations;
    match remember::caught_up(repository).and_then(|store| store.durations()) {
        Ok(stored) => known.extend(stored),
        Err(fault) => say(&format!("note: times come from the runs here alone: {fault}")),
    }
    known
}

/// What each machine would run.
fn packed(plan: &ShardPlan) {
    print(&format!("plan {}  profile {}  {}", &plan.digest[..8], plan.head.profile, plural(plan.shards.len() as u64, "shard")));
    for shard in &plan.shards {
        let gate = |(id, part): (&String, &Part)| if part.total > 1 { format!("{id} (part {part})") } else { id.clone() };
        let also = if shard.also.is_empty() { String::new() } else { format!("  needs {}", shard.also.iter().cloned().collect::<Vec<_>>().join(", ")) };
        print(&format!("  {:<5} about {:<8} {}{also}", shard.id, millis(shard.expected), shard.gates.iter().map(gate).collect::<Vec<_>>().join(", ")));
    }
    if let Some(why) = &plan.empty {
        print(&format!("no work: {why}"));
    }
}

fn text(plan: &Plan, config: &Config, profile: &Profile) {
    let mut out = String::with_capacity(plan.gates.len() * 64);
    let phases: Vec<String> = plan.phases.iter().map(|phase| if phase.asked { phase.id.clone() } else { format!("{} (required)", phase.id) }).collect();
    let written = write_text(&mut out, plan, config, &format!("profile {}  phases {}", profile.name, phases.join(" then ")));
    written.expect("a String takes everything");
    print(&out);
}

/// Room for an id.
const SPACES: &str = "                         ";

fn write_text(out: &mut String, plan: &Plan, config: &Config, head: &str) -> std::fmt::Result {
    out.push_str(head);
    for (phase, _) in &plan.aside {
        write!(out, "\nrequires {phase}: not judged (--alone)")?;
    }
    if let Some(why) = &plan.partial {
        write!(out, "\npartial: {why}")?;
    }
    for runtime in &plan.runtimes {
        let runtime = &config.runtimes[runtime];
        write!(out, "\n  set up   {:<24} pin {}", runtime.id, runtime.pin)?;
    }
    for gate in &plan.gates {
        let left_out = if plan.deselected.contains(&gate.id) { "skip" } else { "run" };
        // A thousand lines are padded here: the way over a format takes each space for itself.
        out.push_str("\n  ");
        for (word, room) in [(left_out, &SPACES[..9]), (&gate.id, SPACES)] {
            out.push_str(word);
            out.push_str(room.get(word.len()..).filter(|rest| !rest.is_empty()).unwrap_or(" "));
        }
        out.push_str(&gate.shown);
        if gate.runs > 1 {
            write!(out, "  x{}", gate.runs)?;
        }
        for (word, gates) in [("needs", &gate.needs), ("needed by", &gate.needed_by)].into_iter().filter(|(_, gates)| !gates.is_empty()) {
            write!(out, "  {word} {}", gates.join(", "))?;
        }
        if let Some(took) = gate.estimate {
            write!(out, "  about {}", millis(took))?;
        }
    }
    Ok(())
}

fn document(plan: &Plan, profile: &Profile) -> serde_json::Value {
    let name = |index: usize| match &plan.work[index] {
        Work::Install(runtime) => format!("set-up:{runtime}"),
        Work::Gate(job) => job.to_string(),
    };
    let jobs: Vec<serde_json::Value> = plan
        .tasks
        .iter()
        .enumerate()
        .map(|(index, task)| {
            json!({
                "job": name(index),
                "needs": task.needs.iter().map(|need| name(*need)).collect::<Vec<_>>(),
                "after": task.after.iter().map(|before| name(*before)).collect::<Vec<_>>(),
                "stage": task.stage,
                "cpus": task.cpus,
                "locks": lock_words(&task.locks),
                "estimate_ms": task.weight,
            })
        })
        .collect();
    json!({
        "schema": 1,
        "profile": { "name": profile.name, "runs": profile.runs, "jobs": profile.jobs, "flaky": profile.flaky, "clean-tree": profile.clean_tree, "fail-fast": profile.fail_fast },
        "phases": plan.phases,
        "partial": plan.partial,
        "runtimes": plan.runtimes,
        "gates": plan.gates,
        "jobs": jobs,
    })
}

/// The plan as a flowchart of Mermaid: a box a phase, an arrow from what is needed to what needs it.
fn mermaid(plan: &Plan) -> String {
    let mut out = String::from("flowchart LR\n");
    let node = |id: &str| format!("g_{}", id.replace('-', "_"));
    let mut placed: BTreeSet<&str> = BTreeSet::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    for phase in &plan.phases {
        line(format!("  subgraph p_{}[\"{}\"]", phase.id.replace('-', "_"), phase.id));
        for gate in plan.gates.iter().filter(|gate| phase.gates.contains(&gate.id)) {
            if placed.insert(&gate.id) {
                line(format!("    {}[\"{}\"]", node(&gate.id), gate.id));
            }
        }
        line("  end".to_owned());
    }
    for gate in plan.gates.iter().filter(|gate| !placed.contains(gate.id.as_str())) {
        line(format!("  {}[\"{}\"]", node(&gate.id), gate.id));
    }
    for phase in &plan.phases {
        for required in phase.requires.iter().filter(|required| plan.phases.iter().any(|other| other.id == **required)) {
            line(format!("  p_{} --> p_{}", required.replace('-', "_"), phase.id.replace('-', "_")));
        }
    }
    for gate in &plan.gates {
        for need in &gate.needs {
            line(format!("  {} --> {}", node(need), node(&gate.id)));
        }
    }
    out
}
