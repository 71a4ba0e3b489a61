//! `compose-health`: a stack comes up, and every service of it stays well for a while: no restart, no failed health check, nobody
//! missing. Brings up a stack of its own, and always takes it down again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Check, Finding, Task};
use crate::compose::engine::{self, Engine, Stack};
use crate::compose::file::File;
use crate::compose::watch::{Expected, Watch};
use crate::config::{CheckKey, CheckSpec};
use crate::model::Location;
use crate::rundir::{Digest, GatesDir, add_measure};

/// The check.
pub const CHECK: Check = Check {
    spec: CheckSpec {
        name: "compose-health",
        keys: &[
            CheckKey { name: "file", kind: "string", required: true, doc: "compose file" },
            CheckKey { name: "window", kind: "duration", required: false, doc: "how long everything must stay well; default \"30s\"" },
            CheckKey { name: "start", kind: "duration", required: false, doc: "longest time until everything is well; default \"2m\"" },
            CheckKey { name: "profiles", kind: "list", required: false, doc: "profiles of the file to bring up too" },
            CheckKey { name: "one-shots", kind: "list", required: false, doc: "services that are meant to end with 0, beside those whose end others wait for" },
        ],
    },
    doc: "a compose stack comes up and stays up: no restart, no failed health check, no service missing",
    run,
};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Lines of a log that are shown.
const LINES: usize = 20;

fn run(task: &Task<'_>) -> Result<Vec<Finding>, String> {
    let name = task.text("file").unwrap_or_default();
    let file = File::read(task.root, name)?;
    let engine =
        engine::with_compose(task.ambient, task.root).map_err(|why| format!("no engine: {why}\n  hint: start Docker, or install docker-compose-plugin"))?;
    let (profiles, one_shots) = (task.list("profiles"), task.list("one-shots"));
    if let Some(unknown) = one_shots.iter().find(|name| !file.services.iter().any(|service| service.name == **name)) {
        return Err(format!("one-shots: {name} has no service `{unknown}`"));
    }
    let running = file.running(&profiles);
    if running.is_empty() {
        return Err(format!("{name} has no service to bring up\n  hint: profiles = [...]"));
    }
    let expected = running.iter().map(|service| {
        let one_shot = file.is_one_shot(&service.name) || one_shots.contains(&service.name);
        Expected { service: service.name.clone(), one_shot }
    });
    let whole = task.root.join(name);
    let project = project(&whole);
    let stack = Stack { project: &project, file: &whole, profiles: &profiles };
    let _alone = alone(task.root, &project)?;
    let stop = asked_to_stop()?;
    let stopped = || stop.load(Ordering::Acquire);
    // What a killed check left behind goes first.
    engine.down(&stack)?;
    let mut watch = Watch::new(expected.collect());
    let times = Times { start: task.duration("start", Duration::from_mins(2)), window: task.duration("window", Duration::from_secs(30)) };
    let up = bring_up(&engine, &stack, times.start, &stopped);
    let watched = observe(&engine, &stack, &mut watch, &times, up.is_ok(), &stopped);
    let mut findings = services(&engine, &stack, &watch, &file, name);
    let down = engine.down(&stack);
    let whole_stack = |what: &str, result: Result<(), String>, hint: &str| Finding {
        what: what.to_owned(),
        at: Location { file: name.to_owned(), line: 1 },
        wrong: result.err().map(|why| (why, hint.to_owned())),
    };
    findings.push(whole_stack("the stack comes up", up, "the log of this step has what compose said"));
    findings.push(whole_stack("the stack goes down", down, "remove what is left by hand, or nothing can be told the next time"));
    if let Some(out) = task.ambient.get("GATE_OUT") {
        add_measure(Path::new(out), "restart-loops", watch.restarted() as u64).map_err(|cause| format!("failed to write a measure: {cause}"))?;
    }
    watched?;
    if stopped() { Err("it was stopped; the stack is down again".to_owned()) } else { Ok(findings) }
}

