//! What a change of gates.toml does to the gates: each changed key is stronger, neutral, weaker or opaque (it changed, and nobody can order
//! it). A key without a rule is opaque. Knows no git and no waiver.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

/// What a change does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// More is wanted than before.
    Stronger,
    /// The verdict cannot depend on it.
    Neutral,
    /// There was nothing to compare with.
    Bootstrap,
    /// It changed, and cannot be ordered.
    Opaque,
    /// Less is wanted than before.
    Weaker,
}

impl Class {
    /// It wants a waiver.
    pub fn wants_waiver(self) -> bool {
        matches!(self, Self::Weaker | Self::Opaque)
    }

    /// As it is printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stronger => "stronger",
            Self::Neutral => "neutral",
            Self::Bootstrap => "bootstrap",
            Self::Opaque => "changed, cannot be ordered",
            Self::Weaker => "weaker",
        }
    }
}

/// A changed key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Change {
    /// What it does.
    pub class: Class,
    /// Dotted path.
    pub path: String,
    /// Before; empty where there was nothing.
    pub from: String,
    /// After; empty where there is nothing.
    pub to: String,
}

/// How the values of a key are ordered.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// The verdict cannot depend on it.
    Neutral,
    /// A larger number is stronger; without one nothing was wanted.
    More,
    /// A smaller number or a shorter time is stronger; to add one is stronger.
    Less,
    /// The same, where a default holds without one.
    LessOrDefault,
    MoreOrDefault,
    /// A longer list is stronger; its entries have no order.
    Longer,
    /// A shorter list is stronger.
    Shorter,
    /// The same, where a default holds without one.
    ShorterOrDefault,
    /// Words from weak to strong; the word that holds without one.
    Words(&'static [&'static str], &'static str),
    /// Tables by name, each stronger than none.
    Tables,
    /// Tables by name, each weaker than none.
    Excuses,
    /// Tables in a list, by `match`: each stronger than none.
    Matches,
    /// Tables in a list, by `match`: each weaker than none.
    MatchedExcuses,
    Opaque,
}

