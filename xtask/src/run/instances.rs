//! Starting and ending one instance of a process service: its words, its environment, its port, what it stands on. Knows no attempt
//! beyond the clones that it is given.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::attempt::Place;
use super::databases::Copy;
use super::launch::Told;
use super::os::Site;
use super::supplies::{Short, log_file, marker, refused};
use crate::config::{Field, Placeholder, Probe, Process, Template};
use crate::event::{EventKind, ServiceReady};
use crate::mask::redact;
use crate::postgres::free_port;
use crate::process::spawn::Spec;
use crate::rundir::{RunDir, file_ref};
use crate::service::{Asked, Instance, Order};

/// Another process may take a port between choosing and using it.
const TRIES: usize = 3;

/// A service that serves an attempt, a worker or the run.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) id: String,
    /// Its id, with the job and the worker that it serves.
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) instance: Instance,
    /// Clones that are dropped after it.
    pub(super) own: Vec<Copy>,
}

impl Started {
    /// Where it answers.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Why it no longer serves.
    pub(super) fn lost(&self) -> Option<String> {
        let ended = self.instance.lost().map(|end| format!("ended by itself ({end}); its log: {}", self.instance.log.display()));
        ended.or_else(|| self.own.iter().find_map(|copy| copy.server.lost()).map(|why| format!("lost its database: {why}")))
    }

    /// Ends it and drops its clones.
    pub(super) fn stop(&self, site: &Site, at_once: bool) -> Vec<EventKind> {
        let lost = self.instance.lost().is_some();
        let end = self.instance.stop(at_once);
        site.supplies.unmark(&marker(site, &self.name));
        let name = RunDir::service_log(&self.name);
        let log = file_ref(&site.run.file(&name), &name).ok();
        let ended = EventKind::ServiceEnded { service: self.id.clone(), instance: self.name.clone(), end: end.to_string(), lost, log };
        let notes = self.own.iter().filter_map(Copy::give_back).map(|text| EventKind::Noted { gate: None, text });
        std::iter::once(ended).chain(notes).collect()
    }
}

/// The environment of some runtimes, with what they set.
pub(super) fn environment(site: &Site, runtimes: &[String]) -> Result<BTreeMap<String, String>, String> {
    let mut env = BTreeMap::clone(&*site.environment(runtimes)?);
    for runtime in runtimes.iter().filter_map(|id| site.config.runtimes.get(id)) {
        let exe = site.exe(&runtime.id);
        env.extend(runtime.env.iter().map(|(name, value)| (name.clone(), value.fill(|_| exe.clone()))));
    }
    Ok(env)
}

/// What the words of an instance stand for.
struct Words<'a> {
    place: &'a Place<'a>,
    port: u16,
    needs: &'a [&'a Started],
    clones: &'a [&'a Copy],
}

impl Words<'_> {
    fn fill(&self, word: &Template) -> String {
        word.fill(|part| match part {
            Placeholder::Port => self.port.to_string(),
            Placeholder::Xtask => self.place.site.xtask.display().to_string(),
            Placeholder::Exe(runtime) => self.place.site.exe(runtime),
            Placeholder::Supply(id, field) => self.supply(id, *field),
            _ => String::new(), // there are no others in a service's words
        })
    }

    fn supply(&self, id: &str, field: Field) -> String {
        if let Some(need) = self.needs.iter().find(|need| need.id == id) {
            return if field == Field::Port { need.port.to_string() } else { need.url() };
        }
        let copy = self.clones.iter().find(|copy| copy.database == id);
        copy.map(|copy| if field == Field::Name { copy.name.clone() } else { copy.url.clone() }).unwrap_or_default()
    }
}

/// Starts an instance and waits until it answers.
pub(super) fn start(place: &Place<'_>, process: &Process, name: &str, needs: &[&Started], clones: &[&Copy]) -> Result<Started, Short> {
    let begun = Instant::now();
    let marker = marker(place.site, name);
    place.site.supplies.mark(&marker);
    let mut tries = 0;
    loop {
        tries += 1;
        match start_once(place, process, name, needs, clones) {
            Ok((started, shown)) => {
                let ready = ServiceReady {
                    service: process.id.clone(),
                    instance: name.to_owned(),
                    pid: Some(started.instance.pid),
                    port: Some(started.port).filter(|port| *port != 0),
                    took: begun.elapsed().as_millis() as u64,
                    version: None,
                    shown,
                };
                place.line.tell(Told::Fact(Box::new(EventKind::ServiceReady(Box::new(ready)))));
                return Ok(started);
            }
            Err(_) if tries < TRIES && has_port(process) && lost_its_port(place.site, name) => {}
            Err(why) => {
                place.site.supplies.unmark(&marker);
                return Err(refused(place, &process.id, why));
            }
        }
    }
}

/// Somebody was faster; some tools say so lines before their last.
fn lost_its_port(site: &Site, name: &str) -> bool {
    let log = std::fs::read(site.run.file(&RunDir::service_log(name))).unwrap_or_default();
    let said = String::from_utf8_lossy(&log).to_ascii_lowercase();
    said.contains("address already in use") || said.contains("eaddrinuse")
}

fn has_port(process: &Process) -> bool {
    process.run.iter().chain(process.env.values()).any(|word| word.places().any(|part| *part == Placeholder::Port))
}

fn start_once(place: &Place<'_>, process: &Process, name: &str, needs: &[&Started], clones: &[&Copy]) -> Result<(Started, String), String> {
    let site = place.site;
    let port = if has_port(process) { free_port()? } else { 0 };
    let words = Words { place, port, needs, clones };
    let mut env = environment(site, &process.runtimes)?;
    env.extend(clones.iter().map(|copy| (copy.url_env.clone(), copy.url.clone())));
    env.extend(process.secrets.iter().filter_map(|name| Some((name.clone(), site.ambient.get(name)?.clone()))));
    env.extend(process.env.iter().map(|(name, value)| (name.clone(), words.fill(value))));
    env.insert("GATE_MARK".to_owned(), marker(site, name));
    let cwd = site.config.root.join(&process.cwd);
    if !cwd.is_dir() {
        return Err(format!("there is no folder `{}`", process.cwd));
    }
    let path = env.get("PATH").cloned().unwrap_or_default();
    let spec = |argv: Vec<String>| -> Result<Spec, String> {
        let exe = site.program(argv.first().map_or("", String::as_str), &path, &cwd)?;
        Ok(Spec { exe, args: argv[1..].to_vec(), env: env.clone(), cwd: cwd.clone(), user: None })
    };
    let argv: Vec<String> = process.run.iter().map(|word| words.fill(word)).collect();
    let asked = match &process.ready.probe {
        Probe::Http(address) => Asked::http(&words.fill(address), port)?,
        Probe::Tcp => Asked::Tcp(port),
        Probe::Exec(argv) => Asked::Exec(spec(argv.iter().map(|word| words.fill(word)).collect())?),
        Probe::Line(pattern) => Asked::Line(regex::Regex::new(pattern).map_err(|cause| cause.to_string())?),
    };
    let mask = site.mask(&process.secrets);
    let shown = mask.text(&redact(&argv).join(" "));
    let stopped = || place.control.stop.load(Ordering::Acquire);
    let log = log_file(site, &RunDir::service_log(name))?;
    let (timeout, grace) = (process.ready.timeout, process.grace);
    let instance = Instance::start(&Order { id: &process.id, spec: spec(argv)?, mask, log, asked, timeout, grace, stopped: &stopped })?;
    Ok((Started { id: process.id.clone(), name: name.to_owned(), port, instance, own: Vec::new() }, shown))
}
