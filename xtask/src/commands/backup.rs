//! `db snapshot`, `db restore`, `db drill`: a copy of a database that proves what it holds, and the way back. A restore goes into a new
//! database first; nothing is replaced before that one was compared.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::db::Office;
use super::{print, say};
use crate::cli::{RestoreArgs, SnapshotArgs};
use crate::db::Migration;
use crate::db::look;
use crate::db::snapshot::{DUMP, Held, Manifest, digest, script, tables};
use crate::model::Exit;
use crate::postgres::{Outside, Url, literal, major, quoted};
use crate::rundir::write_atomic;
use crate::text::{plural, size};

/// Why a step went wrong, with the exit status that it means.
pub(super) type Refused = (Exit, String);

pub(super) fn environment(why: String) -> Refused {
    (Exit::Environment, why)
}

pub(super) fn no(why: String) -> Refused {
    (Exit::Fail, why)
}

/// Says why, and what it means.
pub(super) fn told(result: Result<Exit, Refused>) -> Exit {
    result.unwrap_or_else(|(exit, why)| {
        say(&format!("error: {why}"));
        exit
    })
}

pub(super) fn snapshot(office: &Office<'_>, url: &Url, args: &SnapshotArgs) -> Exit {
    // The programs work in another folder.
    let out = std::path::absolute(&args.out).unwrap_or_else(|_| args.out.clone());
    told(take(office, url, &out, &args.file).map(|manifest| {
        let rows: u64 = manifest.tables.values().map(|table| table.rows).sum();
        let bytes: u64 = manifest.files.iter().map(|file| file.size).sum();
        print(&args.out.display().to_string());
        say(&format!("{} with {}, {}, state {}", plural(manifest.tables.len() as u64, "table"), plural(rows, "row"), size(bytes), manifest.state));
        Exit::Pass
    }))
}

/// Makes a snapshot in a new folder.
pub(super) fn take(office: &Office<'_>, url: &Url, out: &Path, files: &[PathBuf]) -> Result<Manifest, Refused> {
    if out.exists() {
        return Err((Exit::Usage, format!("{} is there already\n  hint: name a new folder", out.display())));
    }
    let outside = Outside::any(url.clone(), office.ambient()).map_err(environment)?;
    // A stamp that lies is no state to come back to.
    let (status, _) = office.state(url);
    let (seen, lines) = office.look(url);
    let seen = seen.map_err(|unasked| environment(unasked.why().to_owned()))?;
    let dump = office.program("pg_dump", &seen.server).map_err(environment)?;
    let io = |cause: std::io::Error| environment(format!("failed to write {}: {cause}", out.display()));
    std::fs::create_dir_all(out).map_err(io)?;
    let taken = fill(&outside, &dump, out, files).and_then(|(counted, names)| {
        let mut manifest = Manifest::new(out, &names).map_err(environment)?;
        let now = time::OffsetDateTime::now_utc().format(&time::format_description::well_known::Rfc3339);
        manifest.taken = now.unwrap_or_default();
        office.id().clone_into(&mut manifest.id);
        (manifest.database, manifest.server) = (seen.database.clone(), seen.server.clone());
        status.state.word().clone_into(&mut manifest.state);
        manifest.revisions.clone_from(&seen.revisions);
        (manifest.fingerprint, manifest.tables) = (digest(&lines), counted);
        manifest.write(out).map_err(environment)?;
        Ok(manifest)
    });
    if taken.is_err() {
        std::fs::remove_dir_all(out).ok(); // half a snapshot is none
    }
    taken
}

type Filled = (BTreeMap<String, Held>, Vec<String>);

/// The dump with the counts of its tables, and the named files.
fn fill(outside: &Outside, dump: &Path, out: &Path, files: &[PathBuf]) -> Result<Filled, Refused> {
    let counted = dumped(outside, dump, &out.join(DUMP)).map_err(no)?;
    let mut names = vec![DUMP.to_owned()];
    for file in files {
        let name = format!("files/{}", file.file_name().unwrap_or_default().to_string_lossy());
        let bytes = std::fs::read(file).map_err(|cause| environment(format!("failed to read `{}`: {cause}", file.display())))?;
        write_atomic(&out.join(&name), &bytes).map_err(|cause| environment(format!("failed to write {name}: {cause}")))?;
        names.push(name);
    }
    Ok((counted, names))
}

/// One transaction sees what is dumped and what is counted.
fn dumped(outside: &Outside, dump: &Path, file: &Path) -> Result<BTreeMap<String, Held>, String> {
    let variables = [("GATES_DUMP", dump.display().to_string()), ("GATES_FILE", file.display().to_string()), ("GATES_URL", outside.address())];
    let said = outside.script(file.parent().unwrap_or(Path::new("/")), &script(true), &variables)?;
    if said.contains("dump failed") || !file.is_file() {
        return Err(format!("pg_dump did not make {}", file.display()));
    }
    tables(&said)
}

