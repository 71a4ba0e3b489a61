//! Pins and interpreters: what a pin file asks for, which interpreter on this machine is that, and what to type when none is.
//! Knows no gate and no run.

pub mod consumers;
pub mod probe;
pub mod read;
pub mod scan;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use read::{Pin, Wanted};

use crate::config::Runtime;
use crate::config::schema::RuntimeKind;
use crate::model::Policy;
use probe::{Probed, Probes};

/// The caller's environment as a value.
pub type Ambient = BTreeMap<String, String>;

/// An interpreter that satisfies a pin, or is used in spite of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// The pin.
    pub pin: Pin,
    /// File that is spawned.
    pub exe: PathBuf,
    /// What it says of itself.
    pub says: Probed,
    /// Where it was found, such as `pyenv` or `PATH`.
    pub found_by: String,
    /// It does not match, and the policy is `warn`.
    pub mismatch: bool,
}

impl Interpreter {
    /// Its folder, for PATH.
    pub fn folder(&self) -> PathBuf {
        self.exe.parent().unwrap_or(Path::new("/")).to_owned()
    }
}

/// The word of a kind in messages and in the journal.
pub fn kind_word(kind: RuntimeKind) -> &'static str {
    match kind {
        RuntimeKind::Python => "python",
        RuntimeKind::Node => "node",
        RuntimeKind::Rust => "rust",
    }
}

/// Finds the interpreter of a runtime. The error names the pin's place, what was found and the command that installs it.
pub fn find(root: &Path, runtime: &Runtime, policy: Policy, ambient: &Ambient, probes: &mut Probes) -> Result<Interpreter, String> {
    let kind = kind_word(runtime.kind);
    let pin = read::read(root, &runtime.pin, runtime.kind).map_err(|refusal| format!("runtime `{}`: {refusal}", runtime.id))?;
    if policy == Policy::Exact && !pin.wanted.is_exact() {
        return Err(format!(
            "runtime `{}`: {}:{} pins {kind} to `{}`, and the policy here is exact\n  hint: write a full version x.y.z into {}",
            runtime.id, pin.file, pin.line, pin.raw, pin.file
        ));
    }
    let mut candidates = scan::candidates(runtime.kind, &pin, ambient);
    candidates.sort_by_key(|candidate| std::cmp::Reverse(rank(&pin, candidate)));
    let mut refused: Vec<String> = Vec::new();
    let mut second: Option<(scan::Candidate, Probed)> = None;
    for candidate in candidates {
        // A folder's name says the version; only what may match is asked, the rest is listed as found.
        if candidate.version.as_ref().is_some_and(|version| !pin.wanted.admits(version, policy)) {
            refused.extend(candidate.version.as_ref().map(|version| format!("{version} ({})", candidate.found_by)));
            continue;
        }
        match probes.ask(runtime.kind, &candidate.exe, ambient) {
            Ok(says) if pin.wanted.admits(&says.version, policy) => {
                return Ok(Interpreter { pin, exe: candidate.exe, says, found_by: candidate.found_by, mismatch: false });
            }
            Ok(says) => {
                refused.push(format!("{} ({}: {})", says.version, candidate.found_by, candidate.exe.display()));
                second.get_or_insert((candidate, says));
            }
            Err(why) => refused.push(why),
        }
    }
    match second {
        Some((candidate, says)) if policy == Policy::Warn => Ok(Interpreter { pin, exe: candidate.exe, says, found_by: candidate.found_by, mismatch: true }),
        _ => Err(missing(runtime, &pin, policy, &mut refused, ambient)),
    }
}

/// Better candidates first: the very version of the pin, then the newest; scanned folders before PATH.
fn rank(pin: &Pin, candidate: &scan::Candidate) -> (bool, Vec<u64>) {
    let version = candidate.version.clone().unwrap_or_default();
    let exact = pin.wanted.is_exact() && pin.wanted.admits(&version, Policy::Exact);
    (exact, version.split(['.', '-']).map(|part| part.parse().unwrap_or(0)).collect())
}

fn missing(runtime: &Runtime, pin: &Pin, policy: Policy, refused: &mut Vec<String>, ambient: &Ambient) -> String {
    refused.dedup();
    let found = if refused.is_empty() { "none".to_owned() } else { refused.join(", ") };
    let policy = match policy {
        Policy::Exact => "exact",
        Policy::Minor => "minor",
        Policy::Warn => "warn",
    };
    format!(
        "runtime `{}`: no {} matches its pin\n  pinned: {} ({}:{}, policy {policy})\n  found:  {found}\n  hint: {}",
        runtime.id,
        kind_word(runtime.kind),
        pin.raw,
        pin.file,
        pin.line,
        scan::install_command(runtime.kind, pin, ambient)
    )
}

#[cfg(test)]
mod tests;
