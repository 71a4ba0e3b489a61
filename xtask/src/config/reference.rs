//! The reference of gates.toml: every table and key with its type and meaning, as Markdown, out of the JSON Schema. Knows no value.

use std::fmt::Write as _;

use serde_json::Value;

use super::schema::json_schema;

/// The reference, table by table in the order of the file.
pub fn markdown() -> String {
    let schema = json_schema();
    let mut out = String::from(
        "# gates.toml, key by key\n\nMade from the types that read it (`xtask help config`). Ids are `[a-z0-9-]+`; paths are relative to this file and stay below it; durations (`\"90s\"`), \
         sizes (`\"64MiB\"`), decimals (`\"0.05\"`) and dates (`\"2026-12-20\"`) are strings. A key that is not listed is an error. `xtask config validate` says what is wrong with a file.\n",
    );
    let top = &schema["properties"];
    out.push_str("\n## Top level\n\n");
    let plain = |value: &Value| value["$ref"].is_null() && value["additionalProperties"]["$ref"].is_null();
    rows(&mut out, top.as_object().into_iter().flatten().filter(|(_, value)| plain(value)), &required(&schema));
    for (name, value) in top.as_object().into_iter().flatten().filter(|(_, value)| !plain(value)) {
        let by_id = value["additionalProperties"].is_object();
        let title = if by_id { format!("[{name}.ID]") } else { format!("[{name}]") };
        let table = value["$ref"].as_str().or_else(|| value["additionalProperties"]["$ref"].as_str());
        section(&mut out, &schema, &title, value["description"].as_str(), table);
    }
    out
}

/// A table, then the tables that its keys hold.
fn section(out: &mut String, schema: &Value, title: &str, description: Option<&str>, reference: Option<&str>) {
    let Some(table) = reference.and_then(|reference| schema.pointer(reference.trim_start_matches('#'))) else { return };
    writeln!(out, "\n## `{title}`\n").ok(); // a string takes everything
    if let Some(text) = description.or_else(|| table["description"].as_str()) {
        writeln!(out, "{text}\n").ok();
    }
    rows(out, table["properties"].as_object().into_iter().flatten(), &required(table));
    let own = title.trim_matches(['[', ']']);
    for (key, value) in table["properties"].as_object().into_iter().flatten() {
        let (inner, ending) = if let Some(found) = reference_of(value) {
            (found, String::new())
        } else if let Some(found) = reference_of(&value["items"]) {
            (found, " (a list)".to_owned())
        } else if let Some(found) = reference_of(&value["additionalProperties"]) {
            (found, ".NAME".to_owned())
        } else {
            continue;
        };
        // `[gate.ID.steps]` holds what a gate holds: its own rows say so.
        let list = ending.starts_with(' ');
        let title = if list { format!("[[{own}.{key}]]") } else { format!("[{own}.{key}{ending}]") };
        section(out, schema, &title, value["description"].as_str(), Some(&inner));
    }
}

fn reference_of(value: &Value) -> Option<String> {
    let direct = value["$ref"].as_str();
    direct.or_else(|| value["anyOf"].as_array()?.iter().find_map(|one| one["$ref"].as_str())).map(str::to_owned)
}

fn required(table: &Value) -> Vec<String> {
    table["required"].as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

fn rows<'v>(out: &mut String, keys: impl Iterator<Item = (&'v String, &'v Value)>, required: &[String]) {
    out.push_str("| key | type | meaning |\n| --- | --- | --- |\n");
    for (key, value) in keys {
        let must = if required.contains(key) { " Required." } else { "" };
        let text = value["description"].as_str().unwrap_or_default().replace('|', "\\|").replace('\n', " ");
        writeln!(out, "| `{key}` | {} | {text}{must} |", kind(value)).ok();
    }
}

/// The type in a word or two.
fn kind(value: &Value) -> String {
    let words = value["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect::<Vec<_>>();
    if !words.is_empty() {
        return words.join(", ");
    }
    if let Some(format) = value["format"].as_str().filter(|format| !format.starts_with("uint") && *format != "check-keys") {
        return format.to_owned();
    }
    if reference_of(value).is_some() || reference_of(&value["additionalProperties"]).is_some() {
        return "table".to_owned();
    }
    let types: Vec<&str> = match &value["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).filter(|word| *word != "null").collect(),
        _ => value["anyOf"].as_array().into_iter().flatten().filter_map(|one| one["type"].as_str()).filter(|word| *word != "null").collect(),
    };
    let word = |kind: &str| match kind {
        "array" if reference_of(&value["items"]).is_some() => "list of tables".to_owned(),
        "array" => match value["items"]["type"].as_str() {
            Some("array") => "list of commands".to_owned(),
            Some("integer") => "list of numbers".to_owned(),
            _ => "list of words".to_owned(),
        },
        "object" => "table".to_owned(),
        "integer" => "number".to_owned(),
        "boolean" => "true, false".to_owned(),
        other => other.to_owned(),
    };
    types.into_iter().map(word).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_schema_has_its_row() {
        let (text, schema) = (markdown(), json_schema());
        for table in schema["$defs"].as_object().expect("tables").values().chain([&schema]) {
            for (key, value) in table["properties"].as_object().into_iter().flatten() {
                let is_table = value["additionalProperties"]["$ref"].is_string() || value["$ref"].is_string();
                assert!(text.contains(&format!("| `{key}` | ")) || is_table && text.contains(&format!("[{key}")), "`{key}` is missing in\n{text}");
            }
        }
        assert!(text.contains("| `owner` | string | Who answers for it. Required. |") && text.contains("## `[[gate.ID.steps]]`"), "{text}");
        assert!(text.lines().all(|line| !line.starts_with("| `") || !line.contains("|  |")), "a key without a type or a meaning");
    }
}
