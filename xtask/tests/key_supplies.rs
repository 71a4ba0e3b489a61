//! Rows of the keys that services and databases have: each is changed once on a real server or process, and something else happens.

use crate::keys::{Row, exit, log, py, row, step, with};
use crate::support::Sandbox;
use xtask::event::EventKind;

/// A server and a database with one table after its migration.
const PG: &str = "[service.pg]\nkind = 'postgres'\nversion = '15'";
const MIGRATE: &str = "migrate = [['sh', 'migrate.sh']]\ninputs = ['migrate.sh']";
const TABLES: &str = "shell = 'psql -At \"$DATABASE_URL\" -c \"select tablename from pg_tables where schemaname = current_schema()\"'";

/// Instances of services that came up.
fn instances(sandbox: &Sandbox) -> String {
    sandbox.run(&["gate", "p"]);
    let names = sandbox.events().into_iter().filter_map(|event| match event.kind {
        EventKind::ServiceReady(ready) => Some(ready.instance),
        _ => None,
    });
    names.collect::<Vec<_>>().join(" ")
}

/// How often a template was built.
fn builds(sandbox: &Sandbox) -> String {
    sandbox.run(&["gate", "p"]);
    sandbox.events().iter().filter(|event| matches!(event.kind, EventKind::TemplateBuilt { .. })).count().to_string()
}

fn service_log(sandbox: &Sandbox) -> String {
    sandbox.run(&["gate", "p"]);
    sandbox.read(".gates/runs/latest/logs/services/s.g.1.log").trim().to_owned()
}

/// A gate that stands on service `s`, which says what the script says and stays.
fn serving(script: &str, more: &str) -> String {
    with(&format!("[service.s]\nrun = ['sh', '-c', '{script}; exec sleep 600']\n{more}"), "run = ['true']\nservices = ['s']")
}

const UP: &str = "ready = { line = 'up' }";
/// Long enough for a busy machine, where it comes up at all.
const SOON: &str = "ready = { line = 'up', timeout = '3s' }";

fn page(path: &str) -> String {
    let service =
        format!("[service.s]\nrun = ['python3', '-m', 'http.server', '{{port}}', '--bind', '127.0.0.1']\nready = {{ http = '{path}', timeout = '5s' }}");
    with(&service, "run = ['true']\nservices = ['s']")
}

/// A gate on a database; the first text goes into the database's table.
fn data(database: &str, body: &str) -> String {
    with(&format!("{PG}\n[database.app]\nservice = 'pg'\n{database}"), body)
}

fn tables(database: &str) -> String {
    data(database, &format!("databases = ['app']\n{TABLES}"))
}

