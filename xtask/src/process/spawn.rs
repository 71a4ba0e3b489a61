//! The one file that starts processes. Absolute program, own group, explicit environment: with a bare name or a hook before
//! exec, the standard library would fork instead of using posix_spawn.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::model::End;

/// What to start.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Absolute program.
    pub exe: PathBuf,
    /// Words after the program.
    pub args: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Working folder.
    pub cwd: PathBuf,
    /// User and group to become; none to stay who we are.
    pub user: Option<(u32, u32)>,
}

/// Starts a process in a group of its own, with nothing on its standard input.
pub fn start(spec: &Spec, stdout: Stdio, stderr: Stdio) -> io::Result<Child> {
    let mut command = command(&spec.exe);
    command.args(&spec.args).env_clear().envs(&spec.env).current_dir(&spec.cwd);
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        command.process_group(0);
        if let Some((uid, gid)) = spec.user {
            command.uid(uid).gid(gid);
        }
    }
    command.spawn()
}

/// Starts a process in our own group and without output, so that it can make a session of its own: a group's leader cannot.
pub fn start_beside(spec: &Spec) -> io::Result<Child> {
    let mut command = command(&spec.exe);
    command.args(&spec.args).env_clear().envs(&spec.env).current_dir(&spec.cwd);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

/// Starts a process that is fed and read by pipes, in a group of its own.
pub fn start_fed(spec: &Spec) -> io::Result<Child> {
    let mut command = command(&spec.exe);
    command.args(&spec.args).env_clear().envs(&spec.env).current_dir(&spec.cwd);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn()
}

/// The plain command behind every process of this program.
#[expect(clippy::disallowed_methods, reason = "this is the one place that starts processes")]
pub(super) fn command(program: &Path) -> Command {
    Command::new(program)
}

/// The id of a child as rustix wants it.
pub fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id() as i32).expect("a child's id is positive")
}

/// Blocks until the process has ended, without reaping it: its id and its group's stay taken.
pub fn wait_keep(pid: Pid) -> io::Result<()> {
    loop {
        match rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(cause) => return Err(cause.into()),
        }
    }
}

/// The process is a child of ours that has ended, reaped or not. Does not reap it.
pub fn has_ended(pid: Pid) -> bool {
    !matches!(rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG), Ok(None))
}

/// Reaps a child that has ended.
pub fn reap(child: &mut Child) -> End {
    match child.wait() {
        Ok(status) => {
            use std::os::unix::process::ExitStatusExt as _;
            match (status.code(), status.signal()) {
                (Some(code), _) => End::Code(code),
                (None, Some(signal)) => End::Signal(signal),
                (None, None) => End::Unknown("neither a status nor a signal".to_owned()),
            }
        }
        Err(cause) => End::Unknown(cause.to_string()),
    }
}

/// Sends a signal to a whole group; a group that is gone is no error.
pub fn signal_group(pid: Pid, signal: Signal) {
    rustix::process::kill_process_group(pid, signal).ok();
}

/// Sends a signal to one process; a process that is gone is no error.
pub fn signal_one(pid: Pid, signal: Signal) {
    rustix::process::kill_process(pid, signal).ok();
}

/// Reads the status of a child of ours that has ended, so that it leaves the table; true when it is gone.
pub fn reap_pid(pid: Pid) -> bool {
    !matches!(rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG), Ok(None))
}

/// Absolute file of a program's name: with `/` from the folder, else along a PATH.
pub fn resolve(program: &str, path: &str, cwd: &Path) -> Result<PathBuf, String> {
    let found = which::which_in(program, Some(path), cwd);
    found.map_err(|_| {
        if program.contains('/') {
            format!("there is no program `{program}` in {}", cwd.display())
        } else {
            format!("`{program}` is not on the PATH of this step: {path}; install it, or name the runtime that brings it in `runtimes`")
        }
    })
}
