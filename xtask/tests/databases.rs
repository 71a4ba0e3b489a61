//! Real PostgreSQL servers behind gates: clones that do not meet, migrations that fail, servers that are killed, and databases of
//! others that stay as they were.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process};

use crate::processes::all_gone;
use crate::support::{Sandbox, Transcript, end_of, outcome, read_fifo, services_up, tool};
use xtask::event::EventKind;
use xtask::model::Outcome;

/// A server, a database that one file of SQL migrates, and some gates in phase `p`.
fn sandbox(ids: &str, gates: &str) -> Sandbox {
    let sandbox = Sandbox::new(&format!(
        "schema = 1\n[service.pg]\nkind = 'postgres'\nversion = '15'\nexternal-env = 'OUTSIDE'\n\
         [database.app]\nservice = 'pg'\nmigrate = [['sh', 'migrate.sh']]\ninputs = ['migrate.sh', '*.sql']\n\
         [phase.p]\ngates = [{ids}]\n{gates}"
    ));
    sandbox.write("migrate.sh", "psql -X -q -v ON_ERROR_STOP=1 \"$DATABASE_URL\" -f 1.sql\n");
    sandbox.write("1.sql", "CREATE TABLE t (a int);\n");
    sandbox
}

fn gate(id: &str, body: &str) -> String {
    format!("[gate.{id}]\nowner = 'me'\n{body}\n")
}

fn sql(text: &str) -> String {
    format!("databases = ['app']\nshell = 'psql -X -At -v ON_ERROR_STOP=1 \"$DATABASE_URL\" -c \"{text}\"'")
}

/// Ids of the servers that the latest run started.
fn servers(sandbox: &Sandbox) -> Vec<i32> {
    services_up(sandbox).into_iter().filter_map(|ready| ready.pid).collect()
}

/// No server of this sandbox lives, and nothing is noted for the next run.
#[track_caller]
fn nothing_is_left(sandbox: &Sandbox, pids: &[i32]) {
    all_gone(pids);
    assert_eq!(sandbox.files(".gates/services"), Vec::<PathBuf>::new());
}

/// A gate that has its database and waits.
fn waiting() -> (Sandbox, PathBuf) {
    let sandbox = sandbox("'g'", &gate("g", "databases = ['app']\ngrace = '300ms'\nshell = 'echo up > fifo; exec sleep 600'"));
    let fifo = sandbox.fifo("fifo");
    (sandbox, fifo)
}

fn runner_of(run: &Child) -> Pid {
    xtask::process::tree::children(run.id() as i32).first().copied().and_then(Pid::from_raw).expect("the guard has a runner")
}

/// After whatever happened: the next run in the same place is green.
#[track_caller]
fn next_run_works(sandbox: &Sandbox) -> Transcript {
    sandbox.write("gates.toml", &sandbox.read("gates.toml").replace("echo up > fifo; exec sleep 600", "true"));
    sandbox.run(&["gate", "p"]).exits(0)
}

#[test]
fn ten_iterations_get_ten_databases_and_two_runs_do_not_meet() {
    let body = format!("{}\nruns = 10", sql("SELECT count(*) FROM t").replace("\"'", "\" -c \"INSERT INTO t VALUES (1)\"; echo $GATE_APP_NAME'"));
    let sandbox = sandbox("'g'", &gate("g", &body));
    let (one, two) = (sandbox.start(&["gate", "p"]), sandbox.start(&["gate", "p"]));
    assert_eq!((end_of(one).code(), end_of(two).code()), (Some(0), Some(0)));
    let logs: Vec<String> = sandbox
        .files(".gates/runs")
        .iter()
        .filter(|file| file.ends_with("g.1.log") || file.to_string_lossy().contains("/logs/g."))
        .map(|file| std::fs::read_to_string(file).expect("read"))
        .collect();
    assert_eq!(logs.len(), 20);
    assert!(logs.iter().all(|log| log.starts_with("0\n")), "somebody saw another's row: {logs:?}");
    let names: std::collections::BTreeSet<&str> = logs.iter().filter_map(|log| log.lines().last()).collect();
    assert_eq!(names.len(), 20, "{names:?}");
    nothing_is_left(&sandbox, &servers(&sandbox));
}

