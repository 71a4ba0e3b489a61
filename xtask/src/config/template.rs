//! Words of argv and env with placeholders: `{junit}`, `{backend.exe}`, `{{` for a brace. Knows which placeholders there are, not
//! their values.

use std::borrow::Cow;

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
    /// Which part of the gate's cases, from 1.
    ShardIndex,
    /// How many parts there are.
    ShardTotal,
    /// The gate's share of the slots.
    Cpus,
    /// This program.
    Xtask,
    /// The interpreter of a runtime.
    Exe(String),
    /// The folder of a needed gate, same iteration.
    GateOut(String),
    /// Number of sets of clones and services.
    Workers,
    /// A folder with the recorder of routes for pytest.
    Recorder,
    /// The free port of the service that the word belongs to.
    Port,
    /// The words of the step's test tool; a whole word that becomes several.
    ToolArgs,
    /// Something of a service or a database.
    Supply(String, Field),
}

/// As it stands in argv.
pub(super) const TOOL_ARGS: &str = "{tool.args}";

/// What a word may want of a service or a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Field {
    /// The URL of worker 1.
    Url,
    /// The URLs of all workers, with commas between.
    Urls,
    /// The port of worker 1.
    Port,
    /// The database's name.
    Name,
}

impl Field {
    /// As it stands after the dot.
    pub fn word(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Urls => "urls",
            Self::Port => "port",
            Self::Name => "name",
        }
    }

    /// What a service has.
    pub const OF_SERVICE: &'static [Self] = &[Self::Url, Self::Urls, Self::Port];
    /// What a database has.
    pub const OF_DATABASE: &'static [Self] = &[Self::Url, Self::Urls, Self::Name];
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
    ("workers", Placeholder::Workers),
    ("recorder", Placeholder::Recorder),
    ("shard.index", Placeholder::ShardIndex),
    ("shard.total", Placeholder::ShardTotal),
];

/// The fixed ones in words of a service, which belongs to no attempt.
const OF_SERVICE: &[(&str, Placeholder)] = &[("xtask", Placeholder::Xtask), ("port", Placeholder::Port)];

/// Ids that placeholders may name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Names<'a> {
    /// Runtime ids, for `.exe`.
    pub runtimes: &'a [&'a str],
    /// Gates in `needs`, for `.out`.
    pub needs: &'a [String],
    /// Service ids, for `.url`, `.urls` and `.port`.
    pub services: &'a [String],
    /// Database ids, for `.url`, `.urls` and `.name`.
    pub databases: &'a [String],
    /// Whose words they are.
    pub scope: Scope,
    /// They are the argv of a step that names its tool.
    pub tool: bool,
}

/// Whose words have placeholders: it decides which of the fixed ones there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// A gate's.
    #[default]
    Gate,
    /// A runtime's: its set-up and its environment belong to no attempt.
    Runtime,
    /// A service's.
    Service,
    /// A database's commands.
    Database,
}

impl Names<'_> {
    fn fixed(&self) -> &'static [(&'static str, Placeholder)] {
        match self.scope {
            Scope::Gate => FIXED,
            Scope::Runtime => &[],
            Scope::Service => OF_SERVICE,
            Scope::Database => &OF_SERVICE[..1],
        }
    }

    fn supply(&self, id: &str) -> Option<&'static [Field]> {
        let named = |ids: &[String]| ids.iter().any(|known| known == id);
        if named(self.services) {
            return Some(Field::OF_SERVICE);
        }
        named(self.databases).then_some(Field::OF_DATABASE)
    }

    fn known(&self) -> Vec<String> {
        let mut known: Vec<String> = self.fixed().iter().map(|(word, _)| (*word).to_owned()).collect();
        known.extend(self.runtimes.iter().map(|id| format!("{id}.exe")));
        known.extend(self.tool.then(|| "tool.args".to_owned()));
        known.extend(self.needs.iter().map(|id| format!("{id}.out")));
        for (ids, fields) in [(self.services, Field::OF_SERVICE), (self.databases, Field::OF_DATABASE)] {
            known.extend(ids.iter().flat_map(|id| fields.iter().map(move |field| format!("{id}.{}", field.word()))));
        }
        known
    }
}

impl Template {
    /// A word without placeholders.
    pub fn literal(text: &str) -> Self {
        Self(vec![Part::Text(text.to_owned())])
    }

