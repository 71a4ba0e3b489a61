//! A repository with keys, a trust and a phase that can be signed, for the tests of sign-offs. Everything is made by the real ssh-keygen, git
//! and this program.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::support::{Sandbox, Transcript, tool};

/// Namespaces of the roles.
pub(crate) const SIGNOFF: &str = "phase-signoff.v1@acme.example";
const WAIVER: &str = "gate-waiver.v1@acme.example";
const TRUST: &str = "trust-update.v1@acme.example";

pub(crate) const GATES: &str = "schema = 1\n[phase.p]\ngates = ['g', 'free']\n[phase.p.criteria.flaky]\nmax = 0\nover = 3\n[phase.p.criteria.max-lines]\nmax = 100\n\
    [phase.q]\nrequires = ['p']\ngates = ['h']\n[gate.g]\nowner = 'me'\njunit = ['out.xml']\nrun = ['cp', 'cases.xml', 'out.xml']\nexpect = { min-tests = 2 }\n\
    [gate.free]\nowner = 'me'\nshell = \"echo '{\\\"max-lines\\\": 90}' > $GATE_OUT/measures.json\"\n[gate.h]\nowner = 'me'\nrun = ['true']\n";

const POLICY: &str = "schema = 1\nrepository = 'git+https://example.invalid/shop'\ninventory = 'ratchet'\nsurface = ['tool']\n\
    [role.release-manager]\nnamespace = 'phase-signoff.v1@acme.example'\nprincipals = ['alice@acme.example', 'bob@acme.example']\n\
    [role.gate-owner]\nnamespace = 'gate-waiver.v1@acme.example'\nprincipals = ['carol@acme.example', 'dora@acme.example']\n\
    [role.root]\nnamespace = 'trust-update.v1@acme.example'\nprincipals = ['alice@acme.example', 'carol@acme.example']\nthreshold = 2\n[phase.default]\nthreshold = 1\n";

/// The repository, and the keys beside it.
pub(crate) struct Office {
    pub(crate) sandbox: Sandbox,
    keys: tempfile::TempDir,
}

pub(crate) fn suite(names: &[&str]) -> String {
    let cases: Vec<String> = names.iter().map(|name| format!("<testcase classname='s' name='{name}' time='0.1'/>")).collect();
    format!("<testsuites><testsuite name='s' tests='{}' failures='0'>{}</testsuite></testsuites>\n", names.len(), cases.concat())
}

impl Office {
    /// With the policy above, changed by a function.
    pub(crate) fn with(policy: impl Fn(&str) -> String) -> Self {
        let office = Self { sandbox: Sandbox::new(GATES), keys: tempfile::tempdir().expect("temporary folder") };
        for who in ["alice", "alice2", "bob", "carol", "dora", "mallory"] {
            office.make_key(who);
        }
        let line = |who: &str, key: &str, spaces: &[&str]| format!("{who}@acme.example namespaces=\"{}\" {}\n", spaces.join(","), office.public(key));
        let signers = [
            line("alice", "alice", &[SIGNOFF, TRUST]),
            line("alice", "alice2", &[SIGNOFF]),
            line("bob", "bob", &[SIGNOFF]),
            line("carol", "carol", &[WAIVER, TRUST]),
            line("dora", "dora", &[WAIVER]),
        ];
        office.sandbox.write(".gates/trust/policy.toml", &policy(POLICY));
        office.sandbox.write(".gates/trust/allowed_signers", &signers.concat());
        office.sandbox.write(".gates/trust/revoked_keys", "# none\n");
        office.sandbox.write(".gitignore", "out.xml\n");
        office.sandbox.write("cases.xml", &suite(&["one", "two", "three"]));
        office.sandbox.write("tool/main.txt", "the tool\n");
        office.sandbox.git(&["checkout", "-q", "-B", "main"]);
        office.trust_update(&["--bootstrap"]);
        office.commit("start");
        office
    }

    pub(crate) fn new() -> Self {
        Self::with(str::to_owned)
    }

    /// With phase p gated and signed by alice.
    pub(crate) fn signed() -> Self {
        let office = Self::new();
        office.gate("p").exits(0);
        office.sign("p", "alice", &[]).exits(0);
        office.verify("p", &[]).exits(0);
        office
    }

