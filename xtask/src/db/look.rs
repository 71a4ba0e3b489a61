//! What is in a database: one question to the catalog that changes nothing, and one to alembic_version. Knows no scripts.

use serde::Deserialize;

use crate::postgres::Outside;

const LOOK: &str = include_str!("look.sql");
/// The schema in which the scripts keep their revision.
const SCHEMA: &str = "public";
/// Nothing is changed, and nobody waits for us. The statements are one transaction, which the default would not reach.
const READ_ONLY: &str = "set transaction_read_only = on; set statement_timeout = '20s'; set lock_timeout = '5s';";

/// Why a database could not be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unasked {
    /// Nobody answers.
    Unreachable(String),
    /// Somebody answers, and may not say.
    NoPermission(String),
}

impl Unasked {
    /// Why, in whole words.
    pub fn why(&self) -> &str {
        match self {
            Self::Unreachable(why) | Self::NoPermission(why) => why,
        }
    }
}

/// What is in a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Its name.
    pub database: String,
    /// Version of the server.
    pub server: String,
    /// Rows of `alembic_version`.
    pub revisions: Vec<String>,
    /// There is such a table.
    pub has_version_table: bool,
    /// Other schemas that have such a table, where the right one has none.
    pub elsewhere: Vec<String>,
    /// Tables and views of the application.
    pub tables: Vec<String>,
    /// Enums and domains of the application.
    pub types: Vec<String>,
    /// Indexes that were not finished.
    pub invalid_indexes: Vec<String>,
    /// History tables of other tools.
    pub other_tools: Vec<String>,
}

#[derive(Deserialize)]
struct Answer {
    database: String,
    server: String,
    version_tables: Vec<VersionTable>,
    other_tools: Vec<String>,
    tables: Vec<String>,
    types: Vec<String>,
    invalid_indexes: Vec<String>,
}

#[derive(Deserialize)]
struct VersionTable {
    schema: String,
    readable: bool,
}

/// Asks a database.
pub fn look(outside: &Outside) -> Result<Look, Unasked> {
    let text = ask(outside, LOOK)?.concat();
    let answer: Answer = serde_json::from_str(&text).map_err(|cause| Unasked::Unreachable(format!("the catalog answers with something else: {cause}")))?;
    let (own, others): (Vec<VersionTable>, Vec<VersionTable>) = answer.version_tables.into_iter().partition(|table| table.schema == SCHEMA);
    let own = own.first();
    if own.is_some_and(|table| !table.readable) {
        return Err(Unasked::NoPermission(format!("{}: the role may not read {SCHEMA}.alembic_version", answer.database)));
    }
    let revisions = match own {
        Some(_) => ask(outside, &format!("select version_num from {SCHEMA}.alembic_version order by 1"))?,
        None => Vec::new(),
    };
    let elsewhere = if own.is_some() { Vec::new() } else { others.into_iter().map(|table| table.schema).collect() };
    Ok(Look {
        database: answer.database,
        server: answer.server,
        revisions,
        has_version_table: own.is_some(),
        elsewhere,
        tables: answer.tables,
        types: answer.types,
        invalid_indexes: answer.invalid_indexes,
        other_tools: answer.other_tools,
    })
}

/// The lines of its schema.
pub fn fingerprint(outside: &Outside) -> Result<Vec<String>, Unasked> {
    ask(outside, super::FINGERPRINT)
}

/// Lines of an answer. The client cuts lines at a sign that may stand in them.
fn ask(outside: &Outside, question: &str) -> Result<Vec<String>, Unasked> {
    let rows = outside.sql(None, &format!("{READ_ONLY} {question}")).map_err(unasked)?;
    Ok(rows.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join("|")).collect())
}

fn unasked(why: String) -> Unasked {
    let refused = ["permission denied", "password authentication failed", "no pg_hba.conf entry", "no password supplied", "is not permitted to log in"];
    if refused.iter().any(|words| why.contains(words)) { Unasked::NoPermission(why) } else { Unasked::Unreachable(why) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_refuses_is_told_from_no_server() {
        let refused = |why: &str| matches!(unasked(why.to_owned()), Unasked::NoPermission(_));
        assert!(refused("psql at h: FATAL: password authentication failed for user \"x\""));
        assert!(refused("ERROR:  permission denied for table alembic_version"));
        assert!(!refused("connection to server at \"127.0.0.1\", port 1 failed: Connection refused"));
        assert!(!refused("FATAL:  database \"gone\" does not exist"));
    }
}
