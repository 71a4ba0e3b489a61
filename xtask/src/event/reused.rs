//! A result that was made by another run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::JobId;

/// A result that is taken from another run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobReused {
    /// Gate and iteration.
    pub job: JobId,
    /// The run in which it was executed.
    pub run: String,
    /// When that run started, RFC 3339, UTC.
    pub wall: String,
    /// The commit of that run; none outside of git.
    pub commit: Option<String>,
    /// There were uncommitted changes.
    pub dirty: bool,
    /// Digest of everything that the result depends on, then and now.
    pub fingerprint: String,
}
