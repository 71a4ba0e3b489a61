//! The real launcher: threads that each carry one task at a time, the follower of logs, and the reaping of orphans. Knows
//! processes and files; decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal};
use tokio::sync::mpsc::UnboundedSender;

use super::launch::{Force, Launch, Leak, Quiet, Told};
use super::orders::{Order, Queue, Wanted};
use super::supplies::Supplies;
use super::turns::Turns;
use super::{attempt, environment, install};
use crate::baseline::Baseline;
use crate::config::Config;
use crate::event::{EventKind, FoundBy, Installed};
use crate::mask::Mask;
use crate::model::{AttemptFacts, JobId, Part, StopCause};
use crate::pins::probe::Probes;
use crate::pins::{Ambient, Interpreter};
use crate::process::follow::{Depth, Follower};
use crate::process::{spawn, tree};
use crate::rundir::{GatesDir, RunDir};

/// Room that a run wants on its disk, in bytes.
const ROOM: u64 = 4 << 20;

/// What every task of a run shares.
#[derive(Debug)]
pub struct Site {
    /// What gates.toml means.
    pub config: Config,
    /// `.gates/`.
    pub gates: GatesDir,
    /// The run's folder.
    pub run: RunDir,
    /// This program.
    pub xtask: PathBuf,
    /// The caller's environment.
    pub ambient: Ambient,
    /// Interpreters of the runtimes, as their pins chose them.
    pub interpreters: BTreeMap<String, Interpreter>,
    /// Answers of interpreters.
    pub probes: Mutex<Probes>,
    /// Environments by runtimes.
    pub environments: Mutex<BTreeMap<Vec<String>, Prepared>>,
    /// Programs by PATH, folder and name: looked up once.
    pub programs: Mutex<BTreeMap<(String, String), PathBuf>>,
    /// Cases that must be there.
    pub baseline: Baseline,
    /// Plugins of pytest by interpreter.
    pub plugins: Mutex<BTreeMap<PathBuf, Result<Vec<String>, String>>>,
    /// Environments in use, kept from being changed by another run until this one ends.
    pub in_use: Mutex<Vec<std::fs::File>>,
    /// Words after `--`.
    pub extra: (String, Vec<String>),
    /// Gates of which this run has a part of the cases.
    pub parts: BTreeMap<String, Part>,
    /// Servers, templates and services of the whole run.
    pub supplies: Supplies,
    /// How much of a log is read for its digest.
    pub depth: Depth,
    /// Slots.
    pub slots: u32,
    /// Iterations that are planned, by gate; `{GATE.out}` needs them.
    pub runs: BTreeMap<String, u32>,
}

/// A built environment, or why there is none.
pub type Prepared = Result<Arc<BTreeMap<String, String>>, String>;

impl Site {
    /// Words that the command line appends to a gate: of the one that it names, not of those that this one needs.
    pub fn extra(&self, gate: &str) -> &[String] {
        if self.extra.0 == gate { &self.extra.1 } else { &[] }
    }

    /// Which part of a gate's cases runs here.
    pub fn part(&self, gate: &str) -> Part {
        self.parts.get(gate).copied().unwrap_or(Part::WHOLE)
    }

    /// The environment of some runtimes; proven once that no other interpreter can be spawned by name.
    pub fn environment(&self, runtimes: &[String]) -> Prepared {
        let mut known = lock(&self.environments);
        if let Some(environment) = known.get(runtimes) {
            return environment.clone();
        }
        let used: Vec<_> = runtimes.iter().filter_map(|id| Some((self.config.runtimes.get(id)?, self.interpreters.get(id)?.folder()))).collect();
        let path = environment::path(&self.config.root, &used, &self.ambient);
        let prepared = environment::prove(&path, &self.config.root, &used).map(|()| {
            let mut env = environment::base(&self.ambient, &self.config.env_pass, false);
            env.insert("PATH".to_owned(), path);
            Arc::new(env)
        });
        known.insert(runtimes.to_vec(), prepared.clone());
        prepared
    }

    /// Absolute file of a program. Relative names with a slash depend on the folder and are not kept.
    pub fn program(&self, name: &str, path: &str, cwd: &std::path::Path) -> Result<PathBuf, String> {
        if name.contains('/') && !name.starts_with('/') {
            return spawn::resolve(name, path, cwd);
        }
        let key = (path.to_owned(), name.to_owned());
        if let Some(found) = lock(&self.programs).get(&key) {
            return Ok(found.clone());
        }
        let found = spawn::resolve(name, path, cwd)?;
        lock(&self.programs).insert(key, found.clone());
        Ok(found)
    }

    /// The interpreter of a runtime, as words name it.
    pub fn exe(&self, runtime: &str) -> String {
        self.interpreters.get(runtime).map(|found| found.exe.display().to_string()).unwrap_or_default()
    }

    /// The values that no gate and no service may show.
    pub fn mask_of_all(&self) -> Mask {
        let names: Vec<String> = self.config.gates.values().flat_map(|gate| self.config.secrets_of(gate)).collect();
        self.mask(&names)
    }

