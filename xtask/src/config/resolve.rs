//! From what gates.toml says to what it means: defaults filled in, ids and references checked, all problems at once. Knows no
//! process and no clock.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use hashbrown::HashSet;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::gates::Gates;
use super::problem::{Problem, Source};
use super::schema::{GatesToml, PolicyWord, RuntimeKind};
use super::template::{Names, Scope, Template};
use super::{Caller, Config, Phase, Runtime, criteria, gates, profile, quarantine, resolve_services, schema};
use crate::model::Policy;
use crate::text::closest;

/// What resolving works on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a> {
    pub(super) root: &'a Path,
    pub(super) source: &'a Source<'a>,
    pub(super) caller: Caller<'a>,
}

/// Positions of keys and values, and the list that problems go to.
pub(super) struct Report<'a> {
    source: &'a Source<'a>,
    /// Read once more when the first problem wants a position: most files have none, and the tree of a big one is big.
    tree: OnceCell<Spanned<DeTable<'a>>>,
    problems: &'a mut Vec<Problem>,
}

impl Report<'_> {
    /// Adds a problem at a path of the tree; the nearest part of it that exists gives the position.
    pub(super) fn push(&mut self, path: &[&str], message: impl Into<String>, hint: impl Into<String>) {
        let span = self.span_of(path);
        self.problems.push(self.source.problem(&span, message, hint));
    }

    /// The same as a value, for warnings.
    pub(super) fn at(&self, path: &[&str], message: impl Into<String>, hint: impl Into<String>) -> Problem {
        self.source.problem(&self.span_of(path), message, hint)
    }

    fn span_of(&self, path: &[&str]) -> Range<usize> {
        span_of(self.tree.get_or_init(|| DeTable::parse_recoverable(self.source.text).0).get_ref(), path)
    }

    /// A name that must be one of some ids.
    pub(super) fn known<V>(&mut self, path: &[&str], kind: &str, name: &str, table: &BTreeMap<String, V>) -> bool {
        if table.contains_key(name) {
            return true;
        }
        let ids = table.keys().map(String::as_str);
        let hint = closest(name, ids.clone()).map_or_else(
            || match ids.collect::<Vec<_>>().join(", ") {
                none if none.is_empty() => format!("define [{kind}.{name}]"),
                known => format!("define [{kind}.{name}], or name one of: {known}"),
            },
            |near| format!("did you mean \"{near}\"?"),
        );
        self.push(path, format!("there is no {kind} `{name}`"), hint);
        false
    }

    /// A path that must stay inside the repository.
    pub(super) fn inside(&mut self, path: &[&str], value: &str) {
        let leaves = value.starts_with('/') || value.contains('\\') || value.split('/').any(|part| part == "..");
        if leaves || value.is_empty() {
            let hint = "paths are relative to the folder of gates.toml, with `/`, and never leave it";
            self.push(path, format!("`{value}` is not a path inside the repository"), hint);
        }
    }
}

/// The meaning, or none when the file is too broken to go on. Problems are added to the list.
pub(super) fn resolve(input: Input<'_>, said: Result<GatesToml, toml::de::Error>, problems: &mut Vec<Problem>) -> Option<Config> {
    match said {
        Ok(mut said) => {
            let tables = std::mem::take(&mut said.gate);
            Some(resolve_with(input, &said, tables.into_iter(), problems))
        }
        Err(error) => {
            problems.push(input.source.problem(&error.span().unwrap_or(0..0), error.message().to_owned(), "see `xtask schema`"));
            None
        }
    }
}

/// The meaning of everything but the gates, and of the gates, which come one after the other.
pub(super) fn resolve_with(
    input: Input<'_>,
    said: &GatesToml,
    tables: impl Iterator<Item = (String, Box<schema::Gate>)>,
    problems: &mut Vec<Problem>,
) -> Config {
    let mut report = Report { source: input.source, tree: OnceCell::new(), problems };
    version(said, &mut report);
    let profiles = profile::resolve(said, &mut report);
    let runtimes = said.runtime.iter().filter_map(|(id, runtime)| resolve_runtime(id, runtime, input, &mut report)).map(|r| (r.id.clone(), r)).collect();
    let (services, databases) = resolve_services::resolve(said, input, &mut report);
    let mut gates = gates::resolve(tables, said, input, &mut report);
    ids(said, &gates, &mut report);
    for (gate, entries) in quarantine::resolve(said, &gates, input, &mut report) {
        if let Some(gate) = gates.get_mut(&gate) {
            gate.quarantine = entries;
        }
    }
    let phases = resolve_phases(said, &gates, &mut report);
    env_names(said, &mut report);
    let warnings = warnings(said, &gates, &report);
    Config {
        root: input.root.to_owned(),
        file: input.source.file.clone(),
        runtimes,
        services,
        databases,
        phases,
        gates,
        profiles,
        timeout: gates::duration(None, said.defaults.timeout.as_deref(), gates::TIMEOUT),
        env_pass: said.defaults.env_pass.clone(),
        warnings,
    }
}

