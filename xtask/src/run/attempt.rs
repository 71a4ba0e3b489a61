//! One attempt of a gate, on a launcher thread: steps in order into one log, then the reports. Blocking on purpose; knows no
//! other gate.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::environment;
use super::instances;
use super::launch::{Leak, Told};
use super::os::{Control, Line, Site, marker};
use super::reports;
use super::supplies::Short;
use super::supply::Supply;
use super::words::{Values, argv, check_words, is_last};
use crate::compose::engine;
use crate::config::{Gate, Placeholder, Step, StepRun};
use crate::event::{FoundBy, ProcStarted};
use crate::mask::{Mask, redact};
use crate::model::{AttemptFacts, End, JobId, StepFact, StopCause};
use crate::process::follow::{Follower, part};
use crate::process::pipe::MaskingPipe;
use crate::process::spawn::{self, Spec};
use crate::process::tree;
use crate::rundir::RunDir;

/// Read of a failed step's log for the line that says most.
const EXCERPT: u64 = 64 << 10;

/// A server whose death a test saw may still be on its way out when the test is over.
const DYING: Duration = Duration::from_millis(200);

/// Where an attempt works, and what it may say.
pub(super) struct Place<'a> {
    pub(super) site: &'a Site,
    pub(super) job: &'a JobId,
    pub(super) control: &'a Control,
    pub(super) line: &'a Line,
    pub(super) mask: &'a Mask,
    pub(super) scratch: PathBuf,
}

/// A service that did not come up, and why.
type Unready = (String, String);

/// Runs an attempt to its end, whatever happens.
pub(super) fn run(site: &Site, job: &JobId, control: &Control, line: &Line, follower: &Follower) -> Result<AttemptFacts, Unready> {
    let begun = Instant::now();
    let gate = &site.config.gates[&job.gate];
    let mask = site.mask(&gate.secrets);
    let scratch = site.gates.scratch(&site.run.id).join(job.to_string());
    let place = Place { site, job, control, line, mask: &mask, scratch };
    let mut supply = Supply::new(&place, gate);
    let done = match prepare(&place, gate) {
        Ok(log) => supplied(&place, gate, &mut supply, &log, follower),
        Err(why) => Ok(AttemptFacts { lost: Some(why), ..AttemptFacts::default() }),
    };
    supply.close();
    let mut facts = done?;
    facts.took = begun.elapsed().as_millis() as u64;
    facts.complete = true;
    Ok(facts)
}

/// The steps, when everything that they stand on is there.
fn supplied(place: &Place<'_>, gate: &Gate, supply: &mut Supply<'_>, log: &File, follower: &Follower) -> Result<AttemptFacts, Unready> {
    match supply.open() {
        Ok(()) => {}
        Err(Short::Service(id, why)) => return Err((id, why)),
        Err(Short::Lost(why)) => return Ok(AttemptFacts { lost: Some(why), ..AttemptFacts::default() }),
        Err(Short::Migrate(why)) => return Ok(AttemptFacts { migrate: Some(why), ..AttemptFacts::default() }),
        Err(Short::Stopped) => return Ok(AttemptFacts::default()),
    }
    if gate.is_supplied() {
        place.line.tell(Told::Steps { task: place.line.task });
    }
    let mut facts = steps(place, gate, supply, log, follower)?;
    if facts.lost.is_none() && !place.control.stop.load(Ordering::Acquire) {
        let red = facts.steps.iter().any(|step| !step.accepted());
        facts.lost = supply.lost(if red { DYING } else { Duration::ZERO });
    }
    Ok(facts)
}

/// Removes reports of earlier runs, makes the folders that the steps name, and opens the log.
fn prepare(place: &Place<'_>, gate: &Gate) -> Result<File, String> {
    for glob in gate.junit.iter().chain(&gate.artifacts) {
        for file in reports::glob(&place.site.config.root, glob) {
            if gate.junit.contains(glob) {
                fs::remove_file(&file).map_err(|cause| format!("failed to remove the old report {}: {cause}", file.display()))?;
            }
        }
    }
    if gate.steps.iter().any(|step| step.wants_junit() || wants_out(step)) {
        fs::create_dir_all(place.scratch.join("out")).map_err(|cause| format!("failed to create {}: {cause}", place.scratch.display()))?;
    }
    let path = place.site.run.file(&RunDir::log_name(place.job));
    File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .append(true)
        .open(&path)
        .map_err(|cause| format!("failed to open the log {}: {cause}", path.display()))
}

fn wants_out(step: &Step) -> bool {
    let names = |word: &crate::config::Template| word.places().any(|part| *part == Placeholder::Out);
    let in_run = match &step.run {
        StepRun::Argv(words) => words.iter().any(names),
        StepRun::Shell(script) => script.contains("GATE_OUT"),
        StepRun::Check { .. } => true,
    };
    in_run || step.env.values().any(names)
}

