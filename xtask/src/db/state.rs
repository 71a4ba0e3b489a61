//! From what is in a database and what the scripts know to one state of a closed list, with the evidence and the next step. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Difference;
use super::alembic::Graph;
use super::look::{Look, Unasked};
use crate::text::plural;

/// The migration state of a database. The words are the same in the command, in JSON and in an application's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Migration {
    /// Nothing of an application in it.
    Empty,
    /// At the one head of the scripts, and its schema is what that revision makes.
    AtHead,
    /// At a revision before the head.
    Behind,
    /// At a revision after the one that is expected.
    Ahead,
    /// At a revision that the scripts do not know.
    UnknownRevision,
    /// More than one head, in the scripts or in the database.
    SeveralHeads,
    /// Tables or types, and no revision.
    PopulatedUnversioned,
    /// Its revision says one thing and its schema another.
    PartlyMigrated,
    /// Nobody answers.
    Unreachable,
    /// Somebody answers, and may not say.
    NoPermission,
}

impl Migration {
    /// The closed list with its sentences.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Empty, "nothing of an application in it"),
        (Self::AtHead, "at the one head of the scripts, with the schema that it makes"),
        (Self::Behind, "at a revision before the head"),
        (Self::Ahead, "at a revision after the expected one"),
        (Self::UnknownRevision, "at a revision that the scripts do not know"),
        (Self::SeveralHeads, "more than one head, in the scripts or in the database"),
        (Self::PopulatedUnversioned, "tables or types, and no revision"),
        (Self::PartlyMigrated, "the revision says one thing and the schema another"),
        (Self::Unreachable, "nobody answers"),
        (Self::NoPermission, "somebody answers, and may not say"),
    ];

    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::AtHead => "at-head",
            Self::Behind => "behind",
            Self::Ahead => "ahead",
            Self::UnknownRevision => "unknown-revision",
            Self::SeveralHeads => "several-heads",
            Self::PopulatedUnversioned => "populated-unversioned",
            Self::PartlyMigrated => "partly-migrated",
            Self::Unreachable => "unreachable",
            Self::NoPermission => "no-permission",
        }
    }

    /// It could be asked.
    pub fn is_asked(self) -> bool {
        !matches!(self, Self::Unreachable | Self::NoPermission)
    }
}

/// A state with what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// State.
    pub state: Migration,
    /// Revisions that the database says it has.
    pub revisions: Vec<String>,
    /// Heads of the scripts.
    pub heads: Vec<String>,
    /// Revisions between the database and the expected one, in the order in which they would run.
    pub pending: Vec<String>,
    /// What the state rests on, in whole words.
    pub evidence: Vec<String>,
    /// Revisions whose schema is nearest to the live one: revision, lines that differ.
    pub nearest: Vec<(String, usize)>,
    /// What to do next.
    pub next: String,
}

/// The live schema against the schemas that the revisions make.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// By revision; empty where nothing could be compared.
    pub by_revision: BTreeMap<String, Difference>,
    /// Why nothing could be compared.
    pub why_not: Option<String>,
}

impl Compared {
    /// Revisions from the nearest on.
    fn nearest(&self, graph: &Graph) -> Vec<(String, usize)> {
        let mut all: Vec<(usize, usize, String)> = graph
            .order
            .iter()
            .enumerate()
            .filter_map(|(place, revision)| Some((self.by_revision.get(&revision.id)?.len(), place, revision.id.clone())))
            .collect();
        all.sort();
        all.into_iter().take(3).map(|(lines, _, revision)| (revision, lines)).collect()
    }
}

/// The state of a database. `expected` is a revision, or none for the head.
pub fn classify(look: &Result<Look, Unasked>, graph: &Graph, expected: Option<&str>, compared: &Compared) -> Status {
    let mut status = Status {
        state: Migration::Unreachable,
        revisions: Vec::new(),
        heads: graph.heads.clone(),
        pending: Vec::new(),
        evidence: Vec::new(),
        nearest: Vec::new(),
        next: String::new(),
    };
    let look = match look {
        Ok(look) => look,
        Err(unasked) => {
            let (state, why, next) = match unasked {
                Unasked::Unreachable(why) => (Migration::Unreachable, why, "check host, port and the server's own log"),
                Unasked::NoPermission(why) => (Migration::NoPermission, why, "ask with a role that may read alembic_version and the catalog"),
            };
            status.evidence.push(why.clone());
            next.clone_into(&mut status.next);
            return Status { state, ..status };
        }
    };
    status.revisions.clone_from(&look.revisions);
    let unknown = look.revisions.iter().filter(|revision| graph.knows(revision) && !compared.by_revision.contains_key(*revision));
    let unknown: Vec<String> =
        unknown.filter(|_| compared.why_not.is_none()).map(|revision| format!("no schema of {revision} is known: its branch was not built alone")).collect();
    let (state, evidence, next) = state_of(look, graph, expected, compared, &mut status);
    status.evidence.splice(0..0, evidence);
    status.evidence.extend(unknown.into_iter().chain(compared.why_not.clone()).map(|why| format!("its schema was not compared: {why}")));
    Status { state, next, ..status }
}

type Found = (Migration, Vec<String>, String);

