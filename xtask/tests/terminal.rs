//! A run at a terminal: output as it is written, keys, and a terminal that is left as it was.

use crate::support::Sandbox;

#[test]
fn the_output_of_one_gate_is_shown_as_it_is_written() {
    let sandbox = Sandbox::new(
        "schema = 1\n[phase.p]\ngates = ['a', 'b']\n[gate.a]\nowner = 'me'\nshell = 'echo one; echo two; printf last'\n[gate.b]\nowner = 'me'\nshell = 'echo other'\n",
    );
    let told = sandbox.run(&["gate", "p", "--stream", "a"]).exits(0).says("a | one\na | two\na | last\n").never_says("other");
    assert!(told.stderr.find("a | last") < told.stderr.find("PASS p"), "{told}");
    sandbox.run(&["gate", "p", "--stream", "a", "--output", "ndjson"]).exits(2).says("--stream does not go with --output ndjson");
    sandbox.run(&["gate", "p", "--stream", "aa"]).exits(2).says("this run has no such gate").says("did you mean `a`?");
}

/// A run on a real terminal, of which the settings before and after are written down.
struct Terminal {
    child: std::process::Child,
    keys: std::process::ChildStdin,
    seen: std::sync::mpsc::Receiver<String>,
    shown: String,
}

impl Terminal {
    fn open(sandbox: &Sandbox) -> Self {
        use std::io::Read as _;
        let program = env!("CARGO_BIN_EXE_xtask");
        // The shell lives on where Ctrl-C ends the run.
        let line = format!("trap : INT; stty -a > before; {program} gate p; echo $? > status; stty -a > after");
        let environment = sandbox.command(&[]);
        let mut terminal = std::process::Command::new(crate::support::tool("script", "bsdutils"));
        terminal.args(["-qec", &line, "/dev/null"]).current_dir(sandbox.root()).env_clear();
        terminal.envs(environment.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))).env("TERM", "xterm").env("NO_COLOR", "1");
        let mut child = terminal.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().expect("script starts");
        let (keys, mut screen) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let (sender, seen) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = screen.read(&mut buffer) {
                if count == 0 || sender.send(String::from_utf8_lossy(&buffer[..count]).into_owned()).is_err() {
                    return;
                }
            }
        });
        Self { child, keys, seen, shown: String::new() }
    }

    /// Waits until some text was shown.
    fn until(&mut self, word: &str) {
        while !self.shown.contains(word) {
            let more = self.seen.recv_timeout(crate::support::LIMIT);
            self.shown.push_str(&more.unwrap_or_else(|_| panic!("`{word}` is not in {}", self.shown)));
        }
    }

    fn types(&mut self, keys: &[u8]) {
        use std::io::Write as _;
        self.keys.write_all(keys).expect("typed");
    }

    /// The exit status; the terminal is as it was.
    fn end(self, sandbox: &Sandbox) -> String {
        let Self { mut child, keys, .. } = self;
        child.wait().expect("it ends");
        drop(keys);
        assert_eq!(sandbox.read("before"), sandbox.read("after"), "the terminal is as it was");
        sandbox.read("status").trim().to_owned()
    }
}

#[test]
fn enter_shows_what_runs_and_t_the_processes_too() {
    let sandbox = Sandbox::with_gate("shell = 'echo working; echo > up; cat go > /dev/null; echo done'");
    let (up, go) = (sandbox.fifo("up"), sandbox.fifo("go"));
    let mut terminal = Terminal::open(&sandbox);
    terminal.until("gates over");
    std::fs::read(up).expect("the gate has written");
    terminal.types(b"\n");
    terminal.until("| working");
    terminal.types(b"t\n");
    terminal.until("cat go");
    std::fs::write(go, "").expect("released");
    terminal.until("PASS p");
    assert_eq!(terminal.end(&sandbox), "0");
}

#[test]
fn a_terminal_is_clean_after_an_interrupt_at_any_moment() {
    // At the first line, while a gate runs, and twice.
    for (wait, keys) in [("gate p ·", &b"\x03"[..]), ("gates over", b"\x03"), ("gates over", b"\x03\x03")] {
        let sandbox = Sandbox::with_gate("shell = 'trap : TERM; sleep 60'\ngrace = '200ms'");
        let mut terminal = Terminal::open(&sandbox);
        terminal.until(wait);
        terminal.types(keys);
        let status = terminal.end(&sandbox);
        assert_eq!(status, "130", "after `{wait}`");
    }
}
