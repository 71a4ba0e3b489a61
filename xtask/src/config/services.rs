//! Services and databases as gates.toml means them, and which of them a gate stands on. Knows no process.

use std::collections::BTreeMap;
use std::time::Duration;

use super::template::Template;
use super::{Config, Gate};

pub use super::schema::PerWord as Per;

/// The state that `migrate` builds.
pub const MIGRATED: &str = "migrated";
/// The state without any table.
pub const EMPTY: &str = "empty";

/// A service.
#[derive(Clone, Debug)]
pub enum Service {
    /// A process of the repository.
    Process(Box<Process>),
    /// A PostgreSQL server.
    Postgres(Postgres),
}

/// A service that is a process of the repository.
#[derive(Clone, Debug)]
pub struct Process {
    /// Id.
    pub id: String,
    /// Words.
    pub run: Vec<Template>,
    /// Runtime ids.
    pub runtimes: Vec<String>,
    /// Databases whose URL it gets.
    pub databases: Vec<DatabaseUse>,
    /// Services started first.
    pub needs: Vec<String>,
    /// Folder, relative to the root.
    pub cwd: String,
    /// Environment over the runtimes'.
    pub env: BTreeMap<String, Template>,
    /// Names of secret environment variables.
    pub secrets: Vec<String>,
    /// For whom one is started.
    pub per: Per,
    /// How it says that it is ready.
    pub ready: Ready,
    /// TERM to KILL.
    pub grace: Duration,
}

/// Readiness of a service.
#[derive(Clone, Debug)]
pub struct Ready {
    /// What is asked.
    pub probe: Probe,
    /// Longest time until then.
    pub timeout: Duration,
}

/// A way to ask a service whether it is ready.
#[derive(Clone, Debug)]
pub enum Probe {
    /// A path on its port, or an address.
    Http(Template),
    /// Its port accepts a connection.
    Tcp,
    /// A command exits with 0.
    Exec(Vec<Template>),
    /// A line of its output matches.
    Line(String),
}

/// A PostgreSQL server.
#[derive(Clone, Debug)]
pub struct Postgres {
    /// Id.
    pub id: String,
    /// Major version.
    pub version: String,
    /// Variable that may name an outside server.
    pub external_env: Option<String>,
}

/// A template of databases.
#[derive(Clone, Debug)]
pub struct Database {
    /// Id.
    pub id: String,
    /// The server.
    pub service: String,
    /// Runtimes of `migrate`.
    pub runtimes: Vec<String>,
    /// Folder of `migrate`, relative to the root.
    pub cwd: String,
    /// alembic.ini of its scripts.
    pub alembic: Option<String>,
    /// Commands that build the state `migrated`.
    pub migrate: Vec<Vec<Template>>,
    /// Globs of what they read.
    pub inputs: Vec<String>,
    /// Further states: SQL file by name.
    pub fixtures: BTreeMap<String, String>,
    /// Variable that holds a clone's URL.
    pub url_env: String,
    /// Scheme of the URL.
    pub url_scheme: String,
}

/// A database in a state, as a gate, a step or a service names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseUse {
    /// Database id.
    pub database: String,
    /// `migrated`, `empty` or a fixture.
    pub state: String,
}

impl std::fmt::Display for DatabaseUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.state == MIGRATED { f.write_str(&self.database) } else { write!(f, "{}:{}", self.database, self.state) }
    }
}

impl Config {
    /// Processes that some services stand on and these services themselves, in the order in which they are started.
    pub fn started_for<'c>(&'c self, services: &[String]) -> Vec<&'c Process> {
        let mut ordered: Vec<&Process> = Vec::new();
        for id in services {
            self.add_service(id, &mut ordered);
        }
        ordered
    }

    fn add_service<'c>(&'c self, id: &str, ordered: &mut Vec<&'c Process>) {
        let Some(Service::Process(process)) = self.services.get(id) else { return };
        if ordered.iter().any(|known| known.id == id) {
            return;
        }
        for need in &process.needs {
            self.add_service(need, ordered);
        }
        ordered.push(process);
    }

    /// Services that a gate and its steps name.
    pub fn services_of(gate: &Gate) -> Vec<String> {
        gate.services.iter().chain(gate.steps.iter().flat_map(|step| &step.services)).cloned().collect()
    }

    /// Databases of which a gate, its steps or its services get a clone, each as often as it is named.
    pub fn databases_of<'c>(&'c self, gate: &'c Gate) -> impl Iterator<Item = &'c Database> {
        let of_services = self.started_for(&Self::services_of(gate)).into_iter().flat_map(|process| &process.databases);
        let uses = gate.databases.iter().chain(gate.steps.iter().flat_map(|step| &step.databases)).chain(of_services);
        uses.filter_map(|one| self.databases.get(&one.database))
    }

    /// Runtimes that must be set up for a gate: its own, and those of its services and databases.
    pub fn runtimes_of(&self, gate: &Gate) -> Vec<String> {
        let mut all: Vec<String> = gate.runtimes.clone();
        if !gate.is_supplied() {
            return all;
        }
        let of_services = self.started_for(&Self::services_of(gate)).into_iter().flat_map(|one| &one.runtimes);
        for runtime in of_services.chain(self.databases_of(gate).flat_map(|database| &database.runtimes)) {
            if !all.contains(runtime) {
                all.push(runtime.clone());
            }
        }
        all
    }

    /// Secrets that a gate and its services name.
    pub fn secrets_of(&self, gate: &Gate) -> Vec<String> {
        let of_services = self.started_for(&Self::services_of(gate)).into_iter().flat_map(|one| one.secrets.clone());
        gate.secrets.iter().cloned().chain(of_services).collect()
    }
}
