//! Provokes flakes: other orders, pressure on processor and disk, other time zones and languages; and narrows an order dependence
//! down to the cases that cause it. Knows what a trial shows, not how it is run.

pub mod lab;
pub mod pressure;

use std::collections::BTreeMap;

/// A way to provoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Under {
    /// The cases in other orders.
    Order,
    /// Twice as many busy processes as cores.
    Cpu,
    /// A process that writes and syncs without end.
    Io,
    /// Other time zones.
    Zone,
    /// Other languages.
    Locale,
}

impl Under {
    /// All of them, in the order in which they are tried.
    pub const ALL: &'static [Self] = &[Self::Order, Self::Cpu, Self::Io, Self::Zone, Self::Locale];
}

/// Orders that are tried.
const SEEDS: u32 = 10;
/// Iterations as it is, and under pressure.
const CALM: u32 = 3;
const PRESSED: u32 = 5;
/// Times that a pair is verified.
const VERIFIED: u32 = 3;
/// Victims that are followed from one seed.
const FOLLOWED: usize = 3;

/// What a trial changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trial {
    /// Iterations.
    pub runs: u32,
    /// Order of the cases.
    pub order: Order,
    /// Pressure on the processor.
    pub cpu: bool,
    /// Pressure on the disk.
    pub io: bool,
    /// Variables that are set.
    pub variables: Vec<(&'static str, &'static str)>,
}

/// Order of the cases in a trial.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As the tool has it.
    #[default]
    AsIs,
    /// Shuffled.
    Seed(u32),
    /// Only these, in an order: under a seed for a tool that shuffles by itself, else as listed.
    Only(Vec<String>, u32),
}

/// What a trial showed: for each case, in the order of their execution, the iterations in which it was red and those in which it ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Name, red, ran.
    pub cases: Vec<(String, u32, u32)>,
}

impl Shown {
    fn red(&self, case: &str) -> u32 {
        self.cases.iter().find(|(name, _, _)| name == case).map_or(0, |(_, red, _)| *red)
    }

    fn ran(&self, case: &str) -> bool {
        self.cases.iter().any(|(name, _, ran)| name == case && *ran > 0)
    }
}

/// Where trials are run.
pub trait Lab {
    /// Runs a trial. The error ends the hunt.
    fn run(&mut self, trial: &Trial) -> Result<Shown, Stop>;
    /// It can run the cases in another order.
    fn can_order(&self) -> bool;
    /// It knows only its own shuffle: the order of execution is not in its report.
    fn shuffles_itself(&self) -> bool;
    /// Says one thing to a person.
    fn say(&mut self, text: &str);
}

/// Why a hunt ends early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Its time is over.
    Time,
    /// Somebody stopped it.
    Cancelled,
    /// A trial could not be run.
    Failed(String),
}

/// What was found of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Case.
    pub case: String,
    /// What provokes it.
    pub cause: Cause,
}

/// What provokes a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nothing: it is red as it is, in so many of so many iterations.
    AsItIs(u32, u32),
    /// Cases that run before it; the seed under which it showed.
    After(Vec<String>, u32),
    /// Being run alone: it needs others before it.
    Alone,
    /// An order that could not be narrowed down to cases.
    Order(u32),
    /// Pressure: red with it, red without it, of so many each.
    Pressure(Under, u32, u32),
    /// A variable.
    Variable(&'static str, &'static str),
}

const ZONES: &[&str] = &["Pacific/Kiritimati", "America/St_Johns", "Pacific/Pago_Pago"];
const LOCALES: &[&str] = &["tr_TR.UTF-8", "de_DE.UTF-8", "C"];

/// The hunt: what it has found by the time that it ends, and why it ended early.
pub fn hunt(lab: &mut dyn Lab, under: &[Under], focus: Option<&str>) -> (Vec<Found>, Option<Stop>) {
    let mut hunter = Hunter { lab, focus, suspects: BTreeMap::new(), found: Vec::new() };
    let stop = hunter.all(under).err();
    hunter.unexplained();
    (hunter.found, stop)
}

struct Hunter<'a> {
    lab: &'a mut dyn Lab,
    focus: Option<&'a str>,
    /// Cases that are not always red as they are: how often they are.
    suspects: BTreeMap<String, (u32, u32)>,
    found: Vec<Found>,
}

