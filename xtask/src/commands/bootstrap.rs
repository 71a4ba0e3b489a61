//! `db bootstrap`: a populated database without a revision gets the one that its schema has, and is upgraded. Nothing is guessed: the
//! operator names the revision and the database, and the schema must agree.

use super::backup::{Refused, environment, no, take, told};
use super::db::Office;
use super::{print, say};
use crate::cli::BootstrapArgs;
use crate::db::lock::Lock;
use crate::db::snapshot::Manifest;
use crate::db::{Compared, Migration, Status};
use crate::model::Exit;
use crate::postgres::{Outside, Url};
use crate::text::{plural, visible};

/// Lines of a difference that are shown.
const SHOWN: usize = 12;

pub(super) fn bootstrap(office: &Office<'_>, url: &Url, args: &BootstrapArgs) -> Exit {
    told(go(office, url, args))
}

fn go(office: &Office<'_>, url: &Url, args: &BootstrapArgs) -> Result<Exit, Refused> {
    // 1. what is there  2. what the operator names  3. alone  4. a snapshot  5. stamp and upgrade  6. what is there now
    let (status, compared) = office.state(url);
    office.tell(&status, None);
    must_be_unversioned(&status)?;
    let revision = named(office, url, args, &status, &compared)?;
    let outside = Outside::any(url.clone(), office.ambient()).map_err(environment)?;
    let lock = Lock::take(&outside).map_err(environment)?;
    let Some(lock) = lock else {
        return Err(no(format!("another bootstrap of {} is going on, and nothing was changed", url.database())));
    };
    // Whoever was before us may have done it meanwhile.
    must_be_unversioned(&office.state(url).0)?;
    let folder = args.snapshot.clone().unwrap_or_else(|| office.snapshots(url.database()));
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    let manifest = take(office, url, &folder, &[])?;
    say(&format!("snapshot  {}", folder.display()));
    let done = office.stamp(&revision, url).and_then(|()| office.upgrade(url));
    drop(lock);
    let (after, _) = office.state(url);
    if done.is_ok() && after.state == Migration::AtHead {
        print(&format!("at-head  {}: stamped {revision}, upgraded to {}", url.database(), after.revisions.join(", ")));
        rows(office, url, &manifest);
        return Ok(Exit::Pass);
    }
    office.tell(&after, None);
    let why = done.err().unwrap_or_else(|| "the schema is not what the head makes".to_owned());
    let back = format!("xtask db restore {} {} --url URL --confirm {} --older", folder.display(), office.id(), url.database());
    Err(no(format!("{why}\n  the database is {}\n  hint: mend the cause and go on with `{}`, or go back: {back}", after.state.word(), after.next)))
}

fn must_be_unversioned(status: &Status) -> Result<(), Refused> {
    match status.state {
        Migration::PopulatedUnversioned => Ok(()),
        Migration::Unreachable | Migration::NoPermission => Err(environment(status.evidence.join("; "))),
        Migration::AtHead => Err(no("it is at the head already: there is nothing to do".to_owned())),
        other => Err(no(format!("bootstrap is for populated-unversioned, and this is {}\n  hint: {}", other.word(), status.next))),
    }
}

/// The revision that the operator names, when the schema agrees with it.
fn named(office: &Office<'_>, url: &Url, args: &BootstrapArgs, status: &Status, compared: &Compared) -> Result<String, Refused> {
    if let Some(why) = &compared.why_not {
        return Err(environment(format!("without a comparison no revision can be proposed: {why}")));
    }
    let target = url.database();
    let Some(revision) = &args.stamp else {
        let exact = status.nearest.iter().find(|(_, lines)| *lines == 0);
        let proposal = match exact {
            Some((revision, _)) => {
                format!("its schema is that of {revision}\n  hint: xtask db bootstrap {} --url URL --stamp {revision} --confirm {target}", office.id())
            }
            None => "no revision makes this schema; the nearest are named above\n  hint: mend what differs (db status shows it), then ask again".to_owned(),
        };
        return Err(no(format!("nothing was changed: {proposal}")));
    };
    if !office.graph().knows(revision) {
        return Err((Exit::Usage, format!("--stamp: the scripts have no revision `{revision}`\n  hint: one of {}", office.known())));
    }
    let difference = compared.by_revision.get(revision).cloned().unwrap_or_default();
    if !difference.is_empty() {
        let missing = difference.missing.iter().map(|line| format!("  missing: {}", visible(line)));
        let extra = difference.extra.iter().map(|line| format!("  extra: {}", visible(line)));
        let lines: Vec<String> = missing.chain(extra).take(SHOWN).collect();
        let count = plural(difference.len() as u64, "line");
        return Err(no(format!("nothing was changed: the schema differs from what {revision} makes in {count}\n{}", lines.join("\n"))));
    }
    match &args.confirm {
        Some(name) if name == target => Ok(revision.clone()),
        Some(other) => Err((Exit::Usage, format!("--confirm {other} is not the database that --url names\n  hint: --confirm {target}"))),
        None if typed(target, revision) => Ok(revision.clone()),
        None => Err((Exit::Usage, format!("nothing was changed: it is not confirmed\n  hint: --confirm {target}"))),
    }
}

/// At a terminal the name may be typed instead.
fn typed(target: &str, revision: &str) -> bool {
    if !console::user_attended() {
        return false;
    }
    say(&format!("type the name of the database to stamp it {revision} and upgrade it:"));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).is_ok() && line.trim() == target
}

/// Tables with more or fewer rows than before: a migration may mean it, and the operator must see it.
fn rows(office: &Office<'_>, url: &Url, before: &Manifest) {
    let Ok(outside) = Outside::any(url.clone(), office.ambient()) else { return };
    let Ok(now) = super::backup::counted(office, &outside) else { return };
    for (table, held) in &before.tables {
        match now.get(table).map(|held| held.rows) {
            Some(rows) if rows == held.rows => {}
            Some(rows) => say(&format!("note: {table} had {} rows and has {rows}", held.rows)),
            None => say(&format!("note: {table} with {} rows is gone", held.rows)),
        }
    }
}
