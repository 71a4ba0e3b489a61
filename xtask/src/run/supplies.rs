//! What a whole run shares: database servers, templates by fingerprint, services with per = "run". Each is made once, by the first
//! attempt that needs it, while the others wait. Knows no gate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::attempt::Place;
use super::environment;
use super::instances::{self, Started};
use super::launch::Told;
use super::os::{Site, lock};
use crate::config::{Config, Postgres, Process, Service};
use crate::event::{EventKind, ServiceReady};
use crate::pins::Ambient;
use crate::postgres::{Outside, Own, Server, Side, Start, Url, binaries};
use crate::rundir::{GatesDir, RunDir, file_ref};

/// Why an attempt cannot have what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Short {
    /// Its database could not be migrated.
    Migrate(String),
    /// A service or a server did not come up: its id, the reason.
    Service(String, String),
    /// A server that came up does not serve any more, or not this.
    Lost(String),
    /// It was asked to end meanwhile.
    Stopped,
}

/// What the command line and the caller's environment say of servers.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Outside servers by service.
    pub outside: BTreeMap<String, Url>,
    /// Keep database servers after the run.
    pub keep: bool,
}

/// A thing that is made once; the others wait for it.
pub(super) type Once<T> = Mutex<Option<Result<T, Short>>>;
/// A template: its fingerprint, and its name on the server.
pub(super) type Template = Arc<Mutex<Option<(String, Result<String, Short>)>>>;

/// What a whole run shares.
#[derive(Debug)]
pub struct Supplies {
    wish: Wish,
    servers: BTreeMap<String, Once<Arc<Server>>>,
    pub(super) templates: Mutex<BTreeMap<(String, String), Template>>,
    pub(super) shared: BTreeMap<String, Once<Arc<Started>>>,
    /// In the order in which they came up.
    order: Mutex<Vec<Arc<Started>>>,
    /// Markers of services that live: what carries one is no orphan.
    marks: Mutex<BTreeSet<String>>,
}

impl Supplies {
    /// Nothing made yet.
    pub fn new(config: &Config, wish: Wish) -> Self {
        let ids = |postgres: bool| config.services.iter().filter(move |(_, one)| matches!(one, Service::Postgres(_)) == postgres).map(|(id, _)| id.clone());
        Self {
            wish,
            servers: ids(true).map(|id| (id, Mutex::default())).collect(),
            templates: Mutex::default(),
            shared: ids(false).map(|id| (id, Mutex::default())).collect(),
            order: Mutex::default(),
            marks: Mutex::default(),
        }
    }

    /// A service that lives carries this marker.
    pub(super) fn protects(&self, marker: &str) -> bool {
        lock(&self.marks).contains(marker)
    }

    pub(super) fn mark(&self, marker: &str) {
        lock(&self.marks).insert(marker.to_owned());
    }

    pub(super) fn unmark(&self, marker: &str) {
        lock(&self.marks).remove(marker);
    }

    /// The server of a postgres service, started by the first who asks.
    pub(super) fn server(&self, place: &Place<'_>, id: &str) -> Result<Arc<Server>, Short> {
        let mut slot = lock(&self.servers[id]);
        if let Some(made) = &*slot {
            let server = made.clone()?;
            return server.lost().map_or(Ok(server), |why| Err(Short::Lost(why)));
        }
        let Some(Service::Postgres(postgres)) = place.site.config.services.get(id) else {
            return Err(Short::Service(id.to_owned(), "is not a PostgreSQL server".to_owned()));
        };
        let begun = Instant::now();
        let made = self.start_server(place, postgres).map(Arc::new).map_err(|why| refused(place, id, why));
        if let Ok(server) = &made {
            let ready = ServiceReady {
                service: id.to_owned(),
                instance: id.to_owned(),
                pid: server.process().map(|(pid, _)| pid),
                port: server.process().map(|(_, port)| port),
                took: begun.elapsed().as_millis() as u64,
                version: Some(server.version().to_owned()),
                shown: server.found_by(),
            };
            place.line.tell(Told::Fact(Box::new(EventKind::ServiceReady(Box::new(ready)))));
        }
        if !matches!(made, Err(Short::Stopped)) {
            *slot = Some(made.clone()); // who was stopped has not tried
        }
        made
    }

