//! A plan for several machines: which of them runs which gates, packed by time. Pure: durations arrive as values, and the same plan on the
//! same code has the same digest.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Plan, Selection};
use crate::config::Config;
use crate::event::{PlannedGate, RunStarted, Source};
use crate::model::Part;
use crate::text::plural;

/// Most machines that `auto` asks for.
const MOST: u32 = 8;
/// Rows that GitHub's matrix can have.
pub const ROWS: u32 = 256;
/// Milliseconds of a gate where no gate has a history.
const UNKNOWN: u64 = 1000;
/// Id of the only shard of a plan without work.
pub const NONE: &str = "none";

/// How many machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// As many as make it faster.
    Auto,
    /// So many, or fewer where there is not enough work.
    Number(u32),
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Number(count) => write!(f, "{count}"),
        }
    }
}

impl std::str::FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("auto", _) => Ok(Self::Auto),
            (_, Ok(count)) if (1..=ROWS).contains(&count) => Ok(Self::Number(count)),
            _ => Err(format!("`auto`, or a number from 1 to {ROWS}")),
        }
    }
}

/// A plan for several machines, as a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardPlan {
    /// Version of the format.
    pub schema: u32,
    /// Of everything else here.
    pub digest: String,
    /// Version of this tool.
    pub tool: String,
    /// The source that every shard must have.
    pub source: Source,
    /// Gates that are left out.
    pub skip: Vec<String>,
    /// Required phases that are not judged (`--alone`).
    pub unjudged: Vec<String>,
    /// The whole run: what the shards are together.
    pub head: RunStarted,
    /// The shards; never none.
    pub shards: Vec<PlannedShard>,
    /// Why there is no work; none where there is.
    pub empty: Option<String>,
}

/// One machine's share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedShard {
    /// Id.
    pub id: String,
    /// Gates whose result comes from here, each as a whole or a part of its cases.
    pub gates: BTreeMap<String, Part>,
    /// Gates that those need and whose result comes from another shard.
    pub also: BTreeSet<String>,
    /// Milliseconds that its gates take one after the other.
    pub expected: u64,
}

/// What is packed: a gate, or a part of its cases.
#[derive(Clone, Debug)]
struct Unit {
    gate: String,
    part: Part,
}

struct Packing<'a> {
    needs: &'a BTreeMap<&'a str, BTreeSet<&'a str>>,
    cost: &'a BTreeMap<&'a str, u64>,
}

impl ShardPlan {
    /// Packs a plan.
    pub fn new(plan: &Plan, config: &Config, head: RunStarted, source: Source, count: Count) -> Self {
        let head = RunStarted { phases: plan.phases.clone(), gates: plan.gates.clone(), partial: plan.partial.clone(), ..head };
        let skip: Vec<String> = plan.deselected.iter().cloned().collect();
        let shards = pack(&plan.gates, &plan.deselected, &|gate| config.gates.get(gate).map_or(1, |gate| gate.shards), count);
        let empty = shards
            .is_empty()
            .then(|| if skip.is_empty() { "no gate is planned".to_owned() } else { format!("{} left out", plural(skip.len() as u64, "gate")) });
        let shards = if shards.is_empty() { vec![PlannedShard { id: NONE.to_owned(), ..PlannedShard::default() }] } else { shards };
        let tool = env!("CARGO_PKG_VERSION").to_owned();
        let unjudged = plan.aside.iter().map(|(phase, _)| phase.clone()).collect();
        Self { schema: 1, digest: String::new(), tool, source, skip, unjudged, head, shards, empty }.sealed()
    }

    /// The same with the digest of what it says.
    #[must_use]
    pub fn sealed(self) -> Self {
        Self { digest: self.own_digest(), ..self }
    }

    fn own_digest(&self) -> String {
        let bare = Self { digest: String::new(), ..self.clone() };
        blake3::hash(&serde_json::to_vec(&bare).unwrap_or_default()).to_hex()[..32].to_owned()
    }

    /// Reads the file, or says why it is no plan of this tool.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let plan: Self = serde_json::from_slice(text).map_err(|cause| format!("it is not a plan: {cause}"))?;
        let own = env!("CARGO_PKG_VERSION");
        if plan.schema != 1 || plan.tool != own {
            return Err(format!("it was made by version {} of this tool, which is {own}", plan.tool));
        }
        if plan.digest != plan.own_digest() {
            return Err("it was changed after it was made: its digest is another".to_owned());
        }
        Ok(plan)
    }

    /// A shard by its id.
    pub fn shard(&self, id: &str) -> Result<&PlannedShard, String> {
        let known = || self.shards.iter().map(|shard| shard.id.as_str()).collect::<Vec<_>>().join(", ");
        self.shards.iter().find(|shard| shard.id == id).ok_or_else(|| format!("the plan has no shard `{id}`\n  hint: it has {}", known()))
    }

    /// What a shard runs, in the words of a request.
    pub fn selection(&self, shard: &PlannedShard) -> Selection {
        let also = shard.also.iter().map(|gate| (gate.clone(), Part::WHOLE));
        let reason = format!("shard {} of {}, plan {}", shard.id, self.shards.len(), &self.digest[..8]);
        Selection { gates: shard.gates.iter().map(|(gate, part)| (gate.clone(), *part)).chain(also).collect(), reason }
    }

    /// The matrix: ids only, since a job's output is small and a masked word in it would empty it.
    pub fn matrix(&self) -> String {
        let ids: Vec<&str> = self.shards.iter().map(|shard| shard.id.as_str()).collect();
        serde_json::json!({ "shard": ids }).to_string()
    }
}

