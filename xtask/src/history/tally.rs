//! What all runs together say of each case: executions, failures, bound, state, causes. Reads the store, folds in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::Connection;

use super::bunch;
use super::presence::Presence;
use super::store::{Fault, Store, outcome_of};
use crate::flake::{self, Execution, NEW, Standing, State};
use crate::model::Outcome;

/// One case over all runs.
#[derive(Clone, Debug)]
pub struct CaseHistory {
    /// Gate.
    pub gate: String,
    /// Owner of the gate in the newest run.
    pub owner: String,
    /// Printed name; the gate's id for what no case of a report stands for.
    pub case: String,
    /// State, streak, trend.
    pub standing: Standing,
    /// Times that it came to a result.
    pub executions: u32,
    /// Times that it was red, or passed only after a failed attempt.
    pub red: u32,
    /// Upper bound on its failure rate; holds at any time of looking.
    pub upper95: f64,
    /// Kind of most of its failures.
    pub category: String,
    /// Fingerprint of its newest failure.
    pub print: Option<u64>,
    /// Number of the cause that it shares with others, from 1.
    pub cause: Option<usize>,
    /// Wall time of its first and last execution.
    pub first: String,
    /// Wall time of its last one.
    pub last: String,
    /// Its failures, the newest last.
    pub reds: Vec<RedResult>,
}

/// One failure of a case.
#[derive(Clone, Debug)]
pub struct RedResult {
    /// Run id.
    pub run: String,
    /// Wall time of the run.
    pub wall: String,
    /// Iteration in it.
    pub iteration: u32,
    /// Outcome.
    pub outcome: Outcome,
    /// Kind.
    pub category: String,
    /// Rule that said so.
    pub rule: String,
    /// First line of the message, as this cause said it first.
    pub message: String,
}

struct Iteration {
    n: i64,
    run: String,
    wall: String,
    number: u32,
    code: u32,
    whole: bool,
}

#[derive(Clone)]
struct Cause {
    print: u64,
    category: String,
    rule: String,
    message: String,
}

struct Row {
    n: i64,
    outcome: Outcome,
    attempts: u32,
    cause: Option<i64>,
}

impl Row {
    fn is_red(&self) -> bool {
        self.outcome.is_red() || self.attempts > 0
    }
}

struct Case {
    /// Its row; none for a case of a bunch.
    id: Option<i64>,
    name: String,
    presence: Presence,
}

impl Store {
    /// Every case of every gate, the worst first.
    pub fn tally(&self) -> Result<Vec<CaseHistory>, Fault> {
        self.tally_in().map_err(|cause| self.fault(cause))
    }

    fn tally_in(&self) -> rusqlite::Result<Vec<CaseHistory>> {
        let causes = causes(&self.connection)?;
        let mut gates = self.connection.prepare("SELECT id, name, owner FROM gate ORDER BY name")?;
        let gates: Vec<(i64, String, String)> = gates.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
        let mut all = Vec::new();
        for (id, gate, owner) in gates {
            let view = View::load(&self.connection, id)?;
            let cases = view.cases.iter().map(|case| view.history(case, &gate, &owner, &causes));
            all.extend(cases.filter(|case| case.executions > 0 || case.red > 0));
        }
        group(&mut all);
        all.sort_by(|one, other| (one.standing.state, other.red, &one.gate, &one.case).cmp(&(other.standing.state, one.red, &other.gate, &other.case)));
        Ok(all)
    }
}

/// Cases of one cause get one number.
fn group(all: &mut [CaseHistory]) {
    let mut runs: HashMap<(String, u32), u64> = HashMap::new();
    let mut items: Vec<(u64, BTreeSet<u64>)> = Vec::new();
    let mut places = Vec::new();
    for (place, case) in all.iter().enumerate() {
        let Some(print) = case.print else { continue };
        let mut occasions = BTreeSet::new();
        for red in &case.reds {
            let next = runs.len() as u64;
            occasions.insert(*runs.entry((red.run.clone(), red.iteration)).or_insert(next));
        }
        items.push((print, occasions));
        places.push(place);
    }
    for (place, group) in places.into_iter().zip(flake::groups(&items)) {
        all[place].cause = Some(group + 1);
    }
}

