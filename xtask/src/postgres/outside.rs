//! A server that somebody else runs, named on purpose: spoken to by psql, which knows TLS, passwords and service files. Only
//! databases that this run made are ever dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{PREFIX, Rows, quoted};
use crate::process::probe;
use crate::process::spawn::Spec;
use crate::rundir::write_atomic;

/// Longest time of a statement.
const LIMIT: Duration = Duration::from_mins(5);

/// Longest time of a dump or a restore.
const LONG: Duration = Duration::from_hours(6);

/// The URL of a server, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    user: String,
    password: Option<String>,
    host: String,
    database: String,
    query: String,
}

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Url({})", self.place())
    }
}

impl Url {
    /// Reads `postgresql://user:password@host:port/database?parameters`; a driver's name after `+` is passed over.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "the outside server's address is not postgresql://user:password@host:port/database".to_owned();
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        if !["postgresql", "postgres"].contains(&scheme.split('+').next().unwrap_or_default()) {
            return Err(wrong());
        }
        let (rest, query) = rest.split_once('?').map_or((rest, String::new()), |(rest, query)| (rest, format!("?{query}")));
        let (place, database) = rest.split_once('/').unwrap_or((rest, "postgres"));
        let (login, host) = place.rsplit_once('@').unwrap_or(("", place));
        let (user, password) = login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password.to_owned())));
        if host.is_empty() || host.contains(',') || query.contains("host") {
            return Err(wrong());
        }
        let database = if database.is_empty() { "postgres" } else { database };
        Ok(Self { user: user.to_owned(), password, host: host.to_owned(), database: database.to_owned(), query })
    }

    /// Host and port, for people.
    pub fn place(&self) -> String {
        self.host.clone()
    }

    /// The host is this machine.
    pub fn is_loopback(&self) -> bool {
        let host =
            self.host.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or_else(|| self.host.split(':').next().unwrap_or_default(), |(host, _)| host);
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Name of the database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The same server and role, another database.
    #[must_use]
    pub fn on(&self, database: &str) -> Self {
        Self { database: database.to_owned(), ..self.clone() }
    }

    /// The secret part.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The same address for whoever brings the password by another way.
    #[must_use]
    pub fn without_password(&self) -> Self {
        Self { password: None, ..self.clone() }
    }

    /// URL of a database on this server.
    pub fn of(&self, database: &str, scheme: &str) -> String {
        let password = self.password.as_ref().map(|password| format!(":{password}")).unwrap_or_default();
        let login = if self.user.is_empty() { String::new() } else { format!("{}{password}@", self.user) };
        format!("{scheme}://{login}{}/{database}{}", self.host, self.query)
    }
}

/// An outside server.
#[derive(Debug)]
pub struct Outside {
    /// Its address.
    pub url: Url,
    /// Version that it says.
    pub version: String,
    psql: PathBuf,
    env: BTreeMap<String, String>,
}

impl Outside {
    /// A server of any version, not asked anything yet.
    pub fn any(url: Url, caller: &BTreeMap<String, String>) -> Result<Self, String> {
        let path = caller.get("PATH").cloned().unwrap_or_default();
        let missing = "an outside server is spoken to by psql, which is missing\n  hint: apt-get install postgresql-client";
        let psql = which::which_in("psql", Some(&path), "/").map_err(|_| missing.to_owned())?;
        let mut env: BTreeMap<String, String> = [("PATH".to_owned(), path), ("PGCONNECT_TIMEOUT".to_owned(), "10".to_owned())].into();
        env.extend(caller.get("HOME").map(|home| ("HOME".to_owned(), home.clone())));
        env.extend(url.password.as_ref().map(|password| ("PGPASSWORD".to_owned(), decoded(password))));
        Ok(Self { url, version: String::new(), psql, env })
    }

    /// A server of the right major version, by its own word. The caller's environment says where psql is.
    pub fn reach(url: Url, major: &str, caller: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut outside = Self::any(url, caller)?;
        let rows = outside.sql(None, "SHOW server_version")?;
        let said = rows.into_iter().flatten().flatten().next().unwrap_or_default();
        said.split_whitespace().next().unwrap_or_default().clone_into(&mut outside.version);
        if outside.version.split('.').next() != Some(major) {
            let place = outside.url.place();
            return Err(format!(
                "the server at {place} is PostgreSQL {}, gates.toml says {major}\n  hint: use a server of that major version",
                outside.version
            ));
        }
        Ok(outside)
    }

