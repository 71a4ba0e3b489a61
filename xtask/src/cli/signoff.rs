//! The command line of evidence, sign-off, verification, trust and waivers.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCandidates;

use super::complete;

/// Where the trust comes from: never from the change that is judged.
#[derive(Clone, Debug, Default, Args)]
pub struct AnchorArgs {
    /// A folder with the trust, outside of what is judged.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["trust_digest", "trust_ref"])]
    pub trust_dir: Option<PathBuf>,
    /// SHA-256 of the TRUST.json that is trusted; later versions count when its roots signed them.
    #[arg(long, value_name = "sha256:HEX", conflicts_with = "trust_ref")]
    pub trust_digest: Option<String>,
    /// A protected branch. Default: the default branch of the remote `origin`.
    #[arg(long, value_name = "REF")]
    pub trust_ref: Option<String>,
}

/// Arguments of `signoff`.
#[derive(Clone, Debug, Args)]
pub struct SignoffArgs {
    /// Phase.
    #[arg(add = ArgValueCandidates::new(complete::phases))]
    pub phase: String,
    /// Run id, a unique part of it, or `latest`.
    #[arg(long, default_value = "latest", value_name = "ID")]
    pub run: String,
    /// The folder of a run that lies elsewhere, such as an artifact of CI.
    #[arg(long, value_name = "DIR", conflicts_with = "run")]
    pub evidence: Option<PathBuf>,
    /// Key: a file, or `agent`. Default: what git signs with.
    #[arg(long, value_name = "FILE|agent")]
    pub key: Option<String>,
    /// Mail address to sign as, where a key has several.
    #[arg(long = "as", value_name = "PRINCIPAL")]
    pub principal: Option<String>,
    /// Role. Default: the one whose signatures the policy counts for this phase.
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    /// Put a no on record: it blocks this run and what was signed before.
    #[arg(long)]
    pub reject: bool,
    /// A remark of the signer.
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub comment: String,
    /// The bundle with which CI attested manifest.json.
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// Where the record of it goes.
    #[command(flatten)]
    pub recorded: Recorded,
    /// Do not ask; names the commit instead.
    #[arg(long, requires = "commit")]
    pub yes: bool,
    /// The full commit that is signed, with --yes.
    #[arg(long, value_name = "SHA", requires = "yes")]
    pub commit: Option<String>,
    /// Where the trust comes from.
    #[command(flatten)]
    pub anchor: AnchorArgs,
}

/// Where the record of a sign-off goes.
#[derive(Clone, Copy, Debug, Args)]
pub struct Recorded {
    /// The commit need not be on the protected branch yet; the statement says so.
    #[arg(long)]
    pub allow_unmerged: bool,
    /// Also commit the new files below .gates/signoffs, and nothing else.
    #[arg(long)]
    pub commit_evidence: bool,
}

/// Arguments of `verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// Phase.
    #[arg(add = ArgValueCandidates::new(complete::phases))]
    pub phase: String,
    /// Commit that is to go out.
    #[arg(long, default_value = "HEAD", value_name = "REV")]
    pub commit: String,
    /// The folder of the run that was signed: every file of it is checked too.
    #[arg(long, value_name = "DIR")]
    pub evidence: Option<PathBuf>,
    /// Judge as of this time, RFC 3339. Default: now.
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Format.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
    /// Where the trust comes from.
    #[command(flatten)]
    pub anchor: AnchorArgs,
}

/// Formats of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Formats of a sign-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shown {
    /// For a pull request or a wiki.
    Markdown,
    /// One page.
    Html,
}

