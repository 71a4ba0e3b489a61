//! Signing, verifying, and every attack of the threat table of docs/signoff.md that names a control: each is tried and denied, with its exit
//! status and a reason that names the file.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::office::{GATES, Office, SIGNOFF, suite};
use crate::support::{Sandbox, tool};

const PLACE: &str = ".gates/signoffs/p/0001";
const STATEMENT: &str = ".gates/signoffs/p/0001/signoff.alice.json";

/// A time from now on, as the command line takes it.
fn after(span: time::Duration) -> String {
    let at = (time::OffsetDateTime::now_utc() + span).replace_nanosecond(0).expect("a second");
    at.format(&time::format_description::well_known::Rfc3339).expect("a time")
}

#[test]
fn a_signed_phase_holds_and_so_does_the_next_one() {
    let office = Office::new();
    office.gate("q").exits(0);
    // The required phase comes first.
    office.sign("q", "bob", &[]).exits(8).says("p is not signed");
    let shown = office.sign("p", "alice", &["--comment", "looked at it"]).exits(0);
    for words in ["met       flaky: 0 <= 0 (count)", "max-lines: 90 <= 100", "PASSED    g  10/10 iterations  3 cases", "BOOTSTRAP", "UNATTESTED"] {
        let shown = format!("{}{}", shown.stdout, office.verify("p", &[]).stdout);
        assert!(shown.contains(words), "`{words}` is missing in {shown}");
    }
    office.sign("q", "bob", &[]).exits(0).says("p 0001 at");
    let answer = office.answer("q", &[]);
    assert_eq!((&answer["holds"], &answer["exit"]), (&true.into(), &0.into()), "{answer}");
    let phases: Vec<&str> = answer["accepted"].as_array().expect("a list").iter().filter_map(|one| one["phase"].as_str()).collect();
    assert_eq!(phases, ["p", "q"]);
    // The run's folder is what was signed, file by file.
    let run = office.sandbox.path(".gates/runs/latest").canonicalize().expect("a run");
    let run = run.display().to_string();
    office.verify("q", &["--evidence", &run]).exits(0).says("files are those of manifest.json");
    let log = format!("{run}/logs/h.2.log");
    std::fs::write(&log, "edited").expect("written");
    office.verify("q", &["--evidence", &run]).exits(4).says("logs/h.2.log is not what manifest.json says");
}

#[test]
fn commits_of_evidence_and_trust_keep_a_sign_off_and_code_breaks_it() {
    let office = Office::signed();
    office.sandbox.write(".gates/trust/revoked_keys", &format!("# lost\n{}\n", office.public("mallory")));
    office.trust_update(&[]);
    office.commit("trust");
    let answer = office.answer("p", &[]);
    assert_eq!(answer["exit"], 0, "{answer}");
    office.sandbox.write("tool/main.txt", "changed\n");
    office.commit("code");
    office.denied("p", 5, &[PLACE, "the code of", "is another one"]);
    office.undo();
    // A clone without history cannot say whether a commit is an ancestor.
    let shallow = tempfile::tempdir().expect("temporary folder");
    let from = format!("file://{}", office.sandbox.root().display());
    office.git_says(&["clone", "-q", "--depth", "1", &from, &shallow.path().join("s").display().to_string()]);
    let place = shallow.path().join("s").display().to_string();
    let told = office.sandbox.run(&["-C", &place, "verify", "p", "--trust-ref", "HEAD"]).exits(9);
    told.says("shallow").says("git fetch --unshallow");
}

#[test]
fn a_sign_off_is_for_one_phase_of_one_repository() {
    let office = Office::signed();
    // The same files under another phase.
    for file in office.sandbox.files(PLACE) {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        std::fs::create_dir_all(office.sandbox.path(".gates/signoffs/q/0001")).expect("made");
        std::fs::copy(&file, office.sandbox.path(&format!(".gates/signoffs/q/0001/{name}"))).expect("copied");
    }
    office.commit("replay");
    office.denied("q", 4, &[".gates/signoffs/q/0001/signoff.alice.json", "resourceUri is git+https://example.invalid/shop#p"]);
    office.undo();
    // The same files in a repository of another name, which trusts the same people.
    office.tamper(".gates/trust/policy.toml", |text| text.replace("shop'", "shop-fork'"));
    office.trust_update(&[]);
    office.commit("other");
    office.denied("p", 4, &[STATEMENT, "resourceUri"]);
}

