//! Walks the spanned tree of gates.toml against the JSON Schema and reports every departure with its position. Knows the
//! part of JSON Schema that our own types produce, and no meaning of any key.

use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Source};
use super::schema::NOT_YET;
use crate::text::{closest, parse_size};

/// What the walk found.
pub(super) struct Walked {
    /// Every departure of the tree from the schema.
    pub(super) problems: Vec<Problem>,
    /// The tree with every departure mended by a stand-in, so that resolving can go on and find the rest.
    pub(super) mended: toml::Table,
}

/// Stands where a required or mistyped text should be; problems that mention it say nothing new.
pub(super) const STAND_IN: &str = "\u{fffd}";

/// Walks the whole tree.
pub(super) fn check(source: &Source<'_>, root: &Spanned<DeTable<'_>>, schema: &Value) -> Walked {
    let mut walk = Walk { source, schema, problems: Vec::new() };
    let mended = walk.table(root.get_ref(), &root.span(), schema, &mut Vec::new());
    Walked { problems: walk.problems, mended }
}

struct Walk<'a> {
    source: &'a Source<'a>,
    schema: &'a Value,
    problems: Vec<Problem>,
}

impl<'a> Walk<'a> {
    fn value(&mut self, value: &Spanned<DeValue<'_>>, schema: &'a Value, path: &mut Vec<String>) -> toml::Value {
        let schema = self.plain(schema);
        let span = value.span();
        if schema.get("format").and_then(Value::as_str).is_some_and(|format| ["check-keys", "threshold"].contains(&format)) {
            return copy(value.get_ref()); // the resolver knows the check or the metric, and with it what is right
        }
        if let Some(words) = words_of(schema) {
            return toml::Value::String(self.word(value.get_ref(), &span, &words, path));
        }
        match (kind_of(schema), value.get_ref()) {
            ("object", DeValue::Table(table)) => toml::Value::Table(self.table(table, &span, schema, path)),
            ("array", DeValue::Array(items)) => toml::Value::Array(self.array(items, &span, schema, path)),
            ("string", DeValue::String(text)) => {
                self.string(text, &span, schema, path);
                toml::Value::String(text.to_string())
            }
            ("integer", DeValue::Integer(number)) => {
                let number = i64::from_str_radix(number.as_str(), number.radix()).unwrap_or(i64::MAX);
                toml::Value::Integer(self.integer(number, &span, schema, path))
            }
            ("boolean", DeValue::Boolean(yes)) => toml::Value::Boolean(*yes),
            (wanted, found) => {
                let message = format!("`{}` is {}, not {}", path.join("."), found_kind(found), article(wanted));
                self.push(&span, message, hint_for(wanted, schema));
                self.stand_in(schema)
            }
        }
    }

    /// A value of the right type for a place that has none.
    fn stand_in(&self, schema: &'a Value) -> toml::Value {
        let schema = self.plain(schema);
        if let Some(word) = words_of(schema).and_then(|words| words.first().copied()) {
            return toml::Value::String(word.to_owned());
        }
        match kind_of(schema) {
            "object" => toml::Value::Table(toml::Table::new()),
            "array" => toml::Value::Array(schema.get("items").map(|part| self.stand_in(part)).into_iter().collect()),
            "integer" => toml::Value::Integer(schema.get("minimum").and_then(Value::as_i64).unwrap_or(1)),
            "boolean" => toml::Value::Boolean(false),
            _ => toml::Value::String(STAND_IN.to_owned()),
        }
    }

