//! Gates that were made weaker since the last signature.

use crate::office::{GATES, Office, suite};
use crate::signoffs::after;

#[test]
fn a_gate_made_weaker_wants_a_waiver() {
    let office = Office::signed();
    let base = office.head();
    // In the change that is signed next.
    office.sandbox.write("gates.toml", &GATES.replace("max = 100", "max = 200"));
    office.commit_as("dora@acme.example", "weaker");
    office.gate("p").exits(0);
    let told = office.sandbox.run(&["gates", "diff", "--base", &base, "--trust-ref", "main"]).exits(6);
    told.says("weaker     phase.p.criteria.max-lines.max: 100 -> 200  WANTS A WAIVER");
    office.sign("p", "bob", &[]).exits(6).says("phase.p.criteria.max-lines.max weaker (100 -> 200)").says("xtask waive");
    let waive = |who: &str, path: &str, until: &str| {
        let key = office.key(who).display().to_string();
        office.sandbox.run(&[
            "waive",
            path,
            "--base",
            &base,
            "--until",
            until,
            "--reason",
            "a migration",
            "--ticket",
            "T-1",
            "--key",
            &key,
            "--trust-ref",
            "main",
        ])
    };
    waive("mallory", "phase.p.criteria", "30days").exits(7).says("is of no gate-owner");
    waive("dora", "phase.p.criteria", "30days").exits(7).says("dora@acme.example wrote a commit");
    waive("carol", "gate.g", "30days").exits(2).says("these want a waiver: phase.p.criteria.max-lines.max");
    waive("carol", "phase.p.criteria", "2020-01-01").exits(2).says("is over");
    waive("carol", "phase.p.criteria", "30days").exits(0);
    office.commit("waiver");
    office.sandbox.run(&["gates", "diff", "--base", &base, "--trust-ref", "main"]).exits(0).says("waived");
    office.sign("p", "bob", &[]).exits(0).says("W-1");
    office.verify("p", &[]).exits(0).says("waived: W-1");
    // When it is over, the gate is what it was.
    office.verify("p", &["--at", &after(time::Duration::days(31))]).exits(6).says(".gates/signoffs/_waivers/W-1.json").says("it ended on");
    // It is for this change and no other.
    office.sandbox.write("gates.toml", &GATES.replace("max = 100", "max = 300"));
    office.commit("weaker still");
    office.gate("p").exits(0);
    office.sign("p", "bob", &[]).exits(6).says("200 -> 300");
}

#[test]
fn cases_that_are_gone_and_a_changed_tool_want_a_waiver_too() {
    let office = Office::signed();
    office.sandbox.write("cases.xml", &suite(&["one", "two"]));
    office.commit("fewer");
    office.gate("p").exits(0);
    office.sign("p", "bob", &[]).exits(6).says("inventory.g weaker").says("three");
    office.undo();
    office.tamper("tool/main.txt", |_| "another tool\n".to_owned());
    office.gate("p").exits(0);
    office.sign("p", "bob", &[]).exits(6).says("surface.tool changed, cannot be ordered");
}
