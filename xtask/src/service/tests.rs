//! Services that come up, that do not, and that end.

use std::collections::BTreeMap;

use super::*;

fn order<'a>(folder: &std::path::Path, script: &str, asked: Asked, timeout: u64) -> Order<'a> {
    let env: BTreeMap<String, String> = [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into();
    let spec = Spec { exe: "/bin/sh".into(), args: vec!["-c".to_owned(), script.to_owned()], env, cwd: folder.to_owned(), user: None };
    let grace = Duration::from_millis(200);
    Order { id: "s", spec, mask: Mask::default(), log: folder.join("log"), asked, timeout: Duration::from_millis(timeout), grace, stopped: &|| false }
}

fn line(pattern: &str) -> Asked {
    Asked::Line(regex::Regex::new(pattern).expect("a pattern"))
}

#[test]
fn a_line_makes_it_ready_and_its_tree_ends_with_it() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let instance = Instance::start(&order(folder.path(), "echo up; trap '' TERM; sleep 600 & wait; sleep 600", line("^up$"), 20_000)).expect("ready");
    assert_eq!(instance.lost(), None);
    let below = tree::descendants(instance.pid);
    assert_eq!(instance.stop(false), End::Signal(9), "it ignores TERM");
    for pid in below {
        let until = Instant::now() + Duration::from_secs(20);
        while !tree::is_zombie(pid) {
            assert!(Instant::now() < until, "{pid} lives");
            std::thread::yield_now();
        }
    }
}

#[test]
fn what_ends_or_says_nothing_is_told_with_its_last_line() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let why = Instance::start(&order(folder.path(), "echo no port >&2; exit 3", line("never"), 20_000)).expect_err("it ended");
    assert_eq!(why, "ended with exit 3 before it was ready: no port");
    let why = Instance::start(&order(folder.path(), "echo hm; sleep 600", Asked::Tcp(1), 100)).expect_err("not ready");
    assert!(why.starts_with("was not ready within 100ms (127.0.0.1:1: ") && why.ends_with("its last line: hm"), "{why}");
}

#[test]
fn a_page_must_answer_well_and_a_fixed_place_must_be_free() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("bound");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.expect("accepted");
            let _read = stream.read(&mut [0; 512]);
            let status = if number < 2 { "503 Later" } else { "204 Good" };
            let _written = write!(stream, "HTTP/1.1 {status}\r\n\r\n");
        }
    });
    let folder = tempfile::tempdir().expect("temporary folder");
    let taken = Instance::start(&order(folder.path(), "sleep 600", Asked::http(&format!("http://127.0.0.1:{port}/x"), 0).expect("good"), 20_000));
    assert!(taken.expect_err("taken").contains("the port is taken"));
    let instance = Instance::start(&order(folder.path(), "sleep 600", Asked::http("/x", port).expect("good"), 20_000)).expect("ready after 503");
    instance.stop(true);
    assert!(instance.lost().is_some());
}
