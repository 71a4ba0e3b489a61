//! YAML as a tree in which every scalar knows its line and whether it was quoted; aliases stand for what they name, and `<<` merges.
//! Knows no meaning of any key.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

/// A file of a few lines can name billions of nodes by aliases of aliases.
const MOST_NODES: usize = 1 << 20;

/// A node with its line, from 1.
#[derive(Clone, Debug)]
pub struct Node {
    /// Line.
    pub line: u32,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Value {
    /// A text; plain when it had no quotes, so that YAML gives it a type.
    Scalar { text: String, plain: bool },
    /// Items in order.
    List(Vec<Node>),
    /// Entries in order.
    Table(Vec<(String, Node)>),
}

impl Node {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The entries of a table; none of anything else.
    pub fn entries(&self) -> &[(String, Node)] {
        if let Value::Table(entries) = &self.value { entries } else { &[] }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Node] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        if let Value::Scalar { text, .. } = &self.value { Some(text) } else { None }
    }

    /// The scalar has no quotes, so YAML gives it a type.
    pub fn is_plain(&self) -> bool {
        matches!(self.value, Value::Scalar { plain: true, .. })
    }
}

/// The first document of a text; the error has its line.
pub fn parse(text: &str) -> Result<Option<Node>, (u32, String)> {
    let mut events = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|fault| (fault.marker().line() as u32, fault.to_string()))?;
        events.push((event, span.start.line() as u32));
    }
    let mut rest = events.into_iter().filter(|(event, _)| !matches!(event, Event::StreamStart | Event::DocumentStart(_) | Event::Nothing));
    let mut builder = Builder { named: HashMap::new(), nodes: 0 };
    match rest.next() {
        Some((Event::StreamEnd | Event::DocumentEnd, _)) | None => Ok(None),
        Some((event, line)) => builder.node(event, line, &mut rest).map(Some),
    }
}

struct Builder {
    /// What anchors name, with the number of its nodes.
    named: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

impl Builder {
    fn node<'e>(&mut self, event: Event<'e>, line: u32, rest: &mut impl Iterator<Item = (Event<'e>, u32)>) -> Result<Node, (u32, String)> {
        self.count(1, line)?;
        let before = self.nodes;
        let (anchor, value) = match event {
            Event::Alias(id) => {
                // An anchor that is still open would name itself.
                let (known, size) = self.named.get(&id).cloned().ok_or_else(|| (line, "an alias names what it is a part of".to_owned()))?;
                self.count(size, line)?;
                return Ok(Node { line, value: known.value });
            }
            Event::Scalar(text, style, anchor, _) => (anchor, Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }),
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                while let Some((event, line)) = rest.next().filter(|(event, _)| !matches!(event, Event::SequenceEnd)) {
                    items.push(self.node(event, line, rest)?);
                }
                (anchor, Value::List(items))
            }
            Event::MappingStart(anchor, _) => (anchor, Value::Table(self.entries(rest)?)),
            _ => (0, Value::Scalar { text: String::new(), plain: false }),
        };
        let node = Node { line, value };
        if anchor > 0 {
            self.named.insert(anchor, (node.clone(), self.nodes - before + 1));
        }
        Ok(node)
    }

    fn entries<'e>(&mut self, rest: &mut impl Iterator<Item = (Event<'e>, u32)>) -> Result<Vec<(String, Node)>, (u32, String)> {
        let (mut entries, mut merged) = (Vec::new(), Vec::new());
        while let Some((event, line)) = rest.next().filter(|(event, _)| !matches!(event, Event::MappingEnd)) {
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let key = self.node(event, line, rest)?;
            let Some((event, line)) = rest.next() else { break };
            let value = self.node(event, line, rest)?;
            if is_merge {
                merged.extend(if value.items().is_empty() {
                    value.entries().to_vec()
                } else {
                    value.items().iter().flat_map(|item| item.entries().to_vec()).collect()
                });
            } else {
                entries.push((key.text().unwrap_or_default().to_owned(), value));
            }
        }
        // What stands in the table itself wins, then what was merged first.
        for (key, value) in merged {
            if !entries.iter().any(|(known, _)| *known == key) {
                entries.push((key, value));
            }
        }
        Ok(entries)
    }

    fn count(&mut self, more: usize, line: u32) -> Result<(), (u32, String)> {
        self.nodes += more;
        if self.nodes > MOST_NODES { Err((line, format!("more than {MOST_NODES} nodes, aliases included"))) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_and_merges_stand_for_what_they_name() {
        let text = "x: &base {restart: always, image: a}\nurl: &url db\nsvc:\n  <<: *base\n  image: b\n  env: [*url]\n";
        let tree = parse(text).expect("YAML").expect("a document");
        let svc = tree.get("svc").expect("there");
        let word = |key: &str| svc.get(key).and_then(Node::text);
        assert_eq!((word("image"), word("restart")), (Some("b"), Some("always")));
        assert_eq!(svc.get("env").expect("there").items()[0].text(), Some("db"));
    }

    #[test]
    fn a_bomb_is_refused() {
        let level = |level: u32| format!("a{}: &a{} [{}]", level + 1, level + 1, vec![format!("*a{level}"); 10].join(", "));
        let first = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]".to_owned();
        let text = std::iter::once(first).chain((0..11).map(level)).collect::<Vec<_>>().join("\n");
        assert!(parse(&text).expect_err("too many").1.contains("more than"));
        assert!(parse("a: &a [*a]").expect_err("itself").1.contains("part of"));
    }
}
