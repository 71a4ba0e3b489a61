//! Arguments of the commands about databases. Knows no behaviour.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Which database.
#[derive(Clone, Debug, Args)]
pub struct DbTarget {
    /// Database of gates.toml that has scripts of Alembic. Default: the only one.
    pub database: Option<String>,
    /// Its address; the environment is not asked.
    #[arg(long, value_name = "URL")]
    pub url: String,
}

/// What to do with a database.
#[derive(Clone, Debug, Subcommand)]
pub enum DbCommand {
    /// Say which of the states its migrations are in, with the evidence and the next step.
    Status {
        /// Which database.
        #[command(flatten)]
        target: DbTarget,
        /// Exit 1 unless it is there: `head`, or a revision.
        #[arg(long, value_name = "head|REV")]
        expect: Option<String>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Compare it with what the models say; exit 1 where they differ.
    Drift {
        /// Which database.
        #[command(flatten)]
        target: DbTarget,
        /// Also write one case an object as JUnit.
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
    },
}
