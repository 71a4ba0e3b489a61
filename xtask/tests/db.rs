//! The states of a database of an Alembic application, each made on a real PostgreSQL and named right; and what differs from the models.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::support::{Sandbox, Transcript, demo_tool};
use xtask::postgres::{Own, Server, Side, Start, binaries};

const ENV: &str = r#"
import os
import sqlalchemy
from alembic import context
from models import Base
engine = sqlalchemy.create_engine(os.environ["DATABASE_URL"])
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
"#;

const MODELS: &str = r#"
import enum
from sqlalchemy import CheckConstraint, Column, Enum, ForeignKey, Index, Integer, MetaData, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase

class Base(DeclarativeBase):
    metadata = MetaData(naming_convention={"ck": "ck_%(table_name)s_%(constraint_name)s", "pk": "pk_%(table_name)s", "fk": "fk_%(table_name)s_%(column_0_name)s", "uq": "uq_%(table_name)s_%(column_0_name)s"})

class State(enum.Enum):
    draft = "draft"
    sold = "sold"

class Item(Base):
    __tablename__ = "items"
    id = Column(Integer, primary_key=True)
    sku = Column(String(20), nullable=False, unique=True)
    state = Column(Enum(State, name="item_state"), nullable=False)
    cents = Column(Integer, nullable=False, server_default=text("0"))
    notes = Column(JSONB)
    __table_args__ = (Index("ix_items_state_sku", "state", "sku"), CheckConstraint("cents >= 0", name="cents"))

class Sale(Base):
    __tablename__ = "sales"
    id = Column(Integer, primary_key=True)
    item = Column(ForeignKey("items.id"), nullable=False)
"#;

const REVISIONS: &[(&str, &str)] = &[
    (
        "0001",
        "op.execute(\"CREATE TYPE item_state AS ENUM ('draft', 'sold')\")\n    op.execute(\"CREATE TABLE items (id SERIAL CONSTRAINT pk_items PRIMARY KEY, sku VARCHAR(20) NOT NULL CONSTRAINT uq_items_sku UNIQUE, state item_state NOT NULL)\")",
    ),
    (
        "0002",
        "op.execute(\"ALTER TABLE items ADD cents INTEGER NOT NULL DEFAULT 0 CONSTRAINT ck_items_cents CHECK (cents >= 0), ADD notes JSONB\")\n    op.execute(\"CREATE INDEX ix_items_state_sku ON items (state, sku)\")",
    ),
    (
        "0003",
        "op.execute(\"CREATE TABLE sales (id SERIAL CONSTRAINT pk_sales PRIMARY KEY, item INTEGER NOT NULL CONSTRAINT fk_sales_item REFERENCES items (id))\")",
    ),
];

/// A repository with scripts, and a server of its own.
struct Yard {
    sandbox: Sandbox,
    server: Server,
    _folder: tempfile::TempDir,
}

impl Drop for Yard {
    fn drop(&mut self) {
        self.server.close().ok();
    }
}

