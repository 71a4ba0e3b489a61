//! A repository in a temporary folder, the real binary in it, and what it printed as one value.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use xtask::event::{Event, EventKind};
use xtask::junit::Case;
use xtask::junit::read::read_all;
use xtask::model::{Outcome, ReportState, Totals};

/// Longest time for anything that a test waits for.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// A repository.
pub(crate) struct Sandbox {
    folder: tempfile::TempDir,
    env: BTreeMap<String, String>,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Transcript {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Transcript {
    /// Asserts an exit status, showing everything otherwise.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Asserts that some text was said.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text) || self.stdout.contains(text), "`{text}` is missing in\n{self}");
        self
    }

    /// Asserts that some text was not said.
    #[track_caller]
    pub(crate) fn never_says(self, text: &str) -> Self {
        assert!(!self.stderr.contains(text) && !self.stdout.contains(text), "`{text}` is in\n{self}");
        self
    }
}

impl std::fmt::Display for Transcript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

impl Sandbox {
    /// A repository with this gates.toml, committed.
    pub(crate) fn new(gates: &str) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let env = ["PATH", "HOME", "LANG", "PYENV_ROOT", "CARGO_HOME", "RUSTUP_HOME"];
        let env = env.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();
        let sandbox = Self { folder, env };
        sandbox.write("gates.toml", gates);
        sandbox.git(&["init", "-q"]);
        sandbox.commit();
        sandbox
    }

    /// A repository with one gate in one phase; the text goes into the gate's table.
    pub(crate) fn with_gate(body: &str) -> Self {
        Self::new(&one_gate(body))
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("in the sandbox")).expect("created");
        std::fs::write(path, text).expect("written");
    }

    /// A program in the sandbox.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        self.write(name, text);
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o755)).expect("executable");
        self.path(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.path(name)).unwrap_or_else(|cause| panic!("{name}: {cause}"))).into_owned()
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    /// Another program first on PATH.
    pub(crate) fn put_first_on_path(&mut self, folder: &str) {
        let path = format!("{}:{}", self.path(folder).display(), self.env["PATH"]);
        self.set("PATH", &path);
    }

    pub(crate) fn git(&self, args: &[&str]) {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false"];
        let status = Command::new("git").args(identity).args(args).current_dir(self.root()).stdout(Stdio::null()).status();
        assert!(status.expect("git is installed (Debian package `git`)").success(), "git {args:?}");
    }

    pub(crate) fn commit(&self) {
        self.write(".gitignore", ".gates/\n");
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "x"]);
    }

    /// The command, not started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(args).current_dir(self.root()).env_clear().envs(&self.env).stdin(Stdio::null());
        command
    }

    /// Runs to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Transcript {
        let output = self.command(args).output().expect("the binary starts");
        Transcript {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts, and leaves it running.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts")
    }

    /// Events of the latest run.
    pub(crate) fn events(&self) -> Vec<Event> {
        xtask::journal::read(&self.path(".gates/runs/latest/events.jsonl")).expect("the journal is readable").events
    }

    /// The report of the latest run.
    pub(crate) fn report(&self) -> serde_json::Value {
        serde_json::from_str(&self.read(".gates/runs/latest/report.json")).expect("report.json is JSON")
    }

    /// Verdict of a gate in the latest run.
    pub(crate) fn verdict(&self, gate: &str) -> String {
        let report = self.report();
        let gates = report["gates"].as_array().expect("a list");
        let found = gates.iter().find(|one| one["id"] == gate).unwrap_or_else(|| panic!("no gate {gate} in {report}"));
        found["verdict"].as_str().expect("a word").to_owned()
    }

    /// Cases of the latest run's junit.xml by `suite name`.
    pub(crate) fn cases(&self) -> BTreeMap<String, Case> {
        let (state, _, cases) = self.junit();
        assert_eq!(state, ReportState::Valid);
        cases.into_iter().map(|case| (format!("{} {}", case.suites.join("/"), case.name), case)).collect()
    }

    /// junit.xml of the latest run.
    pub(crate) fn junit(&self) -> (ReportState, Totals, Vec<Case>) {
        let bytes = std::fs::read(self.path(".gates/runs/latest/junit.xml")).expect("junit.xml is there");
        let (summary, cases) = read_all(&bytes[..]).expect("in memory");
        (summary.state, summary.totals, cases)
    }

    /// A fifo: reading it waits until a gate writes.
    pub(crate) fn fifo(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a fifo can be made");
        path
    }

    /// All files below a folder of the sandbox.
    pub(crate) fn files(&self, below: &str) -> Vec<PathBuf> {
        let walk = walkdir::WalkDir::new(self.path(below)).into_iter().flatten();
        walk.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path).collect()
    }
}