#[test]
fn nothing_is_signed_over_a_tree_that_is_not_the_commit() {
    let office = Office::new();
    office.gate("p").exits(0);
    office.sandbox.write("tool/main.txt", "changed\n");
    office.sign("p", "alice", &[]).exits(2).says("the files are not those of");
    // Neither where git status shows nothing.
    office.sandbox.git(&["update-index", "--assume-unchanged", "tool/main.txt"]);
    assert_eq!(office.git_says(&["status", "--porcelain"]), "");
    office.sign("p", "alice", &[]).exits(2).says("the files are not those of").says("ls-files -v");
    office.gate("p").exits(3).says("wants a clean tree");
    office.sandbox.git(&["update-index", "--no-assume-unchanged", "tool/main.txt"]);
    office.sandbox.git(&["checkout", "-q", "tool/main.txt"]);
    office.gate("p").exits(0);
    office.sign("p", "alice", &[]).exits(0);
    // A replaced commit does not count as what it replaces: the judged commit keeps its own parents.
    let head = office.head();
    office.sandbox.git(&["checkout", "-q", "--orphan", "other"]);
    office.commit("other");
    let other = office.head();
    office.sandbox.git(&["replace", &other, &head]);
    let answer = office.answer("p", &["--commit", &other]);
    assert_eq!(answer["exit"], 8, "{answer}");
}

#[test]
fn evidence_is_what_was_signed() {
    let office = Office::signed();
    for name in ["manifest.json", "report.json", "junit.xml", "tally.jsonl", "evidence.intoto.json"] {
        office.tamper(&format!("{PLACE}/{name}"), |text| format!("{text} "));
        office.denied("p", 4, &[&format!("{PLACE}/{name}")]);
        office.undo();
    }
    for (name, code) in [("manifest.json", 9), ("junit.xml", 9), ("evidence.intoto.json", 4)] {
        std::fs::remove_file(office.sandbox.path(&format!("{PLACE}/{name}"))).expect("removed");
        office.commit("dropped");
        office.denied("p", code, &[&format!("{PLACE}/{name}")]);
        office.undo();
    }
    office.sandbox.write(&format!("{PLACE}/notes.txt"), "all well\n");
    office.commit("added");
    office.denied("p", 4, &[&format!("{PLACE}/notes.txt"), "nothing of that name may be there"]);
    office.undo();
    std::os::unix::fs::symlink("junit.xml", office.sandbox.path(&format!("{PLACE}/signoff.bob.json"))).expect("linked");
    office.commit("link");
    office.denied("p", 4, &["signoff.bob.json", "only regular files"]);
    office.undo();
    office.tamper(STATEMENT, |text| format!("{text}{}", " ".repeat(1 << 20)));
    office.denied("p", 4, &[STATEMENT, "may have 1048576"]);
    office.undo();
    // A later repair does not hide that something was changed.
    office.tamper(&format!("{PLACE}/junit.xml"), |text| format!("{text} "));
    office.tamper(&format!("{PLACE}/junit.xml"), |text| text.trim_end_matches(' ').to_owned());
    office.denied("p", 4, &["a sign-off was changed or removed", "junit.xml"]);
}

