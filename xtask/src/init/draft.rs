//! A draft of gates.toml, and its text with comments. Knows no stack.

use std::fmt::Write as _;

/// A first gates.toml.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Runtimes.
    pub runtimes: Vec<Runtime>,
    /// Other tables that gates stand on: locks, servers, databases.
    pub supplies: Vec<String>,
    /// Gates.
    pub gates: Vec<Gate>,
    /// Pin files that are to be made: path, text.
    pub pins: Vec<(String, String)>,
    /// What the person should know, or do.
    pub notes: Vec<String>,
    /// Programs that set-ups and gates start and that no runtime brings.
    pub tools: Vec<String>,
}

/// A runtime.
#[derive(Clone, Debug, Default)]
pub struct Runtime {
    /// Id.
    pub id: String,
    /// `python`, `node` or `rust`.
    pub kind: &'static str,
    /// Pin file.
    pub pin: String,
    /// Where `install` runs.
    pub cwd: String,
    /// Lock files.
    pub lockfiles: Vec<String>,
    /// Commands.
    pub install: Vec<Vec<String>>,
    /// Folders of programs.
    pub bin: Vec<String>,
    /// Environment.
    pub env: Vec<(String, String)>,
    /// Why it is as it is.
    pub comment: String,
}

/// A gate; one that is not active yet is written as a comment.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    /// Id.
    pub id: String,
    /// What it proves.
    pub title: String,
    /// Who answers for it.
    pub owner: String,
    /// Lines of its table.
    pub lines: Vec<String>,
    /// Why it is not active, or what to know.
    pub comment: String,
    /// It is part of the phase.
    pub active: bool,
}

impl Gate {
    /// An active gate of a runtime.
    pub fn new(id: String, title: &str, owner: &str, runtime: Option<&str>, cwd: &str) -> Self {
        let mut lines = Vec::new();
        lines.extend(runtime.map(|runtime| format!("runtimes = [{}]", quoted(runtime))));
        if !cwd.is_empty() {
            lines.push(format!("cwd = {}", quoted(cwd)));
        }
        Self { id, title: title.to_owned(), owner: owner.to_owned(), lines, active: true, comment: String::new() }
    }

    /// With a command.
    #[must_use]
    pub fn run(self, words: &[&str]) -> Self {
        self.line(format!("run = {}", list(words)))
    }

    /// With a line more.
    #[must_use]
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// Written as a comment, with the reason.
    #[must_use]
    pub fn later(mut self, why: impl Into<String>) -> Self {
        self.active = false;
        self.comment = why.into();
        self
    }
}

/// A basic string of TOML, whose escapes are those of JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

/// A list of strings.
pub(super) fn list<T: AsRef<str>>(words: &[T]) -> String {
    format!("[{}]", words.iter().map(|word| quoted(word.as_ref())).collect::<Vec<_>>().join(", "))
}

impl Draft {
    /// A runtime whose id is not taken; gives back that id.
    pub fn add_runtime(&mut self, mut runtime: Runtime) -> String {
        if self.runtimes.iter().any(|known| known.id == runtime.id) {
            runtime.id = format!("{}-{}", runtime.id, runtime.kind);
        }
        self.runtimes.push(runtime);
        self.runtimes[self.runtimes.len() - 1].id.clone()
    }

    /// A gate whose id is not taken.
    pub fn add(&mut self, mut gate: Gate) {
        let taken = |id: &str, gates: &[Gate]| gates.iter().any(|known| known.id == id);
        let mut number = 2;
        let plain = gate.id.clone();
        while taken(&gate.id, &self.gates) {
            gate.id = format!("{plain}-{number}");
            number += 1;
        }
        self.gates.push(gate);
    }

    /// The text of gates.toml.
    pub fn text(&self) -> String {
        let mut out = String::new();
        self.compose(&mut out).ok(); // a string takes everything
        out
    }

    fn compose(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "# What must pass before this repository goes on. `xtask gate phase1` runs it; `xtask help config` has every key.\nschema = 1\n")?;
        writeln!(out, "[defaults]\ntimeout = \"10m\"           # of one gate; `timeout` in a gate says otherwise")?;
        for runtime in &self.runtimes {
            runtime.compose(out)?;
        }
        for supply in &self.supplies {
            writeln!(out, "\n{}", supply.trim_end())?;
        }
        let active: Vec<&str> = self.gates.iter().filter(|gate| gate.active).map(|gate| gate.id.as_str()).collect();
        writeln!(out, "\n# A phase is green when all its gates are. Add phase2 with `requires = [\"phase1\"]` when it is time.")?;
        writeln!(out, "[phase.phase1]\ntitle = \"Everything passes\"\ngates = {}", list(&active))?;
        for gate in &self.gates {
            let table = format!("[gate.{}]\ntitle = {}\nowner = {}\n{}", gate.id, quoted(&gate.title), quoted(&gate.owner), gate.lines.join("\n"));
            let comment: String = gate.comment.lines().flat_map(|line| ["# ", line, "\n"]).collect();
            if gate.active {
                writeln!(out, "\n{comment}{table}")?;
            } else {
                let table: String = table.lines().flat_map(|line| ["# ", line, "\n"]).collect();
                writeln!(out, "\n{comment}# When that is so, take the marks away and add {} to the phase:\n{}", quoted(&gate.id), table.trim_end())?;
            }
        }
        Ok(())
    }
}

impl Runtime {
    fn compose(&self, out: &mut String) -> std::fmt::Result {
        let comment: String = self.comment.lines().flat_map(|line| ["# ", line, "\n"]).collect();
        writeln!(out, "\n{comment}[runtime.{}]\nkind = {}\npin = {}", self.id, quoted(self.kind), quoted(&self.pin))?;
        if !self.cwd.is_empty() {
            writeln!(out, "cwd = {}", quoted(&self.cwd))?;
        }
        if !self.lockfiles.is_empty() {
            writeln!(out, "lockfiles = {}       # `install` runs when one of them changes", list(&self.lockfiles))?;
        }
        if !self.install.is_empty() {
            writeln!(out, "install = [")?;
            for words in &self.install {
                writeln!(out, "  {},", list(words))?;
            }
            writeln!(out, "]")?;
        }
        if !self.bin.is_empty() {
            writeln!(out, "bin = {}", list(&self.bin))?;
        }
        if !self.env.is_empty() {
            let pairs: Vec<String> = self.env.iter().map(|(name, value)| format!("{name} = {}", quoted(value))).collect();
            writeln!(out, "env = {{ {} }}", pairs.join(", "))?;
        }
        Ok(())
    }
}
