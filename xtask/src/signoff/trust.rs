//! The trust: policy, keys and revocations as one version, and the chain of versions, each signed by the roots of the one before. What a
//! change brings along is never trusted for judging that change.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::sign::{holds, signed_by};
use super::{Denied, Policy, Revoked, Signers, no};
use crate::evidence::sha256;
use crate::git::Git;
use crate::model::Denial;

/// Where the trust is kept, relative to the root.
pub const FOLDER: &str = ".gates/trust";
/// The files that a version names.
pub const FILES: [&str; 3] = ["policy.toml", "allowed_signers", "revoked_keys"];

/// TRUST.json: one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustFile {
    /// Version of this format: 1.
    pub schema: u32,
    /// From 1.
    pub version: u32,
    /// When it was made, RFC 3339, UTC.
    pub created_on: String,
    /// SHA-256 of policy.toml.
    pub policy: String,
    /// SHA-256 of allowed_signers.
    pub signers: String,
    /// SHA-256 of revoked_keys.
    pub revoked: String,
    /// SHA-256 of the TRUST.json before it.
    pub previous: Option<String>,
}

impl TrustFile {
    /// The digests in the order of [`FILES`].
    pub fn digests(&self) -> [&str; 3] {
        [&self.policy, &self.signers, &self.revoked]
    }
}

/// One version with its files.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Who may sign what.
    pub policy: Policy,
    /// Keys.
    pub signers: Signers,
    /// Revoked keys.
    pub revoked: Revoked,
    /// TRUST.json.
    pub file: TrustFile,
    /// SHA-256 of TRUST.json.
    pub digest: String,
    /// Where it was read, for messages.
    pub place: String,
    bytes: Vec<u8>,
    signatures: Vec<(String, Vec<u8>)>,
}

type Read<'r> = &'r dyn Fn(&str) -> Result<Option<Vec<u8>>, Denied>;

impl Trust {
    fn read(place: &str, names: &[String], read: Read<'_>) -> Result<Self, Denied> {
        let bytes = read("TRUST.json")?.ok_or_else(|| {
            no(Denial::Weakened, format!("{place} has no TRUST.json: nobody is trusted to sign"))
                .hint("`xtask trust update --bootstrap` makes the first version")
        })?;
        let file: TrustFile = serde_json::from_slice(&bytes).map_err(|cause| no(Denial::Weakened, format!("{place}/TRUST.json: {cause}")))?;
        if file.schema != 1 {
            return Err(no(Denial::Unknown, format!("{place}/TRUST.json has schema {}, and this program knows 1", file.schema)));
        }
        let mut parts = Vec::new();
        for (name, wanted) in FILES.iter().zip(file.digests()) {
            // Without a list of revocations nobody can say that a key is not revoked.
            let part = read(name)?.ok_or_else(|| no(Denial::Unknown, format!("{place}/{name} is missing")).hint("it may hold nothing but a comment"))?;
            if sha256(&part) != wanted {
                let why = format!("{place}/{name} is not the one that TRUST.json version {} names", file.version);
                return Err(no(Denial::Weakened, why).hint("`xtask trust update` makes a new version, which the roots of the old one sign"));
            }
            parts.push(part);
        }
        let at = |name: &str| format!("{place}/{name}");
        let signatures = names.iter().filter_map(|name| Some((name.strip_prefix("TRUST.json.")?.strip_suffix(".sig")?.to_owned(), name)));
        let signatures = signatures.map(|(who, name)| Ok((who, read(name)?.unwrap_or_default()))).collect::<Result<_, Denied>>()?;
        Ok(Self {
            policy: Policy::parse(&at(FILES[0]), &parts[0])?,
            signers: Signers::parse(&at(FILES[1]), &parts[1])?,
            revoked: Revoked::parse(&at(FILES[2]), &parts[2])?,
            digest: sha256(&bytes),
            place: place.to_owned(),
            bytes,
            file,
            signatures,
        })
    }

    /// The trust at a commit.
    pub fn at(git: &Git, commit: &str) -> Result<Self, Denied> {
        let names: Vec<String> =
            git.list(commit, FOLDER)?.into_iter().filter_map(|entry| Some(entry.path.strip_prefix(FOLDER)?.trim_start_matches('/').to_owned())).collect();
        let place = format!("{FOLDER} at {}", crate::git::short(commit));
        Self::read(&place, &names, &|name| Ok(git.file(commit, &format!("{FOLDER}/{name}"))?))
    }

    /// The trust in a folder.
    pub fn of_folder(folder: &Path) -> Result<Self, Denied> {
        let names: Vec<String> =
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        Self::read(&folder.display().to_string(), &names, &|name| match std::fs::read(folder.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(no(Denial::Unknown, format!("failed to read {}: {cause}", folder.join(name).display()))),
        })
    }

