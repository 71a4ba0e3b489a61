//! `trust`: versions of who may sign what.

use std::path::Path;

use time::OffsetDateTime;

use super::scene::{Stage, status, unwritten};
use super::{Repository, print, say};
use crate::cli::{AnchorArgs, Place, TrustCommand};
use crate::evidence::sha256;
use crate::git::short;
use crate::model::Denial;
use crate::rundir::write_atomic;
use crate::signoff::{self, Chain, Denied, FILES, FOLDER, Order, Policy, Revoked, Signers, TrustFile, no, statement};

pub(super) fn run(place: &Place, command: &TrustCommand) -> anyhow::Result<u8> {
    Ok(status(Stage::of(place).and_then(|stage| match command {
        TrustCommand::Check { anchor } => check(&stage, anchor),
        TrustCommand::Update { key, bootstrap } => update(&stage, key.as_deref(), *bootstrap),
        TrustCommand::Rotate { principal, key } => rotate(&stage, principal, key),
        TrustCommand::Revoke { who } => revoke(&stage, who),
    })))
}

fn check(stage: &Stage, anchor: &AnchorArgs) -> Result<(), Denied> {
    let head = stage.git.commit("HEAD")?;
    let said = anchor.trust_dir.is_some() || anchor.trust_digest.is_some() || anchor.trust_ref.is_some();
    let anchor = if said { anchor.clone() } else { AnchorArgs { trust_ref: Some("HEAD".to_owned()), ..anchor.clone() } };
    let scene = stage.scene(&anchor, &head, None)?;
    for trust in scene.chain.versions() {
        print(&format!("version {}  {}  sha256:{}  {}", trust.file.version, trust.file.created_on, trust.digest, trust.place));
    }
    if scene.chain.unpinned {
        print("note: version 1 vouches for itself; pin a digest where you deploy: --trust-digest");
    }
    let problems = signoff::unsatisfiable(&scene, &head)?;
    match problems.first() {
        None => {
            print("every phase of the policy can be signed");
            Ok(())
        }
        Some(_) => Err(no(Denial::Approvals, format!("the policy cannot be satisfied:\n  {}", problems.join("\n  ")))),
    }
}

/// Why nobody could sign at HEAD; none where there is no trust.
pub(super) fn problems(place: &Place) -> Result<Option<Vec<String>>, Denied> {
    let stage = Stage::of(place)?;
    let Ok(head) = stage.git.commit("HEAD") else { return Ok(None) };
    if stage.git.list(&head, FOLDER)?.is_empty() {
        return Ok(None);
    }
    let anchor = AnchorArgs { trust_ref: Some("HEAD".to_owned()), ..AnchorArgs::default() };
    signoff::unsatisfiable(&stage.scene(&anchor, &head, None)?, &head).map(Some)
}

/// The three files as they are now.
fn files(repository: &Repository) -> Result<[Vec<u8>; 3], Denied> {
    let folder = repository.root.join(FOLDER);
    let read = |name: &str| {
        std::fs::read(folder.join(name)).map_err(|cause| {
            no(Denial::Usage, format!("{FOLDER}/{name}: {cause}"))
                .hint("policy.toml, allowed_signers and revoked_keys make the trust; docs/signoff.md shows each")
        })
    };
    let files = [read(FILES[0])?, read(FILES[1])?, read(FILES[2])?];
    Policy::parse(&format!("{FOLDER}/{}", FILES[0]), &files[0])?;
    Signers::parse(&format!("{FOLDER}/{}", FILES[1]), &files[1])?;
    Revoked::parse(&format!("{FOLDER}/{}", FILES[2]), &files[2])?;
    Ok(files)
}

/// The newest version that is committed and holds, if there is one: what comes next extends it. Files that were changed since, or a version
/// that was committed before all its roots signed it, are what is being made.
fn committed(stage: &Stage) -> Result<Option<Chain>, Denied> {
    let Ok(head) = stage.git.commit("HEAD") else { return Ok(None) };
    let mut first = None;
    for commit in stage.git.touching(&head, FOLDER)? {
        match Chain::of(&stage.git, &commit, None) {
            Ok(chain) => return Ok(Some(chain)),
            Err(denied) => first = first.or(Some(denied)),
        }
    }
    match first {
        // Only version 1 has nothing before it.
        Some(denied) if denied.denial != Denial::Weakened => Err(denied),
        _ => Ok(None),
    }
}

