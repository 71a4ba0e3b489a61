//! A long gates.toml piece by piece: some gates at a time are parsed, checked and read, so that the trees of all of them are never in memory
//! together. Knows no error: whatever is not plainly right is left to the reading of the whole file, which says what is wrong and where.

use std::collections::{BTreeMap, btree_map};
use std::ops::Range;

use serde::Deserialize;
use toml::de::{DeTable, Deserializer};

use super::problem::Source;
use super::resolve::{self, Input};
use super::schema::{Gate, GatesToml};
use super::{Config, walk};

/// Bytes of gates that are parsed together: their trees fit into the processor's nearest cache.
const PIECE: usize = 4 << 10;

/// A shorter file is read as a whole.
const LONG: usize = 16 << 10;

/// What a long file means, if all of it is right.
pub(super) fn read(input: Input<'_>) -> Option<Config> {
    if input.source.text.len() < LONG { None } else { read_by(input, PIECE) }
}

/// A text that is a document by itself ends outside of every string and list. When all parts are such, each line at which the file was cut is a header, and what
/// is left to compare is whether two parts say the same gate.
fn read_by(input: Input<'_>, size: usize) -> Option<Config> {
    let source = input.source;
    let (others, pieces) = cut(source.text, size);
    if others.len() > 1 && others.iter().any(|other| DeTable::parse(&source.text[other.clone()]).is_err()) {
        return None;
    }
    let rest: String = others.into_iter().map(|other| &source.text[other]).collect();
    let tree = DeTable::parse(&rest).ok()?;
    if tree.get_ref().contains_key("gate") || !walk::check(source, &tree).is_empty() {
        return None;
    }
    let said = GatesToml::deserialize(Deserializer::from(tree)).ok()?;
    let mut problems = Vec::new();
    let mut gates = Pieces { source, left: pieces.into_iter(), read: BTreeMap::new().into_iter(), count: 0, is_broken: false };
    let config = resolve::resolve_with(input, &said, &mut gates, &mut problems);
    (problems.is_empty() && !gates.is_broken && config.gates.len() == gates.count).then_some(config)
}

/// The gates of all pieces, of which one at a time is read; they end early at a piece that is not right.
struct Pieces<'s> {
    source: &'s Source<'s>,
    left: std::vec::IntoIter<Range<usize>>,
    read: btree_map::IntoIter<String, Box<Gate>>,
    count: usize,
    is_broken: bool,
}

impl Iterator for Pieces<'_> {
    type Item = (String, Box<Gate>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(gate) = self.read.next() {
                self.count += 1;
                return Some(gate);
            }
            let piece = self.left.next()?;
            let Some(gates) = gates(self.source, piece) else {
                self.is_broken = true;
                return None;
            };
            self.read = gates.into_iter();
        }
    }
}

/// The gates of one piece.
fn gates(source: &Source<'_>, piece: Range<usize>) -> Option<BTreeMap<String, Box<Gate>>> {
    let tree = DeTable::parse(&source.text[piece]).ok()?;
    if !walk::is_sound(source, &tree, "gate") {
        return None;
    }
    Piece::deserialize(Deserializer::from(tree)).ok().map(|piece| piece.gate)
}

/// A piece holds nothing but gates.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Piece {
    gate: BTreeMap<String, Box<Gate>>,
}

