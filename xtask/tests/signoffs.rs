//! Signing, verifying, and every attack of the threat table of docs/signoff.md that names a control: each is tried and denied, with its exit
//! status and a reason that names the file.

use crate::office::{GATES, Office, SIGNOFF};
use crate::support::Sandbox;

pub(crate) const PLACE: &str = ".gates/signoffs/p/0001";
pub(crate) const STATEMENT: &str = ".gates/signoffs/p/0001/signoff.alice.json";

/// A time from now on, as the command line takes it.
pub(crate) fn after(span: time::Duration) -> String {
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
