//! `schema`: the JSON Schema of gates.toml, made from the types that read it.

use super::print;
use crate::config::schema::json_schema;
use crate::model::Exit;

pub(super) fn run() -> anyhow::Result<Exit> {
    print(&serde_json::to_string_pretty(&json_schema())?);
    Ok(Exit::Pass)
}
