//! Snapshots that come back, those that must not, and the way of a populated database without a revision to the head.

use std::process::Command;

use serde_json::Value;

use crate::support::{Transcript, demo_tool};
use crate::yard::{Yard, yard};

impl Yard {
    /// A database at the head with some rows.
    fn filled(&self) -> String {
        let name = self.database(Some("head"));
        self.sql(&name, "INSERT INTO items (sku, state, notes) SELECT 'sku ' || n, 'draft', '{\"a\": 1}' FROM generate_series(1, 500) n; INSERT INTO sales (item) SELECT id FROM items LIMIT 20");
        name
    }

    fn rows(&self, name: &str) -> String {
        let rows = self.server.sql(Some(name), "SELECT (SELECT count(*) FROM items) || '/' || (SELECT count(*) FROM sales)").expect("asked");
        rows.into_iter().flatten().flatten().collect()
    }

    fn databases(&self) -> Vec<String> {
        self.server.sql(None, "SELECT datname FROM pg_database ORDER BY 1").expect("asked").into_iter().flatten().flatten().collect()
    }
}

#[test]
fn a_snapshot_comes_back_and_what_was_there_is_kept() {
    let yard = yard();
    let name = yard.filled();
    let url = yard.url(&name);
    yard.sandbox.write("uploads.tar", "a file that belongs to it");
    yard.db("snapshot", &url, &["--out", "snap", "--file", "uploads.tar"]).exits(0).says("3 tables with 521 rows").says("state at-head");
    assert_eq!(yard.sandbox.read("snap/files/uploads.tar"), "a file that belongs to it");
    yard.db("snapshot", &url, &["--out", "snap"]).exits(2).says("is there already");
    yard.sql(&name, "DELETE FROM sales; DELETE FROM items WHERE id > 7; INSERT INTO items (sku, state) VALUES ('later', 'sold')");
    let damaged = yard.rows(&name);

    let restore = |more: &[&str]| yard.db("restore", &url, &[&["snap"], more].concat());
    restore(&[]).exits(2).says(&format!("{name} is there, and would be replaced")).says(&format!("--confirm {name}"));
    restore(&["--confirm", "other"]).exits(2);
    assert_eq!(yard.rows(&name), damaged);
    let told = restore(&["--confirm", &name]).exits(0).says("3 tables proven");
    assert_eq!(yard.rows(&name), "500/20");
    let kept = yard.databases().into_iter().find(|other| other.starts_with(&format!("{name}_before_"))).expect("it is kept");
    assert!(told.stdout.contains(&kept), "{told}");
    assert_eq!(yard.rows(&kept), damaged, "nothing is lost");
    assert_eq!(yard.status(&name, &["--expect", "head"]).2, 0);
}

#[test]
fn a_snapshot_that_is_not_right_replaces_nothing() {
    let yard = yard();
    let name = yard.filled();
    let url = yard.url(&name);
    yard.db("snapshot", &url, &["--out", "snap"]).exits(0);
    let before = (yard.rows(&name), yard.databases());
    let dump = yard.sandbox.path("snap/database.dump");
    let whole = std::fs::read(&dump).expect("the dump");
    let refused = |bytes: &[u8], said: &str| {
        std::fs::write(&dump, bytes).expect("written");
        yard.db("restore", &url, &["snap", "--confirm", &name]).exits(1).says(said);
        assert_eq!((yard.rows(&name), yard.databases()), before, "{said}");
    };
    refused(&whole[..whole.len() - 200], "is shorter than it was");
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xFF;
    refused(&flipped, "is not what was written");
    // Whoever forges the manifest too still meets the end of the archive.
    let manifest = yard.sandbox.read("snap/manifest.json");
    let cut = &whole[..whole.len() - 200];
    std::fs::write(&dump, cut).expect("written");
    let digest = format!("blake3:{}", blake3::hash(cut).to_hex());
    let mut forged: Value = serde_json::from_str(&manifest).expect("JSON");
    forged["files"][0]["size"] = cut.len().into();
    forged["files"][0]["digest"] = digest.into();
    yard.sandbox.write("snap/manifest.json", &forged.to_string());
    refused(cut, "cannot be read to its end");
    yard.sandbox.write("snap/manifest.json", &manifest.replace("\"rows\": 500", "\"rows\": 501"));
    refused(&whole, "public.items has 500 rows, and the snapshot has 501");
    yard.sandbox.write("snap/manifest.json", &manifest.replace(&format!("\"database\": \"{name}\""), "\"database\": \"another\""));
    refused(&whole, "the snapshot is of database another");
    yard.sandbox.write("snap/manifest.json", &manifest);

    let old = yard.database(Some("0001"));
    yard.db("snapshot", &yard.url(&old), &["--out", "old"]).exits(0).says("state behind");
    let restore = yard.db("restore", &url, &["old", "--confirm", &name, "--foreign"]).exits(1);
    assert!(restore.stderr.contains("older than what is there: 0001 comes before 0003"), "{restore}");
    assert_eq!(yard.rows(&name), before.0);
    yard.db("restore", &url, &["nowhere", "--confirm", &name]).exits(1).says("holds no snapshot");
}

