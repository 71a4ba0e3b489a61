//! A server of our own: made, started and ended for one run, without durability, reachable by a private socket and on loopback by a
//! password. Knows one cluster, not its databases.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::binaries::Binaries;
use super::home::{Home, User, others_may_enter};
use super::wire::{Rows, Wire};
use super::{Noted, ROLE};
use crate::model::End;
use crate::process::follow::part;
use crate::process::spawn::{self, Spec};

/// Longest time of initdb, and of a start.
const LIMIT: Duration = Duration::from_mins(1);
/// How often a start is looked at.
const POLL: Duration = Duration::from_millis(4);
/// Time for an immediate shutdown.
const QUIT: Duration = Duration::from_secs(3);
/// Another process may take the port between choosing and using it.
const TRIES: usize = 5;

/// Nothing of a run's databases outlives it, so that nothing waits for a disk.
const SETTINGS: &[&str] = &[
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "shared_buffers=64MB",
    "autovacuum=off",
    "jit=off",
    "max_connections=200",
    "checkpoint_timeout=1h",
    "max_wal_size=4GB",
    "dynamic_shared_memory_type=mmap",
    "listen_addresses=127.0.0.1",
    "unix_socket_permissions=0700",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_min_messages=warning",
];

/// What a start needs.
pub struct Start<'a> {
    /// Programs.
    pub binaries: Binaries,
    /// Its log.
    pub log: &'a Path,
    /// Where its folder is noted before anything is in it.
    pub note: &'a Path,
    /// Keep it after the run.
    pub keep: bool,
    /// The caller's folder for temporary files.
    pub tmp: Option<&'a str>,
    /// The entry of its environment by which it is known.
    pub mark: (String, String),
    /// The run was cancelled.
    pub stopped: &'a dyn Fn() -> bool,
}

/// A running server.
#[derive(Debug)]
pub struct Own {
    /// Its programs.
    pub binaries: Binaries,
    /// Its process.
    pub pid: i32,
    /// Its port on loopback.
    pub port: u16,
    home: Home,
    password: String,
    log: PathBuf,
    child: Mutex<(Child, Option<End>)>,
}

impl Own {
    /// Makes a cluster and starts its server.
    pub fn start(start: &Start<'_>) -> Result<Self, String> {
        let user = User::choose()?;
        let home = Home::create(start.tmp, user)?;
        let base = Some(home.base.display().to_string());
        let noted = Noted { base, keep: start.keep, ..Noted::default() }.write(start.note);
        let started = noted.and_then(|()| Self::start_in(&home, user, start));
        if started.is_err() {
            home.end();
            fs::remove_file(start.note).ok();
        }
        started
    }

    fn start_in(home: &Home, user: User, start: &Start<'_>) -> Result<Self, String> {
        let password = super::random()?;
        let folder = reachable(&start.binaries, home, user)?;
        let log = File::options().create(true).append(true).open(start.log).map_err(|cause| format!("failed to open {}: {cause}", start.log.display()))?;
        let env: BTreeMap<String, String> = [("PATH".to_owned(), "/usr/bin:/bin".to_owned()), ("LC_ALL".to_owned(), "C".to_owned()), start.mark.clone()].into();
        let spec = |program: &str, args: Vec<String>| Spec { exe: folder.join(program), args, env: env.clone(), cwd: PathBuf::from("/"), user: user.ids };
        init(home, user, &password, &spec, &log, start)?;
        let mut why = String::new();
        for _ in 0..TRIES {
            let port = free_port()?;
            let from = log.metadata().map_or(0, |found| found.len());
            match boot(home, port, &spec, &log, start) {
                Ok(child) => {
                    let pid = spawn::pid_of(&child).as_raw_nonzero().get();
                    let (home, log) = (home.clone(), start.log.to_owned());
                    return Ok(Self { binaries: start.binaries.clone(), pid, port, home, password, log, child: Mutex::new((child, None)) });
                }
                Err(cause) => why = cause,
            }
            if !said(start, from).contains("Address already in use") {
                break;
            }
        }
        Err(format!("{why}; its log: {}", start.log.display()))
    }

    fn child(&self) -> MutexGuard<'_, (Child, Option<End>)> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why it no longer serves.
    pub fn lost(&self) -> Option<String> {
        let mut child = self.child();
        if child.1.is_none() && matches!(child.0.try_wait(), Ok(Some(_))) {
            let end = spawn::reap(&mut child.0);
            child.1 = Some(end);
        }
        child.1.as_ref().map(|end| format!("the database server ended by itself ({end}); its log: {}", self.log.display()))
    }

    /// Runs statements through the socket.
    pub fn sql(&self, database: &str, text: &str) -> Result<Rows, String> {
        let answer = Wire::connect(&self.home.socket(self.port), ROLE, database).and_then(|mut wire| wire.run(text));
        answer.map_err(|why| self.lost().unwrap_or(why))
    }

    /// URL of a database, on loopback: every driver knows that.
    pub fn url(&self, name: &str, scheme: &str) -> String {
        format!("{scheme}://{ROLE}:{}@127.0.0.1:{}/{name}", self.password, self.port)
    }

    /// Ends the server at once and removes its folder.
    pub fn end(&self) {
        if self.lost().is_none() {
            let mut child = self.child();
            let pid = spawn::pid_of(&child.0);
            spawn::signal_one(pid, Signal::QUIT);
            let end = finish(&mut child.0, QUIT, &|| false);
            child.1 = Some(end);
        }
        self.home.remove();
    }
}

