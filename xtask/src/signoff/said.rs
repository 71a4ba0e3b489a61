//! One statement: its signature, whether it is about what it lies beside, and whether it still holds. Knows no other statement.

use time::{Duration, OffsetDateTime};

use super::ask::Scene;
use super::candidate::{Raw, Sequence};
use super::policy::Rules;
use super::sign::{holds, signed_by};
use super::statement::{self, Statement, moment};
use super::{Denied, Evaluated, Policy, Trust, no};
use crate::evidence::sha256;
use crate::model::Denial;

/// A clock may be wrong by this much.
const SKEW: Duration = Duration::minutes(5);

/// A statement whose signature is good.
pub(super) struct Signed {
    pub(super) file: String,
    pub(super) digest: String,
    pub(super) principal: String,
    pub(super) statement: Statement,
}

/// The trust under which an earlier phase was signed; keys and revocations are always those of the anchor.
pub(super) fn terms_then<'s>(scene: &'s Scene<'_>, one: &Signed) -> Result<&'s Trust, Denied> {
    let digest = one.statement.predicate.policy.trust.digest.sha256.as_deref().unwrap_or_default();
    scene.chain.by_digest(digest).ok_or_else(|| no(Denial::Unknown, format!("{}: the trust under which it was signed is not in the chain", one.file)))
}

/// The signature first, then what it says.
pub(super) fn signed(scene: &Scene<'_>, raw: &Raw, role: &str) -> Result<Signed, Denied> {
    let trust = scene.chain.newest();
    let namespace = &trust.policy.role[role].namespace;
    let line = signed_by(&trust.signers, &trust.revoked, namespace, &raw.file, &raw.bytes, &raw.signature)?;
    let statement: Statement = statement::parse(&raw.file, &raw.bytes)?;
    let invalid = |why: String| no(Denial::Invalid, format!("{}: {why}", raw.file));
    let signer = &statement.predicate.signer;
    let principal = signer.principal.to_lowercase();
    if !line.principals.contains(&principal) {
        return Err(invalid(format!("it says that {principal} signed, and the key is of {}", line.principals.join(","))));
    }
    if signer.role != role {
        return Err(invalid(format!("it is signed as {}, and {role} is wanted", signer.role)));
    }
    if statement.predicate_type != Policy::predicate_type(namespace) {
        return Err(invalid(format!("its predicateType is `{}`", statement.predicate_type)));
    }
    holds(line, &raw.file, moment(&raw.file, "signedOn", &statement.predicate.signed_on)?, scene.now)?;
    Ok(Signed { file: raw.file.clone(), digest: sha256(&raw.bytes), principal, statement })
}

/// It is about this phase of this repository, and lies where it says.
pub(super) fn about(scene: &Scene<'_>, one: &Signed, phase: &str, sequence: &Sequence) -> Result<(), Denied> {
    let said = &one.statement.predicate;
    let pairs = [
        ("resourceUri", said.resource_uri.clone(), scene.resource(phase)),
        ("phase", said.phase.clone(), phase.to_owned()),
        ("sequence", said.sequence.to_string(), sequence.number.to_string()),
    ];
    match pairs.iter().find(|(_, said, wanted)| said != wanted) {
        Some((what, said, wanted)) => Err(no(Denial::Invalid, format!("{}: its {what} is {said}, and not {wanted}", one.file))),
        None => Ok(()),
    }
}

/// Signed after the run, not in the future, and not out of date.
pub(super) fn times(one: &Signed, evaluated: &Evaluated, rules: &Rules, now: OffsetDateTime) -> Result<(), Denied> {
    let said = &one.statement.predicate;
    let signed = moment(&one.file, "signedOn", &said.signed_on)?;
    let stale = |why: String| no(Denial::Stale, format!("{}: {why}", one.file)).hint("run the gates again and sign that run");
    if signed < evaluated.finished {
        return Err(stale(format!("it was signed on {}, before the run ended on {}", said.signed_on, evaluated.manifest.finished_on)));
    }
    if signed > now + SKEW {
        return Err(stale(format!("it was signed on {}, which is in the future", said.signed_on)));
    }
    let ends = moment(&one.file, "expiresOn", &said.expires_on)?.min(signed + rules.expires);
    if now >= ends {
        return Err(stale(format!("it ended on {}", statement::written(ends))));
    }
    Ok(())
}