fn causes(connection: &Connection) -> rusqlite::Result<HashMap<i64, Cause>> {
    let mut statement = connection.prepare("SELECT id, print, category, rule, message FROM cause")?;
    let cause = |row: &rusqlite::Row<'_>| {
        Ok((row.get(0)?, Cause { print: row.get::<_, i64>(1)?.cast_unsigned(), category: row.get(2)?, rule: row.get(3)?, message: row.get(4)? }))
    };
    statement.query_map([], cause)?.collect()
}

/// Everything of one gate.
struct View {
    /// In the order of time.
    iterations: Vec<Iteration>,
    /// Whole iterations up to and with each number.
    whole: Vec<u32>,
    newest_whole: i64,
    cases: Vec<Case>,
    results: HashMap<i64, Vec<Row>>,
}

impl View {
    fn load(connection: &Connection, gate: i64) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare(
            "SELECT n, run.name, run.wall, number, run.code, whole FROM iteration JOIN run ON run.id = iteration.run WHERE gate = ?1 ORDER BY run.wall, run.id, number",
        )?;
        let iteration = |row: &rusqlite::Row<'_>| {
            Ok(Iteration { n: row.get(0)?, run: row.get(1)?, wall: row.get(2)?, number: row.get(3)?, code: row.get(4)?, whole: row.get(5)? })
        };
        let iterations: Vec<Iteration> = statement.query_map([gate], iteration)?.collect::<Result<_, _>>()?;
        let mut statement = connection.prepare("SELECT id, name, since, until FROM testcase WHERE gate = ?1")?;
        let case = |row: &rusqlite::Row<'_>| {
            Ok(Case { id: row.get(0)?, name: row.get(1)?, presence: Presence { since: row.get(2)?, until: row.get(3)?, absences: Vec::new() } })
        };
        let mut cases: Vec<Case> = statement.query_map([gate], case)?.collect::<Result<_, _>>()?;
        bunch::each(connection, gate, &mut |since, name| {
            cases.push(Case { id: None, name: name.to_owned(), presence: Presence { since, ..Presence::default() } });
        })?;
        let of_gate = "JOIN testcase ON testcase.id = testcase WHERE testcase.gate = ?1";
        let mut statement = connection.prepare(&format!("SELECT testcase, n, outcome, attempts, cause FROM result {of_gate} ORDER BY testcase, n"))?;
        let mut results: HashMap<i64, Vec<Row>> = HashMap::new();
        let mut rows = statement.query([gate])?;
        while let Some(row) = rows.next()? {
            let result = Row { n: row.get(1)?, outcome: outcome_of(row.get(2)?), attempts: row.get(3)?, cause: row.get(4)? };
            results.entry(row.get(0)?).or_default().push(result);
        }
        let mut statement = connection.prepare(&format!("SELECT testcase, after, absence.until FROM absence {of_gate}"))?;
        let mut absences: HashMap<i64, Vec<(i64, i64)>> = HashMap::new();
        let mut rows = statement.query([gate])?;
        while let Some(row) = rows.next()? {
            absences.entry(row.get(0)?).or_default().push((row.get(1)?, row.get(2)?));
        }
        for case in &mut cases {
            case.presence.absences = case.id.and_then(|id| absences.remove(&id)).unwrap_or_default();
        }
        let most = iterations.iter().map(|one| one.n).max().unwrap_or(0);
        let mut whole = vec![0; usize::try_from(most).unwrap_or(0) + 1];
        for one in iterations.iter().filter(|one| one.whole) {
            whole[usize::try_from(one.n).unwrap_or(0)] = 1;
        }
        for n in 1..whole.len() {
            whole[n] += whole[n - 1];
        }
        let newest_whole = iterations.iter().filter(|one| one.whole).map(|one| one.n).max().unwrap_or(0);
        Ok(Self { iterations, whole, newest_whole, cases, results })
    }

    /// Whole iterations with numbers in `(after, until]`.
    fn whole_between(&self, after: i64, until: i64) -> u32 {
        let at = |n: i64| self.whole.get(usize::try_from(n).unwrap_or(0)).or(self.whole.last()).copied().unwrap_or(0);
        at(until).saturating_sub(at(after))
    }

    fn history(&self, case: &Case, gate: &str, owner: &str, causes: &HashMap<i64, Cause>) -> CaseHistory {
        let rows = case.id.and_then(|id| self.results.get(&id)).map(Vec::as_slice).unwrap_or_default();
        let presence = &case.presence;
        let present = presence.until.is_none();
        let until = presence.until.unwrap_or(self.newest_whole.max(presence.since));
        let mut history = CaseHistory {
            gate: gate.to_owned(),
            owner: owner.to_owned(),
            case: case.name.clone(),
            standing: flake::standing(&[], present),
            executions: 0,
            red: 0,
            upper95: 1.0,
            category: String::new(),
            print: None,
            cause: None,
            first: String::new(),
            last: String::new(),
            reds: Vec::new(),
        };
        if rows.is_empty() {
            let missed: u32 = presence.absences.iter().map(|(after, until)| self.whole_between(*after, *until)).sum();
            history.executions = self.whole_between(presence.since, until) - missed;
            history.standing = clean(history.executions, present);
            // Runs are mostly taken in as they happen: numbers and time go together.
            let own = |one: &&Iteration| one.whole && one.n > presence.since && one.n <= until;
            history.first = self.iterations.iter().find(own).map(|one| one.wall.clone()).unwrap_or_default();
            history.last = self.iterations.iter().rev().find(own).map(|one| one.wall.clone()).unwrap_or_default();
        } else {
            self.fold(presence, rows, causes, &mut history);
        }
        history.upper95 = flake::streak_bound(history.red, history.executions);
        history
    }

    fn fold(&self, presence: &Presence, rows: &[Row], causes: &HashMap<i64, Cause>, history: &mut CaseHistory) {
        let by_n: HashMap<i64, &Row> = rows.iter().map(|row| (row.n, row)).collect();
        let mut executions: Vec<Execution> = Vec::new();
        let mut kinds: BTreeMap<&str, u32> = BTreeMap::new();
        for one in &self.iterations {
            let row = by_n.get(&one.n).copied();
            let ran = row.map_or_else(|| one.whole && presence.has(one.n), Row::is_red);
            if !ran {
                continue;
            }
            if history.first.is_empty() {
                history.first.clone_from(&one.wall);
            }
            history.last.clone_from(&one.wall);
            let red = row.is_some();
            executions.push(Execution { code: one.code, red, passed_too: row.is_some_and(|row| row.outcome == Outcome::Passed) });
            let Some(row) = row else { continue };
            let cause = row.cause.and_then(|id| causes.get(&id));
            let word = |part: fn(&Cause) -> &String| cause.map(|cause| part(cause).clone()).unwrap_or_default();
            history.print = cause.map(|cause| cause.print).or(history.print);
            if let Some(cause) = cause {
                *kinds.entry(cause.category.as_str()).or_default() += 1;
            }
            history.reds.push(RedResult {
                run: one.run.clone(),
                wall: one.wall.clone(),
                iteration: one.number,
                outcome: row.outcome,
                category: word(|cause| &cause.category),
                rule: word(|cause| &cause.rule),
                message: word(|cause| &cause.message),
            });
        }
        history.executions = executions.len() as u32;
        history.red = history.reds.len() as u32;
        history.category = kinds.into_iter().max_by_key(|(_, count)| *count).map(|(kind, _)| kind.to_owned()).unwrap_or_default();
        history.standing = flake::standing(&executions, presence.until.is_none());
    }
}

/// The standing of a case that was never red, without listing its executions.
fn clean(executions: u32, present: bool) -> Standing {
    let state = match (present, executions) {
        (false, _) => State::Missing,
        (true, count) if count < NEW => State::New,
        (true, _) => State::Stable,
    };
    Standing { state, streak: executions, fixed_after: None, trend: "steady", recent: ".".repeat(executions.min(20) as usize) }
}
