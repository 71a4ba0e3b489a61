//! A first gates.toml for a repository: what its files say about how it is built and tested. A function of a list of files, their texts and
//! the versions that the machine has; runs nothing and writes nothing.

mod draft;
mod node;
mod others;
mod python;

use std::collections::{BTreeMap, BTreeSet};

pub use draft::{Draft, Gate, Runtime};

/// A repository as `init` sees it.
pub struct Tree<'t> {
    /// Files, relative to the root, with `/`.
    pub files: BTreeSet<String>,
    /// The text of a file; none where it cannot be read.
    pub read: &'t dyn Fn(&str) -> Option<String>,
    /// Versions of `python`, `node` and `rust` on this machine, for pins that are not there yet.
    pub versions: BTreeMap<&'static str, String>,
}

impl std::fmt::Debug for Tree<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree").field("files", &self.files.len()).field("versions", &self.versions).finish_non_exhaustive()
    }
}

/// Folders in which nobody's own code lies.
const FOREIGN: &[&str] =
    &["node_modules", ".venv", "venv", "target", "dist", "build", ".git", ".gates", "site-packages", "vendor", ".tox", "fixtures", "testdata"];

impl Tree<'_> {
    /// Own code: not below a folder that tools fill.
    fn own(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str).filter(|file| !file.split('/').rev().skip(1).any(|part| FOREIGN.contains(&part)))
    }

    fn has(&self, folder: &str, name: &str) -> bool {
        self.files.contains(&join(folder, name))
    }

    fn text(&self, folder: &str, name: &str) -> String {
        if self.has(folder, name) { (self.read)(&join(folder, name)).unwrap_or_default() } else { String::new() }
    }

    /// Folders that hold one of some files, the outermost first.
    fn folders(&self, names: &[&str]) -> Vec<String> {
        let mut found: Vec<String> = self.own().filter(|file| names.contains(&name_of(file))).map(|file| folder_of(file).to_owned()).collect();
        found.sort_by_key(|folder| (folder.matches('/').count() + usize::from(!folder.is_empty()), folder.clone()));
        found.dedup();
        found
    }

    /// A pin file in a folder or above it.
    fn pin(&self, folder: &str, names: &[&str]) -> Option<String> {
        let mut at = folder;
        loop {
            if let Some(name) = names.iter().find(|name| self.has(at, name)) {
                return Some(join(at, name));
            }
            if at.is_empty() {
                return None;
            }
            at = folder_of(at);
        }
    }
}

/// What was found, as a draft of gates.toml.
pub fn draft(tree: &Tree<'_>) -> Draft {
    let mut draft = Draft::default();
    python::look(tree, &mut draft);
    node::look(tree, &mut draft);
    others::look(tree, &mut draft);
    draft
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn folder_of(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn name_of(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// An id out of a folder's name; the stack's word where the folder is the root.
fn id(folder: &str, stack: &str) -> String {
    let name: String = name_of(folder).to_lowercase().chars().map(|sign| if sign.is_ascii_alphanumeric() { sign } else { '-' }).collect();
    let name = name.trim_matches('-').to_owned();
    if name.is_empty() { stack.to_owned() } else { name }
}

#[cfg(test)]
mod tests;