fn yard() -> Yard {
    let mut sandbox = Sandbox::new(
        "schema = 1\n[service.pg]\nkind = 'postgres'\nversion = '15'\n[database.app]\nservice = 'pg'\nalembic = 'alembic.ini'\nurl-scheme = 'postgresql+psycopg'\n\
         inputs = ['alembic/**', 'models.py']\nmigrate = [['alembic', 'upgrade', 'head']]\n[phase.p]\ngates = ['g']\n[gate.g]\nowner = 'me'\nrun = ['true']\n",
    );
    let python = PathBuf::from(demo_tool("demo/backend/.venv/bin/python"));
    sandbox.put_first_on_path(&python.parent().expect("a folder").display().to_string());
    sandbox.write("alembic.ini", "[alembic]\nscript_location = %(here)s/alembic\nprepend_sys_path = %(here)s\npath_separator = os\n");
    sandbox.write("alembic/env.py", ENV);
    sandbox.write("models.py", MODELS);
    let mut down = "None".to_owned();
    for (revision, body) in REVISIONS {
        let text = format!("from alembic import op\nrevision = '{revision}'\ndown_revision = {down}\ndef upgrade():\n    {body}\ndef downgrade():\n    pass\n");
        sandbox.write(&format!("alembic/versions/{revision}.py"), &text);
        down = format!("'{revision}'");
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let found = binaries::system("15", &path).expect("these tests need PostgreSQL 15: install the Debian package `postgresql-15`");
    let (log, note) = (folder.path().join("log"), folder.path().join("note"));
    let start =
        Start { binaries: found, log: &log, note: &note, keep: false, tmp: None, mark: ("GATE_MARK".to_owned(), "db-tests".to_owned()), stopped: &|| false };
    let own = Own::start(&start).expect("a server");
    Yard { sandbox, server: Server::new(Side::Own(own), "dbtests", note.clone(), false), _folder: folder }
}

impl Yard {
    /// A database at a revision, or an empty one.
    fn database(&self, revision: Option<&str>) -> String {
        let name = self.server.create("app", None).expect("created");
        if let Some(revision) = revision {
            let python = demo_tool("demo/backend/.venv/bin/python");
            let mut command = Command::new(python);
            command.args(["-m", "alembic", "upgrade", revision]).current_dir(self.sandbox.root()).env("DATABASE_URL", self.url(&name));
            let output = command.output().expect("it starts");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        name
    }

    fn url(&self, name: &str) -> String {
        self.server.url(name, "postgresql+psycopg")
    }

    fn sql(&self, name: &str, text: &str) {
        self.server.sql(Some(name), text).unwrap_or_else(|why| panic!("{text}: {why}"));
    }

    fn db(&self, command: &str, url: &str, more: &[&str]) -> Transcript {
        let args: Vec<&str> = ["db", command, "--url", url].iter().chain(more).copied().collect();
        self.sandbox.run(&args)
    }

    /// State and the whole answer.
    fn status(&self, name: &str, more: &[&str]) -> (String, Value, i32) {
        let told = self.db("status", &self.url(name), &[&["--json"], more].concat());
        let value: Value = serde_json::from_str(&told.stdout).unwrap_or_else(|_| panic!("{told}"));
        (value["state"].as_str().unwrap_or_default().to_owned(), value, told.code)
    }
}

#[test]
fn every_state_is_named_right() {
    let yard = yard();
    let state = |name: &str| yard.status(name, &[]).0;

    let empty = yard.database(None);
    assert_eq!(state(&empty), "empty");
    let head = yard.database(Some("head"));
    assert_eq!((state(&head).as_str(), yard.status(&head, &["--expect", "head"]).2), ("at-head", 0));

    let behind = yard.database(Some("0001"));
    let (word, told, code) = yard.status(&behind, &["--expect", "head"]);
    assert_eq!((word.as_str(), &told["pending"], code), ("behind", &serde_json::json!(["0002", "0003"]), 1), "{told}");
    assert_eq!(yard.status(&behind, &["--expect", "0001"]).2, 0);

    let (word, told, code) = yard.status(&head, &["--expect", "0002"]);
    assert_eq!((word.as_str(), code), ("ahead", 1), "{told}");

    yard.sql(&empty, "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)");
    assert_eq!(state(&empty), "empty", "a version table without a row says nothing");
    yard.sql(&empty, "INSERT INTO alembic_version VALUES ('0003')");
    let (word, told, code) = yard.status(&empty, &["--expect", "head"]);
    assert_eq!((word.as_str(), code), ("partly-migrated", 1), "stamped, and nothing there: {told}");

    let unknown = yard.database(Some("head"));
    yard.sql(&unknown, "UPDATE alembic_version SET version_num = 'beef'");
    assert_eq!(state(&unknown), "unknown-revision");
    yard.sql(&unknown, "UPDATE alembic_version SET version_num = '0003'; INSERT INTO alembic_version VALUES ('0001')");
    assert_eq!(state(&unknown), "several-heads");

    let unversioned = yard.database(Some("0002"));
    yard.sql(&unversioned, "DELETE FROM alembic_version");
    let (word, told, _) = yard.status(&unversioned, &[]);
    assert_eq!((word.as_str(), &told["nearest"][0]), ("populated-unversioned", &serde_json::json!(["0002", 0])), "{told}");
    yard.sql(&unversioned, "DROP TABLE alembic_version; CREATE TABLE extra (a int)");
    let (word, told, _) = yard.status(&unversioned, &[]);
    assert_eq!((word.as_str(), &told["nearest"][0]), ("populated-unversioned", &serde_json::json!(["0002", 2])), "{told}");
    yard.sql(&unversioned, "DROP TABLE extra; DROP TABLE items");
    assert_eq!(state(&unversioned), "populated-unversioned", "a type is left");

    let half = yard.database(Some("0002"));
    yard.sql(&half, "CREATE TABLE sales (id SERIAL CONSTRAINT pk_sales PRIMARY KEY, item INTEGER NOT NULL)");
    let (word, told, _) = yard.status(&half, &[]);
    assert_eq!(word, "partly-migrated", "{told}");
    assert!(told["evidence"].as_array().is_some_and(|lines| lines.iter().any(|line| line == "extra: table public.sales")), "{told}");
}

#[test]
fn who_cannot_be_asked_says_why() {
    let yard = yard();
    let head = yard.database(Some("head"));
    let url = yard.url(&head);
    let told = yard.db("status", &url.replace("@127.0.0.1:", "@127.0.0.1:1"), &["--json"]).exits(3);
    assert!(told.stdout.contains("\"unreachable\""), "{told}");
    yard.db("status", &format!("{url}_gone"), &[]).exits(3);
    let wrong = url.replacen(':', "://gates:wrong@", 1).replacen("//gates:wrong@//", "//gates:wrong@", 1);
    let at = wrong.rfind('@').expect("a host");
    let wrong = format!("postgresql://gates:wrong{}", &wrong[at..]);
    let told = yard.db("status", &wrong, &["--json"]).exits(3);
    assert!(told.stdout.contains("\"no-permission\""), "{told}");
    assert!(!told.stdout.contains("gates:wrong") && !told.stderr.contains("gates:wrong"), "no password is shown: {told}");
    yard.sql(&head, "CREATE ROLE reader LOGIN PASSWORD 'reader'");
    let reader = format!("postgresql://reader:reader{}", &wrong[wrong.rfind('@').expect("a host")..]);
    let told = yard.db("status", &reader, &["--json"]).exits(3);
    assert!(told.stdout.contains("may not read public.alembic_version"), "{told}");
    yard.sql(&head, "GRANT SELECT ON alembic_version TO reader");
    yard.db("status", &reader, &["--expect", "head"]).exits(0).stdout.contains("at-head").then_some(()).expect("reading is enough");
    yard.db("status", &url, &["--expect", "0009"]).exits(2).says("the scripts have no revision `0009`");
    yard.sandbox.run(&["db", "status", "apq", "--url", &url]).exits(2).says("did you mean `app`?");
    yard.sandbox.write("alembic/versions/0004.py", "revision = '0004'\ndown_revision = '0002'\ndef upgrade():\n    pass\n");
    assert_eq!(yard.status(&head, &[]).0, "several-heads", "two heads in the scripts");
    yard.sandbox.write("alembic/versions/0004.py", "import no_such_module\n");
    yard.db("status", &url, &[]).exits(3).says("no_such_module");
}

#[test]
fn twelve_kinds_of_drift_are_each_found_alone() {
    let yard = yard();
    let clean = yard.database(Some("head"));
    yard.db("drift", &yard.url(&clean), &["--junit", "drift.xml"]).exits(0).says("0 differences");
    assert!(yard.sandbox.read("drift.xml").contains("tests=\""));
    for (kind, change, objects) in [
        ("missing index", "DROP INDEX ix_items_state_sku", "index public.ix_items_state_sku"),
        ("extra index", "CREATE INDEX ix_more ON items (sku)", "index public.ix_more"),
        ("reordered index", "DROP INDEX ix_items_state_sku; CREATE INDEX ix_items_state_sku ON items (sku, state)", "index public.ix_items_state_sku"),
        ("unique", "ALTER TABLE items DROP CONSTRAINT uq_items_sku", "constraint public.items.uq_items_sku"),
        ("foreign key", "ALTER TABLE sales DROP CONSTRAINT fk_sales_item", "constraint public.sales.fk_sales_item"),
        (
            "check",
            "ALTER TABLE items DROP CONSTRAINT ck_items_cents, ADD CONSTRAINT ck_items_cents CHECK (cents > 0)",
            "constraint public.items.ck_items_cents",
        ),
        (
            "renamed constraint",
            "ALTER TABLE items RENAME CONSTRAINT ck_items_cents TO ck_other",
            "constraint public.items.ck_items_cents,constraint public.items.ck_other",
        ),
        ("enum value", "ALTER TYPE item_state ADD VALUE 'lost'", "enum public.item_state"),
        (
            "enum order",
            "ALTER TYPE item_state RENAME VALUE 'draft' TO 'x'; ALTER TYPE item_state RENAME VALUE 'sold' TO 'draft'; ALTER TYPE item_state RENAME VALUE 'x' TO 'sold'",
            "enum public.item_state",
        ),
        ("json", "ALTER TABLE items ALTER notes TYPE json", "column public.items.notes"),
        ("default", "ALTER TABLE items ALTER cents SET DEFAULT 1", "column public.items.cents"),
        ("type", "ALTER TABLE items ALTER sku TYPE varchar(21)", "column public.items.sku"),
    ] {
        let name = yard.database(Some("head"));
        yard.sql(&name, change);
        let told = yard.db("drift", &yard.url(&name), &[]).exits(1);
        let found: Vec<&str> = told.stdout.lines().filter(|line| !line.starts_with("  ")).collect();
        assert_eq!(found.join(","), objects, "{kind}: {told}");
        assert!(told.stdout.contains("  database  ") && told.stdout.contains("  models    "), "both sides: {told}");
    }
}

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
