//! `exception-budget`: what linters say of blanket catches, file by file, against a budget of none and named exceptions. Ruff and ESLint do the
//! finding; this reads their JSON.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Check, Finding, Task};
use crate::config::{CheckKey, CheckSpec};
use crate::model::Location;
use crate::ratchet::Ratchet;

/// The check.
pub const CHECK: Check = Check {
    spec: CheckSpec {
        name: "exception-budget",
        keys: &[
            CheckKey {
                name: "reports",
                kind: "list",
                required: true,
                doc: "JSON of ruff (--output-format json) or ESLint (--format json), written by an earlier step",
            },
            CheckKey { name: "paths", kind: "list", required: true, doc: "globs of the files that the linters looked at" },
            CheckKey { name: "rules", kind: "list", required: true, doc: "rules that count: BLE001, E722, S110, no-empty, ..." },
            CheckKey {
                name: "ratchet",
                kind: "string",
                required: false,
                doc: "file of exceptions: a table `\"path RULE\"` with count, owner, reason, expires",
            },
        ],
    },
    doc: "no blanket catch and no silent one, but for named exceptions that may only shrink",
    run,
};

/// Lines of each rule in each file.
type Found = BTreeMap<(String, String), Vec<(u32, String)>>;

fn run(task: &Task<'_>) -> Result<Vec<Finding>, String> {
    let rules = task.list("rules");
    let ratchet = Ratchet::read(task.root, task.text("ratchet"), task.today)?;
    let files = task.files("paths")?;
    let (mut found, mut looked) = (Found::new(), std::collections::BTreeSet::new());
    for report in task.list("reports") {
        let text = std::fs::read_to_string(task.root.join(&report)).map_err(|cause| format!("failed to read {report}: {cause}"))?;
        let value: Value = serde_json::from_str(&text).map_err(|cause| format!("{report}: {cause}"))?;
        read(&value, task, &mut found, &mut looked).ok_or_else(|| format!("{report} is neither ruff's nor ESLint's JSON"))?;
    }
    // A file that a linter could not read was not looked at.
    if let Some(((file, _), at)) = found.iter().find(|((_, rule), _)| rule.is_empty() || ["invalid-syntax", "E902", "E999"].contains(&rule.as_str())) {
        return Err(format!("{file}:{}: the linter could not read it: {}", at[0].0, at[0].1));
    }
    if let Some((file, _)) = found.keys().find(|(file, _)| std::path::Path::new(file).is_absolute()) {
        return Err(format!("{file} is not of this repository: the report is of another place"));
    }
    // ESLint names every file that it looked at; ruff names findings alone.
    let scripts =
        |name: &&String| ["ts", "tsx", "js", "jsx", "mjs"].iter().any(|ending| std::path::Path::new(name).extension().is_some_and(|own| own == *ending));
    if let Some(missed) = files.iter().filter(scripts).find(|name| !looked.contains(*name)) {
        return Err(format!("{missed} was not looked at by ESLint"));
    }
    let mut findings = Vec::new();
    for file in &files {
        let mine: Vec<_> = found.iter().filter(|((name, rule), _)| name == file && rules.contains(rule)).collect();
        let mut clean = true;
        for ((_, rule), at) in mine {
            let Some(why) = ratchet.judge(&format!("{file} {rule}"), at.len() as u64, 0, rule) else { continue };
            clean = false;
            let wrong = (format!("{why}: {}", at[0].1), "catch what can be expected, by its type; log and count what is passed over".to_owned());
            findings.push(Finding { what: format!("{file} {rule}"), at: Location { file: file.clone(), line: at[0].0 }, wrong: Some(wrong) });
        }
        if clean {
            findings.push(Finding { what: file.clone(), at: Location { file: file.clone(), line: 1 }, wrong: None });
        }
    }
    let known = |of: &str| found.keys().any(|(file, rule)| format!("{file} {rule}") == of);
    for stale in ratchet.stale(known) {
        let wrong = (format!("the exception of {stale} is of nothing that is found any more"), format!("take it out of {}", ratchet.file));
        findings.push(Finding { what: stale.to_owned(), at: Location { file: ratchet.file.clone(), line: 1 }, wrong: Some(wrong) });
    }
    Ok(findings)
}