/// A manifest with one phase `p` of one gate `g`.
pub(crate) fn one_gate(body: &str) -> String {
    format!("schema = 1\n[phase.p]\ngates = [\"g\"]\n[gate.g]\nowner = \"me\"\n{body}\n")
}

/// The outcome of a case, by `suite name`.
pub(crate) fn outcome(cases: &BTreeMap<String, Case>, name: &str) -> Option<Outcome> {
    cases.get(name).map(|case| case.outcome)
}

/// Waits for something in a bounded time.
pub(crate) fn within<T: Send + 'static>(what: &str, wait: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(wait()).ok());
    receiver.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("{what} did not happen within {LIMIT:?}"))
}

/// Reads a fifo in a bounded time.
pub(crate) fn read_fifo(path: &Path) -> String {
    let path = path.to_owned();
    within("a gate writing to its fifo", move || std::fs::read_to_string(path).expect("the fifo is readable"))
}

/// Services of the latest run that came up; the journal may be a moment behind what they do.
pub(crate) fn services_up(sandbox: &Sandbox) -> Vec<xtask::event::ServiceReady> {
    let until = std::time::Instant::now() + LIMIT;
    loop {
        let ready = sandbox.events().into_iter().filter_map(|event| match event.kind {
            EventKind::ServiceReady(ready) => Some(*ready),
            _ => None,
        });
        let ready: Vec<xtask::event::ServiceReady> = ready.collect();
        if !ready.is_empty() {
            return ready;
        }
        assert!(std::time::Instant::now() < until, "no service came up");
        std::thread::yield_now();
    }
}

/// Waits for a child in a bounded time.
pub(crate) fn end_of(mut child: Child) -> std::process::ExitStatus {
    within("the end of the run", move || child.wait().expect("it is our child"))
}

/// Names of the events, for messages.
pub(crate) fn kinds(events: &[Event]) -> Vec<String> {
    let name = |kind: &EventKind| format!("{kind:?}").split(['(', ' ', '{']).next().unwrap_or_default().to_owned();
    events.iter().map(|event| name(&event.kind)).collect()
}

/// A tool that a test drives for real.
pub(crate) fn tool(name: &str, package: &str) -> PathBuf {
    which::which(name).unwrap_or_else(|_| panic!("this test needs `{name}`: install the Debian package `{package}`"))
}

/// A tool of the demo's own environments, which are set up the way every gate sets them up.
pub(crate) fn demo_tool(path: &str) -> String {
    static SETUP: std::sync::Once = std::sync::Once::new();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned();
    let file = root.join(path);
    SETUP.call_once(|| {
        let ready = ["demo/backend/.venv/bin/pytest", "demo/frontend/node_modules/.bin/vitest"].iter().all(|tool| root.join(tool).exists());
        if !ready {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_xtask")).arg("-C").arg(&root).arg("setup").output().expect("it starts");
            assert!(output.status.success(), "this test drives {path}; `xtask setup` failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
    });
    assert!(file.exists(), "`xtask setup` did not make {path}");
    let folder = file.parent().expect("in a folder").canonicalize().expect("it is there");
    folder.join(file.file_name().expect("a name")).display().to_string()
}

/// The example of a check in docs/checks.md.
pub(crate) struct Example {
    pub(crate) section: String,
    pub(crate) toml: String,
    pub(crate) gate: String,
}

/// The first block of the check's section.
pub(crate) fn example(check: &str) -> Example {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned();
    let text = std::fs::read_to_string(root.join("docs/checks.md")).expect("readable");
    let section = text.split("\n## ").find(|section| section.lines().next() == Some(check)).unwrap_or_else(|| panic!("docs/checks.md has no `## {check}`"));
    let toml = section.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_else(|| panic!("{check} has no example"));
    assert!(toml.contains(&format!("check = \"{check}\"")), "{check}: {toml}");
    let gate = toml.lines().find_map(|line| line.trim_matches(['[', ']']).strip_prefix("gate.")).expect("a gate").split('.').next().expect("an id");
    Example { section: section.to_owned(), toml: toml.to_owned(), gate: gate.to_owned() }
}

impl Example {
    /// A repository with the example as its only gate; `before` are tables and earlier steps that it stands on.
    pub(crate) fn sandbox(&self, before: &str) -> Sandbox {
        // An example that shows steps alone belongs to a gate with an owner.
        let owner = if self.toml.contains("\nowner = ") { String::new() } else { format!("[gate.{}]\nowner = 'me'\n", self.gate) };
        Sandbox::new(&format!("schema = 1\n[phase.p]\ngates = ['{}']\n{owner}{before}{}", self.gate, self.toml))
    }
}
