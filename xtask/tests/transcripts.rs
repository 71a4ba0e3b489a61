//! What people see, word for word: screens of three widths, the lines without a terminal, and every message with its way out. The files
//! below `transcripts/` are read in review; `TRANSCRIPTS=write cargo test transcripts` makes them again.

use std::path::Path;

use indicatif::{InMemoryTerm, ProgressDrawTarget, TermLike as _};
use xtask::event::EventKind;
use xtask::record::Record;
use xtask::ui::Reporter as _;
use xtask::ui::fancy::Fancy;

use crate::support::{Sandbox, Transcript};

/// A text without what differs from run to run.
fn redacted(sandbox: &Sandbox, text: &str) -> String {
    let mut text = text.replace(&sandbox.root().display().to_string(), "ROOT");
    for (pattern, with) in [
        (r"\d{8}-\d{9}-[0-9a-f]{4}", "RUN"),
        (r"\brun [0-9a-f]{4}\b", "run XXXX"),
        (r"\[ *(\d+m)?\d+(\.\d+)?s\]", "[    0.0s]"),
        (r"\b(\d+m)?\d+(\.\d+)?m?s\b", "0.0s"),
        (r"/tmp/[A-Za-z0-9._/-]+", "TMP"),
        (r"pid \d+", "pid N"),
        (r"(?m)^ +\d+ (/usr/bin/sh|/bin/sh|sleep)", "               N $1"),
        (r"of this step: [^;]*;", "of this step: PATH;"),
        (r"\b[0-9a-f]{12}\b", "COMMIT"),
        (r"\d+ days away", "N days away"),
        (r"this is version [0-9.]+", "this is version N"),
        (r"(pass|fail|broken|skipped)( +)[0-9a-f]{4} ", "${1}${2}XXXX "),
        (r"[\d.]+GiB free", "N free"),
    ] {
        text = regex::Regex::new(pattern).expect("a pattern").replace_all(&text, with).into_owned();
    }
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

#[track_caller]
fn is_as_written(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(name);
    if std::env::var("TRANSCRIPTS").is_ok_and(|word| word == "write") {
        std::fs::write(&file, text).expect("written");
    }
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(known, text, "{name} differs; TRANSCRIPTS=write cargo test transcripts, and read the difference");
}

/// A phase in which everything happens that can happen to a gate.
fn eventful() -> Sandbox {
    let sandbox = Sandbox::new(
        "schema = 1\n[phase.p]\ntitle = 'Everything at once'\ngates = ['compile', 'unit-tests', 'prüfung-der-migrationen', 'lint', 'e2e', 'crash']\n[phase.p.criteria.flaky]\nmax = 0\nover = 2\n\
         [gate.compile]\nowner = 'core'\nrun = ['true']\n\
         [gate.unit-tests]\nowner = 'core'\njunit = ['out.xml']\nshell = 'cat cases.$GATE_ITERATION.xml > out.xml; test $GATE_ITERATION = 1'\n\
         [gate.prüfung-der-migrationen]\nowner = 'db'\nrun = ['true']\n\
         [gate.lint]\nowner = 'core'\nshell = 'echo src/app.ts:12:5: error TS2345: not that; exit 2'\n\
         [gate.e2e]\nowner = 'web'\nneeds = ['lint']\nrun = ['true']\n\
         [gate.crash]\nowner = 'core'\njunit = ['never.xml']\nrun = ['true']\n"
            .replace("prüfung", "pruefung")
            .as_str(),
    );
    let suite = |second: &str| {
        format!(
            "<testsuites><testsuite name='s'><testcase classname='tests/test_cart.py' name='test_empty' time='0.01'/><testcase classname='tests/test_cart.py' name='test_total[zwölf]' time='0.02'>{second}</testcase></testsuite></testsuites>"
        )
    };
    sandbox.write(".gitignore", ".gates/\nout.xml\n");
    sandbox.write("cases.1.xml", &suite(""));
    sandbox.write("cases.2.xml", &suite("<failure type='AssertionError' message='assert 12 == 13'>tests/test_cart.py:7: AssertionError</failure>"));
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-q", "-m", "x"]);
    sandbox
}

#[test]
fn a_run_without_a_terminal() {
    let sandbox = eventful();
    let told = sandbox.run(&["gate", "p", "--runs", "2", "--jobs", "1"]).exits(70);
    is_as_written("plain.txt", &redacted(&sandbox, &told.stderr));
    let told = sandbox.run(&["gate", "p", "--runs", "2", "--jobs", "1", "--output", "quiet"]).exits(70);
    is_as_written("quiet.txt", &redacted(&sandbox, &told.stderr));
    is_as_written("list.txt", &redacted(&sandbox, &sandbox.run(&["list"]).exits(0).stdout));
    is_as_written("plan.txt", &redacted(&sandbox, &sandbox.run(&["plan", "p", "--runs", "2"]).exits(0).stdout));
}

/// The screen at a width: in the middle of a run, and after its last event.
fn screen(sandbox: &Sandbox, columns: u16) -> String {
    let events = sandbox.events();
    let terminal = InMemoryTerm::new(60, columns);
    let mut fancy = Fancy::new(ProgressDrawTarget::term_like(Box::new(terminal.clone())), false, Some(usize::from(columns)));
    let mut record = Record::default();
    let (mut middle, mut started) = (String::new(), 0);
    for event in &events {
        record.apply(event);
        fancy.hear(event, &record).expect("a screen in memory");
        started += usize::from(matches!(event.kind, EventKind::JobStarted { .. }));
        if started == 4 && middle.is_empty() {
            fancy.tick(&record).expect("drawn");
            middle = terminal.contents();
        }
    }
    fancy.end().expect("cleared");
    terminal.flush().expect("in memory");
    redacted(sandbox, &format!("{}\n\n== the end\n{}", middle, terminal.contents()))
}

#[test]
fn screens_of_three_widths() {
    let sandbox = eventful();
    sandbox.run(&["gate", "p", "--runs", "2", "--jobs", "1"]).exits(70);
    for columns in [40, 80, 120] {
        is_as_written(&format!("screen-{columns}.txt"), &screen(&sandbox, columns));
    }
}

/// A message as a person meets it: what was typed, how it ended, what was said.
struct Messages<'s> {
    sandbox: &'s Sandbox,
    text: String,
}