fn state_of(look: &Look, graph: &Graph, expected: Option<&str>, compared: &Compared, status: &mut Status) -> Found {
    if graph.heads.len() != 1 {
        let heads = graph.heads.join(", ");
        return (
            Migration::SeveralHeads,
            vec![format!("the scripts have {}: {heads}", plural(graph.heads.len() as u64, "head"))],
            "alembic merge heads".to_owned(),
        );
    }
    if let [schema] = look.elsewhere.as_slice() {
        let evidence = format!("alembic_version stands in schema {schema}, where the scripts do not look");
        return (Migration::PartlyMigrated, vec![evidence], "set search_path or version_table_schema".to_owned());
    }
    let populated = !look.tables.is_empty() || !look.types.is_empty();
    match look.revisions.as_slice() {
        [] if !populated => (Migration::Empty, vec!["no table, no type, no revision".to_owned()], "alembic upgrade head".to_owned()),
        [] => unversioned(look, graph, compared, status),
        [revision] => versioned(look, graph, revision, expected, compared, status),
        several => {
            let ancestor = several.iter().find(|one| several.iter().any(|other| other != *one && graph.is_ancestor(one, other)));
            let evidence = match ancestor {
                Some(ancestor) => format!("the database names {}, and {ancestor} comes before another of them", several.join(", ")),
                None => format!("the database names {}", several.join(", ")),
            };
            (Migration::SeveralHeads, vec![evidence], "find out which revision its schema has: the nearest ones are named; then alembic stamp".to_owned())
        }
    }
}

fn unversioned(look: &Look, graph: &Graph, compared: &Compared, status: &mut Status) -> Found {
    let named = [("table", &look.tables), ("type", &look.types)].into_iter().filter(|(_, names)| !names.is_empty());
    let mut evidence: Vec<String> = named.map(|(kind, names)| format!("{}: {}", plural(names.len() as u64, kind), listed(names))).collect();
    if look.has_version_table {
        evidence.push("alembic_version is there and holds no row".to_owned());
    }
    if !look.other_tools.is_empty() {
        evidence.push(format!("another tool's history is there: {}", look.other_tools.join(", ")));
    }
    status.nearest = compared.nearest(graph);
    (
        Migration::PopulatedUnversioned,
        evidence,
        "`xtask db bootstrap` finds the revision that its schema has, stamps it and upgrades; never stamp head unseen".to_owned(),
    )
}

fn versioned(look: &Look, graph: &Graph, revision: &str, expected: Option<&str>, compared: &Compared, status: &mut Status) -> Found {
    if !graph.knows(revision) {
        let evidence = vec![format!("revision {revision} is not in the scripts"), format!("their head is {}", graph.heads[0])];
        return (Migration::UnknownRevision, evidence, format!("find the code that has it: git log --all -S{revision}; never stamp over it"));
    }
    if let Some(found) = torn(look, graph, revision, compared, status) {
        return found;
    }
    let wanted = expected.unwrap_or(&graph.heads[0]);
    let at = format!("the database is at {revision}, expected is {wanted}");
    if revision == wanted {
        let state = if revision == graph.heads[0] { Migration::AtHead } else { Migration::Behind };
        status.pending = graph.between(revision, &graph.heads[0]);
        let next = if state == Migration::AtHead { String::new() } else { "alembic upgrade head, when its code is deployed".to_owned() };
        return (state, vec![at], next);
    }
    if graph.is_ancestor(revision, wanted) {
        status.pending = graph.between(revision, wanted);
        let evidence = vec![at, format!("{} pending: {}", plural(status.pending.len() as u64, "revision"), status.pending.join(", "))];
        return (Migration::Behind, evidence, format!("alembic upgrade {wanted}"));
    }
    (Migration::Ahead, vec![at], "deploy the code that belongs to the database's revision".to_owned())
}

/// A revision whose schema is not there as it should be.
fn torn(look: &Look, graph: &Graph, revision: &str, compared: &Compared, status: &mut Status) -> Option<Found> {
    let mut evidence = Vec::new();
    if look.tables.is_empty() && look.types.is_empty() {
        let wanted = compared.by_revision.get(revision).is_none_or(|difference| !difference.is_empty());
        evidence.extend(wanted.then(|| format!("stamped at {revision}, and there is no table and no type")));
    }
    if !look.invalid_indexes.is_empty() {
        evidence.push(format!("indexes that were not finished: {}", look.invalid_indexes.join(", ")));
    }
    if let Some(difference) = compared.by_revision.get(revision).filter(|difference| !difference.is_empty()) {
        evidence.push(format!("its schema differs from what {revision} makes in {}", plural(difference.len() as u64, "line")));
        evidence.extend(difference.missing.iter().take(10).map(|line| format!("missing: {line}")));
        evidence.extend(difference.extra.iter().take(10).map(|line| format!("extra: {line}")));
        status.nearest = compared.nearest(graph);
    }
    let next = "compare the lines above with the revision's script; mend the schema or restore, then ask again";
    (!evidence.is_empty()).then(|| (Migration::PartlyMigrated, evidence, next.to_owned()))
}

fn listed(names: &[String]) -> String {
    const MOST: usize = 12;
    let more = names.len().saturating_sub(MOST);
    let shown = names.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

#[cfg(test)]
mod tests;
