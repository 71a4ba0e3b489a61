//! Built-in checks: one file a check, each a step that gates.toml may name and a person may run. A check returns findings; it
//! knows no run.

pub mod compose_health;
pub mod compose_hygiene;
pub mod duplication;
pub mod exception_budget;
pub mod flow_coverage;
pub mod http;
pub mod image_hygiene;
pub mod migration_decoupling;
pub mod pins;
pub mod route_matrix;
pub mod size_budget;

use std::path::Path;
use std::time::Duration;

use crate::config::CheckSpec;
use crate::junit::write::{OutCase, OutSuite, document};
use crate::model::{Location, Outcome};
use crate::pins::Ambient;

/// A built-in check.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Name and keys.
    pub spec: CheckSpec,
    /// What it finds, in one sentence.
    pub doc: &'static str,
    /// Looks.
    pub run: fn(&Task<'_>) -> Result<Vec<Finding>, String>,
}

/// The reference of all checks: what each finds, and its keys, as Markdown.
pub fn reference() -> String {
    let mut out = String::from(
        "# Built-in checks, key by key\n\nMade from the checks themselves (`xtask help checks`); [checks.md](checks.md) has an example of each. A gate names one with `check`, its keys stand in \
         `with`; by hand: `xtask check NAME --with '{...}'`.\n",
    );
    for check in CHECKS {
        let keys: Vec<String> = check
            .spec
            .keys
            .iter()
            .map(|key| format!("| `{}` | {} | {}{} |\n", key.name, key.kind, key.doc, if key.required { ". Required." } else { "" }))
            .collect();
        let table = if keys.is_empty() { "It has no keys.\n".to_owned() } else { format!("| key | type | meaning |\n| --- | --- | --- |\n{}", keys.concat()) };
        out.push_str(&["\n## ", check.spec.name, "\n\n", check.doc, ".\n\n", &table].concat());
    }
    out
}

/// What a check works on.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// Repository.
    pub root: &'a Path,
    /// Values of its keys; the caller has checked them against the keys.
    pub with: &'a serde_json::Map<String, serde_json::Value>,
    /// The caller's environment.
    pub ambient: &'a Ambient,
    /// The day against which exceptions end.
    pub today: time::Date,
    /// What it shows beside its findings.
    pub show: fn(&str),
}

impl Task<'_> {
    /// A text of `with`.
    fn text(&self, key: &str) -> Option<&str> {
        self.with.get(key).and_then(serde_json::Value::as_str)
    }

    /// The texts of a list of `with`.
    fn list(&self, key: &str) -> Vec<String> {
        self.with.get(key).and_then(serde_json::Value::as_array).into_iter().flatten().filter_map(serde_json::Value::as_str).map(str::to_owned).collect()
    }

    /// A number of `with`.
    fn integer(&self, key: &str) -> Option<u64> {
        self.with.get(key).and_then(serde_json::Value::as_u64)
    }

    /// Files of the repository that match globs of `with`, sorted; a glob without a file is a mistake.
    fn files(&self, key: &str) -> Result<Vec<String>, String> {
        let mut found = std::collections::BTreeSet::new();
        for glob in self.list(key) {
            let matcher = globset::GlobBuilder::new(&glob).literal_separator(true).build().map_err(|cause| format!("{key}: {cause}"))?.compile_matcher();
            let fixed: std::path::PathBuf =
                Path::new(&glob).components().take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '{', '?', '['])).collect();
            let is_ours =
                |entry: &walkdir::DirEntry| ![".git", "node_modules", ".venv", "target", "__pycache__"].contains(&entry.file_name().to_string_lossy().as_ref());
            let entries = walkdir::WalkDir::new(self.root.join(fixed)).into_iter().filter_entry(is_ours).flatten().filter(|entry| entry.file_type().is_file());
            let names = entries.map(|entry| entry.path().strip_prefix(self.root).unwrap_or(entry.path()).display().to_string());
            let names: Vec<String> = names.filter(|name| matcher.is_match(name)).collect();
            if names.is_empty() {
                return Err(format!("{key}: no file matches `{glob}`"));
            }
            found.extend(names);
        }
        Ok(found.into_iter().collect())
    }

    /// A duration of `with`, or what it is without.
    fn duration(&self, key: &str, default: Duration) -> Duration {
        self.text(key).and_then(|text| humantime::parse_duration(text).ok()).unwrap_or(default)
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at; the name of the case.
    pub what: String,
    /// Where.
    pub at: Location,
    /// What is wrong and how to mend it; none when it is in order.
    pub wrong: Option<(String, String)>,
}

/// All checks, by name.
pub const CHECKS: &[Check] = &[
    compose_health::CHECK,
    compose_hygiene::CHECK,
    duplication::CHECK,
    exception_budget::CHECK,
    flow_coverage::CHECK,
    http::CHECK,
    image_hygiene::CHECK,
    migration_decoupling::CHECK,
    pins::CHECK,
    route_matrix::CHECK,
    size_budget::CHECK,
];

/// The findings of a check as a JUnit document.
pub fn junit(check: &str, findings: &[Finding]) -> Result<Vec<u8>, String> {
    let cases = findings.iter().map(|finding| OutCase {
        name: finding.what.clone(),
        classname: check.to_owned(),
        file: finding.at.file.clone(),
        // The readers of this attribute count from 0, as pytest does.
        line: Some(finding.at.line.saturating_sub(1)),
        seconds: 0.0,
        outcome: if finding.wrong.is_some() { Outcome::Failed } else { Outcome::Passed },
        kind: check.to_owned(),
        message: finding.wrong.as_ref().map(|(message, _)| message.clone()).unwrap_or_default(),
        text: finding.wrong.as_ref().map(|(message, mend)| format!("{}: {message}\nhint: {mend}", finding.at)).unwrap_or_default(),
        properties: Vec::new(),
        retries: Vec::new(),
    });
    document(check, "", [OutSuite::of(check, cases.collect(), Vec::new())]).map_err(|cause| cause.to_string())
}