impl Messages<'_> {
    fn of(&mut self, args: &[&str]) {
        let Transcript { code, stdout, stderr } = self.sandbox.run(args);
        let said = redacted(self.sandbox, &format!("$ xtask {}\n{stdout}{stderr}exit {code}", args.join(" ")));
        self.text.push_str(&said);
        self.text.push('\n');
    }

    /// The same with another gates.toml.
    fn with(&mut self, gates: &str, args: &[&str]) {
        self.sandbox.write("gates.toml", gates);
        self.of(args);
    }
}

/// Mistakes in the table of a gate, and behind it.
const MISTAKES: &[&str] = &[
    "",
    "run = ['true']\nshell = 'true'",
    "run = 'true'",
    "run = []",
    "run = ['{junti}']",
    "run = ['true']\ntimeout = '5 parsecs'",
    "run = ['true']\nneeds = ['g']",
    "run = ['true']\nlocks = ['dist']",
    "run = ['true']\nruntimes = ['python']",
    "run = ['true']\nservices = ['api']",
    "run = ['true']\ndatabases = ['app']",
    "run = ['true']\nenv = { PATH = '/bin' }",
    "run = ['true']\ncwd = '/etc'",
    "run = ['true']\nexpect = { skips = [{ match = 'x' }] }",
    "check = 'pinns'",
    "check = 'size-budget'\nwith = { max = 3 }",
    "run = ['true']\ntool = 'mocha'",
    "run = ['true']\n[quarantine.q]\ngate = 'g'\ncase = 'c'\nowner = 'me'\nissue = 'T-1'\nreason = 'r'\nexpires = '2020-01-01'",
    "run = ['true']\n[phase.p.criteria.speed]\nmax = 1",
    "run = ['true']\n[profile.release]\nruns = 1",
    "run = ['true']\n[runtime.python]\npin = '.python-version'",
];

