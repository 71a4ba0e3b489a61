//! Services and databases: from what the tables say to what they mean. Knows ids, scopes and globs, no process.

use std::collections::BTreeMap;
use std::time::Duration;

use super::gates::{check_glob, duration, grace, secrets};
use super::resolve::{Input, Report, env_templates, find_cycle, template};
use super::schema::{self, GatesToml, ServiceKind};
use super::services::{Database, DatabaseUse, EMPTY, MIGRATED, Per, Postgres, Probe, Process, Ready, Service};
use super::template::{Names, Placeholder, Scope, Template};

/// All services and databases by id.
pub(super) fn resolve(said: &GatesToml, input: Input<'_>, report: &mut Report<'_>) -> (BTreeMap<String, Service>, BTreeMap<String, Database>) {
    let mut services = BTreeMap::new();
    for (id, service) in &said.service {
        let resolved = match service.kind.unwrap_or(ServiceKind::Process) {
            ServiceKind::Postgres => Some(Service::Postgres(postgres(id, service, report))),
            ServiceKind::Process => process(id, service, said, input, report).map(|process| Service::Process(Box::new(process))),
        };
        services.extend(resolved.map(|service| (id.clone(), service)));
    }
    let edges = said.service.iter().map(|(id, service)| (id.as_str(), service.needs.iter().map(String::as_str).collect())).collect();
    if let Some(cycle) = find_cycle(&edges) {
        report.push(&["service", &cycle[0], "needs"], format!("services need each other: {}", cycle.join(" -> ")), "take one of these edges out");
    }
    let databases = said.database.iter().map(|(id, one)| (id.clone(), database(id, one, said, input, report))).collect();
    (services, databases)
}

fn postgres(id: &str, said: &schema::Service, report: &mut Report<'_>) -> Postgres {
    let foreign = [
        ("run", said.run.is_some()),
        ("ready", said.ready.is_some()),
        ("per", said.per.is_some()),
        ("cwd", said.cwd.is_some()),
        ("grace", said.grace.is_some()),
        ("needs", !said.needs.is_empty()),
        ("runtimes", !said.runtimes.is_empty()),
        ("databases", !said.databases.is_empty()),
        ("secrets", !said.secrets.is_empty()),
        ("env", !said.env.is_empty()),
    ];
    for (key, _) in foreign.into_iter().filter(|(_, given)| *given) {
        report.push(&["service", id, key], format!("`{key}` belongs to a service of kind process"), "a postgres service has version and external-env");
    }
    let version = said.version.clone().unwrap_or_default();
    if version.is_empty() || !version.chars().all(|c| c.is_ascii_digit()) {
        report.push(&["service", id, "version"], format!("service `{id}` needs the major version of its server"), "version = \"15\"");
    }
    if let Some(name) = &said.external_env {
        let good = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && name != "DATABASE_URL";
        if !good {
            let hint = "a variable of its own, such as GATES_POSTGRES_URL; an ambient DATABASE_URL is never used";
            report.push(&["service", id, "external-env"], format!("`{name}` cannot name an outside server"), hint);
        }
    }
    Postgres { id: id.to_owned(), version, external_env: said.external_env.clone() }
}

fn process(id: &str, said: &schema::Service, file: &GatesToml, input: Input<'_>, report: &mut Report<'_>) -> Option<Process> {
    let at = |key| ["service", id, key];
    for (key, given) in [("version", said.version.is_some()), ("external-env", said.external_env.is_some())] {
        if given {
            report.push(&at(key), format!("`{key}` belongs to a service of kind postgres"), "kind = \"postgres\"");
        }
    }
    for (index, name) in said.runtimes.iter().enumerate() {
        report.known(&["service", id, "runtimes", &index.to_string()], "runtime", name, &file.runtime);
    }
    secrets(&["service", id], &said.secrets, report);
    let per = said.per.unwrap_or(Per::Gate);
    let needs = service_list(&["service", id], "needs", &said.needs, file, report);
    for need in needs.iter().filter_map(|need| file.service.get(need).map(|service| (need, service.per.unwrap_or(Per::Gate)))) {
        if need.1 > per {
            report.push(
                &at("needs"),
                format!("service `{id}` lives longer than `{}`, which it needs", need.0),
                "give both the same `per`, or the needed one a wider one",
            );
        }
    }
    let databases = database_uses(&["service", id], &said.databases, file, report);
    let cwd = said.cwd.clone().unwrap_or_else(|| ".".to_owned());
    report.inside(&at("cwd"), &cwd);
    let runtimes: Vec<&str> = said.runtimes.iter().map(String::as_str).filter(|id| file.runtime.contains_key(*id)).collect();
    let named: Vec<String> = databases.iter().map(|one| one.database.clone()).collect();
    let reached = reached(needs.iter(), file);
    let names = Names { runtimes: &runtimes, services: &reached, databases: &named, scope: Scope::Service, ..Names::default() };
    let words = |words: &[String], path: &[&str], report: &mut Report<'_>| -> Vec<Template> {
        words.iter().filter_map(|word| template(word, names, path, report)).collect()
    };
    let Some(argv) = &said.run else {
        report.push(&["service", id], format!("service `{id}` needs run"), "run = [\"program\", \"--port\", \"{port}\"]");
        return None;
    };
    let run = words(argv, &at("run"), report);
    let env = env_templates(&said.env, names, &at("env"), report);
    let ready = said.ready.as_ref();
    let probe = ready.and_then(|ready| probe(id, ready, &|argv, report| words(argv, &["service", id, "ready", "exec"], report), names, report));
    if ready.is_none() {
        report.push(
            &["service", id],
            format!("service `{id}` needs ready"),
            "ready = { http = \"/\" }, { tcp = true }, { exec = [\"...\"] } or { line = \"...\" }",
        );
    }
    let has_port = run.iter().chain(env.values()).any(|word| word.places().any(|place| *place == Placeholder::Port));
    let asks_port = match &probe {
        Some(Probe::Http(path)) => path.source().starts_with('/'),
        Some(Probe::Tcp) => true,
        Some(Probe::Exec(_) | Probe::Line(_)) | None => false,
    };
    if asks_port && !has_port {
        report.push(&at("run"), format!("service `{id}` is asked on its port and never told which"), "use {port} in run or env");
    }
    let timeout = duration(ready.and_then(|ready| ready.timeout.as_deref()), None, Duration::from_secs(30));
    let grace = grace(said.grace.as_deref(), file, input);
    let (runtimes, secrets) = (said.runtimes.clone(), said.secrets.clone());
    Some(Process { id: id.to_owned(), run, runtimes, databases, needs, cwd, env, secrets, per, ready: Ready { probe: probe?, timeout }, grace })
}