impl Hunter<'_> {
    fn all(&mut self, under: &[Under]) -> Result<(), Stop> {
        self.as_it_is()?;
        for way in under {
            match way {
                Under::Order if self.lab.can_order() => self.orders()?,
                Under::Order => self.lab.say("order: this gate names no tool whose order can be changed (pytest, vitest)"),
                Under::Cpu | Under::Io => self.pressure(*way)?,
                Under::Zone => self.variables("TZ", ZONES)?,
                Under::Locale => self.variables("LC_ALL", LOCALES)?,
            }
        }
        Ok(())
    }

    fn as_it_is(&mut self) -> Result<(), Stop> {
        let shown = self.lab.run(&Trial { runs: CALM, ..Trial::default() })?;
        for (case, red, ran) in shown.cases {
            if self.focus.is_some_and(|focus| focus != case) {
                continue;
            }
            if red > 0 && red == ran {
                self.found.push(Found { case, cause: Cause::AsItIs(red, ran) });
            } else if ran > 0 {
                self.suspects.insert(case, (red, ran));
            }
        }
        Ok(())
    }

    /// What is sometimes red as it is, and nothing explains.
    fn unexplained(&mut self) {
        for (case, (red, ran)) in std::mem::take(&mut self.suspects) {
            if red > 0 && !self.found.iter().any(|found| found.case == case) {
                self.found.push(Found { case, cause: Cause::AsItIs(red, ran) });
            }
        }
    }

    /// Red here, and not always as it is. A tool that shuffles by itself shows an order pair also then.
    fn victims(&self, shown: &Shown) -> Vec<String> {
        let new = |case: &String| self.suspects.contains_key(case) && !self.found.iter().any(|found| found.case == *case);
        shown.cases.iter().filter(|(case, red, _)| *red > 0 && new(case)).map(|(case, _, _)| case.clone()).collect()
    }

    fn orders(&mut self) -> Result<(), Stop> {
        for seed in 1..=SEEDS {
            let trial = Trial { runs: 1, order: Order::Seed(seed), ..Trial::default() };
            let shown = self.lab.run(&trial)?;
            let victims = self.victims(&shown);
            self.lab.say(&format!("order: seed {seed}: {}", if victims.is_empty() { "nothing".to_owned() } else { victims.join(", ") }));
            for victim in victims.into_iter().take(FOLLOWED) {
                // The same order again: what is red once and green the next time does not depend on it.
                if self.lab.run(&trial)?.red(&victim) > 0 {
                    let cause = self.order_of(&victim, &shown, seed)?;
                    self.found.push(Found { case: victim, cause });
                } else {
                    self.lab.say(&format!("order: {victim} was red once under seed {seed}, and green in the same order"));
                }
            }
        }
        Ok(())
    }

    /// Which cases make it red: those before it in the failing order, halved as long as it stays red.
    fn order_of(&mut self, victim: &str, shown: &Shown, seed: u32) -> Result<Cause, Stop> {
        if self.is_red_after(&[], victim, seed)? {
            return Ok(Cause::Alone);
        }
        let before: Vec<String> = if self.lab.shuffles_itself() {
            let file = |case: &str| case.split(" > ").next().unwrap_or_default().to_owned();
            shown.cases.iter().map(|(case, _, _)| case.clone()).filter(|case| case != victim && file(case) == file(victim)).collect()
        } else {
            shown.cases.iter().map(|(case, _, _)| case.clone()).take_while(|case| case != victim).collect()
        };
        let mut error = None;
        let culprits = bisect(before, &mut |some| match self.is_red_after(some, victim, seed) {
            Ok(red) => red,
            Err(stop) => {
                error = Some(stop);
                false
            }
        });
        if let Some(stop) = error {
            return Err(stop);
        }
        for _ in 0..VERIFIED {
            if !self.is_red_after(&culprits, victim, seed)? {
                return Ok(Cause::Order(seed));
            }
        }
        Ok(Cause::After(culprits, seed))
    }

    fn is_red_after(&mut self, before: &[String], victim: &str, seed: u32) -> Result<bool, Stop> {
        let names = before.iter().cloned().chain([victim.to_owned()]).collect();
        let shown = self.lab.run(&Trial { runs: 1, order: Order::Only(names, seed), ..Trial::default() })?;
        Ok(shown.ran(victim) && shown.red(victim) > 0)
    }

    fn pressure(&mut self, way: Under) -> Result<(), Stop> {
        let trial = Trial { runs: PRESSED, cpu: way == Under::Cpu, io: way == Under::Io, ..Trial::default() };
        let pressed = self.lab.run(&trial)?;
        let word = if way == Under::Cpu { "cpu" } else { "io" };
        let victims = self.victims(&pressed);
        self.lab.say(&format!("{word}: {}", if victims.is_empty() { "nothing".to_owned() } else { victims.join(", ") }));
        if victims.is_empty() {
            return Ok(());
        }
        // Once more with and without: a flake that has nothing to do with pressure must not be blamed on it.
        let (again, calm) = (self.lab.run(&trial)?, self.lab.run(&Trial { runs: PRESSED, ..Trial::default() })?);
        for case in victims {
            let (with, without) = (pressed.red(&case) + again.red(&case), calm.red(&case));
            if again.red(&case) > 0 && without == 0 {
                self.found.push(Found { case, cause: Cause::Pressure(way, with, 2 * PRESSED) });
            } else {
                self.lab.say(&format!("{word}: {case} was red in {with} iterations with it and in {without} without: not proven"));
            }
        }
        Ok(())
    }

    fn variables(&mut self, name: &'static str, values: &'static [&'static str]) -> Result<(), Stop> {
        for value in values {
            let trial = Trial { runs: 1, variables: vec![(name, value)], ..Trial::default() };
            let shown = self.lab.run(&trial)?;
            let victims = self.victims(&shown);
            self.lab.say(&format!("{name}={value}: {}", if victims.is_empty() { "nothing".to_owned() } else { victims.join(", ") }));
            if victims.is_empty() {
                continue;
            }
            let (again, calm) = (self.lab.run(&trial)?, self.lab.run(&Trial { runs: 1, ..Trial::default() })?);
            for case in victims.into_iter().filter(|case| again.red(case) > 0 && calm.red(case) == 0) {
                self.found.push(Found { case, cause: Cause::Variable(name, value) });
            }
        }
        Ok(())
    }
}

