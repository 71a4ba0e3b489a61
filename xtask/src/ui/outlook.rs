//! What a run has before it: how long a gate is expected to take, when the run will be over, and what waits for what. Only from enough
//! earlier runs; without them nothing is claimed. Pure functions of a record and a time.

use std::collections::BTreeMap;

use crate::event::PlannedGate;
use crate::record::Record;

/// Earlier runs from which a time is expected.
const SAMPLES: usize = 3;

/// Milliseconds that an iteration is expected to take.
pub fn expected(gate: &PlannedGate) -> Option<u64> {
    (gate.recent.len() >= SAMPLES).then_some(gate.estimate).flatten()
}

/// Gates and set-ups that run now, in the order in which they started: id and start, milliseconds.
pub fn running(record: &Record) -> Vec<(String, u64)> {
    let live = record.jobs.iter().filter(|(_, job)| job.skip.is_none() && !job.facts.complete);
    let live = live.filter(|(id, _)| !record.installs.contains_key(&id.gate));
    let mut running: Vec<(String, u64)> = live.filter_map(|(id, job)| Some((id.gate.clone(), job.started?))).collect();
    running.sort_by_key(|(_, started)| *started);
    running
}

/// Milliseconds until the run is over; none where a gate that is still to come has too few earlier runs.
///
/// The larger of two bounds: all that is left shared by the slots, and the longest chain of gates that need each other.
pub fn left(record: &Record, now: u64) -> Option<u64> {
    let mut left: BTreeMap<&str, u64> = BTreeMap::new();
    for gate in &record.head.gates {
        let over = record.jobs_of(&gate.id).filter(|(_, job)| job.facts.complete || job.skip.is_some()).count() as u64;
        let due = u64::from(gate.runs).saturating_sub(over);
        if due == 0 {
            left.insert(&gate.id, 0);
            continue;
        }
        let each = expected(gate)?;
        let begun = record.jobs_of(&gate.id).filter(|(_, job)| !job.facts.complete && job.skip.is_none()).filter_map(|(_, job)| job.started).max();
        let spent = begun.map_or(0, |begun| now.saturating_sub(begun).min(each));
        left.insert(&gate.id, each * due - spent);
    }
    let shared = left.values().sum::<u64>() / u64::from(record.head.jobs.max(1));
    // Gates stand in an order in which needs come first or later; chains are short.
    let mut chain: BTreeMap<&str, u64> = BTreeMap::new();
    for _ in 0..record.head.gates.len().min(32) {
        let before = chain.clone();
        for gate in &record.head.gates {
            let needs = gate.needs.iter().filter_map(|need| before.get(need.as_str())).max().copied().unwrap_or(0);
            chain.insert(&gate.id, needs + left.get(gate.id.as_str()).copied().unwrap_or(0));
        }
        if chain == before {
            break;
        }
    }
    Some(shared.max(chain.values().max().copied().unwrap_or(0)))
}

/// Gates whose needs are met and that wait for a lock which a running gate holds: gate, lock, holder.
pub fn waiting(record: &Record) -> Vec<(String, String, String)> {
    let running = running(record);
    let name = |word: &str| word.split(':').next().unwrap_or(word).to_owned();
    let over = |gate: &str| record.jobs_of(gate).any(|(_, job)| job.facts.complete || job.skip.is_some());
    let idle = record.head.gates.iter().filter(|gate| record.jobs_of(&gate.id).next().is_none() && gate.needs.iter().all(|need| over(need)));
    let blocked = |gate: &PlannedGate| {
        let holder = |lock: &String| {
            let is_held = |word: &String| name(word) == name(lock) && !(word.ends_with(":shared") && lock.ends_with(":shared"));
            running.iter().filter_map(|(id, _)| record.planned(id)).find(|other| other.locks.iter().any(is_held)).map(|other| (name(lock), other.id.clone()))
        };
        gate.locks.iter().find_map(holder).map(|(lock, holder)| (gate.id.clone(), lock, holder))
    };
    idle.filter_map(blocked).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, EventKind, RunStarted};
    use crate::model::JobId;

    fn gate(id: &str, estimate: u64, samples: usize, needs: &[&str], locks: &[&str]) -> PlannedGate {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        PlannedGate {
            id: id.to_owned(),
            runs: 1,
            estimate: Some(estimate),
            recent: vec![(estimate, true); samples],
            needs: words(needs),
            locks: words(locks),
            ..PlannedGate::default()
        }
    }

    fn record(gates: Vec<PlannedGate>, started: &[&str]) -> Record {
        let head = RunStarted { gates, jobs: 2, ..RunStarted::default() };
        let begun = started.iter().map(|id| EventKind::JobStarted { job: JobId { gate: (*id).to_owned(), iteration: 1 }, waited: 0, locks: Vec::new() });
        let kinds = std::iter::once(EventKind::RunStarted(Box::new(head))).chain(begun);
        let events: Vec<Event> = kinds.enumerate().map(|(seq, kind)| Event { seq: seq as u64, at: seq as u64, kind }).collect();
        Record::of(&events)
    }

    #[test]
    fn the_end_is_expected_from_three_earlier_runs_on() {
        let gates = |samples| vec![gate("a", 1000, 3, &[], &[]), gate("b", 4000, samples, &["a"], &[]), gate("c", 500, 3, &[], &[])];
        assert_eq!(left(&record(gates(2), &[]), 0), None, "b has two");
        assert_eq!(left(&record(gates(3), &[]), 0), Some(5000), "a then b");
        assert_eq!(left(&record(gates(3), &["a"]), 601), Some(4400), "600 of a are over");
        assert_eq!(
            left(&record(vec![gate("a", 1000, 3, &[], &[]), gate("b", 1000, 3, &[], &[]), gate("c", 1000, 3, &[], &[])], &[]), 0),
            Some(1500),
            "two slots"
        );
        assert_eq!((expected(&gate("a", 9, 2, &[], &[])), expected(&gate("a", 9, 3, &[], &[]))), (None, Some(9)));
    }

    #[test]
    fn who_waits_for_a_lock_is_named_with_its_holder() {
        let gates =
            vec![gate("a", 1, 0, &[], &["dist"]), gate("b", 1, 0, &[], &["dist:shared"]), gate("c", 1, 0, &["a"], &["dist"]), gate("d", 1, 0, &[], &[])];
        assert_eq!(waiting(&record(gates.clone(), &["a"])), [("b".to_owned(), "dist".to_owned(), "a".to_owned())]);
        assert_eq!(waiting(&record(gates, &["d"])), []);
        let shared = vec![gate("a", 1, 0, &[], &["x:shared"]), gate("b", 1, 0, &[], &["x:shared"])];
        assert_eq!(waiting(&record(shared, &["a"])), []);
    }
}
