//! The JSON Schema of gates.toml made ready for a walk: references followed, and what is looked up often in places of its own. Knows
//! the part of JSON Schema that our own types produce.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use serde_json::Value;

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    Text,
    Integer,
    Boolean,
}

impl Kind {
    fn of(schema: &Value) -> Self {
        let word = match schema.get("type") {
            Some(Value::String(word)) => word,
            Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).find(|word| *word != "null").unwrap_or("object"),
            _ => "object",
        };
        match word {
            "array" => Self::Array,
            "string" => Self::Text,
            "integer" => Self::Integer,
            "boolean" => Self::Boolean,
            _ => Self::Object,
        }
    }

    /// As a person says it.
    pub(super) fn article(self) -> &'static str {
        match self {
            Self::Object => "a table",
            Self::Array => "a list",
            Self::Integer => "an integer",
            Self::Boolean => "true or false",
            Self::Text => "a string",
        }
    }
}

/// The schema of one value; others are named by their place among all rules.
#[derive(Clone, Debug)]
pub(super) struct Rule<'s> {
    pub(super) kind: Kind,
    pub(super) words: Option<Vec<&'s str>>,
    pub(super) format: Option<&'s str>,
    /// Known keys.
    pub(super) properties: BTreeMap<&'s str, usize>,
    /// Known keys as the types list them.
    pub(super) listed: Vec<&'s str>,
    /// Any other key.
    pub(super) open: Option<usize>,
    pub(super) required: Vec<&'s str>,
    pub(super) items: Option<usize>,
    pub(super) min_items: u64,
    pub(super) least: i64,
    pub(super) most: i64,
    pub(super) doc: &'s str,
}

/// A part of the schema, and its rule where somebody asked for it.
type Place<'s> = (&'s Value, Option<Rc<Rule<'s>>>);

/// All rules, each made when it is first asked for: a file uses few of them.
#[derive(Debug)]
pub(super) struct Rules<'s> {
    schema: &'s Value,
    all: RefCell<Vec<Place<'s>>>,
    known: RefCell<HashMap<*const Value, usize>>,
}

impl<'s> Rules<'s> {
    /// The rules of a schema, and the place of its own.
    pub(super) fn of(schema: &'s Value) -> (Self, usize) {
        let rules = Self { schema, all: RefCell::default(), known: RefCell::default() };
        let root = rules.place(schema);
        (rules, root)
    }

    pub(super) fn get(&self, place: usize) -> Rc<Rule<'s>> {
        let schema = match &self.all.borrow()[place] {
            (_, Some(rule)) => return Rc::clone(rule),
            (schema, None) => *schema,
        };
        let rule = Rc::new(self.rule(schema));
        self.all.borrow_mut()[place].1 = Some(Rc::clone(&rule));
        rule
    }

    fn place(&self, schema: &'s Value) -> usize {
        let schema = self.plain(schema);
        *self.known.borrow_mut().entry(std::ptr::from_ref(schema)).or_insert_with(|| {
            let mut all = self.all.borrow_mut();
            all.push((schema, None));
            all.len() - 1
        })
    }

    fn rule(&self, schema: &'s Value) -> Rule<'s> {
        let text = |key| schema.get(key).and_then(Value::as_str);
        let list = |key| schema.get(key).and_then(Value::as_array).map(|words| words.iter().filter_map(Value::as_str).collect::<Vec<_>>());
        let properties = || schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        Rule {
            kind: Kind::of(schema),
            words: list("enum"),
            format: text("format"),
            properties: properties().map(|(name, part)| (name.as_str(), self.place(part))).collect(),
            listed: properties().map(|(name, _)| name.as_str()).collect(),
            open: schema.get("additionalProperties").filter(|more| more.is_object()).map(|more| self.place(more)),
            required: list("required").unwrap_or_default(),
            items: schema.get("items").map(|part| self.place(part)),
            min_items: schema.get("minItems").and_then(Value::as_u64).unwrap_or(0),
            least: schema.get("minimum").and_then(Value::as_i64).unwrap_or(i64::MIN),
            most: schema.get("maximum").and_then(Value::as_i64).unwrap_or(i64::MAX),
            doc: text("description").unwrap_or(""),
        }
    }

    /// Follows references, and takes the part beside `null` where a key is optional.
    fn plain(&self, schema: &'s Value) -> &'s Value {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/")) {
            return self.plain(&self.schema["$defs"][name]);
        }
        let parts = schema.get("anyOf").and_then(Value::as_array);
        match parts.and_then(|parts| parts.iter().find(|part| part.get("type").and_then(Value::as_str) != Some("null"))) {
            Some(part) => self.plain(part),
            None => schema,
        }
    }
}
