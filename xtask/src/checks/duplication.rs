//! `duplication`: copies of code that jscpd found, each a case with both places, against an allowed number. jscpd does the finding; this
//! reads its JSON.

use serde_json::Value;

use super::{Check, Finding, Task};
use crate::config::{CheckKey, CheckSpec};
use crate::model::Location;

/// The check.
pub const CHECK: Check = Check {
    spec: CheckSpec {
        name: "duplication",
        keys: &[
            CheckKey { name: "report", kind: "string", required: true, doc: "jscpd-report.json, written by an earlier step" },
            CheckKey { name: "max", kind: "integer", required: false, doc: "copies that are allowed; default 0" },
            CheckKey { name: "min-files", kind: "integer", required: false, doc: "files that must have been looked at; default 1" },
        ],
    },
    doc: "no piece of code stands twice",
    run,
};

fn run(task: &Task<'_>) -> Result<Vec<Finding>, String> {
    let name = task.text("report").unwrap_or_default();
    let text = std::fs::read_to_string(task.root.join(name)).map_err(|cause| format!("failed to read {name}: {cause}"))?;
    let value: Value = serde_json::from_str(&text).map_err(|cause| format!("{name}: {cause}"))?;
    let other = || format!("{name} is not jscpd's JSON");
    let total = value.get("statistics").and_then(|found| found.get("total")).ok_or_else(other)?;
    let files = total.get("sources").and_then(Value::as_u64).ok_or_else(other)?;
    let least = task.integer("min-files").unwrap_or(1).max(1);
    if files < least {
        return Err(format!("{name}: jscpd looked at {files} files, at least {least} are expected"));
    }
    let copies = value.get("duplicates").and_then(Value::as_array).ok_or_else(other)?;
    let allowed = task.integer("max").unwrap_or(0);
    let is_over = copies.len() as u64 > allowed;
    let mut findings = vec![Finding { what: format!("{files} files, {allowed} copies allowed"), at: Location { file: name.to_owned(), line: 1 }, wrong: None }];
    for copy in copies {
        let (one, two) = (place(task, copy, "firstFile").ok_or_else(other)?, place(task, copy, "secondFile").ok_or_else(other)?);
        let lines = copy.get("lines").and_then(Value::as_u64).unwrap_or_default();
        let wrong = is_over.then(|| (format!("{lines} lines stand here and in {two}"), "give it one place that both use".to_owned()));
        findings.push(Finding { what: format!("{} and {}", one.file, two.file), at: one, wrong });
    }
    Ok(findings)
}

fn place(task: &Task<'_>, copy: &Value, key: &str) -> Option<Location> {
    let file = copy.get(key)?;
    let name = file.get("name")?.as_str()?;
    let line = file.get("start").and_then(Value::as_u64).unwrap_or(1) as u32;
    let root = task.root.canonicalize().unwrap_or_else(|_| task.root.to_owned());
    Some(Location { file: std::path::Path::new(name).strip_prefix(&root).map_or_else(|_| name.to_owned(), |name| name.display().to_string()), line })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(report: &str, max: u64) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        crate::rundir::write_atomic(&folder.path().join("r.json"), report.as_bytes()).expect("written");
        let with = serde_json::json!({"report": "r.json", "max": max, "min-files": 2});
        let ambient = crate::pins::Ambient::default();
        let today = time::macros::date!(2026 - 01 - 01);
        let task = Task { root: folder.path(), with: with.as_object().expect("a table"), ambient: &ambient, today, show: |_| {} };
        Ok(run(&task)?.into_iter().filter_map(|finding| Some(format!("{}: {}", finding.at, finding.wrong?.0))).collect())
    }

    #[test]
    fn copies_are_named_with_both_places() {
        let report = r#"{"statistics": {"total": {"sources": 3}}, "duplicates": [{"lines": 12, "firstFile": {"name": "a.ts", "start": 4}, "secondFile": {"name": "b.ts", "start": 9}}]}"#;
        assert_eq!(told(report, 0).expect("read"), ["a.ts:4: 12 lines stand here and in b.ts:9"]);
        assert_eq!(told(report, 1).expect("read"), Vec::<String>::new());
        assert!(told(&report.replace("3}", "1}"), 0).expect_err("too few").contains("at least 2"));
        assert!(told("{}", 0).expect_err("other").contains("not jscpd's"));
    }
}
