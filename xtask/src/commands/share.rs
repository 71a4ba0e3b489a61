//! One shard of a plan for several machines: the plan from its file, held against what is here, and narrowed to the shard.

use std::path::Path;

use super::Repository;
use super::start::source;
use crate::cli;
use crate::config::{Config, Profile};
use crate::event::{RunStarted, Shard, Source};
use crate::pins::Ambient;
use crate::plan::shard::ShardPlan;
use crate::plan::{self, Plan, Request};

/// The plan that a shard is of, if this run is one: made of what is here.
pub(super) fn share(repository: &Repository, share: &cli::Share) -> Result<Option<(ShardPlan, String)>, String> {
    let (Some(id), Some(file)) = (&share.shard, &share.plan) else { return Ok(None) };
    let plan = read_plan(file)?;
    same_source(&plan, &repository.root)?;
    Ok(Some((plan, id.clone())))
}

/// A plan for several machines from its file.
pub(super) fn read_plan(file: &Path) -> Result<ShardPlan, String> {
    let shown = file.display();
    let text = std::fs::read(file).map_err(|cause| format!("failed to read the plan `{shown}`: {cause}"))?;
    ShardPlan::parse(&text).map_err(|why| format!("`{shown}`: {why}\n  hint: xtask plan PHASE --shards N --out {shown}"))
}

/// What is here is what the plan was made of.
pub(super) fn same_source(plan: &ShardPlan, root: &Path) -> Result<(), String> {
    let here = source(root);
    let shown = |source: &Source| {
        let commit = source.commit.as_deref().map_or("no commit", |commit| commit.get(..12).unwrap_or(commit));
        if source.dirty.is_some() { format!("{commit} with changes that are not committed") } else { commit.to_owned() }
    };
    if here == plan.source {
        return Ok(());
    }
    Err(format!(
        "the plan is of {}, and this is {}\n  hint: check out the same commit; files that are not ignored count as changes",
        shown(&plan.source),
        shown(&here)
    ))
}

/// The plan of one shard, narrowed from the whole.
pub(super) fn plan_of(
    (shards, id): &(ShardPlan, String),
    attempt: Option<u32>,
    profile: &Profile,
    (config, ambient): (&Config, &Ambient),
    head: &mut RunStarted,
) -> Result<Plan, String> {
    let shard = shards.shard(id)?;
    let digest = |head: &RunStarted| head.config.as_ref().map(|file| file.digest.clone());
    if digest(head) != digest(&shards.head) {
        return Err("gates.toml is not the one that the plan was made of".to_owned());
    }
    let counted = attempt.or_else(|| ambient.get("GITHUB_RUN_ATTEMPT")?.parse().ok()).unwrap_or(1);
    head.shard = Some(Shard { id: id.clone(), plan: shards.digest.clone(), attempt: counted });
    head.targets.clone_from(&shards.head.targets);
    let request = Request {
        targets: shards.head.targets.clone(),
        skip: shards.skip.clone(),
        jobs: head.jobs,
        durations: shards.head.gates.iter().filter_map(|gate| Some((gate.id.clone(), gate.estimate?))).collect(),
        shard: Some(shards.selection(shard)),
        // Iterations are those of the plan, whatever named them.
        runs_of: shards.head.gates.iter().map(|gate| (gate.id.clone(), gate.runs)).collect(),
        ..Request::default()
    };
    plan::plan(config, profile, &request)
}

/// Why there is nothing to run.
pub(super) fn nothing(shards: Option<&(ShardPlan, String)>) -> String {
    let empty = shards.and_then(|(plan, _)| plan.empty.as_ref());
    empty.map_or_else(|| "nothing is left to run\n  hint: `plan` says what was left out, and why".to_owned(), |why| format!("the plan has no work: {why}"))
}
