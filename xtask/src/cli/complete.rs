//! Completion of phases and gates: their ids, out of the gates.toml that is near, whether or not it is valid.

use clap_complete::CompletionCandidate;
use toml::Table;

/// Tables of the nearest gates.toml; empty where there is none or it is no TOML.
fn manifest() -> Table {
    let here = std::env::current_dir().unwrap_or_default();
    let file = here.ancestors().map(|folder| folder.join("gates.toml")).find(|file| file.is_file());
    file.and_then(|file| std::fs::read_to_string(file).ok()).and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn ids(manifest: &Table, kind: &str) -> Vec<CompletionCandidate> {
    let tables = manifest.get(kind).and_then(toml::Value::as_table).into_iter().flatten();
    tables
        .map(|(id, table)| {
            let title = table.get("title").and_then(toml::Value::as_str).unwrap_or(kind).to_owned();
            CompletionCandidate::new(id).help(Some(title.into()))
        })
        .collect()
}

/// Ids of phases.
pub(super) fn phases() -> Vec<CompletionCandidate> {
    ids(&manifest(), "phase")
}

/// Ids of gates.
pub(super) fn gates() -> Vec<CompletionCandidate> {
    ids(&manifest(), "gate")
}

/// Ids of phases, then of gates.
pub(super) fn targets() -> Vec<CompletionCandidate> {
    let manifest = manifest();
    ids(&manifest, "phase").into_iter().chain(ids(&manifest, "gate")).collect()
}
