//! Arguments of `gate` that leave gates out, or let a result of another run stand for them.

use clap::Args;

use super::GateArgs;

/// Arguments of `gate` about gates of the targets that need not run.
#[derive(Clone, Debug, Args)]
pub struct Narrow {
    /// Only what was not green in the latest run; the run is partial.
    #[arg(long)]
    pub failed: bool,
    /// Only gates whose inputs differ from a commit, and what they need; the run is partial. Without a phase: of all phases.
    #[arg(long, value_name = "BASE", conflicts_with = "failed")]
    pub affected: Option<String>,
    /// Run every gate, whatever the profile says of reuse.
    #[arg(long)]
    pub no_reuse: bool,
}

impl GateArgs {
    /// Nothing on the command line wants to see gates run, or changes what they run on.
    pub fn may_reuse(&self) -> bool {
        let repeats = self.runs.is_some() || self.repeat.is_open();
        !self.narrow.no_reuse
            && !repeats
            && self.extra.is_empty()
            && self.provoked.is_none()
            && self.servers.database_url.is_none()
            && !self.servers.keep_services
    }
}
