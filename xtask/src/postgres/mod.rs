//! PostgreSQL as a resource of gates: a server of our own or an outside one, templates that nobody connects to, and clones in
//! milliseconds. Knows nothing of migrations; who builds a template runs them.

pub mod binaries;
pub mod clients;
pub mod home;
mod outside;
mod own;
mod wire;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

pub use outside::{Outside, Url};
pub use own::{Own, Start, free_port};
pub use wire::Rows;

use crate::rundir::write_atomic;

/// The role that owns everything on a server of our own.
pub const ROLE: &str = "gates";
/// First letters of every database that a run makes; nothing else is ever dropped.
const PREFIX: &str = "gates_";
/// Longest identifier of PostgreSQL, in bytes.
const LONGEST_NAME: usize = 63;
/// The first major version whose CREATE DATABASE knows strategies.
const STRATEGIES: u32 = 15;

/// What outlives a killed run, noted on disk before it exists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// Folder of a server of our own.
    pub base: Option<String>,
    /// Keep it after the run.
    pub keep: bool,
    /// Host and port of an outside server.
    pub outside: Option<String>,
    /// Databases made on an outside server.
    pub databases: BTreeSet<String>,
}

impl Noted {
    /// Reads a note; one that is not whole says nothing.
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Folder of a server of our own that is still there.
    pub fn home(&self) -> Option<home::Home> {
        self.base.as_deref().and_then(home::Home::noted)
    }

    /// Writes it.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let bytes = serde_json::to_vec(self).map_err(|cause| cause.to_string())?;
        write_atomic(path, &bytes).map_err(|cause| format!("failed to write {}: {cause}", path.display()))
    }
}

/// Whose server it is.
#[derive(Debug)]
pub enum Side {
    /// Ours, for this run alone.
    Own(Own),
    /// One that was named on purpose.
    Outside(Outside),
}

/// A server that databases are made on.
#[derive(Debug)]
pub struct Server {
    side: Side,
    /// First letters of the names of this run's databases.
    prefix: String,
    made: Mutex<BTreeSet<String>>,
    sealed: Mutex<BTreeSet<String>>,
    counter: AtomicU32,
    note: PathBuf,
    keep: bool,
}

impl Server {
    /// A server for one run; what it makes is noted in a file first.
    pub fn new(side: Side, run: &str, note: PathBuf, keep: bool) -> Self {
        Self { side, prefix: prefix(run), made: Mutex::default(), sealed: Mutex::default(), counter: AtomicU32::new(1), note, keep }
    }

    /// Version, as the server says it.
    pub fn version(&self) -> &str {
        match &self.side {
            Side::Own(own) => &own.binaries.version,
            Side::Outside(outside) => &outside.version,
        }
    }

    /// Where it was found, for people.
    pub fn found_by(&self) -> String {
        match &self.side {
            Side::Own(own) => format!("{} {}", own.binaries.found_by, own.binaries.folder.display()),
            Side::Outside(outside) => format!("outside, {}", outside.url.place()),
        }
    }

    /// Process id and port of a server of our own.
    pub fn process(&self) -> Option<(i32, u16)> {
        match &self.side {
            Side::Own(own) => Some((own.pid, own.port)),
            Side::Outside(_) => None,
        }
    }

    /// Why it no longer serves.
    pub fn lost(&self) -> Option<String> {
        match &self.side {
            Side::Own(own) => own.lost(),
            Side::Outside(_) => None,
        }
    }

    fn major(&self) -> u32 {
        major(self.version())
    }

    /// Runs statements in a database.
    pub fn sql(&self, database: Option<&str>, text: &str) -> Result<Rows, String> {
        match &self.side {
            Side::Own(own) => own.sql(database.unwrap_or("postgres"), text),
            Side::Outside(outside) => outside.sql(database, text),
        }
    }

    /// Makes a database: a copy of a template, or an empty one. Gives its name.
    pub fn create(&self, id: &str, template: Option<&str>) -> Result<String, String> {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let mut name = format!("{}{number}_{}", self.prefix, id.replace('-', "_"));
        name.truncate(LONGEST_NAME);
        self.remember(&name)?;
        let strategy = if self.major() >= STRATEGIES { " STRATEGY file_copy" } else { "" };
        let source = template.unwrap_or("template0");
        self.sql(None, &format!("CREATE DATABASE {} TEMPLATE {}{strategy}", quoted(&name), quoted(source)))?;
        if let Some(template) = template {
            self.copy_settings(template, &name)?;
        }
        Ok(name)
    }