/// Shares of the gates that are not left out.
fn pack(gates: &[PlannedGate], left_out: &BTreeSet<String>, parts: &dyn Fn(&str) -> u32, count: Count) -> Vec<PlannedShard> {
    let known: Vec<u64> = {
        let mut known: Vec<u64> = gates.iter().filter_map(|gate| gate.estimate).collect();
        known.sort_unstable();
        known
    };
    let median = known.get(known.len() / 2).copied().unwrap_or(UNKNOWN);
    let cost: BTreeMap<&str, u64> = gates.iter().map(|gate| (gate.id.as_str(), gate.estimate.unwrap_or(median).max(1) * u64::from(gate.runs.max(1)))).collect();
    let mut needs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for gate in gates {
        let mut all = BTreeSet::new();
        let mut open: Vec<&str> = gate.needs.iter().map(String::as_str).collect();
        while let Some(need) = open.pop() {
            if all.insert(need) {
                open.extend(gates.iter().filter(|gate| gate.id == need).flat_map(|gate| gate.needs.iter().map(String::as_str)));
            }
        }
        needs.insert(&gate.id, all);
    }
    let needed: BTreeSet<&str> = needs.values().flatten().copied().collect();
    let packing = Packing { needs: &needs, cost: &cost };
    let units = |machines: u32| -> Vec<Unit> {
        let own = gates.iter().filter(|gate| !left_out.contains(&gate.id));
        own.flat_map(|gate| {
            // Who needs a gate needs all of it.
            let total = if needed.contains(gate.id.as_str()) { 1 } else { parts(&gate.id).min(machines).max(1) };
            (1..=total).map(move |index| Unit { gate: gate.id.clone(), part: Part { index, total } })
        })
        .collect()
    };
    let fitting = |machines: u32| packing.pack(units(machines), machines);
    let span = |shards: &[PlannedShard]| shards.iter().map(|shard| shard.expected).max().unwrap_or(0);
    match count {
        Count::Number(machines) => fitting(machines),
        Count::Auto => {
            let best = (1..=MOST).map(|machines| span(&fitting(machines))).min().unwrap_or(0);
            // No machine that saves less than a tenth.
            (1..=MOST).map(fitting).find(|shards| span(shards) <= best + best / 10).unwrap_or_default()
        }
    }
}

