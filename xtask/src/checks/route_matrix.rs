//! `route-matrix`: every route of an OpenAPI document against the tests that really reached it, by domain, with an owner and a least number of
//! tests. The hits are what the recorder wrote while the tests ran; nothing is guessed from sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{Check, Finding, Task};
use crate::config::{CheckKey, CheckSpec};
use crate::model::Location;
use crate::rundir::write_atomic;
use crate::text::plural;

/// The check.
pub const CHECK: Check = Check {
    spec: CheckSpec {
        name: "route-matrix",
        keys: &[
            CheckKey { name: "openapi", kind: "string", required: true, doc: "OpenAPI document as JSON" },
            CheckKey { name: "hits", kind: "string", required: true, doc: "folder in which the recorder wrote hits-*.ndjson" },
            CheckKey { name: "owners", kind: "table", required: true, doc: "owner by domain: a route's first tag, else the first part of its path" },
            CheckKey { name: "min", kind: "integer", required: false, doc: "tests that must reach each route; default 1" },
            CheckKey { name: "ignore", kind: "list", required: false, doc: "domains that are not critical" },
        ],
    },
    doc: "every route of a critical domain has an owner and tests that really reach it",
    run,
};

const METHODS: &[&str] = &["get", "post", "put", "patch", "delete"];

/// A line of the recorder.
#[derive(Debug, Deserialize)]
struct Hit {
    case: String,
    method: String,
    route: String,
    status: u16,
}

/// Where a route is written, as the recorder says it.
#[derive(Debug, Deserialize)]
struct Placed {
    method: String,
    route: String,
    file: String,
    line: u32,
}

struct Route {
    domain: String,
    method: String,
    path: String,
    cases: BTreeSet<String>,
}

fn run(task: &Task<'_>) -> Result<Vec<Finding>, String> {
    let document = task.text("openapi").unwrap_or_default();
    let mut routes = routes(task, document)?;
    let recorded = task.root.join(task.text("hits").unwrap_or_default());
    let (hits, places) = (hits(&recorded)?, places(task, &recorded)?);
    for route in &mut routes {
        let mine = hits.iter().filter(|hit| hit.method.eq_ignore_ascii_case(&route.method) && hit.route == route.path && counts(hit.status));
        route.cases.extend(mine.map(|hit| hit.case.clone()));
    }
    let owners: BTreeMap<String, String> = task
        .with
        .get("owners")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(domain, owner)| Some((domain.clone(), owner.as_str()?.trim().to_owned())))
        .collect();
    let (least, ignored) = (task.integer("min").unwrap_or(1).max(1) as usize, task.list("ignore"));
    let matrix = matrix(&routes, &owners, &ignored);
    (task.show)(&matrix);
    if let Some(out) = task.ambient.get("GATE_OUT") {
        write_atomic(&Path::new(out).join("route-matrix.md"), matrix.as_bytes()).map_err(|cause| format!("failed to write the matrix: {cause}"))?;
    }
    let at = |file: &str| Location { file: file.to_owned(), line: 1 };
    let mut findings = Vec::new();
    for route in routes.iter().filter(|route| !ignored.contains(&route.domain)) {
        let count = route.cases.len();
        let wrong = (count < least).then(|| {
            (
                format!("{} {} is reached by {}, the least is {least}", route.method, route.path, plural(count as u64, "test")),
                format!("write a test of {} for it", route.domain),
            )
        });
        let place = places.get(&(route.method.clone(), route.path.clone())).cloned();
        findings.push(Finding { what: format!("{} {}", route.method, route.path), at: place.unwrap_or_else(|| at(document)), wrong });
    }
    let domains: BTreeSet<&str> = routes.iter().map(|route| route.domain.as_str()).collect();
    for domain in domains.iter().filter(|domain| !ignored.iter().any(|known| known == *domain)) {
        let owned = owners.get(*domain).is_some_and(|owner| !owner.is_empty());
        let wrong = (!owned).then(|| (format!("domain {domain} has no owner"), "owners = { DOMAIN = \"...\" }, or ignore it".to_owned()));
        findings.push(Finding { what: format!("domain {domain} has an owner"), at: at("gates.toml"), wrong });
    }
    let named = owners.keys().chain(&ignored).filter(|domain| !domains.contains(domain.as_str()));
    findings.extend(named.map(|domain| {
        let wrong = (format!("domain {domain} has no route"), "take it out: it covers nothing".to_owned());
        Finding { what: format!("domain {domain} is there"), at: at("gates.toml"), wrong: Some(wrong) }
    }));
    Ok(findings)
}

/// A refusal at the door reaches no route, and a crash proves nothing.
fn counts(status: u16) -> bool {
    status < 500 && ![401, 403, 405].contains(&status)
}

fn routes(task: &Task<'_>, name: &str) -> Result<Vec<Route>, String> {
    let text = std::fs::read_to_string(task.root.join(name)).map_err(|cause| format!("failed to read {name}: {cause}"))?;
    let value: Value = serde_json::from_str(&text).map_err(|cause| format!("{name}: {cause}"))?;
    let paths = value.get("paths").and_then(Value::as_object).ok_or_else(|| format!("{name} has no `paths`"))?;
    let mut routes = Vec::new();
    for (path, item) in paths {
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let tag = operation.get("tags").and_then(|tags| tags.get(0)?.as_str());
            let domain = tag.unwrap_or_else(|| path.trim_start_matches('/').split('/').next().unwrap_or_default()).to_owned();
            routes.push(Route { domain, method: method.to_ascii_uppercase(), path: path.clone(), cases: BTreeSet::new() });
        }
    }
    if routes.is_empty() { Err(format!("{name} has no routes")) } else { Ok(routes) }
}

