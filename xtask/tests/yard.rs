//! A repository with the scripts of an Alembic application, and a PostgreSQL server of its own, for the tests of `db`.

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
pub(crate) struct Yard {
    pub(crate) sandbox: Sandbox,
    pub(crate) server: Server,
    _folder: tempfile::TempDir,
}

impl Drop for Yard {
    fn drop(&mut self) {
        self.server.close().ok();
    }
}

pub(crate) fn yard() -> Yard {
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
    pub(crate) fn database(&self, revision: Option<&str>) -> String {
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

    pub(crate) fn url(&self, name: &str) -> String {
        self.server.url(name, "postgresql+psycopg")
    }

    pub(crate) fn sql(&self, name: &str, text: &str) {
        self.server.sql(Some(name), text).unwrap_or_else(|why| panic!("{text}: {why}"));
    }

    pub(crate) fn db(&self, command: &str, url: &str, more: &[&str]) -> Transcript {
        let args: Vec<&str> = ["db", command, "--url", url].iter().chain(more).copied().collect();
        self.sandbox.run(&args)
    }

    /// State and the whole answer.
    pub(crate) fn status(&self, name: &str, more: &[&str]) -> (String, Value, i32) {
        let told = self.db("status", &self.url(name), &[&["--json"], more].concat());
        let value: Value = serde_json::from_str(&told.stdout).unwrap_or_else(|_| panic!("{told}"));
        (value["state"].as_str().unwrap_or_default().to_owned(), value, told.code)
    }
}
