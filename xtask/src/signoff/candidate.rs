//! What lies below `.gates/` at a commit: an allow-list of names, regular files only, sequences without gaps. Since it is no part of the
//! signed code, nothing else may live there.

use std::collections::BTreeMap;

use super::{Denied, FILES, Files, NAMES, SIGNOFFS, no};
use crate::git::{Entry, Git};
use crate::model::Denial;

/// Most bytes of a kept file of a run.
const LARGEST: u64 = 64 << 20;
/// Most bytes of a statement or a signature.
const SMALL: u64 = 1 << 20;
/// The bundle with which CI attested the manifest.
pub(super) const BUNDLE: &str = "ci.sigstore.jsonl";
/// The same result as an in-toto test result.
pub(super) const INTOTO: &str = "evidence.intoto.json";

/// One sequence of a phase.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// From 1.
    pub number: u32,
    /// Folder, relative to the root.
    pub place: String,
    files: BTreeMap<String, Entry>,
}

/// A statement as it lies in a sequence, not verified.
#[derive(Clone, Debug)]
pub struct Raw {
    /// File, relative to the root.
    pub file: String,
    /// Bytes.
    pub bytes: Vec<u8>,
    /// Signature.
    pub signature: Vec<u8>,
}

/// Everything below `.gates/` has a name that may be there, and is a regular file of a size that may be.
pub fn names_are_allowed(git: &Git, commit: &str) -> Result<(), Denied> {
    for entry in git.list(commit, ".gates")? {
        let invalid = |why: &str| no(Denial::Invalid, format!("{} at {}: {why}", entry.path, crate::git::short(commit)));
        if entry.mode != "100644" {
            return Err(invalid(&format!("its mode is {}, and only regular files may be there", entry.mode)));
        }
        let most = limit(&entry.path).ok_or_else(|| invalid("nothing of that name may be there"))?;
        if entry.size.is_none_or(|size| size > most) {
            return Err(invalid(&format!("it has {} bytes, and may have {most}", entry.size.unwrap_or_default())));
        }
    }
    Ok(())
}

/// Most bytes of a file by its path; none where nothing of that name may be.
fn limit(path: &str) -> Option<u64> {
    let rest = path.strip_prefix(".gates/")?;
    if rest == ".gitignore" {
        return Some(SMALL);
    }
    if let Some(name) = rest.strip_prefix("trust/") {
        let known = FILES.contains(&name) || ["TRUST.json", "trusted_root.jsonl"].contains(&name);
        return (known || (name.strip_prefix("TRUST.json.").is_some_and(|rest| rest.strip_suffix(".sig").is_some()) && !name.contains('/'))).then_some(SMALL);
    }
    let parts: Vec<&str> = rest.strip_prefix("signoffs/")?.split('/').collect();
    match parts[..] {
        ["_waivers", name] => is_pair(name, "W-").then_some(SMALL),
        [_, sequence, name] if number(sequence).is_some() => match name {
            _ if NAMES.contains(&name) => Some(LARGEST),
            BUNDLE | INTOTO => Some(LARGEST),
            _ => is_pair(name, "signoff.").then_some(SMALL),
        },
        _ => None,
    }
}

fn is_pair(name: &str, start: &str) -> bool {
    name.starts_with(start) && name.strip_suffix(".sig").unwrap_or(name).strip_suffix(".json").is_some()
}

fn number(text: &str) -> Option<u32> {
    (text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten().filter(|number| *number > 0)
}

/// Folder of a sequence, relative to the root.
pub fn folder(phase: &str, number: u32) -> String {
    format!("{SIGNOFFS}/{phase}/{number:04}")
}

/// The sequences of a phase at a commit, oldest first.
pub fn sequences(git: &Git, commit: &str, phase: &str) -> Result<Vec<Sequence>, Denied> {
    let top = format!("{SIGNOFFS}/{phase}");
    let mut found: BTreeMap<u32, Sequence> = BTreeMap::new();
    for entry in git.list(commit, &top)? {
        let Some((sequence, name)) = entry.path.strip_prefix(&format!("{top}/")).and_then(|rest| rest.split_once('/')) else { continue };
        let Some(number) = number(sequence) else { continue };
        let slot = found.entry(number).or_insert_with(|| Sequence { number, place: folder(phase, number), files: BTreeMap::new() });
        slot.files.insert(name.to_owned(), entry.clone());
    }
    if let Some((_, gap)) = (1..).zip(found.keys()).find(|(due, number)| due != *number) {
        let why = format!("{top} at {} has a sequence {gap:04} and none before it", crate::git::short(commit));
        return Err(no(Denial::Invalid, why).hint("sign-offs are never removed: bring the missing folder back from the history"));
    }
    Ok(found.into_values().collect())
}

impl Sequence {
    /// A file of it.
    pub fn file(&self, git: &Git, name: &str) -> Result<Option<Vec<u8>>, Denied> {
        self.files.get(name).map(|entry| git.blob(&entry.id)).transpose().map_err(Denied::from)
    }

    /// The kept files of the run.
    pub fn evidence(&self, git: &Git) -> Result<Files, Denied> {
        let need = |name: &str| {
            let missing = || no(Denial::Unknown, format!("{}/{name} is missing: its criteria cannot be evaluated", self.place));
            self.file(git, name)?.ok_or_else(missing)
        };
        Ok(Files { place: self.place.clone(), manifest: need(NAMES[0])?, report: need(NAMES[1])?, junit: need(NAMES[2])?, tally: need(NAMES[3])? })
    }

    /// Its statements with their signatures; one without its other half is told of as such.
    pub fn statements(&self, git: &Git) -> Result<Vec<Raw>, Denied> {
        let mut raws = Vec::new();
        for name in self.files.keys().filter(|name| name.starts_with("signoff.")) {
            let file = format!("{}/{name}", self.place);
            if let Some(statement) = name.strip_suffix(".sig") {
                if !self.files.contains_key(statement) {
                    return Err(no(Denial::Invalid, format!("{file} signs nothing: {statement} is missing")));
                }
                continue;
            }
            let bytes = self.file(git, name)?.unwrap_or_default();
            let signature =
                self.file(git, &format!("{name}.sig"))?.ok_or_else(|| no(Denial::Invalid, format!("{file} is not signed: {name}.sig is missing")))?;
            raws.push(Raw { file, bytes, signature });
        }
        Ok(raws)
    }
}