    fn start_server(&self, place: &Place<'_>, postgres: &Postgres) -> Result<Server, String> {
        let site = place.site;
        let path = site.ambient.get("PATH").map(String::as_str).unwrap_or_default();
        let note = site.gates.service_note(&site.run.id, &postgres.id);
        if let Some(url) = self.wish.outside.get(&postgres.id) {
            let outside = Outside::reach(url.clone(), &postgres.version, &site.ambient)?;
            return Ok(Server::new(Side::Outside(outside), &site.run.id, note, self.wish.keep));
        }
        let found = binaries::find(&postgres.version, path, &site.gates.cache(""), &npm(site))?;
        let log = log_file(site, &RunDir::service_log(&postgres.id))?;
        let marker = marker(site, &postgres.id);
        self.mark(&marker);
        let stopped = || place.control.stop.load(Ordering::Acquire);
        let start = Start {
            binaries: found,
            log: &log,
            note: &note,
            keep: self.wish.keep,
            tmp: site.ambient.get("TMPDIR").map(String::as_str),
            mark: ("GATE_MARK".to_owned(), marker),
            stopped: &stopped,
        };
        Own::start(&start).map(|own| Server::new(Side::Own(own), &site.run.id, note.clone(), self.wish.keep))
    }

    /// A service with per = "run", started by the first who asks.
    pub(super) fn shared(&self, place: &Place<'_>, process: &Process) -> Result<Arc<Started>, Short> {
        let mut slot = lock(&self.shared[&process.id]);
        if let Some(made) = &*slot {
            let started = made.clone()?;
            return started.lost().map_or(Ok(started), |why| Err(Short::Lost(format!("service {} {why}", process.id))));
        }
        let made = self.start_shared(place, process).map(Arc::new);
        if let Ok(started) = &made {
            lock(&self.order).push(Arc::clone(started));
        }
        if !matches!(made, Err(Short::Stopped)) {
            *slot = Some(made.clone()); // who was stopped has not tried
        }
        made
    }

    fn start_shared(&self, place: &Place<'_>, process: &Process) -> Result<Started, Short> {
        let mut needs = Vec::new();
        for need in place.site.config.started_for(&process.needs) {
            needs.push(self.shared(place, need)?);
        }
        let mut clones = Vec::new();
        for wanted in &process.databases {
            clones.push(super::databases::take(place, wanted, None)?);
        }
        let needs: Vec<&Started> = needs.iter().map(AsRef::as_ref).collect();
        let serving: Vec<&super::databases::Copy> = clones.iter().collect();
        let mut started = instances::start(place, process, &process.id, &needs, &serving)?;
        started.own = clones;
        Ok(started)
    }

    /// Ends everything, services in the order opposite to their start, then the servers. Gives what there is to tell.
    pub(super) fn close(&self, site: &Site, at_once: bool) -> Vec<EventKind> {
        let mut told = Vec::new();
        for started in lock(&self.order).drain(..).rev() {
            told.extend(started.stop(site, at_once));
        }
        for (id, slot) in &self.servers {
            let Some(Ok(server)) = lock(slot).take() else { continue };
            let lost = server.lost();
            let closed = server.close();
            self.unmark(&marker(site, id));
            let end = lost.clone().or(closed.err()).unwrap_or_else(|| if self.wish.keep { "kept".to_owned() } else { "ended".to_owned() });
            let name = RunDir::service_log(id);
            let log = file_ref(&site.run.file(&name), &name).ok();
            told.push(EventKind::ServiceEnded { service: id.clone(), instance: id.clone(), end, lost: lost.is_some(), log });
            if self.wish.keep {
                let lines: Vec<String> = server.kept().iter().map(|name| server.psql(name)).collect();
                let stop = server.process().map(|(pid, _)| format!("; `kill -INT {pid}` or the next run ends it")).unwrap_or_default();
                told.push(EventKind::Noted { gate: None, text: format!("service {id} is kept{stop}") });
                told.extend(lines.into_iter().map(|text| EventKind::Noted { gate: None, text }));
            }
        }
        told
    }
}

