//! Why something does not hold, as one value. Knows no rule.

use crate::git::Fault;
use crate::model::Denial;

/// A reason that names the file, and the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}{}", if hint.is_empty() { String::new() } else { format!("\n  hint: {hint}") })]
pub struct Denied {
    /// Kind, and with it the exit status.
    pub denial: Denial,
    /// What, where, why.
    pub why: String,
    /// The way out, if there is one.
    pub hint: String,
}

impl Denied {
    /// With a way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

/// A denial without a way out yet.
pub fn no(denial: Denial, why: impl Into<String>) -> Denied {
    Denied { denial, why: why.into(), hint: String::new() }
}

/// What git cannot say is never a yes.
impl From<Fault> for Denied {
    fn from(fault: Fault) -> Self {
        let hint = if fault.0.contains("shallow") { "fetch the whole history: git fetch --unshallow, or fetch-depth: 0" } else { "" };
        no(Denial::Unknown, fault.0).hint(hint)
    }
}