/// Waits for a child. When the time is over it is asked to end what it has begun, since a killed server program leaves shared memory
/// behind; then its group is killed.
fn finish(child: &mut Child, limit: Duration, stopped: &dyn Fn() -> bool) -> End {
    let mut until = Instant::now() + limit;
    let mut asked = false;
    loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < until && (asked || !stopped()) => std::thread::sleep(POLL),
            Ok(None) if !asked => {
                asked = true;
                until = Instant::now() + QUIT;
                spawn::signal_one(spawn::pid_of(child), Signal::TERM);
            }
            Ok(None) => {
                spawn::signal_group(spawn::pid_of(child), Signal::KILL);
                return spawn::reap(child);
            }
            Ok(Some(_)) | Err(_) => return spawn::reap(child),
        }
    }
}

type Specs<'a> = &'a dyn Fn(&str, Vec<String>) -> Spec;

fn init(home: &Home, user: User, password: &str, spec: Specs<'_>, log: &File, start: &Start<'_>) -> Result<(), String> {
    let secret = home.sockets().join("password");
    crate::rundir::write_atomic(&secret, password.as_bytes()).map_err(|cause| format!("failed to write {}: {cause}", secret.display()))?;
    if let Some((uid, gid)) = user.ids {
        std::os::unix::fs::chown(&secret, Some(uid), Some(gid)).map_err(|cause| cause.to_string())?;
    }
    let words = ["--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync", "--no-locale", "--encoding=UTF8", "--no-instructions", "--wal-segsize=4"];
    let mut args: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    args.extend([format!("--username={ROLE}"), format!("--pwfile={}", secret.display()), format!("--pgdata={}", home.cluster().display())]);
    let from = log.metadata().map_or(0, |found| found.len());
    let mut child = launch(&spec("initdb", args), log)?;
    let end = finish(&mut child, LIMIT, start.stopped);
    fs::remove_file(&secret).ok();
    if end == End::Code(0) {
        return Ok(());
    }
    Err(format!("initdb ended with {end}: {}; its log: {}", crate::text::excerpt(&said(start, from)).0, start.log.display()))
}

/// Starts the server and waits until it answers.
fn boot(home: &Home, port: u16, spec: Specs<'_>, log: &File, start: &Start<'_>) -> Result<Child, String> {
    let mut args: Vec<String> = vec!["-D".to_owned(), home.cluster().display().to_string(), "-p".to_owned(), port.to_string()];
    args.extend(["-k".to_owned(), home.sockets().display().to_string()]);
    args.extend(SETTINGS.iter().flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]));
    let from = log.metadata().map_or(0, |found| found.len());
    let mut child = launch(&spec("postgres", args), log)?;
    let until = Instant::now() + LIMIT;
    loop {
        let why = match child.try_wait() {
            Ok(Some(_)) => {
                return Err(format!("the server ended with {} before it was ready: {}", spawn::reap(&mut child), crate::text::excerpt(&said(start, from)).0));
            }
            Err(cause) => cause.to_string(),
            Ok(None) => match Wire::connect(&home.socket(port), ROLE, "postgres") {
                Ok(_) => return Ok(child),
                Err(why) => why,
            },
        };
        if Instant::now() > until || (start.stopped)() {
            spawn::signal_one(spawn::pid_of(&child), Signal::QUIT);
            finish(&mut child, QUIT, &|| false);
            return Err(format!("the server was not ready in time: {why}"));
        }
        std::thread::sleep(POLL);
    }
}

/// What was written to the log since.
fn said(start: &Start<'_>, from: u64) -> String {
    File::open(start.log).map(|log| part(&log, from, u64::MAX, 16 << 10)).unwrap_or_default()
}

fn launch(spec: &Spec, log: &File) -> Result<Child, String> {
    let io = |cause: std::io::Error| format!("failed to start {}: {cause}", spec.exe.display());
    let (out, err): (Stdio, Stdio) = (log.try_clone().map_err(io)?.into(), log.try_clone().map_err(io)?.into());
    spawn::start(spec, out, err).map_err(io)
}

/// A port of loopback that nobody has now.
pub fn free_port() -> Result<u16, String> {
    let bound = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    bound.map(|address| address.port()).map_err(|cause| format!("no free port: {cause}"))
}

/// The programs where the server's user can reach them: below a private folder they are copied beside the cluster.
fn reachable(binaries: &Binaries, home: &Home, user: User) -> Result<PathBuf, String> {
    let Some(from) = binaries.home.as_ref().filter(|_| user.ids.is_some() && !others_may_enter(&binaries.folder)) else {
        return Ok(binaries.folder.clone());
    };
    let to = home.base.join("pg");
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.map_err(|cause| cause.to_string())?;
        let place = to.join(entry.path().strip_prefix(from).unwrap_or(entry.path()));
        let io = |cause: std::io::Error| format!("failed to copy the server's programs to {}: {cause}", place.display());
        if entry.file_type().is_dir() {
            fs::create_dir_all(&place).map_err(io)?;
            fs::set_permissions(&place, std::os::unix::fs::PermissionsExt::from_mode(0o755)).map_err(io)?;
        } else if entry.file_type().is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path()).map_err(io)?, &place).map_err(io)?;
        } else {
            fs::copy(entry.path(), &place).map_err(io)?;
        }
    }
    let inside = binaries.folder.strip_prefix(from).map_or_else(|_| PathBuf::from("bin"), Path::to_owned);
    Ok(to.join(inside))
}
