//! Whether enough people approved, and none of them their own work. Counts principals, not keys.

use std::collections::BTreeSet;

use super::ask::Scene;
use super::policy::{Policy, Rules, Separation};
use super::verify::{baseline, commit_of};
use super::{Denied, no};
use crate::model::Denial;

/// Approvals of one sequence: who may count, and what that makes of it.
pub(super) fn enough(place: &str, policy: &Policy, rules: &Rules, signed: &BTreeSet<String>, authors: &BTreeSet<String>) -> Result<Vec<String>, Denied> {
    let role = &policy.role[&rules.role];
    let listed: BTreeSet<String> = role.principals.iter().map(|one| one.to_lowercase()).collect();
    let own = |who: &&String| rules.separation != Separation::None && authors.contains(*who);
    let (mut counted, mut refused) = (BTreeSet::new(), Vec::new());
    for who in signed {
        if !listed.contains(who) {
            refused.push(format!("{who} is no {} of the policy", rules.role));
        } else if own(&who) {
            refused.push(format!("{who} wrote a commit since the last sign-off"));
        } else {
            counted.insert(who.clone());
        }
    }
    if counted.len() < rules.threshold as usize {
        let why = if refused.is_empty() { String::new() } else { format!(" ({})", refused.join("; ")) };
        let wanted = rules.threshold;
        return Err(no(Denial::Approvals, format!("{place}: {} of {wanted} approvals by a {}{why}", counted.len(), rules.role))
            .hint(format!("another {} runs: xtask signoff", rules.role)));
    }
    let mut notes = refused;
    notes.extend(
        counted
            .iter()
            .filter(|who| rules.separation == Separation::None && authors.contains(*who))
            .map(|who| format!("SELF-APPROVED: {who} wrote a commit since the last sign-off")),
    );
    Ok(notes)
}

/// Why nobody could sign, before it is needed: a role without enough people who have a valid key, or whose people all wrote the code.
pub fn unsatisfiable(scene: &Scene<'_>, head: &str) -> Result<Vec<String>, Denied> {
    let trust = scene.chain.newest();
    let policy = &trust.policy;
    let able = |name: &str| -> BTreeSet<String> {
        let role = &policy.role[name];
        let listed: BTreeSet<String> = role.principals.iter().map(|one| one.to_lowercase()).collect();
        let lines = trust
            .signers
            .lines
            .iter()
            .filter(|line| line.namespaces.contains(&role.namespace) && line.holds_at(scene.now) && !trust.revoked.has(line.key.key_data()));
        lines.flat_map(|line| line.principals.iter().cloned()).filter(|who| listed.contains(who)).collect()
    };
    let mut problems = Vec::new();
    let roots = able("root").len();
    if roots < policy.role["root"].threshold as usize {
        problems.push(format!("role root wants {}, and {roots} have a valid key: the trust could never be changed again", policy.role["root"].threshold));
    }
    if policy.role.contains_key("gate-owner") && able("gate-owner").is_empty() {
        problems.push("role gate-owner: nobody has a valid key, so nothing can be waived".to_owned());
    }
    let config = scene.config(head, scene.now)?;
    if let Some(unknown) = policy.phases().find(|phase| *phase != "default" && !config.phases.contains_key(*phase)) {
        problems.push(format!("the policy has a phase `{unknown}` that gates.toml does not have"));
    }
    for phase in config.phases.keys() {
        let rules = policy.rules(phase).map_err(|why| no(Denial::Usage, why))?;
        let since = baseline(scene, head, phase, u32::MAX)?.map(|(_, statement)| commit_of(&statement).to_owned());
        let authors = if rules.separation == Separation::None { BTreeSet::new() } else { scene.git.authors(since.as_deref(), head)? };
        let able = able(&rules.role);
        let free = able.difference(&authors).count();
        if free < rules.threshold as usize {
            let wrote: Vec<&String> = able.intersection(&authors).collect();
            let wrote = if wrote.is_empty() {
                String::new()
            } else {
                format!("; {} wrote a commit since the last sign-off", wrote.iter().map(|who| who.as_str()).collect::<Vec<_>>().join(", "))
            };
            problems.push(format!("phase {phase} wants {} of role {}, and {free} may sign{wrote}", rules.threshold, rules.role));
        }
        if rules.require_ci && policy.github().is_none() {
            problems.push(format!("phase {phase} has require_ci, and there is no [ci.github]"));
        }
    }
    Ok(problems)
}