    /// The values that a gate's secrets must not show.
    pub fn mask(&self, secrets: &[String]) -> Mask {
        Mask::new(secrets.iter().filter_map(|name| self.ambient.get(name)).map(String::as_str))
    }
}

/// What the loop and a launcher thread share about one task.
#[derive(Debug, Default)]
pub struct Control {
    /// Start nothing more.
    pub stop: AtomicBool,
    /// No more time for anything.
    pub force: AtomicBool,
    /// Process that runs now; 0 for none.
    pub pid: AtomicI32,
    /// There were orphans when its last process ended, of whatever task.
    pub orphans: AtomicBool,
}

/// The line of a thread to the loop.
#[derive(Debug)]
pub struct Line {
    /// Task.
    pub task: usize,
    /// Channel.
    pub told: UnboundedSender<Told>,
    /// What can wait for the loop's next turn.
    pub quiet: Quiet,
    /// What goes with the next thing that is told.
    held: Mutex<Vec<Told>>,
}

impl Line {
    fn new(task: usize, channel: &Channel) -> Self {
        Self { task, told: channel.told.clone(), quiet: channel.quiet.clone(), held: Mutex::default() }
    }

    /// Tells one thing; a loop that is gone needs no tidings.
    pub fn tell(&self, told: Told) {
        let mut held = std::mem::take(&mut *lock(&self.held));
        let told = if held.is_empty() {
            told
        } else {
            held.push(told);
            Told::Several(held)
        };
        self.told.send(told).ok();
    }

    /// Tells one thing together with the next one, which follows at once.
    pub fn hold(&self, told: Told) {
        lock(&self.held).push(told);
    }
}

/// How threads speak to the loop.
#[derive(Clone)]
pub struct Channel {
    /// Tidings.
    pub told: UnboundedSender<Told>,
    /// Tidings that can wait.
    pub quiet: Quiet,
    /// The loop's turns: a thread that has ended a task takes one.
    pub turns: Arc<Turns>,
}

/// The real launcher.
pub struct Os {
    site: Arc<Site>,
    mask: Mask,
    queue: Arc<Queue>,
    threads: usize,
    channel: Channel,
    controls: BTreeMap<usize, (Arc<Control>, JobId)>,
    follower: Follower,
    suspects: BTreeMap<i32, (BTreeSet<usize>, FoundBy)>,
    doomed: BTreeSet<i32>,
}

impl Os {
    /// A launcher without threads; they come with the first orders.
    pub fn new(site: Arc<Site>, channel: Channel) -> std::io::Result<Self> {
        let over = channel.told.clone();
        let follower = Follower::start(site.depth, move |key| {
            if let Ok(task) = key.parse() {
                over.send(Told::LogMax { task }).ok();
            }
        })?;
        let mask = site.mask_of_all();
        let (controls, suspects, doomed) = Default::default();
        Ok(Self { site, mask, queue: Arc::default(), threads: 0, channel, controls, follower, suspects, doomed })
    }

    fn order(&mut self, order: Order) {
        if self.queue.push(order) == Wanted::Nothing {
            return;
        }
        // Threads never exit before the program does: a thread that ended would orphan its processes.
        let (queue, site, channel, follower) = (Arc::clone(&self.queue), Arc::clone(&self.site), self.channel.clone(), self.follower.clone());
        let spawned = std::thread::Builder::new().name("launch".to_owned()).spawn(move || serve(&queue, site, channel, follower));
        match spawned {
            Ok(_) => self.threads += 1,
            Err(cause) => {
                self.queue.did_not_start();
                // Whoever ends a task next takes the order; where nobody is there, nobody will.
                if self.threads == 0 {
                    self.refuse(&format!("failed to start a thread: {cause}"));
                }
            }
        }
    }

    /// Tells that what was ordered cannot be done.
    fn refuse(&self, why: &str) {
        while let Some(order) = self.queue.withdraw() {
            let told = match order {
                Order::Attempt(task, ..) => {
                    let facts = AttemptFacts { lost: Some(why.to_owned()), complete: true, ..AttemptFacts::default() };
                    Told::Ended { task, facts: Box::new(facts) }
                }
                Order::Install(task, ..) => Told::Installed { task, result: Installed::Failed(why.to_owned()), runtime: None },
                Order::Rest => continue,
            };
            self.channel.told.send(told).ok(); // a loop that is gone needs no tidings
        }
    }
}

fn serve(queue: &Queue, site: Arc<Site>, channel: Channel, follower: Follower) {
    loop {
        match queue.take() {
            Order::Attempt(task, job, control) => {
                let line = Line::new(task, &channel);
                let told = match attempt::run(&site, &job, &control, &line, &follower) {
                    Ok(facts) => Told::Ended { task, facts: Box::new(facts) },
                    Err((service, why)) => Told::Unready { task, service, why },
                };
                queue.come();
                channel.turns.bring(|| line.tell(told));
            }
            Order::Install(task, runtime, control) => {
                let line = Line::new(task, &channel);
                let (result, runtime) = install::run(&site, &runtime, &control, &line, &follower);
                queue.come();
                channel.turns.bring(|| line.tell(Told::Installed { task, result, runtime: runtime.map(Box::new) }));
            }
            Order::Rest => break,
        }
    }
    drop((site, channel, follower)); // a plan of many gates is big, and this thread stays
    loop {
        std::thread::park();
    }
}

