//! The environment of every process, built and never inherited: a fixed list, what gates.toml passes, runtimes first on PATH. Knows
//! names of variables, no process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::compose::engine;
use crate::config::Runtime;
use crate::config::schema::RuntimeKind;
use crate::pins::{Ambient, kind_word};

/// Passed wherever the caller has them. `*` ends a prefix.
const PASSED: &[&str] = &[
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TERM",
    "TMPDIR",
    "TMP",
    "TEMP",
    "CI",
    "NO_COLOR",
    "XDG_*",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "GITHUB_*",
    "RUNNER_*",
];

/// Passed to set-up steps besides: proxies, certificate authorities, registries.
const SETUP: &[&str] = &[
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "FTP_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "ftp_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "PIP_*",
    "UV_INDEX*",
    "UV_DEFAULT_INDEX",
    "npm_config_registry",
    "npm_config_cafile",
    "npm_config_proxy",
    "npm_config_https_proxy",
    "NPM_CONFIG_*",
    "CARGO_HTTP_*",
    "CARGO_NET_*",
    "CARGO_REGISTRIES_*",
];

/// Never passed, whatever a prefix says: a test must not be able to write the job's outputs or hold its tokens.
const DROPPED: &[&str] = &["GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_STEP_SUMMARY", "GITHUB_TOKEN"];

/// Set for every process: nothing downloads a toolchain in silence.
const SET: &[(&str, &str)] =
    &[("RUSTUP_AUTO_INSTALL", "0"), ("UV_PYTHON_DOWNLOADS", "never"), ("COREPACK_ENABLE_NETWORK", "0"), ("COREPACK_ENABLE_DOWNLOAD_PROMPT", "0")];

/// The environment before runtimes, services and the gate's own values.
pub fn base(ambient: &Ambient, pass: &[String], setup: bool) -> BTreeMap<String, String> {
    let more: &[&str] = if setup { SETUP } else { &[] };
    let listed = |name: &str| {
        let fixed = PASSED.iter().chain(more).any(|pattern| matches(pattern, name));
        let dropped = DROPPED.contains(&name) || name.ends_with("_TOKEN");
        fixed && !dropped || pass.iter().any(|pattern| matches(pattern, name)) && !DROPPED.contains(&name)
    };
    let passed = ambient.iter().filter(|(name, _)| listed(name) && !name.starts_with("GATE_") && *name != "PATH" && *name != "DATABASE_URL");
    let mut env: BTreeMap<String, String> = passed.map(|(name, value)| (name.clone(), value.clone())).collect();
    env.extend(SET.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    env
}

/// Variables that say where an engine of containers is, for gates that name one.
pub fn engine(ambient: &Ambient) -> impl Iterator<Item = (String, String)> {
    engine::VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), ambient.get(*name)?.clone())))
}

/// A pattern of `env-pass` names a variable.
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after),
    }
}

/// Folders that hold programs of many kinds: they must not come before a folder that holds one runtime.
const SHARED: &[&str] = &["/bin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin", "/sbin", "/usr/sbin"];

/// PATH for some runtimes: their own `bin` folders in order, the interpreters' folders, the caller's PATH.
pub fn path(root: &Path, runtimes: &[(&Runtime, PathBuf)], ambient: &Ambient) -> String {
    let bins = runtimes.iter().flat_map(|(runtime, _)| runtime.bin.iter().map(|folder| root.join(folder)));
    let (shared, own): (Vec<PathBuf>, Vec<PathBuf>) =
        runtimes.iter().map(|(_, folder)| folder.clone()).partition(|folder| SHARED.iter().any(|known| Path::new(known) == folder));
    let caller = ambient.get("PATH").map(String::as_str).unwrap_or_default();
    let mut folders: Vec<PathBuf> = Vec::new();
    for folder in bins.chain(own).chain(shared).chain(std::env::split_paths(caller).filter(|folder| folder.is_absolute())) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    std::env::join_paths(folders).unwrap_or_default().to_string_lossy().into_owned()
}

