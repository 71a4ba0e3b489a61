//! Clones of databases for attempts and services: the template is built when its fingerprint is new, by the repository's own
//! commands, and nothing ever connects to it again. Knows no service.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::attempt::Place;
use super::launch::Told;
use super::os::lock;
use super::supplies::{Short, log_file, marker};
use super::{instances, reports};
use crate::config::{Database, DatabaseUse, EMPTY, MIGRATED, Placeholder};
use crate::event::{EventKind, ProcStarted};
use crate::mask::redact;
use crate::model::{End, MIGRATE};
use crate::postgres::Server;
use crate::process::follow::part;
use crate::process::spawn::{self, Spec};
use crate::rundir::{Digest, RunDir, file_ref};

/// Read of a failed command's log for the line that says most.
const EXCERPT: u64 = 64 << 10;

/// A clone that somebody owns.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    pub(super) database: String,
    pub(super) name: String,
    pub(super) url: String,
    pub(super) url_env: String,
    pub(super) server: Arc<Server>,
}

impl Copy {
    /// Drops it; a server that is gone has dropped it already.
    pub(super) fn give_back(&self) -> Option<String> {
        if self.server.lost().is_some() {
            return None;
        }
        self.server.drop_database(&self.name).err().map(|why| format!("failed to drop database {}: {why}", self.name))
    }
}

/// A fresh clone in a state; `worker` is for the tidings of an attempt, none for a service of the whole run.
pub(super) fn take(place: &Place<'_>, wanted: &DatabaseUse, worker: Option<u32>) -> Result<Copy, Short> {
    let database = &place.site.config.databases[&wanted.database];
    let server = place.site.supplies.server(place, &database.service)?;
    if place.control.stop.load(Ordering::Acquire) {
        return Err(Short::Stopped);
    }
    let failed = |why: String| match server.lost() {
        _ if place.control.stop.load(Ordering::Acquire) => Short::Stopped,
        lost => Short::Lost(lost.unwrap_or_else(|| format!("no clone of database {}: {why}", database.id))),
    };
    let template = template(place, database, &wanted.state, &server)?;
    let begun = Instant::now();
    let name = server.create(&database.id, template.as_deref()).map_err(failed)?;
    let ready = EventKind::DatabaseReady {
        job: worker.map(|_| place.job.clone()),
        database: database.id.clone(),
        state: wanted.state.clone(),
        name: name.clone(),
        took: begun.elapsed().as_millis() as u64,
    };
    place.line.tell(Told::Fact(Box::new(ready)));
    let url = server.url(&name, &database.url_scheme);
    Ok(Copy { database: database.id.clone(), name, url, url_env: database.url_env.clone(), server })
}

/// The template of a state; none for the empty one. Built when nobody has built it for these files yet.
fn template(place: &Place<'_>, database: &Database, state: &str, server: &Arc<Server>) -> Result<Option<String>, Short> {
    if state == EMPTY {
        return Ok(None);
    }
    let print = fingerprint(&place.site.config.root, database, state).map_err(Short::Migrate)?;
    let slot = Arc::clone(lock(&place.site.supplies.templates).entry((database.id.clone(), state.to_owned())).or_default());
    let mut slot = lock(&slot);
    if let Some((_, made)) = slot.as_ref().filter(|(known, made)| *known == print && *made != Err(Short::Stopped)) {
        return made.clone().map(Some);
    }
    let begun = Instant::now();
    let name = RunDir::database_log(&database.id, state);
    let made = build(place, database, state, server, &name);
    let log = file_ref(&place.site.run.file(&name), &name).ok();
    let failed = match &made {
        Ok(_) => None,
        Err(Short::Migrate(why) | Short::Service(_, why) | Short::Lost(why)) => Some(why.clone()),
        Err(Short::Stopped) => Some("cancelled".to_owned()),
    };
    let (id, took) = (database.id.clone(), begun.elapsed().as_millis() as u64);
    let built = EventKind::TemplateBuilt { database: id, state: state.to_owned(), took, failed, log };
    place.line.tell(Told::Fact(Box::new(built)));
    *slot = Some((print, made.clone()));
    made.map(Some)
}

fn build(place: &Place<'_>, database: &Database, state: &str, server: &Arc<Server>, log_name: &str) -> Result<String, Short> {
    let lost = |why: String| Short::Lost(server.lost().unwrap_or_else(|| format!("no template of database {}: {why}", database.id)));
    let name = server.create(&format!("template_{}", database.id), None).map_err(lost)?;
    let built = if state == MIGRATED {
        migrate(place, database, &server.url(&name, &database.url_scheme), log_name)
    } else {
        let file = &database.fixtures[state];
        server.load(&name, &place.site.config.root.join(file)).map_err(|why| Short::Migrate(format!("fixture {file}: {why}")))
    };
    match built.and_then(|()| server.seal(&name).map_err(lost)) {
        Ok(()) => Ok(name),
        Err(short) => {
            if let Some(why) = server.lost() {
                return Err(Short::Lost(why));
            }
            server.drop_database(&name).ok(); // it is dropped with its server at the latest
            Err(short)
        }
    }
}

