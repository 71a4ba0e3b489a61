//! The set-up of one runtime, on a launcher thread: under a lock that other runs respect, only when it is due, with a stamp written
//! last. Then the interpreter that the gates will really spawn is asked who it is.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::environment;
use super::launch::Told;
use super::os::{Control, Line, Site, lock, marker};
use crate::config::Runtime;
use crate::event::{Installed, ProcStarted, RuntimeFound};
use crate::mask::redact;
use crate::model::{End, JobId, Policy, StepFact};
use crate::pins::{self, Interpreter};
use crate::process::follow::{Follower, part};
use crate::process::spawn::{self, Spec};
use crate::rundir::RunDir;
use crate::setup::Setup;

/// Read of a failed command's log for the line that says most.
const EXCERPT: u64 = 64 << 10;
/// How often a set-up of another run is looked at.
const WAIT: Duration = Duration::from_millis(50);

/// Makes the environment ready; the second value is the interpreter that gates will spawn.
pub(super) fn run(site: &Site, id: &str, control: &Control, line: &Line, follower: &Follower) -> (Installed, Option<RuntimeFound>) {
    let (runtime, interpreter) = (&site.config.runtimes[id], &site.interpreters[id]);
    let ended = ready(site, runtime, interpreter, control, line, follower);
    match ended.and_then(|result| effective(site, runtime, interpreter).map(|found| (result, found))) {
        Ok((result, found)) => (result, Some(found)),
        Err(why) => (Installed::Failed(why), None),
    }
}

fn ready(site: &Site, runtime: &Runtime, interpreter: &Interpreter, control: &Control, line: &Line, follower: &Follower) -> Result<Installed, String> {
    let mut result = Installed::Unchanged;
    if runtime.install.is_empty() {
        return Ok(result);
    }
    let io = |cause: std::io::Error| format!("failed to lock the set-up of `{}`: {cause}", runtime.id);
    loop {
        // While gates use an environment, no other run may rebuild it; while one is rebuilt, nobody uses it.
        let setup = Setup::of(&site.config.root, &site.gates, runtime, interpreter)?;
        let shared = setup.lock().map_err(io)?;
        acquire(control, line, || shared.try_lock_shared())?;
        if setup.is_fresh() {
            lock(&site.in_use).push(shared);
            return Ok(result);
        }
        shared.unlock().map_err(io)?;
        let alone = setup.lock().map_err(io)?;
        acquire(control, line, || alone.try_lock())?;
        if setup.is_fresh() {
            continue; // another run has just done it
        }
        if result == Installed::Installed {
            return Err(format!("the set-up of `{}` does not hold: its lock files or folders changed while it ran", runtime.id));
        }
        setup.clear().map_err(|cause| format!("failed to remove the stamp of `{}`: {cause}", runtime.id))?;
        commands(site, runtime, interpreter, &Host { control, line, follower })?;
        setup.mark().map_err(|cause| format!("failed to write the stamp of `{}`: {cause}", runtime.id))?;
        result = Installed::Installed;
    }
}

fn acquire(control: &Control, line: &Line, mut attempt: impl FnMut() -> Result<(), TryLockError>) -> Result<(), String> {
    let mut said = false;
    loop {
        match attempt() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(cause)) => return Err(format!("failed to lock the set-up: {cause}")),
            Err(TryLockError::WouldBlock) if control.stop.load(Ordering::Acquire) => return Err("cancelled while another run was setting up".to_owned()),
            Err(TryLockError::WouldBlock) => {
                if !said {
                    line.tell(Told::Noted { task: line.task, text: "another run is using or setting up this environment; waiting for it".to_owned() });
                    said = true;
                }
                std::thread::sleep(WAIT);
            }
        }
    }
}

struct Host<'a> {
    control: &'a Control,
    line: &'a Line,
    follower: &'a Follower,
}

fn commands(site: &Site, runtime: &Runtime, interpreter: &Interpreter, host: &Host<'_>) -> Result<(), String> {
    let job = JobId { gate: runtime.id.clone(), iteration: 1 };
    let name = RunDir::log_name(&job);
    let key = host.line.task.to_string();
    let io = |cause: std::io::Error| format!("failed to open the log of the set-up: {cause}");
    let log = File::options().create(true).truncate(false).read(true).append(true).open(site.run.file(&name)).map_err(io)?;
    host.follower.add(&key, log.try_clone().map_err(io)?, u64::MAX);
    let mut result = Ok(());
    for (index, words) in runtime.install.iter().enumerate() {
        if host.control.stop.load(Ordering::Acquire) {
            result = Err("cancelled".to_owned());
            break;
        }
        let words: Vec<String> = words.iter().map(|word| word.fill(|_| interpreter.exe.display().to_string())).collect();
        if let Err(why) = command(site, runtime, interpreter, host, &log, &job, index, &words) {
            let stopped = host.control.stop.load(Ordering::Acquire);
            result = Err(if stopped { format!("stopped during `{}`", words.join(" ")) } else { format!("`{}` {why}", words.join(" ")) });
            break;
        }
    }
    host.follower.finish(&key, &name).map_err(io)?;
    result.map_err(|why| format!("{why}; its log: {}", site.run.file(&name).display()))
}

