//! Signatures of ssh-keygen: made by it, verified here. Never takes a key from a signature; only says whether the key that somebody is
//! known by made it.

use std::path::{Path, PathBuf};

use ssh_key::{PrivateKey, PublicKey, SshSig};
use time::OffsetDateTime;
use xshell::{Shell, cmd};

use super::signers::Line;
use super::{Denied, Revoked, Signers, no};
use crate::git::Git;
use crate::model::Denial;
use crate::rundir::write_atomic;

/// The line of allowed_signers whose key signed exactly these bytes for this namespace; not revoked. When it holds is for [`holds`].
pub fn signed_by<'s>(signers: &'s Signers, revoked: &Revoked, namespace: &str, file: &str, bytes: &[u8], signature: &[u8]) -> Result<&'s Line, Denied> {
    let invalid = |why: String| no(Denial::Invalid, format!("{file}: {why}"));
    let signature = SshSig::from_pem(signature)
        .map_err(|cause| invalid(format!("it is no signature that this program verifies: {cause}")).hint("sign with an ed25519 key, not with a certificate"))?;
    if signature.namespace() != namespace {
        return Err(invalid(format!("it is signed for the namespace `{}`, and this role has `{namespace}`", signature.namespace())));
    }
    let finger = PublicKey::from(signature.public_key().clone()).fingerprint(ssh_key::HashAlg::Sha256);
    if revoked.has(signature.public_key()) {
        return Err(invalid(format!("the key {finger} is revoked")).hint("sign again with another key"));
    }
    let mine = |line: &&Line| line.key.key_data() == signature.public_key() && line.namespaces.iter().any(|one| one == namespace);
    let line = signers.lines.iter().find(mine).ok_or_else(|| invalid(format!("allowed_signers does not list the key {finger} for `{namespace}`")))?;
    line.key.verify(namespace, bytes, &signature).map_err(|_| invalid(format!("its signature by {} is not of these bytes", line.principals.join(","))))?;
    Ok(line)
}

/// The key was valid when it says that it signed, and still is: only itself says when that was.
pub(super) fn holds(line: &Line, file: &str, signed: OffsetDateTime, now: OffsetDateTime) -> Result<(), Denied> {
    let who = line.principals.join(",");
    if !line.holds_at(signed) {
        return Err(no(Denial::Invalid, format!("{file}: the key of {who} was not valid when it says that it signed (allowed_signers:{})", line.number)));
    }
    if !line.holds_at(now) {
        let why = format!("{file}: the key of {who} is retired (allowed_signers:{}), and only itself says when it signed", line.number);
        return Err(no(Denial::Stale, why).hint("sign again with a key that is valid now"));
    }
    Ok(())
}

/// A key to sign with.
#[derive(Debug)]
pub struct Key {
    /// What ssh-keygen takes: a private key, or a public one whose other half an agent holds.
    pub file: PathBuf,
    /// Its public half.
    pub public: PublicKey,
    /// The file is ours, and goes with this value.
    temporary: bool,
}

impl Drop for Key {
    fn drop(&mut self) {
        if self.temporary {
            std::fs::remove_file(&self.file).ok(); // a public key in the system's temporary folder
        }
    }
}

/// The key that a command line means: a file, `agent`, or what git signs with.
pub fn key(said: Option<&str>, git: &Git, signers: &Signers, namespace: &str) -> Result<Key, Denied> {
    let usage = |why: String| no(Denial::Usage, why).hint("--key FILE, --key agent, or git config gpg.format ssh and user.signingkey");
    match said {
        Some("agent") => of_agent(signers, namespace),
        Some(file) => of_file(Path::new(file)),
        None => {
            let wanted = git.setting("user.signingkey").filter(|_| git.setting("gpg.format").as_deref() == Some("ssh"));
            let wanted = wanted.ok_or_else(|| usage("no key to sign with".to_owned()))?;
            match wanted.strip_prefix("key::").or_else(|| wanted.starts_with("ssh-").then_some(wanted.as_str())) {
                Some(literal) => of_literal(literal),
                None => of_file(Path::new(&wanted.replacen('~', &home(), usize::from(wanted.starts_with("~/"))))),
            }
        }
    }
}

