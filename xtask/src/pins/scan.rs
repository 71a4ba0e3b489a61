//! Where version managers keep interpreters, read from their folders without their shell hooks; then PATH without shims. Knows
//! layouts, not policies.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Ambient, Pin, Wanted, kind_word};
use crate::config::schema::RuntimeKind;

/// An interpreter that may be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// File.
    pub exe: PathBuf,
    /// Version that its folder's name says.
    pub version: Option<String>,
    /// Manager, or `PATH`.
    pub found_by: String,
}

/// A manager's layout: root by variable or below home, folder of versions, and the program below a version.
struct Layout {
    manager: &'static str,
    variable: &'static str,
    home: &'static str,
    versions: &'static str,
    program: &'static str,
}

const fn layout(manager: &'static str, variable: &'static str, home: &'static str, versions: &'static str, program: &'static str) -> Layout {
    Layout { manager, variable, home, versions, program }
}

const NODE: &[Layout] = &[
    layout("nvm", "NVM_DIR", ".nvm", "versions/node", "bin/node"),
    layout("fnm", "FNM_DIR", ".local/share/fnm", "node-versions", "installation/bin/node"),
    layout("fnm", "", ".fnm", "node-versions", "installation/bin/node"),
    layout("volta", "VOLTA_HOME", ".volta", "tools/image/node", "bin/node"),
    layout("asdf", "ASDF_DATA_DIR", ".asdf", "installs/nodejs", "bin/node"),
    layout("mise", "MISE_DATA_DIR", ".local/share/mise", "installs/node", "bin/node"),
    layout("proto", "PROTO_HOME", ".proto", "tools/node", "bin/node"),
    layout("tool cache", "RUNNER_TOOL_CACHE", "", "node", "x64/bin/node"),
    layout("tool cache", "RUNNER_TOOL_CACHE", "", "node", "arm64/bin/node"),
];

const PYTHON: &[Layout] = &[
    layout("pyenv", "PYENV_ROOT", ".pyenv", "versions", "bin/python"),
    layout("uv", "UV_PYTHON_INSTALL_DIR", ".local/share/uv/python", "", "bin/python3"),
    layout("asdf", "ASDF_DATA_DIR", ".asdf", "installs/python", "bin/python"),
    layout("mise", "MISE_DATA_DIR", ".local/share/mise", "installs/python", "bin/python"),
    layout("proto", "PROTO_HOME", ".proto", "tools/python", "bin/python"),
    layout("tool cache", "RUNNER_TOOL_CACHE", "", "Python", "x64/bin/python"),
    layout("tool cache", "RUNNER_TOOL_CACHE", "", "Python", "arm64/bin/python"),
];

const RUST: &[Layout] = &[layout("rustup", "RUSTUP_HOME", ".rustup", "toolchains", "bin/rustc")];

/// Everything on this machine that could be the interpreter.
pub fn candidates(kind: RuntimeKind, pin: &Pin, ambient: &Ambient) -> Vec<Candidate> {
    let layouts = match kind {
        RuntimeKind::Node => NODE,
        RuntimeKind::Python => PYTHON,
        RuntimeKind::Rust => RUST,
    };
    let mut found: Vec<Candidate> = layouts.iter().flat_map(|layout| scan(layout, kind, pin, ambient)).collect();
    for exe in on_path(kind, pin, ambient) {
        if !found.iter().any(|known| known.exe == exe) {
            found.push(Candidate { exe, version: None, found_by: "PATH".to_owned() });
        }
    }
    found
}

fn scan(layout: &Layout, kind: RuntimeKind, pin: &Pin, ambient: &Ambient) -> Vec<Candidate> {
    let own = ambient.get(layout.variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || ambient.get("HOME").filter(|_| !layout.home.is_empty()).map(|home| Path::new(home).join(layout.home));
    let Some(root) = own.or_else(home) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(layout.versions)).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let link = entry.path().is_symlink();
        let exe = entry.path().join(layout.program);
        // mise and uv link short names to full ones; rustup links whole toolchains on purpose.
        if !exe.is_file() || (link && kind != RuntimeKind::Rust) {
            continue;
        }
        // A version of the tool cache that is still being unpacked has no marker yet.
        if layout.manager == "tool cache" && !entry.path().join(format!("{}.complete", layout.program.split('/').next().unwrap_or(""))).exists() {
            continue;
        }
        let Some(version) = version_of(&name, kind, pin) else { continue };
        found.push(Candidate { exe, version, found_by: layout.manager.to_owned() });
    }
    found
}

