//! PostgreSQL's own programs for a person's side (psql, pg_dump, pg_restore): the system's, else those that a package of PyPI carries.
//! npm's servers come without them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::probe;
use crate::process::spawn::Spec;

/// The package, of PostgreSQL 16: its programs speak to every older server too.
const PACKAGE: &str = "pgserver==0.1.4";
const FETCH: Duration = Duration::from_mins(5);

/// The folder to add to a PATH that has no psql; none where it has one. What is fetched is kept.
pub fn find(path: &str, cache: &Path, python: &Path, env: &BTreeMap<String, String>) -> Result<Option<PathBuf>, String> {
    if which::which_in("psql", Some(path), "/").is_ok() {
        return Ok(None);
    }
    let missing = |why: String| format!("there is no psql here, and PyPI's could not be fetched: {why}\n  hint: apt-get install postgresql-client");
    let place = cache.join("postgres-clients");
    let bin = |place: &Path| place.join("pgserver/pginstall/bin");
    fs::create_dir_all(cache).map_err(|cause| missing(cause.to_string()))?;
    let lock = File::create(cache.join("postgres-clients.lock")).map_err(|cause| missing(cause.to_string()))?;
    lock.lock().map_err(|cause| missing(cause.to_string()))?;
    if bin(&place).join("psql").is_file() {
        return Ok(Some(bin(&place)));
    }
    let fresh = cache.join("postgres-clients.new");
    fs::remove_dir_all(&fresh).ok();
    let words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "--target"];
    let args = words.iter().map(|word| (*word).to_owned()).chain([fresh.display().to_string(), PACKAGE.to_owned()]).collect();
    let spec = Spec { exe: python.to_owned(), args, env: env.clone(), cwd: PathBuf::from("/"), user: None };
    probe::outcome(&spec, FETCH).map_err(missing)?;
    if !bin(&fresh).join("psql").is_file() {
        return Err(missing(format!("{PACKAGE} has no psql for this machine")));
    }
    fs::rename(&fresh, &place).map_err(|cause| missing(cause.to_string()))?;
    Ok(Some(bin(&place)))
}