    /// What `ALTER DATABASE ... SET` said of the template is not copied by CREATE DATABASE.
    fn copy_settings(&self, from: &str, to: &str) -> Result<(), String> {
        let copy = format!(
            "INSERT INTO pg_db_role_setting SELECT (SELECT oid FROM pg_database WHERE datname = {}), setrole, setconfig \
             FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = {})",
            literal(to),
            literal(from)
        );
        match (&self.side, self.sql(None, &copy)) {
            (Side::Own(_), Err(why)) => Err(why),
            (Side::Own(_) | Side::Outside(_), _) => Ok(()), // only a superuser may write there
        }
    }

    /// Makes a database a template: from now on nobody can connect to it.
    pub fn seal(&self, name: &str) -> Result<(), String> {
        self.sql(None, &format!("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false IS_TEMPLATE true", quoted(name)))?;
        // A session that outlived its program would keep every clone waiting.
        self.sql(None, &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}", literal(name)))?;
        self.sealed.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        Ok(())
    }

    /// Loads a file of SQL into a database.
    pub fn load(&self, name: &str, file: &Path) -> Result<(), String> {
        match &self.side {
            Side::Own(own) => {
                let text = std::fs::read_to_string(file).map_err(|cause| format!("failed to read {}: {cause}", file.display()))?;
                own.sql(name, &without_meta(&text)).map(|_| ())
            }
            Side::Outside(outside) => outside.load(name, file),
        }
    }

    /// Drops a database that this run made, whoever is connected to it.
    pub fn drop_database(&self, name: &str) -> Result<(), String> {
        if self.keep || !self.made().contains(name) || !name.starts_with(&self.prefix) {
            return Ok(());
        }
        self.sql(None, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(name)))?;
        self.made().remove(name);
        Ok(())
    }

    /// URL of a database.
    pub fn url(&self, name: &str, scheme: &str) -> String {
        match &self.side {
            Side::Own(own) => own.url(name, scheme),
            Side::Outside(outside) => outside.url.of(name, scheme),
        }
    }

    /// The line that a person types to look into a database; the password of an outside server stays with that person.
    pub fn psql(&self, name: &str) -> String {
        let url = match &self.side {
            Side::Own(own) => own.url(name, "postgresql"),
            Side::Outside(outside) => outside.url.without_password().of(name, "postgresql"),
        };
        format!("psql '{url}'")
    }

    /// Databases that are there and that one can look into: templates are closed.
    pub fn kept(&self) -> Vec<String> {
        let sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        self.made().difference(&sealed).cloned().collect()
    }

    /// Ends it: a server of our own with everything in it, on an outside one what this run made. A kept one stays.
    pub fn close(&self) -> Result<(), String> {
        if self.keep {
            return Ok(());
        }
        match &self.side {
            Side::Own(own) => own.end(),
            Side::Outside(outside) => outside.drop_all(&self.made(), &self.prefix)?,
        }
        std::fs::remove_file(&self.note).ok();
        Ok(())
    }

    fn made(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is made elsewhere is written down before it is made.
    fn remember(&self, name: &str) -> Result<(), String> {
        let mut made = self.made();
        made.insert(name.to_owned());
        if let Side::Outside(outside) = &self.side {
            Noted { outside: Some(outside.url.place()), databases: made.clone(), keep: self.keep, base: None }.write(&self.note)?;
        }
        Ok(())
    }
}

/// First letters of the names of a run's databases.
pub fn prefix(run: &str) -> String {
    format!("{PREFIX}{}_", run.replace('-', "_"))
}

/// Thirty-two hexadecimal digits that nobody can guess.
fn random() -> Result<String, String> {
    use std::io::Read as _;
    let mut bytes = [0; 16];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|cause| format!("failed to read /dev/urandom: {cause}"))?;
    Ok(bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")))
}

/// The major part of a version; 0 where there is none.
pub fn major(version: &str) -> u32 {
    version.split(|c: char| !c.is_ascii_digit()).next().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// An identifier.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// pg_dump frames its output with two commands of psql, which no server knows.
fn without_meta(text: &str) -> String {
    let meta = |line: &str| line.starts_with("\\restrict ") || line.starts_with("\\unrestrict ");
    text.split_inclusive('\n').filter(|line| !meta(line)).collect()
}

#[cfg(test)]
mod tests;
