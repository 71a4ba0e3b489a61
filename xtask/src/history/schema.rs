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
    // 2. Cases that came together and have done nothing but pass since are a bunch, their names packed (see `bunch`). A case is in a bunch or has
    //    a row in testcase, never both.
    "CREATE TABLE bunch (id INTEGER PRIMARY KEY, gate INTEGER NOT NULL, since INTEGER NOT NULL, names BLOB NOT NULL);
     CREATE INDEX bunch_gate ON bunch (gate);",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{GateLesson, IterationLesson, Lesson, Store};

    #[test]
    fn a_file_of_the_first_version_goes_on() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("history.sqlite");
        let connection = Connection::open(&file).expect("opened");
        connection.execute_batch(STEPS[0]).expect("made");
        let filled = "INSERT INTO run VALUES (1, 'run-1', '2026-01-01T00:00:00Z', 'c', 1); INSERT INTO code VALUES (1, 'code');
                      INSERT INTO gate VALUES (1, 'g', 'me', 1, 'two'); INSERT INTO iteration VALUES (1, 1, 1, 1, 5, 1);
                      INSERT INTO testcase VALUES (1, 1, 'stays', 0, NULL), (2, 1, 'goes', 0, NULL); PRAGMA user_version = 1;";
        connection.execute_batch(filled).expect("filled");
        drop(connection);
        let mut store = Store::open(&file).expect("opened");
        let told = |store: &Store| {
            let cases = store.tally().expect("a tally");
            cases.iter().map(|case| format!("{} {} {:?}", case.case, case.executions, case.standing.state)).collect::<Vec<_>>()
        };
        assert_eq!(told(&store), ["goes 1 New", "stays 1 New"]);
        let iteration = IterationLesson { number: 1, took: 5, whole: true, inventory: "three".to_owned(), names: vec!["stays", "comes"], results: Vec::new() };
        let gates = vec![GateLesson { gate: "g".to_owned(), owner: "me".to_owned(), iterations: vec![iteration] }];
        let wall = "2026-01-01T00:00:01Z".to_owned();
        store.learn(&Lesson { run: "run-2".to_owned(), wall, commit: "c".to_owned(), code: "code".to_owned(), gates }).expect("learned");
        assert_eq!(told(&store), ["goes 1 Missing", "comes 1 New", "stays 2 New"]);
    }
}
