//! The files that a gate says it depends on: found by globs, known by their content, and read only when their stat says that they may
//! have changed. Knows no gate and no result.

mod cache;
mod memo;
mod rows;
mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use crate::beside::spread;
use cache::Cached;
use memo::{Asked, Known, Memo};
use rows::{Entry, Kind};
use scan::Dir;

/// Time within which a change leaves no trace in a stat: what is younger than this is read again next time. Linux counts in ticks of at
/// most 10 ms, other file systems in whole seconds.
pub const RACY: u64 = 2_000_000_000;

/// Names below which nothing is ever an input: what git and this program write for themselves.
const OWN: &[&str] = &[".git", ".gates"];

/// What the globs of a gate name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// BLAKE3 over the paths and the contents.
    pub content: String,
    /// BLAKE3 over the paths and their stats: equal before and after means that nothing was even written.
    pub stats: String,
    /// Number of files.
    pub files: u64,
}

/// The files of a repository as far as anybody asked for them.
#[derive(Debug)]
pub struct Inputs {
    root: PathBuf,
    file: PathBuf,
    dirs: BTreeMap<String, Dir>,
    /// Digests of what has not changed since.
    memo: Memo,
    /// The cache on disk is not what is known now.
    changed: bool,
}

/// A part of the tree: a folder, and whether what is below it belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Reach {
    folder: String,
    deep: bool,
}

impl Reach {
    /// The part that a glob cannot leave: the folders before its first wildcard.
    fn of(glob: &str) -> Self {
        let parts: Vec<&str> = glob.split('/').collect();
        let fixed = parts.iter().take_while(|part| !part.contains(['*', '?', '[', '{'])).count().min(parts.len() - 1);
        Self { folder: parts[..fixed].join("/"), deep: parts.len() > fixed + 1 || parts[fixed].contains("**") }
    }

    fn has(&self, folder: &str) -> bool {
        if self.deep { is_below(folder, &self.folder) } else { folder == self.folder }
    }
}

/// Globs of one gate, ready to match.
struct Globs {
    /// Where a glob reaches, whether everything there fits, and what fits else.
    all: Vec<(Reach, bool, GlobMatcher)>,
    /// What fits these does not fit.
    except: Vec<(Reach, bool, GlobMatcher)>,
}

impl Globs {
    fn new(globs: &[String]) -> Self {
        let ready = |glob: &String| {
            let matcher = GlobBuilder::new(glob).literal_separator(true).build().ok()?.compile_matcher();
            let reach = Reach::of(glob);
            let whole = glob.strip_prefix(&reach.folder).is_some_and(|rest| rest == "/**" || reach.folder.is_empty() && rest == "**");
            Some((reach, whole, matcher))
        };
        Self { all: globs.iter().filter_map(ready).collect(), except: Vec::new() }
    }

    fn except(self, globs: &[String]) -> Self {
        Self { except: Self::new(globs).all, ..self }
    }

    /// Some glob can name something of this folder.
    fn reach(&self, folder: &str) -> bool {
        self.all.iter().any(|(reach, ..)| reach.has(folder))
    }

    /// Everything in this folder fits, whatever its name.
    fn takes_all(&self, folder: &str) -> bool {
        self.all.iter().any(|(reach, whole, _)| *whole && reach.has(folder)) && !self.except.iter().any(|(reach, ..)| reach.has(folder))
    }

    /// Some glob can name something of this folder or below it.
    fn meets(&self, folder: &str) -> bool {
        self.all.iter().any(|(reach, ..)| reach.has(folder) || is_below(&reach.folder, folder))
    }

    fn fits(&self, folder: &str, path: &str) -> bool {
        let any = |globs: &[(Reach, bool, GlobMatcher)]| globs.iter().any(|(reach, whole, matcher)| reach.has(folder) && (*whole || matcher.is_match(path)));
        any(&self.all) && !any(&self.except)
    }
}

fn is_below(folder: &str, base: &str) -> bool {
    base.is_empty() || folder.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A path below a folder.
fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Globs as a question about names, without a look at the disk.
pub struct Patterns(Globs);

impl Patterns {
    /// Ready to match.
    pub fn new(globs: &[String]) -> Self {
        Self(Globs::new(globs))
    }

    /// The first path that some glob names. A path that may be a folder (a submodule, another repository) stands for all that is in it.
    pub fn find<'p>(&self, paths: &'p [String], is_folder: &dyn Fn(&str) -> bool) -> Option<&'p String> {
        paths.iter().find(|path| {
            let plain = path.trim_end_matches('/');
            let folder = plain.rsplit_once('/').map_or("", |(folder, _)| folder);
            self.0.fits(folder, plain) || (path.ends_with('/') || is_folder(plain)) && self.0.meets(plain)
        })
    }
}

impl Inputs {
    /// What the cache remembers; nothing where it is damaged, is another version's, or is of another folder.
    pub fn open(root: &Path, file: PathBuf) -> Self {
        let Cached { dirs, memo } = std::fs::read(&file).ok().and_then(|bytes| cache::decode(root, bytes)).unwrap_or_default();
        Self { root: root.to_owned(), file, dirs, memo, changed: false }
    }

