//! `check NAME`: a built-in check by hand or as a step.

use std::path::Path;

use anyhow::Context as _;

use super::{ambient, print, repository, say};
use crate::checks::{self, CHECKS, Task};
use crate::cli::{CheckArgs, Place};
use crate::model::Exit;
use crate::rundir::write_atomic;
use crate::text::{closest, plural};

/// Runs the check; exit 0 when nothing is wrong.
pub(super) fn run(place: &Place, args: &CheckArgs) -> anyhow::Result<Exit> {
    let Some(check) = CHECKS.iter().find(|check| check.spec.name == args.name) else {
        let names = CHECKS.iter().map(|check| check.spec.name);
        let hint = closest(&args.name, names.clone())
            .map_or_else(|| format!("known: {}", names.collect::<Vec<_>>().join(", ")), |near| format!("did you mean `{near}`?"));
        say(&format!("error: there is no check `{}`\n  hint: {hint}", args.name));
        return Ok(Exit::Usage);
    };
    let root = match &args.root {
        Some(root) => root.clone(),
        None => repository(place)?.root,
    };
    let with: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&args.with).context("--with is not a JSON object")?;
    if let Some(key) = with.keys().find(|key| !check.spec.keys.iter().any(|known| known.name == *key)) {
        let known: Vec<&str> = check.spec.keys.iter().map(|known| known.name).collect();
        say(&format!("error: check `{}` has no key `{key}`\n  hint: its keys: {}", args.name, known.join(", ")));
        return Ok(Exit::Usage);
    }
    let wrong = misfits(check, &with);
    if !wrong.is_empty() {
        say(&format!("error: {}", wrong.join("\nerror: ")));
        return Ok(Exit::Usage);
    }
    let findings = match (check.run)(&Task { root: &root, with: &with, ambient: &ambient(), today: time::OffsetDateTime::now_utc().date(), show: print }) {
        Ok(findings) => findings,
        Err(why) => {
            say(&format!("error: {why}"));
            return Ok(Exit::Broken);
        }
    };
    if findings.is_empty() {
        say(&format!("error: check `{}` looked at nothing\n  hint: what its keys name is empty", args.name));
        return Ok(Exit::Broken);
    }
    if let Some(file) = &args.junit {
        let bytes = checks::junit(&args.name, &findings).map_err(anyhow::Error::msg)?;
        write_atomic(file, &bytes).with_context(|| format!("failed to write {}", file.display()))?;
    }
    Ok(show(&root, &findings))
}

/// Keys that are missing or of another kind, as gates.toml would be told.
fn misfits(check: &checks::Check, with: &serde_json::Map<String, serde_json::Value>) -> Vec<String> {
    let missing = check.spec.keys.iter().filter(|key| key.required && !with.contains_key(key.name));
    let missing = missing.map(|key| format!("check `{}` needs `{}`\n  hint: {}", check.spec.name, key.name, key.doc));
    let other = |key: &&crate::config::CheckKey| {
        let as_toml = |value: &serde_json::Value| toml::Value::try_from(value).is_ok_and(|value| crate::config::is_a(key.kind, &value));
        with.get(key.name).is_some_and(|value| !as_toml(value))
    };
    let other = check.spec.keys.iter().filter(other).map(|key| format!("`{}` is not a {}\n  hint: {}", key.name, key.kind, key.doc));
    missing.chain(other).collect()
}

fn show(root: &Path, findings: &[checks::Finding]) -> Exit {
    let mut wrong = 0;
    for finding in findings {
        if let Some((message, mend)) = &finding.wrong {
            wrong += 1;
            print(&format!("{}: {message}\n  hint: {mend}", finding.at));
        }
    }
    say(&format!("{} looked at in {}, {wrong} wrong", plural(findings.len() as u64, "place"), root.display()));
    if wrong > 0 { Exit::Fail } else { Exit::Pass }
}