pub(crate) fn service_rows() -> Vec<Row> {
    let (own, needs) = ("own-tool && echo up", "[service.t]\nrun = ['sh', '-c', 'echo up; exec sleep 600']\nready = { line = 'up' }");
    let py_service = |runtimes: &str| {
        let service = format!("bin = ['bin']\n[service.s]\nrun = ['sh', '-c', '{own}; exec sleep 600']\n{SOON}\n{runtimes}");
        py(&service, "run = ['true']\nservices = ['s']").replace("runtimes = ['py']\nrun", "run")
    };
    let with_url = |databases: &str| {
        let service =
            format!("{PG}\n[database.app]\nservice = 'pg'\n[service.s]\nrun = ['sh', '-c', 'echo up${{DATABASE_URL:-}}; exec sleep 600']\n{databases}");
        with(&format!("{service}\nready = {{ line = 'uppostgresql', timeout = '3s' }}"), "run = ['true']\nservices = ['s']")
    };
    let workers = |per: &str| serving("echo up", &format!("{UP}\n{per}")).replace("services = ['s']", "services = ['s']\nworkers = 2");
    vec![
        row("service.*.kind", serving("echo up", UP), serving("echo up", &format!("{UP}\nkind = 'postgres'")), exit, ("0", "2")),
        row("service.*.run", serving("echo up", SOON), serving("exit 1", SOON), exit, ("0", "3")),
        row("service.*.runtimes", py_service(""), py_service("runtimes = ['py']"), exit, ("3", "0")),
        row("service.*.databases", with_url(""), with_url("databases = ['app:empty']"), exit, ("3", "0")),
        row(
            "service.*.needs",
            serving("echo up", &format!("{UP}\n{needs}")),
            serving("echo up", &format!("{UP}\nneeds = ['t']\n{needs}")),
            instances,
            ("s.g.1", "t.g.1 s.g.1"),
        ),
        row(
            "service.*.cwd",
            serving("ls; echo up", UP),
            serving("ls; echo up", &format!("cwd = 'bin'\n{UP}")),
            |sandbox| service_log(sandbox).lines().next().unwrap_or_default().to_owned(),
            ("README.md", "own-tool"),
        ),
        row(
            "service.*.env",
            serving("echo up ${A:-}", UP),
            serving("echo up ${A:-}", &format!("env = {{ A = 'given' }}\n{UP}")),
            service_log,
            ("up", "up given"),
        ),
        row(
            "service.*.secrets",
            serving("echo up ${PASS_ME:-}", UP),
            serving("echo up ${PASS_ME:-}", &format!("secrets = ['PASS_ME']\n{UP}")),
            service_log,
            ("up", "up ***"),
        ),
        row("service.*.per", workers(""), workers("per = 'worker'"), instances, ("s.g.1", "s.g.1.1 s.g.1.2")),
    ]
}

pub(crate) fn ready_rows() -> Vec<Row> {
    let late = "trap \"sleep 1.5; echo late; exit 0\" TERM; echo up; sleep 30 & wait";
    vec![
        row("service.*.ready.http", page("/"), page("/none"), exit, ("0", "3")),
        row("service.*.ready.tcp", page("/").replace("http = '/'", "tcp = true"), page("/").replace("http = '/'", "tcp = false"), exit, ("0", "2")),
        row(
            "service.*.ready.exec",
            serving("true", "ready = { exec = ['true'] }"),
            serving("true", "ready = { exec = ['false'], timeout = '400ms' }"),
            exit,
            ("0", "3"),
        ),
        row("service.*.ready.line", serving("echo up", SOON), serving("echo up", &SOON.replace("'up'", "'never'")), exit, ("0", "3")),
        row(
            "service.*.ready.timeout",
            serving("sleep 2; echo up", UP),
            serving("sleep 2; echo up", "ready = { line = 'up', timeout = '200ms' }"),
            exit,
            ("0", "3"),
        ),
        row(
            "service.*.grace",
            serving(late, &format!("grace = '30s'\n{UP}")),
            serving(late, &format!("grace = '50ms'\n{UP}")),
            service_log,
            ("up\nlate", "up"),
        ),
        row(
            "service.*.version",
            data("", "run = ['true']\ndatabases = ['app:empty']"),
            data("", "run = ['true']\ndatabases = ['app:empty']").replace("'15'", "'99'"),
            exit,
            ("0", "3"),
        ),
        row(
            "service.*.external-env",
            data("", "run = ['true']\ndatabases = ['app:empty']"),
            data("", "run = ['true']\ndatabases = ['app:empty']").replace("'15'", "'15'\nexternal-env = 'OUTSIDE'"),
            exit,
            ("0", "2"),
        ),
    ]
}

