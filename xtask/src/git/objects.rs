//! Commits, trees and blobs as they were written: replaced objects, hidden flags and the caller's own git variables do not count.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use xshell::{Shell, cmd};

/// Git could not say something; its words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);

/// A file of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Mode, such as 100644.
    pub mode: String,
    /// Object.
    pub id: String,
    /// Bytes; none for what is no blob.
    pub size: Option<u64>,
    /// Path, relative to the root.
    pub path: String,
}

/// The repository around a folder; paths are relative to that folder.
#[derive(Clone, Debug)]
pub struct Git {
    root: PathBuf,
}

/// What differs from a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The commit that was compared with: where the history of HEAD and of the named one part.
    pub base: String,
    /// Paths, relative to the root, sorted.
    pub files: Vec<String>,
}

/// What a command printed and how it ended.
struct Said {
    code: i32,
    out: Vec<u8>,
    err: String,
}

impl Git {
    /// The repository around a folder.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The id of the commit that a name means.
    pub fn commit(&self, name: &str) -> Result<String, Fault> {
        let wanted = format!("{name}^{{commit}}");
        self.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted])
            .map_err(|_| Fault(format!("`{name}` names no commit that this repository has")))
    }

    /// The tree of a commit without what lies below `.gates/`: the code that a sign-off is about.
    pub fn code_tree(&self, commit: &str) -> Result<String, Fault> {
        self.with_index(|index| {
            self.index(index, &["read-tree", commit])?;
            self.index(index, &["rm", "-rqf", "--cached", "--ignore-unmatch", "--", ".gates"])?;
            self.index(index, &["write-tree"])
        })
    }

    /// The same of the files as they are now, whatever flags the index has.
    pub fn work_tree(&self, commit: &str) -> Result<String, Fault> {
        self.with_index(|index| {
            self.index(index, &["read-tree", commit])?;
            self.index(index, &["add", "--all", "--", ":/"])?;
            self.index(index, &["rm", "-rqf", "--cached", "--ignore-unmatch", "--", ".gates"])?;
            self.index(index, &["write-tree"])
        })
    }

    /// The tree of the files where it is not that of the commit; none where it is.
    pub(super) fn hidden(&self, commit: Option<&str>) -> Option<String> {
        let commit = commit?;
        match (self.work_tree(commit), self.code_tree(commit)) {
            (Ok(now), Ok(then)) if now == then => None,
            (Ok(now), Ok(_)) => Some(now),
            (Err(why), _) | (_, Err(why)) => Some(why.0),
        }
    }

    /// The first commit is the second one, or an ancestor of it.
    pub fn is_ancestor(&self, one: &str, other: &str) -> Result<bool, Fault> {
        let said = self.ask(&["merge-base", "--is-ancestor", one, other])?;
        match said.code {
            0 => Ok(true),
            1 if !self.is_shallow() => Ok(false),
            1 => Err(Fault(format!("this clone is shallow, and {} may be behind its edge", short(one)))),
            _ => Err(Fault(format!("whether {} is behind {} cannot be said: {}", short(one), short(other), said.err))),
        }
    }

    /// Files that differ from where this branch left a commit: committed since, changed, or new and not ignored. What git was told to
    /// take for unchanged may be changed, so it is among them. A submodule, or a repository that is no submodule, is named as a folder,
    /// with a slash behind it where git says so.
    pub fn changed_since(&self, name: &str) -> Result<Changed, Fault> {
        let named = self.commit(name)?;
        let base = self.line(&["merge-base", "HEAD", &named]).map_err(|_| {
            let shallow = if self.is_shallow() { ", and this clone is shallow" } else { "" };
            Fault(format!("HEAD and `{name}` have no common commit{shallow}"))
        })?;
        let differ = self.run(&["diff", "--name-only", "--no-renames", "--no-ext-diff", "--relative", "-z", &base, "--", "."])?;
        let new = self.run(&["ls-files", "--others", "--exclude-standard", "-z", "--", "."])?;
        let flags = self.run(&["ls-files", "-v", "-z", "--", "."])?;
        // A sparse tree lacks most of what it marks with S; anything else that is gone was removed.
        let lacks = |entry: &[u8], name: &[u8]| entry.first() == Some(&b'S') && !self.root.join(String::from_utf8_lossy(name).as_ref()).exists();
        let hidden = flags.split(|byte| *byte == 0).filter(|entry| super::hides_changes(entry));
        let hidden = hidden.filter_map(|entry| entry.get(2..).filter(|name| !lacks(entry, name)));
        let names: BTreeSet<String> = [differ, new]
            .iter()
            .flat_map(|said| said.split(|byte| *byte == 0))
            .chain(hidden)
            .filter(|name| !name.is_empty())
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        Ok(Changed { base, files: names.into_iter().collect() })
    }

    /// The clone lacks history.
    pub fn is_shallow(&self) -> bool {
        self.line(&["rev-parse", "--is-shallow-repository"]).as_deref() != Ok("false")
    }

    /// Files of a folder at a commit, sorted by path.
    pub fn list(&self, commit: &str, folder: &str) -> Result<Vec<Entry>, Fault> {
        let said = self.run(&["ls-tree", "-r", "-l", "-z", commit, "--", &format!("{folder}/")])?;
        let text = String::from_utf8_lossy(&said);
        let entry = |line: &str| {
            let (front, path) = line.split_once('\t')?;
            let mut words = front.split_ascii_whitespace();
            let (mode, _, id, size) = (words.next()?, words.next()?, words.next()?, words.next()?);
            Some(Entry { mode: mode.to_owned(), id: id.to_owned(), size: size.parse().ok(), path: path.to_owned() })
        };
        Ok(text.split('\0').filter_map(entry).collect())
    }

    /// A file at a commit; none where the commit has no such file.
    pub fn file(&self, commit: &str, path: &str) -> Result<Option<Vec<u8>>, Fault> {
        let said = self.run(&["ls-tree", "-z", commit, "--", path])?;
        let text = String::from_utf8_lossy(&said);
        let Some((front, _)) = text.split_once('\t') else { return Ok(None) };
        match front.split_ascii_whitespace().collect::<Vec<_>>()[..] {
            ["100644" | "100755", "blob", id] => self.blob(id).map(Some),
            _ => Err(Fault(format!("{path} at {} is no regular file", short(commit)))),
        }
    }

    /// A blob.
    pub fn blob(&self, id: &str) -> Result<Vec<u8>, Fault> {
        self.run(&["cat-file", "blob", id])
    }

    /// The tree of a folder, or the blob of a file, at a commit; none where there is neither.
    pub fn object(&self, commit: &str, path: &str) -> Result<Option<String>, Fault> {
        let said = self.run(&["ls-tree", "-z", commit, "--", path.trim_end_matches('/')])?;
        Ok(String::from_utf8_lossy(&said).split('\t').next().and_then(|front| front.split_ascii_whitespace().nth(2)).map(str::to_owned))
    }

    /// Commits up to one that touched a folder, newest first.
    pub fn touching(&self, commit: &str, folder: &str) -> Result<Vec<String>, Fault> {
        let said = self.run(&["log", "--format=%H", "--topo-order", "--full-history", commit, "--", folder])?;
        Ok(String::from_utf8_lossy(&said).lines().map(str::to_owned).collect())
    }

    /// Files of a folder that were changed, removed or retyped on the way from one commit to another, merges as one step.
    pub fn taken_away(&self, from: &str, to: &str, folder: &str) -> Result<Vec<String>, Fault> {
        let range = format!("{from}..{to}");
        let said = self.run(&["log", "-m", "--first-parent", "--no-renames", "--diff-filter=DMT", "--name-status", "--format=", &range, "--", folder])?;
        let lines = String::from_utf8_lossy(&said).lines().filter(|line| !line.is_empty()).map(|line| line.replace('\t', " ")).collect();
        Ok(lines)
    }

    /// Mail addresses of authors, committers and co-authors of what changed outside of `.gates/` between two commits, in small letters. Whoever
    /// commits a sign-off has written no code by that.
    pub fn authors(&self, from: Option<&str>, to: &str) -> Result<BTreeSet<String>, Fault> {
        let range = from.map_or_else(|| to.to_owned(), |from| format!("{from}..{to}"));
        let said = self.run(&[
            "log",
            "--no-use-mailmap",
            "--format=%ae%n%ce%n%(trailers:key=Co-authored-by,valueonly)",
            "--full-history",
            &range,
            "--",
            ":/",
            ":(exclude).gates",
        ])?;
        let mail = |line: &str| {
            let line = line.trim();
            line.rsplit_once('<').map_or(line, |(_, rest)| rest.trim_end_matches('>')).to_lowercase()
        };
        Ok(String::from_utf8_lossy(&said).lines().map(mail).filter(|mail| !mail.is_empty()).collect())
    }

    /// How many commits lie between two.
    pub fn count(&self, from: Option<&str>, to: &str) -> Result<u64, Fault> {
        let range = from.map_or_else(|| to.to_owned(), |from| format!("{from}..{to}"));
        self.line(&["rev-list", "--count", &range])?.parse().map_err(|cause| Fault(format!("git counts no commits: {cause}")))
    }

    /// A setting.
    pub fn setting(&self, name: &str) -> Option<String> {
        self.line(&["config", "--get", name]).ok().filter(|value| !value.is_empty())
    }

    /// The branch that the remote `origin` points to.
    pub fn default_branch(&self) -> Option<String> {
        self.line(&["symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"]).ok().filter(|name| !name.is_empty())
    }

    /// Files that git ignores.
    pub fn ignored(&self) -> Result<Vec<String>, Fault> {
        let said = self.run(&["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"])?;
        Ok(String::from_utf8_lossy(&said).split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }

    /// Commits files below `.gates/` and nothing else.
    pub fn commit_only(&self, paths: &[String], message: &str) -> Result<String, Fault> {
        self.run(&[&["add", "--force", "--"], &paths.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat())?;
        self.run(&[&["commit", "--quiet", "-m", message, "--only", "--"], &paths.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat())?;
        self.commit("HEAD")
    }

    /// Something with an index of its own, which is gone afterwards.
    fn with_index<T>(&self, step: impl FnOnce(&Path) -> Result<T, Fault>) -> Result<T, Fault> {
        let folder = PathBuf::from(self.line(&["rev-parse", "--absolute-git-dir"])?);
        let index = folder.join(format!("gates-index-{}-{:?}", std::process::id(), std::thread::current().id()).replace(['(', ')'], ""));
        let done = step(&index);
        std::fs::remove_file(&index).ok(); // it is not there where git failed early
        done
    }

    fn index(&self, index: &Path, args: &[&str]) -> Result<String, Fault> {
        let said = self.ask_with(Some(index), args)?;
        told(args, said).map(|out| String::from_utf8_lossy(&out).trim().to_owned())
    }

    fn line(&self, args: &[&str]) -> Result<String, Fault> {
        self.run(args).map(|out| String::from_utf8_lossy(&out).trim().to_owned())
    }

    fn run(&self, args: &[&str]) -> Result<Vec<u8>, Fault> {
        told(args, self.ask(args)?)
    }

    fn ask(&self, args: &[&str]) -> Result<Said, Fault> {
        self.ask_with(None, args)
    }

    fn ask_with(&self, index: Option<&Path>, args: &[&str]) -> Result<Said, Fault> {
        let shell = Shell::new().map_err(|cause| Fault(format!("no shell: {cause}")))?;
        shell.change_dir(&self.root);
        let plain = ["-c", "core.quotePath=false", "-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false", "-c", "core.sparseCheckout=false"];
        let mut command = cmd!(shell, "git {plain...} {args...}")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_GRAFT_FILE", "/dev/null")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("LC_ALL", "C");
        for name in ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"] {
            command = command.env_remove(name);
        }
        if let Some(index) = index {
            command = command.env("GIT_INDEX_FILE", index);
        }
        let output = command.quiet().ignore_status().output().map_err(|cause| Fault(format!("failed to start git: {cause}\n  hint: Debian package `git`")))?;
        let err = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Ok(Said { code: output.status.code().unwrap_or(-1), out: output.stdout, err })
    }
}

fn told(args: &[&str], said: Said) -> Result<Vec<u8>, Fault> {
    if said.code == 0 { Ok(said.out) } else { Err(Fault(format!("git {}: {}", args.join(" "), if said.err.is_empty() { "failed" } else { &said.err }))) }
}

/// The first characters of an object id.
pub fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
