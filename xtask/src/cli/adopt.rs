//! The command line of what a new user asks for.

use clap::{Subcommand, ValueEnum};

/// What to do with gates.toml.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say everything that is wrong with it at once.
    Validate {
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
}

/// A shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// Bash.
    Bash,
    /// Elvish.
    Elvish,
    /// Fish.
    Fish,
    /// PowerShell.
    Powershell,
    /// Zsh.
    Zsh,
}

impl Shell {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Elvish => "elvish",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Zsh => "zsh",
        }
    }
}