fn update(stage: &Stage, key: Option<&str>, bootstrap: bool) -> Result<(), Denied> {
    let files = files(&stage.repository)?;
    let folder = stage.repository.root.join(FOLDER);
    let there = std::fs::read(folder.join("TRUST.json")).ok();
    let before = committed(stage)?;
    if before.is_none() && there.is_none() && !bootstrap {
        return Err(no(Denial::Weakened, "there is no version of the trust yet that its roots could extend")
            .hint("--bootstrap makes version 1; tell everybody its digest by another way"));
    }
    let digests = [sha256(&files[0]), sha256(&files[1]), sha256(&files[2])];
    let [policy, signers, revoked] = digests;
    let wanted = TrustFile {
        schema: 1,
        version: before.as_ref().map_or(1, |chain| chain.newest().file.version + 1),
        created_on: statement::written(OffsetDateTime::now_utc()),
        policy,
        signers,
        revoked,
        previous: before.as_ref().map(|chain| chain.newest().digest.clone()),
    };
    if let Some(newest) = before.as_ref().map(Chain::newest)
        && newest.file.digests() == wanted.digests()
    {
        return Err(no(Denial::Usage, format!("the files are those of version {}: there is nothing to update", newest.file.version)));
    }
    // A version that another root has made already is only signed.
    let there = there.and_then(|bytes| Some((serde_json::from_slice::<TrustFile>(&bytes).ok()?, bytes)));
    let joined = there.filter(|(file, _)| TrustFile { created_on: wanted.created_on.clone(), ..file.clone() } == wanted);
    // Whoever vouches for it is known from the version before; version 1 only knows itself.
    let own = (Policy::parse(FILES[0], &files[0])?, Signers::parse(FILES[1], &files[1])?);
    let (policy, signers) = before.as_ref().map_or((&own.0, &own.1), |chain| (&chain.newest().policy, &chain.newest().signers));
    let root = &policy.role["root"];
    let key = signoff::key(key, &stage.git, signers, &root.namespace)?;
    let who = signers.principal_of(&key.public, &root.namespace).filter(|who| root.principals.iter().any(|one| one.to_lowercase() == **who));
    let who = who.ok_or_else(|| {
        no(Denial::Approvals, format!("the key {} is of no root", key.public.fingerprint(ssh_key::HashAlg::Sha256)))
            .hint("role.root.principals of the version before, with the namespace of root in allowed_signers")
    })?;
    let file = joined.as_ref().map_or(&wanted, |(file, _)| file);
    let bytes = if let Some((_, bytes)) = &joined {
        bytes.clone()
    } else {
        remove_signatures(&folder)?;
        statement::document(&wanted)?
    };
    write_atomic(&folder.join("TRUST.json"), &bytes).map_err(|cause| unwritten("TRUST.json", &cause))?;
    stage.repository.gates.ignore().map_err(|cause| unwritten(".gates/.gitignore", &cause))?;
    sign(&folder, &key, &root.namespace, who)?;
    let signed = std::fs::read_dir(&folder).into_iter().flatten().flatten().filter(|entry| entry.file_name().to_string_lossy().ends_with(".sig")).count();
    print(&format!("version {}  sha256:{}", file.version, sha256(&bytes)));
    say(&format!("signed by {who}: {signed} of {} roots", root.threshold));
    say(&format!(
        "next: {}git add {FOLDER} && git commit",
        if signed < root.threshold as usize { "another root runs `xtask trust update`, then " } else { "" }
    ));
    Ok(())
}

/// Signatures of the version before say nothing of the new one.
fn remove_signatures(folder: &Path) -> Result<(), Denied> {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("TRUST.json.") {
            std::fs::remove_file(entry.path()).map_err(|cause| unwritten(&name, &cause))?;
        }
    }
    Ok(())
}

fn sign(folder: &Path, key: &signoff::Key, namespace: &str, who: &str) -> Result<(), Denied> {
    let signature = signoff::sign(&Order { key, namespace, file: &folder.join("TRUST.json"), interactive: console::user_attended() })?;
    // Two roots may have the same name at two domains.
    let of_another = |name: &str| {
        let there = std::fs::read(folder.join(format!("TRUST.json.{name}.sig"))).ok().and_then(|bytes| ssh_key::SshSig::from_pem(bytes).ok());
        there.is_some_and(|there| there.public_key() != key.public.key_data())
    };
    let name = signoff::who(who, of_another);
    std::fs::rename(&signature, folder.join(format!("TRUST.json.{name}.sig"))).map_err(|cause| unwritten("the signature", &cause))
}