pub(crate) fn database_rows() -> Vec<Row> {
    let own = "migrate = [['own-tool']]\ninputs = ['lock']";
    let py_database = |runtimes: &str| {
        let front = format!("bin = ['bin']\n{PG}\n[database.app]\nservice = 'pg'\n{own}\n{runtimes}");
        py(&front, "run = ['true']\ndatabases = ['app']").replace("runtimes = ['py']\nrun", "run")
    };
    let changing =
        |inputs: &str| data(&format!("migrate = [['sh', 'migrate.sh']]\ninputs = ['{inputs}']"), "runs = 2\ndatabases = ['app']\nshell = 'echo x >> lock'");
    let echo = |database: &str, text: &str| data(database, &format!("databases = ['app:empty']\nshell = '{text}'"));
    let given = "shell = 'echo ${DATABASE_URL:+given}'";
    let on_steps = |key: &str| format!("{}\n{key}", step(given));
    let steps = |key: &str| {
        let front = format!("{PG}\n[database.app]\nservice = 'pg'\n[service.s]\nrun = ['sh', '-c', 'echo up; exec sleep 600']\n{UP}\n");
        on_steps(key).replacen("[phase.p]", &format!("{front}[phase.p]"), 1)
    };
    vec![
        row(
            "database.*.service",
            tables(MIGRATE),
            tables(MIGRATE)
                .replace("service = 'pg'", "service = 'old'\n[service.old]\nkind = 'postgres'\nversion = '99'")
                .replacen(&format!("\n{MIGRATE}"), "", 1)
                .replace("service = 'old'", &format!("service = 'old'\n{MIGRATE}")),
            exit,
            ("0", "3"),
        ),
        row(
            "database.*.alembic",
            data("migrate = [['true']]\ninputs = ['lock']", "run = ['true']"),
            data("migrate = [['true']]\ninputs = ['lock']\nalembic = 'lock'", "run = ['true']"),
            |sandbox| sandbox.run(&["db", "status", "--url", "postgresql://127.0.0.1:1/app"]).code.to_string(),
            ("2", "3"),
        ),
        row("database.*.runtimes", py_database(""), py_database("runtimes = ['py']"), exit, ("1", "0")),
        row("database.*.cwd", tables(MIGRATE), tables(&format!("{MIGRATE}\ncwd = 'later'")), log, ("t", "u")),
        row("database.*.migrate", tables(MIGRATE), tables(&MIGRATE.replace("'sh', 'migrate.sh'", "'sh', 'later/migrate.sh'")), log, ("t", "u")),
        row("database.*.inputs", changing("migrate.sh"), changing("lock"), builds, ("1", "2")),
        row(
            "database.*.fixtures",
            tables("fixtures = { old = 'old.sql' }").replace("['app']", "['app:old']"),
            tables("fixtures = { old = 'new.sql' }").replace("['app']", "['app:old']"),
            log,
            ("t", "u"),
        ),
        row("database.*.url-env", echo("", "echo ${PG_URL:+given}"), echo("url-env = 'PG_URL'", "echo ${PG_URL:+given}"), log, ("", "given")),
        row("database.*.url-scheme", echo("", "echo ${DATABASE_URL%%:*}"), echo("url-scheme = 'x+y'", "echo ${DATABASE_URL%%:*}"), log, ("postgresql", "x+y")),
        row("gate.*.databases", data("", given), data("", &format!("{given}\ndatabases = ['app:empty']")), log, ("", "given")),
        row("gate.*.services", serving("echo up", UP).replace("services = ['s']", ""), serving("echo up", UP), instances, ("", "s.g.1")),
        row(
            "gate.*.workers",
            echo("", "echo \"$GATE_APP_URLS\" | tr , \"\\\\n\" | wc -l"),
            echo("", "echo \"$GATE_APP_URLS\" | tr , \"\\\\n\" | wc -l").replace("databases = ['app:empty']", "databases = ['app:empty']\nworkers = 3"),
            log,
            ("1", "3"),
        ),
        row("gate.*.steps.databases", steps(""), steps("databases = ['app:empty']"), log, ("", "given")),
        row("gate.*.steps.services", steps(""), steps("services = ['s']"), instances, ("", "s.g.1")),
    ]
}

#[test]
fn every_key_of_services_changes_something() {
    crate::keys::check(service_rows());
}

#[test]
fn every_key_of_readiness_and_servers_changes_something() {
    crate::keys::check(ready_rows());
}

#[test]
fn every_key_of_databases_changes_something() {
    crate::keys::check(database_rows());
}