    /// Reads a word. The error is the message and the hint of a problem.
    pub fn parse(text: &str, names: Names<'_>) -> Result<Self, (String, String)> {
        if text == TOOL_ARGS && names.tool {
            return Ok(Self(vec![Part::Place(Placeholder::ToolArgs)]));
        }
        if !text.contains('{') {
            return Ok(Self(vec![Part::Text(text.to_owned())]));
        }
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
    pub fn source(&self) -> Cow<'_, str> {
        if let [Part::Text(text)] = &self.0[..] {
            return Cow::Borrowed(text);
        }
        let shown = |place: &Placeholder| match place {
            Placeholder::Exe(runtime) => format!("{{{runtime}.exe}}"),
            Placeholder::GateOut(gate) => format!("{{{gate}.out}}"),
            Placeholder::Supply(id, field) => format!("{{{id}.{}}}", field.word()),
            Placeholder::ToolArgs => TOOL_ARGS.to_owned(),
            fixed => FIXED.iter().chain(OF_SERVICE).find(|(_, known)| known == fixed).map_or_else(String::new, |(word, _)| format!("{{{word}}}")),
        };
        Cow::Owned(self.fill(shown))
    }
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.')
}

fn lookup(word: &str, names: Names<'_>) -> Result<Placeholder, (String, String)> {
    if let Some((_, place)) = names.fixed().iter().find(|(known, _)| *known == word) {
        return Ok(place.clone());
    }
    if word == "tool.args" && names.tool {
        return Err((format!("`{TOOL_ARGS}` is a whole word of run"), format!("run = [\"pytest\", \"{TOOL_ARGS}\"]")));
    }
    if word == "tool.args" && names.scope == Scope::Gate {
        return Err((
            format!("`{TOOL_ARGS}` stands for nothing here"),
            "tool = \"pytest\" beside run; vitest, playwright and cargo-nextest are known too".to_owned(),
        ));
    }
    if let Some((id, name)) = word.split_once('.') {
        if name == "exe" && names.runtimes.contains(&id) {
            return Ok(Placeholder::Exe(id.to_owned()));
        }
        if name == "out" && names.needs.iter().any(|need| need == id) {
            return Ok(Placeholder::GateOut(id.to_owned()));
        }
        if let Some(field) = names.supply(id).and_then(|fields| fields.iter().find(|field| field.word() == name)) {
            return Ok(Placeholder::Supply(id.to_owned(), *field));
        }
    }
    let known = names.known();
    let hint = closest(word, known.iter().map(String::as_str))
        .map_or_else(|| format!("known here: {}; write {{{{ for a plain brace", known.join(", ")), |near| format!("did you mean `{{{near}}}`?"));
    Err((format!("unknown placeholder `{{{word}}}`"), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Template, (String, String)> {
        let (needs, services, databases) = (["build".to_owned()], ["api".to_owned()], ["app".to_owned()]);
        Template::parse(text, Names { runtimes: &["backend"], needs: &needs, services: &services, databases: &databases, scope: Scope::Gate, tool: false })
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
        let text = "--xml={junit}:{backend.exe}:{build.out}:{api.urls}:{app.name}:{workers}";
        let word = parse(text).expect("known");
        assert_eq!(word.fill(|_| "X".to_owned()), "--xml=X:X:X:X:X:X");
        assert_eq!(word.source(), text);
    }

    #[test]
    fn unknown_ones_name_their_neighbour() {
        assert_eq!(parse("{junti}").expect_err("unknown").1, "did you mean `{junit}`?");
        assert_eq!(parse("{shard.idnex}").expect_err("unknown").1, "did you mean `{shard.index}`?");
        assert!(parse("{tool.args}").expect_err("no tool").0.contains("stands for nothing here"));
        let tool = |text| Template::parse(text, Names { tool: true, ..Names::default() });
        assert_eq!(tool(TOOL_ARGS).expect("a whole word").source(), TOOL_ARGS);
        assert!(tool("a{tool.args}").expect_err("a part of a word").0.contains("is a whole word"));
        assert_eq!(parse("{app.port}").expect_err("a database has none").1, "did you mean `{api.port}`?");
        assert!(parse("{port}").is_err(), "only a service has a port of its own");
        assert!(parse("{frontend.exe}").is_err());
    }
}
