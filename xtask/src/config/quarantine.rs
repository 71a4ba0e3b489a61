//! Quarantine: cases that are known to be flaky, with an owner, a ticket and an end. What the tables say, and what it means.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use time::Date;
use time::macros::format_description;

use super::gates::Gates;
use super::resolve::{Input, Report};
use super::schema::GatesToml;
use crate::model::{Category, Quarantine};

/// Longest time that an entry may still run.
const LONGEST: i64 = 30;

/// A case that is known to be flaky: it still runs, and its failures are shown and counted, but do not fail its gate.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Quarantine")]
pub struct QuarantineTable {
    /// Its gate.
    pub gate: String,
    /// Its exact printed name.
    pub case: String,
    /// Who mends it.
    pub owner: String,
    /// The ticket.
    pub issue: String,
    /// What is known of it.
    pub reason: String,
    /// The last day of the entry, at most 30 days from today: "2026-12-15".
    pub expires: String,
    /// Kinds of failure that are excused. Default: all but crash, which never is.
    #[schemars(length(min = 1))]
    pub categories: Option<Vec<CategoryWord>>,
    /// Highest failure rate that is excused, over the history and this run; a decimal as a string.
    pub max_rate: Option<String>,
}

/// Kinds of failure that can be excused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum CategoryWord {
    Timeout,
    Infra,
    Collection,
    Fixture,
    Assertion,
    Unknown,
}

impl CategoryWord {
    const ALL: [Self; 6] = [Self::Timeout, Self::Infra, Self::Collection, Self::Fixture, Self::Assertion, Self::Unknown];

    fn meaning(self) -> Category {
        match self {
            Self::Timeout => Category::Timeout,
            Self::Infra => Category::Infra,
            Self::Collection => Category::Collection,
            Self::Fixture => Category::Fixture,
            Self::Assertion => Category::Assertion,
            Self::Unknown => Category::Unknown,
        }
    }
}

/// Entries by gate.
pub(super) fn resolve(said: &GatesToml, gates: &Gates, input: Input<'_>, report: &mut Report<'_>) -> BTreeMap<String, Vec<Quarantine>> {
    let mut entries: BTreeMap<String, Vec<Quarantine>> = BTreeMap::new();
    for (id, table) in &said.quarantine {
        let at = |key| ["quarantine", id, key];
        report.known(&at("gate"), "gate", &table.gate, gates);
        for (key, value) in [("case", &table.case), ("owner", &table.owner), ("issue", &table.issue), ("reason", &table.reason)] {
            if value.trim().is_empty() {
                report.push(&at(key), format!("the {key} is empty"), "an entry names its case, who mends it, the ticket and what is known");
            }
        }
        expires(&table.expires, input.caller.today, &at("expires"), report);
        if let Some(rate) = table.max_rate.as_ref().filter(|rate| !rate.parse::<f64>().is_ok_and(|rate| (0.0..1.0).contains(&rate))) {
            report.push(&at("max-rate"), format!("`{rate}` is not a rate"), "a decimal from \"0\" to below \"1\", such as \"0.05\"");
        }
        let own = entries.entry(table.gate.clone()).or_default();
        if let Some(twice) = own.iter().find(|other| other.case == table.case) {
            report.push(&at("case"), format!("quarantine `{}` names this case already", twice.id), "one entry a case");
        }
        let categories = table.categories.clone().unwrap_or_else(|| CategoryWord::ALL.to_vec());
        own.push(Quarantine {
            id: id.clone(),
            case: table.case.clone(),
            owner: table.owner.clone(),
            issue: table.issue.clone(),
            reason: table.reason.clone(),
            expires: table.expires.clone(),
            categories: categories.into_iter().map(CategoryWord::meaning).collect(),
            max_rate: table.max_rate.clone(),
            before: crate::model::Before::default(),
        });
    }
    entries
}

fn expires(text: &str, today: Date, path: &[&str], report: &mut Report<'_>) {
    let Ok(last) = Date::parse(text, format_description!("[year]-[month]-[day]")) else {
        report.push(path, format!("`{text}` is not a date"), "such as \"2026-12-15\"");
        return;
    };
    let left = (last - today).whole_days();
    if left < 0 {
        report.push(path, format!("it expired on {text}"), "mend the case and remove the entry, or say again why it may go on");
    } else if left > LONGEST {
        report.push(path, format!("{text} is {left} days away"), format!("an entry runs for at most {LONGEST} days"));
    }
}