#[test]
fn a_drill_proves_the_way_back() {
    let yard = yard();
    let name = yard.filled();
    let told = yard.db("drill", &yard.url(&name), &["--strict"]).exits(0);
    assert!(told.stdout.contains("restored and equal: 3 tables with 521 rows, state at-head"), "{told}");
    yard.sql(&name, "DROP TABLE alembic_version");
    yard.db("drill", &yard.url(&name), &[]).exits(0);
    yard.db("drill", &yard.url(&name), &["--strict"]).exits(1).says("--strict: a snapshot in state populated-unversioned");
    assert!(yard.sandbox.files(".gates/scratch").is_empty(), "nothing is left");
}

#[test]
fn settings_of_the_source_do_not_look_like_lost_rows() {
    let yard = yard();
    let name = yard.filled();
    yard.sql(&name, "ALTER TABLE items ADD seen timestamptz DEFAULT now(), ADD sum float8 DEFAULT 0.1");
    for setting in ["timezone = 'Pacific/Kiritimati'", "datestyle = 'German'", "extra_float_digits = -3", "search_path = nowhere"] {
        yard.sql(&name, &format!("ALTER DATABASE \"{name}\" SET {setting}"));
    }
    yard.db("drill", &yard.url(&name), &[]).exits(0);
    yard.db("drill", &yard.url(&name), &["--strict"]).exits(1).says("--strict: a snapshot in state partly-migrated"); // two columns more than its revision makes
    let clean = yard.filled();
    yard.sql(&clean, &format!("ALTER DATABASE \"{clean}\" SET search_path = public, nowhere"));
    assert_eq!(yard.status(&clean, &["--expect", "head"]).2, 0);
}

#[test]
fn grants_come_back_with_a_restore() {
    let yard = yard();
    let name = yard.filled();
    let url = yard.url(&name);
    yard.sql(&name, "CREATE ROLE clerk; GRANT SELECT ON items TO clerk");
    yard.db("snapshot", &url, &["--out", "snap"]).exits(0);
    yard.db("restore", &url, &["snap", "--confirm", &name]).exits(0);
    let granted = yard.server.sql(Some(&name), "SELECT has_table_privilege('clerk', 'items', 'select')").expect("asked");
    assert_eq!(granted.into_iter().flatten().flatten().collect::<String>(), "t");
    yard.sandbox.write("snap/manifest.json", &yard.sandbox.read("snap/manifest.json").replace("\"id\": \"app\"", "\"id\": \"other\""));
    yard.db("restore", &url, &["snap", "--confirm", &name, "--foreign"]).exits(1).says("the snapshot is of [database.other]");
}

impl Yard {
    /// What production looks like: populated at a revision, and nobody wrote down which.
    fn legacy(&self) -> String {
        let name = self.database(Some("0002"));
        self.sql(&name, "INSERT INTO items (sku, state, cents) SELECT 'sku ' || n, 'sold', n FROM generate_series(1, 300) n; DROP TABLE alembic_version");
        name
    }

    fn items(&self, name: &str) -> String {
        self.server.sql(Some(name), "SELECT count(*) || '/' || sum(cents) FROM items").expect("asked").into_iter().flatten().flatten().collect()
    }

    fn bootstrap(&self, name: &str, more: &[&str]) -> Transcript {
        self.db("bootstrap", &self.url(name), more)
    }
}