fn version(said: &GatesToml, report: &mut Report<'_>) {
    let Some(wanted) = &said.required_version else { return };
    let ours = semver::Version::parse(env!("CARGO_PKG_VERSION")).expect("cargo checked the version of this crate");
    match semver::VersionReq::parse(wanted) {
        Ok(requirement) if requirement.matches(&ours) => {}
        Ok(_) => report.push(
            &["required-version"],
            format!("this is version {ours} of the tool, gates.toml requires {wanted}"),
            "use a version that matches, or change required-version",
        ),
        Err(cause) => report.push(&["required-version"], format!("`{wanted}` is not a version requirement: {cause}"), "such as \">=0.1, <0.2\""),
    }
}

/// Words that placeholders and commands already use.
const RESERVED: &[&str] = &["junit", "out", "iteration", "attempt", "workers", "cpus", "shard", "xtask", "port", "tool", "all", "latest"];

fn ids(said: &GatesToml, gates: &Gates, report: &mut Report<'_>) {
    let tables: [(&str, Vec<&String>); 7] = [
        ("runtime", said.runtime.keys().collect()),
        ("lock", said.lock.keys().collect()),
        ("service", said.service.keys().collect()),
        ("database", said.database.keys().collect()),
        ("phase", said.phase.keys().collect()),
        ("gate", gates.keys().collect()),
        ("quarantine", said.quarantine.keys().collect()),
    ];
    for (place, (table, keys)) in tables.iter().enumerate() {
        for id in keys {
            let good = id.len() <= 64
                && id.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            if !good {
                report.push(&[table, id], format!("`{id}` is not an id"), "an id is [a-z0-9][a-z0-9-]*, at most 64 characters");
            }
            if RESERVED.contains(&id.as_str()) {
                report.push(&[table, id], format!("`{id}` is a reserved word"), format!("reserved: {}", RESERVED.join(", ")));
            }
            if let Some((other, _)) = tables[..place].iter().rev().find(|(_, others)| others.binary_search(id).is_ok()) {
                report.push(&[table, id], format!("`{id}` names both a {other} and a {table}"), "one id names one thing in the whole file");
            }
        }
    }
}

fn resolve_runtime(id: &str, said: &super::schema::Runtime, input: Input<'_>, report: &mut Report<'_>) -> Option<Runtime> {
    let path = |key| ["runtime", id, key];
    let kind = said.kind.or(match id {
        "python" => Some(RuntimeKind::Python),
        "node" => Some(RuntimeKind::Node),
        "rust" => Some(RuntimeKind::Rust),
        _ => None,
    });
    if kind.is_none() {
        report.push(&["runtime", id], format!("runtime `{id}` has no kind"), "kind = \"python\", \"node\" or \"rust\"; only an id of that name needs none");
    }
    for (key, values) in [("pin", std::slice::from_ref(&said.pin)), ("lockfiles", &said.lockfiles[..]), ("bin", &said.bin[..])] {
        for value in values {
            report.inside(&path(key), value);
        }
    }
    for file in std::iter::once(&said.pin).chain(&said.lockfiles).filter(|file| !input.caller.elsewhere && !input.root.join(file).is_file()) {
        let key = if *file == said.pin { "pin" } else { "lockfiles" };
        report.push(&path(key), format!("there is no file `{file}`"), "create it, or name the file that is there");
    }
    let cwd = said.cwd.clone().unwrap_or_else(|| ".".to_owned());
    report.inside(&path("cwd"), &cwd);
    let names = Names { runtimes: &[id], scope: Scope::Runtime, ..Names::default() };
    let mut install = Vec::new();
    for (index, argv) in said.install.iter().enumerate() {
        if argv.is_empty() {
            report.push(&path("install"), format!("command {} of install is empty", index + 1), "[\"npm\", \"ci\"]");
        }
        install.push(argv.iter().filter_map(|word| template(word, names, &path("install"), report)).collect());
    }
    let env = env_templates(&said.env, names, &path("env"), report);
    let policy = match said.policy.unwrap_or(PolicyWord::Minor) {
        PolicyWord::Exact => Policy::Exact,
        PolicyWord::Minor => Policy::Minor,
        PolicyWord::Warn => Policy::Warn,
    };
    let (lockfiles, bin) = (said.lockfiles.clone(), said.bin.clone());
    Some(Runtime { id: id.to_owned(), kind: kind?, pin: said.pin.clone(), policy, cwd, lockfiles, install, bin, env })
}

