//! Folders as they are now: names again only where the folder's stat changed, one stat a file, on all cores.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, RawMode, Stat};
use rustix::io::Errno;

use super::{OWN, RACY, Reach, join};

/// What a stat says of the content: if it is the same, so is the content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    pub(super) modified: u64,
    pub(super) changed: u64,
    pub(super) inode: u64,
}

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

    /// The younger of its two times.
    pub(super) fn newest(&self) -> u64 {
        self.modified.max(self.changed)
    }

    pub(super) fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (slot, value) in bytes.chunks_exact_mut(8).zip([self.size, self.modified, self.changed, self.inode]) {
            slot.copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }
}

/// What a name of a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file, or a link to one.
    File,
    /// A file that may be executed.
    Program,
    /// A folder.
    Folder,
    /// Anything else: a socket, a link to a folder or to nothing.
    Other,
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

/// A name of a folder.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Where its name begins among those of its folder, and how long it is.
    pub(super) at: u32,
    pub(super) length: u16,
    pub(super) kind: Kind,
    pub(super) stamp: Stamp,
    /// Of the content; none before somebody wanted it.
    pub(super) hash: Option<[u8; 32]>,
    /// It was read so soon after it was written that another write might not show.
    pub(super) is_racy: bool,
}

/// A folder: its names one after the other, sorted.
#[derive(Clone, Debug, Default)]
pub(super) struct Dir {
    pub(super) stamp: Stamp,
    pub(super) names: String,
    pub(super) entries: Vec<Entry>,
    /// It could not be opened or listed as a whole, or holds a name that is not UTF-8.
    pub(super) unseen: bool,
}

/// A name by its place.
pub(super) fn name<'n>(names: &'n str, entry: &Entry) -> &'n str {
    &names[entry.at as usize..entry.at as usize + usize::from(entry.length)]
}

impl Dir {
    pub(super) fn name(&self, entry: &Entry) -> &str {
        name(&self.names, entry)
    }
}

/// The content of a file.
pub(super) fn hash(path: &Path) -> io::Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(*hasher.finalize().as_bytes())
}

/// Every wanted folder (with all below it, where that is wanted) as it is now, and whether anything differs from what was known.
pub(super) fn walk(root: &Path, wanted: &[Reach], known: &BTreeMap<String, Dir>, now: u64) -> (BTreeMap<String, Dir>, bool) {
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(8);
    let mut found = BTreeMap::new();
    let mut changed = false;
    let mut level: Vec<Reach> = wanted.to_vec();
    while !level.is_empty() {
        // Neighbours go to different threads, so that a heavy corner of the tree is shared.
        let part = |thread: usize, level: &[Reach]| -> Vec<Seen> {
            level.iter().skip(thread).step_by(threads).filter_map(|reach| Seen::of(root, reach, known.get(&reach.folder), now)).collect()
        };
        let seen: Vec<Seen> = if level.len() == 1 {
            part(0, &level)
        } else {
            std::thread::scope(|scope| {
                let (level, part) = (&level[..], &part);
                let others: Vec<_> = (1..threads).map(|thread| scope.spawn(move || part(thread, level))).collect();
                let own = part(0, level);
                let others = others.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
                own.into_iter().chain(others).collect()
            })
        };
        level = Vec::new();
        for one in seen {
            changed |= one.changed;
            if one.reach.deep {
                let below = one.dir.entries.iter().filter(|entry| entry.kind == Kind::Folder).map(|entry| one.dir.name(entry));
                level.extend(below.filter(|name| !OWN.contains(name)).map(|name| Reach { folder: join(&one.reach.folder, name), deep: true }));
            }
            found.insert(one.reach.folder, one.dir);
        }
    }
    (found, changed)
}

/// A folder that was looked at.
struct Seen {
    reach: Reach,
    dir: Dir,
    changed: bool,
}

impl Seen {
    /// None where there is no such folder. One that cannot be looked at as a whole holds something that no digest covers.
    fn of(root: &Path, reach: &Reach, known: Option<&Dir>, now: u64) -> Option<Self> {
        let path = root.join(&reach.folder);
        let opened = rustix::fs::open(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let (handle, stamp) = match opened.and_then(|handle| rustix::fs::fstat(&handle).map(|stat| (handle, Stamp::of(&stat)))) {
            Ok(found) => found,
            Err(Errno::NOENT | Errno::NOTDIR) => return None,
            Err(_) => return Some(Self { reach: reach.clone(), dir: Dir { unseen: true, ..Dir::default() }, changed: true }),
        };
        let same = known.filter(|dir| dir.stamp == stamp);
        let mut dir = match same {
            Some(dir) => dir.clone(),
            None => Dir { stamp, ..names(&handle) },
        };
        let mut changed = same.is_none();
        for index in 0..dir.entries.len() {
            let entry = dir.entries[index].clone();
            let before = match same {
                Some(dir) => dir.entries.get(index),
                None => known.and_then(|known| find(known, dir.name(&entry))),
            };
            let fresh = look(&handle, dir.name(&entry), &entry, before);
            changed |= before.is_none_or(|before| before.stamp != fresh.stamp || before.kind != fresh.kind);
            dir.entries[index] = fresh;
        }
        if dir.unseen || stamp.newest().saturating_add(RACY) > now {
            dir.stamp = Stamp::default(); // its names are read again next time
        }
        Some(Self { reach: reach.clone(), dir, changed })
    }
}

/// One stat; the hash that is known stays where it is proven.
fn look(handle: &OwnedFd, name: &str, entry: &Entry, before: Option<&Entry>) -> Entry {
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
    let Ok(stat) = stat else { return Entry { kind: Kind::Other, stamp: Stamp::default(), hash: None, is_racy: false, ..*entry } };
    let (stamp, kind) = (Stamp::of(&stat), Kind::of(stat.st_mode));
    let proven = before.filter(|before| before.stamp == stamp && !before.is_racy);
    // What a folder's stat says changes with what is in it, which is looked at by itself.
    let stamp = if kind == Kind::Folder { Stamp::default() } else { stamp };
    Entry { kind, stamp, hash: proven.and_then(|before| before.hash), is_racy: false, ..*entry }
}

fn find<'d>(dir: &'d Dir, name: &str) -> Option<&'d Entry> {
    dir.entries.binary_search_by(|entry| dir.name(entry).cmp(name)).ok().map(|index| &dir.entries[index])
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
    for name in all {
        let at = u32::try_from(dir.names.len()).unwrap_or(u32::MAX);
        dir.names.push_str(&name);
        dir.entries.push(Entry { at, length: name.len() as u16, kind: Kind::Other, stamp: Stamp::default(), hash: None, is_racy: false });
    }
    dir
}