impl Launch for Os {
    fn attempt(&mut self, task: usize, job: &JobId) {
        let control = Arc::new(Control::default());
        self.controls.insert(task, (Arc::clone(&control), job.clone()));
        self.order(Order::Attempt(task, job.clone(), control));
    }

    fn install(&mut self, task: usize, runtime: &str) {
        let control = Arc::new(Control::default());
        self.controls.insert(task, (Arc::clone(&control), JobId { gate: runtime.to_owned(), iteration: 1 }));
        self.order(Order::Install(task, runtime.to_owned(), control));
    }

    fn stop(&mut self, task: usize, _cause: StopCause, force: Force) {
        let Some((control, _)) = self.controls.get(&task) else { return };
        control.stop.store(true, Ordering::Release);
        control.force.fetch_or(force == Force::Kill, Ordering::AcqRel);
        let pid = control.pid.load(Ordering::Acquire);
        let Some(leader) = Pid::from_raw(pid).filter(|_| pid > 0) else { return };
        match force {
            Force::Term => {
                // The whole group at once, then who has left it; nobody is asked twice. CONT, since TERM stays pending on a
                // stopped process.
                let below = tree::descendants(pid);
                spawn::signal_group(leader, Signal::TERM);
                spawn::signal_group(leader, Signal::CONT);
                let left = |one: &i32| tree::group_and_session(*one).is_some_and(|(group, _)| group != pid);
                for one in below.into_iter().filter(left).filter_map(Pid::from_raw) {
                    spawn::signal_one(one, Signal::TERM);
                    spawn::signal_one(one, Signal::CONT);
                }
            }
            Force::Kill => {
                tree::kill(pid);
                spawn::signal_group(leader, Signal::KILL);
            }
        }
    }

    fn tree(&self, task: usize) -> Vec<String> {
        let pid = self.controls.get(&task).map_or(0, |(control, _)| control.pid.load(Ordering::Acquire));
        if pid > 0 { tree::shown(pid, &self.mask) } else { Vec::new() }
    }

    fn last_line(&self, task: usize) -> String {
        self.follower.last_line(&task.to_string()).unwrap_or_default()
    }

    fn sweep(&mut self, running: &[usize]) -> Vec<Leak> {
        let mut leaks = Vec::new();
        let orphans = tree::orphans();
        self.suspects.retain(|pid, _| orphans.contains(pid));
        self.doomed.retain(|pid| orphans.contains(pid));
        for pid in orphans {
            if tree::is_zombie(pid) {
                Pid::from_raw(pid).map(spawn::reap_pid);
                self.suspects.remove(&pid);
                continue;
            }
            let of_service = tree::entry(pid, "GATE_MARK").is_some_and(|marker| self.site.supplies.protects(&marker));
            if of_service {
                continue; // its service lives, and ends it
            }
            let (owners, found_by) = self.suspects.entry(pid).or_insert_with(|| {
                // A marker names the owner; without one, every task that runs or has just ended may be.
                let marked = self.controls.iter().find(|(_, (_, job))| tree::has_marker(pid, &marker(&self.site.run.id, job)));
                match marked {
                    Some((task, _)) => ([*task].into(), FoundBy::Marker),
                    None => (self.controls.keys().copied().collect(), FoundBy::Orphan),
                }
            });
            if owners.iter().any(|task| running.contains(task)) {
                continue;
            }
            if self.doomed.insert(pid) {
                let task = owners.iter().next().copied().filter(|_| owners.len() == 1);
                leaks.push(Leak { task, pid, argv: tree::command_line(pid, &self.mask), found_by: *found_by });
            }
            tree::kill(pid);
            Pid::from_raw(pid).map(spawn::reap_pid);
        }
        self.controls.retain(|task, _| running.contains(task));
        leaks
    }

    fn left_orphans(&self, task: usize) -> bool {
        self.controls.get(&task).is_none_or(|(control, _)| control.orphans.load(Ordering::Acquire))
    }

    fn close(&mut self, at_once: bool) -> Vec<EventKind> {
        self.site.supplies.close(&self.site, at_once)
    }

    fn has_room(&self) -> bool {
        rustix::fs::statvfs(self.site.run.path()).is_ok_and(|found| found.f_bavail.saturating_mul(found.f_frsize) >= ROOM)
    }
}

impl Drop for Os {
    fn drop(&mut self) {
        self.follower.stop();
        self.queue.rest(self.threads);
    }
}

/// The entry of its environment by which a process of a job is known.
pub fn marker(run: &str, job: &JobId) -> String {
    format!("GATE_MARK={run}/{job}")
}

/// A lock that a panicking thread cannot poison for the others: the values behind it are plain.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
