//! Arguments in, exit status out.

use std::process::ExitCode;

use clap::Parser as _;

/// Threads allocate side by side without waiting for each other, and a command of milliseconds spends few of them on memory.
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::print_stderr, reason = "the last word of a command that failed")]
fn main() -> ExitCode {
    // A shell that completes a line asks for that by a variable, and gets nothing else.
    clap_complete::CompleteEnv::with_factory(<xtask::cli::Cli as clap::CommandFactory>::command).complete();
    match xtask::commands::run(xtask::cli::Cli::parse_from(xtask::cli::words(std::env::args_os()))) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(xtask::model::Exit::Usage.code())
        }
    }
}
