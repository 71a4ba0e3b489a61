//! `pins`: every place that names a runtime's version agrees with the pin file: workflows, Dockerfiles, compose images, package
//! manifests, the README. One finding a place.

mod mentions;

use std::path::Path;

use nodejs_semver::{Range, Version};

use super::{Check, Finding, Task};
use crate::config::schema::RuntimeKind;
use crate::config::{CheckKey, CheckSpec};
use crate::model::Location;
use crate::pins::read::{self, Pin, Wanted};
use mentions::{Mention, Role};

/// The check.
pub const CHECK: Check = Check {
    spec: CheckSpec { name: "pins", keys: &[CheckKey { name: "exclude", kind: "list", required: false, doc: "globs of files that are left out" }] },
    doc: "every place that names a runtime's version agrees with the pin file",
    run,
};

/// Pin files that stand for a runtime, the authority first.
const FILES: &[(RuntimeKind, &str)] = &[
    (RuntimeKind::Node, ".nvmrc"),
    (RuntimeKind::Node, ".node-version"),
    (RuntimeKind::Python, ".python-version"),
    (RuntimeKind::Rust, "rust-toolchain.toml"),
    (RuntimeKind::Rust, "rust-toolchain"),
];

fn run(task: &Task<'_>) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    let mut pins: Vec<(RuntimeKind, Pin)> = Vec::new();
    for (kind, file) in FILES.iter().filter(|(_, file)| task.root.join(file).is_file()) {
        match read::read(task.root, file, *kind) {
            Ok(pin) => {
                findings.push(authority(*kind, &pin, pins.iter().find(|(known, _)| known == kind).map(|(_, pin)| pin)));
                if !pins.iter().any(|(known, _)| known == kind) {
                    pins.push((*kind, pin));
                }
            }
            Err(refusal) => findings.push(Finding {
                what: format!("{file} is read alike by every tool"),
                at: Location { file: (*file).to_owned(), line: 1 },
                wrong: Some((refusal.to_string(), "write one plain version".to_owned())),
            }),
        }
    }
    if pins.is_empty() && findings.is_empty() {
        return Err("there is no pin file (.nvmrc, .python-version, rust-toolchain.toml) in the root".to_owned());
    }
    let mentions = mentions::all(task.root, &excluded(task)?)?;
    findings.extend(servers(&mentions));
    for mention in mentions {
        let pin = pins.iter().find(|(kind, _)| Some(*kind) == mention.kind).map(|(_, pin)| pin);
        findings.extend(judge(&mention, pin));
    }
    Ok(findings)
}

fn excluded(task: &Task<'_>) -> Result<globset::GlobSet, String> {
    let mut set = globset::GlobSetBuilder::new();
    for glob in task.with.get("exclude").and_then(serde_json::Value::as_array).into_iter().flatten().filter_map(serde_json::Value::as_str) {
        set.add(globset::Glob::new(glob).map_err(|cause| format!("exclude: {cause}"))?);
    }
    set.build().map_err(|cause| cause.to_string())
}

fn authority(kind: RuntimeKind, pin: &Pin, first: Option<&Pin>) -> Finding {
    let wrong = first.filter(|first| first.raw != pin.raw).map(|first| {
        (format!("`{}` here, `{}` in {}:{}", pin.raw, first.raw, first.file, first.line), format!("keep one of the two files, or write {} here", first.raw))
    });
    Finding { what: format!("{} pins {}", pin.file, crate::pins::kind_word(kind)), at: Location { file: pin.file.clone(), line: pin.line }, wrong }
}

fn judge(mention: &Mention, pin: Option<&Pin>) -> Option<Finding> {
    let what = format!("{}:{} {}", mention.at.file, mention.at.line, mention.what);
    let wrong = match (&mention.role, pin) {
        (Role::Service, _) => return None, // held against the others below
        (Role::Misread(why), _) => Some((format!("`{}` is not read alike: {why}", mention.raw), "write one plain version".to_owned())),
        (Role::FloatTrap, _) => Some((format!("`{}` without quotes is the number {}", mention.raw, float(&mention.raw)), format!("write \"{}\"", mention.raw))),
        (Role::Floating, pin) => {
            let version = pin.map_or_else(|| "a version".to_owned(), |pin| pin.raw.clone());
            Some((format!("`{}` moves on its own", mention.raw), format!("name {version} in the tag")))
        }
        (Role::PathVersion, Some(pin)) => Some((format!("{} takes whatever is on PATH", mention.raw), format!("{}: {}", mention.mend, pin.file))),
        (Role::File, Some(pin)) => file_wrong(mention, pin),
        (Role::Literal, Some(pin)) => {
            Some((format!("a literal `{}` although {} pins {}", mention.raw, pin.file, pin.raw), format!("{}: {}", mention.mend, pin.file)))
        }
        (Role::Mirror, Some(pin)) => mirror_wrong(mention, pin),
        (Role::NpmRange, Some(pin)) => range_wrong(mention, pin),
        (Role::PythonRange, Some(pin)) => requires_wrong(mention, pin),
        (Role::PathVersion | Role::File | Role::Literal | Role::Mirror | Role::NpmRange | Role::PythonRange, None) => return None,
    };
    Some(Finding { what, at: mention.at.clone(), wrong })
}