#[test]
fn a_failing_migration_is_a_case_of_each_gate_that_uses_it() {
    let fresh = gate("fresh", "databases = ['app:empty']\nrun = ['true']");
    let sandbox = sandbox("'a', 'b', 'fresh'", &format!("{}{}{fresh}", gate("a", &sql("SELECT 1")), gate("b", &sql("SELECT 2"))));
    sandbox.write("1.sql", "CREATE TABLE t (a int);\nCREATE TABLE t (b int);\n");
    let transcript = sandbox.run(&["gate", "p"]).exits(1).says("relation \"t\" already exists");
    let cases = sandbox.cases();
    assert_eq!((outcome(&cases, "a migrate"), outcome(&cases, "b migrate")), (Some(Outcome::Failed), Some(Outcome::Failed)), "{transcript}");
    assert_eq!(outcome(&cases, "fresh fresh"), Some(Outcome::Passed));
    sandbox.run(&["report"]);
    assert_eq!(sandbox.report()["exit"], 1, "the journal says the same");
    let builds = sandbox.events().into_iter().filter(|event| matches!(event.kind, EventKind::TemplateBuilt { .. })).count();
    assert_eq!(builds, 1, "what failed for these files is not tried again");
}

#[test]
fn no_template_hides_a_broken_first_revision() {
    let count = "psql -X -At \"$DATABASE_URL\" -c \"select count(*) from pg_tables where schemaname = current_schema()\" | grep -qx 0";
    let fresh = gate("fresh", &format!("databases = ['app:empty']\nshell = '{count}; sh migrate.sh'"));
    // The other gate has the template built before, and is told to break the revision on its way.
    let breaker = gate("breaker", "databases = ['app']\nshell = 'echo \"CREATE TABEL t (a int)\" > 1.sql'");
    let sandbox = sandbox("'breaker', 'fresh'", &format!("{breaker}{}", fresh.replace("owner = 'me'", "owner = 'me'\nneeds = ['breaker']")));
    sandbox.run(&["gate", "p"]).exits(1).says("syntax error");
    assert_eq!((sandbox.verdict("breaker"), sandbox.verdict("fresh")), ("pass".to_owned(), "fail".to_owned()));
    sandbox.run(&["gate", "breaker"]).exits(1).says("migrate: database app");
}

#[test]
fn a_migration_that_hangs_is_stopped_by_its_own_limit() {
    let sandbox = sandbox("'g'", &gate("g", &sql("SELECT 1")));
    sandbox.write("gates.toml", &sandbox.read("gates.toml").replace("[service.pg]", "[defaults]\ntimeout = '1500ms'\ngrace = '200ms'\n[service.pg]"));
    sandbox.write("migrate.sh", "echo begun; exec sleep 600\n");
    sandbox.run(&["gate", "p"]).exits(1).says("timed out");
    nothing_is_left(&sandbox, &servers(&sandbox));
}

#[test]
fn a_killed_runner_leaves_no_server() {
    let (sandbox, fifo) = waiting();
    let run = sandbox.start(&["gate", "p"]);
    read_fifo(&fifo);
    let pids = servers(&sandbox);
    assert_eq!(pids.len(), 1);
    kill_process(runner_of(&run), Signal::KILL).expect("sent");
    assert_eq!(end_of(run).code(), Some(70));
    all_gone(&pids);
    next_run_works(&sandbox);
    nothing_is_left(&sandbox, &servers(&sandbox));
}

#[test]
fn an_outside_server_that_cannot_be_reached_keeps_its_note() {
    let sandbox = sandbox("'g'", &gate("g", "run = ['true']"));
    let note = "{\"base\":null,\"keep\":false,\"outside\":\"127.0.0.1:1\",\"databases\":[\"gates_20260101_x_1_app\"]}";
    sandbox.write(".gates/services/20260101-x.pg.json", note);
    sandbox.run(&["gate", "p", "--database-url", "postgresql://me@127.0.0.1:1/x"]).exits(0).says("could not be dropped");
    assert_eq!(sandbox.read(".gates/services/20260101-x.pg.json"), note);
}

