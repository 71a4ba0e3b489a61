//! `gate` and `setup`: the guard outside, the runner inside.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use clap::Parser as _;

use super::finish::{Finished, finish};
use super::keys::Keys;
use super::listen::Heard;
use super::reuse::Reuse;
use super::start::{CourseParts, Ready, Task};
use super::{Repository, ambient, annotate, colour, in_ci, listen, program, repository, say, start};
use crate::cli::{self, Cli, Command, Lazy, Place};
use crate::event::{self, EventKind, Refusal, RunStarted, When};
use crate::evidence;
use crate::journal::Journal;
use crate::mask::{Mask, redact};
use crate::model::{CancelCause, End, Exit};
use crate::pins::Ambient;
use crate::plan::Plan;
use crate::postgres::home::Home;
use crate::postgres::{Noted, Url};
use crate::process::guard;
use crate::report::Proof;
use crate::run::launch::Quiet;
use crate::run::locks::Locks;
use crate::run::os::{Channel, Os, Site};
use crate::run::turns::Turns;
use crate::run::{Inbox, Teller, drive, signals};
use crate::rundir::{GatesDir, RunDir};
use crate::ui::github;
use crate::ui::lines::Grammar;
use crate::ui::{Output, Screen, choose, summary};

/// Two workers: the loop, and whatever waits.
const WORKERS: usize = 2;

/// The guard: starts the runner, outlives it, and finishes a run whose runner was killed.
pub(super) fn guarded(place: &Place, output: Output) -> anyhow::Result<Exit> {
    let repository = repository(place)?;
    let run = new_run_id();
    let own: Vec<OsString> = cli::words(std::env::args_os()).into_iter().skip(1).collect();
    let guard_pid = std::process::id().to_string();
    let args = ["__run".into(), guard_pid.into(), run.clone().into(), "--".into()].into_iter().chain(own);
    let spare = || noted_servers(&repository, &run).iter().filter_map(|(noted, _)| spared(noted)).collect();
    // A person who looks on may ask; a program that reads along is left alone.
    let keys = output == Output::Human && console::user_attended_stderr() && std::io::stdin().is_terminal();
    let guarded = match guard::guard(&args.collect::<Vec<OsString>>(), keys, spare) {
        Ok(guarded) => guarded,
        // No fault of the command line: nothing was judged.
        Err(cause) => {
            say(&format!("error: failed to start the runner: {cause}"));
            return Ok(Exit::Broken);
        }
    };
    for (noted, note) in noted_servers(&repository, &run).into_iter().filter(|(noted, _)| !noted.keep && noted.base.is_some()) {
        // Also what a server that was just being made has written since.
        noted.home().iter().for_each(Home::remove);
        std::fs::remove_file(note).ok(); // else the next run finds that nothing is there, and removes it
    }
    std::fs::remove_dir_all(repository.gates.scratch(&run)).ok();
    if guarded.swept > 0 {
        say(&format!("note: {} outlived the run and were ended", crate::text::plural(guarded.swept as u64, "process")));
    }
    match guarded.end {
        End::Code(code) => Ok(match Exit::ALL.iter().map(|(exit, _)| *exit).find(|exit| i32::from(exit.code()) == code) {
            Some(exit) => exit,
            None => finish_killed(&repository, &run, output, &format!("exit {code}")),
        }),
        End::Signal(signal) => Ok(finish_killed(&repository, &run, output, &format!("signal {signal}"))),
        End::NotStarted(why) | End::Unknown(why) => Ok(finish_killed(&repository, &run, output, &why)),
    }
}

/// What a run noted, with the notes.
fn noted_servers(repository: &Repository, run: &str) -> Vec<(Noted, PathBuf)> {
    let notes = repository.gates.service_notes().into_iter().filter(|(owner, _)| owner == run);
    notes.filter_map(|(_, path)| Some((Noted::read(&path)?, path))).collect()
}

