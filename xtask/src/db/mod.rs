//! The migration state of a database of an Alembic application: what is in it, what the scripts know, which of the closed list of states
//! that is, and what to do next. Knows PostgreSQL and Alembic, no gate.

pub mod alembic;
pub mod lock;
pub mod look;
pub mod reference;
pub mod snapshot;
mod state;

pub use state::{Compared, Migration, Status, classify};

use std::collections::BTreeSet;

/// The lines of a schema that make it what it is; equal schemas have equal lines.
pub const FINGERPRINT: &str = include_str!("fingerprint.sql");

/// Two schemas side by side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// In the first alone.
    pub extra: Vec<String>,
    /// In the second alone.
    pub missing: Vec<String>,
}

impl Difference {
    /// What the first has and the second has not, and the other way round.
    pub fn of(found: &[String], wanted: &[String]) -> Self {
        let (one, other): (BTreeSet<&String>, BTreeSet<&String>) = (found.iter().collect(), wanted.iter().collect());
        Self { extra: one.difference(&other).map(|line| (*line).clone()).collect(), missing: other.difference(&one).map(|line| (*line).clone()).collect() }
    }

    /// Lines that differ.
    pub fn len(&self) -> usize {
        self.extra.len() + self.missing.len()
    }

    /// Nothing differs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
