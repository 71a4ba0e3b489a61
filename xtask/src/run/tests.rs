use std::path::Path;
use std::sync::mpsc::Receiver;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::launch::Force;
use super::launch::Quiet;
use super::*;
use crate::model::{End, StepFact};
use crate::plan::{Request, plan};
use crate::record::Record;

/// How a scripted gate behaves.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Ends after some seconds with a status.
    End(u64, i32),
    /// Ends after some seconds, with a fault in one iteration.
    FaultIn(u64, u32),
    /// Ends some seconds after TERM.
    OnTerm(u64),
    /// Ends only on KILL.
    OnKill,
    /// Never ends.
    Never,
}

/// A launcher without processes: every task follows its script on tokio's clock.
struct Script {
    acts: BTreeMap<String, Act>,
    told: UnboundedSender<Told>,
    running: BTreeMap<usize, (Act, StopFlag)>,
    room: bool,
}

type StopFlag = std::sync::Arc<std::sync::atomic::AtomicBool>;

impl Script {
    fn end(&self, task: usize, after: u64, code: i32) {
        let told = self.told.clone();
        let ended = self.running.get(&task).map(|(_, ended)| std::sync::Arc::clone(ended)).unwrap_or_default();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(after)).await;
            if ended.swap(true, std::sync::atomic::Ordering::SeqCst) {
                return;
            }
            let fact = StepFact { step: "1".to_owned(), end: End::Code(code), accepted: vec![0], took: after * 1000, excerpt: String::new(), at: None };
            told.send(Told::StepEnded { task, fact: Box::new(fact.clone()), from: 0, to: 0 }).ok();
            let facts = AttemptFacts { steps: vec![fact], complete: true, took: after * 1000, ..AttemptFacts::default() };
            told.send(Told::Ended { task, facts: Box::new(facts) }).ok();
        });
    }
}

impl Launch for Script {
    fn attempt(&mut self, task: usize, job: &JobId) {
        let act = self.acts.get(&job.gate).copied().unwrap_or(Act::End(1, 0));
        self.running.insert(task, (act, StopFlag::default()));
        match act {
            Act::End(after, code) => self.end(task, after, code),
            Act::FaultIn(after, iteration) => self.end(task, after, i32::from(job.iteration == iteration)),
            Act::OnTerm(_) | Act::OnKill | Act::Never => {}
        }
    }

    fn install(&mut self, task: usize, runtime: &str) {
        if self.acts.contains_key(runtime) {
            return; // it never ends
        }
        self.told.send(Told::Installed { task, result: crate::event::Installed::Unchanged, runtime: None }).ok();
    }

    fn stop(&mut self, task: usize, _cause: StopCause, force: Force) {
        match (self.running.get(&task).map(|(act, _)| *act), force) {
            (Some(Act::OnTerm(after)), Force::Term) => self.end(task, after, 0),
            (Some(Act::OnKill | Act::End(..) | Act::FaultIn(..) | Act::OnTerm(_)), Force::Kill) => self.end(task, 0, 137),
            (Some(Act::End(..) | Act::FaultIn(..)), Force::Term) => self.end(task, 0, 143),
            _ => {}
        }
    }

    fn tree(&self, _task: usize) -> Vec<String> {
        vec!["1 scripted".to_owned()]
    }

    fn last_line(&self, _task: usize) -> String {
        "last words".to_owned()
    }

    fn sweep(&mut self, _running: &[usize]) -> Vec<Leak> {
        Vec::new()
    }

    fn close(&mut self, _at_once: bool) -> Vec<EventKind> {
        Vec::new()
    }

    fn left_orphans(&self, _task: usize) -> bool {
        true
    }

    fn has_room(&self) -> bool {
        self.room
    }
}

struct Rig {
    gates: String,
    acts: BTreeMap<String, Act>,
    fail_fast: bool,
    slots: u32,
    /// Seconds after which somebody presses Ctrl-C.
    cancels: Vec<u64>,
    room: bool,
    repeat: Repeat,
    root: std::path::PathBuf,
}

