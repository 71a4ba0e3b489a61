//! A real server: templates, clones, and what happens when it dies.

use std::path::Path;

use super::*;
use crate::process::spawn;

/// A server in a folder of its own.
fn server(folder: &Path, keep: bool) -> Server {
    let path = "/usr/bin:/bin".to_owned();
    let npm = binaries::Npm { exe: None, env: std::collections::BTreeMap::new() };
    let found = binaries::find("15", &path, folder, &npm).unwrap_or_else(|why| panic!("this test needs PostgreSQL 15 (Debian package `postgresql-15`): {why}"));
    let note = folder.join("note.json");
    let (log, mark) = (folder.join("log"), ("GATE_MARK".to_owned(), "test".to_owned()));
    let start = Start { binaries: found, log: &log, note: &note, keep, tmp: None, mark, stopped: &|| false };
    Server::new(Side::Own(Own::start(&start).expect("it starts")), "20260101-r", note, keep)
}

fn one(rows: Rows) -> String {
    rows.into_iter().flatten().flatten().next().unwrap_or_default()
}

fn count(server: &Server, database: &str, table: &str) -> String {
    one(server.sql(Some(database), &format!("SELECT count(*) FROM {table}")).expect("counted"))
}

#[test]
fn clones_are_apart_and_nobody_connects_to_a_template() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let server = server(folder.path(), false);
    let template = server.create("template_app", None).expect("made");
    let file = folder.path().join("fixture.sql");
    let dump = "\\restrict x\nCREATE TABLE t (a int);\nINSERT INTO t VALUES (1), (2);\n\\unrestrict x\n";
    crate::rundir::write_atomic(&file, dump.as_bytes()).expect("written");
    server.load(&template, &file).expect("loaded");
    server.sql(None, &format!("ALTER DATABASE {} SET search_path = other, public", quoted(&template))).expect("set");
    server.seal(&template).expect("sealed");
    assert!(server.sql(Some(&template), "SELECT 1").expect_err("closed").contains("not currently accepting connections"));

    let (a, b) = (server.create("my-app", Some(&template)).expect("cloned"), server.create("my-app", Some(&template)).expect("cloned"));
    assert!(a != b && a.starts_with("gates_20260101_r_") && a.ends_with("_my_app"), "{a} {b}");
    server.sql(Some(&a), "DELETE FROM t").expect("deleted");
    assert_eq!((count(&server, &a, "t"), count(&server, &b, "t")), ("0".to_owned(), "2".to_owned()));
    assert_eq!(one(server.sql(Some(&a), "SHOW search_path").expect("shown")), "other, public", "what the template was set to");
    let empty = server.create("app", None).expect("made");
    assert_eq!(count(&server, &empty, "pg_stat_user_tables"), "0");

    server.drop_database(&a).expect("dropped");
    assert!(server.sql(Some(&a), "SELECT 1").is_err());
    server.drop_database("postgres").expect("not ours: left alone");
    assert_eq!(one(server.sql(Some("postgres"), "SELECT 1").expect("there")), "1");
    let why = server.sql(Some(&b), "SELECT * FROM nothing").expect_err("no table");
    assert_eq!(why, "ERROR: relation \"nothing\" does not exist (42P01)");
    assert!(server.load(&b, &folder.path().join("none.sql")).is_err());
    let url = server.url(&b, "postgresql+psycopg");
    assert!(url.starts_with("postgresql+psycopg://gates:") && url.contains("@127.0.0.1:"), "{url}");

    let base = Noted::read(&folder.path().join("note.json")).and_then(|noted| noted.base).expect("noted");
    server.close().expect("closed");
    assert!(!Path::new(&base).exists() && !folder.path().join("note.json").exists());
}

#[test]
fn a_start_that_is_cancelled_leaves_nothing() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let npm = binaries::Npm { exe: None, env: std::collections::BTreeMap::new() };
    let found = binaries::find("15", "/usr/bin:/bin", folder.path(), &npm).expect("Debian package `postgresql-15`");
    let (log, note) = (folder.path().join("log"), folder.path().join("note.json"));
    for begun in ["creating subdirectories", "running bootstrap script", "ready to accept connections"] {
        let base = std::cell::RefCell::new(None);
        let stopped = || {
            *base.borrow_mut() = Noted::read(&note).and_then(|noted| noted.base).or_else(|| base.borrow().clone());
            std::fs::read_to_string(&log).is_ok_and(|said| said.contains(begun))
        };
        let mark = ("GATE_MARK".to_owned(), "test".to_owned());
        let start = Start { binaries: found.clone(), log: &log, note: &note, keep: false, tmp: None, mark, stopped: &stopped };
        match Own::start(&start) {
            Ok(own) if begun.starts_with("ready") => own.end(), // it may answer before anybody sees that it was to stop
            Ok(_) => panic!("{begun}: it started although it was stopped"),
            Err(_) => assert!(!note.exists()),
        }
        let base = base.borrow().clone().expect("noted before anything is in it");
        assert!(!Path::new(&base).exists(), "{begun}: {base} is left");
        std::fs::remove_file(&log).expect("ours");
    }
}

#[test]
fn copy_from_stdin_is_an_error_and_not_a_wait() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let server = server(folder.path(), false);
    let name = server.create("a", None).expect("made");
    let why = server.sql(Some(&name), "CREATE TABLE t (a int); COPY t FROM stdin").expect_err("no data");
    assert!(why.contains("no data here"), "{why}");
    server.close().expect("closed");
}

#[test]
fn a_killed_server_is_told_and_its_folder_goes() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let server = server(folder.path(), false);
    let (pid, _) = server.process().expect("ours");
    assert_eq!(server.lost(), None);
    let base = Noted::read(&folder.path().join("note.json")).and_then(|noted| noted.base).expect("noted");
    spawn::signal_one(rustix::process::Pid::from_raw(pid).expect("positive"), rustix::process::Signal::KILL);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while server.lost().is_none() {
        assert!(std::time::Instant::now() < until, "it is gone and nobody says so");
        std::thread::yield_now();
    }
    assert!(server.create("a", None).expect_err("lost").contains("ended by itself (signal 9)"));
    server.close().expect("closed");
    assert!(!Path::new(&base).exists());
}

#[test]
fn a_dead_runs_server_is_ended_by_its_note() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let server = server(folder.path(), true);
    let noted = Noted::read(&folder.path().join("note.json")).expect("noted");
    server.close().expect("kept");
    assert_eq!(server.lost(), None, "it was to be kept");
    let home = home::Home::noted(noted.base.as_deref().expect("noted")).expect("ours");
    assert_eq!(home.postmaster(), server.process().map(|(pid, _)| pid));
    home.end();
    assert!(server.lost().is_some() && !home.base.exists());
}