#[test]
fn forged_runs_are_not_signed() {
    let office = Office::new();
    office.sandbox.write(
        "cases.xml",
        &suite(&["one", "two"]).replace("name='two' time='0.1'/>", "name='two'><failure message='no'/></testcase>").replace("failures='0'", "failures='1'"),
    );
    office.commit("red");
    office.gate("p").exits(1);
    office.sign("p", "alice", &[]).exits(1).says("is not green").says("gate g: fail");
    // The red case is edited out of junit.xml, with the manifest made to fit.
    let run = ".gates/runs/latest";
    let edit = |name: &str, change: &dyn Fn(&str) -> String| {
        let before = office.sandbox.read(&format!("{run}/{name}"));
        let after = change(&before);
        assert_ne!(before, after, "{name}");
        office.sandbox.write(&format!("{run}/{name}"), &after);
        let digest = |text: &str| xtask::evidence::sha256(text.as_bytes());
        let manifest = office.sandbox.read(&format!("{run}/manifest.json"));
        let mut manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
        let file = manifest["files"].as_array_mut().expect("files").iter_mut().find(|file| file["path"] == name).expect("listed");
        assert_eq!(file["sha256"], digest(&before));
        (file["sha256"], file["size"]) = (digest(&after).into(), after.len().into());
        office.sandbox.write(&format!("{run}/manifest.json"), &format!("{}\n", serde_json::to_string_pretty(&manifest).expect("JSON")));
    };
    edit("report.json", &|text| text.replace("\"verdict\": \"fail\"", "\"verdict\": \"pass\""));
    office.sign("p", "alice", &[]).exits(4).says("report.json").says("the tally comes to fail");
    edit("tally.jsonl", &|text| text.lines().filter(|line| !line.contains("ReportRead")).flat_map(|line| [line, "\n"]).collect());
    office.sign("p", "alice", &[]).exits(4);
    // A green run of fewer cases than it says.
    office.sandbox.write("cases.xml", &suite(&["one", "two", "three"]));
    office.commit("green");
    office.gate("p").exits(0);
    edit("junit.xml", &|text| {
        let at = text.find("<testcase name=\"s › two\"").or_else(|| text.find("two\"")).expect("a case");
        let start = text[..=at].rfind("<testcase").expect("its tag");
        let end = start + text[start..].find("/>").map_or_else(|| text[start..].find("</testcase>").expect("its end") + 11, |end| end + 2);
        format!("{}{}", &text[..start], &text[end..])
    });
    office.sign("p", "alice", &[]).exits(4).says("junit.xml");
}

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

#[test]
fn a_change_cannot_bring_its_own_keys_along() {
    let office = Office::signed();
    office.sandbox.git(&["branch", "protected"]);
    let judged = |more: &[&str]| office.sandbox.run(&[&["verify", "p", "--trust-ref", "protected"], more].concat());
    judged(&[]).exits(0);
    // A key of the attacker, without the roots.
    let line = format!("alice@acme.example namespaces=\"{SIGNOFF}\" {}\n", office.public("mallory"));
    let with_mallory = format!("{}{line}", office.sandbox.read(".gates/trust/allowed_signers"));
    office.sandbox.write(".gates/trust/allowed_signers", &with_mallory);
    office.commit("mine");
    judged(&[]).exits(6).says("allowed_signers is not the one that TRUST.json version 1 names");
    office.undo();
    // With a whole new trust, signed by nobody but its own roots.
    let forger = Sandbox::new(GATES);
    let policy =
        office.sandbox.read(".gates/trust/policy.toml").replace("carol@", "mallory@").replace("alice@", "mallory@").replace("threshold = 2", "threshold = 1");
    let line = format!("mallory@acme.example namespaces=\"{SIGNOFF},trust-update.v1@acme.example\" {}\n", office.public("mallory"));
    for (name, text) in [("policy.toml", policy.as_str()), ("allowed_signers", &line), ("revoked_keys", "# none\n")] {
        forger.write(&format!(".gates/trust/{name}"), text);
    }
    let key = office.key("mallory").display().to_string();
    forger.run(&["trust", "update", "--bootstrap", "--key", &key]).exits(0);
    std::fs::remove_dir_all(office.sandbox.path(".gates/trust")).expect("removed");
    std::fs::rename(forger.path(".gates/trust"), office.sandbox.path(".gates/trust")).expect("moved");
    office.commit("mine");
    judged(&[]).exits(6).says("its roots did not sign it");
    let pinned = xtask::evidence::sha256(
        office.git_says(&["show", "protected:.gates/trust/TRUST.json"]).as_bytes().iter().chain(b"\n").copied().collect::<Vec<u8>>().as_slice(),
    );
    office.sandbox.run(&["verify", "p", "--trust-digest", &format!("sha256:{pinned}")]).exits(6);
    office.sandbox.run(&["verify", "p"]).exits(6).says("the trust has no anchor");
}

