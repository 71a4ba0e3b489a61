//! A case that was there and is gone makes its gate fail, until somebody accepts it.

use crate::support::{Sandbox, outcome};
use xtask::model::Outcome;

fn gate(cases: &[&str]) -> String {
    let cases = cases.iter().map(|case| format!("<testcase classname=\"k\" name=\"{case}\"/>")).collect::<Vec<String>>().concat();
    format!("schema = 1\n[phase.p]\ngates = ['g']\n[gate.g]\nowner = 'me'\nshell = '''echo '<testsuite>{cases}</testsuite>' > $GATE_JUNIT'''\n")
}

#[test]
fn a_case_that_is_gone_fails_its_gate_until_it_is_accepted() {
    let sandbox = Sandbox::new(&gate(&["a", "b", "c"]));
    sandbox.run(&["baseline", "accept", "g"]).exits(2).says("there is no run in which every case of `g` passed");
    sandbox.run(&["gate", "p"]).exits(0);
    sandbox.run(&["baseline", "accept", "g"]).exits(0).says("g: 3 cases of run").says("3 added, 0 removed");
    assert!(sandbox.read("gates.baseline").ends_with("\n[g]\nk::a\nk::b\nk::c\n"));
    sandbox.run(&["gate", "p"]).exits(0);

    sandbox.write("gates.toml", &gate(&["a", "d"]));
    sandbox.run(&["gate", "p"]).exits(1).says("2 cases of gates.baseline missing: k::b").says("missing k::c");
    assert_eq!(sandbox.verdict("g"), "fail");
    assert_eq!(outcome(&sandbox.cases(), "g g"), Some(Outcome::Failed), "the report is red too");
    assert_eq!(sandbox.report()["gates"][0]["iterations"][0]["missing"].as_array().map(Vec::len), Some(2));

    let told = sandbox.run(&["baseline", "accept", "g"]).exits(0).says("2 cases of run").says("1 added, 2 removed");
    assert_eq!(told.stdout, "removed g: k::b\nremoved g: k::c\n");
    sandbox.run(&["gate", "p"]).exits(0);
    sandbox.run(&["gate", "g", "--", "narrowed"]).exits(0);
}

#[test]
fn only_what_passed_is_accepted() {
    let sandbox = Sandbox::new(&gate(&["a", "b"]));
    sandbox.run(&["gate", "p"]).exits(0);
    sandbox.run(&["baseline", "accept", "g"]).exits(0);
    sandbox.write("gates.toml", &gate(&["a"]).replace("<testcase classname=\"k\" name=\"a\"/>", "<testcase classname=\"k\" name=\"a\"><failure/></testcase>"));
    sandbox.run(&["gate", "p"]).exits(1);
    sandbox.run(&["baseline", "accept", "g"]).exits(0).says("2 cases of run").says("0 added, 0 removed");
    sandbox.run(&["baseline", "accept", "x"]).exits(2).says("there is no gate `x`");
    sandbox.write("gates.baseline", "k::a\n");
    sandbox.run(&["gate", "p"]).exits(2).says("gates.baseline:1: a case before the first [GATE]");
}

#[test]
fn a_gate_that_no_longer_reports_or_is_gone_loses_no_case_unseen() {
    let sandbox = Sandbox::new(&gate(&["a", "b"]));
    sandbox.run(&["gate", "p"]).exits(0);
    sandbox.run(&["baseline", "accept", "g"]).exits(0);
    let silent = "schema = 1\n[phase.p]\ngates = ['g']\n[gate.g]\nowner = 'me'\nrun = ['true']\n";
    sandbox.write("gates.toml", silent);
    sandbox.run(&["gate", "p"]).exits(1).says("2 cases of gates.baseline missing: k::a");
    sandbox.write("gates.toml", &gate(&["a"]).replace("gate.g]", "gate.h]").replace("'g'", "'h'"));
    sandbox.run(&["gate", "p"]).exits(2).says("gates.baseline names 2 cases of gate `g`, which is not in gates.toml");
    sandbox.write("gates.baseline", "");
    sandbox.run(&["gate", "p"]).exits(0);
    sandbox.write("gates.baseline", "[g]\nk::a\nk::b\n");
    let told = sandbox.run(&["baseline", "accept", "h"]).exits(0);
    assert_eq!(told.stdout, "removed g: 2 cases, with the gate\n");
    sandbox.run(&["gate", "p"]).exits(0);
}