fn steps(place: &Place<'_>, gate: &Gate, supply: &mut Supply<'_>, log: &File, follower: &Follower) -> Result<AttemptFacts, Unready> {
    let key = place.line.task.to_string();
    let name = RunDir::log_name(place.job);
    let mut facts = AttemptFacts::default();
    let since = log.metadata().and_then(|metadata| metadata.modified()).ok();
    match log.try_clone() {
        Ok(clone) => follower.add(&key, clone, gate.log_max),
        Err(cause) => {
            facts.lost = Some(format!("failed to follow the log: {cause}"));
            return Ok(facts);
        }
    }
    for step in &gate.steps {
        if place.control.stop.load(Ordering::Acquire) {
            break;
        }
        match supply.open_step(step) {
            Ok(()) => {}
            Err(Short::Service(id, why)) => {
                follower.finish(&key, &name).ok(); // nothing is judged, and nothing needs its digest
                return Err((id, why));
            }
            Err(Short::Migrate(why)) => {
                facts.migrate = Some(why);
                break;
            }
            Err(Short::Lost(why)) => {
                facts.lost = Some(why);
                break;
            }
            Err(Short::Stopped) => break,
        }
        let fact = one_step(place, gate, step, supply, log);
        let go_on = fact.accepted();
        facts.steps.push(fact);
        if !go_on {
            break;
        }
    }
    if place.control.stop.load(Ordering::Acquire) {
        // Its processes are gone; reading a long log back is nothing that a KILL could end.
        place.line.tell(Told::Closing { task: place.line.task });
    }
    match follower.finish(&key, &name) {
        Ok(followed) => {
            facts.log_shrank = followed.shrank;
            // It may have ended before anybody saw that its log was too long.
            facts.stopped = followed.over.then_some(StopCause::LogMax);
            facts.log = Some(followed.file);
        }
        Err(cause) => facts.lost = Some(format!("failed to read the log back: {cause}")),
    }
    reports::collect(place, gate, since, &mut facts);
    Ok(facts)
}

fn one_step(place: &Place<'_>, gate: &Gate, step: &Step, supply: &Supply<'_>, log: &File) -> StepFact {
    let from = log.metadata().map_or(0, |metadata| metadata.len());
    let begun = Instant::now();
    // The loop looks by itself for the first process of a gate that waits for nothing.
    let quiet = !gate.is_supplied() && gate.steps.first().is_some_and(|first| std::ptr::eq(first, step));
    let end = match spec(place, gate, step, supply) {
        Ok((spec, shown)) => execute(place, step, &spec, (&shown, quiet), log),
        Err(why) => End::NotStarted(why),
    };
    let to = log.metadata().map_or(from, |metadata| metadata.len());
    let mut fact =
        StepFact { step: step.name.clone(), end, accepted: step.exit.clone(), took: begun.elapsed().as_millis() as u64, excerpt: String::new(), at: None };
    if !fact.accepted() {
        let text = part(log, from, to, EXCERPT);
        let (excerpt, at) = crate::text::excerpt(&text);
        fact.excerpt = excerpt;
        fact.at = at.map(|at| relative(place, step, &at));
    }
    let told = Told::StepEnded { task: place.line.task, fact: Box::new(fact.clone()), from, to };
    if is_last(gate, step) && !gate.reports() && !gate.is_supplied() {
        place.line.hold(told); // the end of the attempt is all that comes
    } else {
        place.line.tell(told);
    }
    fact
}

/// A place as seen from the root, if the file is there.
fn relative(place: &Place<'_>, step: &Step, at: &crate::model::Location) -> crate::model::Location {
    let below = Path::new(&step.cwd).join(&at.file);
    let inside = at.file.strip_prefix(&format!("{}/", place.site.config.root.display())).map(str::to_owned);
    let known = place.site.config.root.join(&below).is_file() && step.cwd != ".";
    let file = inside.unwrap_or_else(|| if known { below.to_string_lossy().into_owned() } else { at.file.clone() });
    crate::model::Location { file, line: at.line }
}