#[test]
fn a_trust_in_another_checkout_and_a_pinned_one_judge_alike() {
    let office = Office::signed();
    let digest = xtask::evidence::sha256(office.sandbox.read(".gates/trust/TRUST.json").as_bytes());
    let other = tempfile::tempdir().expect("temporary folder");
    let clone = other.path().join("trusted").display().to_string();
    office.git_says(&["clone", "-q", &office.sandbox.root().display().to_string(), &clone]);
    office.sandbox.run(&["verify", "p", "--trust-dir", &clone]).exits(0);
    office.sandbox.run(&["verify", "p", "--trust-digest", &format!("sha256:{digest}")]).exits(0).says("the pinned digest").never_says("would pin it");
    office
        .sandbox
        .run(&["verify", "p", "--trust-digest", &format!("sha256:{}", "0".repeat(64))])
        .exits(6)
        .says("no version of the trust has the pinned digest");
    // A newer version that the pinned one's roots signed is followed.
    office.sandbox.write(".gates/trust/revoked_keys", &format!("{}\n", office.public("alice2")));
    office.trust_update(&[]);
    office.commit("newer");
    office.sandbox.run(&["verify", "p", "--trust-digest", &format!("sha256:{digest}")]).exits(0);
    // An older one is not put back.
    office.sandbox.git(&["checkout", "-q", "HEAD~1", "--", ".gates/trust"]);
    office.commit("older");
    office.verify("p", &[]).exits(6).says("is older than version 2");
}

#[test]
fn nobody_approves_their_own_work() {
    let office = Office::new();
    office.sandbox.write("tool/main.txt", "by alice\n");
    office.commit_as("alice@acme.example", "by alice");
    office.gate("p").exits(0);
    office.sign("p", "alice", &[]).exits(7).says("alice@acme.example wrote a commit since the last sign-off");
    office.sign("p", "bob", &[]).exits(0);
    office.verify("p", &[]).exits(0);
    // A co-author counts, and where the policy allows it, it is said.
    let open = Office::with(|text| format!("{text}separation = 'none'\n"));
    open.sandbox.write("tool/main.txt", "by two\n");
    open.commit("help\n\nCo-authored-by: Alice <ALICE@acme.example>");
    open.gate("p").exits(0);
    open.sign("p", "alice", &[]).exits(0).says("SELF-APPROVED");
    open.verify("p", &[]).exits(0).says("SELF-APPROVED");
}

#[test]
fn two_approvals_are_two_people() {
    let office = Office::with(|text| text.replace("[phase.default]\nthreshold = 1", "[phase.default]\nthreshold = 2"));
    office.gate("p").exits(0);
    office.sign("p", "alice", &[]).exits(0);
    office.denied("p", 7, &[PLACE, "1 of 2 approvals"]);
    // The same person with another key.
    let statement = office.sandbox.read(STATEMENT);
    office.sandbox.write(&format!("{PLACE}/signoff.second.json"), &statement);
    office.forge(&format!("{PLACE}/signoff.second.json"), "alice2", SIGNOFF);
    office.commit("twice");
    office.denied("p", 7, &["1 of 2 approvals"]);
    office.undo();
    office.sign("p", "bob", &[]).exits(0);
    office.verify("p", &[]).exits(0).says("2 of 2 approvals");
    assert!(office.sandbox.path(&format!("{PLACE}/signoff.bob.json")).is_file(), "in the same sequence");
}

