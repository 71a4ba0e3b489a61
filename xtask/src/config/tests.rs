use std::path::Path;

use super::*;

const CHECKS: &[CheckSpec] =
    &[CheckSpec { name: "pins", keys: &[CheckKey { name: "exclude", kind: "list", required: false, doc: "globs of files that are left out" }] }];

fn problems(text: &str) -> Vec<String> {
    match parse(Path::new("/nowhere"), "gates.toml", text, Caller { checks: CHECKS, ..Caller::default() }) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(|p| format!("{}:{} {} [{}]", p.line, p.column, p.message, p.hint)).collect(),
    }
}

fn only(text: &str) -> String {
    let found = problems(text);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.into_iter().next().expect("one")
}

const GATE: &str = "schema = 1\n[phase.p]\ngates = [\"g\"]\n[gate.g]\nowner = \"me\"\nrun = [\"true\"]\n";

#[test]
fn a_small_file_means_what_it_says() {
    let config = parse(Path::new("/nowhere"), "gates.toml", GATE, Caller { checks: CHECKS, ..Caller::default() }).expect("valid");
    let gate = &config.gates["g"];
    assert_eq!(gate.timeout, Duration::from_mins(10));
    assert_eq!(gate.log_max, 2 << 30);
    assert_eq!(gate.expect.min_tests, 1);
    assert_eq!(config.profiles["release"].runs, 10);
}

#[test]
fn unknown_keys_name_their_neighbour() {
    assert_eq!(only(&format!("{GATE}timout = \"3s\"\n")), "7:1 unknown key `timout` in [gate.g] [did you mean `timeout`?]");
}

#[test]
fn later_keys_are_refused() {
    assert!(only(&format!("{GATE}retries = 2\n")).contains("`gate.g.retries` is not supported yet"));
}

#[test]
fn types_words_and_ranges_are_checked_together() {
    let found = problems(&format!("{GATE}timeout = 90\ncpus = 0\nmissing = \"skp\"\nneeds = \"x\"\nadvisory = \"yes\"\n"));
    assert_eq!(found.len(), 6, "{found:#?}");
    assert!(found[0].starts_with("7:11 `gate.g.timeout` is an integer, not a string [write a duration"), "{}", found[0]);
    assert!(found[2].contains("did you mean \"skip\"?"), "{}", found[2]);
}

#[test]
fn references_and_cycles_are_checked() {
    assert!(only(&GATE.replace("[\"g\"]", "[\"h\"]")).contains("there is no gate `h`"));
    let cycle = format!("{GATE}needs = [\"h\"]\n[gate.h]\nowner = \"me\"\nrun = [\"true\"]\nneeds = [\"g\"]\n");
    assert!(only(&cycle).contains("gates need each other: g -> h -> g"));
    assert!(only(&format!("{GATE}locks = [\"x\"]\n")).contains("there is no lock `x`"));
}

#[test]
fn paths_stay_inside() {
    for bad in ["/etc", "../x", "a/../../b", "a\\b"] {
        assert!(only(&format!("{GATE}cwd = '{bad}'\n")).contains("is not a path inside the repository"), "{bad}");
    }
}

#[test]
fn syntax_errors_have_a_place() {
    let found = problems(&format!("{GATE}title = oops\n"));
    assert!(found.iter().any(|p| p.starts_with("7:9")), "{found:#?}");
}

#[test]
fn release_is_only_tightened() {
    assert!(only(&format!("{GATE}[profile.release]\nruns = 3\n")).contains("profile release may only be tightened"));
    assert!(problems(&format!("{GATE}[profile.release]\nruns = 30\n")).is_empty());
}

#[test]
fn checks_know_their_keys() {
    let base = "schema = 1\n[gate.g]\nowner = \"me\"\n";
    assert!(only(&format!("{base}check = \"pinz\"\n")).contains("did you mean \"pins\"?"));
    assert!(only(&format!("{base}check = \"pins\"\nwith = {{ excluded = [] }}\n")).contains("check `pins` has no key `excluded`"));
    assert!(only(&format!("{base}check = \"pins\"\nwith = {{ exclude = 3 }}\n")).contains("`exclude` is not a list"));
}

#[test]
fn ten_different_mistakes_are_ten_problems() {
    let text = r#"schema = 1
required-version = ">=9"
[lock.junit]
[phase.one]
requires = ["two"]
gates = ["a", "missing"]
[gate.a]
run = ["{junti}"]
timout = "3s"
timeout = 90
needs = ["a"]
locks = ["nope"]
cwd = "../up"
missing = "skp"
"#;
    let found = problems(text);
    // version, reserved id, phase, gate, owner, placeholder, key, type, cycle, lock, path, word, and a `missing` without tools
    assert_eq!(found.len(), 13, "{found:#?}");
}

#[test]
fn words_of_a_runtime_belong_to_no_attempt() {
    let found =
        problems(&format!("{GATE}[runtime.python]\npin = 'gates.toml'\ninstall = [['make', '{{out}}']]\nenv = {{ A = '{{python.exe}} {{iteration}}' }}\n"));
    for word in ["unknown placeholder `{out}` [known here: python.exe", "unknown placeholder `{iteration}`"] {
        assert!(found.iter().any(|problem| problem.contains(word)), "`{word}` is missing in {found:#?}");
    }
}

#[test]
fn services_and_databases_are_checked_together() {
    let found = problems(&format!(
        "{GATE}databases = ['app:old', 'ap']\nservices = ['pg', 'web']\nenv = {{ A = '{{api.url}} {{app.port}} {{web.url}}' }}\n\
         [service.pg]\nkind = 'postgres'\nversion = 'new'\nexternal-env = 'DATABASE_URL'\nrun = ['x']\n\
         [service.web]\nrun = ['serve']\nready = {{ http = '/', tcp = true }}\nper = 'run'\nneeds = ['api']\n\
         [service.api]\nrun = ['serve']\nready = {{ tcp = true }}\nneeds = ['web']\n\
         [database.app]\nservice = 'web'\nmigrate = [['m']]\nfixtures = {{ Old = 'none.sql' }}\nurl-env = 'PATH'\n"
    ));
    let wanted = [
        "database `app` has no state `old` [its states: migrated, empty, Old]",
        "there is no database `ap` [did you mean \"app\"?]",
        "service `pg` is a PostgreSQL server [name a database of it",
        "unknown placeholder `{app.port}` [did you mean `{api.port}`?]",
        "service `pg` needs the major version of its server",
        "`DATABASE_URL` cannot name an outside server",
        "`run` belongs to a service of kind process",
        "readiness needs exactly one of http, tcp, exec, line",
        "service `web` lives longer than `api`, which it needs",
        "services need each other: api -> web -> api",
        "service `api` is asked on its port and never told which [use {port}",
        "service `web` is not a PostgreSQL server",
        "database `app` does not say which files its migrations are",
        "`Old` cannot name a fixture",
        "there is no file `none.sql`",
        "`PATH` cannot hold a URL",
    ];
    for text in wanted {
        assert!(found.iter().any(|problem| problem.contains(text)), "`{text}` is missing in {found:#?}");
    }
    assert_eq!(found.len(), wanted.len(), "{found:#?}");
}