/// Runs the repository's own commands on an empty database.
fn migrate(place: &Place<'_>, database: &Database, url: &str, log_name: &str) -> Result<(), Short> {
    let site = place.site;
    let path = log_file(site, log_name).map_err(Short::Migrate)?;
    let io = |cause: std::io::Error| Short::Migrate(format!("failed to open {}: {cause}", path.display()));
    let log = File::options().create(true).truncate(false).read(true).append(true).open(&path).map_err(io)?;
    let mut env = instances::environment(site, &database.runtimes).map_err(Short::Migrate)?;
    env.insert(database.url_env.clone(), url.to_owned());
    env.insert("GATE_MARK".to_owned(), marker(site, &format!("{}.{MIGRATE}", database.id)));
    for words in &database.migrate {
        if place.control.stop.load(Ordering::Acquire) {
            return Err(Short::Stopped);
        }
        let words: Vec<String> = words.iter().map(|word| word.fill(|part| filled(place, part))).collect();
        let line = words.join(" ");
        let why = |why: String| Short::Migrate(format!("database {}: `{line}` {why}; its log: {}", database.id, path.display()));
        let cwd = site.config.root.join(&database.cwd);
        let program = site.program(words.first().map_or("", String::as_str), env.get("PATH").map_or("", String::as_str), &cwd).map_err(why)?;
        let spec = Spec { exe: program, args: words[1..].to_vec(), env: env.clone(), cwd, user: None };
        let from = log.metadata().map_or(0, |found| found.len());
        let end = command(place, &spec, &words, &database.cwd, &log).map_err(|cause| why(format!("could not start: {cause}")))?;
        if place.control.stop.load(Ordering::Acquire) {
            return Err(why(format!("was stopped ({end})")));
        }
        if end != End::Code(0) {
            let (excerpt, _) = crate::text::excerpt(&part(&log, from, u64::MAX, EXCERPT));
            return Err(why(format!("ended with {end}: {excerpt}")));
        }
    }
    Ok(())
}

fn filled(place: &Place<'_>, part: &Placeholder) -> String {
    match part {
        Placeholder::Xtask => place.site.xtask.display().to_string(),
        Placeholder::Exe(runtime) => place.site.exe(runtime),
        _ => String::new(), // there are no others in a database's words
    }
}

/// One command, where the loop's clocks and signals reach it.
fn command(place: &Place<'_>, spec: &Spec, words: &[String], cwd: &str, log: &File) -> std::io::Result<End> {
    let mut child = spawn::start(spec, log.try_clone()?.into(), log.try_clone()?.into())?;
    let pid = spawn::pid_of(&child);
    place.control.pid.store(pid.as_raw_nonzero().get(), Ordering::Release);
    let started = ProcStarted {
        job: place.job.clone(),
        step: MIGRATE.to_owned(),
        argv: redact(words),
        env_names: spec.env.keys().cloned().collect(),
        exe: spec.exe.display().to_string(),
        cwd: cwd.to_owned(),
        pid: pid.as_raw_nonzero().get(),
    };
    place.line.tell(Told::Started { task: place.line.task, proc: Box::new(started), timeout: Some(place.site.config.timeout) });
    spawn::wait_keep(pid)?;
    spawn::signal_group(pid, rustix::process::Signal::KILL);
    place.control.pid.store(0, Ordering::Release);
    Ok(spawn::reap(&mut child))
}

/// Digest of the files and words that a state is built from.
fn fingerprint(root: &Path, database: &Database, state: &str) -> Result<String, String> {
    let mut files: BTreeMap<String, std::path::PathBuf> = BTreeMap::new();
    if state == MIGRATED {
        for glob in &database.inputs {
            files.extend(reports::glob(root, glob).into_iter().map(|file| (file.display().to_string(), file)));
        }
        if files.is_empty() {
            return Err(format!("database {}: its inputs match no file, so that nothing tells when it must be built again", database.id));
        }
    } else {
        let file = root.join(&database.fixtures[state]);
        files.insert(file.display().to_string(), file);
    }
    let mut digest = Digest::blake3();
    for words in &database.migrate {
        digest.update(words.iter().map(crate::config::Template::source).collect::<Vec<_>>().join("\0").as_bytes());
    }
    for (name, file) in files {
        digest.update(name.as_bytes());
        digest.update(&[0]);
        digest.update(&std::fs::read(&file).map_err(|cause| format!("failed to read {name}: {cause}"))?);
    }
    Ok(digest.finish())
}