fn home() -> String {
    std::env::home_dir().map(|home| home.display().to_string()).unwrap_or_default()
}

fn of_file(file: &Path) -> Result<Key, Denied> {
    let wrong = |why: String| no(Denial::Usage, format!("--key {}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|cause| wrong(cause.to_string()))?;
    let public = if text.starts_with("-----BEGIN") {
        // The public half of a private key is readable also where the private one is encrypted.
        PrivateKey::from_openssh(text.as_bytes()).map(|key| key.public_key().clone())
    } else {
        PublicKey::from_openssh(text.trim())
    };
    let public = public.map_err(|cause| wrong(format!("it is no key that this program verifies: {cause}")).hint("ssh-keygen -t ed25519"))?;
    Ok(Key { file: file.to_owned(), public, temporary: false })
}

fn of_literal(text: &str) -> Result<Key, Denied> {
    let public = PublicKey::from_openssh(text).map_err(|cause| no(Denial::Usage, format!("the key `{text}`: {cause}")))?;
    let name = format!("gates-key-{}-{:?}.pub", std::process::id(), std::thread::current().id()).replace(['(', ')'], "");
    let file = std::env::temp_dir().join(name);
    write_atomic(&file, format!("{text}\n").as_bytes()).map_err(|cause| no(Denial::Unknown, format!("failed to write {}: {cause}", file.display())))?;
    Ok(Key { file, public, temporary: true })
}

/// The first key of the agent that may sign in the namespace.
fn of_agent(signers: &Signers, namespace: &str) -> Result<Key, Denied> {
    let unknown = |why: String| no(Denial::Unknown, why).hint("ssh-add KEY; ssh-add -L lists what the agent holds");
    let shell = Shell::new().map_err(|cause| unknown(cause.to_string()))?;
    let listed = cmd!(shell, "ssh-add -L").quiet().ignore_stderr().read().map_err(|cause| unknown(format!("the agent lists no keys: {cause}")))?;
    let mine = |line: &&str| PublicKey::from_openssh(line).is_ok_and(|key| signers.principal_of(&key, namespace).is_some());
    let line = listed.lines().find(mine).ok_or_else(|| unknown(format!("no key of the agent may sign in `{namespace}`")))?;
    of_literal(line)
}

/// What to sign.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Key.
    pub key: &'a Key,
    /// Namespace of the role.
    pub namespace: &'a str,
    /// File, of which the exact bytes are signed.
    pub file: &'a Path,
    /// A person may be asked for a passphrase.
    pub interactive: bool,
}

/// Signs a file with ssh-keygen; gives back the signature's file.
pub fn sign(order: &Order<'_>) -> Result<PathBuf, Denied> {
    let Order { key, namespace, file, interactive } = *order;
    let signature = PathBuf::from(format!("{}.sig", file.display()));
    std::fs::remove_file(&signature).ok(); // ssh-keygen would ask whether to replace it
    let unknown = |why: String| no(Denial::Unknown, why).hint("Debian package `openssh-client`; `ssh-keygen -Y sign` needs OpenSSH 8.9 or newer");
    let shell = Shell::new().map_err(|cause| unknown(cause.to_string()))?;
    let with = &key.file;
    // Without a terminal ssh-keygen would take the first line of its input for the passphrase: its input is empty.
    let mut command = cmd!(shell, "ssh-keygen -q -Y sign -n {namespace} -f {with} {file}").stdin("");
    if !interactive {
        command = command.env("SSH_ASKPASS_REQUIRE", "never");
    }
    let output = command.quiet().ignore_status().output().map_err(|cause| unknown(format!("failed to start ssh-keygen: {cause}")))?;
    if output.status.success() && signature.is_file() {
        return Ok(signature);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(no(Denial::Usage, format!("ssh-keygen did not sign with {}: {said}", with.display()))
        .hint("ssh-add the key and pass --key agent, or use one without a passphrase"))
}

/// A name for the files of a principal: what stands before the `@`, or all of it where somebody else has that name already.
pub fn who(principal: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let plain = |text: &str| text.to_lowercase().replace(|sign: char| !sign.is_ascii_alphanumeric() && !"-_".contains(sign), "-");
    let short = plain(principal.split('@').next().unwrap_or(principal));
    if is_taken(&short) { plain(principal) } else { short }
}