/// Cuts before lines that look like the header of a gate, and behind gates: the places of what is no gate, and those of pieces of gates.
fn cut(text: &str, size: usize) -> (Vec<Range<usize>>, Vec<Range<usize>>) {
    let (mut others, mut pieces) = (Vec::new(), Vec::new());
    let (mut start, mut in_gates, mut at) = (0, false, 0);
    for line in text.split_inclusive('\n') {
        if line.starts_with('[') {
            let is_gate = line.trim_start_matches('[').starts_with("gate.");
            // A table of a gate stays with it.
            let is_new = is_gate && !line.starts_with("[[") && line.matches('.').count() == 1;
            if is_gate != in_gates || is_new && at - start >= size {
                if in_gates { &mut pieces } else { &mut others }.push(start..at);
                (start, in_gates) = (at, is_gate);
            }
        }
        at += line.len();
    }
    if in_gates { &mut pieces } else { &mut others }.push(start..at);
    (others, pieces)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Caller, parse};
    use super::*;

    const HEAD: &str = "schema = 1\n[phase.p]\ngates = [\"a\"]\n";
    const A: &str = "[gate.a]\nowner = \"o\"\nrun = [\"x\"]\n";
    const B: &str = "[gate.b] # with a table of its own\nowner = \"o\"\nshell = \"\"\"\n[gate.c]\n\"\"\"\n[gate.b.env]\nX = \"1\"\n";

    fn in_pieces(text: &str) -> Option<String> {
        let source = Source { file: "gates.toml".to_owned(), text };
        let input = Input { root: Path::new("/nowhere"), source: &source, caller: Caller::default() };
        read_by(input, 1).map(|config| format!("{config:?}"))
    }

    fn as_a_whole(text: &str) -> Option<String> {
        assert!(text.len() < LONG);
        parse(Path::new("/nowhere"), "gates.toml", text, Caller::default()).ok().map(|config| format!("{config:?}"))
    }

    #[test]
    fn pieces_say_what_the_whole_says() {
        let (c, lock) = ("[gate.c]\r\nowner = \"o\"\r\nrun = [\r\n  \"x\",\r\n]\r\n", "[lock.l]\nmax = 2\n");
        let steps = "[gate.d]\nowner = \"o\"\nrun = [\"x\"]\n[gate.d.env]\nX = \"[gate.e]\"\n[gate.f]\nowner = \"o\"\n[[gate.f.steps]]\nrun = [\"x\"]\n";
        for text in [format!("{HEAD}{A}"), format!("{HEAD}{A}{c}{lock}"), format!("{HEAD}{c}{lock}{A}"), format!("{HEAD}{A}{steps}")] {
            let whole = as_a_whole(&text);
            assert!(whole.is_some(), "{text}");
            assert_eq!(in_pieces(&text), whole, "{text}");
        }
        let (others, pieces) = cut(&format!("{HEAD}{A}{c}{lock}{A}"), 1);
        assert_eq!((others.len(), pieces.len()), (2, 3));
    }

    #[test]
    fn what_is_not_plainly_right_is_left_to_the_whole() {
        let list = "[profile.x]\nskip = [\n[gate.x]\nowner = \"o\"\nrun = [\"x\"]\n[\"a\"]]\n";
        let text = "[phase.q]\ngates = [\"a\"]\ntitle = \"\"\"\n[gate.x]\nowner = \"o\"\nrun = [\"x\"]\n[lock.l]\n\"\"\"\n";
        for (text, why) in [
            (format!("{HEAD}{A}{A}"), "a gate stands twice"),
            (format!("{HEAD}{A}[gate.b]\nowner = \"o\"\nrun = [\"x\"]\n[gate.a.env]\nX = \"1\"\n"), "a table of a gate behind another gate"),
            (format!("gate.z.owner = \"o\"\n{HEAD}{A}"), "a gate by a dotted key"),
            (format!("gate = {{ z = {{ owner = \"o\", run = [\"x\"] }} }}\n{HEAD}{A}"), "a gate in a closed table"),
            (format!("{HEAD}{A}[gate]\n"), "the table of all gates"),
            (format!("{HEAD}{B}"), "what looks like a header in a text"),
            (format!("{HEAD}{A}{text}"), "a whole gate in a text"),
            (format!("{HEAD}{A}{list}"), "a whole gate in a list"),
            (format!("{HEAD}{A}owned = 1\n"), "an unknown key"),
            (format!("{HEAD}{A}timeout = \"soon\"\n"), "a duration that is none"),
            (format!("{A}[phase.p]\ngates = [\"a\"]\n"), "no schema"),
            (format!("{HEAD}{A}[gate.c]\nrun = [\n"), "an open list"),
        ] {
            assert_eq!(in_pieces(&text), None, "{why}: {text}");
        }
    }
}
