//! Each row changes one thing and names its class.

use super::*;

const BASE: &str = r#"
schema = 1
[defaults]
timeout = "10m"
[runtime.py]
pin = ".python-version"
policy = "minor"
[phase.p]
requires = ["o"]
gates = ["g", "h"]
[phase.p.criteria]
c = { metric = "max-lines", gates = ["g"], max = 100, over = 10 }
[phase.o]
gates = ["h"]
[gate.g]
owner = "me"
run = ["true"]
timeout = "5m"
runs = 3
needs = ["h"]
expect = { min-tests = 10, cases = [{ match = "a*", min = 3 }], skips = [{ match = "s", reason = "r", owner = "me" }] }
with = { ignore = ["x"] }
[gate.h]
owner = "me"
run = ["true"]
[quarantine.q]
case = "c"
expires = "2026-06-01"
owner = "me"
"#;

fn one(from: &str, to: &str) -> Vec<(Class, String)> {
    assert!(BASE.contains(from), "{from}");
    gates(Some(BASE), &BASE.replacen(from, to, 1)).expect("parsed").into_iter().map(|change| (change.class, change.path)).collect()
}

#[test]
fn every_change_has_its_class() {
    use Class::{Neutral, Opaque, Stronger, Weaker};
    let rows = [
        ("max = 100", "max = 101", Weaker, "phase.p.criteria.c.max"),
        ("max = 100", "max = 99", Stronger, "phase.p.criteria.c.max"),
        ("over = 10", "over = 9", Weaker, "phase.p.criteria.c.over"),
        (", over = 10", "", Weaker, "phase.p.criteria.c.over"),
        ("c = { metric = \"max-lines\", gates = [\"g\"], max = 100, over = 10 }", "", Weaker, "phase.p.criteria.c"),
        ("max-lines", "flaky", Opaque, "phase.p.criteria.c.metric"),
        ("requires = [\"o\"]", "requires = []", Weaker, "phase.p.requires"),
        ("requires = [\"o\"]", "", Weaker, "phase.p.requires"),
        ("gates = [\"g\", \"h\"]", "gates = [\"g\"]", Weaker, "phase.p.gates"),
        ("gates = [\"g\", \"h\"]", "gates = [\"h\", \"g\"]", Neutral, "phase.p.gates"),
        ("runs = 3", "runs = 2", Weaker, "gate.g.runs"),
        ("runs = 3", "runs = 4", Stronger, "gate.g.runs"),
        ("runs = 3", "", Opaque, "gate.g.runs"),
        ("timeout = \"5m\"", "timeout = \"301s\"", Weaker, "gate.g.timeout"),
        ("timeout = \"10m\"", "timeout = \"9m\"", Stronger, "defaults.timeout"),
        ("run = [\"true\"]\ntimeout", "run = [\"false\"]\ntimeout", Opaque, "gate.g.run"),
        ("needs = [\"h\"]", "needs = []", Weaker, "gate.g.needs"),
        ("runs = 3", "runs = 3\nenv = { SKIP = \"1\" }", Opaque, "gate.g.env"),
        ("runs = 3", "runs = 3\nretries = 2", Opaque, "gate.g.retries"),
        ("[defaults]", "[defaults]\nenv = { SKIP = \"1\" }", Opaque, "defaults.env"),
        ("[phase.o]", "[profile.ci]\nflaky = \"pass\"\n[phase.o]", Opaque, "profile.ci"),
        ("[phase.o]", "[lock.l]\nmax = 1\n[phase.o]", Stronger, "lock.l"),
        ("case = \"c\"", "case = \"c\"\ncategories = [\"timeout\"]", Opaque, "quarantine.q.categories"),
        ("[runtime.py]\npin = \".python-version\"\npolicy = \"minor\"\n", "", Weaker, "runtime.py"),
        ("min-tests = 10", "min-tests = 9", Weaker, "gate.g.expect.min-tests"),
        ("min-tests = 10, ", "", Weaker, "gate.g.expect.min-tests"),
        ("min = 3", "min = 2", Weaker, "gate.g.expect.cases[\"a*\"]"),
        ("\"a*\"", "\"b*\"", Weaker, "gate.g.expect.cases[\"a*\"]"),
        ("skips = [", "skips = [{ match = \"t\", reason = \"r\", owner = \"me\" }, ", Weaker, "gate.g.expect.skips[\"t\"]"),
        ("ignore = [\"x\"]", "ignore = [\"x\", \"y\"]", Weaker, "gate.g.with.ignore"),
        ("ignore = [\"x\"]", "ignore = []", Stronger, "gate.g.with.ignore"),
        ("owner = \"me\"\nrun = [\"true\"]\n[quarantine", "owner = \"me\"\nrun = [\"true\"]\nadvisory = true\n[quarantine", Weaker, "gate.h.advisory"),
        ("2026-06-01", "2026-06-02", Weaker, "quarantine.q.expires"),
        ("[quarantine.q]", "[quarantine.r]\ncase = \"d\"\n[quarantine.q]", Weaker, "quarantine.r"),
        ("policy = \"minor\"", "policy = \"warn\"", Weaker, "runtime.py.policy"),
        ("policy = \"minor\"", "policy = \"exact\"", Stronger, "runtime.py.policy"),
        ("pin = \".python-version\"", "pin = \"other\"", Opaque, "runtime.py.pin"),
        ("[phase.o]", "[phase.n]\ngates = [\"h\"]\n[phase.o]", Stronger, "phase.n"),
        ("[gate.h]", "[gate.i]\nowner = \"me\"\n[gate.h]", Stronger, "gate.i"),
        ("owner = \"me\"\nrun = [\"true\"]\ntimeout", "owner = \"you\"\nrun = [\"true\"]\ntimeout", Neutral, "gate.g.owner"),
    ];
    for (from, to, class, path) in rows {
        let found = one(from, to);
        assert_eq!(found.first(), Some(&(class, path.to_owned())), "{from} -> {to}: {found:?}");
    }
}

#[test]
fn what_is_taken_out_is_weaker_and_no_file_is_no_pass() {
    let gone = one("[gate.h]\nowner = \"me\"\nrun = [\"true\"]\n", "");
    assert_eq!(gone, [(Class::Weaker, "gate.h".to_owned())]);
    assert_eq!(gates(Some(BASE), BASE).expect("parsed"), []);
    assert_eq!(gates(None, BASE).expect("parsed")[0].class, Class::Bootstrap);
    assert!(gates(Some(BASE), "[").is_err());
}

#[test]
fn policies_have_an_order_too() {
    let base = "[role.root]\nprincipals = [\"a\"]\nthreshold = 2\n[phase.default]\nseparation = \"not-author\"\nexpires = \"90d\"\n";
    let class = |from: &str, to: &str| policy(Some(base), &base.replacen(from, to, 1)).expect("parsed")[0].clone();
    assert_eq!((class("= 2", "= 1").class, class("= 2", "= 1").path.as_str()), (Class::Weaker, "policy.role.root.threshold"));
    assert_eq!(class("not-author", "none").class, Class::Weaker);
    assert_eq!(class("90d", "91d").class, Class::Weaker);
    assert_eq!(class("[\"a\"]", "[\"a\", \"b\"]").class, Class::Weaker);
    assert_eq!(class("not-author", "two-person").class, Class::Stronger);
}