fn resolve_phases(said: &GatesToml, gates: &Gates, report: &mut Report<'_>) -> BTreeMap<String, Phase> {
    // To look a thousand names up in a sorted map takes ten times as long.
    let ids: HashSet<&str> = gates.keys().map(String::as_str).collect();
    for (id, phase) in &said.phase {
        for (key, table, names) in [("gates", "gate", &phase.gates), ("requires", "phase", &phase.requires)] {
            let mut seen = HashSet::with_capacity(names.len());
            for (index, name) in names.iter().enumerate() {
                let known = if table == "gate" { ids.contains(name.as_str()) } else { said.phase.contains_key(name) };
                let twice = !seen.insert(name);
                if known && !twice {
                    continue;
                }
                let place = index.to_string();
                let path = ["phase", id, key, &place];
                match table {
                    "gate" => report.known(&path, table, name, gates),
                    _ => report.known(&path, table, name, &said.phase),
                };
                if twice {
                    report.push(&path, format!("`{name}` stands twice in {key}"), "name it once");
                }
            }
        }
    }
    let edges = said.phase.iter().map(|(id, phase)| (id.as_str(), phase.requires.iter().map(String::as_str).collect())).collect();
    if let Some(cycle) = find_cycle(&edges) {
        report.push(&["phase", &cycle[0], "requires"], format!("phases require each other: {}", cycle.join(" -> ")), "take one of these out");
    }
    let mut phases = BTreeMap::new();
    for (id, phase) in &said.phase {
        let criteria = criteria::resolve(id, phase, gates, report);
        let title = phase.title.clone().unwrap_or_else(|| id.clone());
        let (requires, listed) = (phase.requires.clone(), phase.gates.clone());
        phases.insert(id.clone(), Phase { id: id.clone(), title, requires, gates: listed, runs: phase.runs, criteria });
    }
    phases
}

fn env_names(said: &GatesToml, report: &mut Report<'_>) {
    for (index, name) in said.defaults.env_pass.iter().enumerate() {
        let good = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '*');
        if !good || name == "*" {
            report.push(
                &["defaults", "env-pass", &index.to_string()],
                format!("`{name}` is not a name of variables"),
                "such as \"STRIPE_TEST_MODE\" or \"AWS_*\"",
            );
        }
        if ["PATH", "DATABASE_URL"].contains(&name.as_str()) || name.starts_with("GATE_") {
            report.push(
                &["defaults", "env-pass", &index.to_string()],
                format!("`{name}` cannot be passed"),
                "the tool sets PATH and GATE_*; an ambient DATABASE_URL is never used",
            );
        }
    }
}

fn warnings(said: &GatesToml, gates: &Gates, report: &Report<'_>) -> Vec<Problem> {
    let listed: HashSet<&str> = said.phase.values().flat_map(|phase| &phase.gates).map(String::as_str).collect();
    let needed: HashSet<&str> = gates.values().flat_map(|gate| &gate.needs).map(String::as_str).collect();
    gates
        .keys()
        .filter(|id| !listed.contains(id.as_str()) && !needed.contains(id.as_str()))
        .map(|id| report.at(&["gate", id], format!("gate `{id}` is in no phase"), "list it in the gates of a phase, or run it by its name"))
        .collect()
}

/// A word with its placeholders checked.
pub(super) fn template(word: &str, names: Names<'_>, path: &[&str], report: &mut Report<'_>) -> Option<Template> {
    Template::parse(word, names).map_err(|(message, hint)| report.push(path, message, hint)).ok()
}

/// An env table with its names and placeholders checked.
pub(super) fn env_templates(said: &BTreeMap<String, String>, names: Names<'_>, path: &[&str], report: &mut Report<'_>) -> BTreeMap<String, Template> {
    let mut env = BTreeMap::new();
    for (name, value) in said {
        let here: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
        if name == "PATH" || name.starts_with("GATE_") {
            report.push(&here, format!("`{name}` cannot be set"), "use `bin` of a runtime for PATH; GATE_* belong to the tool");
        }
        if name.is_empty() || name.contains('=') || value.contains('\0') {
            report.push(&here, format!("`{name}` is not a variable"), "NAME = \"value\"");
        }
        if let Some(value) = template(value, names, &here, report) {
            env.insert(name.clone(), value);
        }
    }
    env
}

/// A cycle as `a, b, a`, if there is one.
pub(super) fn find_cycle(edges: &BTreeMap<&str, Vec<&str>>) -> Option<Vec<String>> {
    let mut done = HashSet::new();
    for (start, _) in edges.iter().filter(|(_, list)| !list.is_empty()) {
        let mut path: Vec<(&str, usize)> = vec![(start, 0)];
        while let Some((node, next)) = path.last().copied() {
            let Some(to) = edges.get(node).and_then(|list| list.get(next)).copied() else {
                done.insert(node);
                path.pop();
                continue;
            };
            path.last_mut().expect("the path has this node").1 += 1;
            if let Some(from) = path.iter().position(|(seen, _)| *seen == to) {
                return Some(path[from..].iter().map(|(seen, _)| *seen).chain([to]).map(str::to_owned).collect());
            }
            if !done.contains(to) {
                path.push((to, 0));
            }
        }
    }
    None
}

fn span_of(root: &DeTable<'_>, path: &[&str]) -> Range<usize> {
    let mut table = root;
    let mut span = 0..0;
    let mut rest = path.iter();
    while let Some(key) = rest.next() {
        let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == key) else { break };
        span = name.span();
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            DeValue::Array(items) => {
                let Some(item) = rest.next().and_then(|index| index.parse().ok()).and_then(|index: usize| items.get(index)) else { break };
                span = item.span();
                let DeValue::Table(inner) = item.get_ref() else { break };
                table = inner;
            }
            _ => {
                if rest.len() == 0 {
                    span = value.span();
                }
                break;
            }
        }
    }
    span
}