    fn table(&mut self, table: &DeTable<'_>, span: &Range<usize>, schema: &'a Value, path: &mut Vec<String>) -> toml::Table {
        let mut mended = toml::Table::new();
        let empty = Value::Null;
        let properties = schema.get("properties");
        let open = schema.get("additionalProperties").filter(|more| more.is_object());
        for (key, value) in table {
            let name = key.get_ref().to_string();
            path.push(name.clone());
            match properties.and_then(|known| known.get(&name)).or(open) {
                Some(part) => {
                    let good = self.value(value, part, path);
                    mended.insert(name, good);
                }
                None if is_not_yet(path) => {
                    let message = format!("`{}` is not supported yet", path.join("."));
                    self.push(&key.span(), message, "remove it: this version would not act on it, and nothing is ignored in silence".to_owned());
                }
                None => {
                    let known: Vec<&str> = properties.unwrap_or(&empty).as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
                    let hint = closest(&name, known.iter().copied())
                        .map_or_else(|| format!("known keys: {}", known.join(", ")), |word| format!("did you mean `{word}`?"));
                    self.push(&key.span(), format!("unknown key `{name}`{}", inside(&path[..path.len() - 1])), hint);
                }
            }
            path.pop();
        }
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !table.keys().any(|key| key.get_ref() == name) {
                let doc = properties.and_then(|known| known.get(name)).and_then(|part| part.get("description")).and_then(Value::as_str);
                self.push(span, format!("missing key `{name}`{}", inside(path)), format!("{name}: {}", doc.unwrap_or("required")));
                let part = properties.and_then(|known| known.get(name));
                mended.insert(name.to_owned(), part.map_or_else(|| toml::Value::String(STAND_IN.to_owned()), |part| self.stand_in(part)));
            }
        }
        mended
    }

    fn array(&mut self, items: &toml::de::DeArray<'_>, span: &Range<usize>, schema: &'a Value, path: &mut Vec<String>) -> Vec<toml::Value> {
        if let Some(min) = schema.get("minItems").and_then(Value::as_u64)
            && (items.len() as u64) < min
        {
            self.push(span, format!("`{}` is empty", path.join(".")), format!("it wants at least {min} entry"));
        }
        let Some(part) = schema.get("items") else { return Vec::new() };
        let mut mended = Vec::new();
        for (index, item) in items.iter().enumerate() {
            path.push(index.to_string());
            mended.push(self.value(item, part, path));
            path.pop();
        }
        mended
    }

    fn string(&mut self, text: &str, span: &Range<usize>, schema: &Value, path: &[String]) {
        let good = match schema.get("format").and_then(Value::as_str) {
            Some("duration") => humantime::parse_duration(text).is_ok_and(|span| !span.is_zero()),
            Some("size") => parse_size(text).is_some_and(|size| size > 0),
            _ => true,
        };
        if !good {
            let wanted = schema.get("format").and_then(Value::as_str).unwrap_or("string");
            self.push(span, format!("`{}` is \"{text}\", not a {wanted}", path.join(".")), hint_for("string", schema));
        }
    }

    fn integer(&mut self, number: i64, span: &Range<usize>, schema: &Value, path: &[String]) -> i64 {
        let least = schema.get("minimum").and_then(Value::as_i64).unwrap_or(i64::MIN);
        let most = schema.get("maximum").and_then(Value::as_i64).unwrap_or(i64::MAX);
        if number < least || number > most {
            let range = if most == i64::MAX { format!("at least {least}") } else { format!("from {least} to {most}") };
            self.push(span, format!("`{}` is {number}", path.join(".")), format!("it wants a number {range}"));
        }
        number.clamp(least, most)
    }

    fn word(&mut self, value: &DeValue<'_>, span: &Range<usize>, words: &[&str], path: &[String]) -> String {
        let found = match value {
            DeValue::String(text) if words.contains(&text.as_ref()) => return text.to_string(),
            DeValue::String(text) => format!("\"{text}\""),
            other => found_kind(other).to_owned(),
        };
        let list = words.join(", ");
        let hint = closest(found.trim_matches('"'), words.iter().copied())
            .map_or_else(|| format!("one of: {list}"), |word| format!("did you mean \"{word}\"? one of: {list}"));
        self.push(span, format!("`{}` is {found}", path.join(".")), hint);
        words.first().copied().unwrap_or(STAND_IN).to_owned()
    }

    /// Follows references, and takes the part beside `null` where a key is optional.
    fn plain(&self, schema: &'a Value) -> &'a Value {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/")) {
            return self.plain(&self.schema["$defs"][name]);
        }
        let parts = schema.get("anyOf").and_then(Value::as_array);
        match parts.and_then(|parts| parts.iter().find(|part| part.get("type").and_then(Value::as_str) != Some("null"))) {
            Some(part) => self.plain(part),
            None => schema,
        }
    }

    fn push(&mut self, span: &Range<usize>, message: String, hint: String) {
        self.problems.push(self.source.problem(span, message, hint));
    }
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

fn inside(path: &[String]) -> String {
    if path.is_empty() { String::new() } else { format!(" in [{}]", path.join(".")) }
}

fn kind_of(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(word)) => word,
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).find(|word| *word != "null").unwrap_or("object"),
        _ => "object",
    }
}

fn words_of(schema: &Value) -> Option<Vec<&str>> {
    schema.get("enum").and_then(Value::as_array).map(|words| words.iter().filter_map(Value::as_str).collect())
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

fn article(kind: &str) -> &'static str {
    match kind {
        "object" => "a table",
        "array" => "a list",
        "integer" => "an integer",
        "boolean" => "true or false",
        _ => "a string",
    }
}

fn hint_for(kind: &str, schema: &Value) -> String {
    match schema.get("format").and_then(Value::as_str) {
        Some("duration") => "write a duration as a string with a unit, such as \"90s\" or \"10m\"".to_owned(),
        Some("size") => "write a size as a string with a unit, such as \"64MiB\"; units: B, KiB, MiB, GiB".to_owned(),
        _ if kind == "array" => "what may be several is always a list, such as [\"x\"]".to_owned(),
        _ => schema.get("description").and_then(Value::as_str).unwrap_or("").to_owned(),
    }
}

fn is_not_yet(path: &[String]) -> bool {
    NOT_YET.iter().any(|pattern| {
        let parts: Vec<&str> = pattern.split('.').collect();
        parts.len() == path.len() && parts.iter().zip(path).all(|(part, key)| *part == "*" || part == key)
    })
}