/// The process of a server that is kept; any other is ended, as its runner could not do it.
fn spared(noted: &Noted) -> Option<i32> {
    let home = noted.home()?;
    if noted.keep {
        return home.postmaster();
    }
    home.end();
    None
}

/// The password on the command line, which no record may show.
fn url_password(task: &Task) -> Option<String> {
    let Task::Gate(args) = task else { return None };
    let url = args.servers.database_url.as_ref().and_then(|url| Url::parse(url).ok())?;
    url.password().map(str::to_owned)
}

/// The runner is gone without a word: its journal says how far it came. What was cut is red; a journal with its end and every file that it
/// names says what it says, whoever was killed after it.
fn finish_killed(repository: &Repository, run: &str, output: Output, how: &str) -> Exit {
    say(&format!("error: the runner was ended by {how}; making the reports from its journal"));
    let run = repository.gates.run(run);
    if !run.path().is_dir() {
        return Exit::Broken;
    }
    let finished = finish(&run, program(&ambient()), Proof::Digest, Some(repository));
    end(&finished, output, false);
    finished.exit
}

/// The last lines. The history is no evidence: a run that cannot be written into it keeps its verdict, and is taken in later from its
/// folder.
pub(super) fn end(finished: &Finished, output: Output, colour: bool) {
    if let Some(fault) = &finished.unlearned {
        say(&format!("note: this run is not in the history yet: {fault}"));
    }
    show(finished, output, colour);
}

/// Sortable, and short enough to type its end.
pub(super) fn new_run_id() -> String {
    let now = time::OffsetDateTime::now_utc();
    let format = time::macros::format_description!("[year][month][day]-[hour][minute][second][subsecond digits:3]");
    let stamp = now.format(&format).expect("a constant format of a valid time");
    let salt = blake3::hash(format!("{} {}", std::process::id(), now.unix_timestamp_nanos()).as_bytes()).to_hex();
    format!("{stamp}-{}", &salt[..4])
}

/// What is known of a run before anything is read.
fn head(run: &str, argv: Vec<String>, repository: &Repository, ambient: &Ambient) -> RunStarted {
    RunStarted {
        schema: event::SCHEMA,
        run: run.to_owned(),
        wall: wall(),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        argv,
        manifest: repository.manifest.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        host: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        ci: in_ci(ambient),
        ..RunStarted::default()
    }
}

