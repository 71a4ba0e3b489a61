//! Reads pin files by the rules that all their consumers share: what one of them would read differently is refused with the
//! reason. Knows no installation.

use std::fmt;
use std::path::Path;

use crate::config::schema::RuntimeKind;
use crate::model::Policy;

/// A pin as it stands in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// File, relative to the root.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// The words of the file.
    pub raw: String,
    /// What they ask for.
    pub wanted: Wanted,
}

/// What a pin asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A version with one to three numbers.
    Numbers(Vec<u64>),
    /// The newest installed version (`node`, `lts/*`).
    Newest,
    /// A rustup channel by its literal name.
    Channel(String),
}

impl Wanted {
    /// A full x.y.z.
    pub fn is_exact(&self) -> bool {
        match self {
            Self::Numbers(numbers) => numbers.len() == 3,
            Self::Newest => false,
            Self::Channel(name) => numbers(name).is_some_and(|numbers| numbers.len() == 3),
        }
    }

    /// A version is what the pin asks for under a policy. `warn` compares as `minor`.
    pub fn admits(&self, version: &str, policy: Policy) -> bool {
        let Some(found) = numbers(version) else { return false };
        let wanted = match self {
            Self::Newest => return policy != Policy::Exact,
            Self::Numbers(wanted) => wanted.clone(),
            Self::Channel(name) => match numbers(name) {
                Some(wanted) => wanted,
                None => return policy != Policy::Exact,
            },
        };
        let compared = match policy {
            Policy::Exact => 3,
            Policy::Minor | Policy::Warn => wanted.len().min(2),
        };
        (policy != Policy::Exact || wanted.len() == 3) && found.len() >= compared && wanted.iter().take(compared).eq(found.iter().take(compared))
    }
}

/// The numbers of `v20.1.2`; none for anything else, pre-releases included.
pub fn numbers(text: &str) -> Option<Vec<u64>> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let parts: Option<Vec<u64>> = text.split('.').map(|part| part.parse().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit()))).collect();
    parts.filter(|parts| (1..=3).contains(&parts.len()))
}

/// Why a pin file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    file: String,
    line: u32,
    why: String,
    hint: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}\n  hint: {}", self.file, self.line, self.why, self.hint)
    }
}

/// Reads a pin file.
pub fn read(root: &Path, file: &str, kind: RuntimeKind) -> Result<Pin, Refusal> {
    let refuse = |line, why: String, hint: &str| Refusal { file: file.to_owned(), line, why, hint: hint.to_owned() };
    let bytes =
        std::fs::read(root.join(file)).map_err(|cause| refuse(1, format!("failed to read the pin file: {cause}"), "create it with the version in it"))?;
    let text = String::from_utf8(bytes).map_err(|_| refuse(1, "the pin file is not UTF-8".to_owned(), "write the version in plain ASCII"))?;
    parse(file, &text, kind)
}

/// Reads the text of a pin file.
pub fn parse(file: &str, text: &str, kind: RuntimeKind) -> Result<Pin, Refusal> {
    let found = match kind {
        RuntimeKind::Node => words(text, true).and_then(|(line, raw)| node(&raw).map(|wanted| (line, raw, wanted)).map_err(|(why, hint)| (line, why, hint))),
        RuntimeKind::Python => {
            words(text, false).and_then(|(line, raw)| python(&raw).map(|wanted| (line, raw, wanted)).map_err(|(why, hint)| (line, why, hint)))
        }
        RuntimeKind::Rust => rust(text),
    };
    match found {
        Ok((line, raw, wanted)) => Ok(Pin { file: file.to_owned(), line, raw, wanted }),
        Err((line, why, hint)) => Err(Refusal { file: file.to_owned(), line, why, hint }),
    }
}

type Fault = (String, String);

