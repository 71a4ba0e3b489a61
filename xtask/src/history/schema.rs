//! The tables of history.sqlite, and the steps from one version of them to the next. Knows no meaning.

use rusqlite::Connection;

/// Steps in their order; the number of steps taken is the file's `user_version`. A step that was released is never edited.
const STEPS: &[&str] = &[
    // 1. A passing case leaves no row: its executions are those of its gate while it is there. Only what did not pass is written
    //    down, with numbers for everything that repeats.
    "CREATE TABLE run (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, wall TEXT NOT NULL, revision TEXT NOT NULL, code INTEGER NOT NULL);
     CREATE TABLE code (id INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE);
     CREATE TABLE gate (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, iterations INTEGER NOT NULL, inventory TEXT NOT NULL);
     CREATE TABLE iteration (gate INTEGER NOT NULL, n INTEGER NOT NULL, run INTEGER NOT NULL, number INTEGER NOT NULL, took INTEGER NOT NULL,
       whole INTEGER NOT NULL, PRIMARY KEY (gate, n)) WITHOUT ROWID;
     CREATE TABLE testcase (id INTEGER PRIMARY KEY, gate INTEGER NOT NULL, name TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER,
       UNIQUE (gate, name));
     CREATE TABLE absence (testcase INTEGER NOT NULL, after INTEGER NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (testcase, after)) WITHOUT ROWID;
     CREATE TABLE cause (id INTEGER PRIMARY KEY, print INTEGER NOT NULL, category TEXT NOT NULL, rule TEXT NOT NULL, message TEXT NOT NULL,
       UNIQUE (print, category));
     CREATE TABLE result (testcase INTEGER NOT NULL, n INTEGER NOT NULL, outcome INTEGER NOT NULL, attempts INTEGER NOT NULL, cause INTEGER,
       PRIMARY KEY (testcase, n)) WITHOUT ROWID;",
];

/// The version that this program writes.
pub(super) const VERSION: usize = STEPS.len();

/// The version of an open file.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<usize> {
    connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).map(|version| usize::try_from(version).unwrap_or(usize::MAX))
}

/// Takes the steps that a file has not taken yet, all or none.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Another process may have done it between our look and our turn.
    let done = version(&transaction)?;
    for step in STEPS.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    if done < VERSION {
        transaction.pragma_update(None, "user_version", VERSION as i64)?;
    }
    transaction.commit()
}
