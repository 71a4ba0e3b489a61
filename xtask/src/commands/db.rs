//! `db`: what is in a database, against what the scripts and the models say.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use anyhow::Context as _;

use super::{Repository, ambient, backup, bootstrap, load, print, repository, say};
use crate::cli::{DbCommand, DbTarget, Place};
use crate::config::{Config, Database};
use crate::db::alembic::{Alembic, Graph};
use crate::db::look::{self, Look, Unasked};
use crate::db::{Compared, Difference, Migration, Status, classify, reference};
use crate::junit::write::{OutCase, OutSuite, document};
use crate::model::{Exit, Outcome};
use crate::pins::probe::Probes;
use crate::pins::{self, Ambient};
use crate::postgres::binaries::{self, Npm};
use crate::postgres::clients;
use crate::postgres::{Noted, Outside, Own, Server, Side, Start, Url, major};
use crate::run::environment;
use crate::rundir::{add_measure, write_atomic};
use crate::text::{closest, plural, visible};

/// Exit 0: it holds; 1: it does not; 3: it cannot be asked.
pub(super) fn run(place: &Place, command: &DbCommand) -> anyhow::Result<Exit> {
    let repository = repository(place)?;
    let ambient = ambient();
    let config = match load(&repository, &ambient)? {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let target = match command {
        DbCommand::Status { target, .. } | DbCommand::Drift { target, .. } | DbCommand::Drill { target, .. } => target,
        DbCommand::Snapshot(args) => &args.target,
        DbCommand::Restore(args) => &args.target,
        DbCommand::Bootstrap(args) => &args.target,
    };
    let database = match chosen(config, target) {
        Ok(database) => database,
        Err(why) => anyhow::bail!(why),
    };
    let url = Url::parse(&target.url).map_err(|why| anyhow::anyhow!("--url: {why}"))?;
    let office = match Office::open(&repository, config, database, &ambient) {
        Ok(office) => office,
        Err(why) => return Ok(unasked(&why)),
    };
    match command {
        DbCommand::Status { expect, json, .. } => office.status(&url, expect.as_deref(), *json),
        DbCommand::Drift { junit, .. } => office.drift(&url, junit.as_deref()),
        DbCommand::Drill { strict, .. } => Ok(backup::drill(&office, &url, *strict)),
        DbCommand::Snapshot(args) => Ok(backup::snapshot(&office, &url, args)),
        DbCommand::Restore(args) => Ok(backup::restore(&office, &url, args)),
        DbCommand::Bootstrap(args) => Ok(bootstrap::bootstrap(&office, &url, args)),
    }
}

fn unasked(why: &str) -> Exit {
    say(&format!("error: {why}"));
    Exit::Environment
}

/// The database that is meant: the one that is named, else the only one with scripts.
fn chosen<'c>(config: &'c Config, target: &DbTarget) -> Result<&'c Database, String> {
    let with: Vec<&Database> = config.databases.values().filter(|database| database.alembic.is_some()).collect();
    let names = || with.iter().map(|database| database.id.as_str()).collect::<Vec<_>>().join(", ");
    let hint = "[database.NAME] alembic = \"path/to/alembic.ini\"";
    match (&target.database, with.as_slice()) {
        (Some(name), _) => with.iter().find(|database| database.id == *name).copied().ok_or_else(|| {
            let near = closest(name, config.databases.keys().map(String::as_str)).filter(|near| near != name);
            let said = near.map_or_else(|| hint.to_owned(), |near| format!("did you mean `{near}`?"));
            format!("there is no database `{name}` with scripts of Alembic\n  hint: {said}")
        }),
        (None, [one]) => Ok(one),
        (None, []) => Err(format!("no database of gates.toml has scripts of Alembic\n  hint: {hint}")),
        (None, _) => Err(format!("name a database: {}", names())),
    }
}

/// Where an application's database is looked at.
pub(super) struct Office<'a> {
    repository: &'a Repository,
    config: &'a Config,
    database: &'a Database,
    /// The caller's, with PostgreSQL's programs on its PATH.
    ambient: Ambient,
    alembic: Alembic,
    graph: Graph,
    /// Files that decide what a revision makes.
    files: Vec<PathBuf>,
}

