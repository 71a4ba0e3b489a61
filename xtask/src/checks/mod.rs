//! Built-in checks: one file a check, each a step that gates.toml may name and a person may run. A check returns findings; it
//! knows no run.

pub mod compose_health;
pub mod http;
pub mod migration_decoupling;
pub mod pins;

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

/// What a check works on.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// Repository.
    pub root: &'a Path,
    /// Values of its keys; the caller has checked them against the keys.
    pub with: &'a serde_json::Map<String, serde_json::Value>,
    /// The caller's environment.
    pub ambient: &'a Ambient,
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
pub const CHECKS: &[Check] = &[compose_health::CHECK, http::CHECK, migration_decoupling::CHECK, pins::CHECK];

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
    let suite = OutSuite { name: check.to_owned(), cases: cases.collect(), properties: Vec::new() };
    document(check, "", &[suite]).map_err(|cause| cause.to_string())
}
