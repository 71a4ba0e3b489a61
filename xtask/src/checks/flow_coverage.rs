//! `flow-coverage`: every required flow has a case that ran and passed. What was skipped, or did not run, does not count.

use std::path::{Path, PathBuf};

use super::{Check, Finding, Task};
use crate::config::{CheckKey, CheckSpec};
use crate::junit::Case;
use crate::junit::read::read_all;
use crate::model::{Location, Outcome, ReportState};
use crate::rundir::add_measure;

/// The check.
pub const CHECK: Check = Check {
    spec: CheckSpec {
        name: "flow-coverage",
        keys: &[
            CheckKey {
                name: "flows",
                kind: "list",
                required: true,
                doc: "required flows: \"sales\" (a case of sales.* or with @sales in its name) or \"login=GLOB\" on the printed case",
            },
            CheckKey {
                name: "reports",
                kind: "string",
                required: true,
                doc: "folder or file with JUnit; {out} means the reports of this gate's earlier steps",
            },
        ],
    },
    doc: "every required end-to-end flow has a case that ran and passed",
    run,
};

fn run(task: &Task<'_>) -> Result<Vec<Finding>, String> {
    let place = task.root.join(task.text("reports").unwrap_or_default());
    let files = reports(&place);
    if files.is_empty() {
        return Err(format!("there is no report in {}", place.display()));
    }
    let mut cases: Vec<Case> = Vec::new();
    for file in &files {
        let bytes = std::fs::read(file).map_err(|cause| format!("failed to read {}: {cause}", file.display()))?;
        let (summary, found) = read_all(&bytes[..]).map_err(|cause| format!("{}: {cause}", file.display()))?;
        if summary.state != ReportState::Valid {
            return Err(format!("{}: not a whole report of JUnit", file.display()));
        }
        cases.extend(found);
    }
    let mut findings = Vec::new();
    for flow in task.list("flows") {
        findings.push(judge(task.root, &flow, &cases)?);
    }
    if let Some(out) = task.ambient.get("GATE_OUT") {
        let failed = findings.iter().filter(|finding| finding.wrong.is_some()).count() as u64;
        add_measure(Path::new(out), "failed-flows", failed).map_err(|cause| format!("failed to write a measure: {cause}"))?;
    }
    Ok(findings)
}

/// The reports of a folder; of an attempt's `out` those beside it too.
fn reports(place: &Path) -> Vec<PathBuf> {
    let is_report = |path: &Path| path.extension().is_some_and(|ending| ending == "xml");
    if place.is_file() {
        return vec![place.to_owned()];
    }
    let below =
        walkdir::WalkDir::new(place).sort_by_file_name().into_iter().flatten().filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path);
    let beside = place.parent().filter(|_| place.file_name().is_some_and(|name| name == "out")).and_then(|folder| std::fs::read_dir(folder).ok());
    let beside = beside.into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_file());
    let mut found: Vec<PathBuf> = below.chain(beside).filter(|path| is_report(path)).collect();
    found.sort();
    found
}

fn judge(root: &Path, flow: &str, cases: &[Case]) -> Result<Finding, String> {
    let (name, glob) = flow.split_once('=').map_or((flow, None), |(name, glob)| (name, Some(glob)));
    let matcher = match glob {
        Some(glob) => Some(globset::Glob::new(glob).map_err(|cause| format!("flows: {cause}"))?.compile_matcher()),
        None => None,
    };
    let is_mine = |case: &Case| matcher.as_ref().map_or_else(|| by_name(name, case), |matcher| matcher.is_match(&case.printed));
    let mine: Vec<&Case> = cases.iter().filter(|case| is_mine(case)).collect();
    let passed = mine.iter().any(|case| case.outcome == Outcome::Passed);
    let red = mine.iter().find(|case| matches!(case.outcome, Outcome::Failed | Outcome::Error));
    let wrong = match (mine.first(), red) {
        (None, _) => Some(format!("flow {name}: no case of it ran")),
        (_, Some(red)) => Some(format!("flow {name}: `{}` is red", red.printed)),
        (Some(skipped), None) if !passed => Some(format!("flow {name}: `{}` was skipped", skipped.printed)),
        _ => None,
    };
    let file = mine.first().map(|case| if case.file.is_empty() { case.classname.clone() } else { case.file.clone() }).unwrap_or_default();
    let title = mine.first().map(|case| case.name.as_str()).unwrap_or_default();
    let at = if file.is_empty() { Location { file: "flows".to_owned(), line: 1 } } else { place(root, &file, title) };
    let hint = "run it, without skip, or take the flow off the list if nobody needs it any more";
    Ok(Finding { what: format!("flow {name}"), at, wrong: wrong.map(|why| (why, hint.to_owned())) })
}

