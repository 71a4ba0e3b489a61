//! The schema that each revision makes: built once for each state of the scripts on a server of our own, and kept. Knows no live
//! database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::alembic::{Alembic, Graph};
use crate::postgres::Server;
use crate::rundir::{Digest, write_atomic};

/// Lines of the schema by revision.
pub type References = BTreeMap<String, Vec<String>>;

/// A word that changes with whatever the references are made of.
pub fn key(files: &[PathBuf], server: &str) -> std::io::Result<String> {
    let mut digest = Digest::blake3();
    digest.update(super::FINGERPRINT.as_bytes());
    digest.update(server.as_bytes());
    for file in files {
        digest.update(file.display().to_string().as_bytes());
        digest.update(&[0]);
        digest.update(&std::fs::read(file)?);
    }
    Ok(digest.finish().trim_start_matches("blake3:")[..24].to_owned())
}

/// What was built before.
pub fn read(file: &Path) -> Option<References> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

/// Builds the references: an empty database, upgraded one revision at a time.
pub fn build(server: &Server, alembic: &Alembic, graph: &Graph, scheme: &str, file: &Path) -> Result<References, String> {
    let name = server.create("reference", None)?;
    let mut references = References::new();
    let mut done: Vec<&str> = Vec::new();
    for revision in &graph.order {
        // Of two branches the second would stand on the first: its schema alone is not what the database shows.
        let behind: Vec<&str> = graph.order.iter().map(|known| known.id.as_str()).filter(|known| graph.is_ancestor(known, &revision.id)).collect();
        if done.iter().any(|known| !behind.contains(known)) {
            continue;
        }
        alembic.upgrade(&revision.id, &server.url(&name, scheme))?;
        references.insert(revision.id.clone(), lines(server, &name)?);
        done.push(&revision.id);
    }
    server.drop_database(&name)?;
    let bytes = serde_json::to_vec(&references).map_err(|cause| cause.to_string())?;
    write_atomic(file, &bytes).map_err(|cause| format!("failed to write {}: {cause}", file.display()))?;
    Ok(references)
}

/// The schema that the models make.
pub fn models(server: &Server, alembic: &Alembic, scheme: &str) -> Result<Vec<String>, String> {
    let name = server.create("models", None)?;
    alembic.create_all(&server.url(&name, scheme))?;
    let lines = lines(server, &name)?;
    server.drop_database(&name)?;
    Ok(lines)
}

fn lines(server: &Server, name: &str) -> Result<Vec<String>, String> {
    let rows = server.sql(Some(name), super::FINGERPRINT)?;
    Ok(rows.into_iter().map(|row| row.into_iter().flatten().collect::<String>()).collect())
}
