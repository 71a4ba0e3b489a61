//! What engines print of containers: `ps` in its several forms, `inspect` of Docker and of Podman. Pure.

use serde_json::Value;

/// The label by which a service's container is known; podman-compose sets it too.
pub const SERVICE: &str = "com.docker.compose.service";
/// The label of the stack.
pub const PROJECT: &str = "com.docker.compose.project";

/// A container as `inspect` tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// Id.
    pub id: String,
    /// Service that it is of.
    pub service: String,
    /// `created`, `running`, `restarting`, `exited`, ...
    pub state: String,
    /// `healthy`, `unhealthy`, `starting`; none where there is no health check.
    pub health: Option<String>,
    /// Exit status of its last end.
    pub exit: i64,
    /// Restarts by the engine.
    pub restarts: u64,
    /// When it was started last.
    pub started: String,
    /// It was ended for want of memory.
    pub out_of_memory: bool,
    /// What the engine could not do.
    pub error: String,
    /// What the last health check said.
    pub said: String,
}

/// Ids of what `ps` lists: an array, one object a line, or one object. Docker, Compose and Podman spell the key differently.
pub fn listed(text: &str) -> Result<Vec<String>, String> {
    documents(text)?.iter().map(|row| word(row, &["ID", "Id", "id"]).ok_or_else(|| format!("a container without an id: {row}"))).collect()
}

/// The containers of an answer of `inspect`.
pub fn inspected(text: &str) -> Result<Vec<Container>, String> {
    documents(text)?.iter().map(container).collect()
}

fn documents(text: &str) -> Result<Vec<Value>, String> {
    let mut found = Vec::new();
    for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        match document.map_err(|cause| format!("the engine answers with something else than JSON ({cause}): {}", text.lines().next().unwrap_or_default()))? {
            Value::Array(rows) => found.extend(rows),
            row @ Value::Object(_) => found.push(row),
            // An older Podman prints it for an empty list.
            Value::Null => {}
            other => return Err(format!("the engine answers with {other}")),
        }
    }
    Ok(found)
}

fn word(value: &Value, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| value.get(key)?.as_str()).map(str::to_owned)
}

fn container(value: &Value) -> Result<Container, String> {
    let missing = |what: &str| format!("`inspect` says nothing of {what}");
    let state = value.get("State").filter(|state| state.is_object()).ok_or_else(|| missing("State"))?;
    let labels = value.get("Config").and_then(|config| config.get("Labels")).cloned().unwrap_or_default();
    // Podman called it Healthcheck before it took Docker's word.
    let health = state.get("Health").or_else(|| state.get("Healthcheck")).filter(|health| health.is_object());
    let status = health.and_then(|health| word(health, &["Status"])).filter(|status| !status.is_empty() && status != "none");
    let last = health.and_then(|health| health.get("Log")?.as_array()?.last().cloned());
    Ok(Container {
        id: word(value, &["Id", "ID"]).ok_or_else(|| missing("Id"))?,
        service: word(&labels, &[SERVICE, "io.podman.compose.service"]).ok_or_else(|| missing("the service"))?,
        state: word(state, &["Status"]).ok_or_else(|| missing("State.Status"))?,
        health: status,
        exit: state.get("ExitCode").and_then(Value::as_i64).ok_or_else(|| missing("State.ExitCode"))?,
        restarts: value.get("RestartCount").and_then(Value::as_u64).ok_or_else(|| missing("RestartCount"))?,
        started: word(state, &["StartedAt"]).ok_or_else(|| missing("State.StartedAt"))?,
        out_of_memory: state.get("OOMKilled").and_then(Value::as_bool).unwrap_or(false),
        error: word(state, &["Error"]).unwrap_or_default(),
        said: last.and_then(|last| word(&last, &["Output"])).unwrap_or_default().trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_ps_is_read() {
        for (form, ids) in [
            ("{\"ID\":\"a\",\"Service\":\"x\"}\n{\"ID\":\"b\"}\n", vec!["a", "b"]),
            ("[{\"ID\":\"a\"},{\"ID\":\"b\"}]\n", vec!["a", "b"]),
            ("[{\"Id\":\"a\",\"Names\":[\"n\"]}]", vec!["a"]),
            ("[]", vec![]),
            ("null", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(listed(form).expect(form), ids);
        }
        for wrong in ["NAME IMAGE\nx y\n", "{\"ID\":\"a\"", "3", "{\"Name\":\"n\"}"] {
            assert!(listed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn inspect_of_both_engines_is_read() {
        let docker = r#"[{"Id":"1","RestartCount":4,"Config":{"Labels":{"com.docker.compose.service":"api"}},"State":{"Status":"running","ExitCode":0,"StartedAt":"t","OOMKilled":true,"Error":"","Health":{"Status":"unhealthy","Log":[{"Output":"old"},{"Output":"refused\n"}]}}}]"#;
        let podman = docker.replace("\"Health\"", "\"Healthcheck\"");
        for text in [docker, podman.as_str()] {
            let found = inspected(text).expect("read").remove(0);
            assert_eq!((found.service.as_str(), found.health.as_deref(), found.restarts, found.said.as_str()), ("api", Some("unhealthy"), 4, "refused"));
            assert!(found.out_of_memory);
        }
        let plain = inspected(&docker.replace("\"unhealthy\"", "\"\"")).expect("read").remove(0);
        assert_eq!(plain.health, None, "no health check");
        assert!(inspected(&docker.replace("RestartCount", "Restarts")).expect_err("not guessed").contains("RestartCount"));
    }
}