/// Where a flow is written. Tools name files as seen from their own folder: the only file that ends so is meant.
fn place(root: &Path, file: &str, title: &str) -> Location {
    let own = |entry: &walkdir::DirEntry| {
        entry.depth() == 0 || !["node_modules", ".git", ".gates", ".venv", "target"].contains(&entry.file_name().to_string_lossy().as_ref())
    };
    let ends_so = |path: &Path| path.ends_with(file);
    let mut found: Vec<PathBuf> = Vec::new();
    if !root.join(file).is_file() {
        found.extend(
            walkdir::WalkDir::new(root)
                .max_depth(8)
                .into_iter()
                .filter_entry(own)
                .flatten()
                .map(walkdir::DirEntry::into_path)
                .filter(|path| ends_so(path))
                .take(2),
        );
    }
    let path = if let [only] = &found[..] { only.strip_prefix(root).unwrap_or(only).to_owned() } else { PathBuf::from(file) };
    let text = std::fs::read_to_string(root.join(&path)).unwrap_or_default();
    let line = text.lines().position(|line| !title.is_empty() && line.contains(title)).map_or(1, |index| index as u32 + 1);
    Location { file: path.display().to_string(), line }
}

/// A tag in its name, or a file of that name.
fn by_name(flow: &str, case: &Case) -> bool {
    let tag = format!("@{flow}");
    let tagged = case.printed.split(|sign: char| !(sign.is_alphanumeric() || "@-_".contains(sign))).any(|word| word == tag);
    let file = if case.file.is_empty() { &case.classname } else { &case.file };
    let stem = Path::new(file).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = stem.split('.').next().unwrap_or_default();
    tagged || stem == flow || stem.strip_prefix("test_") == Some(flow)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(flow: &str) -> Option<String> {
        let report = "<testsuites><testsuite name='s'><testcase classname='sales.spec.ts' name='sells'/><testcase classname='b.spec.ts' name='buys @purchases'><skipped/></testcase>\
                      <testcase classname='smoke.spec.ts' name='signs in'/><testcase classname='market.spec.ts' name='x'><failure message='m'/></testcase></testsuite></testsuites>";
        let (_, cases) = read_all(report.as_bytes()).expect("read");
        judge(Path::new("/nowhere"), flow, &cases).expect("a glob").wrong.map(|(why, _)| why)
    }

    #[test]
    fn a_flow_is_found_where_it_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let put = |name: &str| crate::rundir::write_atomic(&folder.path().join(name), b"one\ntest(\"sells a piece\", x)\n").expect("written");
        put("web/e2e/sales.spec.ts");
        put("node_modules/sales.spec.ts");
        assert_eq!(place(folder.path(), "sales.spec.ts", "sells a piece").to_string(), "web/e2e/sales.spec.ts:2");
        put("other/sales.spec.ts");
        assert_eq!(place(folder.path(), "sales.spec.ts", "sells a piece").to_string(), "sales.spec.ts:1", "two of that name");
    }

    #[test]
    fn a_flow_needs_a_case_that_passed() {
        assert_eq!(told("sales"), None);
        assert_eq!(told("login=smoke*"), None);
        assert!(told("purchases").expect("skipped").contains("was skipped"));
        assert!(told("market").expect("red").contains("is red"));
        assert!(told("sourcing").expect("missing").contains("no case of it ran"));
        assert!(told("sale").is_some() && told("s").is_some(), "a part of a name is another name");
    }
}
