//! report.html in a real browser: found by keyboard, without errors, without a request for anything else, and as axe wants pages to be.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::{Sandbox, tool};

/// A folder with the browser's driver, made once for the digest of its lock file.
fn driver() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page");
    let made = FOLDER.get_or_init(|| {
        let digest = blake3::hash(&std::fs::read(source.join("package-lock.json")).expect("the lock file")).to_hex();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{}", &digest[..12]));
        std::fs::create_dir_all(&folder).expect("made");
        for name in ["package.json", "package-lock.json", "look.mjs"] {
            std::fs::copy(source.join(name), folder.join(name)).expect("copied");
        }
        if !folder.join("ready").exists() {
            let output = Command::new(tool("npm", "npm")).args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder).output().expect("npm starts");
            assert!(output.status.success(), "npm ci: {}", String::from_utf8_lossy(&output.stderr));
            std::fs::write(folder.join("ready"), "").expect("written");
        }
        folder
    });
    made.clone()
}

/// What a browser sees of the latest run's report.
pub(crate) fn look(sandbox: &Sandbox) -> Value {
    let report = sandbox.path(".gates/runs/latest/report.html").canonicalize().expect("a report");
    let pictures = tempfile::tempdir().expect("temporary folder");
    let output = Command::new(tool("node", "nodejs")).arg("look.mjs").arg(&report).arg(pictures.path()).current_dir(driver()).output().expect("node starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[track_caller]
fn is_sound(seen: &Value) {
    for nothing in ["errors", "foreign", "violations"] {
        assert_eq!(seen[nothing], serde_json::json!([]), "{nothing}: {seen:#}");
    }
    assert_eq!(seen["injected"], false, "{seen:#}");
}

#[test]
fn a_run_with_everything_in_it_is_shown_whole() {
    let sandbox = Sandbox::new(
        "schema = 1\n[phase.p]\ntitle = 'A <b>phase</b>'\ngates = ['suite', 'red', 'quick', 'late']\n[phase.p.criteria.flaky]\nmax = 0\n\
         [gate.suite]\nowner = 'me'\njunit = ['out.xml']\nshell = 'sh suite.sh'\nexpect = { skips = [{ match = '*skipped*', reason = 'later', owner = 'me' }] }\n\
         [gate.red]\nowner = 'me'\ntitle = '\"><script>window.injected = 1</script>'\nshell = 'echo one; echo \"</pre><img src=x onerror=alert(1)>\"; exit 3'\n\
         [gate.quick]\nowner = 'me'\nrun = ['true']\n[gate.late]\nowner = 'me'\nneeds = ['red']\nrun = ['true']\n",
    );
    sandbox.write(
        "suite.sh",
        "fails=''\n[ $((GATE_ITERATION % 2)) = 0 ] && fails='<failure message=\"expected &lt;script&gt;window.injected = 1&lt;/script&gt;\" type=\"AssertionError\">\
         src/cart.py:12: no</failure>'\n\
         { echo \"<testsuites><testsuite name='s'>\"; for n in $(seq 1 400); do echo \"<testcase classname='s' name='case $n' time='0.01'/>\"; done\n\
         echo \"<testcase classname='s' name='&lt;/script&gt;&lt;script&gt;window.injected = 1&lt;/script&gt;'>$fails</testcase><testcase classname='s' name='skipped one'><skipped/></testcase>\
         </testsuite></testsuites>\"; } > out.xml\n[ -z \"$fails\" ]\n",
    );
    sandbox.run(&["gate", "p", "--runs", "4"]).exits(1);
    let seen = look(&sandbox);
    is_sound(&seen);
    assert_eq!((seen["verdict"].as_str(), seen["flakes"].as_u64()), (Some("fail"), Some(1)), "{seen:#}");
    let failures = seen["failures"].to_string();
    assert!(failures.contains("suite") && failures.contains("red") && failures.contains("late") && !failures.contains("quick"), "{failures}");
    assert!(seen["bars"].as_u64() >= Some(12) && seen["links"].to_string().contains("logs/red.1.log"), "{seen:#}");
    assert_eq!((seen["found"].as_str(), seen["hits"].as_u64()), (Some("11 cases"), Some(11)), "case 19 and case 190 to 199: {seen:#}");
    assert_eq!((seen["rows"].as_u64(), seen["moreRows"].as_u64()), (Some(200), Some(400)), "{seen:#}");
    // Again from the journal, byte for byte.
    let before = sandbox.read(".gates/runs/latest/report.html");
    sandbox.run(&["report"]);
    assert_eq!(before, sandbox.read(".gates/runs/latest/report.html"));
    // Earlier runs become a line of bars.
    sandbox.run(&["gate", "p"]).exits(1);
    assert!(sandbox.read(".gates/runs/latest/report.html").contains("class=\"spark\""));
}

#[test]
fn twenty_thousand_cases_are_one_page() {
    let sandbox = Sandbox::with_gate("junit = ['out.xml']\nrun = ['cp', 'many.xml', 'out.xml']");
    let cases: Vec<String> = (0..20_000).map(|n| format!("<testcase classname='suite{}' name='case {n}' time='0.1'/>", n / 100)).collect();
    sandbox.write("many.xml", &format!("<testsuites><testsuite name='s'>{}</testsuite></testsuites>", cases.concat()));
    sandbox.run(&["gate", "p"]).exits(0);
    let seen = look(&sandbox);
    is_sound(&seen);
    assert_eq!((seen["verdict"].as_str(), seen["found"].as_str(), seen["hits"].as_u64()), (Some("pass"), Some("1111 cases"), Some(200)), "{seen:#}");
    assert_eq!(seen["rows"].as_u64(), Some(200));
}

#[test]
fn a_run_that_could_not_begin_has_a_page_too() {
    let sandbox = Sandbox::with_gate("runtimes = ['py']\nrun = ['true']\n[runtime.py]\nkind = 'python'\npin = '.python-version'");
    sandbox.write(".python-version", "2.1.3\n");
    sandbox.run(&["gate", "p"]).exits(3);
    let page = sandbox.read(".gates/runs/latest/report.html");
    assert!(page.contains("<span class=\"v refused\">refused</span>") && page.contains("2.1.3"), "{page}");
}