fn rotate(stage: &Stage, principal: &str, key: &Path) -> Result<(), Denied> {
    let file = stage.repository.root.join(FOLDER).join(FILES[1]);
    let [_, bytes, _] = files(&stage.repository)?;
    let signers = Signers::parse(FILES[1], &bytes)?;
    let principal = principal.to_lowercase();
    let new = std::fs::read_to_string(key).map_err(|cause| no(Denial::Usage, format!("--key {}: {cause}", key.display())))?;
    let new = ssh_key::PublicKey::from_openssh(new.trim())
        .map_err(|cause| no(Denial::Usage, format!("--key {}: it is no public key: {cause}", key.display())).hint("the file that ends in .pub"))?;
    let now = OffsetDateTime::now_utc();
    let old: Vec<_> = signers.lines.iter().filter(|line| line.principals.contains(&principal) && line.holds_at(now)).collect();
    if old.is_empty() {
        return Err(no(Denial::Usage, format!("{FOLDER}/{} has no valid key of {principal}", FILES[1])).hint("add a line by hand: a new person is no rotation"));
    }
    // Times here are whole seconds: what was signed within this one still was signed before.
    let stamp = (now + time::Duration::SECOND).format(time::macros::format_description!("[year][month][day][hour][minute][second]Z")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut namespaces: Vec<String> = Vec::new();
    for line in &old {
        let own = &mut lines[line.number - 1];
        *own = own.replacen("namespaces=", &format!("valid-before=\"{stamp}\",namespaces="), 1);
        namespaces.extend(line.namespaces.iter().filter(|name| !namespaces.contains(name)).cloned().collect::<Vec<_>>());
    }
    let new = new.to_openssh().map_err(|cause| no(Denial::Usage, cause.to_string()))?;
    lines.push(format!("{principal} namespaces=\"{}\" {new}", namespaces.join(",")));
    let text = lines.join("\n") + "\n";
    Signers::parse(FILES[1], text.as_bytes())?;
    write_atomic(&file, text.as_bytes()).map_err(|cause| unwritten(FILES[1], &cause))?;
    say(&format!("{principal} has a new key; {} retired. What the old one signed has to be signed again", crate::text::plural(old.len() as u64, "key")));
    say("next: the roots run `xtask trust update`");
    Ok(())
}

fn revoke(stage: &Stage, who: &str) -> Result<(), Denied> {
    let [_, signers, revoked] = files(&stage.repository)?;
    let signers = Signers::parse(FILES[1], &signers)?;
    let keys: Vec<ssh_key::PublicKey> = match std::fs::read_to_string(who) {
        Ok(text) => vec![ssh_key::PublicKey::from_openssh(text.trim()).map_err(|cause| no(Denial::Usage, format!("{who}: it is no public key: {cause}")))?],
        Err(_) => signers.lines.iter().filter(|line| line.principals.contains(&who.to_lowercase())).map(|line| line.key.clone()).collect(),
    };
    let known = Revoked::parse(FILES[2], &revoked)?;
    let new: Vec<_> = keys.iter().filter(|key| !known.has(key.key_data())).collect();
    if new.is_empty() {
        return Err(no(Denial::Usage, format!("{who}: there is no key that is not revoked already"))
            .hint("a principal of allowed_signers, or a file with a public key"));
    }
    let mut text = String::from_utf8_lossy(&revoked).trim_end().to_owned();
    for key in &new {
        text.push('\n');
        text.push_str(&key.to_openssh().map_err(|cause| no(Denial::Usage, cause.to_string()))?);
    }
    write_atomic(&stage.repository.root.join(FOLDER).join(FILES[2]), format!("{}\n", text.trim_start()).as_bytes())
        .map_err(|cause| unwritten(FILES[2], &cause))?;
    let head = stage.git.commit("HEAD").map(|head| short(&head).to_owned()).unwrap_or_default();
    say(&format!("revoked {}: everything that was signed with it stops to count, whatever its date (at {head})", crate::text::plural(new.len() as u64, "key")));
    say("next: the roots run `xtask trust update`");
    Ok(())
}
