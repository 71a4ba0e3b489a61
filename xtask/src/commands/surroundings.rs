//! What a plan needs of the machine and the tree before it may start: tools, secrets, a clean tree. Says everything that is missing at
//! once.

use super::Repository;
use super::start::source;
use crate::compose::engine;
use crate::config::{Config, MissingRule, Profile};
use crate::event::{EventKind, Source};
use crate::mask::MIN_SECRET;
use crate::model::Skip;
use crate::pins::Ambient;
use crate::plan::{Plan, Work};
use crate::run::environment;

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
    for planned in plan.gates.iter().filter(|gate| !plan.deselected.contains(&gate.id)) {
        let gate = &config.gates[&planned.id];
        let mut missing = None;
        for tool in &gate.tools {
            let found = tool_there(tool, config, ambient);
            tools.push(EventKind::ToolFound { gate: gate.id.clone(), tool: tool.clone(), path: found.clone().ok() });
            missing = missing.or(found.err().map(|why| (tool.clone(), why)));
        }
        let Some((tool, why)) = missing else { continue };
        if gate.missing_skips && profile.missing == MissingRule::AsDeclared {
            let mine = |work: &Work| matches!(work, Work::Gate(job) if job.gate == gate.id);
            left_out.extend(plan.work.iter().enumerate().filter(|(_, work)| mine(work)).map(|(task, _)| (task, Skip::Tool(why.clone()))));
        } else {
            let rule = if gate.missing_skips { format!("; profile {} does not allow missing = \"skip\"", profile.name) } else { String::new() };
            problems.push(format!("gate `{}`: {why}{rule}\n  hint: {}", gate.id, tool_hint(&tool)));
        }
    }
    problems
}

/// Where a tool is. Of an engine of containers the client alone is not enough: it must answer. The error says what is missing.
pub(super) fn tool_there(tool: &str, config: &Config, ambient: &Ambient) -> Result<String, String> {
    if engine::NAMES.contains(&tool) {
        // Asked as the gate's own steps will ask.
        let mut env = environment::base(ambient, &config.env_pass, false);
        env.extend(environment::engine(ambient));
        env.extend(ambient.get("PATH").map(|path| ("PATH".to_owned(), path.clone())));
        return engine::find(tool, &env, &config.root).map(|found| format!("{} ({})", found.exe.display(), found.version));
    }
    let path = ambient.get("PATH").map(String::as_str).unwrap_or_default();
    which::which_in(tool, Some(path), &config.root).map(|file| file.display().to_string()).map_err(|_| format!("tool `{tool}` is not on this machine"))
}

/// How to mend it.
pub(super) fn tool_hint(tool: &str) -> String {
    if engine::NAMES.contains(&tool) { format!("start the engine of {tool}; `{tool} version` shows whether it answers") } else { format!("install {tool}") }
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
