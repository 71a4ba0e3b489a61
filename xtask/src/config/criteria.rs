//! Criteria of phases: thresholds on what repeated runs show. What the tables say, and what it means.

use schemars::JsonSchema;
use serde::Deserialize;

use super::gates::Gates;
use super::resolve::Report;
use super::schema::Phase;
use crate::model::{Criterion, Metric, Operator};
use crate::text::closest;

/// A threshold of a phase.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Criterion")]
pub struct CriterionTable {
    /// flaky-timeouts (timeouts over all iterations), flaky (cases red in some and not in all), max-rate (upper bound on the
    /// failure rate of the worst case), or a measure that its gates write to {out}/measures.json: restart-loops,
    /// drift-false-positives, failed-flows, max-lines. Default: the criterion's name.
    pub metric: Option<String>,
    /// The printed line. Default: the criterion's name.
    pub title: Option<String>,
    /// Gates that it looks at. Default: all of the phase.
    #[schemars(length(min = 1))]
    pub gates: Option<Vec<String>>,
    /// The most that is allowed: a number, or a decimal as a string.
    #[schemars(with = "Option<serde_json::Value>", extend("format" = "threshold"))]
    pub max: Option<toml::Value>,
    /// The least that is allowed, of a measure.
    #[schemars(with = "Option<serde_json::Value>", extend("format" = "threshold"))]
    pub min: Option<toml::Value>,
    /// Valid iterations without which it is not judged. Default 1.
    #[schemars(range(min = 1, max = 100_000))]
    pub over: Option<u32>,
    /// Confidence of the bound in max-rate, a decimal as a string. Default "0.95".
    pub confidence: Option<String>,
}

/// The criteria of a phase, in the order of their names.
pub(super) fn resolve(id: &str, phase: &Phase, gates: &Gates, report: &mut Report<'_>) -> Vec<Criterion> {
    phase.criteria.iter().filter_map(|(name, table)| criterion(id, name, table, phase, gates, report)).collect()
}

fn criterion(id: &str, name: &str, table: &CriterionTable, phase: &Phase, gates: &Gates, report: &mut Report<'_>) -> Option<Criterion> {
    let at = |key| ["phase", id, "criteria", name, key];
    let word = table.metric.as_deref().unwrap_or(name);
    let metric = Metric::ALL.iter().copied().find(|metric| metric.word() == word);
    if metric.is_none() {
        let known: Vec<&str> = Metric::ALL.iter().map(|metric| metric.word()).collect();
        let hint = closest(word, known.iter().copied()).map_or_else(|| format!("known: {}", known.join(", ")), |near| format!("did you mean \"{near}\"?"));
        report.push(&at("metric"), format!("there is no metric `{word}`"), hint);
    }
    let own = table.gates.clone().unwrap_or_else(|| phase.gates.clone());
    for (index, gate) in table.gates.iter().flatten().enumerate() {
        let place = index.to_string();
        let here = ["phase", id, "criteria", name, "gates", &place];
        if report.known(&here, "gate", gate, gates) && !phase.gates.contains(gate) {
            report.push(&here, format!("gate `{gate}` is not one of phase `{id}`"), "a criterion looks at gates of its own phase");
        }
    }
    let least = table.min.is_some();
    if least && (table.max.is_some() || !metric.is_some_and(Metric::is_measure)) {
        let message = if table.max.is_some() { "a criterion has one threshold".to_owned() } else { format!("`{word}` has a most and no least") };
        report.push(&at("min"), message, "max = 0");
    }
    let (said, key) = if least { (table.min.as_ref(), "min") } else { (table.max.as_ref(), "max") };
    let threshold = threshold(said, metric, &at(key), report);
    let operator = if least { Operator::AtLeast } else { Operator::AtMost };
    if table.confidence.is_some() && metric != Some(Metric::MaxRate) {
        report.push(&at("confidence"), "confidence belongs to max-rate", "metric = \"max-rate\"");
    }
    let confidence = table.confidence.clone().unwrap_or_else(|| "0.95".to_owned());
    if !confidence.parse::<f64>().is_ok_and(|value| (0.5..1.0).contains(&value)) {
        report.push(&at("confidence"), format!("`{confidence}` is not a confidence"), "a decimal from \"0.5\" to below \"1\", such as \"0.95\"");
    }
    let title = table.title.clone().unwrap_or_else(|| name.to_owned());
    Some(Criterion { id: name.to_owned(), title, metric: metric?, gates: own, operator, threshold: threshold?, over: table.over.unwrap_or(1), confidence })
}

/// The threshold as text: what is compared is a number that was written down, not one that was rounded on the way.
fn threshold(said: Option<&toml::Value>, metric: Option<Metric>, path: &[&str], report: &mut Report<'_>) -> Option<String> {
    let text = match said {
        Some(toml::Value::Integer(number)) => Some(number.to_string()),
        Some(toml::Value::String(text)) => Some(text.clone()),
        _ => None,
    };
    let good = |text: &String| match metric {
        Some(Metric::MaxRate) => text.parse::<f64>().is_ok_and(|value| (0.0..=1.0).contains(&value)),
        Some(metric) if metric.is_measure() => text.parse::<f64>().is_ok_and(f64::is_finite),
        _ => text.parse::<u64>().is_ok(),
    };
    let text = text.filter(good);
    if text.is_none() {
        let hint = if metric == Some(Metric::MaxRate) { "max = \"0.05\"" } else { "max = 0" };
        report.push(path, "a criterion needs the most that it allows, or of a measure the least", hint);
    }
    text
}

/// What a criterion that cannot be judged yet means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum UnjudgedWord {
    Ignore,
    Fail,
}