#[test]
fn a_populated_database_without_a_revision_is_brought_to_the_head() {
    let yard = yard();
    let name = yard.legacy();
    let before = yard.items(&name);
    let told = yard.bootstrap(&name, &[]).exits(1).says("nothing was changed: its schema is that of 0002").says(&format!("--stamp 0002 --confirm {name}"));
    assert!(told.stdout.contains("nearest    0002: the same schema"), "{told}");
    yard.bootstrap(&name, &["--stamp", "0002"]).exits(2).says("it is not confirmed");
    yard.bootstrap(&name, &["--stamp", "0002", "--confirm", "production"]).exits(2).says("is not the database that --url names");
    yard.bootstrap(&name, &["--stamp", "0003", "--confirm", &name]).exits(1).says("differs from what 0003 makes").says("missing: table public.sales");
    yard.bootstrap(&name, &["--stamp", "head", "--confirm", &name]).exits(2).says("the scripts have no revision `head`");
    assert_eq!((yard.status(&name, &[]).0.as_str(), yard.items(&name)), ("populated-unversioned", before.clone()), "nothing was changed");
    assert!(!yard.sandbox.path(".gates/snapshots").exists());

    let told = yard.bootstrap(&name, &["--stamp", "0002", "--confirm", &name]).exits(0);
    assert!(told.stdout.contains(&format!("at-head  {name}: stamped 0002, upgraded to 0003")), "{told}");
    assert_eq!((yard.status(&name, &["--expect", "head"]).2, yard.items(&name)), (0, before.clone()));
    yard.bootstrap(&name, &["--stamp", "0002", "--confirm", &name]).exits(1).says("there is nothing to do");

    // The snapshot that was taken first is the way back.
    let snapshot = yard.sandbox.path(&format!(".gates/snapshots/{name}-1")).display().to_string();
    yard.db("restore", &yard.url(&name), &[&snapshot, "--confirm", &name]).exits(0);
    assert_eq!((yard.status(&name, &[]).0.as_str(), yard.items(&name)), ("populated-unversioned", before));
}

#[test]
fn bootstrap_refuses_every_other_state_with_the_next_command() {
    let yard = yard();
    let refused = |name: &str, state: &str, next: &str| {
        yard.bootstrap(name, &["--stamp", "0002", "--confirm", name]).exits(1).says(next);
        assert_eq!(yard.status(name, &[]).0, state);
    };
    refused(&yard.database(None), "empty", "alembic upgrade head");
    refused(&yard.database(Some("0001")), "behind", "alembic upgrade 0003");
    let half = yard.database(Some("0002"));
    yard.sql(&half, "ALTER TABLE items DROP COLUMN notes");
    refused(&half, "partly-migrated", "compare the lines above");
    let unknown = yard.database(Some("head"));
    yard.sql(&unknown, "UPDATE alembic_version SET version_num = 'beef'");
    refused(&unknown, "unknown-revision", "never stamp over it");
    let other = yard.legacy();
    yard.sql(&other, "CREATE TABLE extra (a int)");
    yard.bootstrap(&other, &[]).exits(1).says("no revision makes this schema");
    yard.bootstrap(&other, &["--stamp", "0002", "--confirm", &other]).exits(1).says("extra: table public.extra");
}

#[test]
fn of_two_bootstraps_at_once_one_refuses() {
    let yard = yard();
    let name = yard.legacy();
    let url = yard.url(&name);
    yard.bootstrap(&name, &[]).exits(1); // the schemas of the revisions are known from now on
    let args = ["db", "bootstrap", "--url", &url, "--stamp", "0002", "--confirm", &name];
    let start = || yard.sandbox.command(&args).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().expect("it starts");
    let (one, two) = (start(), start());
    let ends = [one, two].map(|child| child.wait_with_output().expect("it ends"));
    let codes: Vec<Option<i32>> = ends.iter().map(|end| end.status.code()).collect();
    let said: String = ends.iter().map(|end| String::from_utf8_lossy(&end.stderr).into_owned()).collect();
    assert!(codes.contains(&Some(0)) && codes.contains(&Some(1)), "{codes:?}\n{said}");
    assert!(said.contains("another bootstrap") || said.contains("there is nothing to do"), "{said}");
    assert_eq!(yard.status(&name, &["--expect", "head"]).2, 0);
}