/// Rules by path; `*` stands for one key. The first that fits counts.
const GATES: &[(&str, Rule)] = &[
    ("phase", Rule::Tables),
    ("phase.*", Rule::Tables),
    ("phase.*.title", Rule::Neutral),
    ("phase.*.requires", Rule::Longer),
    ("phase.*.gates", Rule::Longer),
    ("phase.*.runs", Rule::MoreOrDefault),
    ("phase.*.criteria", Rule::Tables),
    ("phase.*.criteria.*", Rule::Tables),
    ("phase.*.criteria.*.title", Rule::Neutral),
    ("phase.*.criteria.*.max", Rule::Less),
    ("phase.*.criteria.*.min", Rule::More),
    ("phase.*.criteria.*.over", Rule::More),
    ("phase.*.criteria.*.confidence", Rule::MoreOrDefault),
    ("phase.*.criteria.*.gates", Rule::Longer),
    ("gate", Rule::Tables),
    ("gate.*", Rule::Tables),
    ("gate.*.title", Rule::Neutral),
    ("gate.*.owner", Rule::Neutral),
    ("gate.*.runs", Rule::MoreOrDefault),
    ("gate.*.advisory", Rule::Words(&["true", "false"], "false")),
    ("gate.*.missing", Rule::Words(&["skip", "fail"], "fail")),
    ("gate.*.timeout", Rule::LessOrDefault),
    ("gate.*.steps.*.timeout", Rule::LessOrDefault),
    ("gate.*.slow-after", Rule::Neutral),
    ("gate.*.grace", Rule::Neutral),
    ("gate.*.log-max", Rule::LessOrDefault),
    ("gate.*.cpus", Rule::Neutral),
    ("gate.*.shards", Rule::Neutral),
    ("gate.*.artifacts", Rule::Neutral),
    // Only reuse and --affected look at them, and no run that can be signed does either.
    ("gate.*.inputs", Rule::Neutral),
    ("gate.*.outputs", Rule::Neutral),
    ("gate.*.needs", Rule::Longer),
    ("gate.*.secrets", Rule::Longer),
    ("gate.*.retries", Rule::LessOrDefault),
    ("gate.*.expect", Rule::Tables),
    ("gate.*.expect.min-tests", Rule::More),
    ("gate.*.expect.cases", Rule::Matches),
    ("gate.*.expect.skips", Rule::MatchedExcuses),
    ("gate.*.with", Rule::Tables),
    ("gate.*.with.max-lines", Rule::Less),
    ("gate.*.with.min", Rule::More),
    ("gate.*.with.min-files", Rule::More),
    ("gate.*.with.ignore", Rule::Shorter),
    ("gate.*.with.allow", Rule::Shorter),
    ("gate.*.with.exclude", Rule::Shorter),
    ("gate.*.with.flows", Rule::Longer),
    ("gate.*.with.window", Rule::MoreOrDefault),
    ("quarantine", Rule::Excuses),
    ("quarantine.*", Rule::Tables),
    ("quarantine.*.owner", Rule::Neutral),
    ("quarantine.*.issue", Rule::Neutral),
    ("quarantine.*.reason", Rule::Neutral),
    ("quarantine.*.expires", Rule::Less),
    ("quarantine.*.max-rate", Rule::Less),
    ("quarantine.*.categories", Rule::ShorterOrDefault),
    ("runtime.*.policy", Rule::Words(&["warn", "minor", "exact"], "minor")),
    ("runtime", Rule::Tables),
    ("runtime.*", Rule::Tables),
    ("defaults", Rule::Tables),
    ("defaults.timeout", Rule::LessOrDefault),
    ("defaults.slow-after", Rule::Neutral),
    ("defaults.grace", Rule::Neutral),
    ("defaults.env-pass", Rule::Shorter),
    ("profile", Rule::Tables),
    ("profile.*.runs", Rule::MoreOrDefault),
    ("profile.*.jobs", Rule::Neutral),
    ("profile.*.fail-fast", Rule::Neutral),
    ("profile.*.flaky", Rule::Words(&["pass", "warn", "fail"], "warn")),
    ("profile.*.unjudged", Rule::Words(&["ignore", "fail"], "ignore")),
    ("profile.*.pins", Rule::Words(&["as-declared", "exact"], "as-declared")),
    ("profile.*.missing", Rule::Words(&["as-declared", "fail"], "as-declared")),
    ("profile.*.reuse", Rule::Words(&["same-inputs", "never"], "never")),
    ("profile.*.clean-tree", Rule::Words(&["false", "true"], "false")),
    ("lock", Rule::Tables),
    ("lock.*", Rule::Tables),
    ("lock.*.max", Rule::Neutral),
];

/// Rules of policy.toml.
const POLICY: &[(&str, Rule)] = &[
    ("role", Rule::Excuses),
    ("role.*.principals", Rule::Shorter),
    ("role.*.threshold", Rule::More),
    ("phase", Rule::Tables),
    ("phase.*", Rule::Tables),
    ("phase.*.threshold", Rule::MoreOrDefault),
    ("phase.*.separation", Rule::Words(&["none", "not-author", "two-person"], "not-author")),
    ("phase.*.require_ci", Rule::Words(&["false", "true"], "false")),
    ("phase.*.max_evidence_age", Rule::LessOrDefault),
    ("phase.*.expires", Rule::LessOrDefault),
    ("surface", Rule::Longer),
    ("inventory", Rule::Words(&["report", "ratchet"], "report")),
];

/// Every change between two texts of gates.toml, the worst first. Without a text before there is only the fact that there was none.
pub fn gates(base: Option<&str>, head: &str) -> Result<Vec<Change>, String> {
    diff(GATES, "gates.toml", base, head)
}

/// The same of policy.toml.
pub fn policy(base: Option<&str>, head: &str) -> Result<Vec<Change>, String> {
    let mut changes = diff(POLICY, "policy.toml", base, head)?;
    changes.iter_mut().filter(|change| change.path != "policy.toml").for_each(|change| change.path.insert_str(0, "policy."));
    Ok(changes)
}

