//! `gate --affected`: the gates that a change since some commit can concern, by their inputs and by what they stand on.

use std::collections::BTreeSet;

use super::Repository;
use crate::baseline;
use crate::config::{Config, Gate};
use crate::event::Refusal;
use crate::git::{Git, short};
use crate::inputs::Patterns;
use crate::plan::Request;
use crate::text::plural;

/// Narrows a request to what is affected. The error says why nothing is left, or why it cannot be said.
pub(super) fn narrow(repository: &Repository, config: &Config, base: &str, request: &mut Request) -> Result<(), (Refusal, String)> {
    let git = Git::new(&repository.root);
    let changed = git
        .changed_since(base)
        .map_err(|fault| (Refusal::Config, format!("--affected {base}: {fault}\n  hint: a branch, a tag or a commit, such as origin/main")))?;
    if request.targets.is_empty() {
        request.targets = config.phases.keys().cloned().collect();
    }
    let asked = asked(config, &request.targets);
    let gates: BTreeSet<String> =
        affected(config, &changed.files, &|path| repository.root.join(path).is_dir()).into_iter().filter(|gate| asked.contains(gate)).collect();
    if gates.is_empty() {
        let count = plural(changed.files.len() as u64, "file");
        return Err((
            Refusal::Nothing,
            format!("--affected {base}: {count} changed since {}, and none of these gates depends on any of them", short(&changed.base)),
        ));
    }
    request.targets.retain(|target| self::asked(config, std::slice::from_ref(target)).iter().any(|gate| gates.contains(gate)));
    request.only = Some((gates.into_iter().collect(), format!("--affected {base}")));
    Ok(())
}

/// Gates that some targets name, with those of the phases that they require.
fn asked(config: &Config, targets: &[String]) -> BTreeSet<String> {
    let (mut open, mut seen, mut gates) = (targets.to_vec(), BTreeSet::new(), BTreeSet::new());
    while let Some(target) = open.pop() {
        match config.phases.get(&target) {
            Some(phase) if seen.insert(target.clone()) => {
                gates.extend(phase.gates.iter().cloned());
                open.extend(phase.requires.iter().cloned());
            }
            Some(_) => {}
            None => _ = gates.insert(target),
        }
    }
    gates
}

/// Gates whose inputs, or whatever else their result stands on, are among some files; and the gates that need one of them.
fn affected(config: &Config, files: &[String], is_folder: &dyn Fn(&str) -> bool) -> BTreeSet<String> {
    let own = |gate: &Gate| gate.inputs.is_empty() || Patterns::new(&depends(config, gate)).find(files, is_folder).is_some();
    let mut affected: BTreeSet<String> = config.gates.values().filter(|gate| own(gate)).map(|gate| gate.id.clone()).collect();
    loop {
        let behind = config.gates.values().filter(|gate| !affected.contains(&gate.id) && gate.needs.iter().any(|need| affected.contains(need)));
        let behind: Vec<String> = behind.map(|gate| gate.id.clone()).collect();
        if behind.is_empty() {
            return affected;
        }
        affected.extend(behind);
    }
}

/// What a gate depends on: its inputs, the pins and lock files of its runtimes, what its databases are made of, and the rules themselves.
fn depends(config: &Config, gate: &Gate) -> Vec<String> {
    let mut globs = gate.inputs.clone();
    globs.extend(super::reuse::of_databases(config, gate));
    globs.extend(config.runtimes_of(gate).iter().flat_map(|runtime| super::reuse::of_runtime(config, runtime)));
    globs.extend([config.file.clone(), baseline::FILE.to_owned()]);
    globs
}
