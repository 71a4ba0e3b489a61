//! Processes that do not want to end: whatever happens to gate, runner or guard, nothing of them lives on.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::support::{Sandbox, end_of, read_fifo, tool, within};
use xtask::event::EventKind;

/// Ignores every polite signal, and so do its children: one in the same group, one in a group of its own, one in a session of
/// its own, one forked twice with an empty environment. All five tell their ids.
const STUBBORN: &str = r"
import os, signal, sys
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
reader, writer = os.pipe()
def stay():
    os.write(writer, b'%d\n' % os.getpid())
    while True:
        signal.pause()
if os.fork() == 0:
    stay()
if os.fork() == 0:
    os.setpgid(0, 0)
    stay()
if os.fork() == 0:
    os.setsid()
    stay()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.set_inheritable(writer, True)
        code = 'import os, signal\nos.write(%d, b\'%%d\\n\' %% os.getpid())\nwhile True: signal.pause()' % writer
        os.execve(sys.executable, [sys.executable, '-c', code], {})
    os._exit(0)
told = b'%d\n' % os.getpid()
while told.count(b'\n') < 5:
    told += os.read(reader, 100)
with open(sys.argv[1], 'wb') as fifo:
    fifo.write(told)
if len(sys.argv) > 2:
    sys.exit(0)
stay()
";

struct Stubborn {
    sandbox: Sandbox,
    run: Child,
    pids: Vec<i32>,
    runner: Pid,
}

fn start(more: &str, extra: &str) -> Stubborn {
    let python = tool("python3", "python3");
    let sandbox = Sandbox::with_gate(&format!("run = ['{}', 'stubborn.py', 'fifo'{extra}]\n{more}", python.display()));
    sandbox.write("stubborn.py", STUBBORN);
    let fifo = sandbox.fifo("fifo");
    let run = sandbox.start(&["gate", "p"]);
    let pids: Vec<i32> = read_fifo(&fifo).split_whitespace().map(|pid| pid.parse().expect("a pid")).collect();
    assert_eq!(pids.len(), 5);
    let runner = xtask::process::tree::children(run.id() as i32).first().copied().and_then(Pid::from_raw).expect("the guard has a runner");
    Stubborn { sandbox, run, pids, runner }
}

/// Every process is gone within the budget of eight seconds, by the kernel's own word.
#[track_caller]
pub(crate) fn all_gone(pids: &[i32]) {
    for pid in pids.iter().filter_map(|pid| Pid::from_raw(*pid)) {
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        let mut fds = [PollFd::new(&handle, PollFlags::IN)];
        let ended = poll(&mut fds, Some(&Timespec { tv_sec: 8, tv_nsec: 0 })).expect("poll");
        assert_eq!(ended, 1, "{pid:?} lives on: {}", xtask::process::tree::command_line(pid.as_raw_nonzero().get(), &xtask::mask::Mask::default()));
    }
}

#[test]
fn a_timeout_ends_all_of_it() {
    let stubborn = start("timeout = '4s'\ngrace = '300ms'", "");
    let status = end_of(stubborn.run);
    all_gone(&stubborn.pids);
    assert_eq!(status.code(), Some(1));
    assert_eq!(stubborn.sandbox.verdict("g"), "fail");
    let tree = stubborn.sandbox.events().into_iter().find_map(|event| match event.kind {
        EventKind::KillSent { tree, .. } => Some(tree.len()),
        _ => None,
    });
    assert!(tree.is_some_and(|count| count >= 4), "the event shows the process tree: {tree:?}");
}

#[test]
fn ctrl_c_ends_all_of_it_in_order() {
    let stubborn = start("grace = '300ms'", "");
    kill_process(Pid::from_child(&stubborn.run), Signal::INT).expect("sent");
    let status = end_of(stubborn.run);
    all_gone(&stubborn.pids);
    assert_eq!(status.code(), Some(130));
    assert_eq!(stubborn.sandbox.verdict("g"), "cancelled");
}

