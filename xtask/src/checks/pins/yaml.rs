//! YAML as a tree in which every scalar knows its line and whether it was quoted. Knows no meaning of any key.

use saphyr_parser::{Event, Parser, ScalarStyle};

/// A node with its line, from 1.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) line: u32,
    pub(super) value: Value,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Scalar { text: String, plain: bool },
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
}

impl Node {
    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The entries of a table; none of anything else.
    pub(super) fn entries(&self) -> &[(String, Node)] {
        if let Value::Table(entries) = &self.value { entries } else { &[] }
    }

    /// The items of a list; none of anything else.
    pub(super) fn items(&self) -> &[Node] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        if let Value::Scalar { text, .. } = &self.value { Some(text) } else { None }
    }

    /// The scalar has no quotes, so YAML gives it a type.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.value, Value::Scalar { plain: true, .. })
    }
}

/// The first document of a text; the error has its line.
pub(super) fn parse(text: &str) -> Result<Option<Node>, (u32, String)> {
    let mut events = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|fault| (fault.marker().line() as u32, fault.to_string()))?;
        events.push((event, span.start.line() as u32));
    }
    let mut events = events.into_iter().filter(|(event, _)| !matches!(event, Event::StreamStart | Event::DocumentStart(_) | Event::Nothing));
    Ok(match events.next() {
        Some((Event::StreamEnd | Event::DocumentEnd, _)) | None => None,
        Some((event, line)) => Some(node(event, line, &mut events)),
    })
}

fn node<'e>(event: Event<'e>, line: u32, rest: &mut impl Iterator<Item = (Event<'e>, u32)>) -> Node {
    let value = match event {
        Event::Scalar(text, style, ..) => Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain },
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            while let Some((event, line)) = rest.next().filter(|(event, _)| !matches!(event, Event::SequenceEnd)) {
                items.push(node(event, line, rest));
            }
            Value::List(items)
        }
        Event::MappingStart(..) => {
            let mut entries = Vec::new();
            while let Some((event, line)) = rest.next().filter(|(event, _)| !matches!(event, Event::MappingEnd)) {
                let key = node(event, line, rest);
                let Some((event, line)) = rest.next() else { break };
                entries.push((key.text().unwrap_or_default().to_owned(), node(event, line, rest)));
            }
            Value::Table(entries)
        }
        _ => Value::Scalar { text: String::new(), plain: false },
    };
    Node { line, value }
}