/// The one bare line of a pin file. Comments are nvm's: from `#` to the end of the line.
fn words(text: &str, comments: bool) -> Result<(u32, String), (u32, String, String)> {
    if text.starts_with('\u{feff}') {
        return Err((
            1,
            "the file begins with a byte order mark, which nvm, asdf and pyenv read as part of the version".to_owned(),
            "save it as UTF-8 without BOM".to_owned(),
        ));
    }
    let mut found: Vec<(u32, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line_number = index as u32 + 1;
        let bare = if comments { line.split('#').next().unwrap_or("") } else { line }.trim();
        if comments && bare.contains('=') {
            continue; // nvm reserves key=value lines
        }
        if !comments && bare.contains('#') && !bare.starts_with('#') {
            return Err((
                line_number,
                format!("`{bare}`: uv ignores a line with a comment and takes another Python, pyenv does not"),
                "put the version alone on its line".to_owned(),
            ));
        }
        if !bare.is_empty() && !bare.starts_with('#') {
            found.push((line_number, bare.to_owned()));
        }
    }
    match found.as_slice() {
        [] => Err((
            1,
            "the file names no version; setup actions would silently take whatever is on PATH".to_owned(),
            "write one version into it, such as 20.20.2 or 3.11.7".to_owned(),
        )),
        [(line, one)] if one.split_whitespace().count() > 1 => {
            Err((*line, format!("`{one}` names several versions on one line"), "name one version".to_owned()))
        }
        [one] => Ok(one.clone()),
        [_, (line, _), ..] => {
            Err((*line, format!("{} versions, and consumers disagree whether the first or the last counts", found.len()), "name one version".to_owned()))
        }
    }
}

/// Codenames of the long-term lines; as of 2026-11.
const LTS: &[(&str, u64)] = &[
    ("argon", 4),
    ("boron", 6),
    ("carbon", 8),
    ("dubnium", 10),
    ("erbium", 12),
    ("fermium", 14),
    ("gallium", 16),
    ("hydrogen", 18),
    ("iron", 20),
    ("jod", 22),
    ("krypton", 24),
];

fn node(raw: &str) -> Result<Wanted, Fault> {
    if let Some(numbers) = numbers(raw) {
        return Ok(Wanted::Numbers(numbers));
    }
    if let Some(name) = raw.strip_prefix("lts/") {
        if name == "*" {
            return Ok(Wanted::Newest);
        }
        return LTS.iter().find(|(known, _)| *known == name).map(|(_, major)| Wanted::Numbers(vec![*major])).ok_or_else(|| {
            let table = LTS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            (format!("`{raw}` is no long-term line known here (table of 2026-11)"), format!("codenames are lower case: {table}; or write the version"))
        });
    }
    let hint = "write a version such as 20.20.2, or lts/iron".to_owned();
    if raw.to_ascii_lowercase().starts_with("lts/") {
        return Err((format!("`{raw}`: nvm knows lower case only, setup-node takes it for a version"), format!("write {}", raw.to_ascii_lowercase())));
    }
    match raw {
        "node" | "stable" => Ok(Wanted::Newest),
        "system" | "default" | "iojs" | "unstable" => Err((format!("`{raw}` names no version that another machine could resolve"), hint)),
        _ if raw.contains(['x', 'X', '*', '^', '~', '>', '<']) => Err((format!("`{raw}` is a range, which nvm never resolves"), hint)),
        _ => Err((format!("`{raw}` is not a version of Node.js"), hint)),
    }
}

fn python(raw: &str) -> Result<Wanted, Fault> {
    let hint = "write a version such as 3.11.7".to_owned();
    match numbers(raw) {
        Some(_) if raw.starts_with('v') => Err((format!("`{raw}`: no consumer of .python-version takes a leading v"), hint)),
        Some(numbers) => Ok(Wanted::Numbers(numbers)),
        None if raw.starts_with("python-") || raw.contains('@') => Err((format!("`{raw}`: pyenv, uv and setup-python read it differently"), hint)),
        None if raw.contains(['>', '<', '=', '~', '*']) => Err((format!("`{raw}` is a range, which pyenv never resolves"), hint)),
        None => Err((format!("`{raw}` is not a version of CPython"), hint)),
    }
}

fn rust(text: &str) -> Result<(u32, String, Wanted), (u32, String, String)> {
    let hint = || "[toolchain]\n        channel = \"1.95.0\"".to_owned();
    let table: toml::Table = toml::from_str(text).map_err(|cause| (1, cause.message().to_owned(), hint()))?;
    let channel = table.get("toolchain").and_then(|toolchain| toolchain.get("channel")).and_then(toml::Value::as_str);
    let channel = channel.ok_or_else(|| (1, "no toolchain.channel in it".to_owned(), hint()))?;
    let line = text.lines().position(|line| line.trim_start().starts_with("channel")).unwrap_or(0) as u32 + 1;
    Ok((line, channel.to_owned(), Wanted::Channel(channel.to_owned())))
}
