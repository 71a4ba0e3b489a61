//! Commands as a person meets them: words, exit status, and what stands on which stream.

use crate::support::{Sandbox, one_gate};

#[test]
fn ten_mistakes_are_ten_problems_with_their_places() {
    let sandbox = Sandbox::new(
        "schema = 1\nrequired-version = '>=9'\n[lock.all]\n[phase.one]\nrequires = ['two']\ngates = ['a', 'missing']\n[gate.a]\nowner = 'me'\nrun = ['{junti}']\ntimout = '3s'\ntimeout = 90\nneeds = ['a']\nlocks = ['nope']\ncwd = '../up'\n[profile.local]\nreuse = 'sometimes'\n",
    );
    let transcript = sandbox.run(&["gate", "one"]).exits(2);
    for problem in [
        "gates.toml:2:20: this is version",
        "gates.toml:3:7: `all` is a reserved word",
        "gates.toml:5:13: there is no phase `two`",
        "gates.toml:6:15: there is no gate `missing`",
        "gates.toml:9:1: unknown placeholder `{junti}`",
        "gates.toml:10:1: unknown key `timout` in [gate.a]",
        "gates.toml:11:11: `gate.a.timeout` is an integer, not a string",
        "gates need each other: a -> a",
        "gates.toml:13:10: there is no lock `nope`",
        "gates.toml:14:7: `../up` is not a path inside the repository",
        "gates.toml:16:9: `profile.local.reuse` is \"sometimes\"",
    ] {
        assert!(transcript.stderr.contains(problem), "`{problem}` is missing in\n{transcript}");
    }
    assert_eq!(transcript.stderr.matches("hint: ").count(), 11, "{transcript}");
    assert!(transcript.stderr.contains("  11 | timeout = 90"), "the source line is shown\n{transcript}");
    for command in [&["plan", "one"][..], &["list"], &["explain", "a"], &["doctor"]] {
        sandbox.run(command).exits(2).says("11 problems in");
    }
}

#[test]
fn any_repository_can_be_named() {
    let sandbox = Sandbox::with_gate("run = ['true']");
    let root = sandbox.root().display().to_string();
    let elsewhere = Sandbox::with_gate("run = ['false']");
    elsewhere.run(&["-C", &root, "gate", "p"]).exits(0);
    elsewhere.run(&["--manifest", &format!("{root}/gates.toml"), "gate", "p"]).exits(0);
    elsewhere.run(&["gate", "p"]).exits(1);
    sandbox.write("deep/er/x", "");
    sandbox.run(&["-C", "deep/er", "gate", "p"]).exits(0);
    let empty = tempfile::tempdir().expect("temporary folder");
    sandbox.run(&["-C", &empty.path().display().to_string(), "gate", "p"]).exits(2).says("there is no gates.toml").says("hint:");
    sandbox.run(&["--manifest", "nope.toml", "gate", "p"]).exits(2).says("nope.toml");
}

#[test]
fn unknown_names_find_their_neighbours() {
    let sandbox = Sandbox::with_gate("run = ['true']");
    sandbox.run(&["gate", "q"]).exits(2).says("there is no phase or gate `q`");
    sandbox.run(&["gate", "p", "--skip", "h"]).exits(2).says("there is no gate `h`");
    sandbox.run(&["gate", "p", "--profile", "lokal"]).exits(2).says("there is no profile `lokal`");
    sandbox.run(&["gate"]).exits(2).says("name a phase or a gate");
    sandbox.run(&["explain", "gg"]).exits(2).says("did you mean `g`?");
    sandbox.run(&["check", "pinns"]).exits(2).says("did you mean `pins`?");
    sandbox.run(&["report", "zzz"]).exits(2).says("there is no run `zzz`");
}

#[test]
fn plan_list_and_explain_show_one_gate() {
    let sandbox = Sandbox::new(&format!("{}title = 'a good gate'\ntimeout = '90s'\nenv = {{ A = 'b' }}\n", one_gate("run = ['echo', '{junit}', 'two words']")));
    sandbox.run(&["plan", "p"]).exits(0).says("echo").says("'two words'");
    let plan: serde_json::Value = serde_json::from_str(&sandbox.run(&["plan", "p", "--format", "json"]).exits(0).stdout).expect("JSON on stdout");
    assert_eq!(plan["jobs"][0]["job"], "g.1");
    sandbox.run(&["list"]).exits(0).says("-").says("me");
    sandbox.run(&["explain", "g"]).exits(0).says("a good gate").says("1m30s").says("A").says("min-tests 1");
    sandbox.run(&["gate", "p"]).exits(70);
    sandbox.run(&["list"]).exits(0).says("broken");
    sandbox.run(&["explain", "g"]).exits(0).says("report {junit} is absent");
}