/// The lines of the recorder's files of one kind, and how many files there are.
fn recorded<T: serde::de::DeserializeOwned>(place: &Path, kind: &str) -> Result<(Vec<T>, usize), String> {
    let entries = walkdir::WalkDir::new(place).sort_by_file_name().into_iter().flatten().filter(|entry| entry.file_type().is_file());
    let mine = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        name.starts_with(kind) && Path::new(name.as_ref()).extension().is_some_and(|ending| ending == "ndjson")
    };
    let (mut lines, mut files) = (Vec::new(), 0);
    for entry in entries.filter(mine) {
        files += 1;
        let text = std::fs::read_to_string(entry.path()).map_err(|cause| format!("failed to read {}: {cause}", entry.path().display()))?;
        for line in text.lines() {
            lines.push(serde_json::from_str(line).map_err(|cause| format!("{}: {cause}", entry.path().display()))?);
        }
    }
    Ok((lines, files))
}

/// Where routes are written, as seen from the root.
fn places(task: &Task<'_>, place: &Path) -> Result<BTreeMap<(String, String), Location>, String> {
    let root = task.root.canonicalize().unwrap_or_else(|_| task.root.to_owned());
    let (lines, _) = recorded::<Placed>(place, "routes-")?;
    let inside = |file: &str| Path::new(file).strip_prefix(&root).map_or_else(|_| file.to_owned(), |inside| inside.display().to_string());
    Ok(lines.into_iter().map(|one| ((one.method, one.route), Location { file: inside(&one.file), line: one.line })).collect())
}

fn hits(place: &Path) -> Result<Vec<Hit>, String> {
    let (hits, files) = recorded(place, "hits-")?;
    if files == 0 {
        return Err(format!(
            "there is no hits-*.ndjson in {}\n  hint: run the tests with `-p gates_recorder`, and PYTHONPATH = \"{{recorder}}\"",
            place.display()
        ));
    }
    Ok(hits)
}

/// The matrix as Markdown, which is a table on a screen too.
fn matrix(routes: &[Route], owners: &BTreeMap<String, String>, ignored: &[String]) -> String {
    let mut lines = vec!["| domain | owner | route | tests |".to_owned(), "| --- | --- | --- | ---: |".to_owned()];
    let mut sorted: Vec<&Route> = routes.iter().filter(|route| !ignored.contains(&route.domain)).collect();
    sorted.sort_by(|a, b| (&a.domain, &a.path, &a.method).cmp(&(&b.domain, &b.path, &b.method)));
    lines.extend(sorted.iter().map(|route| {
        let owner = owners.get(&route.domain).map_or("-", String::as_str);
        format!("| {} | {owner} | {} {} | {} |", route.domain, route.method, route.path, route.cases.len())
    }));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENAPI: &str = r#"{"paths": {"/sales": {"get": {"tags": ["sales"]}, "post": {"tags": ["sales"]}}, "/health/live": {"get": {}}}}"#;
    const HITS: &str = "{\"case\": \"a\", \"method\": \"GET\", \"route\": \"/sales\", \"status\": 200}\n{\"case\": \"a\", \"method\": \"GET\", \"route\": \"/sales\", \"status\": 200}\n\
                        {\"case\": \"b\", \"method\": \"POST\", \"route\": \"/sales\", \"status\": 422}\n{\"case\": \"c\", \"method\": \"POST\", \"route\": \"/sales\", \"status\": 401}\n";

    fn told(hits: &str, with: &Value) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let put = |name: &str, text: &str| crate::rundir::write_atomic(&folder.path().join(name), text.as_bytes()).expect("written");
        put("openapi.json", OPENAPI);
        put("hits-1.ndjson", hits);
        let mut with = with.as_object().expect("a table").clone();
        with.insert("openapi".to_owned(), "openapi.json".into());
        with.insert("hits".to_owned(), ".".into());
        let ambient = crate::pins::Ambient::default();
        let today = time::macros::date!(2026 - 01 - 01);
        let task = Task { root: folder.path(), with: &with, ambient: &ambient, today, show: |_| {} };
        Ok(run(&task)?.into_iter().filter_map(|finding| Some(finding.wrong?.0)).collect())
    }

    #[test]
    fn a_route_needs_tests_that_reached_it_and_a_domain_its_owner() {
        let good = serde_json::json!({"owners": {"sales": "backend"}, "ignore": ["health"]});
        assert_eq!(told(HITS, &good).expect("read"), Vec::<String>::new());
        let two = serde_json::json!({"owners": {"sales": "backend"}, "ignore": ["health"], "min": 2});
        assert_eq!(told(HITS, &two).expect("read"), ["GET /sales is reached by 1 test, the least is 2", "POST /sales is reached by 1 test, the least is 2"]);
        let gone = HITS.replace("\"b\", \"method\": \"POST\"", "\"b\", \"method\": \"GET\"");
        assert_eq!(told(&gone, &good).expect("read"), ["POST /sales is reached by 0 tests, the least is 1"]);
        let stale = serde_json::json!({"owners": {"sales": "backend", "old": "x"}});
        assert_eq!(
            told(HITS, &stale).expect("read"),
            ["GET /health/live is reached by 0 tests, the least is 1", "domain health has no owner", "domain old has no route"]
        );
    }

    #[test]
    fn without_a_record_nothing_is_covered() {
        assert!(told("not JSON\n", &serde_json::json!({"owners": {}})).expect_err("unreadable").contains("hits-1"));
        assert!(hits(Path::new("/nowhere")).expect_err("none").contains("-p gates_recorder"));
    }
}
