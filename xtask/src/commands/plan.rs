//! `plan`: what would run, in which order, and why.

use serde_json::json;

use super::{ambient, load, print, profile, repository, say};
use crate::cli::{Place, PlanArgs, PlanFormat};
use crate::config::{Config, Profile};
use crate::history;
use crate::model::Exit;
use crate::plan::{Plan, Request, Work, lock_words, plan};
use crate::text::millis;

pub(super) fn run(place: &Place, args: &PlanArgs) -> anyhow::Result<Exit> {
    let repository = repository(place)?;
    let ambient = ambient();
    let config = match load(&repository, &ambient)? {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let made = profile(&config, args.profile.as_deref(), &ambient).and_then(|profile| {
        let cores = std::thread::available_parallelism().map_or(2, |count| count.get() as u32);
        let request = Request {
            targets: args.targets.clone(),
            skip: args.skip.clone(),
            runs: args.runs,
            jobs: profile.jobs.unwrap_or(cores),
            alone: args.alone,
            durations: history::durations(&repository.gates),
            ..Request::default()
        };
        plan(&config, &profile, &request).map(|plan| (plan, profile))
    });
    match made {
        Ok((plan, profile)) => {
            match args.format {
                PlanFormat::Text => text(&plan, &config, &profile),
                PlanFormat::Json => print(&serde_json::to_string_pretty(&document(&plan, &profile))?),
            }
            Ok(Exit::Pass)
        }
        Err(why) => {
            say(&format!("error: {why}"));
            Ok(Exit::Usage)
        }
    }
}

fn text(plan: &Plan, config: &Config, profile: &Profile) {
    let phases: Vec<String> = plan.phases.iter().map(|phase| if phase.asked { phase.id.clone() } else { format!("{} (required)", phase.id) }).collect();
    print(&format!("profile {}  phases {}", profile.name, phases.join(" then ")));
    for (phase, _) in &plan.aside {
        print(&format!("requires {phase}: not judged (--alone)"));
    }
    if let Some(why) = &plan.partial {
        print(&format!("partial: {why}"));
    }
    for runtime in &plan.runtimes {
        let runtime = &config.runtimes[runtime];
        print(&format!("  set up   {:<24} pin {}", runtime.id, runtime.pin));
    }
    for gate in &plan.gates {
        let left_out = if plan.deselected.contains(&gate.id) { "skip" } else { "run" };
        let estimate = gate.estimate.map(|took| format!("  about {}", millis(took))).unwrap_or_default();
        let why = if gate.needed_by.is_empty() { String::new() } else { format!("  needed by {}", gate.needed_by.join(", ")) };
        let needs = if gate.needs.is_empty() { String::new() } else { format!("  needs {}", gate.needs.join(", ")) };
        let runs = if gate.runs > 1 { format!("  x{}", gate.runs) } else { String::new() };
        print(&format!("  {left_out:<8} {:<24} {}{runs}{needs}{why}{estimate}", gate.id, gate.shown));
    }
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