#[test]
fn outputs_keep_to_their_streams() {
    let sandbox = Sandbox::with_gate("run = ['true']");
    let human = sandbox.run(&["gate", "p"]).exits(0);
    assert_eq!(human.stdout, "", "stdout is data, and there is none");
    assert!(!human.stderr.contains('\u{1b}'), "a pipe gets no colour");
    let quiet = sandbox.run(&["gate", "p", "--output", "quiet"]).exits(0);
    assert!(!quiet.stderr.contains("PASS ["), "{quiet}");
    let lines = sandbox.run(&["gate", "p", "--output", "ndjson"]).exits(0);
    let events: Vec<xtask::event::Event> = lines.stdout.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
    assert_eq!(events, sandbox.events());
    assert_eq!(lines.stderr, "");
    let colour = sandbox.run(&["--color", "always", "gate", "p"]).exits(0);
    assert!(colour.stderr.contains("\u{1b}["), "{colour}");
}

#[test]
fn no_colour_where_it_is_not_wanted_and_hostile_output_has_no_power() {
    let mut sandbox = Sandbox::with_gate("shell = '''printf 'error \\033[2J\\033]0;x\\007 boom\\n'; exit 1'''");
    sandbox.set("NO_COLOR", "1");
    let transcript = sandbox.run(&["gate", "p"]).exits(1).says("boom");
    assert!(!transcript.stderr.contains('\u{1b}') && !transcript.stderr.contains('\u{7}'), "{transcript:?}");
}

#[test]
fn junit_reads_any_report() {
    let sandbox = Sandbox::with_gate("run = ['true']");
    sandbox.write(
        "a.xml",
        "<testsuite name='s' tests='1'><testcase classname='c' name='n' time='0.5'><failure message='m'>tests/x.py:7: no</failure></testcase></testsuite>",
    );
    sandbox.write("b.xml", "");
    let transcript = sandbox.run(&["junit", "a.xml", "b.xml", "nope.xml", "--json"]).exits(70);
    let lines: Vec<serde_json::Value> = transcript.stdout.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!((&lines[0]["verdict"], &lines[0]["failures"], &lines[0]["cases"][0]["at"]), (&"valid".into(), &1.into(), &"tests/x.py:7".into()));
    assert_eq!(lines[1]["verdict"], "empty");
    sandbox.run(&["junit", "a.xml"]).exits(1).says("failed c::n  tests/x.py:7");
}

#[test]
fn the_schema_is_printed() {
    let sandbox = Sandbox::with_gate("run = ['true']");
    let schema: serde_json::Value = serde_json::from_str(&sandbox.run(&["schema"]).exits(0).stdout).expect("JSON");
    assert!(schema["properties"]["gate"].is_object());
}

#[test]
fn setup_alone_installs_and_says_when_it_failed() {
    let python = crate::support::tool("python3", "python3");
    let version = std::process::Command::new(python).args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).output().expect("python answers");
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let gates = "schema = 1\n[runtime.py]\nkind = 'python'\npin = '.python-version'\ninstall = [['sh', '-c', 'echo made >> made']]\nbin = []\n[phase.p]\ngates = ['g']\n[gate.g]\nowner = 'me'\nruntimes = ['py']\nrun = ['true']\n";
    let sandbox = Sandbox::new("schema = 1\n");
    sandbox.write(".python-version", &version);
    sandbox.write("gates.toml", gates);
    sandbox.run(&["setup"]).exits(0).says("Installed py");
    sandbox.run(&["gate", "p"]).exits(0);
    assert_eq!(sandbox.read("made"), "made\n", "once");
    sandbox.write("gates.toml", &gates.replace("echo made >> made", "echo error: no registry; exit 4"));
    sandbox.run(&["gate", "p"]).exits(3).says("error: no registry");
    assert_eq!(sandbox.verdict("g"), "skipped");
    sandbox.run(&["doctor"]).exits(0).says("set-up is due");
}

#[test]
fn doctor_says_what_each_tool_would_take_from_a_pin() {
    let sandbox = Sandbox::new(
        "schema = 1\n[phase.p]\ngates = ['g']\n[runtime.web]\nkind = 'node'\npin = '.nvmrc'\n[gate.g]\nowner = 'me'\nruntimes = ['web']\nrun = ['true']\n",
    );
    sandbox.write(".nvmrc", "20.20.2\n");
    sandbox.run(&["doctor"]).says("ok    pin .nvmrc: 20.20.2 for nvm, fnm, mise, setup-node, asdf");
    sandbox.write(".nvmrc", "lts/*\n");
    let told = sandbox.run(&["doctor"]);
    told.says("warn  pin .nvmrc: nvm takes the newest LTS of its last online listing").says("hint: one plain version with three numbers is the same to all");
}
