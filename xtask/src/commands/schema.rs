//! `schema`: the JSON Schema of gates.toml and of events, made from the types that read them.

use super::print;
use crate::config::schema::json_schema;
use crate::event;
use crate::model::Exit;

pub(super) fn run(events: bool) -> anyhow::Result<Exit> {
    let schema = if events { event::json_schema() } else { json_schema() };
    print(&serde_json::to_string_pretty(&schema)?);
    Ok(Exit::Pass)
}
