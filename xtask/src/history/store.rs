//! history.sqlite: opens it, takes runs in. One transaction a run, so that a kill, a full disk or a second writer leaves whole runs
//! only. Knows SQLite, no run folder.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::{Cause, GateLesson, IterationLesson, Lesson, ResultLesson, schema};
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
    #[error("{file} is damaged: {cause}", file = .file.display())]
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
            learn_gate(&transaction, run, gate)?;
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
    match cause.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => Fault::Damaged { file: file.to_owned(), cause: cause.to_string() },
        _ => Fault::Failed { file: file.to_owned(), cause },
    }
}

/// A gate while a run is taken in.
struct Gate<'t> {
    transaction: &'t Transaction<'t>,
    id: i64,
    /// Iterations so far.
    n: i64,
    inventory: String,
    cases: HashMap<String, i64>,
}

fn learn_gate(transaction: &Transaction<'_>, run: i64, lesson: &GateLesson<'_>) -> rusqlite::Result<()> {
    transaction.execute(
        "INSERT INTO gate (name, owner, iterations, inventory) VALUES (?1, ?2, 0, '') ON CONFLICT (name) DO UPDATE SET owner = ?2",
        [&lesson.gate, &lesson.owner],
    )?;
    let (id, n, inventory) = transaction
        .query_row("SELECT id, iterations, inventory FROM gate WHERE name = ?1", [&lesson.gate], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let mut gate = Gate { transaction, id, n, inventory, cases: HashMap::new() };
    for iteration in &lesson.iterations {
        gate.learn(run, iteration)?;
    }
    let (n, inventory) = (gate.n, gate.inventory);
    transaction.execute("UPDATE gate SET iterations = ?2, inventory = ?3 WHERE id = ?1", params![id, n, inventory])?;
    Ok(())
}

impl Gate<'_> {
    fn learn(&mut self, run: i64, lesson: &IterationLesson<'_>) -> rusqlite::Result<()> {
        self.n += 1;
        let insert = "INSERT INTO iteration (gate, n, run, number, took, whole) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        self.transaction.prepare_cached(insert)?.execute(params![self.id, self.n, run, lesson.number, lesson.took as i64, lesson.whole])?;
        if lesson.whole && lesson.inventory != self.inventory {
            self.count_cases(&lesson.names)?;
            self.inventory.clone_from(&lesson.inventory);
        }
        for result in &lesson.results {
            self.result(result)?;
        }
        Ok(())
    }

    /// The cases are not those of the iteration before: who is new, who is gone, who is back. Both lists are walked side by side in the
    /// order of their names, as a million names twice would fill the memory.
    fn count_cases(&mut self, names: &[&str]) -> rusqlite::Result<()> {
        let mut order: Vec<u32> = (0..names.len() as u32).collect();
        order.sort_unstable_by(|one, other| names[*one as usize].cmp(names[*other as usize]));
        order.dedup_by(|one, other| names[*one as usize] == names[*other as usize]);
        // Those that are new are moved to the front, over those that were looked at.
        let (mut looked, mut fresh, mut gone, mut back): (usize, usize, Vec<i64>, Vec<(i64, i64)>) = (0, 0, Vec::new(), Vec::new());
        let mut statement = self.transaction.prepare_cached("SELECT name, id, until FROM testcase WHERE gate = ?1 ORDER BY name")?;
        let mut rows = statement.query([self.id])?;
        while let Some(row) = rows.next()? {
            let name = row.get_ref(0)?.as_str()?;
            while order.get(looked).is_some_and(|place| names[*place as usize] < name) {
                order[fresh] = order[looked];
                (looked, fresh) = (looked + 1, fresh + 1);
            }
            let (id, until): (i64, Option<i64>) = (row.get(1)?, row.get(2)?);
            let here = order.get(looked).is_some_and(|place| names[*place as usize] == name);
            looked += usize::from(here);
            match (until, here) {
                (None, false) => gone.push(id),
                (Some(until), true) => back.push((id, until)),
                (None, true) | (Some(_), false) => {}
            }
        }
        order.drain(fresh..looked);
        let last = self.n - 1;
        for id in gone {
            self.transaction.prepare_cached("UPDATE testcase SET until = ?2 WHERE id = ?1")?.execute([id, last])?;
        }
        for (id, until) in back {
            self.transaction.prepare_cached("INSERT INTO absence (testcase, after, until) VALUES (?1, ?2, ?3)")?.execute([id, until, last])?;
            self.transaction.prepare_cached("UPDATE testcase SET until = NULL WHERE id = ?1")?.execute([id])?;
        }
        let mut insert = self.transaction.prepare_cached("INSERT INTO testcase (gate, name, since) VALUES (?1, ?2, ?3)")?;
        for place in order {
            insert.execute(params![self.id, names[place as usize], last])?;
        }
        Ok(())
    }

    fn result(&mut self, result: &ResultLesson) -> rusqlite::Result<()> {
        let case = self.case(&result.case)?;
        let cause = result.cause.as_ref().map(|cause| self.cause(cause)).transpose()?;
        let insert = "INSERT OR REPLACE INTO result (testcase, n, outcome, attempts, cause) VALUES (?1, ?2, ?3, ?4, ?5)";
        self.transaction.prepare_cached(insert)?.execute(params![case, self.n, code_of(result.outcome), result.attempts, cause])?;
        Ok(())
    }

    /// A case that only a cut iteration knows is there from now on.
    fn case(&mut self, name: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.cases.get(name) {
            return Ok(*id);
        }
        let find = "SELECT id FROM testcase WHERE gate = ?1 AND name = ?2";
        let found: Option<i64> = self.transaction.prepare_cached(find)?.query_row(params![self.id, name], |row| row.get(0)).optional()?;
        let id = if let Some(id) = found {
            id
        } else {
            self.transaction.execute("INSERT INTO testcase (gate, name, since) VALUES (?1, ?2, ?3)", params![self.id, name, self.n - 1])?;
            self.transaction.last_insert_rowid()
        };
        self.cases.insert(name.to_owned(), id);
        Ok(id)
    }

    fn cause(&self, cause: &Cause) -> rusqlite::Result<i64> {
        let print = cause.print.cast_signed();
        let insert = "INSERT OR IGNORE INTO cause (print, category, rule, message) VALUES (?1, ?2, ?3, ?4)";
        self.transaction.prepare_cached(insert)?.execute(params![print, cause.category.word(), cause.rule, cause.message])?;
        let find = "SELECT id FROM cause WHERE print = ?1 AND category = ?2";
        self.transaction.prepare_cached(find)?.query_row(params![print, cause.category.word()], |row| row.get(0))
    }
}

/// Outcomes as numbers in the file.
const OUTCOMES: [Outcome; 5] = [Outcome::Passed, Outcome::Skipped, Outcome::NotRun, Outcome::Failed, Outcome::Error];

fn code_of(outcome: Outcome) -> i64 {
    OUTCOMES.iter().position(|known| *known == outcome).unwrap_or(OUTCOMES.len()) as i64
}

pub(super) fn outcome_of(code: i64) -> Outcome {
    usize::try_from(code).ok().and_then(|code| OUTCOMES.get(code).copied()).unwrap_or(Outcome::Error)
}
