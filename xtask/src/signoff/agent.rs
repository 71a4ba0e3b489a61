//! Plain Ed25519 signatures, for exports that other libraries verify: with a key file, or by the agent that holds the key.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use signature::{Signer as _, Verifier as _};
use ssh_key::{Algorithm, PrivateKey, PublicKey, Signature};

use super::sign::Key;
use super::{Denied, no};
use crate::model::Denial;

/// The agent's number for "sign this", and for its answer (draft-miller-ssh-agent, section 5.1).
const SIGN: u8 = 13;
const SIGNED: u8 = 14;
/// Most bytes of an answer.
const LARGEST: usize = 1 << 16;

/// The 64 bytes of a signature over some bytes.
pub(super) fn raw(key: &Key, bytes: &[u8], socket: Option<&Path>) -> Result<Vec<u8>, Denied> {
    if key.public.algorithm() != Algorithm::Ed25519 {
        let why = format!("--key {}: an export needs an ed25519 key, and this is {}", key.file.display(), key.public.algorithm());
        return Err(no(Denial::Usage, why).hint("a security key signs other bytes than an envelope has; export with a plain key"));
    }
    let text = std::fs::read(&key.file).unwrap_or_default();
    let signature = if text.starts_with(b"-----BEGIN") { of_file(key, &text, bytes) } else { of_agent(&key.public, bytes, socket) };
    let signature = signature.map_err(|why| no(Denial::Usage, format!("--key {}: {why}", key.file.display())).hint("ssh-add the key and pass --key agent"))?;
    // What goes out is what the key that is named really made.
    let checked = Signature::new(Algorithm::Ed25519, &signature[..]).is_ok_and(|made| key.public.key_data().verify(bytes, &made).is_ok());
    if checked { Ok(signature) } else { Err(no(Denial::Unknown, format!("{}: the signature is not one of this key over these bytes", key.file.display()))) }
}

fn of_file(key: &Key, text: &[u8], bytes: &[u8]) -> Result<Vec<u8>, String> {
    let private = PrivateKey::from_openssh(text).map_err(|cause| cause.to_string())?;
    if private.is_encrypted() {
        return Err("it has a passphrase".to_owned());
    }
    let signature = private.try_sign(bytes).map_err(|cause| format!("{}: {cause}", key.file.display()))?;
    Ok(signature.as_bytes().to_vec())
}

fn of_agent(public: &PublicKey, bytes: &[u8], socket: Option<&Path>) -> Result<Vec<u8>, String> {
    let socket = socket.ok_or("SSH_AUTH_SOCK is not set: there is no agent")?;
    let mut stream = UnixStream::connect(socket).map_err(|cause| format!("the agent does not answer: {cause}"))?;
    let blob = public.to_bytes().map_err(|cause| cause.to_string())?;
    let mut body = vec![SIGN];
    for part in [&blob[..], bytes] {
        body.extend((part.len() as u32).to_be_bytes());
        body.extend(part);
    }
    body.extend(0_u32.to_be_bytes());
    let failed = |cause: std::io::Error| format!("the agent went away: {cause}");
    stream.write_all(&(body.len() as u32).to_be_bytes()).and_then(|()| stream.write_all(&body)).map_err(failed)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).map_err(failed)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > LARGEST {
        return Err(format!("the agent answers with {length} bytes"));
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).map_err(failed)?;
    if answer.first() != Some(&SIGNED) {
        return Err("the agent refused to sign".to_owned());
    }
    // string signature { string algorithm, string bytes }
    let outer = string(&answer[1..]).ok_or("the agent's answer is cut")?;
    let name = string(outer).ok_or("the agent's answer is cut")?;
    let signature = string(&outer[4 + name.len()..]).ok_or("the agent's answer is cut")?;
    Ok(signature.to_vec())
}

/// A length and as many bytes.
fn string(bytes: &[u8]) -> Option<&[u8]> {
    let length = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    bytes.get(4..4 + length)
}