impl<'a> Office<'a> {
    fn open(repository: &'a Repository, config: &'a Config, database: &'a Database, ambient: &'a Ambient) -> Result<Self, String> {
        let mut probes = Probes::load(repository.gates.cache("probes.json"));
        let mut used = Vec::new();
        for runtime in database.runtimes.iter().filter_map(|id| config.runtimes.get(id)) {
            used.push((runtime, pins::find(&config.root, runtime, runtime.policy, ambient, &mut probes)?.folder()));
        }
        probes.save();
        let path = environment::path(&config.root, &used, ambient);
        let mut env = environment::base(ambient, &config.env_pass, false);
        env.extend(used.iter().flat_map(|(runtime, _)| runtime.env.iter().map(|(name, value)| (name.clone(), value.source().into_owned()))));
        env.insert("PATH".to_owned(), path.clone());
        let cwd = config.root.join(&database.cwd);
        let python = which::which_in("python", Some(&path), &cwd).or_else(|_| which::which_in("python3", Some(&path), &cwd));
        let python = python.map_err(|_| format!("there is no python on the PATH of database {}\n  hint: runtimes = [...]", database.id))?;
        let mut ambient = ambient.clone();
        let known = ambient.get("PATH").cloned().unwrap_or_default();
        let mut fetching = environment::base(&ambient, &config.env_pass, true);
        fetching.insert("PATH".to_owned(), path.clone());
        if let Some(folder) = clients::find(&known, &repository.gates.cache(""), &python, &fetching)? {
            ambient.insert("PATH".to_owned(), format!("{known}:{}", folder.display()));
        }
        let ini = config.root.join(database.alembic.as_deref().unwrap_or_default());
        let alembic = Alembic { python, env, cwd, ini, url_env: database.url_env.clone() };
        let graph = alembic.graph().map_err(|why| format!("{why}\n  hint: `setup` installs what the runtimes need"))?;
        let mut files: Vec<PathBuf> = database.inputs.iter().flat_map(|glob| crate::run::glob(&config.root, glob)).collect();
        // Whatever the inputs name, the scripts themselves decide what a revision makes.
        files.extend(graph.order.iter().map(|revision| revision.path.clone()).filter(|path| path.is_file()));
        files.push(alembic.ini.clone());
        files.sort();
        files.dedup();
        Ok(Self { repository, config, database, ambient, alembic, graph, files })
    }

    /// Id of the database in gates.toml.
    pub(super) fn id(&self) -> &str {
        &self.database.id
    }

    /// The caller's environment.
    pub(super) fn ambient(&self) -> &Ambient {
        &self.ambient
    }

    /// The scripts.
    pub(super) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// A folder for what is thrown away.
    pub(super) fn scratch(&self) -> PathBuf {
        self.repository.gates.scratch(&format!("db-{}", std::process::id()))
    }

    /// One of PostgreSQL's programs, of the server's version where it is there, else the caller's.
    pub(super) fn program(&self, name: &str, server: &str) -> Result<PathBuf, String> {
        let path = self.ambient.get("PATH").map(String::as_str).unwrap_or_default();
        let beside = binaries::system(&major(server).to_string(), path).map(|found| found.folder.join(name)).filter(|file| file.is_file());
        let hint = "hint: apt-get install postgresql-client";
        beside.or_else(|| which::which_in(name, Some(path), "/").ok()).ok_or_else(|| format!("there is no {name} on this machine\n  {hint}"))
    }

    /// Asks the database itself.
    pub(super) fn look(&self, url: &Url) -> (Result<Look, Unasked>, Vec<String>) {
        let outside = match Outside::any(url.clone(), &self.ambient) {
            Ok(outside) => outside,
            Err(why) => return (Err(Unasked::Unreachable(why)), Vec::new()),
        };
        match look::look(&outside).and_then(|seen| look::fingerprint(&outside).map(|lines| (seen, lines))) {
            Ok((seen, lines)) => (Ok(seen), lines),
            Err(unasked) => (Err(unasked), Vec::new()),
        }
    }

    fn status(&self, url: &Url, expect: Option<&str>, json: bool) -> anyhow::Result<Exit> {
        let expected = expect.filter(|word| *word != "head");
        if let Some(unknown) = expected.filter(|revision| !self.graph.knows(revision)) {
            anyhow::bail!("--expect: the scripts have no revision `{unknown}`\n  hint: head, or one of {}", self.known());
        }
        let (status, _) = self.state_for(url, expected);
        let wanted = expected.or(self.graph.heads.first().map(String::as_str)).unwrap_or_default();
        let at = matches!(status.state, Migration::AtHead | Migration::Behind) && status.revisions == [wanted];
        let holds = expect.is_none() || at;
        if json {
            let mut value = serde_json::to_value(&status).context("failed to write JSON")?;
            value["database"] = self.database.id.clone().into();
            value["expected"] = expect.map_or(serde_json::Value::Null, |_| wanted.into());
            value["holds"] = (status.state.is_asked() && holds).into();
            print(&serde_json::to_string_pretty(&value).context("failed to write JSON")?);
        } else {
            self.tell(&status, expect.map(|_| (wanted, holds)));
        }
        Ok(match (status.state.is_asked(), holds) {
            (false, _) => Exit::Environment,
            (true, true) => Exit::Pass,
            (true, false) => Exit::Fail,
        })
    }