fn rig(gates: &str, acts: &[(&str, Act)]) -> Rig {
    Rig {
        gates: gates.to_owned(),
        acts: acts.iter().map(|(id, act)| ((*id).to_owned(), *act)).collect(),
        fail_fast: false,
        slots: 4,
        cancels: Vec::new(),
        room: true,
        repeat: Repeat::default(),
        root: Path::new("/nowhere").to_owned(),
    }
}

impl Rig {
    /// Runs phase `p` and gives the events; the clock is virtual.
    fn run(self) -> Vec<Event> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(self.drive())
    }

    async fn drive(self) -> Vec<Event> {
        let config = crate::config::parse(&self.root, "gates.toml", &format!("schema = 1\n{}", self.gates), crate::config::Caller::default()).expect("valid");
        let request = Request { targets: vec!["p".to_owned()], jobs: self.slots, ..Request::default() };
        let plan = plan(&config, &config.profiles["local"], &request).expect("planned");
        let limits = |gate: &crate::config::Gate| Limits { timeout: gate.timeout, slow_after: gate.slow_after, grace: gate.grace, supplied: false };
        let install = Limits { timeout: Duration::from_mins(1), slow_after: Duration::from_mins(1), grace: Duration::from_secs(5), supplied: false };
        let course = Course {
            reused: Vec::new(),
            plan: &plan,
            limits: config.gates.values().map(|gate| (gate.id.clone(), limits(gate))).collect(),
            install,
            slots: self.slots,
            fail_fast: self.fail_fast,
            flaky: FlakyRule::Warn,
            left_out: Vec::new(),
            repeat: self.repeat,
        };
        let (told_sender, told) = unbounded_channel();
        let (stop_sender, stop) = unbounded_channel();
        for after in self.cancels {
            let stop = stop_sender.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(after)).await;
                stop.send(CancelCause::Interrupt).ok();
            });
        }
        let (sender, events): (_, Receiver<Event>) = std::sync::mpsc::channel();
        let mut teller = Teller::new(sender);
        let head = crate::event::RunStarted { phases: plan.phases.clone(), gates: plan.gates.clone(), flaky: Some(FlakyRule::Warn), ..Default::default() };
        teller.tell(EventKind::RunStarted(Box::new(head)));
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut locks = Locks::new(folder.path().to_owned());
        let mut script = Script { acts: self.acts, told: told_sender, running: BTreeMap::new(), room: self.room };
        drive(&course, &mut script, &mut locks, &mut teller, Inbox { told, quiet: Quiet::default(), stop }).await;
        teller.tell(EventKind::RunEnded {});
        drop(teller);
        events.iter().collect()
    }
}

fn gate(id: &str, body: &str) -> String {
    format!("[gate.{id}]\nowner = 'me'\nrun = ['x']\n{body}\n")
}

fn one(body: &str) -> String {
    format!("[phase.p]\ngates = ['g']\n{}", gate("g", body))
}

/// Seconds at which the first event of a kind was told.
fn at(events: &[Event], wanted: impl Fn(&EventKind) -> bool) -> Option<u64> {
    events.iter().find(|event| wanted(&event.kind)).map(|event| event.at / 1000)
}

fn verdict(events: &[Event], id: &str) -> Verdict {
    let record = Record::of(events);
    let planned = record.head.gates.iter().find(|gate| gate.id == id).expect("planned").clone();
    record.gate(&planned).verdict
}

#[test]
fn a_timeout_asks_then_kills() {
    let events = rig(&one("timeout = '10m'\ngrace = '5s'"), &[("g", Act::OnKill)]).run();
    let sent = |wanted: &'static str| at(&events, |kind| matches!(kind, EventKind::KillSent { signal, cause: StopCause::Timeout, .. } if signal == wanted));
    assert_eq!((sent("TERM"), sent("KILL")), (Some(600), Some(605)));
    assert_eq!(verdict(&events, "g"), Verdict::Fail);
}

#[test]
fn a_gate_that_heeds_term_is_not_killed_and_still_timed_out() {
    let events = rig(&one("timeout = '1m'"), &[("g", Act::OnTerm(2))]).run();
    assert_eq!(at(&events, |kind| matches!(kind, EventKind::AttemptEnded(_))), Some(62));
    assert!(!events.iter().any(|event| matches!(&event.kind, EventKind::KillSent { signal, .. } if signal == "KILL")));
    assert_eq!(verdict(&events, "g"), Verdict::Fail, "it exits with 0, too late");
}