#[test]
fn ctrl_c_twice_ends_all_of_it_at_once() {
    // With this grace the orderly way would take longer than the test may.
    let stubborn = start("grace = '10m'", "");
    let events = stubborn.sandbox.path(".gates/runs/latest/events.jsonl");
    kill_process(Pid::from_child(&stubborn.run), Signal::INT).expect("sent");
    let cancelled = move || {
        while !std::fs::read_to_string(&events).unwrap_or_default().contains("CancelRequested") {
            std::thread::yield_now();
        }
    };
    crate::support::within("the first Ctrl-C being noted", cancelled);
    kill_process(Pid::from_child(&stubborn.run), Signal::INT).expect("sent");
    let status = end_of(stubborn.run);
    all_gone(&stubborn.pids);
    assert_eq!(status.code(), Some(130));
}

#[test]
fn sigterm_ends_all_of_it() {
    let stubborn = start("grace = '300ms'", "");
    kill_process(Pid::from_child(&stubborn.run), Signal::TERM).expect("sent");
    let status = end_of(stubborn.run);
    all_gone(&stubborn.pids);
    assert_eq!(status.code(), Some(143));
}

#[test]
fn sigkill_of_the_runner_leaves_nothing_and_a_red_report() {
    let stubborn = start("", "");
    kill_process(stubborn.runner, Signal::KILL).expect("sent");
    let status = end_of(stubborn.run);
    all_gone(&stubborn.pids);
    assert_eq!(status.code(), Some(70));
    assert_eq!(stubborn.sandbox.verdict("g"), "broken");
    assert_eq!(stubborn.sandbox.junit().1.errors, 2, "the gate, and the run itself");
}

#[test]
fn sigkill_of_the_guard_leaves_nothing() {
    let stubborn = start("grace = '300ms'", "");
    kill_process(Pid::from_child(&stubborn.run), Signal::KILL).expect("sent");
    let status = end_of(stubborn.run);
    assert_eq!(status.signal(), Some(9));
    all_gone(&stubborn.pids);
    all_gone(&[stubborn.runner.as_raw_nonzero().get()]);
}

#[test]
fn what_a_gate_leaves_behind_is_ended_and_told() {
    // The gate itself exits with 0 at once; its four children stay.
    let stubborn = start("", ", 'leave'");
    let status = end_of(stubborn.run);
    all_gone(&stubborn.pids);
    assert_eq!(status.code(), Some(0));
    let mut leaked: Vec<i32> = Vec::new();
    for event in stubborn.sandbox.events() {
        if let EventKind::ProcLeaked { pid, .. } = event.kind {
            leaked.push(pid);
        }
    }
    leaked.sort_unstable();
    let mut children = stubborn.pids[..].to_vec();
    children.sort_unstable();
    children.retain(|pid| leaked.contains(pid));
    assert_eq!((leaked.len(), &children), (4, &leaked), "each of the four once");
}

#[test]
fn an_orphan_that_holds_a_masked_pipe_does_not_hold_the_run() {
    let mut sandbox = Sandbox::with_gate("shell = 'echo begin; setsid sleep 1000 & echo end'\nsecrets = ['TOKEN_OF_TEST']");
    sandbox.set("TOKEN_OF_TEST", "not-to-be-seen");
    let begun = std::time::Instant::now();
    sandbox.run(&["gate", "p"]).exits(0);
    assert!(begun.elapsed() < Duration::from_mins(1));
    assert_eq!(sandbox.read(".gates/runs/latest/logs/g.1.log"), "begin\nend\n");
}

#[test]
fn command_lines_of_what_is_ended_show_no_secret() {
    // The process of the gate at its timeout, and one that left it.
    let shell = r#"setsid sh -c "sleep 1000; : $TOKEN_OF_TEST" & echo begin; sh -c "sleep 1000; : $TOKEN_OF_TEST --password=hunter22"; echo end"#;
    let mut sandbox = Sandbox::with_gate(&format!("shell = '{shell}'\nsecrets = ['TOKEN_OF_TEST']\ntimeout = '500ms'\ngrace = '300ms'"));
    sandbox.set("TOKEN_OF_TEST", "not-to-be-seen");
    sandbox.run(&["gate", "p"]).exits(1).says("sleep 1000; : ***").never_says("not-to-be-seen");
    let journal = sandbox.read(".gates/runs/latest/events.jsonl");
    assert!(journal.contains("sleep 1000; : ***") && !journal.contains("not-to-be-seen"), "{journal}");
}