fn diff(rules: &[(&str, Rule)], file: &str, base: Option<&str>, head: &str) -> Result<Vec<Change>, String> {
    let parse = |text: &str| text.parse::<Table>().map_err(|cause| format!("{file}: {}", cause.message()));
    let head = parse(head)?;
    let Some(base) = base else {
        return Ok(vec![Change { class: Class::Bootstrap, path: file.to_owned(), from: String::new(), to: "the first one".to_owned() }]);
    };
    let mut changes = Changes { rules, found: Vec::new() };
    changes.tables("", &parse(base)?, &head);
    let mut found = changes.found;
    found.sort_by(|one, other| other.class.cmp(&one.class).then_with(|| one.path.cmp(&other.path)));
    Ok(found)
}

struct Changes<'r> {
    rules: &'r [(&'r str, Rule)],
    found: Vec<Change>,
}

impl Changes<'_> {
    fn rule(&self, path: &str) -> Rule {
        let fits = |pattern: &str| {
            let (mut wanted, mut found) = (pattern.split('.'), path.split('.'));
            loop {
                match (wanted.next(), found.next()) {
                    (None, None) => return true,
                    (Some(one), Some(other)) if one == "*" || one == other => {}
                    _ => return false,
                }
            }
        };
        self.rules.iter().find(|(pattern, _)| fits(pattern)).map_or(Rule::Opaque, |(_, rule)| *rule)
    }

    fn add(&mut self, class: Class, path: &str, from: Option<&Value>, to: Option<&Value>) {
        self.found.push(Change { class, path: path.to_owned(), from: from.map(shown).unwrap_or_default(), to: to.map(shown).unwrap_or_default() });
    }

    fn tables(&mut self, path: &str, base: &Table, head: &Table) {
        let keys: BTreeSet<&String> = base.keys().chain(head.keys()).collect();
        for key in keys {
            let path = if path.is_empty() { plain(key) } else { format!("{path}.{}", plain(key)) };
            let rule = self.rule(&path);
            match (base.get(key), head.get(key)) {
                (Some(from), Some(to)) if from == to => {}
                (Some(Value::Table(from)), Some(Value::Table(to))) => self.tables(&path, from, to),
                (from, to) => self.values(&path, rule, from, to),
            }
        }
    }

    fn values(&mut self, path: &str, rule: Rule, from: Option<&Value>, to: Option<&Value>) {
        match (rule, from, to) {
            // A table that is new or gone: what holds one level above decides for its entries.
            (Rule::Tables | Rule::Excuses, None | Some(Value::Table(_)), None | Some(Value::Table(_))) => self.whole(path, from, to),
            (Rule::Longer, ..) => self.lists(path, from, to, Class::Stronger),
            (Rule::Shorter, ..) | (Rule::ShorterOrDefault, Some(_), Some(_)) => self.lists(path, from, to, Class::Weaker),
            (Rule::Matches, ..) => self.matches(path, from, to, Class::Stronger),
            (Rule::MatchedExcuses, ..) => self.matches(path, from, to, Class::Weaker),
            _ => {
                let class = Self::ordered(rule, from, to);
                self.add(class, path, from, to);
            }
        }
    }

    /// A table that only one side has.
    fn whole(&mut self, path: &str, from: Option<&Value>, to: Option<&Value>) {
        let empty = Table::new();
        let is_name = path.contains('.') && matches!(self.rule(path.rsplit_once('.').map_or("", |(parent, _)| parent)), Rule::Tables | Rule::Excuses);
        if path.contains('.') && is_name && !matches!(path.rsplit('.').next(), Some("criteria" | "expect" | "with")) {
            let parent = self.rule(path.rsplit_once('.').map_or("", |(parent, _)| parent));
            let class = match (parent, from.is_none()) {
                (Rule::Excuses, true) | (Rule::Tables, false) => Class::Weaker,
                _ => Class::Stronger,
            };
            self.add(class, path, from, to);
            return;
        }
        let table = |value: Option<&Value>| value.and_then(Value::as_table).cloned().unwrap_or_else(|| empty.clone());
        self.tables(path, &table(from), &table(to));
    }

    fn ordered(rule: Rule, from: Option<&Value>, to: Option<&Value>) -> Class {
        let compared = |more: Class, less: Class| match (from.and_then(number), to.and_then(number)) {
            (Some(from), Some(to)) if to > from => more,
            (Some(from), Some(to)) if to < from => less,
            (Some(_), Some(_)) => Class::Neutral,
            _ => Class::Opaque,
        };
        match (rule, from, to) {
            (Rule::Neutral, ..) => Class::Neutral,
            (Rule::More | Rule::Less, None, Some(_)) => Class::Stronger,
            (Rule::More | Rule::Less, Some(_), None) => Class::Weaker,
            (Rule::More | Rule::MoreOrDefault, ..) => compared(Class::Stronger, Class::Weaker),
            (Rule::Less | Rule::LessOrDefault, ..) => compared(Class::Weaker, Class::Stronger),
            (Rule::Words(words, without), ..) => {
                let place = |value: Option<&Value>| {
                    let word = value.map_or_else(|| without.to_owned(), |value| value.as_str().map_or_else(|| shown(value), str::to_owned));
                    words.iter().position(|known| *known == word)
                };
                match (place(from), place(to)) {
                    (Some(from), Some(to)) if from < to => Class::Stronger,
                    (Some(from), Some(to)) if from > to => Class::Weaker,
                    (Some(_), Some(_)) => Class::Neutral,
                    _ => Class::Opaque,
                }
            }
            _ => Class::Opaque,
        }
    }

    /// Lists without an order, of which each entry counts by itself.
    fn lists(&mut self, path: &str, from: Option<&Value>, to: Option<&Value>, longer: Class) {
        let entries = |value: Option<&Value>| -> Option<BTreeSet<String>> {
            value.map_or_else(|| Some(BTreeSet::new()), |value| value.as_array().map(|list| list.iter().map(shown).collect()))
        };
        let (Some(before), Some(after)) = (entries(from), entries(to)) else { return self.add(Class::Opaque, path, from, to) };
        let shorter = if longer == Class::Stronger { Class::Weaker } else { Class::Stronger };
        for gone in before.difference(&after) {
            self.found.push(Change { class: shorter, path: path.to_owned(), from: gone.clone(), to: String::new() });
        }
        for new in after.difference(&before) {
            self.found.push(Change { class: longer, path: path.to_owned(), from: String::new(), to: new.clone() });
        }
        if before == after {
            self.add(Class::Neutral, path, from, to);
        }
    }

    /// Lists of tables that are known by their pattern.
    fn matches(&mut self, path: &str, from: Option<&Value>, to: Option<&Value>, longer: Class) {
        let entries = |value: Option<&Value>| -> BTreeMap<String, Value> {
            let list = value.and_then(Value::as_array).cloned().unwrap_or_default();
            list.into_iter().map(|entry| (entry.get("match").map(shown).unwrap_or_default(), entry)).collect()
        };
        let shorter = if longer == Class::Stronger { Class::Weaker } else { Class::Stronger };
        let (before, after) = (entries(from), entries(to));
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            let path = format!("{path}[{name}]");
            match (before.get(name), after.get(name)) {
                (Some(gone), None) => self.add(shorter, &path, Some(gone), None),
                (None, Some(new)) => self.add(longer, &path, None, Some(new)),
                (Some(one), Some(other)) if one != other => {
                    let least = |entry: &Value| entry.get("min").and_then(Value::as_integer).unwrap_or(1);
                    let class = match least(other).cmp(&least(one)) {
                        std::cmp::Ordering::Less => Class::Weaker,
                        std::cmp::Ordering::Greater => Class::Stronger,
                        std::cmp::Ordering::Equal => Class::Neutral,
                    };
                    self.add(class, &path, Some(one), Some(other));
                }
                _ => {}
            }
        }
    }
}

/// A key without the dots that separate keys.
fn plain(key: &str) -> String {
    key.replace('.', "·")
}

/// A number, a time in milliseconds, a size in bytes or a day.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        Value::Datetime(day) => day.date.map(|day| f64::from(day.year) * 10_000.0 + f64::from(day.month) * 100.0 + f64::from(day.day)),
        Value::String(text) => {
            let time = humantime::parse_duration(text).ok().map(|time| time.as_secs_f64());
            let day = || text.split('-').map(str::parse::<f64>).collect::<Result<Vec<_>, _>>().ok().filter(|parts| parts.len() == 3);
            time.or_else(|| text.parse().ok())
                .or_else(|| crate::text::parse_size(text).map(|bytes| bytes as f64))
                .or_else(|| day().map(|parts| parts[0] * 10_000.0 + parts[1] * 100.0 + parts[2]))
        }
        _ => None,
    }
}

fn shown(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
