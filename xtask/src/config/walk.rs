//! Walks the spanned tree of gates.toml against the JSON Schema and reports every departure with its position. Knows the
//! part of JSON Schema that our own types produce, and no meaning of any key.

mod rule;

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use rule::{Kind, Rule};

use super::problem::{Problem, Source};
use super::schema::NOT_YET;
use crate::text::{closest, parse_size};

/// Stands where a required or mistyped text should be; problems that mention it say nothing new.
pub(super) const STAND_IN: &str = "\u{fffd}";

/// Every departure of the tree from the schema.
pub(super) fn check(source: &Source<'_>, root: &Spanned<DeTable<'_>>) -> Vec<Problem> {
    walk(source, root, false).0
}

/// The tree with every departure mended by a stand-in, so that resolving can go on and find the rest.
pub(super) fn mend(source: &Source<'_>, root: &Spanned<DeTable<'_>>) -> toml::Table {
    walk(source, root, true).1
}

/// A tree has this one key of the schema, and nothing in it departs.
pub(super) fn is_sound(source: &Source<'_>, root: &Spanned<DeTable<'_>>, key: &'static str) -> bool {
    let schema = Rule::kept();
    let mut walk = Walk { source, schema, mends: false, problems: Vec::new() };
    let Some((found, rule)) = root.get_ref().get(key).zip(schema.properties.get(key)) else { return false };
    walk.value(found, schema.plain(rule), &mut vec![Part::Key(key)]);
    root.get_ref().len() == 1 && walk.problems.is_empty()
}

fn walk(source: &Source<'_>, root: &Spanned<DeTable<'_>>, mends: bool) -> (Vec<Problem>, toml::Table) {
    let schema = Rule::kept();
    let mut walk = Walk { source, schema, mends, problems: Vec::new() };
    let mended = walk.table(root.get_ref(), &root.span(), schema, &mut Vec::new());
    (walk.problems, mended)
}

/// A step of the way from the root to a value.
#[derive(Clone, Copy, Debug)]
enum Part<'t> {
    Key(&'t str),
    Index(usize),
}

type Way<'t> = Vec<Part<'t>>;

