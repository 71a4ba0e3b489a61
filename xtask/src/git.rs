//! The state of the source as git sees it, and what its objects hold. Knows commits and trees, not runs.

mod objects;

use std::path::Path;

pub use objects::{Changed, Entry, Fault, Git, short};

use xshell::{Shell, cmd};

use crate::beside::both;

/// Commit, tree and digest of what is not committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Commit; none outside of git or before the first commit.
    pub commit: Option<String>,
    /// Tree of the commit.
    pub tree: Option<String>,
    /// BLAKE3 over the diff and the untracked files; none when the tree is clean.
    pub dirty: Option<String>,
}

/// Reads the state. Outside of a git repository everything is none.
pub fn state(root: &Path) -> State {
    if !root.ancestors().any(|folder| folder.join(".git").exists()) {
        return State::default();
    }
    // All are asked at once: a run waits for them before its first gate and after its last.
    let changes = || git(root, &[&["status", "--porcelain=v1", "-z", "--untracked-files=normal", "--"], OWN].concat());
    let flags = || git(root, &["ls-files", "-v", "-z"]);
    let (changes, (flags, named)) = both(changes, || both(flags, || git(root, &["rev-parse", "HEAD", "HEAD^{tree}"])));
    let (changes, flags) = (changes.ok().flatten(), flags.ok().flatten());
    let named = String::from_utf8_lossy(&named.unwrap_or_default()).trim().to_owned();
    let mut named = named.lines().map(str::to_owned);
    let (commit, tree) = (named.next(), named.next());
    if commit.is_some() && may_hide(flags.as_deref()) {
        return State { dirty: Git::new(root).hidden(commit.as_deref()), commit, tree };
    }
    if changes.is_some_and(|changes| changes.is_empty()) {
        return State { commit, tree, dirty: None };
    }
    let base = if commit.is_some() { "HEAD" } else { "4b825dc642cb6eb9a060e54bf8d69288fbee4904" };
    let diff = git(root, &[&["diff", "--binary", "--no-ext-diff", "--no-textconv", base, "--"], OWN].concat()).unwrap_or_default();
    let untracked = git(root, &[&["ls-files", "--others", "--exclude-standard", "-z", "--"], OWN].concat()).unwrap_or_default();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&diff);
    for name in untracked.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        hasher.update(name);
        let content = std::fs::read(root.join(String::from_utf8_lossy(name).as_ref())).unwrap_or_default();
        hasher.update(blake3::hash(&content).as_bytes());
    }
    State { commit, tree, dirty: Some(hasher.finalize().to_hex().to_string()) }
}

/// Everything but what this program keeps beside the source: sign-offs and trust are no part of what is gated.
const OWN: &[&str] = &[".", ":(exclude).gates"];

/// There may be changes that `git status` does not show: some entry hides its own, or nobody knows what the entries do.
fn may_hide(flags: Option<&[u8]>) -> bool {
    flags.is_none_or(|flags| flags.split(|byte| *byte == 0).any(hides_changes))
}

/// An entry of `ls-files -v` whose changes `git status` does not show: assumed unchanged (a small letter) or outside of the work tree.
fn hides_changes(entry: &[u8]) -> bool {
    entry.first().is_some_and(|flag| flag.is_ascii_lowercase() || *flag == b'S')
}

/// What a git command says; none when it cannot be asked.
fn git(root: &Path, args: &[&str]) -> Option<Vec<u8>> {
    let shell = Shell::new().ok()?;
    shell.change_dir(root);
    // The caller's own git variables (in a hook, say) must not point us elsewhere.
    let command = cmd!(shell, "git {args...}").env_remove("GIT_DIR").env_remove("GIT_INDEX_FILE").env_remove("GIT_WORK_TREE");
    command.quiet().ignore_stderr().output().ok().map(|output| output.stdout)
}

#[cfg(test)]
mod tests {
    use super::may_hide;

    #[test]
    fn what_git_could_not_say_may_hide_something() {
        assert!(!may_hide(Some(b"H a\0H b\0")) && !may_hide(Some(b"")));
        assert!(may_hide(Some(b"H a\0h b\0")), "assumed unchanged");
        assert!(may_hide(Some(b"S a\0H b\0")), "outside of the work tree");
        assert!(may_hide(None));
    }
}