#[test]
fn signatures_are_of_the_role_and_of_the_person() {
    let office = Office::signed();
    // A signature that was made for git.
    office.forge(STATEMENT, "alice", "git");
    office.commit("git's");
    office.denied("p", 4, &[STATEMENT, "namespace `git`"]);
    office.undo();
    // By somebody whom nobody knows, and by somebody of another role.
    for (who, word) in [("mallory", "does not list the key"), ("carol", "does not list the key")] {
        office.forge(STATEMENT, who, SIGNOFF);
        office.commit("theirs");
        office.denied("p", 4, &[STATEMENT, word]);
        office.undo();
    }
    // By a good key, in the name of somebody else.
    office.forge(STATEMENT, "bob", SIGNOFF);
    office.commit("bob for alice");
    office.denied("p", 4, &[STATEMENT, "it says that alice@acme.example signed"]);
    office.undo();
    // Other words under the same signature.
    office.tamper(STATEMENT, |text| text.replace("\"comment\": \"\"", "\"comment\": \"!\""));
    office.denied("p", 4, &[STATEMENT, "is not of these bytes"]);
    office.undo();
    // Line ends that a checkout elsewhere would write.
    office.tamper(STATEMENT, |text| text.replace('\n', "\r\n"));
    office.denied("p", 4, &[STATEMENT]);
    office.undo();
    std::fs::remove_file(office.sandbox.path(&format!("{STATEMENT}.sig"))).expect("removed");
    office.commit("unsigned");
    office.denied("p", 4, &[STATEMENT, "is not signed"]);
}

#[test]
fn revoked_and_retired_keys_do_not_count() {
    let office = Office::signed();
    let new = office.public("mallory");
    std::fs::write(office.key("new.pub"), format!("{new}\n")).expect("written");
    let key = office.key("new.pub").display().to_string();
    office.sandbox.run(&["trust", "rotate", "bob@acme.example", "--key", &key]).exits(0);
    office.sandbox.run(&["trust", "rotate", "nobody@acme.example", "--key", &key]).exits(2).says("no valid key of nobody@acme.example");
    office.sandbox.run(&["trust", "rotate", "alice@acme.example", "--key", &key]).exits(0).says("2 keys retired");
    office.trust_update(&[]);
    office.commit("rotated");
    office.verify("p", &["--at", &after(time::Duration::MINUTE)]).exits(5).says(STATEMENT).says("is retired (allowed_signers:1)");
    office.undo();
    // A key that ended before it says that it signed.
    let signers = ".gates/trust/allowed_signers";
    office.sandbox.write(signers, &office.sandbox.read(signers).replace("namespaces=", "valid-before=\"20200101Z\",namespaces="));
    office.trust_update(&[]);
    office.commit("retired long ago");
    office.denied("p", 4, &[STATEMENT, "was not valid when it says that it signed"]);
    office.sign("p", "alice2", &[]).exits(5).says("is not valid now");
    office.undo();
    office.sandbox.run(&["trust", "revoke", "alice@acme.example"]).exits(0).says("revoked 2 keys");
    office.trust_update(&[]);
    office.commit("revoked");
    office.denied("p", 4, &[STATEMENT, "is revoked"]);
    office.sign("p", "alice", &[]).exits(4).says("is revoked");
    office.sandbox.run(&["trust", "check"]).exits(7).says("role root wants 2, and 1 have a valid key");
    office.sandbox.run(&["doctor"]).exits(0).says("warn  trust: role root wants 2");
    office.undo();
    office.sandbox.run(&["trust", "check"]).exits(0).says("every phase of the policy can be signed");
    office.sandbox.run(&["doctor"]).exits(0).says("ok    trust: every phase of the policy can be signed");
    // Without a list of revocations nobody can say.
    std::fs::remove_file(office.sandbox.path(".gates/trust/revoked_keys")).expect("removed");
    office.commit("no list");
    office.denied("p", 9, &["revoked_keys is missing"]);
}

