//! Pictures, films and traces that red iterations left: what a person looks at first; and until when services were there.

use std::path::Path;

use super::Record;
use crate::event::PlannedGate;
use crate::model::Verdict;

/// Endings of what a browser test leaves.
const SEEN: &[&str] = &["png", "jpg", "webm", "zip", "html"];

impl Record {
    /// A service ended: the newest of its name that had not yet.
    pub(super) fn served(&mut self, instance: &str, at: u64) {
        if let Some(span) = self.spans.iter_mut().rev().find(|(known, _, end)| known == instance && end.is_none()) {
            span.2 = Some(at);
        }
    }

    /// Files below the run's folder, of the iterations that were not green, in the order in which they were kept.
    pub fn witnesses(&self, gate: &PlannedGate) -> Vec<&str> {
        let red = self.jobs_of(&gate.id).filter(|(_, job)| self.judge(gate, job).verdict != Verdict::Pass);
        let is_seen = |name: &&str| Path::new(name).extension().is_some_and(|ending| SEEN.contains(&ending.to_string_lossy().as_ref()));
        red.flat_map(|(_, job)| job.kept.iter().map(|file| file.path.as_str())).filter(is_seen).collect()
    }
}