#[test]
fn what_both_halves_left_behind_is_ended_by_the_next_run() {
    let (sandbox, fifo) = waiting();
    let mut run = sandbox.start(&["gate", "p"]);
    read_fifo(&fifo);
    let pids = servers(&sandbox);
    let runner = runner_of(&run);
    // Stopped first, so that neither sees the other's end.
    for pid in [Pid::from_child(&run), runner] {
        kill_process(pid, Signal::STOP).expect("sent");
    }
    for pid in [runner, Pid::from_child(&run)] {
        kill_process(pid, Signal::KILL).expect("sent");
    }
    run.wait().expect("ours");
    assert!(pids.iter().all(|pid| !xtask::process::tree::is_zombie(*pid)), "the server outlived both");
    next_run_works(&sandbox).says("a database server left behind by run");
    nothing_is_left(&sandbox, &pids);
}

#[test]
fn a_killed_server_is_broken_and_named() {
    let gates =
        format!("{}{}", gate("g", "databases = ['app']\nshell = 'echo up > fifo; read -r _ < go'"), gate("h", &format!("{}\nneeds = []", sql("SELECT 1"))));
    let sandbox = sandbox("'g', 'h'", &gates.replace("[gate.h]", "[gate.h]\nlocks = ['one']").replace("[gate.g]", "[lock.one]\n[gate.g]\nlocks = ['one']"));
    let (fifo, go) = (sandbox.fifo("fifo"), sandbox.fifo("go"));
    let run = sandbox.start(&["gate", "p"]);
    read_fifo(&fifo);
    let pids = servers(&sandbox);
    kill_process(Pid::from_raw(pids[0]).expect("a pid"), Signal::KILL).expect("sent");
    all_gone(&pids);
    std::fs::write(go, "go\n").expect("told");
    assert_eq!(end_of(run).code(), Some(70));
    let report = sandbox.report();
    for gate in 0..2 {
        let why = report["gates"][gate]["why"][0].as_str().expect("a reason").to_owned();
        assert!(why.contains("the database server ended by itself (signal 9)"), "{why}");
    }
    nothing_is_left(&sandbox, &pids);
    sandbox.write("gates.toml", &sandbox.read("gates.toml").replace("echo up > fifo; read -r _ < go", "true"));
    sandbox.run(&["gate", "p"]).exits(0);
}

/// A server of the test's own, in the place of one that others rely on.
struct Theirs {
    server: xtask::postgres::Server,
    url: String,
    _folder: tempfile::TempDir,
}

impl Theirs {
    fn start() -> Self {
        use xtask::postgres::{Own, Server, Side, Start, binaries};
        let folder = tempfile::tempdir().expect("temporary folder");
        let npm = binaries::Npm { exe: None, env: std::collections::BTreeMap::new() };
        let found = binaries::find("15", "/usr/bin", folder.path(), &npm).expect("Debian package `postgresql-15`");
        let (log, note) = (folder.path().join("log"), folder.path().join("note"));
        let mark = ("GATE_MARK".to_owned(), "theirs".to_owned());
        let own = Own::start(&Start { binaries: found, log: &log, note: &note, keep: false, tmp: None, mark, stopped: &|| false }).expect("it starts");
        let server = Server::new(Side::Own(own), "theirs", note, false);
        server.sql(None, "CREATE DATABASE precious").expect("made");
        server.sql(None, "CREATE DATABASE gates_of_others").expect("made");
        server.sql(Some("precious"), "CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 7)").expect("filled");
        let url = server.url("precious", "postgresql");
        Self { server, url, _folder: folder }
    }

    fn databases(&self) -> Vec<String> {
        let rows = self.server.sql(None, "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1").expect("asked");
        rows.into_iter().flatten().flatten().collect()
    }

    fn rows(&self) -> String {
        self.server.sql(Some("precious"), "SELECT count(*) FROM t").expect("asked").into_iter().flatten().flatten().collect()
    }
}

const DELETE: &str = "DELETE FROM t";

#[test]
fn an_ambient_url_is_neither_used_nor_passed_on() {
    let theirs = Theirs::start();
    let plain = gate("plain", "shell = 'test -z \"${DATABASE_URL:-}\"'");
    let mut sandbox = sandbox("'g', 'plain'", &format!("{}{plain}", gate("g", &sql(DELETE))));
    sandbox.set("DATABASE_URL", &theirs.url);
    sandbox.set("PGDATABASE", "precious");
    sandbox.run(&["gate", "p"]).exits(0);
    assert_eq!(theirs.rows(), "7");
    assert_eq!(theirs.databases(), ["gates_of_others", "postgres", "precious"]);
    theirs.server.close().expect("closed");
}

