//! The statements that people sign: in-toto Statement v1 with predicates of our own for a sign-off and for a waiver. Their bytes are
//! signed as they were written; nothing is made canonical.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Denied, no};
use crate::model::Denial;

/// The type of every statement.
pub const TYPE: &str = "https://in-toto.io/Statement/v1";
/// Most bytes of a statement.
pub const LARGEST: usize = 1 << 20;
/// Deepest nesting of a statement.
const DEEPEST: usize = 64;

/// An in-toto Statement v1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<P> {
    /// [`TYPE`].
    #[serde(rename = "_type")]
    pub kind: String,
    /// What it is about.
    pub subject: Vec<Subject>,
    /// Which predicate.
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// What is said.
    pub predicate: P,
}

/// A sign-off.
pub type Statement = Envelope<Signoff>;
/// A waiver.
pub type Waiver = Envelope<Waiving>;

/// A thing that a statement is about; it is recognised by its digest alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Name.
    pub name: String,
    /// Address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Digest.
    pub digest: Digest,
}

/// Digests by algorithm, the ones of in-toto's list that are used here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Digest {
    /// SHA-256, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_commit: Option<String>,
    /// Tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_tree: Option<String>,
}

impl Digest {
    /// SHA-256.
    pub fn sha256(hex: impl Into<String>) -> Self {
        Self { sha256: Some(hex.into()), ..Self::default() }
    }
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Decision {
    /// The release may go on.
    Approved,
    /// It may not.
    Rejected,
}

/// The predicate of a sign-off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signoff {
    /// Repository and phase.
    pub resource_uri: String,
    /// Phase.
    pub phase: String,
    /// From 1.
    pub sequence: u32,
    /// What was decided.
    pub decision: Decision,
    /// By whom.
    pub signer: Signer,
    /// When, RFC 3339, UTC; the signer's word.
    pub signed_on: String,
    /// Until when it holds.
    pub expires_on: String,
    /// The policy in force.
    pub policy: PolicyNote,
    /// What the gates came to.
    pub verdict: Verdict,
    /// Of which run.
    pub evidence: EvidenceNote,
    /// Sign-offs of the required phases.
    #[serde(default)]
    pub previous: Vec<Previous>,
    /// SHA-256 of the newest statement of the sequence before.
    pub supersedes: Option<String>,
    /// What changed since the last sign-off.
    pub change: Change,
    /// The tool and the runtimes.
    pub toolchain: Toolchain,
}

/// Who signed: name, role and what the signature means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    /// Mail address of allowed_signers.
    pub principal: String,
    /// Name.
    pub name: String,
    /// Role of policy.toml.
    pub role: String,
    /// What the signature means.
    pub meaning: String,
    /// What the signer added.
    #[serde(default)]
    pub comment: String,
}

/// The policy in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyNote {
    /// gates.toml.
    pub gates: Named,
    /// TRUST.json.
    pub trust: Named,
    /// What became weaker since the last sign-off.
    pub weakening: Weakening,
}

/// A named file with its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Name.
    pub name: String,
    /// Version, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Digest.
    pub digest: Digest,
}

/// What became weaker since the last sign-off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weakening {
    /// The commit of the last sign-off; none for the first.
    pub baseline: Option<String>,
    /// NONE, WAIVED or BOOTSTRAP.
    pub result: String,
    /// Waivers that were needed.
    pub waivers: Vec<String>,
}

/// What the gates came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// PASSED or FAILED.
    pub result: String,
    /// Criteria of the phase.
    pub criteria: Vec<Criterion>,
    /// Gates of the phase.
    pub gates: Vec<Gate>,
}

/// A criterion with what was seen; numbers as they were written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Criterion {
    /// Name.
    pub id: String,
    /// What is counted.
    pub metric: String,
    /// `<=` or `>=`.
    pub op: String,
    /// What is allowed.
    pub threshold: String,
    /// What was seen.
    pub observed: String,
    /// Of what.
    pub unit: String,
    /// It holds.
    pub met: bool,
}

/// A gate with what it came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// Id.
    pub id: String,
    /// It can block.
    pub required: bool,
    /// PASSED, FAILED, BROKEN, SKIPPED or CANCELLED.
    pub result: String,
    /// Iterations that were planned.
    pub requested: u32,
    /// Iterations that ended.
    pub completed: u32,
    /// Iterations that passed.
    pub passed: u32,
    /// Cases of its suite in junit.xml.
    pub tests: Tests,
}

/// Cases of a suite.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tests {
    /// All.
    pub total: u64,
    /// Passed.
    pub passed: u64,
    /// Failed, or ended in an error.
    pub failed: u64,
    /// Skipped.
    pub skipped: u64,
    /// SHA-256 of their sorted names, a line each.
    pub inventory_sha256: String,
}

/// Of which run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceNote {
    /// Where it was made: `github-actions` or `local`.
    pub origin: String,
    /// Run id.
    pub run: String,
    /// Address of the job.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run_uri: String,
    /// When the run ended.
    pub finished_on: String,
    /// SHA-256 of the bundle with which CI attested the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci_bundle: Option<String>,
}