/// Program names that mean a runtime's interpreter.
pub fn names(kind: RuntimeKind) -> &'static [&'static str] {
    match kind {
        RuntimeKind::Python => &["python", "python3"],
        RuntimeKind::Node => &["node"],
        RuntimeKind::Rust => &["rustc", "cargo"],
    }
}

/// Every name of an interpreter on this PATH is one of the runtimes' own: nothing else can be spawned by its name.
pub fn prove(path: &str, root: &Path, runtimes: &[(&Runtime, PathBuf)]) -> Result<(), String> {
    for (runtime, _) in runtimes {
        let own: Vec<PathBuf> = runtimes
            .iter()
            .filter(|(other, _)| other.kind == runtime.kind)
            .flat_map(|(other, folder)| other.bin.iter().map(|bin| root.join(bin)).chain([folder.clone()]))
            .collect();
        for name in names(runtime.kind) {
            let Ok(found) = which::which_in(name, Some(path), root) else { continue };
            if !own.iter().any(|folder| found.parent() == Some(folder)) {
                return Err(format!(
                    "`{name}` on this PATH is {}, which does not belong to runtime `{}`; give it a {} environment of its own (install, bin)",
                    found.display(),
                    runtime.id,
                    kind_word(runtime.kind)
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_variables_and_tokens_stay_out() {
        let names = [
            "HOME",
            "CI",
            "RUSTUP_TOOLCHAIN",
            "LD_LIBRARY_PATH",
            "CARGO",
            "CARGO_MANIFEST_DIR",
            "CARGO_PKG_NAME",
            "GITHUB_SHA",
            "GITHUB_ENV",
            "GITHUB_TOKEN",
            "NPM_TOKEN",
            "RUNNER_TRACKING_ID",
            "VIRTUAL_ENV",
            "PYTHONPATH",
            "NODE_OPTIONS",
            "DATABASE_URL",
            "HTTPS_PROXY",
            "MY_FLAG",
            "MY_TOKEN",
        ];
        let ambient: Ambient = names.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
        let given = |pass: &[&str], setup| {
            let pass: Vec<String> = pass.iter().map(|name| (*name).to_owned()).collect();
            base(&ambient, &pass, setup).into_keys().filter(|name| ambient.contains_key(name)).collect::<Vec<_>>()
        };
        assert_eq!(given(&[], false), ["CI", "GITHUB_SHA", "HOME", "RUNNER_TRACKING_ID"]);
        assert_eq!(given(&["MY_*"], false), ["CI", "GITHUB_SHA", "HOME", "MY_FLAG", "MY_TOKEN", "RUNNER_TRACKING_ID"]);
        assert!(given(&[], true).contains(&"HTTPS_PROXY".to_owned()));
    }

    #[test]
    fn a_shared_folder_never_hides_an_interpreter() {
        let runtime = |id: &str, kind, bin: &[&str]| Runtime {
            id: id.to_owned(),
            kind,
            pin: String::new(),
            policy: crate::model::Policy::Minor,
            cwd: ".".to_owned(),
            lockfiles: Vec::new(),
            install: Vec::new(),
            bin: bin.iter().map(|folder| (*folder).to_owned()).collect(),
            env: BTreeMap::new(),
        };
        let (node, python) = (runtime("n", RuntimeKind::Node, &["node_modules/.bin"]), runtime("p", RuntimeKind::Python, &[".venv/bin"]));
        let ambient: Ambient = [("PATH".to_owned(), "/decoy:/usr/bin:relative".to_owned())].into();
        let path = path(Path::new("/r"), &[(&node, PathBuf::from("/usr/bin")), (&python, PathBuf::from("/opt/py/bin"))], &ambient);
        assert_eq!(path, "/r/node_modules/.bin:/r/.venv/bin:/opt/py/bin:/usr/bin:/decoy");
    }
}
