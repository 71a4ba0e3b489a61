//! A snapshot of a database: what pg_dump writes, and a manifest that says what it holds, so that a restore can be proven. Knows the
//! folder's files and their digests; the commands decide what may be replaced.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::model::FileRef;
use crate::rundir::{file_ref, write_atomic};

/// Version of the manifest.
const SCHEMA: u32 = 1;
const MANIFEST: &str = "manifest.json";
/// The dump, in pg_dump's custom format.
pub const DUMP: &str = "database.dump";
/// The first bytes of that format.
const MAGIC: &[u8] = b"PGDMP";

/// One view of everything, and one way to write values, whatever the server, the database or the role are set to.
const BEGIN: &str = "begin isolation level repeatable read read only;\nset local timezone = 'UTC'; set local datestyle = 'ISO, YMD'; \
                     set local intervalstyle = 'postgres'; set local bytea_output = 'hex'; set local extra_float_digits = 3; set local search_path = pg_catalog;\n";
const DUMPED: &str = include_str!("dump.sql");
const COUNTED: &str = include_str!("count.sql");

/// A script of psql that counts every table, and dumps what it counts where that is wanted.
pub fn script(dump: bool) -> String {
    [BEGIN, if dump { DUMPED } else { "" }, COUNTED, "commit;\n"].concat()
}

/// What a table holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Rows.
    pub rows: u64,
    /// Sum of the hashes of its rows, whatever their order.
    pub digest: String,
}

/// What a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version.
    pub schema: u32,
    /// Version of this tool.
    pub tool: String,
    /// Wall time, RFC 3339, UTC.
    pub taken: String,
    /// Id in gates.toml.
    pub id: String,
    /// Name of the database.
    pub database: String,
    /// Version of the server.
    pub server: String,
    /// Migration state.
    pub state: String,
    /// Rows of alembic_version.
    pub revisions: Vec<String>,
    /// Digest of the schema's lines.
    pub fingerprint: String,
    /// Tables by name.
    pub tables: BTreeMap<String, Held>,
    /// The dump and the named files.
    pub files: Vec<FileRef>,
}

/// The digest of a schema's lines.
pub fn digest(lines: &[String]) -> String {
    blake3::hash(lines.join("\n").as_bytes()).to_hex().to_string()
}

/// Reads what the script says of the tables.
pub fn tables(said: &str) -> Result<BTreeMap<String, Held>, String> {
    let table = |line: &str| {
        let mut parts = line.rsplitn(3, '|');
        let (digest, rows, name) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
        Some((name.to_owned(), Held { rows, digest: digest.to_owned() }))
    };
    let lines = said.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| table(line).ok_or_else(|| format!("the counts of the tables cannot be read: {line}"))).collect()
}

impl Manifest {
    /// A manifest of what is in a folder now.
    pub fn new(folder: &Path, names: &[String]) -> Result<Self, String> {
        let file = |name: &String| file_ref(&folder.join(name), name).map_err(|cause| format!("failed to read {name}: {cause}"));
        Ok(Self {
            schema: SCHEMA,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            taken: String::new(),
            id: String::new(),
            database: String::new(),
            server: String::new(),
            state: String::new(),
            revisions: Vec::new(),
            fingerprint: String::new(),
            tables: BTreeMap::new(),
            files: names.iter().map(file).collect::<Result<_, _>>()?,
        })
    }

    /// Writes it; the snapshot is there when it is.
    pub fn write(&self, folder: &Path) -> Result<(), String> {
        let bytes = serde_json::to_vec_pretty(self).map_err(|cause| cause.to_string())?;
        write_atomic(&folder.join(MANIFEST), &bytes).map_err(|cause| format!("failed to write {MANIFEST}: {cause}"))
    }

