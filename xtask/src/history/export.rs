//! The history as one document, to be carried from one machine to another: everything that the store knows, run by run. Knows no
//! file name.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::presence::Presence;
use super::store::{Fault, Store, outcome_of};
use super::{Cause, GateLesson, IterationLesson, Lesson, ResultLesson, bunch};
use crate::model::{Category, Outcome};

/// Version of the document.
const SCHEMA: u32 = 1;

/// The document.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Export {
    /// Version.
    pub schema: u32,
    /// Lists of names that iterations share, by digest.
    pub inventories: BTreeMap<String, Vec<String>>,
    /// Runs in the order of their wall time.
    pub runs: Vec<ExportRun>,
}

/// A run.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExportRun {
    run: String,
    wall: String,
    commit: String,
    code: String,
    gates: Vec<ExportGate>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ExportGate {
    gate: String,
    owner: String,
    iterations: Vec<ExportIteration>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ExportIteration {
    number: u32,
    took: u64,
    whole: bool,
    inventory: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    results: Vec<ExportResult>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ExportResult {
    case: String,
    outcome: Outcome,
    #[serde(default)]
    attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<ExportCause>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ExportCause {
    fingerprint: String,
    category: Category,
    rule: String,
    message: String,
}

impl Export {
    /// Reads a document.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let export: Self = serde_json::from_slice(text).map_err(|cause| format!("not an export of a history: {cause}"))?;
        if export.schema == SCHEMA { Ok(export) } else { Err(format!("an export of schema {}, and this program knows {SCHEMA}", export.schema)) }
    }

    /// The runs as the store takes them in.
    pub fn lessons(&self) -> Result<Vec<Lesson<'_>>, String> {
        self.runs.iter().map(|run| self.lesson(run)).collect()
    }

    fn lesson(&self, run: &ExportRun) -> Result<Lesson<'_>, String> {
        let result = |result: &ExportResult| {
            let cause = result.cause.as_ref().map(|cause| {
                let print = u64::from_str_radix(&cause.fingerprint, 16).map_err(|_| format!("`{}` is not a fingerprint", cause.fingerprint))?;
                Ok::<Cause, String>(Cause { print, category: cause.category, rule: cause.rule.clone(), message: cause.message.clone() })
            });
            Ok(ResultLesson { case: result.case.clone(), outcome: result.outcome, attempts: result.attempts, cause: cause.transpose()? })
        };
        let iteration = |one: &ExportIteration| {
            let names = self.inventories.get(&one.inventory).filter(|_| one.whole);
            if one.whole && names.is_none() {
                return Err(format!("run {}: there is no inventory `{}`", run.run, one.inventory));
            }
            let results = one.results.iter().map(result).collect::<Result<_, String>>()?;
            let mut names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
            names.sort_unstable(); // they are, in what we wrote
            names.dedup();
            let inventory = one.inventory.clone();
            Ok(IterationLesson { number: one.number, took: one.took, whole: one.whole, inventory, names, results })
        };
        let gate = |gate: &ExportGate| {
            let iterations = gate.iterations.iter().map(iteration).collect::<Result<_, String>>()?;
            Ok(GateLesson { gate: gate.gate.clone(), owner: gate.owner.clone(), iterations })
        };
        let gates = run.gates.iter().map(gate).collect::<Result<_, String>>()?;
        Ok(Lesson { run: run.run.clone(), wall: run.wall.clone(), commit: run.commit.clone(), code: run.code.clone(), gates })
    }
}

impl Store {
    /// Everything, run by run.
    pub fn export(&self) -> Result<Export, Fault> {
        self.export_in().map_err(|cause| self.fault(cause))
    }