    /// Looks at everything below the folders that some globs cannot leave. `now` is the wall clock, in nanoseconds since 1970.
    pub fn look(&mut self, globs: &[String], now: u64) {
        let all: BTreeSet<Reach> = globs.iter().map(|glob| Reach::of(glob)).collect();
        // What another one covers is not looked at twice.
        let covers = |one: &Reach, other: &Reach| one != other && one.deep && is_below(&other.folder, &one.folder);
        let wanted: Vec<Reach> = all.iter().filter(|reach| !all.iter().any(|other| covers(other, reach))).cloned().collect();
        let (found, changed) = scan::walk(&self.root, &wanted, &self.dirs, now);
        // What nobody asked for now keeps its place in the cache.
        let covered = |folder: &str| wanted.iter().any(|reach| reach.has(folder));
        let stale: Vec<String> = self.dirs.keys().filter(|folder| !found.contains(*folder) && covered(folder)).cloned().collect();
        if changed.is_empty() && stale.is_empty() {
            return;
        }
        self.changed = true;
        self.memo.forget(&stale.iter().chain(changed.iter().map(|(folder, _)| folder)).map(String::as_str).collect());
        for folder in stale {
            self.dirs.remove(&folder);
        }
        self.dirs.extend(changed);
    }

    /// The digest of the files that some globs name and some others do not, as they were at the last look; or the path that has none, and why.
    pub fn digest(&mut self, globs: &[String], except: &[String], now: u64) -> Result<Digest, String> {
        let asked = Asked::new(globs, except);
        if let Some(known) = self.memo.get(&asked) {
            return Ok(known.digest.clone());
        }
        let globs = Globs::new(globs).except(except);
        if let Some((folder, _)) = self.dirs.iter().find(|(folder, dir)| dir.unseen && globs.reach(folder)) {
            return Err(format!("`{folder}` cannot be looked at as a whole"));
        }
        self.read_missing(&globs, now)?;
        // One long text each: to hash it at once is several times as fast as piece by piece.
        let (mut content, mut stats, mut files, mut is_racy) = (Vec::new(), Vec::new(), 0, false);
        for (folder, dir, entry) in self.matching(&globs) {
            let name = dir.name(&entry);
            let hash = entry.hash.ok_or_else(|| format!("`{}` could not be read", join(folder, name)))?;
            content.extend(((folder.len() + name.len()) as u64).to_le_bytes());
            for part in [folder.as_bytes(), b"/", name.as_bytes(), &[u8::from(entry.kind == Kind::Program)], &hash[..]] {
                content.extend_from_slice(part);
            }
            stats.extend(entry.stamp.bytes());
            files += 1;
            is_racy |= entry.is_racy;
        }
        let hex = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
        let content = hex(&content);
        let digest = Digest { stats: hex(&[content.as_bytes(), &stats].concat()), content, files };
        self.changed |= !is_racy;
        self.memo.keep(asked, Known { digest: digest.clone(), is_racy });
        Ok(digest)
    }

    /// The files that some globs name with their contents, for a person who asks what changed.
    pub fn files(&self, globs: &[String], except: &[String]) -> BTreeMap<String, String> {
        let globs = Globs::new(globs).except(except);
        let hex = |entry: &Entry| entry.hash.map(|hash| blake3::Hash::from_bytes(hash).to_hex()[..16].to_owned()).unwrap_or_default();
        self.matching(&globs).map(|(folder, dir, entry)| (join(folder, dir.name(&entry)), hex(&entry))).collect()
    }

    /// Writes the cache, if there is anything new in it.
    pub fn save(&mut self) -> std::io::Result<()> {
        if std::mem::take(&mut self.changed) {
            crate::rundir::write_atomic(&self.file, &cache::encode(&self.root, &self.dirs, &self.memo))?;
        }
        Ok(())
    }

    fn matching<'s>(&'s self, globs: &'s Globs) -> impl Iterator<Item = (&'s str, &'s Dir, Entry)> {
        let dirs = self.dirs.iter().filter(|(folder, _)| globs.reach(folder));
        dirs.flat_map(move |(folder, dir)| {
            let files = dir.rows.iter().filter(|entry| entry.kind != Kind::Folder);
            let all = globs.takes_all(folder);
            files.filter(move |entry| all || globs.fits(folder, &join(folder, dir.name(entry)))).map(move |entry| (folder.as_str(), dir, entry))
        })
    }

    /// Reads the files that match and have no hash yet, on all cores.
    fn read_missing(&mut self, globs: &Globs, now: u64) -> Result<(), String> {
        let mut missing: Vec<(String, Entry)> = Vec::new();
        for (folder, dir, entry) in self.matching(globs).filter(|(.., entry)| entry.hash.is_none()) {
            let path = join(folder, dir.name(&entry));
            if entry.kind == Kind::Other {
                return Err(format!("`{path}` is neither a file nor a link to one"));
            }
            missing.push((path, entry));
        }
        let read = spread(&missing, |(path, entry)| {
            let is_racy = entry.stamp.newest().saturating_add(RACY) > now;
            (path.as_str(), Entry { hash: scan::hash(&self.root.join(path)).ok(), is_racy, ..*entry })
        });
        let mut by_folder: BTreeMap<&str, BTreeMap<u32, Entry>> = BTreeMap::new();
        for (path, entry) in read {
            by_folder.entry(path.rsplit_once('/').map_or("", |(folder, _)| folder)).or_default().insert(entry.at, entry);
        }
        for (folder, read) in by_folder {
            if let Some(dir) = self.dirs.get_mut(folder) {
                dir.rows = dir.rows.iter().map(|entry| read.get(&entry.at).copied().unwrap_or(entry)).collect();
                self.changed = true;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