#[test]
fn an_outside_server_is_used_on_request_and_left_as_it_was() {
    let theirs = Theirs::start();
    let mut sandbox = sandbox("'g'", &gate("g", &sql(DELETE)));
    sandbox.run(&["gate", "p", "--database-url", &theirs.url]).exits(0).says("outside, 127.0.0.1");
    assert_eq!((theirs.rows(), theirs.databases()), ("7".to_owned(), vec!["gates_of_others".to_owned(), "postgres".to_owned(), "precious".to_owned()]));
    let password = theirs.url.split([':', '@']).nth(2).expect("it has one").to_owned();
    assert!(!sandbox.read(".gates/runs/latest/events.jsonl").contains(&password), "the journal shows the password");

    sandbox.set("OUTSIDE", &theirs.url);
    sandbox.run(&["gate", "p"]).exits(0).says("outside, 127.0.0.1");
    assert_eq!(theirs.databases().len(), 3);

    // Killed in the middle, its databases stay; the next run that is told to use this server drops them, and only them.
    let fifo = sandbox.fifo("fifo");
    sandbox.write("gates.toml", &sandbox.read("gates.toml").replace("psql -X -At", "echo up > fifo; sleep 600; psql"));
    let run = sandbox.start(&["gate", "p"]);
    read_fifo(&fifo);
    kill_process(runner_of(&run), Signal::KILL).expect("sent");
    assert_eq!(end_of(run).code(), Some(70));
    assert_eq!(theirs.databases().len(), 4, "a clone is left (its template is one more)");
    sandbox.write("gates.toml", &sandbox.read("gates.toml").replace("echo up > fifo; sleep 600; psql", "psql -X -At"));
    sandbox.run(&["gate", "p"]).exits(0).says("were dropped");
    assert_eq!(theirs.databases(), ["gates_of_others", "postgres", "precious"]);
    theirs.server.close().expect("closed");
}

#[test]
fn a_server_elsewhere_wants_one_more_word() {
    let sandbox = sandbox("'g'", &gate("g", &sql("SELECT 1")));
    let url = "postgresql://me:secret@db.example.invalid/x";
    sandbox.run(&["gate", "p", "--database-url", url]).exits(2).says("is not this machine").says("--allow-remote").never_says("secret");
    sandbox.run(&["gate", "p", "--database-url", url, "--allow-remote"]).exits(3).says("psql at db.example.invalid").never_says("secret");
    sandbox.run(&["gate", "p", "--database-url", "mysql://h/x"]).exits(2).says("is not postgresql://");
}

