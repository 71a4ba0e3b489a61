//! Which results were executed in this run, and which were taken from another one.

use super::Record;
use crate::event::JobReused;
use crate::rundir::short;

impl Record {
    /// The run that a gate's result was taken from.
    pub fn reused(&self, gate: &str) -> Option<&JobReused> {
        self.jobs_of(gate).find_map(|(_, job)| job.reused.as_deref())
    }

    /// Whether a gate ran here or its result was taken from another run, in one line; nothing where no result could be.
    pub fn execution(&self, gate: &str) -> Option<String> {
        if let Some(reused) = self.reused(gate) {
            let dirty = if reused.dirty { " with uncommitted changes" } else { "" };
            let commit = reused.commit.as_deref().map(|commit| format!(", commit {}{dirty}", commit.get(..12).unwrap_or(commit))).unwrap_or_default();
            return Some(format!("REUSED from run {}{commit}", short(&reused.run)));
        }
        self.fresh.get(gate).map(|why| format!("EXECUTED: {why}"))
    }

    /// Some result of it was made by another run.
    pub fn reuses(&self) -> bool {
        self.jobs.values().any(|job| job.reused.is_some())
    }
}
