//! The attestation that CI made over manifest.json, verified by GitHub's own `gh`. The certificate decides, never what the predicate says.

use std::path::Path;

use xshell::{Shell, cmd};

use super::policy::Github;
use super::{Denied, no};
use crate::model::Denial;
use crate::rundir::write_atomic;

/// Type of the predicate that the workflow attests.
pub(super) const PREDICATE: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// Verifies the bundle of a sign-off. Without `gh` it cannot be evaluated.
pub fn verify(github: &Github, place: &str, manifest: &[u8], bundle: &[u8], commit: &str) -> Result<(), Denied> {
    let unknown = |why: String| no(Denial::Unknown, why).hint("install gh 2.49 or newer and sign in (GH_TOKEN): cli.github.com");
    let folder = std::env::temp_dir().join(format!("gates-attestation-{}-{:?}", std::process::id(), std::thread::current().id()).replace(['(', ')'], ""));
    let (subject, attested) = (folder.join("manifest.json"), folder.join("ci.sigstore.jsonl"));
    let written = write_atomic(&subject, manifest).and_then(|()| write_atomic(&attested, bundle));
    let asked = written.map_err(|cause| unknown(format!("failed to write {}: {cause}", folder.display()))).and_then(|()| {
        let shell = Shell::new().map_err(|cause| unknown(cause.to_string()))?;
        let args = arguments(github, &subject, &attested, commit);
        cmd!(shell, "gh {args...}").quiet().ignore_status().output().map_err(|cause| unknown(format!("{place}: gh cannot be asked: {cause}")))
    });
    std::fs::remove_dir_all(&folder).ok(); // copies of what is in git
    let output = asked?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.code() {
        Some(0) => of_repository(github, &output.stdout).map_err(|why| no(Denial::Invalid, format!("{place}: {why}"))),
        Some(4) => Err(unknown(format!("{place}: gh is not signed in: {said}"))),
        Some(1) => Err(no(Denial::Invalid, format!("{place}: gh does not accept the attestation: {said}"))),
        _ => Err(unknown(format!("{place}: gh ended with {}: {said}", output.status))),
    }
}

/// The number of the repository in every certificate: a new repository can take the name of one that is gone.
fn of_repository(github: &Github, told: &[u8]) -> Result<(), String> {
    let Some(wanted) = &github.repository_id else { return Ok(()) };
    let told: serde_json::Value = serde_json::from_slice(told).map_err(|cause| format!("what gh says is no JSON: {cause}"))?;
    let results = told.as_array().filter(|results| !results.is_empty()).ok_or("gh names no attestation")?;
    let id = |result: &serde_json::Value| {
        result.pointer("/verificationResult/signature/certificate/sourceRepositoryIdentifier").and_then(|id| id.as_str().map(str::to_owned))
    };
    match results.iter().map(id).find(|id| id.as_ref() != Some(wanted)) {
        None => Ok(()),
        Some(id) => Err(format!("it is of the repository with number {}, and the policy names {wanted}", id.unwrap_or_default())),
    }
}

/// Words for `gh`.
fn arguments(github: &Github, subject: &Path, bundle: &Path, commit: &str) -> Vec<String> {
    let path = |path: &Path| path.display().to_string();
    let mut words = vec!["attestation".to_owned(), "verify".to_owned(), path(subject), "--repo".to_owned(), github.repository.clone()];
    let mut add = |name: &str, value: String| words.extend([name.to_owned(), value]);
    add("--bundle", path(bundle));
    add("--predicate-type", PREDICATE.to_owned());
    add("--signer-workflow", github.signer_workflow.clone());
    add("--format", "json".to_owned());
    add("--source-digest", commit.to_owned());
    if let Some(reference) = &github.reference {
        add("--source-ref", reference.clone());
    }
    if let Some(issuer) = &github.issuer {
        add("--cert-oidc-issuer", issuer.clone());
    }
    if github.runner.as_deref() == Some("github-hosted") {
        words.push("--deny-self-hosted-runners".to_owned());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_is_asked_for_workflow_commit_branch_and_runner() {
        let github = Github {
            issuer: Some("https://token.actions.githubusercontent.com".to_owned()),
            repository: "acme/shop".to_owned(),
            repository_id: None,
            signer_workflow: "acme/shop/.github/workflows/gates.yml".to_owned(),
            reference: Some("refs/heads/main".to_owned()),
            runner: Some("github-hosted".to_owned()),
        };
        let words = arguments(&github, Path::new("manifest.json"), Path::new("b.jsonl"), "c0ffee").join(" ");
        let told = |id: &str| format!(r#"[{{"verificationResult":{{"signature":{{"certificate":{{"sourceRepositoryIdentifier":"{id}"}}}}}}}}]"#);
        let numbered = Github { repository_id: Some("7".to_owned()), ..github.clone() };
        assert_eq!(of_repository(&numbered, told("7").as_bytes()), Ok(()));
        assert!(of_repository(&numbered, told("8").as_bytes()).is_err() && of_repository(&numbered, b"[]").is_err());
        assert_eq!(
            words,
            "attestation verify manifest.json --repo acme/shop --bundle b.jsonl --predicate-type https://in-toto.io/attestation/test-result/v0.1 \
             --signer-workflow acme/shop/.github/workflows/gates.yml --format json --source-digest c0ffee --source-ref refs/heads/main \
             --cert-oidc-issuer https://token.actions.githubusercontent.com --deny-self-hosted-runners"
        );
    }
}
