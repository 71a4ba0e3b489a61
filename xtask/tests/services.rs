//! Processes that serve gates: who gets which one, who is blamed when one fails, and that none lives on.

use rustix::process::{Pid, Signal, kill_process};

use crate::processes::all_gone;
use crate::support::{Sandbox, end_of, read_fifo, services_up};
use xtask::event::EventKind;

/// A service that answers on its port, says who asks, and takes its time to end.
const SERVER: &str = r"
import http.server, os, signal, sys
if len(sys.argv) > 2:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        signal.pause()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
";

fn sandbox(services: &str, gates: &str) -> Sandbox {
    let ids: Vec<String> = gates.lines().filter_map(|line| line.strip_prefix("[gate.")).map(|id| format!("'{}'", id.trim_end_matches(']'))).collect();
    let sandbox = Sandbox::new(&format!("schema = 1\n{services}\n[phase.p]\ngates = [{}]\n{gates}", ids.join(", ")));
    sandbox.write("server.py", SERVER);
    sandbox
}

fn service(id: &str, more: &str) -> String {
    format!("[service.{id}]\nrun = ['python3', 'server.py', '{{port}}']\nready = {{ http = '/' }}\ngrace = '300ms'\n{more}\n")
}

fn gate(id: &str, body: &str) -> String {
    format!("[gate.{id}]\nowner = 'me'\n{body}\n")
}

fn pids(sandbox: &Sandbox) -> Vec<i32> {
    services_up(sandbox).into_iter().filter_map(|one| one.pid).collect()
}

#[test]
fn each_scope_has_its_own_instances() {
    let services = [
        service("whole", "per = 'run'"),
        service("each", "needs = ['whole']"),
        service("w", "per = 'worker'\nneeds = ['each']\nenv = { UP = '{each.url} {whole.port}' }"),
    ];
    let body = "services = ['w']\nworkers = 2\nruns = 2\nshell = 'for url in $(echo $GATE_W_URLS | tr , \" \") $GATE_EACH_URL $GATE_WHOLE_URL; do curl -sf $url; echo; done'";
    let sandbox = sandbox(&services.concat(), &gate("g", body));
    sandbox.run(&["gate", "p"]).exits(0);
    let names: Vec<String> = services_up(&sandbox).into_iter().map(|one| one.instance).collect();
    assert_eq!(names, ["whole", "each.g.1", "w.g.1.1", "w.g.1.2", "each.g.2", "w.g.2.1", "w.g.2.2"]);
    let said = |iteration: u32| sandbox.read(&format!(".gates/runs/latest/logs/g.{iteration}.log")).lines().map(str::to_owned).collect::<Vec<String>>();
    let (first, second) = (said(1), said(2));
    let own = pids(&sandbox).iter().map(ToString::to_string).collect::<Vec<String>>();
    assert_eq!(first, [own[2].as_str(), &own[3], &own[1], &own[0]], "each answered by its own process");
    assert_eq!(second, [own[5].as_str(), &own[6], &own[4], &own[0]]);
    all_gone(&pids(&sandbox));
    let ended: Vec<String> = sandbox
        .events()
        .into_iter()
        .filter_map(|event| if let EventKind::ServiceEnded { instance, .. } = event.kind { Some(instance) } else { None })
        .collect();
    assert_eq!(ended, ["w.g.1.2", "w.g.1.1", "each.g.1", "w.g.2.2", "w.g.2.1", "each.g.2", "whole"], "in the opposite order");
}

#[test]
fn a_service_that_fails_is_blamed_itself() {
    let broken = "[service.broken]\nrun = ['sh', '-c', 'echo no config; exit 7']\nready = { line = 'up' }\nper = 'run'\n";
    let gates =
        format!("{}{}{}", gate("a", "services = ['broken']\nrun = ['true']"), gate("b", "services = ['broken']\nrun = ['true']"), gate("c", "run = ['true']"));
    let sandbox = sandbox(broken, &gates);
    sandbox.run(&["gate", "p"]).exits(3).says("service broken ended with exit 7 before it was ready: no config");
    assert_eq!([sandbox.verdict("a"), sandbox.verdict("b"), sandbox.verdict("c")], ["skipped", "skipped", "pass"]);
    let failed = sandbox.events().into_iter().filter(|event| matches!(event.kind, EventKind::ServiceFailed { .. })).count();
    assert_eq!(failed, 1, "one try for the whole run");
    assert_eq!(sandbox.report()["phases"][0]["verdict"], "broken");
}