    pub(crate) fn make_key(&self, who: &str) {
        let file = self.key(who);
        let made = Command::new(tool("ssh-keygen", "openssh-client")).args(["-q", "-t", "ed25519", "-N", "", "-C", who, "-f"]).arg(&file).status();
        assert!(made.expect("ssh-keygen starts").success());
    }

    pub(crate) fn key(&self, who: &str) -> PathBuf {
        self.keys.path().join(who)
    }

    /// The public key as allowed_signers writes it.
    pub(crate) fn public(&self, who: &str) -> String {
        let text = std::fs::read_to_string(self.key(who).with_extension("pub")).expect("a public key");
        text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    /// Both roots sign the files of the trust as they are.
    pub(crate) fn trust_update(&self, more: &[&str]) {
        for who in ["alice", "carol"] {
            let key = self.key(who).display().to_string();
            self.sandbox.run(&[&["trust", "update", "--key", &key], more].concat()).exits(0);
        }
    }

    /// Commits everything, as somebody without a role.
    pub(crate) fn commit(&self, message: &str) {
        self.commit_as("t@example.invalid", message);
    }

    pub(crate) fn commit_as(&self, mail: &str, message: &str) {
        self.sandbox.git(&["add", "-A"]);
        self.sandbox.git(&["-c", &format!("user.email={mail}"), "commit", "-q", "--allow-empty", "-m", message]);
    }

    pub(crate) fn head(&self) -> String {
        self.git_says(&["rev-parse", "HEAD"])
    }

    pub(crate) fn git_says(&self, args: &[&str]) -> String {
        let output = Command::new("git").args(args).current_dir(self.sandbox.root()).output().expect("git is installed (Debian package `git`)");
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Runs a phase so that it can be signed.
    pub(crate) fn gate(&self, phase: &str) -> Transcript {
        self.sandbox.run(&["gate", phase, "--profile", "release"])
    }

    /// Signs the latest run as somebody, commits the sign-off.
    pub(crate) fn sign(&self, phase: &str, who: &str, more: &[&str]) -> Transcript {
        let (key, head) = (self.key(who).display().to_string(), self.head());
        let words = ["signoff", phase, "--key", &key, "--yes", "--commit", &head, "--trust-ref", "main", "--commit-evidence"];
        let mut command = self.sandbox.command(&[&words, more].concat());
        // The commit of the sign-off is by the person who signs, and changes no code.
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), who).env(format!("GIT_{role}_EMAIL"), format!("{who}@acme.example"));
        }
        let output = command.output().expect("the binary starts");
        Transcript {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub(crate) fn verify(&self, phase: &str, more: &[&str]) -> Transcript {
        self.sandbox.run(&[&["verify", phase, "--trust-ref", "main"], more].concat())
    }

    /// What `verify` says, for programs.
    pub(crate) fn answer(&self, phase: &str, more: &[&str]) -> Value {
        let told = self.verify(phase, &[&["--format", "json"], more].concat());
        serde_json::from_str(&told.stdout).unwrap_or_else(|_| panic!("{told}"))
    }

    /// Denied, with an exit status and words of the reason.
    #[track_caller]
    pub(crate) fn denied(&self, phase: &str, code: i32, words: &[&str]) {
        let told = self.verify(phase, &[]).exits(code);
        for word in words {
            assert!(told.stderr.contains(word), "`{word}` is missing in\n{told}");
        }
    }

    /// Changes a file and commits that.
    pub(crate) fn tamper(&self, name: &str, change: impl Fn(&str) -> String) {
        let before = self.sandbox.read(name);
        let after = change(&before);
        assert_ne!(before, after, "{name} was changed");
        self.sandbox.write(name, &after);
        self.commit("x");
    }

    /// Takes back the last commit.
    pub(crate) fn undo(&self) {
        self.sandbox.git(&["reset", "-q", "--hard", "HEAD~1"]);
    }

    /// Signs the bytes of a file in a namespace, by ssh-keygen alone.
    pub(crate) fn forge(&self, file: &str, who: &str, namespace: &str) {
        let signature = self.sandbox.path(&format!("{file}.sig"));
        std::fs::remove_file(&signature).ok();
        let signed = Command::new(tool("ssh-keygen", "openssh-client"))
            .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
            .arg(self.key(who))
            .arg(self.sandbox.path(file))
            .stdin(std::process::Stdio::null())
            .status();
        assert!(signed.expect("ssh-keygen starts").success());
    }
}
