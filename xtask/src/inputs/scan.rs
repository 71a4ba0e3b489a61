//! Folders as they are now: names again only where the folder's stat changed, one stat a file, on all cores.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, RawMode, Stat};
use rustix::io::Errno;

use super::rows::{Entry, Kind, Rows, Stamp};
use super::{OWN, RACY, Reach, join};
use crate::beside::spread;

impl Stamp {
    fn of(stat: &Stat) -> Self {
        // Systems differ in the widths and signs of these.
        let nanos = |seconds: i128, nanos: i128| u64::try_from(seconds * 1_000_000_000 + nanos).unwrap_or(0);
        Self {
            size: stat.st_size as u64,
            modified: nanos(stat.st_mtime.into(), stat.st_mtime_nsec.into()),
            changed: nanos(stat.st_ctime.into(), stat.st_ctime_nsec.into()),
            inode: stat.st_ino,
        }
    }
}

impl Kind {
    fn of(mode: RawMode) -> Self {
        match rustix::fs::FileType::from_raw_mode(mode) {
            rustix::fs::FileType::RegularFile if mode & 0o111 != 0 => Self::Program,
            rustix::fs::FileType::RegularFile => Self::File,
            rustix::fs::FileType::Directory => Self::Folder,
            _ => Self::Other,
        }
    }
}

/// A folder: its names one after the other, sorted.
#[derive(Clone, Debug, Default)]
pub(super) struct Dir {
    pub(super) stamp: Stamp,
    pub(super) names: String,
    pub(super) rows: Rows,
    /// It could not be opened or listed as a whole, or holds a name that is not UTF-8.
    pub(super) unseen: bool,
}

impl Dir {
    pub(super) fn name(&self, entry: &Entry) -> &str {
        self.names.get(entry.at as usize..entry.at as usize + usize::from(entry.length)).unwrap_or_default()
    }
}

/// The content of a file.
pub(super) fn hash(path: &Path) -> io::Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(*hasher.finalize().as_bytes())
}

/// Every wanted folder (with all below it, where that is wanted) that there is now, and those in which something differs from what was known.
pub(super) fn walk(root: &Path, wanted: &[Reach], known: &BTreeMap<String, Dir>, now: u64) -> (BTreeSet<String>, Vec<(String, Dir)>) {
    let (mut found, mut changed) = (BTreeSet::new(), Vec::new());
    let mut level: Vec<Reach> = wanted.to_vec();
    while !level.is_empty() {
        let seen: Vec<Seen> = spread(&level, |reach| Seen::of(root, reach, known.get(&reach.folder), now)).into_iter().flatten().collect();
        level = Vec::new();
        for one in seen {
            level.extend(one.below.into_iter().map(|folder| Reach { folder, deep: true }));
            changed.extend(one.changed.map(|dir| (one.folder.clone(), dir)));
            found.insert(one.folder);
        }
    }
    (found, changed)
}

/// A folder that was looked at.
struct Seen {
    folder: String,
    /// What it is now, where that is not what was known.
    changed: Option<Dir>,
    /// Folders in it that are to be looked at too.
    below: Vec<String>,
}

