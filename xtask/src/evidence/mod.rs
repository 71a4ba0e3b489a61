//! The sealed files of a run: what looks like a secret in them (`scan`), the events that a verdict stands on (`tally`), and the list
//! of all files with their digests (`manifest`). Knows no signature.

mod manifest;
mod scan;
mod tally;

pub use manifest::{Manifest, Sealed, check, seal, sha256, sha256_file};
pub use scan::{Leak, scan, scan_text};
pub use tally::{read as read_tally, write as tally};