#[test]
fn an_upgrade_that_fails_says_where_it_stopped_and_how_to_go_back() {
    let yard = yard();
    let name = yard.legacy();
    let before = yard.items(&name);
    let script = yard.sandbox.read("alembic/versions/0003.py");
    // It fails on rows alone, so that an empty database still tells what the revision makes.
    yard.sandbox.write(
        "alembic/versions/0003.py",
        &script.replace("op.execute(", "op.execute(\"SELECT 1 / (SELECT count(*) - count(*) FROM items HAVING count(*) > 0)\") or op.execute("),
    );
    let told = yard.bootstrap(&name, &["--stamp", "0002", "--confirm", &name]).exits(1);
    assert!(told.stderr.contains("alembic upgrade head: ") && told.stderr.contains("division by zero"), "{told}");
    assert!(told.stderr.contains("the database is behind") && told.stderr.contains("db restore"), "{told}");
    assert_eq!((yard.status(&name, &[]).0.as_str(), yard.items(&name)), ("behind", before), "nothing is lost");
    yard.sandbox.write("alembic/versions/0003.py", &script);
    let python = demo_tool("demo/backend/.venv/bin/python");
    let output = Command::new(python).args(["-m", "alembic", "upgrade", "0003"]).current_dir(yard.sandbox.root()).env("DATABASE_URL", yard.url(&name)).output();
    assert!(output.expect("it starts").status.success(), "the printed next command mends it");
    assert_eq!(yard.status(&name, &["--expect", "head"]).2, 0);
}

#[test]
fn a_bootstrap_that_is_killed_between_stamp_and_upgrade_is_behind_and_goes_on() {
    use rustix::process::{Pid, Signal, kill_process};
    let yard = yard();
    let name = yard.legacy();
    let before = yard.items(&name);
    yard.bootstrap(&name, &[]).exits(1); // the schemas of the revisions are known from now on
    // The stamp says that it is written, and does not come back before it may.
    let env = yard.sandbox.read("alembic/env.py");
    let (stamped, go) = (yard.sandbox.fifo("stamped"), yard.sandbox.fifo("go"));
    let pause = format!("\nimport sys\nif 'stamp' in sys.argv:\n    open({stamped:?}, 'w').write('x')\n    open({go:?}).read()\n");
    yard.sandbox.write("alembic/env.py", &format!("{env}{pause}"));
    let mut killed = yard.sandbox.start(&["db", "bootstrap", "--url", &yard.url(&name), "--stamp", "0002", "--confirm", &name]);
    crate::support::read_fifo(&stamped);
    kill_process(Pid::from_child(&killed), Signal::KILL).expect("it runs");
    killed.wait().expect("it is ours");
    std::fs::write(&go, "x").expect("somebody reads");
    yard.sandbox.write("alembic/env.py", &env);

    let (state, told, _) = yard.status(&name, &["--expect", "head"]);
    assert_eq!((state.as_str(), &told["revisions"], &told["next"]), ("behind", &serde_json::json!(["0002"]), &serde_json::json!("alembic upgrade 0003")));
    assert_eq!(yard.items(&name), before, "nothing is lost");
    yard.bootstrap(&name, &["--stamp", "0002", "--confirm", &name]).exits(1).says("alembic upgrade 0003");
    let python = demo_tool("demo/backend/.venv/bin/python");
    let words = told["next"].as_str().expect("a command").split(' ').skip(1);
    let output = Command::new(python).args(["-m", "alembic"]).args(words).current_dir(yard.sandbox.root()).env("DATABASE_URL", yard.url(&name)).output();
    assert!(output.expect("it starts").status.success(), "the printed next command mends it");
    assert_eq!((yard.status(&name, &["--expect", "head"]).2, yard.items(&name)), (0, before.clone()));
    // Its lock ended with it, and its snapshot is whole.
    let snapshot = yard.sandbox.path(&format!(".gates/snapshots/{name}-1")).display().to_string();
    yard.db("restore", &yard.url(&name), &[&snapshot, "--confirm", &name, "--older"]).exits(0);
    assert_eq!((yard.status(&name, &[]).0.as_str(), yard.items(&name)), ("populated-unversioned", before));
}
