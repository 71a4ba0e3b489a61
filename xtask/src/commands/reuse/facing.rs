//! What the result of a gate depends on, here and now: files, rules, environment, programs, runtimes, machine.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Here, outputs};
use crate::commands::Repository;
use crate::compose::engine;
use crate::config::{Config, Gate, Part, Service, StepRun};
use crate::inputs::Inputs;
use crate::judge::Terms;
use crate::model::NO_INPUTS;
use crate::plan::{Plan, Work};
use crate::postgres::binaries;
use crate::process::spawn;
use crate::reuse::{self, INPUTS, Kept, Parts, Subject, Told};
use crate::run::environment;
use crate::rundir::{RunDir, short};

/// Variables that differ from call to call and say nothing of the code; one that `env-pass` names counts.
const VOLATILE: &[&str] = &["TERM", "GITHUB_", "RUNNER_", "XDG_RUNTIME_DIR", "XDG_SESSION_"];

/// Every glob that somebody will ask for.
pub(super) fn everything(config: &Config, plan: &Plan) -> Vec<String> {
    let mut all: BTreeSet<String> = BTreeSet::new();
    for gate in plan.gates.iter().filter_map(|planned| config.gates.get(&planned.id)).filter(|gate| !gate.inputs.is_empty()) {
        all.extend(gate.inputs.iter().chain(&gate.outputs).cloned());
        all.extend(of_databases(config, gate));
        for runtime in config.runtimes_of(gate) {
            all.extend(of_runtime(config, &runtime));
        }
    }
    all.into_iter().collect()
}

pub(in crate::commands) fn of_runtime(config: &Config, runtime: &str) -> Vec<String> {
    config.runtimes.get(runtime).map(|runtime| std::iter::once(&runtime.pin).chain(&runtime.lockfiles).cloned().collect()).unwrap_or_default()
}

/// Files from which the databases of a gate and of its services are made.
pub(in crate::commands) fn of_databases(config: &Config, gate: &Gate) -> Vec<String> {
    config.databases_of(gate).flat_map(|database| database.inputs.iter().chain(database.fixtures.values()).chain(&database.alembic).cloned()).collect()
}

/// Outputs of everything that a gate needs, at any distance.
pub(super) fn made_for(config: &Config, gate: &Gate) -> Vec<String> {
    let (mut open, mut seen) = (gate.needs.clone(), BTreeSet::new());
    let mut made = Vec::new();
    while let Some(need) = open.pop() {
        if let Some(gate) = config.gates.get(&need).filter(|_| seen.insert(need.clone())) {
            made.extend(gate.outputs.iter().cloned());
            open.extend(gate.needs.iter().cloned());
        }
    }
    made
}

/// The tables of gates.toml as they are written.
pub(super) fn tables(repository: &Repository) -> toml::Table {
    std::fs::read_to_string(&repository.manifest).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// The machine and the repository while it is looked at.
pub(super) struct Facing<'a> {
    pub(super) here: Here<'a>,
    pub(super) inputs: Inputs,
    pub(super) now: u64,
    pub(super) tables: toml::Table,
    /// This tool and this machine.
    pub(super) surely: (String, String),
    /// Digest of the environment and PATH, by runtimes.
    pub(super) environments: BTreeMap<Vec<String>, (String, String)>,
}