/// A sign-off of a required phase.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Previous {
    /// Phase.
    pub phase: String,
    /// Sequence.
    pub sequence: u32,
    /// SHA-256 of each of its statements that counted, sorted.
    pub statements: Vec<String>,
}

/// What changed since the last sign-off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Commit of the last sign-off of this phase.
    pub from: Option<String>,
    /// Commit.
    pub to: String,
    /// Commits between them.
    pub commits: u64,
    /// The commit was not on the protected branch when it was signed.
    #[serde(default)]
    pub unmerged: bool,
}

/// The tool and the runtimes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toolchain {
    /// Version of this program that ran the gates.
    pub xtask: String,
    /// Runtimes with versions.
    pub runtimes: Vec<String>,
}

/// The predicate of a waiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiving {
    /// Repository.
    pub resource_uri: String,
    /// Name.
    pub id: String,
    /// Changes that it allows.
    pub changes: Vec<WaivedChange>,
    /// SHA-256 of gates.toml before.
    pub base: String,
    /// SHA-256 of gates.toml after.
    pub head: String,
    /// Why.
    pub reason: String,
    /// Ticket.
    #[serde(default)]
    pub ticket: String,
    /// Until when it holds, RFC 3339, UTC.
    pub until: String,
    /// Mail address of allowed_signers.
    pub principal: String,
    /// When it was signed.
    pub signed_on: String,
}

/// A change that a waiver allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaivedChange {
    /// What changed.
    pub path: String,
    /// Before; empty where there was nothing.
    pub from: String,
    /// After; empty where there is nothing.
    pub to: String,
}

/// A statement from bytes whose signature was verified: small, flat, with every key at most once.
pub fn parse<P: DeserializeOwned>(file: &str, bytes: &[u8]) -> Result<Envelope<P>, Denied> {
    let invalid = |why: String| no(Denial::Invalid, format!("{file}: {why}"));
    if bytes.len() > LARGEST {
        return Err(invalid(format!("it has {} bytes, and a statement has at most {LARGEST}", bytes.len())));
    }
    if depth(bytes) > DEEPEST {
        return Err(invalid(format!("it is nested deeper than {DEEPEST}")));
    }
    let envelope: Envelope<P> = serde_json::from_slice(bytes).map_err(|cause| invalid(cause.to_string()))?;
    if envelope.kind != TYPE {
        return Err(invalid(format!("its _type is `{}`", envelope.kind)));
    }
    Ok(envelope)
}

/// Deepest nesting of brackets outside of strings.
fn depth(bytes: &[u8]) -> usize {
    let (mut now, mut most, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match (quoted, escaped, byte) {
            (true, true, _) => escaped = false,
            (true, false, b'\\') => escaped = true,
            (_, false, b'"') => quoted = !quoted,
            (false, _, b'{' | b'[') => {
                now += 1;
                most = most.max(now);
            }
            (false, _, b'}' | b']') => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// The bytes of a statement, as they are signed.
pub fn bytes<P: Serialize>(envelope: &Envelope<P>) -> Result<Vec<u8>, Denied> {
    document(envelope)
}

/// The bytes of a document of ours.
pub fn document(document: &impl Serialize) -> Result<Vec<u8>, Denied> {
    let mut bytes = serde_json::to_vec_pretty(document).map_err(|cause| no(Denial::Unknown, cause.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A time of a statement: RFC 3339 in UTC with `Z`, and nothing else.
pub fn moment(file: &str, key: &str, text: &str) -> Result<OffsetDateTime, Denied> {
    let invalid = |why: String| no(Denial::Invalid, format!("{file}: {key} `{text}`: {why}"));
    if !text.ends_with('Z') {
        return Err(invalid("not in UTC with Z".to_owned()));
    }
    OffsetDateTime::parse(text, &Rfc3339).map_err(|cause| invalid(cause.to_string()))
}

/// A time as statements write it, whole seconds.
pub fn written(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC).replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse::<Waiving>("w.json", text.as_bytes()).expect_err("refused").why
    }

    #[test]
    fn odd_documents_are_refused() {
        assert!(refused(&"[".repeat(65)).contains("nested deeper"));
        assert!(refused(&" ".repeat(LARGEST + 1)).contains("at most"));
        assert!(refused(r#"{"_type":"a","_type":"b","subject":[],"predicateType":"x","predicate":{}}"#).contains("duplicate field"));
        let twice =
            r#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"sha256":"1","sha256":"2"}}],"predicateType":"x","predicate":{}}"#;
        assert!(refused(twice).contains("duplicate field"), "{}", refused(twice));
        assert_eq!(depth(br#"{"a":"[[[\"[["}"#), 1);
    }

    #[test]
    fn only_utc_is_a_time() {
        assert!(moment("f", "k", "2026-01-02T03:04:05Z").is_ok());
        for bad in ["2026-01-02T03:04:05+01:00", "2026-01-02", "yesterdayZ"] {
            assert!(moment("f", "k", bad).is_err(), "{bad}");
        }
    }
}
