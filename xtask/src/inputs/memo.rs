//! Digests that are known from before: each holds until something changes where its globs reach.

use std::collections::{BTreeMap, BTreeSet};

use super::{Digest, Reach};

/// Digests that are kept at once.
const MOST: usize = 100_000;

/// What a digest was asked of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    pub(super) globs: Vec<String>,
    /// BLAKE3 over what is left out: of a long chain of gates that is much, and where it reaches is within the globs.
    pub(super) except: [u8; 32],
}

impl Asked {
    pub(super) fn new(globs: &[String], except: &[String]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for glob in except {
            hasher.update(&(glob.len() as u64).to_le_bytes());
            hasher.update(glob.as_bytes());
        }
        Self { globs: globs.to_vec(), except: *hasher.finalize().as_bytes() }
    }
}

/// A digest that holds until the next change, or the next look.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) digest: Digest,
    /// Of a file that was read too soon after it was written: the next look forgets it, and it is not kept on disk.
    pub(super) is_racy: bool,
}

/// Digests by what they were asked of.
#[derive(Debug, Default)]
pub(super) struct Memo(BTreeMap<Asked, Known>);

impl Memo {
    pub(super) fn get(&self, asked: &Asked) -> Option<&Known> {
        self.0.get(asked)
    }

    pub(super) fn keep(&mut self, asked: Asked, known: Known) {
        if self.0.len() >= MOST {
            self.0.clear(); // of other configurations, mostly
        }
        self.0.insert(asked, known);
    }

    /// Forgets every digest that can name something of these folders, or of folders that came or went with them.
    pub(super) fn forget(&mut self, changed: &BTreeSet<&str>) {
        let meets = |reach: Reach| {
            let below = if reach.folder.is_empty() { String::new() } else { format!("{}/", reach.folder) };
            changed.contains(&*reach.folder) || reach.deep && changed.range(&*below..).next().is_some_and(|next| next.starts_with(&below))
        };
        self.0.retain(|asked, _| !asked.globs.iter().any(|glob| meets(Reach::of(glob))));
    }

    /// Those that may be believed later.
    pub(super) fn lasting(&self) -> impl Iterator<Item = (&Asked, &Digest)> {
        self.0.iter().filter(|(_, known)| !known.is_racy).map(|(asked, known)| (asked, &known.digest))
    }
}