    /// How psql is always called: nothing of the person's own settings, plain rows, the first error ends it.
    fn words(&self, database: Option<&str>) -> impl Iterator<Item = String> {
        let url = self.url.without_password().of(database.unwrap_or(&self.url.database), "postgresql");
        ["-X", "-A", "-t", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-d"].iter().map(|word| (*word).to_owned()).chain([url])
    }

    fn psql(&self, database: Option<&str>, more: Vec<String>) -> Result<String, String> {
        let args = self.words(database).chain(more).collect();
        let spec = Spec { exe: self.psql.clone(), args, env: self.env.clone(), cwd: PathBuf::from("/"), user: None };
        probe::outcome(&spec, LIMIT).map_err(|why| format!("psql at {}: {why}", self.url.place()))
    }

    /// Its address without the password, which the environment of the tools brings.
    pub fn address(&self) -> String {
        self.url.without_password().of(&self.url.database, "postgresql")
    }

    /// Runs a script of psql from a folder, with variables in its environment; gives what it says.
    pub fn script(&self, folder: &Path, text: &str, variables: &[(&str, String)]) -> Result<String, String> {
        let file = folder.join("script.sql");
        write_atomic(&file, text.as_bytes()).map_err(|cause| format!("failed to write {}: {cause}", file.display()))?;
        let mut env = self.env.clone();
        env.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let args = self.words(None).chain(["-f".to_owned(), file.display().to_string()]).collect();
        let spec = Spec { exe: self.psql.clone(), args, env, cwd: PathBuf::from("/"), user: None };
        let said = probe::outcome(&spec, LONG).map_err(|why| format!("psql at {}: {why}", self.url.place()));
        std::fs::remove_file(&file).ok();
        said
    }

    /// A session that is fed statements and ends with its input.
    pub fn session(&self) -> Result<std::process::Child, String> {
        let spec = Spec { exe: self.psql.clone(), args: self.words(None).collect(), env: self.env.clone(), cwd: PathBuf::from("/"), user: None };
        crate::process::spawn::start_fed(&spec).map_err(|cause| format!("psql: {cause}"))
    }

    /// Runs one of PostgreSQL's own programs.
    pub fn tool(&self, program: &Path, words: &[&str]) -> Result<String, String> {
        let args = words.iter().map(|word| (*word).to_owned()).collect();
        let spec = Spec { exe: program.to_owned(), args, env: self.env.clone(), cwd: PathBuf::from("/"), user: None };
        probe::outcome(&spec, LONG)
    }

    /// Runs statements.
    pub fn sql(&self, database: Option<&str>, text: &str) -> Result<Rows, String> {
        let said = self.psql(database, vec!["-c".to_owned(), text.to_owned()])?;
        Ok(said.lines().map(|line| line.split('|').map(|value| Some(value.to_owned())).collect()).collect())
    }

    /// Loads a file of SQL.
    pub fn load(&self, database: &str, file: &Path) -> Result<(), String> {
        self.psql(Some(database), vec!["-1".to_owned(), "-f".to_owned(), file.display().to_string()]).map(|_| ())
    }

    /// Drops databases with the prefix of a run.
    pub fn drop_all(&self, names: &BTreeSet<String>, prefix: &str) -> Result<(), String> {
        for name in names.iter().filter(|name| name.starts_with(prefix) && prefix.starts_with(PREFIX)) {
            let there = self.sql(None, &format!("SELECT 1 FROM pg_database WHERE datname = {}", super::literal(name)))?;
            if !there.is_empty() {
                self.sql(None, &format!("ALTER DATABASE {} WITH IS_TEMPLATE false", quoted(name)))?;
                self.sql(None, &format!("DROP DATABASE {} WITH (FORCE)", quoted(name)))?;
            }
        }
        Ok(())
    }
}

/// Percent signs of a URL.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let code = (bytes[index] == b'%').then(|| text.get(index + 1..index + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok())).flatten();
        plain.push(code.unwrap_or(bytes[index]));
        index += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let url = Url::parse("postgresql+psycopg://me:p%40ss@127.0.0.1:5433/db?sslmode=disable").expect("good");
        assert_eq!(url.of("x", "postgresql"), "postgresql://me:p%40ss@127.0.0.1:5433/x?sslmode=disable");
        assert!(url.is_loopback());
        assert_eq!(decoded(url.password().expect("given")), "p@ss");
        assert_eq!(url.without_password().of("x", "postgresql"), "postgresql://me@127.0.0.1:5433/x?sslmode=disable");
        assert_eq!(format!("{url:?}"), "Url(127.0.0.1:5433)", "no password in a message");
        assert!(!Url::parse("postgres://db.example.invalid/").expect("good").is_loopback());
        assert!(Url::parse("postgres://[::1]:5432/x").expect("good").is_loopback());
        for wrong in ["mysql://h/d", "h:5432", "postgresql:///x?host=/tmp", "postgresql://a,b/x"] {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
    }
}