impl Packing<'_> {
    fn unit_cost(&self, unit: &Unit) -> u64 {
        self.cost[unit.gate.as_str()] / u64::from(unit.part.total)
    }

    /// What a unit adds to a machine that has some gates already.
    fn added(&self, unit: &Unit, there: &BTreeSet<String>) -> u64 {
        let missing = self.needs[unit.gate.as_str()].iter().filter(|need| !there.contains(**need));
        let own = if there.contains(&unit.gate) { 0 } else { self.unit_cost(unit) };
        own + missing.filter_map(|need| self.cost.get(need)).sum::<u64>()
    }

    /// The longest first, each to the machine that is done soonest with it; what a machine runs anyway costs it nothing.
    fn pack(&self, mut units: Vec<Unit>, machines: u32) -> Vec<PlannedShard> {
        let nothing = BTreeSet::new();
        units.sort_by(|a, b| self.added(b, &nothing).cmp(&self.added(a, &nothing)).then_with(|| (&a.gate, a.part).cmp(&(&b.gate, b.part))));
        let mut shards = vec![PlannedShard::default(); machines as usize];
        let mut there: Vec<BTreeSet<String>> = vec![BTreeSet::new(); machines as usize];
        for unit in units {
            let choices = (0..shards.len()).filter(|index| !shards[*index].gates.contains_key(&unit.gate));
            let Some(best) = choices.min_by_key(|index| {
                let added = self.added(&unit, &there[*index]);
                (added > 0, shards[*index].expected + added, *index)
            }) else {
                continue;
            };
            shards[best].expected += self.added(&unit, &there[best]);
            there[best].extend(self.needs[unit.gate.as_str()].iter().map(|need| (*need).to_owned()));
            there[best].insert(unit.gate.clone());
            shards[best].gates.insert(unit.gate, unit.part);
        }
        let used = shards.into_iter().zip(there).filter(|(shard, _)| !shard.gates.is_empty());
        used.enumerate()
            .map(|(index, (shard, there))| {
                let also = there.into_iter().filter(|gate| !shard.gates.contains_key(gate)).collect();
                PlannedShard { id: (index + 1).to_string(), also, ..shard }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(id: &str, took: Option<u64>, needs: &[&str]) -> PlannedGate {
        PlannedGate { id: id.to_owned(), runs: 1, estimate: took, needs: needs.iter().map(|need| (*need).to_owned()).collect(), ..PlannedGate::default() }
    }

    fn packed(gates: &[PlannedGate], parts: &dyn Fn(&str) -> u32, count: Count) -> Vec<PlannedShard> {
        pack(gates, &BTreeSet::new(), parts, count)
    }

    fn shown(shards: &[PlannedShard]) -> Vec<String> {
        let gate = |(id, part): (&String, &Part)| if part.total > 1 { format!("{id} {part}") } else { id.clone() };
        shards.iter().map(|shard| shard.gates.iter().map(gate).chain(shard.also.iter().map(|gate| format!("+{gate}"))).collect::<Vec<_>>().join(",")).collect()
    }

    #[test]
    fn the_longest_comes_first_and_unknown_gates_count_as_the_median() {
        let gates = [gate("a", Some(50), &[]), gate("b", Some(30), &[]), gate("c", Some(20), &[]), gate("d", None, &[])];
        let shards = packed(&gates, &|_| 1, Count::Number(2));
        assert_eq!(shown(&shards), ["a,c", "b,d"]);
        assert_eq!(shards.iter().map(|shard| shard.expected).collect::<Vec<_>>(), [70, 60]);
        assert_eq!(packed(&gates, &|_| 1, Count::Number(9)).len(), 4, "no machine without work");
    }

    #[test]
    fn what_is_needed_runs_where_it_is_needed_and_counts_once() {
        let gates = [gate("build", Some(10), &[]), gate("e2e", Some(60), &["build"]), gate("copies", Some(55), &["build"])];
        assert_eq!(shown(&packed(&gates, &|_| 1, Count::Number(2))), ["e2e,+build", "build,copies"]);
    }

    #[test]
    fn cases_are_split_over_machines_and_never_twice_on_one() {
        let gates = [gate("t", Some(90), &[]), gate("u", Some(30), &[])];
        assert_eq!(shown(&packed(&gates, &|id| if id == "t" { 4 } else { 1 }, Count::Number(3))), ["t 1/3,u", "t 2/3", "t 3/3"]);
        assert_eq!(shown(&packed(&gates, &|_| 4, Count::Number(1))), ["t,u"]);
        let needed = [gate("t", Some(90), &[]), gate("u", Some(30), &["t"])];
        assert_eq!(shown(&packed(&needed, &|_| 4, Count::Number(2))), ["t,u 1/2", "u 2/2,+t"], "who needs it needs all of it");
    }

    #[test]
    fn auto_asks_for_no_machine_that_saves_nothing() {
        let long = [gate("a", Some(100), &[]), gate("b", Some(40), &[]), gate("c", Some(40), &[]), gate("d", Some(10), &[])];
        assert_eq!(packed(&long, &|_| 1, Count::Auto).len(), 2);
        let even: Vec<PlannedGate> = (0..20).map(|number| gate(&format!("g{number:02}"), None, &[])).collect();
        assert_eq!(packed(&even, &|_| 1, Count::Auto).len(), 7, "three rounds, as with eight");
        assert!(packed(&[], &|_| 1, Count::Auto).is_empty());
    }

    /// Every gate is somewhere exactly once, with everything that it needs beside it, whatever the numbers.
    #[test]
    fn nothing_is_lost_and_nothing_counts_twice() {
        let mut seed = 7_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..300 {
            let size = 1 + random(12);
            let gates: Vec<PlannedGate> = (0..size)
                .map(|index| {
                    let need = (index > 0 && random(3) == 0).then(|| format!("g{}", random(index)));
                    let needs: Vec<&str> = need.iter().map(String::as_str).collect();
                    gate(&format!("g{index}"), (random(4) > 0).then(|| random(500)), &needs)
                })
                .collect();
            let splits: Vec<u32> = (0..size).map(|_| 1 + random(3) as u32).collect();
            let shards = packed(&gates, &|id| splits[id[1..].parse::<usize>().unwrap_or(0)], Count::Number(1 + random(6) as u32));
            for gate in &gates {
                let parts: Vec<Part> = shards.iter().filter_map(|shard| shard.gates.get(&gate.id).copied()).collect();
                let mut indexes: Vec<u32> = parts.iter().map(|part| part.index).collect();
                indexes.sort_unstable();
                assert_eq!(indexes, (1..=parts.len() as u32).collect::<Vec<_>>(), "{gates:?} {shards:?}");
                assert!(!parts.is_empty() && parts.iter().all(|part| part.total as usize == parts.len()));
            }
            for shard in &shards {
                let all = |id: &str| shard.also.contains(id) || shard.gates.get(id) == Some(&Part::WHOLE);
                for gate in gates.iter().filter(|gate| shard.gates.contains_key(&gate.id) || shard.also.contains(&gate.id)) {
                    assert!(gate.needs.iter().all(|need| all(need)), "{gates:?} {shard:?}");
                }
            }
        }
    }
}