/// What to do with evidence.
#[derive(Clone, Debug, Subcommand)]
pub enum EvidenceCommand {
    /// List sign-offs, the rejected ones too.
    List {
        /// Format.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Show one sign-off: name, time, meaning, verdict, criteria, digests.
    Show {
        /// Phase.
        phase: String,
        /// Sequence. Default: the newest.
        sequence: Option<u32>,
        /// Format.
        #[arg(long, value_enum, default_value = "markdown")]
        format: Shown,
    },
    /// Compare every file of a run's folder with its manifest.json.
    Check {
        /// The folder of a run.
        folder: PathBuf,
    },
    /// Look for what looks like a secret in a run's folder.
    Scan {
        /// The folder of a run.
        folder: PathBuf,
    },
    /// Write a sign-off for tools of others.
    Export(ExportArgs),
    /// Print the stock commands that check a sign-off without this program.
    Explain {
        /// Phase.
        phase: String,
        /// Sequence. Default: the newest.
        sequence: Option<u32>,
    },
}

/// Arguments of `evidence export`.
#[derive(Clone, Debug, Args)]
#[command(group(clap::ArgGroup::new("as what").required(true).args(["dsse", "bundle", "checksums"])))]
pub struct ExportArgs {
    /// Phase.
    #[arg(add = ArgValueCandidates::new(complete::phases))]
    pub phase: String,
    /// Sequence. Default: the newest.
    pub sequence: Option<u32>,
    /// A DSSE envelope over the statement, with a plain Ed25519 signature of --key.
    #[arg(long)]
    pub dsse: bool,
    /// The same in a Sigstore bundle.
    #[arg(long)]
    pub bundle: bool,
    /// Lines of sha256sum for every file of the sequence.
    #[arg(long)]
    pub checksums: bool,
    /// Key: a file, or `agent`.
    #[arg(long, value_name = "FILE|agent")]
    pub key: Option<String>,
    /// Also write the public key here, in PEM.
    #[arg(long, value_name = "FILE")]
    pub key_out: Option<PathBuf>,
    /// Whose statement, where several signed.
    #[arg(long, value_name = "PRINCIPAL")]
    pub of: Option<String>,
}

/// What to do with the trust.
#[derive(Clone, Debug, Subcommand)]
pub enum TrustCommand {
    /// Check the chain of versions, and that the policy can be satisfied.
    Check {
        /// Where the trust comes from. Default: HEAD.
        #[command(flatten)]
        anchor: AnchorArgs,
    },
    /// Make a new version of the trust from its files, and sign it as a root; or add a signature to one that was made.
    Update {
        /// Key of a root: a file, or `agent`.
        #[arg(long, value_name = "FILE|agent")]
        key: Option<String>,
        /// Make version 1, which nothing but its own roots vouches for.
        #[arg(long)]
        bootstrap: bool,
    },
    /// Give a principal a new key and retire the old one.
    Rotate {
        /// Mail address.
        principal: String,
        /// The new public key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Revoke a key: everything that it ever signed stops to count.
    Revoke {
        /// Mail address of whom every key is revoked, or a file with a public key.
        #[arg(value_name = "PRINCIPAL|FILE")]
        who: String,
    },
}

/// Arguments of `waive`.
#[derive(Clone, Debug, Args)]
pub struct WaiveArgs {
    /// Changes, as `gates diff` prints them, or the start of their paths.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<String>,
    /// Commit before the change. Default: the protected branch.
    #[arg(long, value_name = "REV")]
    pub base: Option<String>,
    /// Compare with the last sign-off of this phase, the cases of the latest run included.
    #[arg(long, value_name = "PHASE", conflicts_with = "base")]
    pub phase: Option<String>,
    /// Last day, or a time from now on such as 30days.
    #[arg(long, value_name = "DATE")]
    pub until: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Ticket.
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub ticket: String,
    /// Key: a file, or `agent`. Default: what git signs with.
    #[arg(long, value_name = "FILE|agent")]
    pub key: Option<String>,
    /// Where the trust comes from.
    #[command(flatten)]
    pub anchor: AnchorArgs,
}

/// What to do with gates.toml.
#[derive(Clone, Debug, Subcommand)]
pub enum GatesCommand {
    /// Say what a change does to the gates: stronger, neutral, weaker, or nobody can order it.
    Diff {
        /// Commit before the change. Default: the protected branch.
        #[arg(long, value_name = "REF")]
        base: Option<String>,
        /// Format.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
        /// Where the trust comes from.
        #[command(flatten)]
        anchor: AnchorArgs,
    },
}