pub(super) fn restore(office: &Office<'_>, url: &Url, args: &RestoreArgs) -> Exit {
    told(bring_back(office, url, args))
}

fn bring_back(office: &Office<'_>, url: &Url, args: &RestoreArgs) -> Result<Exit, Refused> {
    let folder = std::path::absolute(&args.snapshot).unwrap_or_else(|_| args.snapshot.clone());
    // 1. the snapshot is whole  2. it belongs here  3. a new database is what it says  4. only then the names change
    let server = Outside::any(url.on("postgres"), office.ambient()).map_err(environment)?;
    let manifest = proven(office, &server, &folder)?;
    let target = url.database().to_owned();
    let there = there(&server, &target)?;
    belongs(office, url, args, &manifest, there)?;
    let stamp = stamp();
    let fresh = format!("{target}_restoring_{stamp}");
    let made = restored(office, &server, url, &folder, &manifest, &fresh, true);
    if let Err(refused) = made {
        server.sql(None, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&fresh))).ok();
        return Err(refused);
    }
    let before = format!("{target}_before_{stamp}");
    swap(&server, &target, &fresh, there.then_some(before.as_str()))?;
    say(&format!("{target} is what the snapshot of {} holds: {} proven", manifest.taken, plural(manifest.tables.len() as u64, "table")));
    if there {
        print(&format!("what it was is kept as {before}; when nobody misses it: DROP DATABASE {}", quoted(&before)));
    }
    for file in manifest.files.iter().filter(|file| file.path != DUMP) {
        print(&format!("file {}", folder.join(&file.path).display()));
    }
    Ok(Exit::Pass)
}

/// Reads the snapshot to its end: a table of contents alone does not show that the rest was cut off.
fn proven(office: &Office<'_>, outside: &Outside, folder: &Path) -> Result<Manifest, Refused> {
    let manifest = Manifest::read(folder).map_err(no)?;
    let program = office.program("pg_restore", &manifest.server).map_err(environment)?;
    let read = outside.tool(&program, &["-f", "/dev/null", &folder.join(DUMP).display().to_string()]);
    read.map_err(|why| no(format!("{}: {DUMP} cannot be read to its end: {why}", folder.display())))?;
    Ok(manifest)
}

fn there(server: &Outside, name: &str) -> Result<bool, Refused> {
    let rows = server.sql(None, &format!("SELECT 1 FROM pg_database WHERE datname = {}", literal(name)));
    Ok(!rows.map_err(environment)?.is_empty())
}

/// A snapshot of something else, or from before what is there now, replaces nothing unless somebody says so.
fn belongs(office: &Office<'_>, url: &Url, args: &RestoreArgs, manifest: &Manifest, there: bool) -> Result<(), Refused> {
    let target = url.database();
    if manifest.id != office.id() {
        let of = format!("the snapshot is of [database.{}], and this is [database.{}]", manifest.id, office.id());
        return Err(no(format!("{of}\n  hint: name the database that it was taken of")));
    }
    if manifest.database != target && !args.foreign {
        let of = format!("the snapshot is of database {}, and {target} is to be replaced", manifest.database);
        return Err(no(format!("{of}\n  hint: --foreign, if it is meant for another name")));
    }
    if !there {
        return Ok(());
    }
    if args.confirm.as_deref() != Some(target) {
        return Err((Exit::Usage, format!("{target} is there, and would be replaced\n  hint: --confirm {target}")));
    }
    let (seen, _) = office.look(url);
    let seen = seen.map_err(|unasked| environment(unasked.why().to_owned()))?;
    let (old, new) = (major(&manifest.server), major(&seen.server));
    if new < old {
        return Err(no(format!("the snapshot is of PostgreSQL {old}, and the server is {new}")));
    }
    let older = manifest.revisions.iter().any(|one| seen.revisions.iter().any(|now| office.graph().is_ancestor(one, now)));
    if older && !args.older {
        let revisions = format!("{} comes before {}", manifest.revisions.join(", "), seen.revisions.join(", "));
        return Err(no(format!("the snapshot is older than what is there: {revisions}\n  hint: --older, if the newer migrations are to be lost")));
    }
    Ok(())
}

/// The snapshot in a new database, compared.
fn restored(office: &Office<'_>, server: &Outside, url: &Url, folder: &Path, manifest: &Manifest, name: &str, grants: bool) -> Result<(), Refused> {
    server.sql(None, &format!("CREATE DATABASE {} TEMPLATE template0", quoted(name))).map_err(environment)?;
    let address = url.on(name);
    let outside = Outside::any(address.clone(), office.ambient()).map_err(environment)?;
    let program = office.program("pg_restore", &manifest.server).map_err(environment)?;
    let (address_of, dump) = (outside.address(), folder.join(DUMP).display().to_string());
    let mut words = vec!["--exit-on-error", "--single-transaction", "--no-owner", "-w", "-d", &address_of, &dump];
    words.extend((!grants).then_some("--no-privileges"));
    outside.tool(&program, &words).map_err(|why| no(format!("the snapshot cannot be restored: {why}")))?;
    compare(office, &address, manifest)
}