#[test]
fn what_kill_does_not_end_is_given_up() {
    let events = rig(&one("timeout = '1m'\ngrace = '5s'"), &[("g", Act::Never)]).run();
    assert_eq!(at(&events, |kind| matches!(kind, EventKind::AttemptEnded(_))), Some(70));
    assert_eq!(verdict(&events, "g"), Verdict::Broken);
}

#[test]
fn slow_gates_say_so_once_a_period() {
    let events = rig(&one("slow-after = '60s'"), &[("g", Act::End(200, 0))]).run();
    let notices: Vec<u64> = events.iter().filter(|event| matches!(event.kind, EventKind::ProcSlow { .. })).map(|event| event.at / 1000).collect();
    assert_eq!(notices, [60, 120, 180]);
    assert_eq!(verdict(&events, "g"), Verdict::Pass);
}

#[test]
fn ctrl_c_is_orderly_and_twice_is_at_once() {
    let slow = "grace = '30s'";
    let once = Rig { cancels: vec![10], ..rig(&one(slow), &[("g", Act::OnKill)]) }.run();
    assert_eq!(at(&once, |kind| matches!(kind, EventKind::RunEnded {})), Some(40));
    let twice = Rig { cancels: vec![10, 12], ..rig(&one(slow), &[("g", Act::OnKill)]) }.run();
    assert_eq!(at(&twice, |kind| matches!(kind, EventKind::RunEnded {})), Some(12));
    assert_eq!(verdict(&twice, "g"), Verdict::Cancelled);
}

#[test]
fn a_cancelled_run_tells_of_every_job() {
    let gates = format!("[phase.p]\ngates = ['a', 'b', 'c']\n{}{}{}", gate("a", ""), gate("b", "needs = ['a']"), gate("c", "needs = ['b']"));
    let events = Rig { cancels: vec![5], ..rig(&gates, &[("a", Act::OnTerm(1))]) }.run();
    let skipped = events.iter().filter(|event| matches!(event.kind, EventKind::JobSkipped { skip: Skip::Cancelled, .. })).count();
    assert_eq!(skipped, 2);
    assert_eq!(Record::of(&events).exit(), crate::model::Exit::Interrupted);
}

#[test]
fn fail_fast_lets_the_running_finish() {
    let gates = format!("[phase.p]\ngates = ['a', 'b', 'c']\n{}{}{}", gate("a", ""), gate("b", ""), gate("c", "needs = ['b']"));
    let events = Rig { fail_fast: true, ..rig(&gates, &[("a", Act::End(1, 1)), ("b", Act::End(9, 0))]) }.run();
    assert_eq!((verdict(&events, "a"), verdict(&events, "b"), verdict(&events, "c")), (Verdict::Fail, Verdict::Pass, Verdict::Skipped));
}

#[test]
fn the_first_fault_ends_an_open_repetition() {
    let gates = format!("[phase.p]\ngates = ['a', 'b']\nruns = 50\n{}{}", gate("a", ""), gate("b", ""));
    let repeat = Repeat { until_fail: true, ..Repeat::default() };
    let events = Rig { repeat, ..rig(&gates, &[("a", Act::FaultIn(10, 4)), ("b", Act::End(16, 0))]) }.run();
    let record = Record::of(&events);
    let runs: Vec<(u32, u32)> = record.head.gates.iter().map(|planned| (planned.runs, record.gate(planned).ended)).collect();
    assert_eq!(runs, [(4, 4), (3, 3)], "what runs may finish, nothing else begins");
    assert_eq!((verdict(&events, "a"), verdict(&events, "b"), record.finished()), (Verdict::Pass, Verdict::Pass, 2), "a flake under rule warn, and b");
    assert_eq!(at(&events, |kind| matches!(kind, EventKind::RunEnded {})), Some(48));
}