    /// Reads a snapshot and proves that its files are those that were written.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let shown = folder.display();
        let text = std::fs::read(folder.join(MANIFEST)).map_err(|cause| format!("{shown} holds no snapshot: {MANIFEST}: {cause}"))?;
        let manifest: Self = serde_json::from_slice(&text).map_err(|cause| format!("{shown}: {MANIFEST} cannot be read: {cause}"))?;
        if manifest.schema != SCHEMA {
            return Err(format!("{shown}: a snapshot of version {}, and this program knows {SCHEMA}", manifest.schema));
        }
        if !manifest.files.iter().any(|file| file.path == DUMP) {
            return Err(format!("{shown}: {MANIFEST} names no {DUMP}"));
        }
        for wanted in &manifest.files {
            let inside = !wanted.path.starts_with('/') && !wanted.path.split('/').any(|part| part == "..");
            let found = file_ref(&folder.join(&wanted.path), &wanted.path).map_err(|cause| format!("{shown}: {}: {cause}", wanted.path))?;
            if !inside || found != *wanted {
                let what = if found.size < wanted.size { "is shorter than it was" } else { "is not what was written" };
                return Err(format!("{shown}: {} {what}", wanted.path));
            }
        }
        let mut first = [0; 5];
        let begins = std::fs::File::open(folder.join(DUMP)).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut first));
        if begins.is_err() || first != MAGIC {
            return Err(format!("{shown}: {DUMP} is not in pg_dump's custom format"));
        }
        Ok(manifest)
    }

    /// What a restored database has otherwise, in whole words.
    pub fn differences(&self, revisions: &[String], fingerprint: &str, tables: &BTreeMap<String, Held>) -> Vec<String> {
        let mut found = Vec::new();
        if self.revisions != revisions {
            found.push(format!("its revision is {}, and the snapshot has {}", shown(revisions), shown(&self.revisions)));
        }
        if self.fingerprint != fingerprint {
            found.push("its schema is not that of the snapshot".to_owned());
        }
        for name in self.tables.keys().chain(tables.keys().filter(|name| !self.tables.contains_key(*name))) {
            match (self.tables.get(name), tables.get(name)) {
                (Some(one), Some(other)) if one == other => {}
                (Some(one), Some(other)) if one.rows != other.rows => found.push(format!("{name} has {} rows, and the snapshot has {}", other.rows, one.rows)),
                (Some(_), Some(_)) => found.push(format!("{name} has other rows than the snapshot")),
                (Some(_), None) => found.push(format!("{name} is missing")),
                (None, _) => found.push(format!("{name} is not in the snapshot")),
            }
        }
        found
    }
}

fn shown(revisions: &[String]) -> String {
    if revisions.is_empty() { "none".to_owned() } else { revisions.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> (tempfile::TempDir, Manifest) {
        let folder = tempfile::tempdir().expect("temporary folder");
        write_atomic(&folder.path().join(DUMP), b"PGDMP and more").expect("written");
        let manifest = Manifest::new(folder.path(), &[DUMP.to_owned()]).expect("read");
        manifest.write(folder.path()).expect("written");
        (folder, manifest)
    }

    #[test]
    fn a_changed_snapshot_is_refused() {
        let (folder, manifest) = snapshot();
        assert_eq!(Manifest::read(folder.path()), Ok(manifest.clone()));
        let refused = |bytes: &[u8]| {
            write_atomic(&folder.path().join(DUMP), bytes).expect("written");
            Manifest::read(folder.path()).expect_err("changed")
        };
        assert!(refused(b"PGDMP and").contains("is shorter than it was"));
        assert!(refused(b"PGDMP and mOre").contains("is not what was written"));
        write_atomic(&folder.path().join(DUMP), b"plain text, SQL").expect("written");
        Manifest { files: Manifest::new(folder.path(), &[DUMP.to_owned()]).expect("read").files, ..manifest.clone() }.write(folder.path()).expect("written");
        assert!(Manifest::read(folder.path()).expect_err("foreign").contains("custom format"));
        Manifest { schema: 9, ..manifest.clone() }.write(folder.path()).expect("written");
        assert!(Manifest::read(folder.path()).expect_err("newer").contains("version 9"));
        Manifest { files: Vec::new(), ..manifest }.write(folder.path()).expect("written");
        assert!(Manifest::read(folder.path()).expect_err("no dump").contains("names no database.dump"));
        assert!(Manifest::read(Path::new("/nowhere")).expect_err("nothing").contains("holds no snapshot"));
    }

    #[test]
    fn counts_are_read_and_compared() {
        let read = tables("public.a|3|17\npublic.b|b|0|0\n").expect("read");
        assert_eq!(read["public.b|b"], Held { rows: 0, digest: "0".to_owned() });
        assert!(tables("dump failed\n").is_err());
        let (_folder, manifest) = snapshot();
        let manifest = Manifest { tables: read.clone(), ..manifest };
        assert!(manifest.differences(&[], "", &read).is_empty());
        let mut other = read;
        other.insert("public.a".to_owned(), Held { rows: 2, digest: "5".to_owned() });
        other.remove("public.b|b");
        other.insert("public.c".to_owned(), Held { rows: 0, digest: "0".to_owned() });
        let found = manifest.differences(&["7".to_owned()], "x", &other);
        assert_eq!(
            found,
            [
                "its revision is 7, and the snapshot has none",
                "its schema is not that of the snapshot",
                "public.a has 2 rows, and the snapshot has 3",
                "public.b|b is missing",
                "public.c is not in the snapshot"
            ]
        );
    }
}