#[test]
fn a_no_stays_a_no() {
    let office = Office::signed();
    office.gate("p").exits(0);
    office.sign("p", "bob", &["--reject", "--comment", "the prices are wrong"]).exits(0).says("REJECTED by bob@acme.example");
    office.denied("p", 5, &[".gates/signoffs/p/0002/signoff.bob.json", "bob@acme.example rejected it"]);
    // The record is taken away.
    let before = office.head();
    std::fs::remove_dir_all(office.sandbox.path(".gates/signoffs/p/0002")).expect("removed");
    office.commit("what rejection");
    office.denied("p", 4, &["a sign-off was changed or removed", "0002"]);
    // The old approval under the next number.
    office.sandbox.git(&["reset", "-q", "--hard", &before]);
    std::fs::create_dir_all(office.sandbox.path(".gates/signoffs/p/0003")).expect("made");
    for file in office.sandbox.files(PLACE) {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        std::fs::copy(&file, office.sandbox.path(&format!(".gates/signoffs/p/0003/{name}"))).expect("copied");
    }
    office.commit("restored");
    office.denied("p", 4, &[".gates/signoffs/p/0003/signoff.alice.json", "sequence is 1, and not 3"]);
    // A gap.
    office.sandbox.git(&["reset", "-q", "--hard", &before]);
    std::fs::remove_dir_all(office.sandbox.path(PLACE)).expect("removed");
    office.commit("gap");
    office.denied("p", 4, &["a sequence 0002 and none before it"]);
    // What was mended is signed anew, and then holds.
    office.sandbox.git(&["reset", "-q", "--hard", &before]);
    office.gate("p").exits(0);
    office.sign("p", "alice", &[]).exits(0);
    office.verify("p", &[]).exits(0).says(".gates/signoffs/p/0003");
    office.sandbox.run(&["evidence", "list"]).exits(0).says("p 0002  REJECTED").says("p 0003  APPROVED");
}

#[test]
fn only_whole_runs_of_the_release_profile_are_signed_and_not_for_ever() {
    let office = Office::new();
    office.sign("p", "alice", &[]).exits(3).says("xtask gate p --profile release");
    office.sandbox.run(&["gate", "p"]).exits(0);
    office.sign("p", "alice", &[]).exits(3).says("manifest.json").says("only whole runs of profile release");
    office.sandbox.command(&["gate", "p"]).env("CI", "true").status().expect("it starts");
    office.sign("p", "alice", &[]).exits(2).says("the run has profile ci");
    office.sandbox.run(&["gate", "p", "--profile", "release", "--skip", "free"]);
    office.sign("p", "alice", &[]).exits(3).says("manifest.json");
    office.gate("p").exits(0);
    office
        .sandbox
        .run(&["signoff", "p", "--trust-ref", "main", "--key", &office.key("alice").display().to_string()])
        .exits(2)
        .says("nobody is there to confirm");
    office
        .sandbox
        .run(&["signoff", "p", "--trust-ref", "main", "--key", &office.key("alice").display().to_string(), "--yes", "--commit", "HEAD"])
        .exits(2)
        .says("is not HEAD");
    office.sign("p", "mallory", &[]).exits(4).says("does not list the key");
    office.sign("nothing", "alice", &[]).exits(2);
    // Another commit than the one that ran.
    office.tamper("tool/main.txt", |_| "changed\n".to_owned());
    office.sign("p", "alice", &[]).exits(5).says("the code of");
    office.undo();
    office.sign("p", "alice", &[]).exits(0);
    for (time, code, word) in [("2020-01-01T00:00:00Z", 5, "in the future"), ("2099-01-01T00:00:00Z", 5, "it ended on"), ("tomorrow", 2, "not in UTC")] {
        office.verify("p", &["--at", time]).exits(code).says(word);
    }
    office.verify("q", &[]).exits(3).says("q is not signed");
}

#[test]
fn attested_evidence_wants_the_attestation() {
    let github = "require_ci = true\n[ci.github]\nrepository = 'acme/shop'\nsigner_workflow = 'acme/shop/.github/workflows/gates.yml'\n";
    let mut office = Office::with(|text| format!("{text}{github}"));
    office.gate("p").exits(0);
    office.sign("p", "alice", &[]).exits(3).says("there is no --bundle");
    office.sandbox.write("bundle.jsonl", "{}\n");
    office.sandbox.write(".gitignore", "out.xml\nbundle.jsonl\nbin/\n");
    office.commit("ignored");
    office.gate("p").exits(0);
    // No current `gh` is to be had from a registry: this one answers as gh's manual says that it does.
    let asked = office.sandbox.path("bin/asked").display().to_string();
    for (status, code, word) in [(1, 4, "gh does not accept the attestation"), (4, 9, "gh is not signed in"), (0, 0, "APPROVED by alice@acme.example")] {
        office.sandbox.script("bin/gh", &format!("#!/bin/sh\necho \"$@\" > '{asked}'\necho '[{{}}]'\nexit {status}\n"));
        if status == 1 {
            office.sandbox.put_first_on_path("bin");
        }
        let bundle = office.sandbox.path("bundle.jsonl").display().to_string();
        office.sign("p", "alice", &["--bundle", &bundle]).exits(code).says(word);
    }
    office.verify("p", &[]).exits(0).says("attested by acme/shop/.github/workflows/gates.yml").never_says("UNATTESTED");
    let words = office.sandbox.read("bin/asked");
    let ran = office.git_says(&["rev-parse", "HEAD~1"]);
    assert!(words.contains(&format!("--source-digest {ran}")) && words.contains("--signer-workflow acme/shop/.github/workflows/gates.yml"), "{words}");
    // A certificate of an earlier repository of that name.
    office.sandbox.script("bin/gh", "#!/bin/sh\nexit 1\n");
    office.denied("p", 4, &["ci.sigstore.jsonl"]);
    std::fs::remove_file(office.sandbox.path("bin/gh")).expect("removed");
    let system = office.sandbox.run(&["verify", "p", "--trust-ref", "main"]);
    assert!(system.code == 9 || system.code == 4, "{system}");
}