type Words<'a> = &'a dyn Fn(&[String], &mut Report<'_>) -> Vec<Template>;

fn probe(id: &str, said: &schema::Ready, words: Words<'_>, names: Names<'_>, report: &mut Report<'_>) -> Option<Probe> {
    let given = [said.http.is_some(), said.tcp.is_some(), said.exec.is_some(), said.line.is_some()];
    if given.iter().filter(|given| **given).count() != 1 {
        report.push(&["service", id, "ready"], "readiness needs exactly one of http, tcp, exec, line", "ready = { http = \"/\" }");
        return None;
    }
    if let Some(http) = &said.http {
        if !http.starts_with('/') && !http.starts_with("http://") {
            report.push(&["service", id, "ready", "http"], format!("`{http}` is neither a path nor an http:// address"), "ready = { http = \"/health\" }");
        }
        return template(http, names, &["service", id, "ready", "http"], report).map(Probe::Http);
    }
    if let Some(argv) = &said.exec {
        return Some(Probe::Exec(words(argv, report)));
    }
    if let Some(line) = &said.line {
        if let Err(cause) = regex::Regex::new(line) {
            // It draws the place over several lines, and ends with the reason.
            let said = cause.to_string();
            let why = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
            report.push(&["service", id, "ready", "line"], format!("`{line}` is not a regular expression: {why}"), "such as \"listening on\"");
        }
        return Some(Probe::Line(line.clone()));
    }
    if said.tcp == Some(false) {
        report.push(&["service", id, "ready", "tcp"], "tcp = false asks nothing", "tcp = true");
    }
    Some(Probe::Tcp)
}

/// A file of the repository that must be there.
fn existing(file: &str, path: &[&str], input: Input<'_>, report: &mut Report<'_>) {
    report.inside(path, file);
    if !input.caller.elsewhere && !input.root.join(file).is_file() {
        report.push(path, format!("there is no file `{file}`"), "its path, seen from gates.toml");
    }
}

fn database(id: &str, said: &schema::Database, file: &GatesToml, input: Input<'_>, report: &mut Report<'_>) -> Database {
    let at = |key| ["database", id, key];
    if report.known(&at("service"), "service", &said.service, &file.service) && file.service[&said.service].kind != Some(ServiceKind::Postgres) {
        report.push(&at("service"), format!("service `{}` is not a PostgreSQL server", said.service), "kind = \"postgres\" in its table");
    }
    for (index, name) in said.runtimes.iter().enumerate() {
        report.known(&["database", id, "runtimes", &index.to_string()], "runtime", name, &file.runtime);
    }
    let cwd = said.cwd.clone().unwrap_or_else(|| ".".to_owned());
    report.inside(&at("cwd"), &cwd);
    let runtimes: Vec<&str> = said.runtimes.iter().map(String::as_str).filter(|id| file.runtime.contains_key(*id)).collect();
    let names = Names { runtimes: &runtimes, scope: Scope::Database, ..Names::default() };
    let mut migrate = Vec::new();
    for (index, argv) in said.migrate.iter().enumerate() {
        if argv.is_empty() {
            report.push(&at("migrate"), format!("command {} of migrate is empty", index + 1), "[\"alembic\", \"upgrade\", \"head\"]");
        }
        migrate.push(argv.iter().filter_map(|word| template(word, names, &at("migrate"), report)).collect());
    }
    if !said.migrate.is_empty() && said.inputs.is_empty() {
        report.push(&at("migrate"), format!("database `{id}` does not say which files its migrations are"), "inputs = [\"alembic/**\"]");
    }
    for (index, glob) in said.inputs.iter().enumerate() {
        let place = index.to_string();
        report.inside(&["database", id, "inputs", &place], glob);
        check_glob(glob, &["database", id, "inputs", &place], report);
    }
    for (state, path) in &said.fixtures {
        let here = ["database", id, "fixtures", state.as_str()];
        report.inside(&here, path);
        if [EMPTY, MIGRATED].contains(&state.as_str()) || !state.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') || state.is_empty() {
            report.push(&here, format!("`{state}` cannot name a fixture"), "[a-z0-9-]+; empty and migrated are built in");
        }
        if !input.caller.elsewhere && !input.root.join(path).is_file() {
            report.push(&here, format!("there is no file `{path}`"), "create it, or name the file that is there");
        }
    }
    let url_env = said.url_env.clone().unwrap_or_else(|| "DATABASE_URL".to_owned());
    if url_env.is_empty() || !url_env.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') || url_env == "PATH" || url_env.starts_with("GATE_") {
        report.push(&at("url-env"), format!("`{url_env}` cannot hold a URL"), "such as \"DATABASE_URL\"");
    }
    let url_scheme = said.url_scheme.clone().unwrap_or_else(|| "postgresql".to_owned());
    if url_scheme.is_empty() || !url_scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) {
        report.push(&at("url-scheme"), format!("`{url_scheme}` is not the scheme of a URL"), "such as \"postgresql+psycopg\"");
    }
    let (inputs, fixtures, runtimes) = (said.inputs.clone(), said.fixtures.clone(), said.runtimes.clone());
    let alembic = said.alembic.clone().inspect(|ini| existing(ini, &at("alembic"), input, report));
    Database { id: id.to_owned(), service: said.service.clone(), runtimes, cwd, alembic, migrate, inputs, fixtures, url_env, url_scheme }
}