    /// Enough roots of the version before have signed this one; the first version is signed by its own.
    fn is_signed_by(&self, before: &Self, revoked: &Revoked) -> Result<(), Denied> {
        let root = &before.policy.role["root"];
        let at = OffsetDateTime::parse(&self.file.created_on, &Rfc3339)
            .map_err(|cause| no(Denial::Weakened, format!("{}/TRUST.json: createdOn: {cause}", self.place)))?;
        let mut signed = BTreeSet::new();
        let mut reasons = Vec::new();
        for (who, signature) in &self.signatures {
            let file = format!("TRUST.json.{who}.sig");
            let line = signed_by(&before.signers, revoked, &root.namespace, &file, &self.bytes, signature);
            match line.and_then(|line| holds(line, &file, at, at).map(|()| line)) {
                Ok(line) => signed.extend(line.principals.iter().filter(|one| root.principals.iter().any(|root| root.to_lowercase() == **one)).cloned()),
                Err(denied) => reasons.push(denied.why),
            }
        }
        if signed.len() >= root.threshold as usize {
            return Ok(());
        }
        let (version, wanted) = (self.file.version, root.threshold);
        let from = if before.digest == self.digest { "itself".to_owned() } else { format!("version {}", before.file.version) };
        let why = format!("{}: TRUST.json version {version} is signed by {} of {wanted} roots of {from}", self.place, signed.len());
        let detail = reasons.first().filter(|_| signed.is_empty()).map(|reason| format!(" ({reason})")).unwrap_or_default();
        Err(no(Denial::Weakened, format!("{why}{detail}")).hint("each root runs: xtask trust update --key KEY"))
    }
}

/// Versions of the trust that belong together.
#[derive(Clone, Debug)]
pub struct Chain {
    versions: BTreeMap<u32, Trust>,
    /// It reaches back to its first version, which nobody but its own roots signed, and no pin held it.
    pub unpinned: bool,
}

impl Chain {
    /// A trust that is an anchor by itself.
    pub fn alone(trust: Trust) -> Self {
        Self { versions: [(trust.file.version, trust)].into(), unpinned: false }
    }

    /// The trust at a commit, with the versions before it back to the pinned one or to the first.
    pub fn of(git: &Git, commit: &str, pin: Option<&str>) -> Result<Self, Denied> {
        let tip = Trust::at(git, commit)?;
        let earlier = earlier(git, commit)?;
        if let Some((at, file)) = earlier
            .iter()
            .find_map(|(at, bytes)| Some((&at[0], serde_json::from_slice::<TrustFile>(bytes).ok()?)).filter(|(_, file)| file.version > tip.file.version))
        {
            let why = format!("{}: version {} is older than version {} of {}", tip.place, tip.file.version, file.version, crate::git::short(at));
            return Err(no(Denial::Weakened, why).hint("a version of the trust is replaced by a newer one only"));
        }
        let mut chain = vec![tip];
        loop {
            let last = &chain[chain.len() - 1];
            if pin.is_some_and(|pin| pin == last.digest) {
                break;
            }
            let Some(wanted) = &last.file.previous else {
                if let Some(pin) = pin {
                    let why = format!("{}: no version of the trust has the pinned digest sha256:{pin}", chain[0].place);
                    return Err(no(Denial::Weakened, why).hint("the trust was replaced, or the pin is of another repository"));
                }
                break;
            };
            let found = earlier.iter().find(|(_, bytes)| sha256(bytes) == *wanted);
            let Some((at, _)) = found else {
                let why = format!("{}: the version before version {} is not in the history", last.place, last.file.version);
                let denial = if git.is_shallow() { Denial::Unknown } else { Denial::Weakened };
                return Err(no(denial, why).hint("fetch the whole history: git fetch --unshallow, or fetch-depth: 0"));
            };
            // Its files may have been changed in a commit before the next version was made: any commit that has all of it will do.
            let mut before = Trust::at(git, &at[0]);
            for at in &at[1..] {
                before = before.or_else(|_| Trust::at(git, at));
            }
            let before = before?;
            if before.file.version + 1 != last.file.version {
                return Err(no(Denial::Weakened, format!("{}: version {} follows version {}", last.place, last.file.version, before.file.version)));
            }
            chain.push(before);
        }
        // Who vouches for a version is said by the one before, with the revocations that it knew: a root can help to revoke a key of its own, and
        // a revocation does not take away what the threshold of roots has signed before it.
        for two in chain.windows(2) {
            two[0].is_signed_by(&two[1], &two[1].revoked)?;
        }
        let first = &chain[chain.len() - 1];
        let unpinned = pin.is_none();
        if first.file.previous.is_none() {
            first.is_signed_by(first, &Revoked::default())?;
            if first.file.version != 1 {
                return Err(no(Denial::Weakened, format!("{}: version {} has no version before it", first.place, first.file.version)));
            }
        }
        Ok(Self { versions: chain.into_iter().map(|trust| (trust.file.version, trust)).collect(), unpinned })
    }

    /// The newest version.
    pub fn newest(&self) -> &Trust {
        self.versions.values().next_back().expect("a chain has a link")
    }

    /// The version with this digest.
    pub fn by_digest(&self, digest: &str) -> Option<&Trust> {
        self.versions.values().find(|trust| trust.digest == digest)
    }

    /// Versions, oldest first.
    pub fn versions(&self) -> impl Iterator<Item = &Trust> {
        self.versions.values()
    }
}

/// Commits with the same TRUST.json, and its bytes.
type Earlier = (Vec<String>, Vec<u8>);

/// Every TRUST.json that the history up to a commit holds, newest first, with the commits that touched the folder and have it.
fn earlier(git: &Git, commit: &str) -> Result<Vec<Earlier>, Denied> {
    let mut found: Vec<Earlier> = Vec::new();
    for at in git.touching(commit, FOLDER)? {
        let Some(bytes) = git.file(&at, &format!("{FOLDER}/TRUST.json"))? else { continue };
        match found.iter_mut().find(|(_, known)| *known == bytes) {
            Some((commits, _)) => commits.push(at),
            None => found.push((vec![at], bytes)),
        }
    }
    Ok(found)
}
