//! `compose-health` on a real engine, with images built from nothing but a static busybox. Not part of `cargo test`: it needs an engine that
//! answers (`DOCKER_HOST`) with compose, and the Debian package `busybox-static`. `.ci/engine` starts one; `cargo test --test engine`.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests play the world outside")]

#[allow(dead_code, reason = "these tests use a part of it")]
mod support;

use std::process::Command;
use std::sync::Once;

use support::{LIMIT, Sandbox, example};
use xtask::model::Outcome;

const IMAGE: &str = "gates-busybox:1";
const SERVE: &str = "trap 'exit 0' TERM; while :; do sleep 1; done";

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("these tests need `docker`: install the Debian package `docker.io`");
    assert!(output.status.success(), "docker {args:?}: {}\nthese tests need an engine: .ci/engine starts one", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The image, built once: busybox and two folders.
fn image() {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|file| std::path::Path::new(file).is_file());
        let busybox = busybox.expect("these tests need a static busybox: install the Debian package `busybox-static`");
        std::fs::copy(busybox, folder.path().join("busybox")).expect("copied");
        let text = "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\nRUN mkdir /srv\n";
        std::fs::write(folder.path().join("Dockerfile"), text).expect("written");
        let output = Command::new("docker")
            .args(["build", "--network=none", "-t", IMAGE, "."])
            .env("DOCKER_BUILDKIT", "0")
            .current_dir(folder.path())
            .output()
            .expect("docker starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
}

fn service(name: &str, script: &str, more: &str) -> String {
    format!("  {name}:\n    image: {IMAGE}\n    network_mode: none\n    command: [\"sh\", \"-c\", \"{script}\"]\n{more}")
}

/// A repository whose one gate watches a stack.
fn stack(services: &str, with: &str, gate: &str) -> Sandbox {
    image();
    let mut sandbox = Sandbox::with_gate(&format!("tools = ['docker']\ncheck = 'compose-health'\nwith = {{ file = 'c.yml', {with} }}\n{gate}"));
    for name in xtask::compose::engine::VARIABLES {
        if let Ok(value) = std::env::var(name) {
            sandbox.set(name, &value);
        }
    }
    sandbox.write("c.yml", &format!("services:\n{services}"));
    sandbox
}

/// Containers of the stack of a sandbox: of all stacks of checks, since tests run side by side, those of its file.
fn containers(sandbox: &Sandbox) -> Vec<String> {
    let file = sandbox.root().canonicalize().expect("there").join("c.yml");
    let filter = format!("label=com.docker.compose.project.config_files={}", file.display());
    docker(&["ps", "--all", "--quiet", "--filter", &filter]).lines().map(str::to_owned).collect()
}

fn wrong(sandbox: &Sandbox) -> Vec<String> {
    let cases = sandbox.junit().2.into_iter().filter(|case| case.outcome != Outcome::Passed);
    cases.map(|case| format!("{}: {}", case.name, case.message)).collect()
}

#[test]
fn a_stack_that_is_well_passes_and_is_gone_afterwards() {
    let check = "    healthcheck: {test: [\"CMD\", \"test\", \"-f\", \"/srv/ready\"], interval: 1s, timeout: 2s, retries: 10}\n    restart: always\n    volumes: [\"data:/data\"]\n";
    let services = [
        service("db", &format!("sleep 1; touch /srv/ready; {SERVE}"), check),
        service("migrate", "echo migrated", "    depends_on: {db: {condition: service_healthy}}\n"),
        service("api", SERVE, "    depends_on: {migrate: {condition: service_completed_successfully}}\n"),
        service("dev", "exit 1", "    profiles: [dev]\n"),
        "volumes:\n  data:\n".to_owned(),
    ];
    let sandbox = stack(&services.concat(), "window = '3s'", "");
    sandbox.run(&["gate", "p"]).exits(0);
    assert_eq!(sandbox.junit().1.tests, 5, "three services, up and down");
    assert_eq!(sandbox.report()["gates"][0]["iterations"][0]["measures"]["restart-loops"], "0", "{}", sandbox.report());
    assert!(containers(&sandbox).is_empty());
    assert!(!docker(&["volume", "ls", "--quiet"]).contains("_data"), "its volume is gone too");
}

#[test]
fn a_crashing_an_unhealthy_and_a_lost_service_fail_by_name_with_their_log() {
    let crash = service("api", "echo 'the database is behind'; sleep 1; exit 3", "    restart: always\n");
    let sandbox = stack(&crash, "window = '5s'", "[phase.p.criteria.restart-loops]\nmax = 0");
    sandbox.run(&["gate", "p"]).exits(1).says("service api: it was restarted").says("FAIL restart-loops: 1   [<= 0; 1/1 runs valid]");
    assert!(sandbox.read(".gates/runs/latest/junit.xml").contains("the database is behind"));
    assert_eq!(sandbox.report()["gates"][0]["iterations"][0]["measures"]["restart-loops"], "1");
    assert!(containers(&sandbox).is_empty());

    let check = "    healthcheck: {test: [\"CMD-SHELL\", \"echo 'connection refused'; exit 1\"], interval: 1s, timeout: 2s, retries: 2}\n";
    let sandbox = stack(&service("api", SERVE, check), "window = '2s'", "");
    sandbox.run(&["gate", "p"]).exits(1).says("it is unhealthy; its check says: connection refused");

    let sandbox = stack(&service("api", "exit 0", ""), "window = '2s'", "");
    sandbox.run(&["gate", "p"]).exits(1).says("nobody waits for its end");
    let sandbox = stack(&service("job", "exit 0", ""), "window = '1s', one-shots = ['job']", "");
    sandbox.run(&["gate", "p"]).exits(0);

    // A migration that fails keeps what waits for it from starting.
    let services =
        [service("migrate", "echo no; exit 42", ""), service("api", SERVE, "    depends_on: {migrate: {condition: service_completed_successfully}}\n")];
    let sandbox = stack(&services.concat(), "window = '1s'", "");
    sandbox.run(&["gate", "p"]).exits(1);
    let told = wrong(&sandbox).join("\n");
    assert!(told.contains("service migrate: it ended with 42") && told.contains("service api") && told.contains("the stack comes up"), "{told}");
    assert!(containers(&sandbox).is_empty());
}

/// Between two crashes it runs and is healthy: only its starts tell.
#[test]
fn a_slow_loop_that_looks_healthy_is_found() {
    let check = "    restart: unless-stopped\n    healthcheck: {test: [\"CMD\", \"true\"], interval: 1s, timeout: 1s, retries: 2}\n";
    let sandbox = stack(&service("api", "sleep 6; exit 1", check), "window = '15s'", "");
    sandbox.run(&["gate", "p"]).exits(1).says("service api: it was");
}

#[test]
fn a_stack_that_is_stopped_midway_goes_down_and_a_killed_ones_is_taken_away() {
    let sandbox = stack(&service("api", SERVE, ""), "window = '10m'", "timeout = '6s'\ngrace = '20s'");
    sandbox.run(&["gate", "p"]).exits(1).says("timed out");
    assert!(containers(&sandbox).is_empty(), "the check took it down when it was asked to end");

    let words = ["check", "compose-health", "--with", "{\"file\": \"c.yml\", \"window\": \"10m\"}"];
    let mut killed = sandbox.start(&words);
    let until = std::time::Instant::now() + LIMIT;
    while containers(&sandbox).is_empty() {
        assert!(std::time::Instant::now() < until, "no container came up");
        std::thread::yield_now();
    }
    killed.kill().expect("it runs");
    killed.wait().expect("it is ours");
    sandbox.run(&["check", "compose-health", "--with", "{\"file\": \"c.yml\", \"window\": \"1s\"}"]).exits(0);
    assert!(containers(&sandbox).is_empty(), "what the killed one left is gone");
}

/// The example of docs/checks.md, as it stands there.
#[test]
fn the_example_of_the_documentation_runs() {
    image();
    let example = example("compose-health");
    let mut sandbox = example.sandbox("");
    for name in xtask::compose::engine::VARIABLES {
        if let Ok(value) = std::env::var(name) {
            sandbox.set(name, &value);
        }
    }
    sandbox.write("docker-compose.yml", &format!("services:\n{}", service("api", SERVE, "")));
    sandbox.run(&["gate", "p"]).exits(0);
    assert_eq!(sandbox.verdict("compose-health"), "pass");
    sandbox.write("docker-compose.yml", &format!("services:\n{}", service("api", "exit 4", "")));
    sandbox.run(&["gate", "p"]).exits(1).says("it ended with 4");
}
