//! What the commands of sign-offs share: the repository with its trust, and how a denial is told.

use time::OffsetDateTime;

use super::{Repository, check_specs, repository, say};
use crate::cli::{AnchorArgs, Place};
use crate::config::CheckSpec;
use crate::git::Git;
use crate::model::Denial;
use crate::signoff::{Anchor, Denied, Scene, no};

/// A repository, with git and the checks that gates.toml may name.
pub(super) struct Stage {
    pub(super) repository: Repository,
    pub(super) git: Git,
    checks: Vec<CheckSpec>,
    pub(super) manifest: String,
}

impl Stage {
    pub(super) fn of(place: &Place) -> Result<Self, Denied> {
        let repository = repository(place).map_err(|error| no(Denial::Usage, format!("{error:#}")))?;
        let manifest = repository.manifest.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { git: Git::new(&repository.root), checks: check_specs(), manifest, repository })
    }

    /// With the trust for judging a commit.
    pub(super) fn scene(&self, anchor: &AnchorArgs, commit: &str, at: Option<&str>) -> Result<Scene<'_>, Denied> {
        let now = match at {
            Some(text) => crate::signoff::statement::moment("--at", "time", text).map_err(|denied| Denied { denial: Denial::Usage, ..denied })?,
            None => OffsetDateTime::now_utc(),
        };
        let anchor = Anchor { folder: anchor.trust_dir.clone(), digest: anchor.trust_digest.clone(), reference: anchor.trust_ref.clone() };
        let (chain, anchored, protected) = anchor.find(&self.git, commit)?;
        Ok(Scene { git: self.git.clone(), manifest: self.manifest.clone(), chain, anchored, protected, checks: &self.checks, now })
    }
}

/// The exit status of something that was tried; a denial is told with its way out.
pub(super) fn status(tried: Result<(), Denied>) -> u8 {
    match tried {
        Ok(()) => 0,
        Err(denied) => {
            say(&format!("error: {denied}"));
            denied.denial.code()
        }
    }
}

/// A failure to write.
pub(super) fn unwritten(what: &str, cause: &dyn std::fmt::Display) -> Denied {
    no(Denial::Unknown, format!("failed to write {what}: {cause}"))
}
