//! What the scripts of an Alembic application know: revisions, heads, and how they follow each other. Asks the application's own
//! interpreter; a connection is not needed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::process::{probe, spawn::Spec};

/// Longest time of one question to the interpreter; an upgrade to one revision among them.
const LIMIT: Duration = Duration::from_mins(5);

const GRAPH: &str = r"
import json, sys
from alembic.config import Config
from alembic.script import ScriptDirectory
script = ScriptDirectory.from_config(Config(sys.argv[1]))
order = []
for one in script.walk_revisions('base', 'heads'):
    down = one.down_revision
    down = [] if down is None else [down] if isinstance(down, str) else list(down)
    order.append({'id': one.revision, 'down': down, 'path': one.path})
order.reverse()
print(json.dumps({'heads': sorted(script.get_heads()), 'order': order}))
";

/// The tables that the models say, made in the database of the application's own environment.
const CREATE: &str = r"
import sys
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
config = Config(sys.argv[1])
script = ScriptDirectory.from_config(config)
def create(revision, context):
    metadata = context.opts['target_metadata']
    for one in metadata if isinstance(metadata, (list, tuple)) else [metadata]:
        with context.connection.engine.begin() as own:
            one.create_all(own)
    return []
with EnvironmentContext(config, script, fn=create, destination_rev='head', dont_mutate=True):
    script.run_env()
";

/// A revision.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Revision {
    /// Id.
    pub id: String,
    /// Revisions that it builds on.
    pub down: Vec<String>,
    /// Its script.
    #[serde(default)]
    pub path: PathBuf,
}

/// The scripts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Graph {
    /// Heads, sorted.
    pub heads: Vec<String>,
    /// All revisions, each after those that it builds on.
    pub order: Vec<Revision>,
}

impl Graph {
    /// The scripts have it.
    pub fn knows(&self, revision: &str) -> bool {
        self.order.iter().any(|known| known.id == revision)
    }

    fn ancestors(&self, revision: &str) -> BTreeSet<&str> {
        let down: BTreeMap<&str, &[String]> = self.order.iter().map(|known| (known.id.as_str(), known.down.as_slice())).collect();
        let mut found = BTreeSet::new();
        let mut open: Vec<&str> = down.get(revision).into_iter().flat_map(|down| down.iter().map(String::as_str)).collect();
        while let Some(next) = open.pop() {
            if found.insert(next) {
                open.extend(down.get(next).into_iter().flat_map(|down| down.iter().map(String::as_str)));
            }
        }
        found
    }

    /// One comes before another.
    pub fn is_ancestor(&self, one: &str, other: &str) -> bool {
        self.ancestors(other).contains(one)
    }

    /// Revisions after one and up to another, in the order in which they run.
    pub fn between(&self, after: &str, until: &str) -> Vec<String> {
        let (mut wanted, done) = (self.ancestors(until), self.ancestors(after));
        wanted.insert(until);
        let open = |revision: &&Revision| wanted.contains(revision.id.as_str()) && !done.contains(revision.id.as_str()) && revision.id != after;
        self.order.iter().filter(open).map(|revision| revision.id.clone()).collect()
    }
}

/// The application's interpreter, with the environment in which it runs Alembic.
#[derive(Clone, Debug)]
pub struct Alembic {
    /// Interpreter.
    pub python: PathBuf,
    /// Environment, without an address.
    pub env: BTreeMap<String, String>,
    /// Folder.
    pub cwd: PathBuf,
    /// alembic.ini.
    pub ini: PathBuf,
    /// Variable that holds the address.
    pub url_env: String,
}

impl Alembic {
    fn python(&self, args: Vec<String>, url: Option<&str>) -> Result<String, String> {
        let mut env = self.env.clone();
        env.extend(url.map(|url| (self.url_env.clone(), url.to_owned())));
        let spec = Spec { exe: self.python.clone(), args, env, cwd: self.cwd.clone(), user: None };
        probe::outcome(&spec, LIMIT).map_err(|why| said(&why).to_owned())
    }

    /// Revisions and heads.
    pub fn graph(&self) -> Result<Graph, String> {
        let text = self.python(vec!["-c".to_owned(), GRAPH.to_owned(), self.ini.display().to_string()], None);
        let text = text.map_err(|why| format!("{}: {why}", self.ini.display()))?;
        let line = text.lines().last().unwrap_or_default();
        serde_json::from_str(line).map_err(|cause| format!("{}: the scripts answer with something else: {cause}", self.ini.display()))
    }

    /// Brings a database to a revision.
    pub fn upgrade(&self, revision: &str, url: &str) -> Result<(), String> {
        let words = ["-m", "alembic", "-c", &self.ini.display().to_string(), "upgrade", revision].map(str::to_owned).to_vec();
        self.python(words, Some(url)).map(|_| ()).map_err(|why| format!("alembic upgrade {revision}: {why}"))
    }

    /// Writes a revision without running anything.
    pub fn stamp(&self, revision: &str, url: &str) -> Result<(), String> {
        let words = ["-m", "alembic", "-c", &self.ini.display().to_string(), "stamp", revision].map(str::to_owned).to_vec();
        self.python(words, Some(url)).map(|_| ()).map_err(|why| format!("alembic stamp {revision}: {why}"))
    }

    /// Makes what the models say in an empty database.
    pub fn create_all(&self, url: &str) -> Result<(), String> {
        let words = vec!["-c".to_owned(), CREATE.to_owned(), self.ini.display().to_string()];
        self.python(words, Some(url)).map(|_| ()).map_err(|why| format!("the models could not be made: {why}"))
    }
}

/// The line of a trace that says what went wrong: the last one that begins with an exception, for notes may follow it.
fn said(trace: &str) -> &str {
    let names = |line: &&str| !line.starts_with(' ') && line.split_once(':').is_some_and(|(name, _)| name.ends_with("Error") || name.ends_with("Exception"));
    trace.lines().rev().find(names).or_else(|| trace.lines().last()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_cut_to_what_it_says() {
        let trace = "Traceback:\n  File x\nsqlalchemy.exc.DataError: division by zero\n[SQL: SELECT 1/0]\n(Background on this error at: x)";
        assert_eq!(said(trace), "sqlalchemy.exc.DataError: division by zero");
        assert_eq!(said("FAILED: No such revision 'x'"), "FAILED: No such revision 'x'");
    }

    #[test]
    fn what_follows_what() {
        let revision = |id: &str, down: &[&str]| Revision { id: id.to_owned(), down: down.iter().map(|id| (*id).to_owned()).collect(), path: PathBuf::new() };
        let order = vec![revision("1", &[]), revision("2", &["1"]), revision("3a", &["2"]), revision("3b", &["2"]), revision("4", &["3a", "3b"])];
        let graph = Graph { heads: vec!["4".to_owned()], order };
        assert!(graph.is_ancestor("1", "4") && graph.is_ancestor("3b", "4") && !graph.is_ancestor("3a", "3b") && !graph.is_ancestor("4", "4"));
        assert_eq!(graph.between("2", "4"), ["3a", "3b", "4"]);
        assert_eq!(graph.between("3a", "4"), ["3b", "4"]);
        assert!(graph.between("4", "4").is_empty());
    }
}
