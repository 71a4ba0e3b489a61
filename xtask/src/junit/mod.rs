//! JUnit in and out: a tolerant streaming reader, names of cases by dialect, a strict writer. Knows no gate and no run.

pub mod decode;
pub mod name;
pub mod read;
pub mod sanitize;
pub mod tally;
pub mod write;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Location, Outcome, ReportState, Totals};

/// One `<testcase>` as it was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Case {
    /// Names of the suites around it, outermost first.
    pub suites: Arc<[String]>,
    /// Attribute `classname`.
    pub classname: String,
    /// Attribute `name`.
    pub name: String,
    /// Attribute `file` or `filepath`.
    pub file: String,
    /// Attribute `line`.
    pub line: Option<u32>,
    /// Seconds, if the report gives a readable number.
    pub seconds: Option<f64>,
    /// Outcome: the worst of its children.
    pub outcome: Outcome,
    /// Attribute `type` of the worst child.
    pub kind: String,
    /// Attribute `message` of the worst child.
    pub message: String,
    /// Text of the worst child, long ones cut in the middle.
    pub text: String,
    /// Failed attempts before or after the result: element name, message.
    pub retries: Vec<(String, String)>,
    /// Printed name: the identity that gates.toml and screens use.
    pub printed: String,
    /// Which tool wrote it.
    pub dialect: name::Dialect,
}

impl Case {
    /// The first line that says why it is red: the message, else the text.
    pub fn headline(&self) -> String {
        let line = crate::text::first_line(&self.message);
        let line = if line.is_empty() { crate::text::first_line(&self.text) } else { line };
        crate::text::without_ansi(line).chars().take(300).collect()
    }

    /// Where it failed: the last place in its own file that the trace names, else the first place, else its attributes.
    pub fn place(&self) -> Option<Location> {
        let trace = crate::text::without_ansi(&self.text);
        let own_file = if self.file.is_empty() { &self.classname } else { &self.file };
        let attribute = || {
            let line = self.line.filter(|_| !self.file.is_empty())?;
            Some(Location { file: self.file.clone(), line: line.saturating_add(1) })
        };
        let own = crate::text::locate_last_in(own_file, &trace);
        own.or_else(|| crate::text::locate(&trace)).or_else(attribute).or_else(|| crate::text::locate(&self.message))
    }
}

/// What a report turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// State.
    pub state: ReportState,
    /// Counted elements.
    pub totals: Totals,
    /// What its own attributes declare at the outermost suites.
    pub declared: Totals,
    /// What is odd about it.
    pub notes: Vec<String>,
}