/// What did not come up is told once, by whoever tried.
pub(super) fn refused(place: &Place<'_>, id: &str, why: String) -> Short {
    if place.control.stop.load(Ordering::Acquire) {
        return Short::Stopped;
    }
    place.line.tell(Told::Fact(Box::new(EventKind::ServiceFailed { service: id.to_owned(), why: why.clone() })));
    Short::Service(id.to_owned(), why)
}

/// The value of the marker that a service's processes carry.
pub(super) fn marker(site: &Site, instance: &str) -> String {
    format!("{}/service.{instance}", site.run.id)
}

/// A log in the run's folder.
pub(super) fn log_file(site: &Site, name: &str) -> Result<PathBuf, String> {
    let path = site.run.file(name);
    let folder = path.parent().map(std::fs::create_dir_all);
    folder.transpose().map_err(|cause| format!("failed to create the folder of {}: {cause}", path.display()))?;
    Ok(path)
}

/// npm of a pinned Node where there is one, else the caller's.
fn npm(site: &Site) -> binaries::Npm {
    let nodes = site.config.runtimes.values().filter(|runtime| runtime.kind == crate::config::schema::RuntimeKind::Node);
    let used: Vec<_> = nodes.filter_map(|runtime| Some((runtime, site.interpreters.get(&runtime.id)?.folder()))).take(1).collect();
    let path = environment::path(&site.config.root, &used, &site.ambient);
    let mut env = environment::base(&site.ambient, &site.config.env_pass, true);
    env.insert("PATH".to_owned(), path.clone());
    binaries::Npm { exe: which::which_in("npm", Some(&path), &site.config.root).ok(), env }
}

/// Ends what dead runs of this repository left, and what was kept. Gives a line for each.
pub fn sweep(gates: &GatesDir, own: &str, wish: &Wish, ambient: &Ambient) -> Vec<String> {
    let mut lines = Vec::new();
    for (run, path) in gates.service_notes() {
        let alive = std::fs::File::open(gates.run(&run).journal()).is_ok_and(|journal| journal.try_lock_shared().is_err());
        let Some(noted) = crate::postgres::Noted::read(&path).filter(|_| run != own && !alive) else { continue };
        let short = crate::rundir::short(&run);
        if let Some(home) = noted.home() {
            home.end();
            let what = if noted.keep { "that was kept" } else { "left behind" };
            lines.push(format!("a database server {what} by run {short} was ended"));
        }
        if let Some(outside) = &noted.outside {
            let Some((_, url)) = wish.outside.iter().find(|(_, url)| url.place() == *outside) else { continue };
            match drop_old(&noted, url, &run, ambient) {
                Ok(()) => lines.push(format!("databases left behind by run {short} on {outside} were dropped")),
                Err(why) => {
                    lines.push(format!("databases left behind by run {short} on {outside} could not be dropped: {why}"));
                    continue; // the note stays for the next run
                }
            }
        }
        std::fs::remove_file(&path).ok();
    }
    lines
}

/// Databases that a dead run made on an outside server which this run is told to use too.
fn drop_old(noted: &crate::postgres::Noted, url: &Url, run: &str, ambient: &Ambient) -> Result<(), String> {
    Outside::any(url.clone(), ambient)?.drop_all(&noted.databases, &crate::postgres::prefix(run))
}