/// Mistakes in whole files, behind `schema = 1`: several in each, since all are told at once.
const FILES: &[&str] = &[
    "[phase.p]\ngates = ['a', 'a']\nrequires = ['q']\n[phase.q]\nrequires = ['p']\ngates = []\n[phase.Up]\ngates = ['a']\n[phase.all]\ngates = ['a']\n[gate.p]\nowner = ''\nrun = ['true']\n\
     [gate.a]\nowner = 'me'\nrun = ['']\nneeds = ['p']\nsecrets = ['A-B', 'TOKEN']\nenv = { TOKEN = 'x', 'A B' = 'y', GATE_X = 'z' }\nlocks = ['l:all', 'l', 'l:shared']\nmissing = 'skip'\nshards = 2\n[lock.l]\n",
    "required-version = 'soon'\n[phase.p]\ngates = ['a', 'b', 'c']\n[gate.a]\nowner = 'me'\ntimeout = '1s'\n[[gate.a.steps]]\nname = 'x'\nrun = ['true']\nwith = { a = 1 }\n[[gate.a.steps]]\nname = 'x'\nrun = ['true']\nshell = 'true'\n\
     [gate.b]\nowner = 'me'\nrun = ['true']\njunit = ['r/*.xml', 'a[']\n[gate.c]\nowner = 'me'\nrun = ['true']\njunit = ['r/x.xml']\n[[gate.c.steps]]\nrun = ['true']\n",
    "[phase.p]\ngates = ['a']\n[phase.p.criteria]\nslow = { metric = 'speed', max = 1 }\nflaky = { gates = ['z'], min = 1, confidence = '0.9' }\nrate = { metric = 'max-rate', max = '0.1', confidence = '7' }\nnone = { metric = 'flaky' }\n\
     [gate.a]\nowner = 'me'\nrun = ['true']\n[quarantine.q]\ngate = 'a'\ncase = ''\nowner = 'me'\nissue = 'T'\nreason = 'r'\nexpires = 'soon'\nmax-rate = '3'\n\
     [quarantine.r]\ngate = 'a'\ncase = 'c'\nowner = 'me'\nissue = 'T'\nreason = 'r'\nexpires = '2999-01-01'\n[quarantine.s]\ngate = 'a'\ncase = 'c'\nowner = 'me'\nissue = 'T'\nreason = 'r'\nexpires = '2999-01-01'\n",
    "[profile.one]\ninherits = 'two'\n[profile.two]\ninherits = 'one'\n[phase.p]\ngates = ['a']\n[gate.a]\nowner = 'me'\nrun = ['true']\n",
    "[phase.p]\ngates = ['a']\n[gate.a]\nowner = 'me'\nruntimes = ['x', 'x']\nrun = ['true']\n[runtime.x]\npin = 'pin'\ninstall = [[]]\n",
    "[phase.p]\ngates = ['a']\n[gate.a]\nowner = 'me'\nrun = ['true']\nservices = ['pg', 'api', 'mute', 'odd', 'two', 'off', 'empty']\ndatabases = ['app:there', 'app', 'bare', 'wrong']\n\
     [service.pg]\nkind = 'postgres'\nrun = ['x']\nexternal-env = 'DATABASE_URL'\n[service.api]\nrun = ['x']\nversion = '15'\nready = { http = 'health' }\nneeds = ['mute']\n\
     [service.mute]\nneeds = ['api']\nready = { tcp = true }\n[service.odd]\nrun = ['x', '{port}']\nready = { line = '(' }\n[service.two]\nrun = ['x', '{port}']\nready = { line = 'a', tcp = true }\n\
     [service.off]\nrun = ['x', '{port}']\nready = { tcp = false }\n[service.empty]\nrun = ['x']\nready = { tcp = true }\n[database.app]\nservice = 'pg'\nmigrate = [[]]\nurl-env = 'a b'\nurl-scheme = '!'\nalembic = 'alembic.ini'\n[database.app.fixtures]\nempty = 'x.sql'\n\
     [database.bare]\nservice = 'pg'\n[database.wrong]\nservice = 'api'\n",
    "[phase.p]\ngates = ['a']\n[gate.a]\nowner = 'me'\ncheck = 'size-budget'\nwith = { max-lines = 'many', paths = ['*'] }\nreuse = true\noutputs = ['x']\nretries = 1\ntimeout = 5\nlog-max = 'much'\n",
    "[service.pg]\nkind = 'postgres'\nversion = 'new'\n[service.api]\nrun = ['x', '{port}']\nper = 'worker'\nneeds = ['pg']\nready = { http = '/' }\n[phase.p]\ngates = ['a']\n[gate.a]\nowner = 'me'\nrun = ['true']\nservices = ['pg', 'api']\n\
     databases = ['app', 'app:empty']\n[database.app]\nservice = 'pg'\nmigrate = [['true']]\n",
    "required-version = '>=9'\n[defaults]\nenv-pass = ['A-B', 'PATH']\n[phase.p]\ngates = ['a', 'b', 'c', 'd']\n[phase.p.criteria.flaky]\nmax = 0\ngates = ['e']\n\
     [gate.a]\nowner = 'me'\nexit = [1]\n[[gate.a.steps]]\nrun = ['true']\n[gate.b]\nowner = 'me'\nrun = ['true']\njunit = ['r.xml']\nexpect = { skips = [{ match = 'x', reason = '', owner = '' }] }\n\
     [gate.c]\nowner = 'me'\nrun = ['true']\njunit = ['r.xml']\n[gate.d]\nowner = 'me'\ntool = 'pytest'\nrun = ['pytest']\nservices = ['long']\n[gate.e]\nowner = 'me'\nrun = ['true']\n\
     [service.long]\nrun = ['x', '{port}']\nper = 'run'\nneeds = ['short']\nready = { tcp = true }\n[service.short]\nrun = ['x', '{port}']\nready = { tcp = true }\n[service.still]\nrun = ['x']\n",
];