/// Now, in UTC.
pub(super) fn wall() -> String {
    time::OffsetDateTime::now_utc().format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

/// The loop's threads. Where one of them does not start, the runtime panics and then waits for it for ever: this process ends instead.
#[expect(clippy::exit, clippy::disallowed_methods, reason = "no journal is there yet, and unwinding would never end")]
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(|panic| {
        let why = panic.payload_as_str().unwrap_or("no reason is known");
        say(&format!("error: failed to start the runtime: {why}\n  hint: see `ulimit -u`, or the limit of processes of this container"));
        std::process::exit(i32::from(Exit::Broken.code()));
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
    std::panic::set_hook(usual);
    runtime
}

/// The runner: everything between the first event and the last line.
pub(super) fn runner(guard_pid: i32, run: &str, argv: &[OsString]) -> anyhow::Result<Exit> {
    guard::become_runner(guard_pid).context("failed to become the runner")?;
    let cli = Cli::parse_from(std::iter::once(OsString::from("xtask")).chain(argv.iter().cloned()));
    let (task, output) = match cli.command {
        Command::Gate(Lazy(args)) => (Task::Gate(Box::new(args.clone())), args.output),
        Command::Setup { output } => (Task::Setup, output),
        _ => anyhow::bail!("only gate and setup have a runner"),
    };
    let repository = repository(&cli.place)?;
    let ambient = ambient();
    let tokio = runtime().context("failed to start the runtime")?;
    let folder = repository.gates.create_run(run).with_context(|| format!("failed to create {}", repository.gates.run(run).path().display()))?;
    let journal = Journal::create(&folder.journal()).context("failed to create the journal")?;
    // Held until this process ends, so that pruning leaves a living run alone.
    let alive = std::fs::File::open(folder.journal()).context("failed to open the journal")?;
    alive.try_lock().context("failed to lock the journal")?;

    let (stop_sender, stop) = tokio::sync::mpsc::unbounded_channel();
    let (events, inbox) = mpsc::channel();
    let show_colour = colour(&cli.place, &ambient);
    let stream = if let Task::Gate(args) = &task { args.stream.clone() } else { None };
    let hidden = Arc::new(OnceLock::new());
    let asked = listen::Asked { keys: Keys::listen(), run: folder.clone(), mask: Arc::clone(&hidden) };
    let reporter = choose(output, screen(show_colour, &ambient, &folder, stream));
    let listener = listen::start(inbox, journal, reporter, asked, stop_sender.clone()).context("failed to start the listener")?;
    let mask = Mask::new(url_password(&task).iter().map(String::as_str));
    let argv: Vec<String> = redact(&argv.iter().map(|word| mask.text(&word.to_string_lossy())).collect::<Vec<_>>());
    let mut teller = tokio.block_on(async { Teller::new(events) });
    {
        let _inside = tokio.enter();
        signals::listen(stop_sender).context("failed to listen to signals")?;
    }
    let head = head(run, argv, &repository, &ambient);
    let reuse = match start::prepare(&repository, &folder, &task, &ambient, head) {
        Ok(ready) => {
            hidden.set(ready.site.mask_of_all()).ok();
            run_ready(&repository, ready, teller, &tokio, stop)
        }
        Err(refused) => {
            teller.tell(EventKind::RunStarted(Box::new(refused.head)));
            teller.tell(EventKind::RunRefused { cause: refused.cause, problems: refused.problems });
            teller.tell(EventKind::RunEnded {});
            drop(teller);
            None
        }
    };
    let heard = listener.join().map_err(|_| anyhow::anyhow!("the listener panicked"))?;
    let finished = finish_heard(heard, &folder, program(&ambient), &repository);
    if let Some(reuse) = reuse.filter(|_| finished.faults.is_empty()) {
        reuse.remember(&finished.record);
    }
    end(&finished, output, show_colour);
    tokio.shutdown_background();
    let exit = finished.exit;
    std::mem::forget(finished); // the process ends with it, and taking a big one apart takes time
    Ok(exit)
}

/// Makes the files of a run that has just ended; what was heard live and what is on disk must agree.
fn finish_heard(heard: Heard, folder: &RunDir, program: &str, repository: &Repository) -> Finished {
    let live = heard.record.settle().exit(); // and it is gone: of many gates it is big
    let mut finished = finish(folder, program, Proof::Size, Some(repository));
    match heard.journal {
        Ok(digest) if digest == finished.digest => {}
        Ok(_) => finished.faults.push("the journal on disk is not what was written".to_owned()),
        Err(why) => finished.faults.push(why),
    }
    if live != finished.record.exit() {
        finished.faults.push(format!("the run came to {live:?} live and to {:?} from its files", finished.record.exit()));
    }
    if !finished.faults.is_empty() {
        finished.exit = Exit::Broken;
    }
    finished
}

fn run_ready(
    repository: &Repository,
    ready: Ready,
    mut teller: Teller,
    tokio: &tokio::runtime::Runtime,
    stop: tokio::sync::mpsc::UnboundedReceiver<CancelCause>,
) -> Option<Reuse> {
    let Ready { head, plan, course, site, tools, warnings, mut reuse, idle } = ready;
    let can_be_evidence = head.can_be_evidence();
    teller.tell(EventKind::RunStarted(Box::new(head)));
    for warning in warnings {
        teller.tell(EventKind::Noted { gate: None, text: warning });
    }
    for (phase, credit) in &plan.aside {
        teller.tell(match credit {
            Some(run) => EventKind::PhaseCredited { phase: phase.clone(), run: run.clone() },
            None => EventKind::PhaseUnjudged { phase: phase.clone() },
        });
    }
    for tool in tools {
        teller.tell(tool);
    }
    if !idle {
        let before = start::source(&repository.root);
        teller.tell(EventKind::SourceRead { when: When::Start, source: before });
    }
    annotate::mask(&site.config, &plan, &site.ambient);
    let site: Arc<Site> = Arc::new(site);
    let mut teller = run_plan(plan, course, &site, Locks::new(repository.gates.locks()), teller, (tokio, stop));
    crate::run::os::lock(&site.probes).save();
    if can_be_evidence {
        for found in look_for_secrets(&site.run) {
            teller.tell(found);
        }
    }
    if !idle {
        for note in reuse.as_mut().map(Reuse::settle).unwrap_or_default() {
            teller.tell(note);
        }
        let after = start::source(&repository.root);
        teller.tell(EventKind::SourceRead { when: When::End, source: after });
    }
    teller.tell(EventKind::RunEnded {});
    reuse
}

/// Runs the plan to its end, and gives the teller back.
fn run_plan(
    plan: Plan,
    course: CourseParts,
    site: &Arc<Site>,
    mut locks: Locks,
    mut teller: Teller,
    (tokio, stop): (&tokio::runtime::Runtime, tokio::sync::mpsc::UnboundedReceiver<CancelCause>),
) -> Teller {
    let (sender, told) = tokio::sync::mpsc::unbounded_channel();
    let quiet = Quiet::default();
    let turns = Turns::new(tokio.handle().clone());
    let mut launch = match Os::new(Arc::clone(site), Channel { told: sender, quiet: quiet.clone(), turns: Arc::clone(&turns) }) {
        Ok(launch) => launch,
        Err(cause) => {
            teller.tell(EventKind::RunRefused { cause: Refusal::Environment, problems: vec![format!("failed to start threads: {cause}")] });
            return teller;
        }
    };
    let (back, over) = mpsc::channel();
    turns.run(async move {
        let course = course.of(&plan);
        drive(&course, &mut launch, &mut locks, &mut teller, Inbox { told, quiet, stop }).await;
        back.send(teller).ok();
    });
    over.recv().expect("a loop that is over has given it back")
}

/// What becomes evidence must hold no secret. A folder that cannot be looked through is no evidence either.
pub(super) fn look_for_secrets(run: &RunDir) -> Vec<EventKind> {
    let leaks = evidence::scan(run).unwrap_or_else(|why| vec![evidence::Leak { file: ".".to_owned(), line: 0, rule: format!("not looked through: {why}") }]);
    leaks.into_iter().map(|evidence::Leak { file, line, rule }| EventKind::SecretFound { file, line, rule }).collect()
}

/// Where a run is shown.
pub(super) fn screen(colour: bool, ambient: &Ambient, run: &RunDir, stream: Option<String>) -> Screen {
    Screen { colour, github: annotate::is_job(ambient).then(|| run.clone()), stream: stream.map(|gate| (run.clone(), gate)) }
}

/// The last lines.
pub(super) fn show(finished: &Finished, output: Output, colour: bool) {
    let ambient = ambient();
    let job = annotate::is_job(&ambient) && output == Output::Human;
    let mut lines = Vec::new();
    if output != Output::Ndjson {
        lines.extend(summary::summary(&finished.record, &finished.tally, Grammar { colour }));
    }
    lines.extend(finished.faults.iter().map(|fault| format!("error: {fault}")));
    for line in if job { github::guard(lines) } else { lines } {
        say(&line);
    }
    if job && let Err(cause) = annotate::annotate(finished, &ambient) {
        say(&format!("note: the summary of this job could not be written: {cause}"));
    }
}

/// Where a run's folder is, for `report`.
pub(super) fn folder(gates: &GatesDir, word: &str) -> Result<RunDir, String> {
    gates.find_run(word).map(|id| gates.run(&id))
}