/// The id in "ID:STATE".
pub(super) fn database_id(text: &str) -> &str {
    text.split_once(':').map_or(text, |(id, _)| id)
}

/// A list of "ID" or "ID:STATE".
pub(super) fn database_uses(base: &[&str], said: &[String], file: &GatesToml, report: &mut Report<'_>) -> Vec<DatabaseUse> {
    let mut uses: Vec<DatabaseUse> = Vec::new();
    for (index, text) in said.iter().enumerate() {
        let place = index.to_string();
        let here: Vec<&str> = base.iter().copied().chain(["databases", &place]).collect();
        let (id, state) = text.split_once(':').unwrap_or((text, MIGRATED));
        if !report.known(&here, "database", id, &file.database) {
            continue;
        }
        let database = &file.database[id];
        if state != EMPTY && state != MIGRATED && !database.fixtures.contains_key(state) {
            let states: Vec<&str> = [MIGRATED, EMPTY].into_iter().chain(database.fixtures.keys().map(String::as_str)).collect();
            report.push(&here, format!("database `{id}` has no state `{state}`"), format!("its states: {}", states.join(", ")));
        }
        if state == MIGRATED && database.migrate.is_empty() {
            report.push(&here, format!("database `{id}` has no migrate, and with it no state `migrated`"), format!("give it migrate, or name \"{id}:empty\""));
        }
        if uses.iter().any(|one| one.database == id) {
            report.push(&here, format!("database `{id}` stands twice"), "name it once");
        }
        uses.push(DatabaseUse { database: id.to_owned(), state: state.to_owned() });
    }
    uses
}

/// The services that a gate or a step names.
pub(super) fn service_uses(base: &[&str], said: &[String], file: &GatesToml, report: &mut Report<'_>) -> Vec<String> {
    service_list(base, "services", said, file, report)
}

fn service_list(base: &[&str], key: &str, said: &[String], file: &GatesToml, report: &mut Report<'_>) -> Vec<String> {
    for (index, id) in said.iter().enumerate() {
        let place = index.to_string();
        let here: Vec<&str> = base.iter().copied().chain([key, &place]).collect();
        if report.known(&here, "service", id, &file.service) && file.service[id].kind == Some(ServiceKind::Postgres) {
            report.push(&here, format!("service `{id}` is a PostgreSQL server"), "name a database of it in databases = [\"ID\"]");
        }
    }
    said.iter().filter(|id| file.service.contains_key(*id)).cloned().collect()
}

/// Some services and everything that they need.
pub(super) fn reached<'a>(services: impl Iterator<Item = &'a String>, file: &GatesToml) -> Vec<String> {
    let mut all: Vec<String> = services.cloned().collect();
    let mut next = 0;
    while next < all.len() {
        for need in file.service.get(&all[next]).map(|service| service.needs.clone()).unwrap_or_default() {
            if !all.contains(&need) {
                all.push(need);
            }
        }
        next += 1;
    }
    all
}