/// A database against what a snapshot says.
fn compare(office: &Office<'_>, url: &Url, manifest: &Manifest) -> Result<(), Refused> {
    let outside = Outside::any(url.clone(), office.ambient()).map_err(environment)?;
    let seen = look::look(&outside).map_err(|unasked| environment(unasked.why().to_owned()))?;
    let lines = look::fingerprint(&outside).map_err(|unasked| environment(unasked.why().to_owned()))?;
    let counted = counted(office, &outside).map_err(environment)?;
    let differences = manifest.differences(&seen.revisions, &digest(&lines), &counted);
    if differences.is_empty() { Ok(()) } else { Err(no(format!("what was restored is not what the snapshot says: {}", differences.join("; ")))) }
}

/// The counts alone.
pub(super) fn counted(office: &Office<'_>, outside: &Outside) -> Result<BTreeMap<String, Held>, String> {
    let folder = office.scratch();
    let said = outside.script(&folder, &script(false), &[]);
    std::fs::remove_dir(&folder).ok(); // it stays where a drill has more in it
    tables(&said?)
}

/// The names change last, and back if the second one cannot.
fn swap(server: &Outside, target: &str, fresh: &str, before: Option<&str>) -> Result<(), Refused> {
    let rename = |from: &str, to: &str| server.sql(None, &format!("ALTER DATABASE {} RENAME TO {}", quoted(from), quoted(to)));
    if let Some(before) = before
        && let Err(why) = rename(target, before)
    {
        server.sql(None, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(fresh))).ok();
        return Err(no(format!("{target} is in use, and nothing was changed: {why}\n  hint: stop what uses it, then again")));
    }
    rename(fresh, target).map(|_| ()).map_err(|why| {
        let back = before.map(|before| rename(before, target));
        let state = match back {
            Some(Ok(_)) => format!("{target} is as it was"),
            Some(Err(_)) => format!("{target} is now called {}", before.unwrap_or_default()),
            None => "nothing was replaced".to_owned(),
        };
        no(format!("the restored database {fresh} could not be named {target}: {why}; {state}"))
    })
}

/// Snapshot, restore on a server of our own, comparison; and a cut snapshot must be refused.
pub(super) fn drill(office: &Office<'_>, url: &Url, strict: bool) -> Exit {
    told(drilled(office, url, strict))
}

fn drilled(office: &Office<'_>, url: &Url, strict: bool) -> Result<Exit, Refused> {
    let folder = office.scratch();
    let out = folder.join("snapshot");
    let done = take(office, url, &out, &[]).and_then(|manifest| {
        let valid = [Migration::AtHead.word(), Migration::Behind.word()].contains(&manifest.state.as_str());
        if strict && !valid {
            return Err(no(format!("--strict: a snapshot in state {} has no revision to come back to", manifest.state)));
        }
        proven(office, &Outside::any(url.clone(), office.ambient()).map_err(environment)?, &out)?;
        let done = office.on_own_server(&major(&manifest.server).to_string(), &|server| {
            let name = server.create("drill", None)?;
            let address = Url::parse(&server.url(&name, "postgresql"))?;
            let own = Outside::any(address.on("postgres"), office.ambient())?;
            server.drop_database(&name)?;
            Ok(restored(office, &own, &address, &out, &manifest, &name, false)) // its roles are not on our server
        });
        done.map_err(environment)??;
        cut_is_refused(&out)?;
        Ok(manifest)
    });
    std::fs::remove_dir_all(&folder).ok();
    let manifest = done?;
    let rows: u64 = manifest.tables.values().map(|table| table.rows).sum();
    print(&format!("restored and equal: {} with {}, state {}", plural(manifest.tables.len() as u64, "table"), plural(rows, "row"), manifest.state));
    Ok(Exit::Pass)
}

/// The proof itself is proven: a snapshot without its end must not be taken for one.
fn cut_is_refused(folder: &Path) -> Result<(), Refused> {
    let file = folder.join(DUMP);
    let bytes = std::fs::read(&file).map_err(|cause| environment(cause.to_string()))?;
    write_atomic(&file, &bytes[..bytes.len() / 2]).map_err(|cause| environment(cause.to_string()))?;
    match Manifest::read(folder) {
        Err(_) => Ok(()),
        Ok(_) => Err((Exit::Broken, "a snapshot that was cut in half was not refused".to_owned())),
    }
}

fn stamp() -> String {
    let now = time::OffsetDateTime::now_utc();
    now.format(time::macros::format_description!("[year][month][day][hour][minute][second][subsecond digits:3]")).unwrap_or_default()
}
