//! Finds the case of a name among a million.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::CaseLine;

/// Where the case of a name is in a list of cases.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Places of the cases of the first report: a part of the hash of the name above, the place below; in order once it is settled.
    sorted: Vec<u64>,
    /// The first report has been read.
    settled: bool,
    /// Places of all others: a part of the hash, the place.
    others: HashTable<(u32, u32)>,
    /// The place behind the one that was found last: reports of other iterations have the same order.
    next: usize,
}

impl Names {
    /// Makes room for the names of the first report.
    pub(super) fn expect(&mut self, count: usize) {
        self.sorted.reserve_exact(count);
    }

    /// The case of a name, which may be new. In the first report each element has a line of its own, as a way to a random place of memory for each of
    /// a million names takes longer than to sort them once.
    pub(super) fn slot<'c>(&mut self, cases: &'c mut Vec<CaseLine>, name: &str) -> &'c mut CaseLine {
        let place = if self.settled {
            self.find(cases, name).unwrap_or_else(|| self.other(cases, name))
        } else {
            self.sorted.push(u64::from(part_of(name)) << 32 | cases.len() as u64);
            cases.len()
        };
        if place == cases.len() {
            cases.push(CaseLine::new(name));
        }
        self.next = place + 1;
        &mut cases[place]
    }

    /// A case that is where it was in the report before, or one of the first report.
    pub(super) fn find(&self, cases: &[CaseLine], name: &str) -> Option<usize> {
        let is_it = |place: &usize| cases.get(*place).is_some_and(|case| *case.name == *name);
        Some(self.next).filter(is_it).or_else(|| {
            let part = u64::from(part_of(name));
            let from = self.sorted.partition_point(|mark| mark >> 32 < part);
            let alike = self.sorted[from..].iter().take_while(|mark| *mark >> 32 == part);
            alike.map(|mark| place_of(*mark)).find(is_it)
        })
    }

    /// The place of a case that the first report does not hold; behind the last one, where it is new.
    fn other(&mut self, cases: &[CaseLine], name: &str) -> usize {
        let part = part_of(name);
        let is_it = |(other, place): &(u32, u32)| *other == part && *cases[*place as usize].name == *name;
        let found = self.others.entry(spread(part), is_it, |(part, _)| spread(*part)).or_insert((part, cases.len() as u32));
        found.get().1 as usize
    }

    /// Ends the first report: elements of one name become one case.
    pub(super) fn settle(&mut self, cases: &mut Vec<CaseLine>) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        self.sorted.sort_unstable();
        let mut gone: Vec<usize> = Vec::new();
        for alike in self.sorted.chunk_by(|one, other| one >> 32 == other >> 32).filter(|alike| alike.len() > 1) {
            let mut kept: Vec<usize> = Vec::new();
            for place in alike.iter().map(|mark| place_of(*mark)) {
                match kept.iter().find(|before| cases[**before].name == cases[place].name) {
                    Some(before) => {
                        let double = std::mem::replace(&mut cases[place], CaseLine::new(""));
                        cases[*before].join(double);
                        gone.push(place);
                    }
                    None => kept.push(place),
                }
            }
        }
        if gone.is_empty() {
            return;
        }
        gone.sort_unstable();
        let mut place = 0..;
        cases.retain(|_| place.next().is_none_or(|place| gone.binary_search(&place).is_err()));
        self.sorted.retain(|mark| gone.binary_search(&place_of(*mark)).is_err());
        for mark in &mut self.sorted {
            *mark -= gone.partition_point(|gone| *gone < place_of(*mark)) as u64;
        }
    }
}

/// A part of the hash of a name.
fn part_of(name: &str) -> u32 {
    xxh3_64(name.as_bytes()) as u32
}

fn place_of(mark: u64) -> usize {
    mark as u32 as usize
}

/// Spreads 32 bits over the 64 of which a table takes some from either end: Fibonacci hashing, Knuth, The Art of Computer Programming 3, 6.4.
fn spread(part: u32) -> u64 {
    u64::from(part).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