    fn export_in(&self) -> rusqlite::Result<Export> {
        let mut export = Export { schema: SCHEMA, ..Export::default() };
        let mut runs = self.connection.prepare("SELECT run.id, name, wall, revision, word FROM run JOIN code ON code.id = run.code ORDER BY wall, run.id")?;
        let mut rows = runs.query([])?;
        let mut places: BTreeMap<i64, usize> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            places.insert(row.get(0)?, export.runs.len());
            export.runs.push(ExportRun { run: row.get(1)?, wall: row.get(2)?, commit: row.get(3)?, code: row.get(4)?, gates: Vec::new() });
        }
        let mut gates = self.connection.prepare("SELECT id, name, owner FROM gate ORDER BY name")?;
        let gates: Vec<(i64, String, String)> = gates.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
        for (id, gate, owner) in gates {
            self.export_gate(id, &gate, &owner, &places, &mut export)?;
        }
        Ok(export)
    }

    fn export_gate(&self, id: i64, gate: &str, owner: &str, places: &BTreeMap<i64, usize>, export: &mut Export) -> rusqlite::Result<()> {
        let mut results = self.results_of(id)?;
        let presences = self.presences(id)?;
        let mut statement = self.connection.prepare("SELECT n, run, number, took, whole FROM iteration WHERE gate = ?1 ORDER BY n")?;
        let mut rows = statement.query([id])?;
        let changes: BTreeSet<i64> = presences.iter().flat_map(|(_, presence)| presence.changes()).collect();
        let (mut inventory, mut looked) = (String::new(), 0);
        while let Some(row) = rows.next()? {
            let (n, run, whole): (i64, i64, bool) = (row.get(0)?, row.get(1)?, row.get(4)?);
            // The names change only where a case comes or goes.
            if whole && (looked == 0 || changes.range(looked + 1..=n).next().is_some()) {
                let names: Vec<String> = presences.iter().filter(|(_, presence)| presence.has(n)).map(|(name, _)| name.clone()).collect();
                let digest = format!("{gate}-{}", blake3::hash(names.join("\n").as_bytes()).to_hex());
                export.inventories.entry(digest.clone()).or_insert_with(|| names);
                (inventory, looked) = (digest, n);
            }
            let Some(place) = places.get(&run) else { continue };
            let own = &mut export.runs[*place].gates;
            if own.last().is_none_or(|last| last.gate != gate) {
                own.push(ExportGate { gate: gate.to_owned(), owner: owner.to_owned(), iterations: Vec::new() });
            }
            let one = ExportIteration {
                number: row.get(2)?,
                took: row.get::<_, i64>(3)?.cast_unsigned(),
                whole,
                inventory: if whole { inventory.clone() } else { String::new() },
                results: results.remove(&n).unwrap_or_default(),
            };
            if let Some(last) = own.last_mut() {
                last.iterations.push(one);
            }
        }
        Ok(())
    }

    fn results_of(&self, gate: i64) -> rusqlite::Result<BTreeMap<i64, Vec<ExportResult>>> {
        let mut statement = self.connection.prepare(
            "SELECT n, testcase.name, outcome, attempts, print, category, rule, message FROM result JOIN testcase ON testcase.id = testcase
             LEFT JOIN cause ON cause.id = result.cause WHERE testcase.gate = ?1 ORDER BY n, testcase.id",
        )?;
        let mut rows = statement.query([gate])?;
        let mut results: BTreeMap<i64, Vec<ExportResult>> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let print: Option<i64> = row.get(4)?;
            let cause = match print {
                None => None,
                Some(print) => {
                    let word: String = row.get(5)?;
                    let category = Category::ALL.iter().copied().find(|category| category.word() == word).unwrap_or(Category::Unknown);
                    Some(ExportCause { fingerprint: format!("{:016x}", print.cast_unsigned()), category, rule: row.get(6)?, message: row.get(7)? })
                }
            };
            let result = ExportResult { case: row.get(1)?, outcome: outcome_of(row.get(2)?), attempts: row.get(3)?, cause };
            results.entry(row.get(0)?).or_default().push(result);
        }
        Ok(results)
    }

    fn presences(&self, gate: i64) -> rusqlite::Result<Vec<(String, Presence)>> {
        let mut statement = self.connection.prepare("SELECT id, name, since, until FROM testcase WHERE gate = ?1")?;
        let mut rows = statement.query([gate])?;
        let mut presences = Vec::new();
        let mut absent = self.connection.prepare("SELECT after, until FROM absence WHERE testcase = ?1")?;
        while let Some(row) = rows.next()? {
            let (id, name, since, until): (i64, String, i64, Option<i64>) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            let absences: Vec<(i64, i64)> = absent.query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
            presences.push((name, Presence { since, until, absences }));
        }
        bunch::each(&self.connection, gate, &mut |since, name| presences.push((name.to_owned(), Presence { since, ..Presence::default() })))?;
        presences.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(presences)
    }
}
