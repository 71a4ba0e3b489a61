//! What one attempt gets beside its processes: a set of clones and services for each worker, in the order of their needs, given back
//! in the opposite one. Whoever fails here is blamed by name.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::attempt::Place;
use super::databases::{self, Copy};
use super::instances::{self, Started};
use super::launch::Told;
use super::supplies::Short;
use crate::config::{DatabaseUse, Field, Gate, Per, Process, Step};
use crate::event::EventKind;

/// How often the dying is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Whose it is: the whole run's, the attempt's, or a worker's (from 1).
enum Serving {
    Run(Arc<Started>),
    Attempt(Started),
    Worker(u32, Started),
}

impl Serving {
    fn started(&self) -> &Started {
        match self {
            Self::Run(started) => started,
            Self::Attempt(started) | Self::Worker(_, started) => started,
        }
    }

    /// It serves this worker too.
    fn serves(&self, worker: u32) -> bool {
        match self {
            Self::Run(_) | Self::Attempt(_) => true,
            Self::Worker(own, _) => *own == worker,
        }
    }
}

/// A clone of a worker, for the whole attempt or for one step.
struct Held {
    worker: u32,
    step: Option<String>,
    copy: Copy,
}

/// What an attempt has.
pub(super) struct Supply<'p> {
    place: &'p Place<'p>,
    gate: &'p Gate,
    held: Vec<Held>,
    serving: Vec<Serving>,
    /// The loop was told that its time begins when all is there.
    opened: bool,
}

impl<'p> Supply<'p> {
    /// Nothing yet.
    pub(super) fn new(place: &'p Place<'p>, gate: &'p Gate) -> Self {
        Self { place, gate, held: Vec::new(), serving: Vec::new(), opened: false }
    }

    /// What the whole gate names.
    pub(super) fn open(&mut self) -> Result<(), Short> {
        self.opened = self.gate.is_supplied();
        self.add(&self.gate.databases, &self.gate.services, None)
    }

    /// What a step names besides.
    pub(super) fn open_step(&mut self, step: &Step) -> Result<(), Short> {
        self.add(&step.databases, &step.services, Some(&step.name))
    }

    fn add(&mut self, databases: &[DatabaseUse], services: &[String], step: Option<&str>) -> Result<(), Short> {
        for worker in 1..=self.gate.workers {
            for wanted in databases {
                let copy = databases::take(self.place, wanted, Some(worker))?;
                self.held.push(Held { worker, step: step.map(str::to_owned), copy });
            }
        }
        for process in self.place.site.config.started_for(services) {
            self.serve(process, step)?;
        }
        Ok(())
    }

    fn serve(&mut self, process: &Process, step: Option<&str>) -> Result<(), Short> {
        if self.serving.iter().any(|one| one.started().id == process.id) {
            return Ok(());
        }
        let job = self.place.job;
        match process.per {
            Per::Run => self.serving.push(Serving::Run(self.place.site.supplies.shared(self.place, process)?)),
            Per::Gate => {
                let started = self.start(process, &format!("{}.{job}", process.id), 1, step)?;
                self.serving.push(Serving::Attempt(started));
            }
            Per::Worker => {
                for worker in 1..=self.gate.workers {
                    let started = self.start(process, &format!("{}.{job}.{worker}", process.id), worker, step)?;
                    self.serving.push(Serving::Worker(worker, started));
                }
            }
        }
        Ok(())
    }

    fn start(&mut self, process: &Process, name: &str, worker: u32, step: Option<&str>) -> Result<Started, Short> {
        for wanted in &process.databases {
            if self.copy(&wanted.database, worker, step).is_none() {
                let copy = databases::take(self.place, wanted, Some(worker))?;
                self.held.push(Held { worker, step: None, copy });
            }
        }
        let clones: Vec<&Copy> = process.databases.iter().filter_map(|wanted| self.copy(&wanted.database, worker, step)).collect();
        let earlier: Vec<&Started> = self.serving.iter().filter(|one| one.serves(worker)).map(Serving::started).collect();
        instances::start(self.place, process, name, &earlier, &clones)
    }