/// The version in a folder's name. The outer none: this folder is something else (a virtual environment, another
/// implementation, another toolchain).
#[expect(clippy::option_option, reason = "no version in the name, and no interpreter at all, are two findings")]
fn version_of(name: &str, kind: RuntimeKind, pin: &Pin) -> Option<Option<String>> {
    match kind {
        RuntimeKind::Node => super::read::numbers(name).map(|_| Some(name.trim_start_matches('v').to_owned())),
        RuntimeKind::Python => {
            let number = name.strip_prefix("cpython-").map_or(name, |rest| rest.split('-').next().unwrap_or(rest));
            super::read::numbers(number).map(|_| Some(number.to_owned()))
        }
        // rustup compares channels literally: 1.95 is another toolchain than 1.95.0.
        RuntimeKind::Rust => {
            let Wanted::Channel(channel) = &pin.wanted else { return None };
            let named = name == channel || name.strip_prefix(channel.as_str()).is_some_and(|rest| rest.starts_with('-'));
            named.then_some(None)
        }
    }
}

fn on_path(kind: RuntimeKind, pin: &Pin, ambient: &Ambient) -> Vec<PathBuf> {
    let mut names = match kind {
        RuntimeKind::Node => vec!["node".to_owned()],
        RuntimeKind::Rust => vec!["rustc".to_owned()],
        RuntimeKind::Python => vec!["python3".to_owned(), "python".to_owned()],
    };
    if let (RuntimeKind::Python, Wanted::Numbers(numbers)) = (kind, &pin.wanted)
        && let [major, minor, ..] = numbers.as_slice()
    {
        names.insert(0, format!("python{major}.{minor}"));
    }
    let path = ambient.get("PATH").map(String::as_str).unwrap_or_default();
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute() && !is_shim(folder));
    folders.flat_map(|folder| names.iter().map(move |name| folder.join(name)).collect::<Vec<_>>()).filter(|file| file.is_file()).collect()
}

/// Folders whose programs decide at run time which version they are.
pub fn is_shim(folder: &Path) -> bool {
    let text = folder.to_string_lossy();
    text.ends_with("/shims")
        || text.ends_with("/.volta/bin")
        || text.contains("fnm_multishells")
        || text.ends_with("/.cargo/bin")
        || text.ends_with("/cargo/bin")
}

/// The command that installs what a pin asks for, for the first manager that is here.
pub fn install_command(kind: RuntimeKind, pin: &Pin, ambient: &Ambient) -> String {
    let raw = pin.raw.trim_start_matches('v');
    let has = |variable: &str, below_home: &str| {
        ambient.get(variable).is_some_and(|root| Path::new(root).is_dir()) || ambient.get("HOME").is_some_and(|home| Path::new(home).join(below_home).is_dir())
    };
    match kind {
        RuntimeKind::Rust => format!("rustup toolchain install {raw} --profile minimal"),
        RuntimeKind::Node if has("NVM_DIR", ".nvm") => format!("nvm install {raw}"),
        RuntimeKind::Node if has("FNM_DIR", ".local/share/fnm") => format!("fnm install {raw}"),
        RuntimeKind::Python if has("PYENV_ROOT", ".pyenv") => format!("pyenv install {raw}"),
        RuntimeKind::Python if has("UV_PYTHON_INSTALL_DIR", ".local/share/uv") => format!("uv python install {raw}"),
        RuntimeKind::Node | RuntimeKind::Python => format!("mise install {}@{raw} (or any of nvm, fnm, pyenv, uv)", kind_word(kind)),
    }
}
