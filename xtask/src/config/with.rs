//! The table `with` of a check: its keys against those that the check knows, its words with placeholders. Knows no check.

use super::CheckSpec;
use super::resolve::{Report, template};
use super::template::{Names, Placeholder, Template};
use crate::text::closest;

/// A value of `with`.
#[derive(Clone, Debug, PartialEq)]
pub enum With {
    /// A text; it may have placeholders.
    Text(Template),
    /// A list.
    List(Vec<With>),
    /// A table.
    Table(Vec<(String, With)>),
    /// A number, a boolean, a date.
    Plain(toml::Value),
}

impl With {
    fn of(value: &toml::Value, words: Names<'_>, at: &[&str], report: &mut Report<'_>) -> Self {
        match value {
            toml::Value::String(text) => Self::Text(template(text, words, at, report).unwrap_or_default()),
            toml::Value::Array(items) => Self::List(items.iter().map(|item| Self::of(item, words, at, report)).collect()),
            toml::Value::Table(table) => Self::Table(table.iter().map(|(key, value)| (key.clone(), Self::of(value, words, at, report))).collect()),
            plain => Self::Plain(plain.clone()),
        }
    }

    /// The value with every placeholder filled in, as the check gets it.
    pub fn fill(&self, value: &dyn Fn(&Placeholder) -> String) -> serde_json::Value {
        match self {
            Self::Text(text) => text.fill(value).into(),
            Self::List(items) => items.iter().map(|item| item.fill(value)).collect(),
            Self::Table(entries) => serde_json::Value::Object(entries.iter().map(|(key, item)| (key.clone(), item.fill(value))).collect()),
            Self::Plain(plain) => serde_json::to_value(plain).unwrap_or_default(),
        }
    }

    /// The value as it stood in the file.
    pub fn source(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.source().into(),
            Self::List(items) => items.iter().map(Self::source).collect(),
            Self::Table(entries) => serde_json::Value::Object(entries.iter().map(|(key, item)| (key.clone(), item.source())).collect()),
            Self::Plain(plain) => serde_json::to_value(plain).unwrap_or_default(),
        }
    }
}

/// The table of a step, against the keys of its check.
pub(super) fn resolve(
    name: &str,
    with: &[(String, toml::Value)],
    checks: &[CheckSpec],
    words: Names<'_>,
    base: &[&str],
    report: &mut Report<'_>,
) -> Vec<(String, With)> {
    let at = |keys: &[&'static str]| base.iter().copied().chain(keys.iter().copied()).collect::<Vec<&str>>();
    let Some(spec) = checks.iter().find(|spec| spec.name == name) else {
        let names: Vec<&str> = checks.iter().map(|spec| spec.name).collect();
        let hint =
            closest(name, names.iter().copied()).map_or_else(|| format!("known checks: {}", names.join(", ")), |near| format!("did you mean \"{near}\"?"));
        report.push(&at(&["check"]), format!("there is no check `{name}`"), hint);
        return Vec::new();
    };
    for (key, value) in with {
        let here: Vec<&str> = base.iter().copied().chain(["with", key.as_str()]).collect();
        let Some(known) = spec.keys.iter().find(|known| known.name == key) else {
            let names: Vec<&str> = spec.keys.iter().map(|known| known.name).collect();
            report.push(&here, format!("check `{name}` has no key `{key}`"), format!("its keys: {}", names.join(", ")));
            continue;
        };
        if !is_a(known.kind, value) {
            report.push(&here, format!("`{key}` is not a {}", known.kind), known.doc);
        }
    }
    for key in spec.keys.iter().filter(|key| key.required && !with.iter().any(|(given, _)| given == key.name)) {
        report.push(&at(&["check"]), format!("check `{name}` needs `{}`", key.name), key.doc);
    }
    let value = |(key, value): &(String, toml::Value)| {
        let here: Vec<&str> = base.iter().copied().chain(["with", key.as_str()]).collect();
        (key.clone(), With::of(value, words, &here, report))
    };
    with.iter().map(value).collect()
}

/// A value is of the kind that a key wants.
pub fn is_a(kind: &str, value: &toml::Value) -> bool {
    match kind {
        "string" => value.is_str(),
        "integer" => value.is_integer(),
        "boolean" => value.is_bool(),
        "table" => value.is_table(),
        "duration" => value.as_str().is_some_and(|text| humantime::parse_duration(text).is_ok()),
        _ => value.as_array().is_some_and(|list| list.iter().all(toml::Value::is_str)),
    }
}
