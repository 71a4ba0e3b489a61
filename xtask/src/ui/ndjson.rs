//! Every event as one JSON line on standard output, for programs.

use std::io::{self, Write as _};

use super::Reporter;
use crate::event::Event;
use crate::record::Record;

/// The reporter.
pub struct Ndjson;

impl Reporter for Ndjson {
    fn hear(&mut self, event: &Event, _record: &Record) -> io::Result<()> {
        let mut out = io::stdout().lock();
        serde_json::to_writer(&mut out, event)?;
        out.write_all(b"\n")?;
        out.flush()
    }
}
