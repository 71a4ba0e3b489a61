//! One problem in a file: where, what, and the way out. Knows how to show it, not who sees it.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A problem with its position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// File, relative to the repository.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The source line itself.
    pub source: String,
    /// What is wrong, with the value.
    pub message: String,
    /// The way out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        if !self.source.trim().is_empty() {
            write!(f, "\n  {:>4} | {}", self.line, self.source.trim_end())?;
        }
        if !self.hint.is_empty() {
            write!(f, "\n  hint: {}", self.hint)?;
        }
        Ok(())
    }
}

/// A text whose byte offsets become lines and columns.
#[derive(Debug)]
pub struct Source<'a> {
    /// Name shown in problems.
    pub file: String,
    /// The text.
    pub text: &'a str,
}

impl Source<'_> {
    /// A problem at the start of a span.
    pub fn problem(&self, span: &Range<usize>, message: impl Into<String>, hint: impl Into<String>) -> Problem {
        let mut start = span.start.min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let source = self.text[line_start..].lines().next().unwrap_or("");
        Problem {
            file: self.file.clone(),
            line: before.matches('\n').count() as u32 + 1,
            column: before[line_start..].chars().count() as u32 + 1,
            source: source.to_owned(),
            message: message.into(),
            hint: hint.into(),
        }
    }
}