/// Commands that cannot do what they are asked.
const CALLS: &[&[&str]] = &[
    &["gate", "q"],
    &["gate", "p", "--profile", "lokal"],
    &["gate", "p", "--skip", "h"],
    &["gate", "p", "--skip", "g"],
    &["gate", "--failed"],
    &["gate", "g", "--stream", "x"],
    &["gate", "p", "--shard", "1", "--plan", "none.json"],
    &["explain", "zzz"],
    &["report", "zzz"],
    &["check", "pinns"],
    &["help", "gaet"],
    &["plan", "p", "--format", "github-matrix"],
    &["ci", "check"],
    &["baseline", "accept", "zzz"],
    &["hunt", "zzz"],
    &["verify", "p"],
    &["signoff", "p"],
    &["trust", "check"],
    &["evidence", "show", "p"],
    &["gates", "diff"],
    &["init"],
];

#[test]
fn every_message_says_what_where_why_and_the_way_out() {
    let sandbox = Sandbox::new("");
    let mut messages = Messages { sandbox: &sandbox, text: String::new() };
    let gate = |body: &str| format!("schema = 1\n[phase.p]\ngates = ['g']\n[gate.g]\nowner = 'me'\n{body}\n");
    for body in MISTAKES {
        messages.with(&gate(body), &["config", "validate"]);
    }
    for file in FILES {
        messages.with(&format!("schema = 1\n{file}"), &["config", "validate"]);
    }
    messages.with("schema = 2\n", &["config", "validate"]);
    messages.with("schema = 1\n[phase", &["config", "validate"]);
    messages.with(&gate("run = ['true']").replace("gates = ['g']", "gates = ['g', 'h']"), &["config", "validate"]);
    let good = gate("run = ['true']");
    messages.with(&good, &["gate"]);
    for args in CALLS {
        messages.of(args);
    }
    messages.with(&gate("run = ['no-such-program']"), &["gate", "p"]);
    messages.with(&gate("run = ['true']\nsecrets = ['DEPLOY_TOKEN']"), &["gate", "p"]);
    messages.with(&gate("run = ['true']\ntools = ['no-such-tool']"), &["gate", "p"]);
    messages.with(&gate("shell = 'sleep 60'\ntimeout = '50ms'\ngrace = '50ms'\nlocks = ['dist']\n[lock.dist]"), &["gate", "p"]);
    messages.with(&gate("run = ['true']\njunit = ['r.xml']"), &["gate", "p"]);
    messages.with(&gate("shell = 'echo > r.xml'\njunit = ['r.xml']"), &["gate", "p"]);
    let text = messages.text;
    // Whoever reads a message must find the way out in it.
    let mute: Vec<&str> =
        text.split("\n$ ").filter(|one| one.contains("error: ") && !one.contains("hint: ") && !one.contains("For more information")).collect();
    assert!(mute.is_empty(), "without a hint:\n{}", mute.join("\n---\n"));
    is_as_written("messages.txt", &text);
}

/// The words of a message in the source, between its values: the longest piece.
fn longest_piece(literal: &str) -> String {
    let mut pieces = vec![String::new()];
    let mut depth = 0;
    for sign in literal.chars() {
        match sign {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                pieces.push(String::new());
            }
            _ if depth == 0 => pieces.last_mut().expect("one").push(sign),
            _ => {}
        }
    }
    pieces.into_iter().max_by_key(String::len).unwrap_or_default().replace("\\\"", "\"").trim_matches(['`', ' ', ':', '\\']).to_owned()
}

/// Every problem that gates.toml can have is among the messages: its words stand in the file that is read in review.
#[test]
fn every_problem_of_gates_toml_is_among_the_messages() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let known = std::fs::read_to_string(root.join("tests/transcripts/messages.txt")).expect("written");
    let (mut seen, mut missing) = (0, Vec::new());
    let files = walkdir::WalkDir::new(root.join("src/config")).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    for entry in files {
        let text = std::fs::read_to_string(entry.path()).expect("readable");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for call in text.split("report.push(").skip(1) {
            // The message is the first text of the call that has more than one word.
            let call: String = call.chars().take(400).collect();
            let Some(message) = call.split('"').skip(1).step_by(2).find(|literal| literal.contains(' ')) else { continue };
            seen += 1;
            let piece = longest_piece(message);
            if !known.contains(&piece) {
                missing.push(format!("{}: {message}", entry.file_name().to_string_lossy()));
            }
        }
    }
    assert!(seen > 50, "{seen} messages were seen");
    assert!(missing.is_empty(), "not among the messages:\n{}", missing.join("\n"));
}