/// Starts the process, waits for it, ends its group, reaps it.
fn execute(place: &Place<'_>, step: &Step, spec: &Spec, (shown, quiet): (&[String], bool), log: &File) -> End {
    let failed = |cause: std::io::Error| End::NotStarted(format!("`{}`: {cause}", spec.exe.display()));
    let (pipe, stdout, stderr) = match outputs(place, log) {
        Ok(outputs) => outputs,
        Err(cause) => return failed(cause),
    };
    let mut child = match spawn::start(spec, stdout, stderr) {
        Ok(child) => child,
        Err(cause) => return failed(cause),
    };
    let pid = spawn::pid_of(&child);
    place.control.pid.store(pid.as_raw_nonzero().get(), Ordering::Release);
    if place.control.stop.load(Ordering::Acquire) {
        spawn::signal_group(pid, Signal::TERM);
    }
    let started = ProcStarted {
        job: place.job.clone(),
        step: step.name.clone(),
        argv: redact(&shown.iter().map(|word| place.mask.text(word)).collect::<Vec<_>>()),
        env_names: spec.env.keys().cloned().collect(),
        exe: spec.exe.display().to_string(),
        cwd: step.cwd.clone(),
        pid: pid.as_raw_nonzero().get(),
    };
    let told = Told::Started { task: place.line.task, proc: Box::new(started), timeout: step.timeout };
    if quiet {
        place.line.quiet.leave(told);
    } else {
        place.line.tell(told);
    }
    let waited = spawn::wait_keep(pid);
    end_group(place, pid.as_raw_nonzero().get());
    place.control.pid.store(0, Ordering::Release);
    let end = match waited {
        Ok(()) => spawn::reap(&mut child),
        Err(cause) => End::Unknown(cause.to_string()),
    };
    match pipe.map(MaskingPipe::finish) {
        Some(Err(cause)) => End::Unknown(format!("its output was lost: {cause}")),
        Some(Ok(())) | None => end,
    }
}

/// What is left in the step's group is told and ended while the leader still keeps the group's number taken.
fn end_group(place: &Place<'_>, leader: i32) {
    let stopped = place.control.stop.load(Ordering::Acquire); // then we are ending them ourselves
    let orphans = tree::orphans();
    place.control.orphans.store(!orphans.is_empty(), Ordering::Release);
    for pid in orphans.into_iter().filter(|_| !stopped) {
        if tree::group_and_session(pid).is_some_and(|(group, _)| group == leader) && !tree::is_zombie(pid) {
            let leak = Leak { task: None, pid, argv: tree::command_line(pid, place.mask), found_by: FoundBy::Group };
            place.line.tell(Told::Leaked { task: place.line.task, leak });
        }
    }
    if let Some(leader) = rustix::process::Pid::from_raw(leader) {
        spawn::signal_group(leader, Signal::KILL);
    }
}

fn outputs(place: &Place<'_>, log: &File) -> std::io::Result<(Option<MaskingPipe>, Stdio, Stdio)> {
    if place.mask.is_empty() {
        return Ok((None, log.try_clone()?.into(), log.try_clone()?.into()));
    }
    let (pipe, writer) = MaskingPipe::start(place.mask.clone(), log.try_clone()?)?;
    let second = writer.try_clone()?;
    Ok((Some(pipe), writer.into(), second.into()))
}

/// Program, words, environment and folder of a step, and the words to show.
fn spec(place: &Place<'_>, gate: &Gate, step: &Step, supply: &Supply<'_>) -> Result<(Spec, Vec<String>), String> {
    let site = place.site;
    let values = Values { place, gate, step, supply };
    let mut env = instances::environment(site, &gate.runtimes)?;
    if gate.tools.iter().any(|tool| engine::NAMES.contains(&tool.as_str())) {
        env.extend(environment::engine(&site.ambient));
    }
    env.extend(supply.urls(step));
    env.extend(gate.secrets.iter().filter_map(|name| Some((name.clone(), site.ambient.get(name)?.clone()))));
    env.extend(step.env.iter().map(|(name, value)| (name.clone(), values.fill(value))));
    env.extend(values.variables());
    let mark = marker(&site.run.id, place.job);
    if let Some((name, value)) = mark.split_once('=') {
        env.insert(name.to_owned(), value.to_owned());
    }
    let cwd = site.config.root.join(&step.cwd);
    if !cwd.is_dir() {
        return Err(format!("there is no folder `{}`", step.cwd));
    }
    let mut words: Vec<String> = match &step.run {
        StepRun::Argv(words) => argv(words, step, &values, &mut env, &cwd)?,
        StepRun::Shell(script) => vec!["sh".to_owned(), "-euc".to_owned(), script.clone()],
        StepRun::Check { name, with } => check_words(name, with, &values),
    };
    if is_last(gate, step) && step.tool.is_none() {
        words.extend(site.extra(&gate.id).iter().cloned());
    }
    let path = env.get("PATH").cloned().unwrap_or_default();
    let exe = site.program(words.first().map_or("", String::as_str), &path, &cwd)?;
    Ok((Spec { exe, args: words[1..].to_vec(), env, cwd, user: None }, words))
}
