//! What a plan needs of the machine and the tree before it may start: tools, secrets, a clean tree. Says everything that is missing at
//! once.

use super::Repository;
use super::start::source;
use crate::config::{Config, MissingRule, Profile};
use crate::event::{EventKind, Source};
use crate::mask::MIN_SECRET;
use crate::model::Skip;
use crate::pins::Ambient;
use crate::plan::{Plan, Work};

/// Every reason why the plan may not start here.
pub(super) fn problems(
    repository: &Repository,
    config: &Config,
    profile: &Profile,
    plan: &Plan,
    ambient: &Ambient,
    left_out: &mut Vec<(usize, Skip)>,
    tools: &mut Vec<EventKind>,
) -> Vec<String> {
    let mut problems = look_for_tools(config, profile, plan, ambient, left_out, tools);
    problems.extend(missing_secrets(config, plan, ambient));
    let state = if profile.clean_tree { source(&repository.root) } else { Source::default() };
    if profile.clean_tree && state.commit.is_none() {
        // Outside of git nobody can tell that nothing was changed.
        problems.push(format!("profile {} wants a clean tree, and there is no commit here\n  hint: run it in a git repository", profile.name));
    } else if profile.clean_tree && state.dirty.is_some() {
        problems.push(format!(
            "profile {} wants a clean tree, and there are uncommitted changes\n  hint: commit or stash them; `git status` lists them",
            profile.name
        ));
    }
    problems
}

fn look_for_tools(
    config: &Config,
    profile: &Profile,
    plan: &Plan,
    ambient: &Ambient,
    left_out: &mut Vec<(usize, Skip)>,
    tools: &mut Vec<EventKind>,
) -> Vec<String> {
    let mut problems = Vec::new();
    let path = ambient.get("PATH").map(String::as_str).unwrap_or_default();
    for planned in plan.gates.iter().filter(|gate| !plan.deselected.contains(&gate.id)) {
        let gate = &config.gates[&planned.id];
        let mut missing = None;
        for tool in &gate.tools {
            let found = which::which_in(tool, Some(path), &config.root).ok();
            tools.push(EventKind::ToolFound { gate: gate.id.clone(), tool: tool.clone(), path: found.as_ref().map(|file| file.display().to_string()) });
            if found.is_none() {
                missing = Some(tool.clone());
            }
        }
        let Some(tool) = missing else { continue };
        if gate.missing_skips && profile.missing == MissingRule::AsDeclared {
            let mine = |work: &Work| matches!(work, Work::Gate(job) if job.gate == gate.id);
            left_out.extend(plan.work.iter().enumerate().filter(|(_, work)| mine(work)).map(|(task, _)| (task, Skip::Tool(tool.clone()))));
        } else {
            let rule = if gate.missing_skips { format!("; profile {} does not allow missing = \"skip\"", profile.name) } else { String::new() };
            problems.push(format!("gate `{}`: tool `{tool}` is not on this machine{rule}\n  hint: install {tool}", gate.id));
        }
    }
    problems
}

fn missing_secrets(config: &Config, plan: &Plan, ambient: &Ambient) -> Vec<String> {
    let mut problems = Vec::new();
    for planned in plan.gates.iter().filter(|gate| !plan.deselected.contains(&gate.id)) {
        for name in &config.secrets_of(&config.gates[&planned.id]) {
            match ambient.get(name).filter(|value| !value.is_empty()) {
                None => problems.push(format!("gate `{}`: its secret `{name}` is not set\n  hint: {name}=... in the environment of this command", planned.id)),
                Some(value) if value.len() < MIN_SECRET => {
                    problems.push(format!(
                        "gate `{}`: its secret `{name}` has fewer than {MIN_SECRET} characters, which cannot be masked\n  hint: use a longer value",
                        planned.id
                    ));
                }
                Some(_) => {}
            }
        }
    }
    problems
}