impl Seen {
    /// None where there is no such folder. One that cannot be looked at as a whole holds something that no digest covers.
    fn of(root: &Path, reach: &Reach, known: Option<&Dir>, now: u64) -> Option<Self> {
        let path = root.join(&reach.folder);
        let opened = rustix::fs::open(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let (handle, stamp) = match opened.and_then(|handle| rustix::fs::fstat(&handle).map(|stat| (handle, Stamp::of(&stat)))) {
            Ok(found) => found,
            Err(Errno::NOENT | Errno::NOTDIR) => return None,
            Err(_) => return Some(Self { folder: reach.folder.clone(), changed: Some(Dir { unseen: true, ..Dir::default() }), below: Vec::new() }),
        };
        let is_racy = stamp.newest().saturating_add(RACY) > now;
        let same = known.filter(|dir| dir.stamp == stamp && !is_racy);
        let changed =
            if let Some(dir) = same { rows(&handle, dir).map(|rows| Dir { rows, ..dir.clone() }) } else { Some(listed(&handle, stamp, known, is_racy)) };
        let below = changed.as_ref().or(same).filter(|_| reach.deep).into_iter().flat_map(|dir| {
            let folders = dir.rows.iter().filter(|entry| entry.kind == Kind::Folder).map(|entry| dir.name(&entry));
            folders.filter(|name| !OWN.contains(name)).map(|name| join(&reach.folder, name))
        });
        Some(Self { folder: reach.folder.clone(), below: below.collect(), changed })
    }
}

/// A folder whose names are read.
fn listed(handle: &OwnedFd, stamp: Stamp, known: Option<&Dir>, is_racy: bool) -> Dir {
    let dir = names(handle);
    let look = |entry: Entry| look(handle, dir.name(&entry), entry, known.and_then(|known| find(known, dir.name(&entry))));
    let rows = dir.rows.iter().map(look).collect();
    // Without a stamp its names are read again next time.
    let stamp = if dir.unseen || is_racy { Stamp::default() } else { stamp };
    Dir { stamp, rows, ..dir }
}

/// The rows of a folder whose names are known, if one of them is another one now.
fn rows(handle: &OwnedFd, dir: &Dir) -> Option<Rows> {
    let now = |entry: Entry| look(handle, dir.name(&entry), entry, Some(entry));
    let same = dir.rows.iter().take_while(|entry| is_plainly(handle, dir.name(entry), entry) || now(*entry) == *entry).count();
    (same < dir.rows.len()).then(|| dir.rows.iter().take(same).chain(dir.rows.iter().skip(same).map(now)).collect())
}

/// A file as it was known, without a second look.
fn is_plainly(handle: &OwnedFd, name: &str, entry: &Entry) -> bool {
    let is_file = matches!(entry.kind, Kind::File | Kind::Program) && !entry.is_racy;
    is_file
        && rustix::fs::statat(handle, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| Kind::of(stat.st_mode) == entry.kind && Stamp::of(&stat) == entry.stamp)
}

/// One stat; the hash that is known stays where it is proven.
fn look(handle: &OwnedFd, name: &str, entry: Entry, before: Option<Entry>) -> Entry {
    let stat = rustix::fs::statat(handle, name, AtFlags::SYMLINK_NOFOLLOW).and_then(|stat| {
        let is_link = rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Symlink;
        if !is_link {
            return Ok(stat);
        }
        // What counts is the file behind a link; a folder behind one could lead anywhere.
        let target = rustix::fs::statat(handle, name, AtFlags::empty())?;
        let is_file = rustix::fs::FileType::from_raw_mode(target.st_mode) == rustix::fs::FileType::RegularFile;
        Ok(if is_file { target } else { stat })
    });
    let Ok(stat) = stat else { return Entry { kind: Kind::Other, stamp: Stamp::default(), hash: None, is_racy: false, ..entry } };
    let (stamp, kind) = (Stamp::of(&stat), Kind::of(stat.st_mode));
    let proven = before.filter(|before| before.stamp == stamp && !before.is_racy);
    // What a folder's stat says changes with what is in it, which is looked at by itself.
    let stamp = if kind == Kind::Folder { Stamp::default() } else { stamp };
    Entry { kind, stamp, hash: proven.and_then(|before| before.hash), is_racy: false, ..entry }
}

fn find(dir: &Dir, name: &str) -> Option<Entry> {
    let (mut low, mut high) = (0, dir.rows.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        let entry = dir.rows.get(middle)?;
        match dir.name(&entry).cmp(name) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => return Some(entry),
        }
    }
    None
}

/// The names of a folder, sorted.
fn names(handle: &OwnedFd) -> Dir {
    let mut dir = Dir::default();
    let mut all: Vec<String> = Vec::new();
    match rustix::fs::Dir::read_from(handle) {
        Ok(listed) => {
            for entry in listed {
                match entry.as_ref().map(|entry| entry.file_name().to_str()) {
                    Ok(Ok("." | "..")) => {}
                    Ok(Ok(name)) if u16::try_from(name.len()).is_ok() => all.push(name.to_owned()),
                    Ok(_) | Err(_) => dir.unseen = true,
                }
            }
        }
        Err(_) => dir.unseen = true,
    }
    all.sort_unstable();
    let mut names = String::new();
    let entry = |name: String| {
        let at = u32::try_from(names.len()).unwrap_or(u32::MAX);
        names.push_str(&name);
        Entry { at, length: name.len() as u16, kind: Kind::Other, stamp: Stamp::default(), hash: None, is_racy: false }
    };
    dir.rows = all.into_iter().map(entry).collect();
    Dir { names, ..dir }
}
