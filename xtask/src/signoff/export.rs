//! A sign-off for tools of others: an in-toto test result, a DSSE envelope, a Sigstore bundle, checksums, and the commands with which
//! anybody checks it without this program.

use std::fmt::Write as _;
use std::path::Path;

use base64ct::{Base64, Encoding as _};
use serde_json::json;
use ssh_key::PublicKey;

use super::sign::Key;
use super::statement::Digest;
use super::{Denied, Evaluated, Statement, agent, ci, no};
use crate::evidence::sha256;
use crate::model::Denial;

/// Type of the payload of an envelope with a statement.
const PAYLOAD: &str = "application/vnd.in-toto+json";

/// The run as an in-toto test result: gates are its tests.
pub fn test_result(evaluated: &Evaluated, manifest: &str, gates: &str) -> Result<Vec<u8>, Denied> {
    let named = |result: &str| -> Vec<&str> { evaluated.verdict.gates.iter().filter(|gate| gate.result == result).map(|gate| gate.id.as_str()).collect() };
    let failed: Vec<&str> = evaluated.verdict.gates.iter().filter(|gate| gate.result != "PASSED").map(|gate| gate.id.as_str()).collect();
    let document = json!({
        "_type": super::statement::TYPE,
        "subject": [{ "name": "manifest.json", "digest": Digest::sha256(manifest) }],
        "predicateType": ci::PREDICATE,
        "predicate": {
            "result": evaluated.verdict.result,
            "configuration": [{ "name": "gates.toml", "digest": Digest::sha256(gates) }],
            "passedTests": named("PASSED"),
            "warnedTests": [],
            "failedTests": failed,
        },
    });
    super::statement::document(&document)
}

/// DSSE's pre-authentication encoding: what an envelope's signature is over (dsse protocol.md, v1).
fn pae(kind: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {kind} {} ", kind.len(), body.len()).into_bytes();
    bytes.extend(body);
    bytes
}

/// SHA-256 of the key as in-toto's libraries name an ed25519 key: the digest of its PEM.
fn key_id(key: &PublicKey) -> Result<String, Denied> {
    Ok(sha256(key_pem(key)?.as_bytes()))
}

/// A statement in a DSSE envelope with a plain Ed25519 signature.
pub fn dsse(payload: &[u8], key: &Key, socket: Option<&Path>) -> Result<serde_json::Value, Denied> {
    let signature = agent::raw(key, &pae(PAYLOAD, payload), socket)?;
    Ok(json!({
        "payload": Base64::encode_string(payload),
        "payloadType": PAYLOAD,
        "signatures": [{ "keyid": key_id(&key.public)?, "sig": Base64::encode_string(&signature) }],
    }))
}

/// The envelope in a Sigstore bundle v0.3 that a public key verifies.
pub fn bundle(payload: &[u8], key: &Key, socket: Option<&Path>) -> Result<serde_json::Value, Denied> {
    Ok(json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": { "publicKey": { "hint": key_id(&key.public)? } },
        "dsseEnvelope": dsse(payload, key, socket)?,
    }))
}

/// An Ed25519 key in PEM (RFC 8410), which ssh-keygen does not write.
pub fn key_pem(key: &PublicKey) -> Result<String, Denied> {
    let plain = key.key_data().ed25519().ok_or_else(|| no(Denial::Usage, format!("an export needs an ed25519 key, and this is {}", key.algorithm())))?;
    let mut der = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    der.extend(plain.0);
    Ok(format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", Base64::encode_string(&der)))
}

/// Lines of `sha256sum` for files of a sequence.
pub fn checksums(files: &[(String, Vec<u8>)]) -> String {
    files.iter().flat_map(|(name, bytes)| [sha256(bytes), "  ".to_owned(), name.clone(), "\n".to_owned()]).collect()
}

/// The stock commands that check a sign-off, ready to paste in the root of a clone.
pub fn explain(place: &str, statements: &[(String, Statement)], namespace: &str) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let trust = super::FOLDER;
    for (file, statement) in statements {
        let who = &statement.predicate.signer.principal;
        writeln!(text, "# {who} signed these bytes in this role, and the key is not revoked")?;
        let gates = &statement.predicate.policy.gates.name;
        writeln!(text, "ssh-keygen -Y verify -f {trust}/allowed_signers -r {trust}/revoked_keys -I {who} -n {namespace} -s {file}.sig < {file}")?;
        writeln!(text, "# it approves a phase that passed, of this repository")?;
        writeln!(
            text,
            "jq -e '.predicate.decision == \"APPROVED\" and .predicate.verdict.result == \"PASSED\" and .predicate.resourceUri == \"{}\"' {file}",
            statement.predicate.resource_uri
        )?;
        writeln!(text, "# the evidence is the one that was signed")?;
        writeln!(text, "echo \"$(jq -r '.subject[] | select(.name == \"manifest.json\") | .digest.sha256' {file})  {place}/manifest.json\" | sha256sum -c")?;
        writeln!(text, "# the signed commit is behind this one, its gates.toml is the signed one, and nothing but .gates/ changed since")?;
        writeln!(text, "git merge-base --is-ancestor \"$(jq -r '.subject[0].digest.gitCommit' {file})\" HEAD")?;
        writeln!(
            text,
            "test \"$(jq -r '.predicate.policy.gates.digest.sha256' {file})\" = \"$(git show \"$(jq -r '.subject[0].digest.gitCommit' {file}):./{gates}\" | sha256sum | cut -d ' ' -f 1)\""
        )?;
        writeln!(text, "git diff --quiet \"$(jq -r '.subject[0].digest.gitCommit' {file})\" HEAD -- . ':(exclude).gates'")?;
    }
    writeln!(text, "# the kept files of the run are those of its manifest")?;
    writeln!(
        text,
        "(cd {place} && jq -r '.files[] | select(.path == (\"report.json\", \"junit.xml\", \"tally.jsonl\")) | \"\\(.sha256)  \\(.path)\"' manifest.json | sha256sum -c)"
    )?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        assert_eq!(pae("http://example.com/HelloWorld", b"hello world"), b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn checksums_are_lines_of_sha256sum() {
        assert_eq!(checksums(&[("a".to_owned(), b"one".to_vec())]), "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed  a\n");
    }
}
