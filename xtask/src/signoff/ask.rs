//! Where the trust comes from, and everything else that signing and verifying share: the repository, its address, the time, gates.toml of
//! a commit.

use std::path::PathBuf;

use time::OffsetDateTime;

use super::{Chain, Denied, FOLDER, Policy, Trust, no};
use crate::config::{self, CheckSpec, Config};
use crate::git::{Git, short};
use crate::model::Denial;

/// Where the trust comes from, as the command line says.
#[derive(Clone, Debug, Default)]
pub struct Anchor {
    /// A folder outside of what is judged.
    pub folder: Option<PathBuf>,
    /// SHA-256 of a TRUST.json.
    pub digest: Option<String>,
    /// A branch that is protected.
    pub reference: Option<String>,
}

/// What signing and verifying share.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The repository.
    pub git: Git,
    /// Name of the manifest, relative to the root.
    pub manifest: String,
    /// The trust.
    pub chain: Chain,
    /// Where it came from, in words.
    pub anchored: String,
    /// The commit of the protected branch, where the anchor is one.
    pub protected: Option<String>,
    /// Checks of this program.
    pub checks: &'a [CheckSpec],
    /// Now.
    pub now: OffsetDateTime,
}

impl Anchor {
    /// The trust for judging a commit, never taken from that commit alone.
    pub fn find(&self, git: &Git, commit: &str) -> Result<(Chain, String, Option<String>), Denied> {
        if let Some(folder) = &self.folder {
            let inner = folder.join(FOLDER);
            let trust = Trust::of_folder(if inner.is_dir() { &inner } else { folder })?;
            let words = format!("{} (TRUST.json version {})", trust.place, trust.file.version);
            let chain = match Chain::of(git, commit, Some(&trust.digest)) {
                // The commit has this version or a newer one that its roots signed; what is older is of no use here.
                Ok(chain) if chain.newest().digest == trust.digest => chain,
                _ => Chain::alone(trust),
            };
            own_trust_follows(git, commit, &chain)?;
            return Ok((chain, words, None));
        }
        if let Some(digest) = &self.digest {
            let digest = digest.strip_prefix("sha256:").unwrap_or(digest).to_lowercase();
            if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(no(Denial::Usage, format!("--trust-digest {digest} is no SHA-256")).hint("sha256sum .gates/trust/TRUST.json"));
            }
            let chain = Chain::of(git, commit, Some(&digest))?;
            return Ok((chain, format!("the pinned digest sha256:{}", &digest[..12]), None));
        }
        let (name, at) = self.protected(git)?;
        let chain = Chain::of(git, &at, None)?;
        own_trust_follows(git, commit, &chain)?;
        Ok((chain, format!("{name} at {}", short(&at)), Some(at)))
    }

    fn protected(&self, git: &Git) -> Result<(String, String), Denied> {
        let name = self
            .reference
            .clone()
            .or_else(|| git.default_branch())
            .or_else(|| ["origin/main", "origin/master"].into_iter().find(|name| git.commit(name).is_ok()).map(str::to_owned));
        let hint = "--trust-ref BRANCH, --trust-digest sha256:... or --trust-dir DIR";
        let name = name.ok_or_else(|| no(Denial::Weakened, "the trust has no anchor: there is no remote `origin` with a default branch").hint(hint))?;
        let at = git.commit(&name).map_err(|fault| no(Denial::Weakened, format!("the trust has no anchor: {fault}")).hint(hint))?;
        Ok((name, at))
    }
}

/// The commit's own trust is a version of the chain, or one that its roots signed. It is not used either way; a change that brings another
/// one along is refused for that.
fn own_trust_follows(git: &Git, commit: &str, chain: &Chain) -> Result<(), Denied> {
    let own = Trust::at(git, commit)
        .map_err(|denied| Denied { denial: if denied.denial == Denial::Unknown { Denial::Unknown } else { Denial::Weakened }, ..denied })?;
    if chain.by_digest(&own.digest).is_some() {
        return Ok(());
    }
    let newest = chain.newest();
    let older = own.file.version < newest.file.version
        && Chain::of(git, commit, None).is_ok_and(|chain| !chain.unpinned || chain.newest().file.version == own.file.version);
    if older && newest.file.previous.is_some() && chain.versions().count() == 1 {
        return Ok(()); // a folder with a newer version: the older one decides nothing
    }
    Chain::of(git, commit, Some(&newest.digest)).map(|_| ()).map_err(|denied| {
        let why = format!("{FOLDER} at {} is not the trust that is anchored, and its roots did not sign it: {}", short(commit), denied.why);
        let denial = if denied.denial == Denial::Unknown { Denial::Unknown } else { Denial::Weakened };
        no(denial, why).hint("a change cannot bring its own keys along: `xtask trust update`, signed by the roots, comes first")
    })
}

impl Scene<'_> {
    /// The policy in force.
    pub fn policy(&self) -> &Policy {
        &self.chain.newest().policy
    }

    /// The text of gates.toml at a commit.
    pub fn gates(&self, commit: &str) -> Result<String, Denied> {
        let bytes = self.git.file(commit, &self.manifest)?;
        let bytes = bytes.ok_or_else(|| no(Denial::Unknown, format!("there is no {} at {}", self.manifest, short(commit))))?;
        String::from_utf8(bytes).map_err(|cause| no(Denial::Unknown, format!("{} at {}: {cause}", self.manifest, short(commit))))
    }

    /// The meaning of gates.toml at a commit, on the day of a run.
    pub fn config(&self, commit: &str, day: OffsetDateTime) -> Result<Config, Denied> {
        let text = self.gates(commit)?;
        let caller = config::Caller { checks: self.checks, in_ci: false, today: day.date(), elsewhere: true };
        config::parse(std::path::Path::new("."), &self.manifest, &text, caller).map_err(|problems| {
            let first = problems.first().map(ToString::to_string).unwrap_or_default();
            no(Denial::Unknown, format!("{} at {} is not what this version of the tool reads: {first}", self.manifest, short(commit)))
        })
    }

    /// Repository and phase in one address.
    pub fn resource(&self, phase: &str) -> String {
        format!("{}#{phase}", self.policy().repository)
    }
}