#[test]
fn a_killed_service_makes_its_gate_broken() {
    let sandbox = sandbox(&service("s", ""), &gate("g", "services = ['s']\nshell = 'echo up > fifo; read -r _ < go'"));
    let (fifo, go) = (sandbox.fifo("fifo"), sandbox.fifo("go"));
    let run = sandbox.start(&["gate", "p"]);
    read_fifo(&fifo);
    kill_process(Pid::from_raw(pids(&sandbox)[0]).expect("a pid"), Signal::KILL).expect("sent");
    all_gone(&pids(&sandbox));
    std::fs::write(go, "go\n").expect("told");
    assert_eq!(end_of(run).code(), Some(70));
    let why = sandbox.report()["gates"][0]["why"][0].as_str().expect("a reason").to_owned();
    assert!(why.contains("service s ended by itself (signal 9)"), "{why}");
}

#[test]
fn a_taken_port_is_no_ready_service() {
    let theirs = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("bound");
    let port = theirs.local_addr().expect("bound").port();
    let fixed = format!("[service.s]\nrun = ['python3', 'server.py', '{port}']\nready = {{ http = 'http://127.0.0.1:{port}/' }}\n");
    let sandbox = sandbox(&fixed, &gate("g", "services = ['s']\nrun = ['true']"));
    sandbox.run(&["gate", "p"]).exits(3).says(&format!("something else answers at 127.0.0.1:{port}")).says("the port is taken");
    drop(theirs);
    sandbox.run(&["gate", "p"]).exits(0);
}

/// The service ignores TERM, and has a child in a session of its own.
fn stubborn() -> (Sandbox, Vec<i32>, std::process::Child) {
    let service = service("s", "").replace("'{port}'", "'{port}', 'stubborn'");
    let sandbox = sandbox(&service, &gate("g", "services = ['s']\ngrace = '300ms'\nshell = 'echo up > fifo; exec sleep 600'"));
    let fifo = sandbox.fifo("fifo");
    let run = sandbox.start(&["gate", "p"]);
    read_fifo(&fifo);
    let leader = pids(&sandbox)[0];
    let all = [vec![leader], xtask::process::tree::descendants(leader)].concat();
    assert_eq!(all.len(), 2);
    (sandbox, all, run)
}

#[test]
fn ctrl_c_ends_services_too() {
    let (sandbox, pids, run) = stubborn();
    kill_process(Pid::from_child(&run), Signal::INT).expect("sent");
    assert_eq!(end_of(run).code(), Some(130));
    all_gone(&pids);
    assert_eq!(sandbox.verdict("g"), "cancelled");
}

#[test]
fn a_killed_runner_leaves_no_service() {
    let (_sandbox, pids, run) = stubborn();
    let runner = xtask::process::tree::children(run.id() as i32)[0];
    kill_process(Pid::from_raw(runner).expect("a pid"), Signal::KILL).expect("sent");
    assert_eq!(end_of(run).code(), Some(70));
    all_gone(&pids);
}

#[test]
fn a_killed_guard_leaves_no_service() {
    let (_sandbox, pids, run) = stubborn();
    kill_process(Pid::from_child(&run), Signal::KILL).expect("sent");
    end_of(run);
    all_gone(&pids);
}

#[test]
fn the_time_of_a_gate_begins_when_its_services_are_ready() {
    let slow = "[service.slow]\nrun = ['sh', '-c', 'sleep 2; echo up; exec sleep 600']\nready = { line = 'up' }\n";
    let sandbox = sandbox(slow, &gate("g", "services = ['slow']\nrun = ['true']\ntimeout = '1500ms'"));
    sandbox.run(&["gate", "p"]).exits(0);
}