/// Servers of workflows against those of the stack.
fn servers(mentions: &[Mention]) -> Vec<Finding> {
    let all = || mentions.iter().filter(|mention| mention.role == Role::Service);
    let (ours, stack): (Vec<&Mention>, Vec<&Mention>) = all().partition(|mention| mention.at.file.starts_with(".github/"));
    let of_stack = |mention: &Mention| stack.iter().find(|other| other.what == mention.what).copied();
    let finding = |(mention, other): (&Mention, &Mention)| {
        let shown = |mention: &Mention| {
            if mention.raw.is_empty() { format!("`{}` without a tag", mention.what) } else { format!("`{}:{}`", mention.what, mention.raw) }
        };
        let wrong = (mention.raw != other.raw).then(|| {
            let said = format!("{}, {}:{} says {}", shown(mention), other.at.file, other.at.line, shown(other));
            (said, "name one and the same image in both".to_owned())
        });
        Finding { what: format!("{}:{} {} is that of the stack", mention.at.file, mention.at.line, mention.what), at: mention.at.clone(), wrong }
    };
    ours.into_iter().filter_map(|mention| Some((mention, of_stack(mention)?))).map(finding).collect()
}

/// What YAML makes of `3.10`.
fn float(raw: &str) -> String {
    raw.parse::<f64>().map(|number| number.to_string()).unwrap_or_default()
}

fn numbers(pin: &Pin) -> Option<Vec<u64>> {
    match &pin.wanted {
        Wanted::Numbers(numbers) => Some(numbers.clone()),
        Wanted::Channel(name) => read::numbers(name),
        Wanted::Newest => None,
    }
}

fn file_wrong(mention: &Mention, pin: &Pin) -> Option<(String, String)> {
    let named = mention.raw.trim_start_matches("./");
    (named != pin.file).then(|| (format!("reads `{named}`, the pin is {}", pin.file), format!("{}: {}", mention.mend, pin.file)))
}

/// A mirror names at least major and minor, and nothing that the pin does not say.
fn mirror_wrong(mention: &Mention, pin: &Pin) -> Option<(String, String)> {
    let mend = format!("write {}", pin.raw.trim_start_matches('v'));
    let Some(wanted) = numbers(pin) else {
        return (mention.raw != pin.raw).then(|| (format!("`{}`, {}:{} says {}", mention.raw, pin.file, pin.line, pin.raw), mend));
    };
    let Some(found) = read::numbers(&mention.raw) else {
        return Some((format!("`{}` is no version to compare with {} ({}:{})", mention.raw, pin.raw, pin.file, pin.line), mend));
    };
    if found.iter().zip(&wanted).any(|(found, wanted)| found != wanted) {
        return Some((format!("`{}`, {}:{} says {}", mention.raw, pin.file, pin.line, pin.raw), mend));
    }
    (found.len() < 2 && wanted.len() > 1).then(|| (format!("`{}` floats over minor versions, {}:{} says {}", mention.raw, pin.file, pin.line, pin.raw), mend))
}

fn range_wrong(mention: &Mention, pin: &Pin) -> Option<(String, String)> {
    let numbers = numbers(pin)?;
    let mend = format!("write a range that holds {}", pin.raw);
    let Ok(range) = Range::parse(&mention.raw) else { return Some((format!("`{}` is not a range of npm", mention.raw), mend)) };
    let part = |index: usize| numbers.get(index).copied().unwrap_or(0);
    let version = Version::from((part(0), part(1), part(2)));
    (!range.satisfies(&version)).then(|| (format!("`{}` does not hold {} ({}:{})", mention.raw, pin.raw, pin.file, pin.line), mend))
}

fn requires_wrong(mention: &Mention, pin: &Pin) -> Option<(String, String)> {
    use std::str::FromStr as _;
    let numbers = numbers(pin)?;
    let mend = format!("write a requirement that holds {}", pin.raw);
    let Ok(requirement) = pep440_rs::VersionSpecifiers::from_str(&mention.raw) else {
        return Some((format!("`{}` is not a requirement of PEP 440", mention.raw), mend));
    };
    let version = pep440_rs::Version::new(numbers);
    (!requirement.contains(&version)).then(|| (format!("`{}` does not hold {} ({}:{})", mention.raw, pin.raw, pin.file, pin.line), mend))
}

/// The root's files that name versions, for the help of a person: what this check looks at.
pub fn looks_at(root: &Path) -> Result<usize, String> {
    mentions::all(root, &globset::GlobSet::empty()).map(|mentions| mentions.len())
}

#[cfg(test)]
mod tests;