struct Walk<'a> {
    source: &'a Source<'a>,
    schema: &'static Rule<'static>,
    /// The tree is copied with stand-ins; else nothing is, as a sound tree is read as it is.
    mends: bool,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn value<'t>(&mut self, value: &'t Spanned<DeValue<'_>>, rule: &'static Rule<'static>, way: &mut Way<'t>) -> toml::Value {
        if rule.format.is_some_and(|format| ["check-keys", "threshold"].contains(&format)) {
            return self.copied(value.get_ref()); // the resolver knows the check or the metric, and with it what is right
        }
        let span = value.span();
        if !rule.words.is_empty() {
            return self.word(value.get_ref(), &span, &rule.words, way);
        }
        match (rule.kind, value.get_ref()) {
            (Kind::Object, DeValue::Table(table)) => toml::Value::Table(self.table(table, &span, rule, way)),
            (Kind::Array, DeValue::Array(items)) => toml::Value::Array(self.array(items, &span, rule, way)),
            (Kind::Text, DeValue::String(text)) => {
                self.string(text, &span, rule, way);
                self.copied(value.get_ref())
            }
            (Kind::Integer, DeValue::Integer(number)) => {
                let number = i64::from_str_radix(number.as_str(), number.radix()).unwrap_or(i64::MAX);
                toml::Value::Integer(self.integer(number, &span, rule, way))
            }
            (Kind::Boolean, DeValue::Boolean(yes)) => toml::Value::Boolean(*yes),
            (wanted, found) => {
                let message = format!("`{}` is {}, not {}", joined(way), found_kind(found), wanted.article());
                self.push(&span, message, hint_for(rule));
                self.stand_in(rule)
            }
        }
    }

    fn copied(&self, value: &DeValue<'_>) -> toml::Value {
        if self.mends { copy(value) } else { toml::Value::Boolean(false) }
    }

    /// A value of the right type for a place that has none.
    fn stand_in(&self, rule: &'static Rule<'static>) -> toml::Value {
        if let Some(word) = rule.words.first() {
            return toml::Value::String((*word).to_owned());
        }
        match rule.kind {
            Kind::Object | Kind::Null => toml::Value::Table(toml::Table::new()),
            Kind::Array => toml::Value::Array(rule.items.iter().map(|part| self.stand_in(self.schema.plain(part))).collect()),
            Kind::Integer => toml::Value::Integer(if rule.least == i64::MIN { 1 } else { rule.least }),
            Kind::Boolean => toml::Value::Boolean(false),
            Kind::Text => toml::Value::String(STAND_IN.to_owned()),
        }
    }

    fn table<'t>(&mut self, table: &'t DeTable<'_>, span: &Range<usize>, rule: &'static Rule<'static>, way: &mut Way<'t>) -> toml::Table {
        let mut mended = toml::Table::new();
        for (key, value) in table {
            let name: &str = key.get_ref();
            way.push(Part::Key(name));
            match rule.properties.get(name).or(rule.open.0.as_deref()) {
                Some(part) => {
                    let good = self.value(value, self.schema.plain(part), way);
                    if self.mends {
                        mended.insert(name.to_owned(), good);
                    }
                }
                None if is_not_yet(way) => {
                    let message = format!("`{}` is not supported yet", joined(way));
                    self.push(&key.span(), message, "remove it: this version would not act on it, and nothing is ignored in silence".to_owned());
                }
                None => {
                    let hint = closest(name, rule.properties.names()).map_or_else(
                        || format!("known keys: {}", rule.properties.names().collect::<Vec<_>>().join(", ")),
                        |word| format!("did you mean `{word}`?"),
                    );
                    self.push(&key.span(), format!("unknown key `{name}`{}", inside(&way[..way.len() - 1])), hint);
                }
            }
            way.pop();
        }
        for name in &rule.required {
            if !table.keys().any(|key| key.get_ref() == name) {
                let part = rule.properties.get(name).map(|part| self.schema.plain(part));
                let doc = part.map(|part| part.doc.as_ref()).filter(|doc| !doc.is_empty()).unwrap_or("required");
                self.push(span, format!("missing key `{name}`{}", inside(way)), format!("{name}: {doc}"));
                mended.insert((*name).to_owned(), part.map_or_else(|| toml::Value::String(STAND_IN.to_owned()), |part| self.stand_in(part)));
            }
        }
        mended
    }

    fn array<'t>(&mut self, items: &'t toml::de::DeArray<'_>, span: &Range<usize>, rule: &'static Rule<'static>, way: &mut Way<'t>) -> Vec<toml::Value> {
        if (items.len() as u64) < rule.min_items {
            self.push(span, format!("`{}` is empty", joined(way)), format!("it wants at least {} entry", rule.min_items));
        }
        let Some(part) = rule.items.as_deref().map(|part| self.schema.plain(part)) else { return Vec::new() };
        let mut mended = Vec::new();
        for (index, item) in items.iter().enumerate() {
            way.push(Part::Index(index));
            let good = self.value(item, part, way);
            if self.mends {
                mended.push(good);
            }
            way.pop();
        }
        mended
    }

    fn string(&mut self, text: &str, span: &Range<usize>, rule: &'static Rule<'static>, way: &Way<'_>) {
        let good = match rule.format {
            Some("duration") => humantime::parse_duration(text).is_ok_and(|span| !span.is_zero()),
            Some("size") => parse_size(text).is_some_and(|size| size > 0),
            _ => true,
        };
        if !good {
            self.push(span, format!("`{}` is \"{text}\", not a {}", joined(way), rule.format.unwrap_or("string")), hint_for(rule));
        }
    }

    fn integer(&mut self, number: i64, span: &Range<usize>, rule: &'static Rule<'static>, way: &Way<'_>) -> i64 {
        let (least, most) = (rule.least, rule.most);
        if number < least || number > most {
            let range = if most == i64::MAX { format!("at least {least}") } else { format!("from {least} to {most}") };
            self.push(span, format!("`{}` is {number}", joined(way)), format!("it wants a number {range}"));
        }
        number.clamp(least, most)
    }

    fn word(&mut self, value: &DeValue<'_>, span: &Range<usize>, words: &[&str], way: &Way<'_>) -> toml::Value {
        let found = match value {
            DeValue::String(text) if words.contains(&text.as_ref()) => return self.copied(value),
            DeValue::String(text) => format!("\"{text}\""),
            other => found_kind(other).to_owned(),
        };
        let list = words.join(", ");
        let hint = closest(found.trim_matches('"'), words.iter().copied())
            .map_or_else(|| format!("one of: {list}"), |word| format!("did you mean \"{word}\"? one of: {list}"));
        self.push(span, format!("`{}` is {found}", joined(way)), hint);
        toml::Value::String(words.first().copied().unwrap_or(STAND_IN).to_owned())
    }

    fn push(&mut self, span: &Range<usize>, message: String, hint: String) {
        self.problems.push(self.source.problem(span, message, hint));
    }
}

fn joined(way: &[Part<'_>]) -> String {
    let words: Vec<String> = way
        .iter()
        .map(|part| match part {
            Part::Key(name) => (*name).to_owned(),
            Part::Index(index) => index.to_string(),
        })
        .collect();
    words.join(".")
}

fn copy(value: &DeValue<'_>) -> toml::Value {
    match value {
        DeValue::String(text) => toml::Value::String(text.to_string()),
        DeValue::Integer(number) => toml::Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).unwrap_or(i64::MAX)),
        DeValue::Float(number) => toml::Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(yes) => toml::Value::Boolean(*yes),
        DeValue::Datetime(date) => toml::Value::Datetime(*date),
        DeValue::Array(items) => toml::Value::Array(items.iter().map(|item| copy(item.get_ref())).collect()),
        DeValue::Table(table) => toml::Value::Table(table.iter().map(|(key, value)| (key.get_ref().to_string(), copy(value.get_ref()))).collect()),
    }
}

fn inside(way: &[Part<'_>]) -> String {
    if way.is_empty() { String::new() } else { format!(" in [{}]", joined(way)) }
}

fn found_kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn hint_for(rule: &'static Rule<'static>) -> String {
    match rule.format {
        Some("duration") => "write a duration as a string with a unit, such as \"90s\" or \"10m\"".to_owned(),
        Some("size") => "write a size as a string with a unit, such as \"64MiB\"; units: B, KiB, MiB, GiB".to_owned(),
        _ if rule.kind == Kind::Array => "what may be several is always a list, such as [\"x\"]".to_owned(),
        _ => rule.doc.clone().into_owned(),
    }
}

fn is_not_yet(way: &[Part<'_>]) -> bool {
    NOT_YET.iter().any(|pattern| {
        let parts: Vec<&str> = pattern.split('.').collect();
        let fits = |(part, key): (&&str, &Part<'_>)| *part == "*" || matches!(key, Part::Key(name) if name == part);
        parts.len() == way.len() && parts.iter().zip(way).all(fits)
    })
}
