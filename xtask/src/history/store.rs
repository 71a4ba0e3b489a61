//! history.sqlite: opens it, takes runs in. One transaction a run, so that a kill, a full disk or a second writer leaves whole runs
//! only. Knows SQLite, no run folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior, params};

use super::{Lesson, learn, schema};
use crate::model::Outcome;

/// How long a writer waits for another one.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why the history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A newer version of this program wrote it.
    #[error("{file} has version {found}, and this program knows {known}\n  hint: use the newer xtask; nothing was changed", file = .file.display(), known = schema::VERSION)]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: usize,
    },
    /// It is no database, or a damaged one.
    #[error("{file} is damaged: {cause}\n  hint: move it away; it is made again from the runs here", file = .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What SQLite says.
        cause: String,
    },
    /// SQLite could not do something.
    #[error("{file}: {cause}", file = .file.display())]
    Failed {
        /// The file.
        file: PathBuf,
        /// What SQLite says.
        cause: rusqlite::Error,
    },
}

/// The open history of a repository.
#[derive(Debug)]
pub struct Store {
    pub(super) connection: Connection,
    file: PathBuf,
}

impl Store {
    /// Opens the history, and makes it where there is none.
    pub fn open(file: &Path) -> Result<Self, Fault> {
        let failed = |cause| fault(file, cause);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|cause| Fault::Damaged { file: file.to_owned(), cause: cause.to_string() })?;
        }
        let mut connection = Connection::open(file).map_err(failed)?;
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        let found = schema::version(&connection).map_err(failed)?;
        if found > schema::VERSION {
            return Err(Fault::Newer { file: file.to_owned(), found });
        }
        patiently(|| prepare(&mut connection, found)).map_err(failed)?;
        Ok(Self { connection, file: file.to_owned() })
    }

    /// Moves a damaged file aside, so that a new one can be made; says where it is now.
    pub fn set_aside(file: &Path) -> std::io::Result<PathBuf> {
        let mut number = 1;
        let aside = loop {
            let candidate = file.with_extension(format!("damaged-{number}"));
            if !candidate.exists() {
                break candidate;
            }
            number += 1;
        };
        std::fs::rename(file, &aside)?;
        for end in ["-wal", "-shm"] {
            std::fs::remove_file(format!("{}{end}", file.display())).ok();
        }
        Ok(aside)
    }

    /// What SQLite says, with the file.
    pub(super) fn fault(&self, cause: rusqlite::Error) -> Fault {
        fault(&self.file, cause)
    }

    /// Names of the runs that it holds.
    pub fn runs(&self) -> Result<BTreeSet<String>, Fault> {
        let read = || {
            let mut statement = self.connection.prepare("SELECT name FROM run")?;
            statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<BTreeSet<String>>>()
        };
        read().map_err(|cause| self.fault(cause))
    }

    /// Median milliseconds of the newest whole iterations by gate.
    pub fn durations(&self) -> Result<BTreeMap<String, u64>, Fault> {
        let read = || {
            let text = "SELECT name, took FROM (SELECT gate.name AS name, iteration.took AS took, row_number() OVER (PARTITION BY gate.id ORDER BY iteration.n DESC) AS age
                        FROM iteration JOIN gate ON gate.id = iteration.gate WHERE iteration.whole) WHERE age <= 10 ORDER BY name, took";
            let mut statement = self.connection.prepare(text)?;
            let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
            let mut samples: BTreeMap<String, Vec<u64>> = BTreeMap::new();
            for row in rows {
                let (gate, took) = row?;
                samples.entry(gate).or_default().push(took.unsigned_abs());
            }
            Ok(samples.into_iter().filter_map(|(gate, sorted)| Some((gate, *sorted.get(sorted.len() / 2)?))).collect())
        };
        read().map_err(|cause| self.fault(cause))
    }

    /// Takes a run in; false when it was there already.
    pub fn learn(&mut self, lesson: &Lesson<'_>) -> Result<bool, Fault> {
        let file = self.file.clone();
        self.learn_in(lesson).map_err(|cause| fault(&file, cause))
    }

    fn learn_in(&mut self, lesson: &Lesson<'_>) -> rusqlite::Result<bool> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute("INSERT OR IGNORE INTO code (word) VALUES (?1)", [&lesson.code])?;
        let code: i64 = transaction.query_row("SELECT id FROM code WHERE word = ?1", [&lesson.code], |row| row.get(0))?;
        let known = "INSERT OR IGNORE INTO run (name, wall, revision, code) VALUES (?1, ?2, ?3, ?4)";
        if transaction.execute(known, params![lesson.run, lesson.wall, lesson.commit, code])? == 0 {
            return Ok(false);
        }
        let run = transaction.last_insert_rowid();
        for gate in &lesson.gates {
            learn::gate(&transaction, run, gate)?;
        }
        transaction.commit()?;
        Ok(true)
    }
}

/// Makes a file ready for readers beside a writer, and brings its tables up to date.
fn prepare(connection: &mut Connection, found: usize) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    if found < schema::VERSION {
        schema::migrate(connection)?;
    }
    Ok(())
}

/// Tries again while somebody else holds the file. SQLite's own busy timeout is not asked where a reader wants to become a writer, as a
/// change of the journal mode does: there SQLite says busy at once.
fn patiently<T>(mut step: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        match step() {
            Err(cause) if cause.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) && Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

fn fault(file: &Path, cause: rusqlite::Error) -> Fault {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    if let rusqlite::Error::FromSqlConversionFailure(_, _, cause) = &cause {
        return Fault::Damaged { file: file.to_owned(), cause: cause.to_string() };
    }
    match cause.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => Fault::Damaged { file: file.to_owned(), cause: cause.to_string() },
        _ => Fault::Failed { file: file.to_owned(), cause },
    }
}

/// Outcomes as numbers in the file.
const OUTCOMES: [Outcome; 5] = [Outcome::Passed, Outcome::Skipped, Outcome::NotRun, Outcome::Failed, Outcome::Error];

pub(super) fn code_of(outcome: Outcome) -> i64 {
    OUTCOMES.iter().position(|known| *known == outcome).unwrap_or(OUTCOMES.len()) as i64
}

pub(super) fn outcome_of(code: i64) -> Outcome {
    usize::try_from(code).ok().and_then(|code| OUTCOMES.get(code).copied()).unwrap_or(Outcome::Error)
}
