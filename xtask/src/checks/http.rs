//! `http`: a page answers as it should: status, fields of its JSON. Asked again until it does, or the time is over.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Check, Finding, Task};
use crate::config::{CheckKey, CheckSpec};
use crate::model::Location;
use crate::text::{duration, visible};

/// The check.
pub const CHECK: Check = Check {
    spec: CheckSpec {
        name: "http",
        keys: &[
            CheckKey { name: "url", kind: "string", required: true, doc: "address, http://..." },
            CheckKey { name: "status", kind: "integer", required: false, doc: "status that it must answer with; default 200" },
            CheckKey { name: "json", kind: "table", required: false, doc: "values of fields by their path: { \"migration.state\" = \"at-head\" }" },
            CheckKey { name: "timeout", kind: "duration", required: false, doc: "how long it may take until it answers so; default \"30s\"" },
        ],
    },
    doc: "a page answers with a status and with fields of JSON, soon enough",
    run,
};

const BETWEEN: Duration = Duration::from_millis(200);
/// Longest time of one question.
const ONE: Duration = Duration::from_secs(10);
/// Read of an answer.
const MOST: u64 = 8 << 20;

struct Answer {
    status: u16,
    body: String,
}

fn run(task: &Task<'_>) -> Result<Vec<Finding>, String> {
    let url = task.text("url").unwrap_or_default();
    if !url.starts_with("http://") {
        return Err(format!("`{url}` is no http:// address\n  hint: gates speak to services on this machine; {{SERVICE.url}} is the address of one"));
    }
    let status = task.with.get("status").and_then(Value::as_u64).unwrap_or(200);
    let wanted: Vec<(&String, &Value)> = task.with.get("json").and_then(Value::as_object).into_iter().flatten().collect();
    let limit = task.duration("timeout", Duration::from_secs(30));
    let begun = Instant::now();
    loop {
        let left = limit.saturating_sub(begun.elapsed());
        let answer = ask(url, left.clamp(Duration::from_millis(100), ONE));
        let findings = judge(url, status, &wanted, answer.as_ref());
        let is_good = findings.iter().all(|finding| finding.wrong.is_none());
        if is_good || left <= BETWEEN {
            return Ok(if is_good { findings } else { late(findings, limit) });
        }
        std::thread::sleep(BETWEEN);
    }
}

fn ask(url: &str, limit: Duration) -> Result<Answer, String> {
    let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).timeout_global(Some(limit)).proxy(None).build();
    let mut answer = ureq::Agent::new_with_config(config).get(url).call().map_err(|cause| cause.to_string())?;
    let body = answer.body_mut().with_config().limit(MOST).lossy_utf8(true).read_to_string().map_err(|cause| cause.to_string())?;
    Ok(Answer { status: answer.status().as_u16(), body })
}

fn judge(url: &str, status: u64, wanted: &[(&String, &Value)], answer: Result<&Answer, &String>) -> Vec<Finding> {
    let finding = |what: String, wrong: Option<(String, String)>| Finding { what, at: Location { file: url.to_owned(), line: 1 }, wrong };
    let said = |answer: &Answer| format!("it says: {}", visible(&answer.body.chars().take(500).collect::<String>()));
    let wrong = match answer {
        Err(why) => Some((format!("no answer: {why}"), "the log of the service says why".to_owned())),
        Ok(answer) if u64::from(answer.status) != status => Some((format!("answers {}, {status} is wanted", answer.status), said(answer))),
        Ok(_) => None,
    };
    let mut findings = vec![finding(format!("answers {status}"), wrong)];
    for (path, value) in wanted {
        let what = format!("{path} is {value}");
        let found = answer.map_err(|_| "no answer".to_owned()).and_then(|answer| {
            let body: Value = serde_json::from_str(&answer.body).map_err(|cause| format!("the answer is no JSON: {cause}"))?;
            field(&body, path).cloned().ok_or_else(|| format!("there is no `{path}`"))
        });
        let wrong = match found {
            Ok(found) if found == **value => None,
            Ok(found) => Some((format!("{path} is {found}, {value} is wanted"), answer.map(said).unwrap_or_default())),
            Err(why) => Some((why, answer.map(said).unwrap_or_default())),
        };
        findings.push(finding(what, wrong));
    }
    findings
}

/// A field by its path: names and indexes with dots between. A name that has dots itself is tried as a whole first.
fn field<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let one = |value: &'v Value, name: &str| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    };
    if let Some(whole) = one(value, path) {
        return Some(whole);
    }
    path.match_indices('.').find_map(|(dot, _)| field(one(value, &path[..dot])?, &path[dot + 1..]))
}

fn late(mut findings: Vec<Finding>, limit: Duration) -> Vec<Finding> {
    for (message, _) in findings.iter_mut().filter_map(|finding| finding.wrong.as_mut()) {
        *message = format!("{message} (asked for {})", duration(limit));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_paths() {
        let body = serde_json::json!({"a": {"b": [1, {"c": "x"}]}, "d.e": true, "f": {"g.h": 2}});
        assert_eq!(field(&body, "a.b.1.c"), Some(&serde_json::json!("x")));
        assert_eq!(field(&body, "d.e"), Some(&serde_json::json!(true)));
        assert_eq!(field(&body, "f.g.h"), Some(&serde_json::json!(2)));
        assert_eq!((field(&body, "a.b.2"), field(&body, "a.c"), field(&body, "d")), (None, None, None));
    }

    #[test]
    fn every_difference_is_a_finding() {
        let (path, value) = ("migration.state".to_owned(), serde_json::json!("at-head"));
        let judged = |status, body: &str| {
            let answer = Answer { status, body: body.to_owned() };
            let findings = judge("http://x/", 200, &[(&path, &value)], Ok(&answer));
            findings.into_iter().map(|finding| finding.wrong.map(|(message, _)| message)).collect::<Vec<_>>()
        };
        assert_eq!(judged(200, r#"{"migration": {"state": "at-head"}}"#), [None, None]);
        let behind = judged(503, r#"{"migration": {"state": "behind"}}"#);
        assert_eq!(behind[0].as_deref(), Some("answers 503, 200 is wanted"));
        assert_eq!(behind[1].as_deref(), Some("migration.state is \"behind\", \"at-head\" is wanted"));
        assert!(judged(200, "<html>")[1].as_ref().is_some_and(|why| why.contains("no JSON")));
        let silent = judge("http://x/", 200, &[(&path, &value)], Err(&"refused".to_owned()));
        assert!(silent.iter().all(|finding| finding.wrong.is_some()));
    }
}
