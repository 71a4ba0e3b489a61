//! The files made from a finished run: one format a file of this room. Knows records and cases, not how they came about.

mod cases;
mod html;
mod json;
mod junit;
mod markdown;
mod timeline;

pub use cases::{CaseLine, Cases, GateCases, Proof, load};

use std::io::{self, Write};

use crate::record::Record;

/// A format of a report.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Name, for `--format` and documentation.
    pub name: &'static str,
    /// File in the run's folder.
    pub file: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// Makes it, part by part: a report of many gates is big.
    pub write: fn(&Record, &Cases, &mut dyn Write) -> io::Result<()>,
}

/// All formats, by name.
pub const FORMATS: &[Format] = &[html::FORMAT, json::FORMAT, junit::FORMAT, markdown::FORMAT];