    /// The clone that a worker has: the step's own before the attempt's.
    fn copy(&self, database: &str, worker: u32, step: Option<&str>) -> Option<&Copy> {
        let of = |own: Option<&str>| self.held.iter().find(|held| held.worker == worker && held.step.as_deref() == own && held.copy.database == database);
        step.and_then(|step| of(Some(step))).or_else(|| of(None)).map(|held| &held.copy)
    }

    /// Variables of a step: the URLs of its databases, under the names that they want.
    pub(super) fn urls(&self, step: &Step) -> Vec<(String, String)> {
        let named = self.gate.databases.iter().chain(&step.databases);
        named.filter_map(|wanted| self.copy(&wanted.database, 1, Some(&step.name))).map(|copy| (copy.url_env.clone(), copy.url.clone())).collect()
    }

    /// What a placeholder of a step stands for.
    pub(super) fn value(&self, id: &str, field: Field, step: &Step) -> String {
        let of_worker = |worker: u32| self.of_worker(id, field, worker, step).unwrap_or_default();
        match field {
            Field::Urls => (1..=self.gate.workers).map(of_worker).collect::<Vec<_>>().join(","),
            Field::Url | Field::Port | Field::Name => of_worker(1),
        }
    }

    fn of_worker(&self, id: &str, field: Field, worker: u32, step: &Step) -> Option<String> {
        if let Some(one) = self.serving.iter().find(|one| one.started().id == id && one.serves(worker)) {
            let started = one.started();
            return Some(if field == Field::Port { started.port.to_string() } else { started.url() });
        }
        let copy = self.copy(id, worker, Some(&step.name))?;
        Some(if field == Field::Name { copy.name.clone() } else { copy.url.clone() })
    }

    /// Names of everything that placeholders of a step may ask for.
    pub(super) fn variables(&self, step: &Step) -> Vec<(String, Field)> {
        let services = self.serving.iter().map(|one| (one.started().id.clone(), Field::OF_SERVICE));
        let named = self.gate.databases.iter().chain(&step.databases).map(|wanted| (wanted.database.clone(), Field::OF_DATABASE));
        services.chain(named).flat_map(|(id, fields)| fields.iter().map(move |field| (id.clone(), *field))).collect()
    }

    /// What the attempt stood on and no longer has: its result cannot be judged. Looks again for a while.
    pub(super) fn lost(&self, patience: Duration) -> Option<String> {
        let until = Instant::now() + patience;
        loop {
            let lost = self.lost_now();
            if lost.is_some() || Instant::now() >= until || self.serving.is_empty() && self.held.is_empty() {
                return lost;
            }
            std::thread::sleep(LOOK);
        }
    }

    fn lost_now(&self) -> Option<String> {
        let service = self.serving.iter().map(Serving::started).find_map(|one| Some(format!("service {} {}", one.id, one.lost()?)));
        service.or_else(|| self.held.iter().find_map(|held| held.copy.server.lost()))
    }

    /// Gives everything back, in the order opposite to its coming.
    pub(super) fn close(mut self) {
        if self.opened {
            self.place.line.tell(Told::Closing { task: self.place.line.task });
        }
        while let Some(one) = self.serving.pop() {
            let at_once = self.place.control.force.load(Ordering::Acquire);
            let told = match one {
                Serving::Run(_) => Vec::new(),
                Serving::Attempt(started) | Serving::Worker(_, started) => started.stop(self.place.site, at_once),
            };
            for kind in told {
                self.tell(kind);
            }
        }
        for text in self.held.iter().filter_map(|held| held.copy.give_back()) {
            self.tell(EventKind::Noted { gate: Some(self.gate.id.clone()), text });
        }
    }

    fn tell(&self, kind: EventKind) {
        self.place.line.tell(Told::Fact(Box::new(kind)));
    }
}