/// The smallest part, found by halving, with which something still shows. Where neither half is enough the whole is the answer.
fn bisect(mut candidates: Vec<String>, shows: &mut dyn FnMut(&[String]) -> bool) -> Vec<String> {
    while candidates.len() > 1 {
        let (first, second) = candidates.split_at(candidates.len() / 2);
        if shows(first) {
            candidates = first.to_vec();
        } else if shows(second) {
            candidates = second.to_vec();
        } else {
            return needed(candidates, shows);
        }
    }
    candidates
}

/// Several are needed together: leaves out one after the other, as long as it still shows.
fn needed(candidates: Vec<String>, shows: &mut dyn FnMut(&[String]) -> bool) -> Vec<String> {
    const MOST: usize = 32;
    let mut kept = candidates;
    let mut place = 0;
    while place < kept.len() && kept.len() <= MOST {
        let mut without = kept.clone();
        without.remove(place);
        if shows(&without) {
            kept = without;
        } else {
            place += 1;
        }
    }
    kept
}

/// Cases in an order that a seed decides (splitmix64, Fisher and Yates).
pub(crate) fn shuffled(mut cases: Vec<String>, seed: u32) -> Vec<String> {
    let mut state = u64::from(seed);
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    for place in (1..cases.len()).rev() {
        let other = usize::try_from(next() % (place as u64 + 1)).unwrap_or(0);
        cases.swap(place, other);
    }
    cases
}

/// Counts by what was found, for the last line.
pub fn count(found: &[Found]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for one in found {
        let word = match one.cause {
            Cause::AsItIs(..) => "red as it is",
            Cause::After(..) | Cause::Alone | Cause::Order(_) => "order",
            Cause::Pressure(..) => "pressure",
            Cause::Variable(..) => "environment",
        };
        *counts.entry(word).or_insert(0) += 1;
    }
    counts
}

#[cfg(test)]
mod tests;
