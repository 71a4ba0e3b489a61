//! What a signature is over: attacks on the files of a run, shards, attestations, and other programs that check it.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::office::{GATES, Office, suite};
use crate::signoffs::{PLACE, STATEMENT};
use crate::support::tool;

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

/// A python with the libraries of in-toto, made once.
fn envelope_python() -> String {
    static PYTHON: OnceLock<String> = OnceLock::new();
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/envelope/requirements.lock");
    PYTHON.get_or_init(|| crate::planted::locked_python("envelope", &lock)).clone()
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