struct Times {
    start: Duration,
    window: Duration,
}

fn bring_up(engine: &Engine, stack: &Stack<'_>, limit: Duration, stopped: &dyn Fn() -> bool) -> Result<(), String> {
    // Code that is older than the checkout must not be what is judged.
    let said = engine.compose(stack, &["up", "--detach", "--build"], limit, stopped)?;
    if said.good { Ok(()) } else { Err(engine::last_line(&said)) }
}

/// Looks until everything is well and stays so, or something failed.
fn observe(engine: &Engine, stack: &Stack<'_>, watch: &mut Watch, times: &Times, is_up: bool, stopped: &dyn Fn() -> bool) -> Result<(), String> {
    let begun = Instant::now();
    let mut settled: Option<Instant> = None;
    loop {
        watch.look(&engine.containers(stack.project)?);
        if watch.has_failed() || !is_up || stopped() {
            return Ok(());
        }
        settled = if watch.is_settled() { settled.or_else(|| Some(Instant::now())) } else { None };
        match settled {
            Some(since) if since.elapsed() >= times.window => return Ok(()),
            None if begun.elapsed() >= times.start + times.window => return Ok(()),
            _ => std::thread::sleep(EVERY.min(times.window.max(Duration::from_millis(100)))),
        }
    }
}

fn services(engine: &Engine, stack: &Stack<'_>, watch: &Watch, file: &File, name: &str) -> Vec<Finding> {
    let containers = engine.containers(stack.project).unwrap_or_default();
    let log = |service: &str| {
        let logs = containers.iter().filter(|container| container.service == service).map(|container| engine.log(&container.id, LINES));
        logs.filter(|log| !log.is_empty()).collect::<Vec<_>>().join("\n")
    };
    let finding = |(service, verdict): (String, Result<(), String>)| {
        let line = file.services.iter().find(|known| known.name == service).map_or(1, |known| known.line);
        let wrong = verdict.err().map(|why| {
            let log = log(&service);
            let shown = if log.is_empty() { "its log is empty".to_owned() } else { format!("the last lines of its log:\n{}", indented(&log)) };
            (format!("service {service}: {why}; {shown}"), format!("`docker compose -f {name} up {service}` shows it again"))
        });
        Finding { what: format!("service {service}"), at: Location { file: name.to_owned(), line }, wrong }
    };
    watch.verdicts().into_iter().map(finding).collect()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// A name that belongs to this file in this checkout, so that a killed check's stack is found again.
fn project(file: &Path) -> String {
    let mut digest = Digest::blake3();
    digest.update(file.display().to_string().as_bytes());
    format!("gate-{}", &digest.finish().trim_start_matches("blake3:")[..12])
}

/// One at a time on a stack: it ends with this process, however that ends.
fn alone(root: &Path, project: &str) -> Result<std::fs::File, String> {
    let folder: PathBuf = GatesDir::new(root).locks();
    let path = folder.join(format!("compose-{project}.lock"));
    let io = |cause: std::io::Error| format!("failed to lock {}: {cause}", path.display());
    std::fs::create_dir_all(&folder).map_err(io)?;
    let file = std::fs::File::create(&path).map_err(io)?;
    file.lock().map_err(io)?;
    Ok(file)
}

/// Set by the first signal that asks this process to end: the stack has to go down first.
fn asked_to_stop() -> Result<Arc<AtomicBool>, String> {
    let stop = Arc::new(AtomicBool::new(false));
    crate::process::stop::on_stop(Arc::clone(&stop)).map_err(|cause| format!("signals: {cause}"))?;
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_a_name_that_engines_take() {
        let name = project(Path::new("/a/docker-compose.yml"));
        assert!(name.len() == 17 && name.chars().all(|sign| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '-'), "{name}");
        assert_ne!(name, project(Path::new("/b/docker-compose.yml")));
    }
}