#[expect(clippy::too_many_arguments, reason = "one command with the place it runs in; a struct would only rename them")]
fn command(
    site: &Site,
    runtime: &Runtime,
    interpreter: &Interpreter,
    host: &Host<'_>,
    log: &File,
    job: &JobId,
    index: usize,
    words: &[String],
) -> Result<(), String> {
    let root = &site.config.root;
    let mut env: BTreeMap<String, String> = environment::base(&site.ambient, &site.config.env_pass, true);
    let path = environment::path(root, &[(runtime, interpreter.folder())], &site.ambient);
    env.insert("PATH".to_owned(), path.clone());
    env.extend(runtime.env.iter().map(|(name, value)| (name.clone(), value.fill(|_| interpreter.exe.display().to_string()))));
    if let Some((name, value)) = marker(&site.run.id, job).split_once('=') {
        env.insert(name.to_owned(), value.to_owned());
    }
    let cwd = root.join(&runtime.cwd);
    let exe = spawn::resolve(words.first().map_or("", String::as_str), &path, &cwd)?;
    let io = |cause: std::io::Error| format!("could not start: {cause}");
    let spec = Spec { exe, args: words[1..].to_vec(), env, cwd, user: None };
    let from = log.metadata().map_or(0, |metadata| metadata.len());
    let begun = std::time::Instant::now();
    let mut child = spawn::start(&spec, log.try_clone().map_err(io)?.into(), log.try_clone().map_err(io)?.into()).map_err(io)?;
    let pid = spawn::pid_of(&child);
    host.control.pid.store(pid.as_raw_nonzero().get(), Ordering::Release);
    let step = (index + 1).to_string();
    let proc = ProcStarted {
        job: job.clone(),
        step: step.clone(),
        argv: redact(words),
        env_names: spec.env.keys().cloned().collect(),
        exe: spec.exe.display().to_string(),
        cwd: runtime.cwd.clone(),
        pid: pid.as_raw_nonzero().get(),
    };
    host.line.tell(Told::Started { task: host.line.task, proc: Box::new(proc), timeout: None });
    spawn::wait_keep(pid).map_err(io)?;
    spawn::signal_group(pid, rustix::process::Signal::KILL);
    host.control.pid.store(0, Ordering::Release);
    let end = spawn::reap(&mut child);
    let to = log.metadata().map_or(from, |metadata| metadata.len());
    let (excerpt, at) = if end == End::Code(0) { (String::new(), None) } else { crate::text::excerpt(&part(log, from, to, EXCERPT)) };
    let fact = StepFact { step, end: end.clone(), accepted: vec![0], took: begun.elapsed().as_millis() as u64, excerpt: excerpt.clone(), at };
    host.line.tell(Told::StepEnded { task: host.line.task, fact: Box::new(fact), from, to });
    if end == End::Code(0) { Ok(()) } else { Err(format!("ended with {end}: {excerpt}")) }
}

/// The interpreter that a gate of this runtime spawns by name, asked itself: a virtual environment made from another version
/// is found out here.
fn effective(site: &Site, runtime: &Runtime, interpreter: &Interpreter) -> Result<RuntimeFound, String> {
    let own = [(runtime, interpreter.folder())];
    let path = environment::path(&site.config.root, &own, &site.ambient);
    environment::prove(&path, &site.config.root, &own)?;
    let exe = environment::names(runtime.kind)
        .iter()
        .find_map(|name| which::which_in(name, Some(&path), &site.config.root).ok())
        .unwrap_or_else(|| PathBuf::from(&interpreter.exe));
    let says = lock(&site.probes).ask(runtime.kind, &exe, &site.ambient)?;
    let policy = if interpreter.mismatch { Policy::Warn } else { runtime.policy };
    if policy != Policy::Warn && !interpreter.pin.wanted.admits(&says.version, policy) {
        return Err(format!(
            "the environment of `{}` has {} {}, its pin {}:{} says {}; remove it and run again",
            runtime.id,
            pins::kind_word(runtime.kind),
            says.version,
            interpreter.pin.file,
            interpreter.pin.line,
            interpreter.pin.raw
        ));
    }
    Ok(RuntimeFound {
        runtime: runtime.id.clone(),
        kind: pins::kind_word(runtime.kind).to_owned(),
        pin: format!("{}:{}", interpreter.pin.file, interpreter.pin.line),
        wanted: interpreter.pin.raw.clone(),
        policy,
        exe: says.exe,
        version: says.version,
        found_by: interpreter.found_by.clone(),
        mismatch: interpreter.mismatch,
    })
}