fn read(value: &Value, task: &Task<'_>, found: &mut Found, looked: &mut std::collections::BTreeSet<String>) -> Option<()> {
    let root = task.root.canonicalize().unwrap_or_else(|_| task.root.to_owned());
    let name = |path: &str| std::path::Path::new(path).strip_prefix(&root).map_or_else(|_| path.to_owned(), |name| name.display().to_string());
    let line = |value: &Value, key: &str| value.get(key).and_then(Value::as_u64).unwrap_or(1) as u32;
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    for one in value.as_array()? {
        if let Some(path) = one.get("filePath").and_then(Value::as_str) {
            looked.insert(name(path));
            for message in one.get("messages")?.as_array()? {
                let key = (name(path), text(message, "ruleId"));
                found.entry(key).or_default().push((line(message, "line"), text(message, "message")));
            }
        } else {
            let path = one.get("filename")?.as_str()?;
            let at = line(one.get("location")?, "row");
            found.entry((name(path), text(one, "code"))).or_default().push((at, text(one, "message")));
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(report: &str, ratchet: &str) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("there");
        let put = |name: &str, text: &str| crate::rundir::write_atomic(&root.join(name), text.as_bytes()).expect("written");
        put("a.py", "x = 1\n");
        put("r.toml", ratchet);
        put("report.json", &report.replace("ROOT", &root.display().to_string()));
        let with = serde_json::json!({"reports": ["report.json"], "paths": ["*.py"], "rules": ["S110", "no-empty"], "ratchet": "r.toml"});
        let ambient = crate::pins::Ambient::default();
        let today = time::macros::date!(2026 - 01 - 01);
        let task = Task { root: &root, with: with.as_object().expect("a table"), ambient: &ambient, today, show: |_| {} };
        Ok(run(&task)?.into_iter().filter_map(|finding| Some(format!("{}: {}", finding.at, finding.wrong?.0))).collect())
    }

    const RUFF: &str = r#"[{"filename": "ROOT/a.py", "code": "S110", "message": "try-except-pass", "location": {"row": 7, "column": 1}}]"#;

    #[test]
    fn both_linters_are_read() {
        assert_eq!(told(RUFF, "").expect("read"), ["a.py:7: 1 S110, 0 are allowed: try-except-pass"]);
        let eslint = r#"[{"filePath": "ROOT/a.py", "messages": [{"ruleId": "no-empty", "line": 3, "message": "Empty block"}]}]"#;
        assert_eq!(told(eslint, "").expect("read"), ["a.py:3: 1 no-empty, 0 are allowed: Empty block"]);
        assert_eq!(told("[]", "").expect("read"), Vec::<String>::new());
        assert_eq!(told(&RUFF.replace("S110", "F401"), "").expect("read"), Vec::<String>::new());
    }

    #[test]
    fn exceptions_hold_and_go_stale() {
        let exception = "[\"a.py S110\"]\ncount = 1\nowner = 'me'\nreason = 'old'\nexpires = '2026-02-01'\n";
        assert_eq!(told(RUFF, exception).expect("read"), Vec::<String>::new());
        assert!(told("[]", exception).expect("read")[0].contains("found any more"));
    }

    #[test]
    fn what_was_not_looked_at_is_not_clean() {
        assert!(told(&RUFF.replace("ROOT", "/elsewhere"), "").expect_err("another place").contains("not of this repository"));
        assert!(told(&RUFF.replace("S110", "E902"), "").expect_err("no file").contains("could not read"));
        assert!(told("{}", "").expect_err("no list").contains("neither"));
        assert!(told(&RUFF.replace("S110", "invalid-syntax"), "").expect_err("unread").contains("could not read"));
    }
}
