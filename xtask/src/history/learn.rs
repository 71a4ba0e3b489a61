//! Takes the gates of a run into the history: which cases came, went and came back, and what did not pass. Knows no file.

use hashbrown::{HashMap, HashSet, HashTable};
use rusqlite::{OptionalExtension as _, Transaction, params};
use xxhash_rust::xxh3::xxh3_64;

use super::store::code_of;
use super::{Cause, GateLesson, IterationLesson, ResultLesson, bunch};

/// A gate while a run is taken in.
struct Gate<'t> {
    transaction: &'t Transaction<'t>,
    id: i64,
    /// Iterations so far.
    n: i64,
    inventory: String,
    cases: HashMap<String, i64>,
}

/// Takes one gate in.
pub(super) fn gate(transaction: &Transaction<'_>, run: i64, lesson: &GateLesson<'_>) -> rusqlite::Result<()> {
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
            self.count_cases(lesson)?;
            self.inventory.clone_from(&lesson.inventory);
        }
        self.find_cases(&lesson.results)?;
        for result in &lesson.results {
            self.result(result)?;
        }
        Ok(())
    }

    /// The cases are not those of the iteration before: who is new, who is gone, who is back. Those of which a result is told have rows.
    fn count_cases(&mut self, lesson: &IterationLesson<'_>) -> rusqlite::Result<()> {
        let (names, last) = (&lesson.names, self.n - 1);
        let mut known = self.compare(names, last)?;
        let mut insert = self.transaction.prepare_cached(bunch::ROW)?;
        // Results mostly have the order of the names: then nothing is looked up.
        let told = || lesson.results.iter().map(|result| result.case.as_str());
        let mut results = told().peekable();
        let mut with_results: Vec<usize> = (0..names.len()).filter(|place| results.next_if_eq(&names[*place]).is_some()).collect();
        if results.peek().is_some() {
            let told: HashSet<&str> = told().collect();
            with_results = (0..names.len()).filter(|place| told.contains(names[*place])).collect();
        }
        for place in with_results {
            if !std::mem::replace(&mut known[place], true) {
                insert.execute(params![self.id, names[place], last, None::<i64>])?;
            }
        }
        bunch::add(self.transaction, self.id, last, names.iter().zip(known).filter(|(_, known)| !known).map(|(name, _)| *name))
    }

    /// Which names the gate had before, by their places. Those of before that are not among them are gone.
    fn compare(&self, names: &[&str], last: i64) -> rusqlite::Result<Vec<bool>> {
        let find = "SELECT EXISTS (SELECT 1 FROM testcase WHERE gate = ?1) OR EXISTS (SELECT 1 FROM bunch WHERE gate = ?1)";
        if !self.transaction.query_row(find, [self.id], |row| row.get(0))? {
            return Ok(vec![false; names.len()]); // a million names are mostly told once, and then nothing is to be compared
        }
        let mut index: HashTable<u32> = HashTable::with_capacity(names.len());
        for (place, name) in names.iter().enumerate() {
            index.insert_unique(xxh3_64(name.as_bytes()), place as u32, |place| xxh3_64(names[*place as usize].as_bytes()));
        }
        let find = |name: &str| index.find(xxh3_64(name.as_bytes()), |place| names[*place as usize] == name).map(|place| *place as usize);
        let mut known = vec![false; names.len()];
        let (mut gone, mut back): (Vec<i64>, Vec<(i64, i64)>) = (Vec::new(), Vec::new());
        let mut statement = self.transaction.prepare_cached("SELECT name, id, until FROM testcase WHERE gate = ?1")?;
        let mut rows = statement.query([self.id])?;
        while let Some(row) = rows.next()? {
            let (id, until): (i64, Option<i64>) = (row.get(1)?, row.get(2)?);
            let here = find(row.get_ref(0)?.as_str()?);
            if let Some(place) = here {
                known[place] = true;
            }
            match (until, here) {
                (None, None) => gone.push(id),
                (Some(until), Some(_)) => back.push((id, until)),
                (None, Some(_)) | (Some(_), None) => {}
            }
        }
        for id in gone {
            self.transaction.prepare_cached("UPDATE testcase SET until = ?2 WHERE id = ?1")?.execute([id, last])?;
        }
        for (id, until) in back {
            self.transaction.prepare_cached("INSERT INTO absence (testcase, after, until) VALUES (?1, ?2, ?3)")?.execute([id, until, last])?;
            self.transaction.prepare_cached("UPDATE testcase SET until = NULL WHERE id = ?1")?.execute([id])?;
        }
        bunch::part(self.transaction, self.id, Some(last), &mut |name| {
            let here = find(name);
            if let Some(place) = here {
                known[place] = true;
            }
            here.is_none()
        })?;
        Ok(known)
    }

    /// Finds the rows of cases. One that has none yet gets it: from its bunch, or, if only a cut iteration knows it, from now on.
    fn find_cases(&mut self, results: &[ResultLesson]) -> rusqlite::Result<()> {
        let told = results.iter().map(|result| result.case.as_str()).filter(|name| !self.cases.contains_key(*name)).collect();
        let mut missing = self.look_up(told)?;
        if !missing.is_empty() {
            let wanted: HashSet<&str> = missing.iter().copied().collect();
            bunch::part(self.transaction, self.id, None, &mut |name| wanted.contains(name))?;
            missing = self.look_up(missing)?;
        }
        for name in missing {
            if !self.cases.contains_key(name) {
                self.transaction.prepare_cached(bunch::ROW)?.execute(params![self.id, name, self.n - 1, None::<i64>])?;
                self.cases.insert(name.to_owned(), self.transaction.last_insert_rowid());
            }
        }
        Ok(())
    }

    /// Gives those that have no row.
    fn look_up<'n>(&mut self, names: Vec<&'n str>) -> rusqlite::Result<Vec<&'n str>> {
        let mut find = self.transaction.prepare_cached("SELECT id FROM testcase WHERE gate = ?1 AND name = ?2")?;
        let mut missing = Vec::new();
        for name in names {
            match find.query_row(params![self.id, name], |row| row.get(0)).optional()? {
                Some(id) => {
                    self.cases.insert(name.to_owned(), id);
                }
                None => missing.push(name),
            }
        }
        Ok(missing)
    }

    fn result(&mut self, result: &ResultLesson) -> rusqlite::Result<()> {
        let case = self.cases.get(&result.case);
        let cause = result.cause.as_ref().map(|cause| self.cause(cause)).transpose()?;
        let insert = "INSERT OR REPLACE INTO result (testcase, n, outcome, attempts, cause) VALUES (?1, ?2, ?3, ?4, ?5)";
        self.transaction.prepare_cached(insert)?.execute(params![case, self.n, code_of(result.outcome), result.attempts, cause])?;
        Ok(())
    }

    fn cause(&self, cause: &Cause) -> rusqlite::Result<i64> {
        let print = cause.print.cast_signed();
        let insert = "INSERT OR IGNORE INTO cause (print, category, rule, message) VALUES (?1, ?2, ?3, ?4)";
        self.transaction.prepare_cached(insert)?.execute(params![print, cause.category.word(), cause.rule, cause.message])?;
        let find = "SELECT id FROM cause WHERE print = ?1 AND category = ?2";
        self.transaction.prepare_cached(find)?.query_row(params![print, cause.category.word()], |row| row.get(0))
    }
}