#[test]
fn a_repetition_for_a_time_ends_with_it_and_is_partial_where_it_is_short() {
    let gates = |due| format!("[phase.p]\ngates = ['a', 'b']\nruns = 50\n{}{}", gate("a", ""), gate("b", &format!("needs = ['a']{due}")));
    let run = |due| {
        let repeat = Repeat { runs_for: Some(Duration::from_secs(95)), due, ..Repeat::default() };
        Rig { repeat, ..rig(&gates(""), &[("a", Act::End(10, 0)), ("b", Act::End(10, 0))]) }.run()
    };
    let record = Record::of(&run(9));
    let runs: Vec<u32> = record.head.gates.iter().map(|planned| planned.runs).collect();
    assert_eq!((runs, record.exit(), record.head.partial), (vec![10, 9], crate::model::Exit::Pass, None));
    assert_eq!(Record::of(&run(10)).head.partial.as_deref(), Some("9 iterations where 10 are due"));
}

#[test]
fn a_full_disk_is_broken() {
    let events = Rig { room: false, ..rig(&one(""), &[("g", Act::OnTerm(1))]) }.run();
    assert_eq!(verdict(&events, "g"), Verdict::Broken);
}

#[test]
fn a_set_up_that_never_ends_is_given_up_and_skips_its_gates() {
    let folder = tempfile::tempdir().expect("temporary folder");
    crate::rundir::write_atomic(&folder.path().join("pin"), b"3.11").expect("written");
    let gates = format!("[runtime.python]\npin = 'pin'\n{}", one("runtimes = ['python']"));
    let events = Rig { root: folder.path().to_owned(), ..rig(&gates, &[("python", Act::Never)]) }.run();
    assert_eq!(at(&events, |kind| matches!(kind, EventKind::InstallEnded { .. })), Some(70));
    assert_eq!(Record::of(&events).exit(), crate::model::Exit::Environment);
}

#[test]
fn a_gate_that_waits_long_for_a_lock_says_so() {
    let gates = format!("[lock.x]\n[phase.p]\ngates = ['a', 'b']\n{}{}", gate("a", "locks = ['x']"), gate("b", "locks = ['x']"));
    let events = rig(&gates, &[("a", Act::End(10, 0)), ("b", Act::End(10, 0))]).run();
    let notes = events.iter().filter(|event| matches!(&event.kind, EventKind::Noted { text, .. } if text.contains("waits for lock x"))).count();
    assert_eq!(notes, 1);
}

#[test]
fn ten_minutes_of_gates_side_by_side_take_as_long_as_the_longest_chain() {
    let gates = format!("[phase.p]\ngates = ['a', 'b', 'c']\n{}{}{}", gate("a", ""), gate("b", "needs = ['a']"), gate("c", ""));
    let acts = [("a", Act::End(200, 0)), ("b", Act::End(200, 0)), ("c", Act::End(399, 0))];
    let events = rig(&gates, &acts).run();
    assert_eq!(at(&events, |kind| matches!(kind, EventKind::RunEnded {})), Some(400));
}

#[test]
fn wide_gates_and_locks_are_respected() {
    let gates = format!("[lock.x]\n[phase.p]\ngates = ['a', 'b', 'c']\n{}{}{}", gate("a", "locks = ['x']"), gate("b", "locks = ['x']"), gate("c", "cpus = 9"));
    let acts = [("a", Act::End(10, 0)), ("b", Act::End(10, 0)), ("c", Act::End(10, 0))];
    let events = rig(&gates, &acts).run();
    assert_eq!(at(&events, |kind| matches!(kind, EventKind::RunEnded {})), Some(30), "no two of the three may meet");
}

/// The fold of every prefix of the events never says pass before the end, and the live fold is the replayed one.
#[test]
fn live_and_replay_agree() {
    let gates = format!("[phase.p]\ngates = ['a', 'b']\n{}{}", gate("a", ""), gate("b", "needs = ['a']"));
    let events = rig(&gates, &[("a", Act::End(3, 0)), ("b", Act::End(4, 1))]).run();
    let mut live = Record::default();
    for (count, event) in events.iter().enumerate() {
        live.apply(event);
        assert_eq!(live, Record::of(&events[..=count]));
    }
    let lines: Vec<String> = events.iter().map(|event| serde_json::to_string(event).expect("an event is JSON")).collect();
    let read: Vec<Event> = lines.iter().map(|line| serde_json::from_str(line).expect("and back")).collect();
    assert_eq!(read, events);
}
