//! The statement of a sign-off: everything that was found out, in the words of its predicate.

use super::signoff::Case;
use crate::evidence::sha256;
use crate::signoff::statement::{self, Change, Digest, Envelope, EvidenceNote, Named, PolicyNote, Previous, Signer, Signoff, Subject, Toolchain, Weakening};
use crate::signoff::{self, Decision, Denied, Policy, Statement};

pub(super) fn compose(case: &Case<'_>, decision: Decision, since: Option<String>, commits: u64) -> Result<Statement, Denied> {
    let (scene, seen) = (case.scene, &case.evaluated);
    let trust = scene.chain.newest();
    let subject = |name: &str, uri: Option<String>, digest: Digest| Subject { name: name.to_owned(), uri, digest };
    let repository = trust.policy.repository.clone();
    let gates = sha256(scene.gates(&case.head)?.as_bytes());
    let meaning = if decision == Decision::Approved { "approval" } else { "rejection" };
    let expires = scene.now + case.rules.expires;
    let supersedes = supersedes(case)?;
    let signoff = Signoff {
        resource_uri: scene.resource(&case.args.phase),
        phase: case.args.phase.clone(),
        sequence: case.number,
        decision,
        signer: Signer {
            principal: case.principal.clone(),
            name: scene.git.setting("user.name").unwrap_or_else(|| case.principal.clone()),
            role: case.role.clone(),
            meaning: meaning.to_owned(),
            comment: case.args.comment.clone(),
        },
        signed_on: statement::written(scene.now.max(seen.finished)),
        expires_on: statement::written(expires),
        policy: PolicyNote {
            gates: Named { name: scene.manifest.clone(), version: None, digest: Digest::sha256(&gates) },
            trust: Named { name: "TRUST.json".to_owned(), version: Some(trust.file.version), digest: Digest::sha256(&trust.digest) },
            weakening: Weakening { baseline: since.clone(), result: case.weighed.result().to_owned(), waivers: case.weighed.waivers.clone() },
        },
        verdict: seen.verdict.clone(),
        evidence: EvidenceNote {
            origin: if seen.manifest.run_uri.is_empty() { "local" } else { "github-actions" }.to_owned(),
            run: seen.manifest.run.clone(),
            run_uri: seen.manifest.run_uri.clone(),
            finished_on: seen.manifest.finished_on.clone(),
            ci_bundle: case.bundle.as_deref().map(sha256),
        },
        previous: case.previous.iter().map(|one| Previous { phase: one.phase.clone(), sequence: one.number, statements: one.digests.clone() }).collect(),
        supersedes,
        change: Change { from: since, to: case.head.clone(), commits, unmerged: case.unmerged },
        toolchain: Toolchain {
            xtask: seen.record.head.tool.clone(),
            runtimes: seen
                .record
                .runtimes
                .iter()
                .map(|found| format!("{} {}", found.kind, found.version))
                .chain(seen.record.servers().map(|(version, _)| format!("postgres {version}")))
                .collect(),
        },
    };
    Ok(Envelope {
        kind: statement::TYPE.to_owned(),
        subject: vec![
            subject("source", Some(repository), Digest { git_commit: Some(case.head.clone()), ..Digest::default() }),
            subject("code-tree", None, Digest { git_tree: Some(case.tree.clone()), ..Digest::default() }),
            subject("manifest.json", None, Digest::sha256(sha256(&case.files.manifest))),
        ],
        predicate_type: Policy::predicate_type(&trust.policy.role[&case.role].namespace),
        predicate: signoff,
    })
}

/// The newest statement of the sequence before.
fn supersedes(case: &Case<'_>) -> Result<Option<String>, Denied> {
    let sequences = signoff::sequences(&case.scene.git, &case.head, &case.args.phase)?;
    let Some(before) = sequences.iter().rev().find(|sequence| sequence.number < case.number) else { return Ok(None) };
    Ok(before.statements(&case.scene.git)?.last().map(|raw| sha256(&raw.bytes)))
}
