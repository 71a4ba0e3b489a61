//! Words of argv and env with placeholders: `{junit}`, `{backend.exe}`, `{{` for a brace. Knows which placeholders there are, not
//! their values.

use serde::{Deserialize, Serialize};

use crate::text::closest;

/// One placeholder of the closed list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Placeholder {
    /// A new report file of this step.
    Junit,
    /// The folder of this attempt.
    Out,
    /// The iteration, from 1.
    Iteration,
    /// The attempt, from 1.
    Attempt,
    /// The gate's share of the slots.
    Cpus,
    /// This program.
    Xtask,
    /// The interpreter of a runtime.
    Exe(String),
    /// The folder of a needed gate, same iteration.
    GateOut(String),
}

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// As written.
    Text(String),
    /// To be filled in.
    Place(Placeholder),
}

/// A word with placeholders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template(pub Vec<Part>);

const FIXED: &[(&str, Placeholder)] = &[
    ("junit", Placeholder::Junit),
    ("out", Placeholder::Out),
    ("iteration", Placeholder::Iteration),
    ("attempt", Placeholder::Attempt),
    ("cpus", Placeholder::Cpus),
    ("xtask", Placeholder::Xtask),
];

/// Placeholders of the format that this version does not fill in.
const NOT_YET: &[&str] = &["workers", "shard.index", "shard.total", "port", "tool.args"];

/// Ids that placeholders may name.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// Runtime ids, for `.exe`.
    pub runtimes: &'a [&'a str],
    /// Gates in `needs`, for `.out`.
    pub needs: &'a [String],
}

impl Template {
    /// A word without placeholders.
    pub fn literal(text: &str) -> Self {
        Self(vec![Part::Text(text.to_owned())])
    }

    /// Reads a word. The error is the message and the hint of a problem.
    pub fn parse(text: &str, names: Names<'_>) -> Result<Self, (String, String)> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            literal.push_str(&rest[..open]);
            rest = &rest[open + 1..];
            if let Some(after) = rest.strip_prefix('{') {
                literal.push('{');
                rest = after;
                continue;
            }
            let Some(word) = rest.find('}').map(|close| &rest[..close]).filter(|word| is_word(word)) else {
                literal.push('{');
                continue;
            };
            rest = &rest[word.len() + 1..];
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(Part::Place(lookup(word, names)?));
        }
        literal.push_str(rest);
        if !literal.is_empty() || parts.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self(parts))
    }

    /// The placeholders of the word.
    pub fn places(&self) -> impl Iterator<Item = &Placeholder> {
        self.0.iter().filter_map(|part| match part {
            Part::Place(place) => Some(place),
            Part::Text(_) => None,
        })
    }

    /// The word with every placeholder filled in.
    pub fn fill(&self, value: impl Fn(&Placeholder) -> String) -> String {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Place(place) => value(place),
            })
            .collect()
    }

    /// The word as it stood in the file.
    pub fn source(&self) -> String {
        let shown = |place: &Placeholder| match place {
            Placeholder::Exe(runtime) => format!("{{{runtime}.exe}}"),
            Placeholder::GateOut(gate) => format!("{{{gate}.out}}"),
            fixed => FIXED.iter().find(|(_, known)| known == fixed).map_or_else(String::new, |(word, _)| format!("{{{word}}}")),
        };
        self.fill(shown)
    }
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.')
}

fn lookup(word: &str, names: Names<'_>) -> Result<Placeholder, (String, String)> {
    if let Some((_, place)) = FIXED.iter().find(|(known, _)| *known == word) {
        return Ok(place.clone());
    }
    if NOT_YET.contains(&word) {
        return Err((format!("placeholder `{{{word}}}` is not supported yet"), "remove it: this version would not fill it in".to_owned()));
    }
    if let Some((id, field)) = word.split_once('.') {
        if field == "exe" && names.runtimes.contains(&id) {
            return Ok(Placeholder::Exe(id.to_owned()));
        }
        if field == "out" && names.needs.iter().any(|need| need == id) {
            return Ok(Placeholder::GateOut(id.to_owned()));
        }
        if ["url", "urls", "name", "port"].contains(&field) {
            return Err((format!("placeholder `{{{word}}}` is not supported yet"), "services and databases come with a later version".to_owned()));
        }
    }
    let mut known: Vec<String> = FIXED.iter().map(|(word, _)| (*word).to_owned()).collect();
    known.extend(names.runtimes.iter().map(|id| format!("{id}.exe")));
    known.extend(names.needs.iter().map(|id| format!("{id}.out")));
    let hint = closest(word, known.iter().map(String::as_str))
        .map_or_else(|| format!("known here: {}; write {{{{ for a plain brace", known.join(", ")), |near| format!("did you mean `{{{near}}}`?"));
    Err((format!("unknown placeholder `{{{word}}}`"), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Template, (String, String)> {
        Template::parse(text, Names { runtimes: &["backend"], needs: &["build".to_owned()] })
    }

    #[test]
    fn braces_that_are_no_placeholders_stay() {
        for text in ["{\"a\": 1}", "{}", "a{", "{A}", "${x y}"] {
            assert_eq!(parse(text).expect("literal").fill(|_| "?".to_owned()), text);
        }
        assert_eq!(parse("{{junit}").expect("escaped").fill(|_| "?".to_owned()), "{junit}");
    }

    #[test]
    fn known_placeholders_are_filled() {
        let word = parse("--xml={junit}:{backend.exe}:{build.out}").expect("known");
        assert_eq!(word.fill(|_| "X".to_owned()), "--xml=X:X:X");
        assert_eq!(word.source(), "--xml={junit}:{backend.exe}:{build.out}");
    }

    #[test]
    fn unknown_ones_name_their_neighbour() {
        assert_eq!(parse("{junti}").expect_err("unknown").1, "did you mean `{junit}`?");
        assert!(parse("{api.url}").expect_err("later").0.contains("not supported yet"));
        assert!(parse("{frontend.exe}").is_err());
    }
}