#[test]
fn shards_of_other_machines_are_evidence_too() {
    let office = Office::new();
    let plan = tempfile::tempdir().expect("temporary folder");
    let file = plan.path().join("plan.json").display().to_string();
    office.sandbox.run(&["plan", "p", "--profile", "release", "--shards", "2", "--out", &file]).exits(0);
    for shard in ["1", "2"] {
        office.sandbox.run(&["gate", "--shard", shard, "--plan", &file]).exits(0);
    }
    let runs = office.sandbox.path(".gates/runs").display().to_string();
    office.sandbox.run(&["merge", "--plan", &file, &runs]).exits(0);
    office.sign("p", "alice", &[]).exits(0).says("met       flaky: 0 <= 0");
    office.verify("p", &[]).exits(0);
}

/// What the stock tools and the libraries of others make of it.
#[test]
fn others_accept_a_sign_off_without_this_program() {
    let office = Office::signed();
    tool("jq", "jq");
    let explained = office.sandbox.run(&["evidence", "explain", "p"]).exits(0).stdout;
    assert!(explained.contains("ssh-keygen -Y verify") && explained.contains("sha256sum -c"), "{explained}");
    let check = || Command::new("bash").args(["-e", "-c", &explained]).current_dir(office.sandbox.root()).output().expect("bash starts");
    let output = check();
    assert!(output.status.success(), "{explained}\n{}", String::from_utf8_lossy(&output.stderr));
    let before = office.sandbox.read(&format!("{PLACE}/junit.xml"));
    office.sandbox.write(&format!("{PLACE}/junit.xml"), &format!("{before} "));
    assert!(!check().status.success(), "an edited file");
    office.sandbox.write(&format!("{PLACE}/junit.xml"), &before);
    let sums = office.sandbox.run(&["evidence", "export", "p", "--checksums"]).exits(0).stdout;
    office.sandbox.write("../sums", &sums);
    let checked = Command::new("sha256sum").args(["-c", "--quiet", "../sums"]).current_dir(office.sandbox.root()).status();
    assert!(checked.expect("sha256sum starts").success() && sums.lines().count() == 7, "{sums}");
    std::fs::remove_file(office.sandbox.path("../sums")).expect("removed");

    let (key, out) = (office.key("alice").display().to_string(), office.key("alice.pem").display().to_string());
    let export = |format: &str| office.sandbox.run(&["evidence", "export", "p", format, "--key", &key, "--key-out", &out]).exits(0).stdout;
    let (envelope, bundle) = (office.key("envelope.json"), export("--bundle"));
    std::fs::write(&envelope, export("--dsse")).expect("written");
    assert!(bundle.contains("application/vnd.dev.sigstore.bundle.v0.3+json"));
    let accept = |key: &str| {
        let output = Command::new(envelope_python()).args(["-c", ACCEPT]).arg(&envelope).arg(key).output().expect("python starts");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (accepted, why) = accept(&out);
    assert!(accepted, "{why}");
    let text = std::fs::read_to_string(&envelope).expect("written");
    let mut forged: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    forged["payload"] = forged["payload"].as_str().expect("text").replacen("In", "iN", 1).into();
    std::fs::write(&envelope, forged.to_string()).expect("written");
    assert!(!accept(&out).0, "another payload");
    office.sandbox.run(&["evidence", "export", "p", "--dsse", "--key", &office.key("bob").display().to_string()]).exits(2).says("is not of alice@acme.example");
}

const ACCEPT: &str = r#"
import json, sys
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey
key = SSlibKey.from_crypto(load_pem_public_key(open(sys.argv[2], "rb").read()))
envelope = Envelope.from_dict(json.load(open(sys.argv[1])))
signature = next(iter(envelope.signatures.values()))
key = SSlibKey(signature.keyid, key.keytype, key.scheme, key.keyval)
envelope.verify([key], 1)
statement = statement_pb2.Statement()
json_format.Parse(envelope.payload.decode(), statement)
Statement.copy_from_pb(statement).validate()
"#;

/// A python with the libraries of in-toto, made once.
fn envelope_python() -> String {
    static PYTHON: OnceLock<String> = OnceLock::new();
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/envelope/requirements.lock");
    PYTHON.get_or_init(|| crate::planted::locked_python("envelope", &lock)).clone()
}

#[test]
fn a_sign_off_is_readable() {
    let office = Office::new();
    office.gate("p").exits(0);
    office.sign("p", "alice", &["--comment", "<b>| ok"]).exits(0);
    let page = office.sandbox.run(&["evidence", "show", "p", "--format", "html"]).exits(0).stdout;
    for words in
        ["alice@acme.example", "approval as release-manager", "PASSED", "max-lines", "90", "manifest.json (sha256)", "default-src 'none'", "&lt;b&gt;| ok"]
    {
        assert!(page.contains(words), "`{words}` is missing in {page}");
    }
    assert!(!page.contains("<b>"));
    let text = office.sandbox.run(&["evidence", "show", "p"]).exits(0).stdout;
    assert!(text.contains("&lt;b&gt;\\| ok") && text.contains("APPROVED"), "{text}");
}

#[test]
fn secrets_in_what_becomes_evidence_make_the_run_red() {
    let token = format!("{}{}", "ghp", "_16C7e42F292c6912E7710c838347Ae178B4a");
    let cases = suite(&["one", "two", "three"]);
    for (what, xml, gates) in [
        (
            "a property",
            cases.replace("<testcase", &format!("<properties><property name='access_token' value='{token}'/></properties><testcase")),
            GATES.to_owned(),
        ),
        ("system-out", cases.replace("time='0.1'/>", &format!("time='0.1'><system-out>token {token}</system-out></testcase>")), GATES.to_owned()),
        ("the log", cases.clone(), GATES.replace("shell = \"", &format!("shell = \"echo {token}; "))),
    ] {
        let office = Office::new();
        office.sandbox.write("cases.xml", &xml);
        office.sandbox.write("gates.toml", &gates);
        office.commit("leaky");
        let told = office.gate("p").exits(1);
        told.says("holds what looks like a secret: a token of GitHub").says("hint");
        office.sign("p", "alice", &[]).exits(1);
        assert!(what.len() > 2 && office.sandbox.cases().keys().any(|name| name.starts_with("secrets ")), "{what}");
    }
    // Command lines and the environment do not reach a file at all.
    let mut office = Office::new();
    office.sandbox.set("DEPLOY_TOKEN", &token);
    office.sandbox.write("gates.toml", &GATES.replace("run = ['true']", "run = ['true']\nsecrets = ['DEPLOY_TOKEN']"));
    office.commit("argv");
    office.sandbox.run(&["gate", "h", "--", &format!("--api-token={token}"), "--password", &token, &format!("postgres://me:{token}@host/x")]).exits(0);
    let run = office.sandbox.path(".gates/runs/latest").canonicalize().expect("a run");
    for entry in walkdir::WalkDir::new(&run).into_iter().flatten().filter(|entry| entry.file_type().is_file()) {
        let bytes = std::fs::read(entry.path()).expect("readable");
        assert!(!String::from_utf8_lossy(&bytes).contains(&token), "{}", entry.path().display());
    }
}
