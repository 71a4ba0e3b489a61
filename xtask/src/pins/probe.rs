//! Asks an interpreter who it is, once for each file as it is on disk. Knows the question for each kind.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::{Ambient, kind_word};
use crate::config::schema::RuntimeKind;
use crate::process::{probe, spawn::Spec};

/// Longest time for an answer.
const LIMIT: Duration = Duration::from_secs(10);

/// What an interpreter says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// Version without a leading `v`.
    pub version: String,
    /// Its own idea of its file (`sys.executable`, `process.execPath`).
    pub exe: String,
}

/// Answers by file, kept between runs while the file stays as it is.
#[derive(Debug, Default)]
pub struct Probes {
    answers: BTreeMap<String, (String, Probed)>,
    file: Option<PathBuf>,
    changed: bool,
}

impl Probes {
    /// Answers kept in a file; one that cannot be read is an empty one.
    pub fn load(file: PathBuf) -> Self {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let kept: BTreeMap<String, [String; 3]> = serde_json::from_str(&text).unwrap_or_default();
        let answers = kept.into_iter().map(|(key, [stamp, version, exe])| (key, (stamp, Probed { version, exe }))).collect();
        Self { answers, file: Some(file), changed: false }
    }

    /// Keeps the answers; a cache that cannot be written costs only time.
    pub fn save(&self) {
        let kept: BTreeMap<&String, [&String; 3]> = self.answers.iter().map(|(key, (stamp, says))| (key, [stamp, &says.version, &says.exe])).collect();
        if let (true, Some(file), Ok(text)) = (self.changed, &self.file, serde_json::to_vec_pretty(&kept)) {
            crate::rundir::write_atomic(file, &text).ok();
        }
    }

    /// The answer of an interpreter.
    pub fn ask(&mut self, kind: RuntimeKind, exe: &Path, ambient: &Ambient) -> Result<Probed, String> {
        let key = format!("{} {}", kind_word(kind), exe.display());
        let stamp = stamp(exe)?;
        if let Some((known, says)) = self.answers.get(&key)
            && *known == stamp
        {
            return Ok(says.clone());
        }
        let says = ask(kind, exe, ambient)?;
        self.answers.insert(key, (stamp, says.clone()));
        self.changed = true;
        Ok(says)
    }
}

/// Real path, modification time and size.
fn stamp(exe: &Path) -> Result<String, String> {
    let failed = |cause| format!("failed to look at `{}`: {cause}", exe.display());
    let real = exe.canonicalize().map_err(failed)?;
    let metadata = real.metadata().map_err(failed)?;
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    // A virtual environment's python is a link: the file beside it decides what it is.
    let venv = exe.parent().and_then(Path::parent).map(|folder| folder.join("pyvenv.cfg"));
    let venv = venv.and_then(|file| std::fs::read(file).ok()).map(|bytes| blake3::hash(&bytes).to_hex().to_string()).unwrap_or_default();
    Ok(format!("{} {} {} {venv}", real.display(), modified.as_nanos(), metadata.len()))
}

fn ask(kind: RuntimeKind, exe: &Path, ambient: &Ambient) -> Result<Probed, String> {
    let args: &[&str] = match kind {
        RuntimeKind::Python => &["-I", "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.executable); print(sys.implementation.name)"],
        RuntimeKind::Node => &["-p", "[process.versions.node, process.execPath, 'node'].join('\\n')"],
        RuntimeKind::Rust => &["--version"],
    };
    let env = ["HOME", "PATH", "LANG"].iter().filter_map(|name| ambient.get(*name).map(|value| ((*name).to_owned(), value.clone()))).collect();
    let spec = Spec { exe: exe.to_owned(), args: args.iter().map(|word| (*word).to_owned()).collect(), env, cwd: PathBuf::from("/"), user: None };
    let text = probe::output(&spec, LIMIT)?;
    let mut lines = text.lines().map(str::trim);
    let unclear = || format!("`{}` does not answer as a {}: {:?}", exe.display(), kind_word(kind), text.chars().take(80).collect::<String>());
    let (version, says) = match kind {
        RuntimeKind::Rust => (lines.next().and_then(|line| line.split(' ').nth(1)).map(str::to_owned), Some(exe.to_string_lossy().into_owned())),
        RuntimeKind::Python | RuntimeKind::Node => (lines.next().map(str::to_owned), lines.next().map(str::to_owned)),
    };
    if kind == RuntimeKind::Python && lines.next() != Some("cpython") {
        return Err(unclear());
    }
    let version = version.filter(|version| version.starts_with(|c: char| c.is_ascii_digit())).ok_or_else(unclear)?;
    Ok(Probed { version: version.split('-').next().unwrap_or_default().to_owned(), exe: says.filter(|exe| !exe.is_empty()).ok_or_else(unclear)? })
}