impl Facing<'_> {
    pub(super) fn subject(&mut self, id: &str) -> Subject {
        let needs = self.here.config.gates.get(id).map(|gate| gate.needs.clone()).unwrap_or_default();
        Subject { gate: id.to_owned(), needs, parts: self.parts(id) }
    }

    /// Everything that the result of a gate depends on, or why it always runs.
    fn parts(&mut self, id: &str) -> Result<Parts, String> {
        let Here { config, plan, left_out, .. } = self.here;
        let gate = config.gates.get(id).ok_or("it is not in gates.toml")?;
        let planned = plan.gates.iter().find(|planned| planned.id == id).ok_or("it is not in the plan")?;
        let is_own = |task: usize| matches!(&plan.work[task], Work::Gate(job) if job.gate == id);
        if left_out.iter().any(|(task, _)| is_own(*task)) {
            return Err("it is left out".to_owned());
        }
        if gate.inputs.is_empty() {
            return Err(NO_INPUTS.to_owned());
        }
        if planned.runs != 1 {
            return Err(format!("it runs {} times", planned.runs));
        }
        if !config.secrets_of(gate).is_empty() {
            // Its value would have to be compared, and so be kept in some form.
            return Err("it has secrets, and what they open is not here".to_owned());
        }
        let inputs = self.inputs.digest(&gate.inputs, &made_for(config, gate), self.now)?;
        if inputs.files == 0 {
            return Err("its inputs name no file".to_owned());
        }
        let mut parts = Parts::from([
            (INPUTS.to_owned(), inputs.content),
            ("its tables in gates.toml".to_owned(), self.tables_of(gate)),
            ("environment".to_owned(), self.environment(gate)),
            ("programs".to_owned(), self.programs(gate)?),
            ("this tool".to_owned(), self.surely.0.clone()),
            ("this machine".to_owned(), self.surely.1.clone()),
            ("gates.baseline".to_owned(), digest_of(&format!("{:?}", self.here.baseline.gates.get(id)))),
        ]);
        let databases = of_databases(config, gate);
        if !databases.is_empty() {
            parts.insert("databases".to_owned(), self.inputs.digest(&databases, &[], self.now)?.content);
        }
        let servers = self.servers(gate);
        if !servers.is_empty() {
            parts.insert("database servers".to_owned(), digest_of(&servers));
        }
        for runtime in config.runtimes_of(gate) {
            let files = self.inputs.digest(&of_runtime(config, &runtime), &[], self.now)?.content;
            let exe =
                self.here.interpreters.get(&runtime).map(|found| (found.exe.canonicalize().unwrap_or_else(|_| found.exe.clone()), found.says.version.clone()));
            parts.insert(format!("runtime {runtime}"), digest_of(&format!("{exe:?} {files}")));
        }
        Ok(parts)
    }

    /// The gate's own table, and those of all that it names.
    fn tables_of(&self, gate: &Gate) -> String {
        let config = self.here.config;
        let databases: BTreeSet<&str> = config.databases_of(gate).map(|database| database.id.as_str()).collect();
        let processes = config.started_for(&Config::services_of(gate));
        let servers = config.databases_of(gate).map(|database| database.service.as_str());
        let services: BTreeSet<&str> = processes.iter().map(|process| process.id.as_str()).chain(servers).collect();
        let table = |kind: &str, id: &str| format!("{kind} {id} {:?}\n", self.tables.get(kind).and_then(|all| all.get(id)));
        let mut text = format!("{:?}\n{}", self.tables.get("defaults"), table("gate", &gate.id));
        text.extend(config.runtimes_of(gate).iter().map(|id| table("runtime", id)));
        text.extend(services.into_iter().map(|id| table("service", id)));
        text.extend(databases.into_iter().map(|id| table("database", id)));
        text.extend([format!("{:?}", gate.quarantine)]);
        digest_of(&text)
    }

    /// The programs of the database servers that a gate stands on, as their stat shows them: an update of the system is another server.
    fn servers(&self, gate: &Gate) -> String {
        let Here { config, ambient, repository, .. } = self.here;
        let path = ambient.get("PATH").map(String::as_str).unwrap_or_default();
        let services: BTreeSet<&str> = config.databases_of(gate).map(|database| database.service.as_str()).collect();
        let mut text = String::new();
        for id in services {
            if let Some(Service::Postgres(postgres)) = config.services.get(id) {
                let places = binaries::places(&postgres.version, path, &repository.gates.cache(""));
                // All of them: which one has the right version is known when it is asked, and that takes a process.
                let found = places.into_iter().map(|folder| folder.join("postgres")).filter(|program| program.is_file());
                text.extend(found.map(|program| format!("{id} {} {}\n", program.display(), stamp(&program))));
            }
        }
        text
    }

    /// Digest of the environment before the gate's own values, and its PATH.
    fn surroundings(&mut self, gate: &Gate) -> (String, String) {
        if let Some(known) = self.environments.get(&gate.runtimes) {
            return known.clone();
        }
        let Here { config, ambient, interpreters, .. } = self.here;
        let mut env = environment::base(ambient, &config.env_pass, false);
        let passed = |name: &str| config.env_pass.iter().any(|pattern| environment::matches(pattern, name));
        env.retain(|name, _| passed(name) || !VOLATILE.iter().any(|volatile| name == volatile || volatile.ends_with('_') && name.starts_with(volatile)));
        let used: Vec<_> = gate.runtimes.iter().filter_map(|id| Some((config.runtimes.get(id)?, interpreters.get(id)?.folder()))).collect();
        let path = environment::path(&config.root, &used, ambient);
        let found = (digest_of(&format!("{env:?} {path}")), path);
        self.environments.insert(gate.runtimes.clone(), found.clone());
        found
    }

    fn environment(&mut self, gate: &Gate) -> String {
        let (base, _) = self.surroundings(gate);
        let ambient = self.here.ambient;
        let engine: Vec<(String, String)> =
            if gate.tools.iter().any(|tool| engine::NAMES.contains(&tool.as_str())) { environment::engine(ambient).collect() } else { Vec::new() };
        digest_of(&format!("{base} {engine:?}"))
    }

    /// The files behind the first words of its steps and behind its tools.
    fn programs(&mut self, gate: &Gate) -> Result<String, String> {
        let (_, path) = self.surroundings(gate);
        let mut names: Vec<(String, PathBuf)> = gate.tools.iter().map(|tool| (tool.clone(), self.here.config.root.clone())).collect();
        for step in &gate.steps {
            let cwd = self.here.config.root.join(&step.cwd);
            match &step.run {
                StepRun::Argv(words) => {
                    if let Some([Part::Text(word)]) = words.first().map(|word| &word.0[..]) {
                        names.push((word.clone(), cwd));
                    }
                }
                StepRun::Shell(_) => names.push(("sh".to_owned(), cwd)),
                StepRun::Check { .. } => {}
            }
        }
        let mut text = String::new();
        for (name, cwd) in names {
            let file = spawn::resolve(&name, &path, &cwd)?;
            text.extend([format!("{} {}\n", file.display(), stamp(&file))]);
        }
        Ok(digest_of(&text))
    }

    /// A result is what it was: a plain pass whose files are there, with outputs that nobody touched.
    pub(super) fn usable(&mut self, id: &str, kept: &Kept, run: &RunDir, told: Option<&Told>) -> Result<(), String> {
        let planned = self.here.plan.gates.iter().find(|planned| planned.id == id);
        let (Some(planned), Some(told), Some(gate)) = (planned, told, self.here.config.gates.get(id)) else {
            return Err(format!("run {} is not there any more", short(&kept.held)));
        };
        let terms = Terms { reports: planned.reports, expect: &planned.expect, timeout: planned.timeout };
        reuse::holds(run, told, terms)?;
        if outputs(&mut self.inputs, &gate.outputs, self.now)? != kept.outputs {
            return Err("its outputs are not as it left them".to_owned());
        }
        Ok(())
    }
}

fn digest_of(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
}

/// A program as its stat shows it.
fn stamp(file: &Path) -> String {
    std::fs::metadata(file).map_or_else(|cause| cause.to_string(), |found| format!("{} {} {} {}", found.len(), found.mtime(), found.mtime_nsec(), found.ino()))
}

/// This program, built again or not.
pub(super) fn tool() -> String {
    format!("{} {}", env!("CARGO_PKG_VERSION"), stamp(&std::env::current_exe().unwrap_or_default()))
}

/// Results are reused on the machine where they were made.
pub(super) fn machine() -> String {
    let id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    digest_of(&format!("{} {} {id} {name}", std::env::consts::OS, std::env::consts::ARCH))
}
