//! A planted secret is in no file of a run, however it is written, and however the run ends.

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Sandbox, end_of, read_fifo};

const SECRET: &str = "s3cr3t-<&>-\"value\"-that-is-long";

#[track_caller]
fn is_nowhere(sandbox: &Sandbox) {
    let encoded = SECRET.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    for file in sandbox.files(".gates") {
        let bytes = std::fs::read(&file).expect("readable");
        let text = String::from_utf8_lossy(&bytes);
        let utf16: String = char::decode_utf16(bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]))).map(|c| c.unwrap_or('?')).collect();
        for needle in [SECRET, encoded.as_str(), "c3VwZXI"] {
            assert!(!text.contains(needle) && !utf16.contains(needle), "{} holds the secret", file.display());
        }
    }
}

const LEAKY: &str = r#"
import os, sys
secret = os.environ["PLANTED"]
print("plain", secret)
sys.stdout.flush()
half = len(secret) // 2
os.write(1, b"cut " + secret[:half].encode()); os.write(1, secret[half:].encode() + b"\n")
escaped = secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
xml = '<?xml version="1.0" encoding="utf-16"?><testsuite name="s"><testcase name="a %s"><failure message="%s">%s</failure></testcase></testsuite>' % (escaped, escaped, escaped)
open(sys.argv[1], "wb").write(xml.encode("utf-16"))
os.makedirs(sys.argv[2], exist_ok=True)
open(sys.argv[2] + "/trace.txt", "w").write(secret)
open(sys.argv[2] + "/trace.bin", "wb").write(b"\xff\xfe" + secret.encode())
if len(sys.argv) > 3:
    open(sys.argv[3], "w").write("ready")
    while True:
        import signal; signal.pause()
sys.exit("failed with " + secret)
"#;

fn sandbox(more: &str) -> Sandbox {
    let python = crate::support::tool("python3", "python3");
    let gate = format!("run = ['{}', 'leaky.py', '{{junit}}', '{{out}}'{more}]\nsecrets = ['PLANTED']", python.display());
    let mut sandbox = Sandbox::with_gate(&gate);
    sandbox.write("leaky.py", LEAKY);
    sandbox.set("PLANTED", SECRET);
    sandbox
}

#[test]
fn a_secret_is_in_no_file_of_a_failed_run() {
    let sandbox = sandbox("");
    let transcript = sandbox.run(&["gate", "p"]).exits(1).says("***");
    assert!(!transcript.stderr.contains(SECRET), "{transcript}");
    assert!(sandbox.read(".gates/runs/latest/logs/g.1.log").starts_with("plain ***\ncut ***\n"));
    is_nowhere(&sandbox);
}

#[test]
fn a_secret_is_in_no_file_after_the_runner_was_killed() {
    let sandbox = sandbox(", 'fifo'");
    let fifo = sandbox.fifo("fifo");
    let run = sandbox.start(&["gate", "p"]);
    read_fifo(&fifo);
    let runner = xtask::process::tree::children(run.id() as i32).first().copied().and_then(Pid::from_raw).expect("a runner");
    kill_process(runner, Signal::KILL).expect("sent");
    assert_eq!(end_of(run).code(), Some(70));
    is_nowhere(&sandbox);
}

#[test]
fn a_secret_that_is_not_set_or_too_short_refuses_the_run() {
    let mut sandbox = Sandbox::with_gate("run = ['true']\nsecrets = ['PLANTED']");
    sandbox.run(&["gate", "p"]).exits(3).says("its secret `PLANTED` is not set");
    sandbox.set("PLANTED", "abc");
    sandbox.run(&["gate", "p"]).exits(3).says("fewer than 6 characters");
}

#[test]
fn a_gate_without_the_secret_does_not_get_it() {
    let mut sandbox = Sandbox::with_gate("shell = '[ -z \"${PLANTED:-}\" ]'");
    sandbox.set("PLANTED", SECRET);
    sandbox.run(&["gate", "p"]).exits(0);
}
