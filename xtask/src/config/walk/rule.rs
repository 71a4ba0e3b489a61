//! The JSON Schema of gates.toml as a walk needs it. Knows the part of JSON Schema that our own types produce, and skips the rest.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::OnceLock;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

/// What a value must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Object,
    Array,
    Text,
    Integer,
    Boolean,
    /// Nothing: the other half of what is optional.
    Null,
}

impl Kind {
    /// As a person says it.
    pub(super) fn article(self) -> &'static str {
        match self {
            Self::Object => "a table",
            Self::Array => "a list",
            Self::Integer => "an integer",
            Self::Boolean => "true or false",
            Self::Text => "a string",
            Self::Null => "nothing",
        }
    }
}

/// The schema of one value.
#[derive(Debug, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Rule<'s> {
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    #[serde(borrow, rename = "enum", deserialize_with = "words")]
    pub(super) words: Vec<&'s str>,
    pub(super) format: Option<&'s str>,
    /// Known keys, as the types list them.
    pub(super) properties: Named<'s>,
    /// Any other key.
    #[serde(rename = "additionalProperties")]
    pub(super) open: Open<'s>,
    pub(super) required: Vec<&'s str>,
    pub(super) items: Option<Box<Rule<'s>>>,
    pub(super) min_items: u64,
    #[serde(rename = "minimum")]
    pub(super) least: i64,
    #[serde(rename = "maximum")]
    pub(super) most: i64,
    #[serde(borrow, rename = "description")]
    pub(super) doc: Cow<'s, str>,
    #[serde(rename = "$ref")]
    reference: Option<&'s str>,
    any_of: Vec<Rule<'s>>,
    #[serde(rename = "$defs")]
    definitions: Named<'s>,
}

impl Default for Rule<'_> {
    /// A table of which nothing is known.
    fn default() -> Self {
        Self {
            kind: Kind::default(),
            words: Vec::new(),
            format: None,
            properties: Named::default(),
            open: Open::default(),
            required: Vec::new(),
            items: None,
            min_items: 0,
            least: i64::MIN,
            most: i64::MAX,
            doc: Cow::default(),
            reference: None,
            any_of: Vec::new(),
            definitions: Named::default(),
        }
    }
}

impl<'s> Rule<'s> {
    /// The schema as the repository keeps it: reading it takes a fraction of the time in which the types tell it.
    pub(super) fn kept() -> &'static Rule<'static> {
        static KEPT: OnceLock<Rule<'static>> = OnceLock::new();
        KEPT.get_or_init(|| serde_json::from_str(include_str!("../../../../docs/gates.schema.json")).expect("a test compares it with the types"))
    }

    /// The rule of a part of this schema: follows references, and takes the part beside `null` where a key is optional.
    pub(super) fn plain<'r>(&'r self, part: &'r Rule<'s>) -> &'r Rule<'s> {
        if let Some(rule) = part.reference.and_then(|path| self.definitions.get(path.strip_prefix("#/$defs/")?)) {
            return self.plain(rule);
        }
        match part.any_of.iter().find(|part| part.kind != Kind::Null) {
            Some(rule) => self.plain(rule),
            None => part,
        }
    }
}

/// Rules by name, in their order.
#[derive(Debug, Default)]
pub(super) struct Named<'s>(Vec<(&'s str, Rule<'s>)>);

impl<'s> Named<'s> {
    pub(super) fn get(&self, name: &str) -> Option<&Rule<'s>> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, rule)| rule)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'s str> {
        self.0.iter().map(|(name, _)| *name)
    }
}

/// What keys that are not known may hold; nothing where there may be none.
#[derive(Debug, Default)]
pub(super) struct Open<'s>(pub(super) Option<Box<Rule<'s>>>);

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader(PhantomData::<Self>))
    }
}

impl<'de: 's, 's> Deserialize<'de> for Named<'s> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader(PhantomData::<Self>))
    }
}

impl<'de: 's, 's> Deserialize<'de> for Open<'s> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader(PhantomData::<Self>))
    }
}

/// The words that a text may be; `null` among them says that it is optional.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<&'de str>, D::Error> {
    Vec::<Option<&str>>::deserialize(deserializer).map(|words| words.into_iter().flatten().collect())
}

/// Reads one of the three.
struct Reader<T>(PhantomData<T>);

impl<'de> Visitor<'de> for Reader<Kind> {
    type Value = Kind;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a type or a list of types")
    }

    fn visit_str<E>(self, word: &str) -> Result<Kind, E> {
        Ok(match word {
            "array" => Kind::Array,
            "string" => Kind::Text,
            "integer" => Kind::Integer,
            "boolean" => Kind::Boolean,
            "null" => Kind::Null,
            _ => Kind::Object,
        })
    }

    /// The first that is not `null`.
    fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<Kind, A::Error> {
        let mut found = Kind::Null;
        while let Some(kind) = words.next_element()? {
            found = if found == Kind::Null { kind } else { found };
        }
        Ok(found)
    }
}

impl<'de: 's, 's> Visitor<'de> for Reader<Named<'s>> {
    type Value = Named<'s>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("schemas by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Named<'s>, A::Error> {
        let mut named = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            named.push(entry);
        }
        Ok(Named(named))
    }
}

impl<'de: 's, 's> Visitor<'de> for Reader<Open<'s>> {
    type Value = Open<'s>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a schema or false")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Open<'s>, E> {
        Ok(Open(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Open<'s>, A::Error> {
        let rule = Rule::deserialize(serde::de::value::MapAccessDeserializer::new(entries))?;
        Ok(Open(Some(Box::new(rule))))
    }
}
