//! Workflows of a CI system: those that are written from gates.toml, and what a job of one shows.

use crate::shards::repository;
use crate::support::Sandbox;

#[test]
fn a_workflow_that_does_not_agree_with_gates_toml_is_told_with_the_line() {
    let gates = "schema = 1\n[phase.p]\ngates = ['a']\n[gate.a]\nowner = 'me'\nrun = ['true']\n";
    let sandbox = repository(gates, "", "");
    sandbox.run(&["ci", "check"]).exits(1).says("there is no .github/workflows/gates.yml").says("ci generate github PHASE");
    sandbox.run(&["ci", "generate", "github", "q"]).exits(2).says("there is no phase `q`").says("known: p");
    sandbox.run(&["ci", "generate", "github", "p", "--shards", "3", "--install", "pip install it's"]).exits(0);
    sandbox.run(&["ci", "check"]).exits(0);
    let file = ".github/workflows/gates.yml";
    let text = sandbox.read(file);
    assert!(text.contains("--shards 3 --format github-matrix") && text.contains("- run: 'pip install it''s'"), "{text}");
    sandbox.write(file, &text.replace("fail-fast: false", "fail-fast: true"));
    sandbox.run(&["ci", "check"]).exits(1).says("fail-fast: true").says("due:         fail-fast: false").says("hint: xtask ci generate github p");
    sandbox.write(file, &text);
    sandbox.write("gates.toml", &format!("{gates}runtimes = ['py']\n[runtime.py]\nkind = 'python'\npin = '.python-version'\n"));
    sandbox.write(".python-version", "3.11\n");
    sandbox.run(&["ci", "check"]).exits(1).says("setup-python");
    sandbox.write(file, &text.lines().skip(2).collect::<Vec<_>>().join("\n"));
    sandbox.run(&["ci", "check"]).exits(1).says("does not say how it was made");
    let uploads = text.matches("upload-artifact@").count();
    assert_eq!((uploads, text.matches("include-hidden-files: true").count()), (4, uploads), "what lies below .gates/ is hidden");
}

#[test]
fn the_projects_own_workflow_agrees_with_its_gates() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let sandbox = repository("schema = 1\n[phase.p]\ngates = ['a']\n[gate.a]\nowner = 'me'\nrun = ['true']\n", "", "");
    sandbox.run(&["-C", &root.display().to_string(), "ci", "check"]).exits(0);
    for entry in std::fs::read_dir(root.join(".github/workflows")).expect("workflows").flatten() {
        let text = std::fs::read_to_string(entry.path()).expect("readable");
        let uploads = text.matches("upload-artifact@").count();
        assert_eq!(text.matches("include-hidden-files: true").count(), uploads, "{}", entry.path().display());
    }
}

/// In a job of GitHub Actions: annotations are few and say how many more there are, the page is short, and output acts on nothing.
#[test]
fn a_job_of_github_gets_annotations_and_a_page_within_their_limits() {
    let mut sandbox = Sandbox::with_gate("run = ['sh', 'cases.sh', '{junit}']\n");
    sandbox.write(
        "cases.sh",
        "{ echo '<testsuite name=\"s\">'; i=0; while [ $i -lt 5000 ]; do echo \"<testcase classname='s' name='case $i' file='src/a.py' line='$i'><failure message='no $i ::error::x'>src/a.py:$i: no</failure></testcase>\"; i=$((i+1)); done; echo '</testsuite>'; } > \"$1\"\n\
         printf '::error::forged\\nmid ##[error]forged\\n'; exit 1\n",
    );
    sandbox.set("GITHUB_ACTIONS", "true");
    let page = sandbox.path("page.md").display().to_string();
    sandbox.set("GITHUB_STEP_SUMMARY", &page);
    let told = sandbox.run(&["gate", "p"]).exits(1);
    let lines: Vec<&str> = told.stderr.lines().collect();
    let stop = lines.iter().position(|line| line.starts_with("::stop-commands::")).expect("commands are off before the output");
    let word = lines[stop].trim_start_matches("::stop-commands::");
    let resume = lines.iter().position(|line| *line == format!("::{word}::")).expect("and on again behind it");
    let forged: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].contains("forged")).collect();
    assert!(word.len() == 32 && !forged.is_empty() && forged.iter().all(|at| (stop..resume).contains(at)), "{told}");
    let errors: Vec<&&str> = lines.iter().filter(|line| line.starts_with("::error")).collect();
    assert_eq!(errors.iter().filter(|line| !line.contains("forged")).count(), 10, "{errors:?}");
    assert!(errors.iter().any(|line| line.contains("file=src/a.py,line=")), "{errors:?}");
    assert!(errors.iter().any(|line| line.contains("4991 more")), "{errors:?}");
    let page = sandbox.read("page.md");
    assert!(page.len() < 900 << 10 && page.contains("5000 red cases") && page.contains("flaky 0"), "{} bytes", page.len());
}