#[test]
fn a_log_over_its_limit_stops_the_gate() {
    let sandbox = Sandbox::with_gate("run = ['yes']\nlog-max = '1MiB'\ngrace = '300ms'");
    sandbox.run(&["gate", "p"]).exits(1).says("log-max");
    assert_eq!(sandbox.verdict("g"), "fail");
}

#[test]
fn a_gate_has_no_terminal_and_no_input() {
    let sandbox = Sandbox::with_gate("shell = 'read -r line && exit 7; (: < /dev/tty) 2>/dev/null && exit 8; exit 0'");
    sandbox.run(&["gate", "p"]).exits(0);
}

#[test]
fn a_gate_has_memory_as_any_other_process() {
    // A runner without huge pages would hand that on to all that it starts.
    let own = std::fs::read_to_string("/proc/self/status").expect("readable");
    let line = own.lines().find(|line| line.starts_with("THP_enabled:")).expect("a kernel that tells");
    let pattern = line.replace('\t', ".");
    let sandbox = Sandbox::with_gate(&format!("run = ['grep', '-qx', '{pattern}', '/proc/self/status']"));
    sandbox.run(&["gate", "p"]).exits(0);
}

/// The same command where so many processes and threads may be, of a user that has no others.
fn with_threads(sandbox: &Sandbox, most: u32, args: &[&str]) -> std::process::Output {
    let root = rustix::process::geteuid().is_root();
    let (confined, user): (&str, Vec<String>) = if root {
        let id = 20_000 + std::process::id() % 2000 * 16 + most;
        std::os::unix::fs::chown(sandbox.root(), Some(id), Some(id)).expect("given away");
        ("setpriv", vec![format!("--reuid={id}"), format!("--regid={id}"), "--clear-groups".into(), "--inh-caps=-all".into(), "--bounding-set=-all".into()])
    } else {
        ("unshare", vec!["--user".into(), "--map-root-user".into()])
    };
    let plain = sandbox.command(args);
    let mut command = Command::new(tool(confined, "util-linux"));
    command.args(user).arg(tool("prlimit", "util-linux")).arg(format!("--nproc={most}")).arg(sandbox.path("xtask")).args(plain.get_args());
    command
        .env_clear()
        .envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .current_dir(sandbox.root())
        .stdin(Stdio::null())
        .output()
        .expect("it starts")
}

#[test]
fn where_threads_run_out_it_is_told_and_nothing_hangs_or_passes() {
    let mut told = Vec::new();
    for most in 1..=13 {
        let sandbox =
            Sandbox::new("schema = 1\n[phase.p]\ngates = ['a', 'b']\n[gate.a]\nowner = 'me'\nrun = ['true']\n[gate.b]\nowner = 'me'\nrun = ['true']\n");
        // Where this program was built, that user may not look.
        std::fs::copy(env!("CARGO_BIN_EXE_xtask"), sandbox.path("xtask")).expect("copied");
        let output = within("a run of few threads", move || with_threads(&sandbox, most, &["gate", "p"]));
        told.push((most, output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    for (most, code, said) in &told {
        let why = ["Resource temporarily unavailable", "PASS p"].map(|words| said.contains(words));
        assert!(matches!((code, why), (Some(70), [true, false]) | (Some(0), [false, true])) && !said.contains("panicked"), "{most}: {code:?} {said}");
    }
    assert!(told.iter().any(|(_, _, said)| said.contains("failed to start a thread")), "no gate was without a thread: {told:?}");
    assert_eq!((told[0].1, told[12].1), (Some(70), Some(0)), "{told:?}");
}