    /// The state, with the comparison that it rests on.
    pub(super) fn state(&self, url: &Url) -> (Status, Compared) {
        self.state_for(url, None)
    }

    fn state_for(&self, url: &Url, expected: Option<&str>) -> (Status, Compared) {
        let (seen, lines) = self.look(url);
        let compared = match &seen {
            Ok(seen) if !lines.is_empty() || !seen.revisions.is_empty() => self.compared(seen, &lines),
            _ => Compared::default(),
        };
        (classify(&seen, &self.graph, expected, &compared), compared)
    }

    /// The address as the application's own driver wants it.
    fn driver(&self, url: &Url) -> String {
        url.of(url.database(), &self.database.url_scheme)
    }

    /// Writes a revision.
    pub(super) fn stamp(&self, revision: &str, url: &Url) -> Result<(), String> {
        self.alembic.stamp(revision, &self.driver(url))
    }

    /// Runs what is pending.
    pub(super) fn upgrade(&self, url: &Url) -> Result<(), String> {
        self.alembic.upgrade("head", &self.driver(url))
    }

    /// Where snapshots lie that nobody named.
    pub(super) fn snapshots(&self, database: &str) -> PathBuf {
        self.repository.gates.snapshot(database)
    }

    /// Ids of the revisions.
    pub(super) fn known(&self) -> String {
        self.graph.order.iter().map(|revision| revision.id.as_str()).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn tell(&self, status: &Status, expected: Option<(&str, bool)>) {
        let sentence = Migration::ALL.iter().find(|(state, _)| *state == status.state).map_or("", |(_, sentence)| sentence);
        print(&format!("{}  {}: {sentence}", status.state.word(), self.database.id));
        let row = |name: &str, value: &str| {
            if !value.is_empty() {
                print(&format!("  {name:<10} {}", visible(value)));
            }
        };
        row("revisions", &status.revisions.join(", "));
        row("heads", &status.heads.join(", "));
        row("pending", &status.pending.join(", "));
        for line in &status.evidence {
            row("evidence", line);
        }
        for (revision, lines) in &status.nearest {
            row(
                "nearest",
                &format!("{revision}: {}", if *lines == 0 { "the same schema".to_owned() } else { format!("{} differ", plural(*lines as u64, "line")) }),
            );
        }
        row("next", &status.next);
        if let Some((wanted, holds)) = expected {
            row("expected", &format!("{wanted}: {}", if holds { "holds" } else { "does not hold" }));
        }
    }

    /// The live schema against that of each revision.
    fn compared(&self, seen: &Look, lines: &[String]) -> Compared {
        match self.references(&major(&seen.server).to_string()) {
            Ok(references) => {
                let by_revision = references.iter().map(|(revision, wanted)| (revision.clone(), Difference::of(lines, wanted))).collect();
                Compared { by_revision, why_not: None }
            }
            Err(why) => Compared { by_revision: BTreeMap::new(), why_not: Some(why) },
        }
    }

    fn references(&self, major: &str) -> Result<reference::References, String> {
        let key = reference::key(&self.files, major).map_err(|cause| format!("failed to read the inputs of database {}: {cause}", self.database.id))?;
        let file = self.repository.gates.cache(&format!("schemas-{key}.json"));
        if let Some(known) = reference::read(&file) {
            return Ok(known);
        }
        say(&format!("note: building the schema of each of {} on a server of our own, once", plural(self.graph.order.len() as u64, "revision")));
        self.on_own_server(major, &|server| reference::build(server, &self.alembic, &self.graph, &self.database.url_scheme, &file))
    }

    /// A server for as long as something is built. What a killed builder left behind is ended by the next one.
    pub(super) fn on_own_server<T>(&self, major: &str, work: &dyn Fn(&Server) -> Result<T, String>) -> Result<T, String> {
        let gates = &self.repository.gates;
        let io = |cause: std::io::Error| format!("failed to prepare a server: {cause}");
        std::fs::create_dir_all(gates.locks()).map_err(io)?;
        let lock = File::create(gates.locks().join("schemas.lock")).map_err(io)?;
        lock.lock().map_err(io)?;
        let note = gates.cache("schemas.note.json");
        if let Some(home) = Noted::read(&note).and_then(|noted| noted.home()) {
            home.end();
        }
        let path = self.ambient.get("PATH").map(String::as_str).unwrap_or_default();
        let npm = Npm { exe: which::which_in("npm", Some(path), &self.config.root).ok(), env: self.ambient.clone() };
        let found = binaries::find(major, path, &gates.cache(""), &npm)?;
        let start = Start {
            binaries: found,
            log: &gates.cache("schemas.log"),
            note: &note,
            keep: false,
            tmp: self.ambient.get("TMPDIR").map(String::as_str),
            mark: ("GATE_MARK".to_owned(), format!("schemas-{}", std::process::id())),
            stopped: &|| false,
        };
        let server = Server::new(Side::Own(Own::start(&start)?), &format!("schemas-{}", std::process::id()), note.clone(), false);
        let done = work(&server);
        server.close()?;
        done
    }

    fn drift(&self, url: &Url, junit: Option<&std::path::Path>) -> anyhow::Result<Exit> {
        let (seen, lines) = self.look(url);
        let seen = match seen {
            Ok(seen) => seen,
            Err(Unasked::Unreachable(why) | Unasked::NoPermission(why)) => return Ok(unasked(&why)),
        };
        let major = major(&seen.server).to_string();
        let models = match self.on_own_server(&major, &|server| reference::models(server, &self.alembic, &self.database.url_scheme)) {
            Ok(models) => models,
            Err(why) => return Ok(unasked(&why)),
        };
        let difference = Difference::of(&lines, &models);
        let pairs = pairs(&difference);
        for (object, (live, wanted)) in &pairs {
            print(&format!("{object}\n  database  {}\n  models    {}", side(live.as_ref()), side(wanted.as_ref())));
        }
        say(&format!("{} in {} of the models, {} in the database", plural(pairs.len() as u64, "difference"), plural(models.len() as u64, "line"), lines.len()));
        if let Some(file) = junit {
            let bytes = drift_junit(&models, &pairs).map_err(anyhow::Error::msg)?;
            write_atomic(file, &bytes).with_context(|| format!("failed to write {}", file.display()))?;
        }
        if let Some(out) = self.ambient.get("GATE_OUT") {
            add_measure(std::path::Path::new(out), "drift-false-positives", pairs.len() as u64).context("failed to write a measure")?;
        }
        Ok(if pairs.is_empty() { Exit::Pass } else { Exit::Fail })
    }
}

type Sides = (Option<String>, Option<String>);

fn side(line: Option<&String>) -> String {
    line.map(String::as_str).map_or_else(|| "-".to_owned(), visible)
}

/// An object with both sides: what the database has, what the models say.
fn pairs(difference: &Difference) -> BTreeMap<String, Sides> {
    let mut pairs: BTreeMap<String, Sides> = BTreeMap::new();
    for line in &difference.extra {
        pairs.entry(object(line)).or_default().0 = Some(line.clone());
    }
    for line in &difference.missing {
        pairs.entry(object(line)).or_default().1 = Some(line.clone());
    }
    pairs
}

/// Kind and name: the first two words of a line.
fn object(line: &str) -> String {
    line.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" ")
}

/// One case for each object of the models, and one for each that only the database has.
fn drift_junit(models: &[String], pairs: &BTreeMap<String, Sides>) -> Result<Vec<u8>, String> {
    let objects: std::collections::BTreeSet<String> = models.iter().map(|line| object(line)).chain(pairs.keys().cloned()).collect();
    let cases = objects.into_iter().map(|name| {
        let wrong = pairs.get(&name);
        let text = wrong.map(|(live, wanted)| format!("database: {}\nmodels: {}", side(live.as_ref()), side(wanted.as_ref()))).unwrap_or_default();
        OutCase {
            name,
            classname: "drift".to_owned(),
            file: String::new(),
            line: None,
            seconds: 0.0,
            outcome: if wrong.is_some() { Outcome::Failed } else { Outcome::Passed },
            kind: "drift".to_owned(),
            message: text.lines().next().unwrap_or_default().to_owned(),
            text,
            properties: Vec::new(),
            retries: Vec::new(),
        }
    });
    document("drift", "", [OutSuite::of("drift", cases.collect(), Vec::new())]).map_err(|cause| cause.to_string())
}
