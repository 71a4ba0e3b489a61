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
    /// Write a dump of it, with a manifest that says what it holds, into a new folder.
    Snapshot(SnapshotArgs),
    /// Put a snapshot into a new database, compare it with the manifest, and only then change the names.
    Restore(RestoreArgs),
    /// Give a populated database without a revision the one that its schema has, and upgrade it.
    Bootstrap(BootstrapArgs),
    /// Snapshot, restore on a server of our own, comparison.
    Drill {
        /// Which database.
        #[command(flatten)]
        target: DbTarget,
        /// Refuse a database without a valid revision.
        #[arg(long)]
        strict: bool,
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

/// Arguments of `db snapshot`.
#[derive(Clone, Debug, Args)]
pub struct SnapshotArgs {
    /// Which database.
    #[command(flatten)]
    pub target: DbTarget,
    /// The new folder.
    #[arg(long, short, value_name = "DIR")]
    pub out: PathBuf,
    /// A file that belongs to it.
    #[arg(long, value_name = "FILE")]
    pub file: Vec<PathBuf>,
}

/// Arguments of `db restore`.
#[derive(Clone, Debug, Args)]
pub struct RestoreArgs {
    /// The folder of a snapshot.
    pub snapshot: PathBuf,
    /// Which database; the one that --url names is replaced.
    #[command(flatten)]
    pub target: DbTarget,
    /// Name of the database that may be replaced.
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// The snapshot is of a database with another name.
    #[arg(long)]
    pub foreign: bool,
    /// The snapshot may be of an earlier revision than what is there.
    #[arg(long)]
    pub older: bool,
}

/// Arguments of `db bootstrap`.
#[derive(Clone, Debug, Args)]
pub struct BootstrapArgs {
    /// Which database.
    #[command(flatten)]
    pub target: DbTarget,
    /// The revision that its schema has. Without it: what was found, and a proposal.
    #[arg(long, value_name = "REV")]
    pub stamp: Option<String>,
    /// Name of the database that is changed.
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// New folder of the snapshot that is taken first. Default: below .gates/snapshots.
    #[arg(long, value_name = "DIR")]
    pub snapshot: Option<PathBuf>,
}
