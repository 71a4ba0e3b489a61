//! What gates.toml may say of services and databases: one type a table, as in the rest of the schema. Knows no meaning.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// A managed process or server, started for the gates that need it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Service {
    /// A process of the repository, or a PostgreSQL server. Default "process".
    pub kind: Option<ServiceKind>,
    /// The process as a list of words, no shell; `{port}` is a free port.
    #[schemars(length(min = 1))]
    pub run: Option<Vec<String>>,
    /// Runtimes, in the order of their folders on PATH.
    #[serde(default)]
    pub runtimes: Vec<String>,
    /// "ID" or "ID:STATE": the clone of the attempt or worker that it serves; with per = "run" a clone of its own.
    #[serde(default)]
    pub databases: Vec<String>,
    /// Services started first and stopped last.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Where it runs. Default ".".
    pub cwd: Option<String>,
    /// Its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Names of environment variables that are passed and masked.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// One a run, one an attempt of a gate, or one a worker of it. Default "gate".
    pub per: Option<PerWord>,
    /// How it says that it is ready; a process needs exactly one way.
    pub ready: Option<Ready>,
    /// From TERM to KILL.
    #[schemars(extend("format" = "duration"))]
    pub grace: Option<String>,
    /// Major version of the PostgreSQL server.
    pub version: Option<String>,
    /// Name of an environment variable; where it is set, the server that it names serves. Never DATABASE_URL.
    pub external_env: Option<String>,
}

/// Kinds of services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum ServiceKind {
    Process,
    Postgres,
}

/// For whom an instance of a service is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum PerWord {
    Run,
    Gate,
    Worker,
}

/// How a service says that it is ready: exactly one of http, tcp, exec, line.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ready {
    /// A path on its port, or an http:// address, that answers with a status below 400.
    pub http: Option<String>,
    /// Its port accepts a connection.
    pub tcp: Option<bool>,
    /// A command that exits with 0.
    #[schemars(length(min = 1))]
    pub exec: Option<Vec<String>>,
    /// A regular expression that a line of its output matches.
    pub line: Option<String>,
    /// Longest time until then. Default "30s".
    #[schemars(extend("format" = "duration"))]
    pub timeout: Option<String>,
}

/// A template of PostgreSQL databases; a gate that names it gets a clone for each attempt and worker.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Database {
    /// A service of kind postgres.
    pub service: String,
    /// Runtimes of `migrate`.
    #[serde(default)]
    pub runtimes: Vec<String>,
    /// Where `migrate` runs. Default ".".
    pub cwd: Option<String>,
    /// alembic.ini of its scripts: enables `db` for it.
    pub alembic: Option<String>,
    /// Commands that build the state `migrated` on an empty database.
    #[serde(default)]
    pub migrate: Vec<Vec<String>>,
    /// Globs of the files that `migrate` reads: their digest is the template's fingerprint.
    #[serde(default)]
    pub inputs: Vec<String>,
    /// Further states: name and SQL file, loaded into an empty database.
    #[serde(default)]
    pub fixtures: BTreeMap<String, String>,
    /// Variable that holds the clone's URL in every step and service that names the database. Default "DATABASE_URL".
    pub url_env: Option<String>,
    /// Scheme of that URL. Default "postgresql".
    pub url_scheme: Option<String>,
}