#[test]
fn a_kept_server_can_be_looked_into_until_the_next_run() {
    let sandbox = sandbox("'g'", &gate("g", &sql("INSERT INTO t VALUES (42)")));
    let transcript = sandbox.run(&["gate", "p", "--keep-services"]).exits(0).says("is kept; `kill -INT");
    let pids = servers(&sandbox);
    let urls: Vec<&str> = transcript.stderr.lines().filter_map(|line| Some(line.split_once("psql '")?.1.trim_end_matches('\''))).collect();
    assert_eq!(urls.len(), 1, "the clone, and no template, which is closed\n{transcript}");
    let output = Command::new(tool("psql", "postgresql-client")).args(["-X", "-At", "-c", "SELECT a FROM t", urls[0]]).output().expect("psql starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "42", "{}", String::from_utf8_lossy(&output.stderr));
    sandbox.run(&["gate", "p"]).exits(0).says("a database server that was kept by run");
    nothing_is_left(&sandbox, &pids);
}

/// Runs in mounts of its own, which only root can make.
fn mounted(sandbox: &Sandbox, script: &str) -> Transcript {
    let script = script.replace("XTASK", env!("CARGO_BIN_EXE_xtask"));
    let output =
        Command::new(tool("unshare", "util-linux")).args(["--mount", "sh", "-euc", &script]).current_dir(sandbox.root()).output().expect("unshare starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let transcript = Transcript { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) };
    assert!(!transcript.stderr.contains("unshare:"), "this test needs root, to make mounts\n{transcript}");
    transcript
}

fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("ours");
}

#[test]
fn without_a_server_of_the_system_npm_has_one() {
    let sandbox = sandbox("'g'", &gate("g", &sql("SELECT version()")));
    let hide = "mount -t tmpfs none /usr/lib/postgresql; cp -r \"$(dirname \"$(readlink -f \"$(command -v psql)\")\")\" /dev/null 2>/dev/null || true;";
    // `psql` of Debian is a wrapper that wants the hidden folder: the gate asks by the driver of another package.
    sandbox.write("migrate.sh", "true\n");
    sandbox.write(
        "gates.toml",
        &sandbox.read("gates.toml").replace("psql -X -At -v ON_ERROR_STOP=1 \"$DATABASE_URL\" -c \"SELECT version()\"", "test -n \"$DATABASE_URL\""),
    );
    mounted(&sandbox, &format!("{hide} XTASK gate p")).exits(0).says("npm ").says("PostgreSQL 15.");
    assert!(sandbox.path(".gates/cache/postgres-15").is_dir());
    mounted(&sandbox, &format!("{hide} PATH=/usr/bin:/bin; mount --bind /bin/false \"$(readlink -f \"$(command -v npm)\")\"; XTASK gate p"))
        .exits(0)
        .says("npm ");
    nothing_is_left(&sandbox, &servers(&sandbox));
}

#[test]
fn without_any_server_the_way_out_is_named() {
    let sandbox = sandbox("'g', 'h'", &format!("{}{}", gate("g", &sql("SELECT 1")), gate("h", "run = ['true']")));
    let hide = "mount -t tmpfs none /usr/lib/postgresql; mount --bind /bin/false \"$(readlink -f \"$(command -v npm)\")\";";
    mounted(&sandbox, &format!("{hide} XTASK gate p")).exits(3).says("there is no PostgreSQL 15 here").says("apt-get install postgresql-15");
    assert_eq!((sandbox.verdict("g"), sandbox.verdict("h")), ("skipped".to_owned(), "pass".to_owned()));
}

#[test]
fn a_full_disk_of_the_server_is_red_and_the_next_run_works() {
    let fill = "INSERT INTO t SELECT generate_series(1, 20000000)";
    let sandbox = sandbox("'g'", &gate("g", &sql(fill)));
    open_to_all(sandbox.root());
    let mounts = "mkdir small; mount -t tmpfs -o size=290m,mode=1777 none small; mount -t tmpfs -o size=100m none /dev/shm;";
    let transcript = mounted(&sandbox, &format!("{mounts} TMPDIR=\"$PWD/small\" XTASK gate p"));
    assert!([1, 70].contains(&transcript.code), "{transcript}");
    let transcript = transcript.says("No space left on device");
    nothing_is_left(&sandbox, &servers(&sandbox));
    assert_eq!(sandbox.files("small").len(), 0, "{transcript}");
    sandbox.write("gates.toml", &sandbox.read("gates.toml").replace(fill, "SELECT 1"));
    sandbox.run(&["gate", "p"]).exits(0);
}

#[test]
fn a_long_folder_for_temporary_files_is_no_obstacle() {
    let mut sandbox = sandbox("'g'", &gate("g", &sql("SELECT 1")));
    let long = sandbox.path(&"x".repeat(150));
    std::fs::create_dir(&long).expect("created");
    sandbox.set("TMPDIR", &long.display().to_string());
    sandbox.run(&["gate", "p"]).exits(0);
    open_to_all(sandbox.root());
    // Only the long place has room: nothing suits, and each place says why.
    // The binary may lie below /tmp, which is about to be hidden.
    let mounts = "cp XTASK own-xtask; mount --bind . /mnt; cd /mnt; for place in /dev/shm /var/tmp /tmp; do mount -t tmpfs -o size=1m none $place; done;";
    let transcript = mounted(&sandbox, &format!("{mounts} TMPDIR=/mnt/{} ./own-xtask gate p", "x".repeat(150)));
    transcript.exits(3).says("no place for a database server").says("hint: free some space, or name a short TMPDIR");
}
