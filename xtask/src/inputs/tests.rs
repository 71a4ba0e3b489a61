use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// Long after everything that a test writes, so that nothing is racy.
const LATER: u64 = u64::MAX / 2;

fn globs(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn put(root: &Path, name: &str, text: &str) {
    crate::rundir::write_atomic(&root.join(name), text.as_bytes()).expect("written");
}

/// The slow truth: every file of the tree read again, by another walk.
fn slow(root: &Path, globs: &[String]) -> BTreeMap<String, String> {
    let matchers: Vec<GlobMatcher> =
        globs.iter().map(|glob| GlobBuilder::new(glob).literal_separator(true).build().expect("a glob").compile_matcher()).collect();
    let own = |entry: &walkdir::DirEntry| !OWN.contains(&entry.file_name().to_str().unwrap_or_default());
    let all = walkdir::WalkDir::new(root).into_iter().filter_entry(own).flatten().filter(|entry| entry.file_type().is_file());
    all.filter_map(|entry| {
        let path = entry.path().strip_prefix(root).ok()?.to_str()?.to_owned();
        let fits = matchers.iter().any(|matcher| matcher.is_match(&path));
        let mode = entry.metadata().ok()?.permissions().mode() & 0o111;
        fits.then(|| (path, format!("{} {}", mode != 0, blake3::hash(&fs::read(entry.path()).expect("read")).to_hex())))
    })
    .collect()
}

/// The moment after which a change cannot be missed: what has the file system's own time of now, or a younger one, is racy, and nothing else is.
/// A file that is removed and made again within one tick of its clock can have the same stat.
fn tick(near: &Path) -> u64 {
    let probe = near.with_extension("probe");
    crate::rundir::write_atomic(&probe, b"").expect("written");
    let time = fs::metadata(&probe).and_then(|found| found.modified()).expect("a time");
    time.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_nanos() as u64 + RACY - 1
}

fn fast(root: &Path, file: &Path, globs: &[String]) -> Digest {
    let now = tick(file);
    let mut inputs = Inputs::open(root, file.to_owned());
    inputs.look(globs, now);
    let digest = inputs.digest(globs, &[], now).expect("readable");
    inputs.save().expect("saved");
    digest
}

/// After any edits, what the stat cache says is the same exactly where a full reading is the same.
#[test]
fn the_stat_cache_agrees_with_a_full_reading_after_any_edits() {
    let sets = [globs(&["**"]), globs(&["a/**", "*.txt"]), globs(&["a/b/*.txt", "c.txt"]), globs(&["a/**/x.txt", "{a,b}/c/**"]), globs(&["missing/**"])];
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let folder = tempfile::tempdir().expect("temporary folder");
        let (root, file) = (folder.path().join("root"), folder.path().join("cache"));
        fs::create_dir_all(&root).expect("created");
        let mut before: Vec<(BTreeMap<String, String>, String)> = Vec::new();
        for step in 0..12 {
            for _ in 0..random.usize(0..4) {
                edit(&root, &mut random, step);
            }
            let now: Vec<_> = sets.iter().map(|globs| (slow(&root, globs), fast(&root, &file, globs).content)).collect();
            for ((globs, (was, known)), (is, found)) in sets.iter().zip(&before).zip(&now) {
                assert_eq!(was == is, known == found, "seed {seed}, step {step}, {globs:?}: {was:?} then {is:?}");
            }
            before = now;
        }
    }
}

fn edit(root: &Path, random: &mut fastrand::Rng, step: u32) {
    const NAMES: &[&str] = &["c.txt", "x.txt", "a/x.txt", "a/b/x.txt", "a/b/y.txt", "a/c/z.bin", "b/c/x.txt", "b/x.txt", ".git/x.txt"];
    let name = NAMES[random.usize(0..NAMES.len())];
    let path = root.join(name);
    match random.u8(0..7) {
        0 | 1 => put(root, name, &format!("content {}", random.u8(0..3))),
        // In place, of the same length: only the times tell.
        2 if path.is_file() => {
            use std::io::{Seek as _, Write as _};
            let mut file = fs::File::options().write(true).open(&path).expect("opened");
            file.rewind().expect("rewound");
            file.write_all(format!("content {}", random.u8(0..3)).as_bytes()).expect("written");
        }
        3 => fs::remove_file(&path).unwrap_or_default(),
        4 => fs::rename(&path, root.join(format!("a/moved-{step}.txt"))).unwrap_or_default(),
        5 if path.is_file() => fs::set_permissions(&path, fs::Permissions::from_mode(if random.bool() { 0o755 } else { 0o644 })).expect("allowed"),
        // The same content under another time.
        6 if path.is_file() => {
            let text = fs::read(&path).expect("read");
            crate::rundir::write_atomic(&path, &text).expect("written");
        }
        _ => {}
    }
}

#[test]
fn what_was_written_a_moment_ago_is_read_again() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (root, file) = (folder.path().join("root"), folder.path().join("cache"));
    put(&root, "a.txt", "one");
    let all = globs(&["**"]);
    let written = fs::metadata(root.join("a.txt")).and_then(|found| found.modified()).expect("a time");
    let now = written.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_nanos() as u64;
    for (when, trusted) in [(now + RACY / 2, false), (now + 2 * RACY, true)] {
        let mut inputs = Inputs::open(&root, file.clone());
        inputs.look(&all, when);
        inputs.digest(&all, &[], when).expect("readable");
        inputs.save().expect("saved");
        // Also by this very process, at its next look.
        inputs.look(&all, when);
        assert_eq!(inputs.memo.get(&Asked::new(&all, &[])).is_some(), trusted);
        let known = cache::decode(&root, fs::read(&file).expect("a cache")).expect("whole");
        assert_eq!(known.memo.lasting().count(), usize::from(trusted));
        let known = known.dirs;
        assert_eq!(known[""].rows.get(0).expect("a row").hash.is_some(), trusted);
        assert_eq!(known[""].stamp != rows::Stamp::default(), trusted);
    }
}

#[test]
fn a_cache_that_is_cut_or_of_another_folder_is_empty() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (root, file) = (folder.path().join("root"), folder.path().join("cache"));
    put(&root, "a/b.txt", "one");
    let mut inputs = Inputs::open(&root, file.clone());
    inputs.look(&globs(&["**"]), LATER);
    inputs.digest(&globs(&["**"]), &globs(&["b/**"]), LATER).expect("readable");
    inputs.save().expect("saved");
    let whole = fs::read(&file).expect("a cache");
    assert!(cache::decode(&root, whole.clone()).is_some_and(|cached| (cached.dirs.len(), cached.memo.lasting().count()) == (2, 1)));
    assert!(cache::decode(folder.path(), whole.clone()).is_none());
    for cut in 0..whole.len() {
        assert!(cache::decode(&root, whole[..cut].to_vec()).is_none(), "cut at {cut}");
        let mut other = whole.clone();
        other[cut] ^= 1;
        assert!(cache::decode(&root, other).is_none(), "changed at {cut}");
    }
}

#[test]
fn a_link_counts_as_the_file_behind_it_and_a_folder_behind_one_is_refused() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (root, file) = (folder.path().join("root"), folder.path().join("cache"));
    put(&root, "in/a.txt", "one");
    put(folder.path(), "outside.txt", "one");
    std::os::unix::fs::symlink("../../outside.txt", root.join("in/link.txt")).expect("linked");
    let all = globs(&["in/**"]);
    let one = fast(&root, &file, &all);
    put(folder.path(), "outside.txt", "two");
    assert_ne!(one.content, fast(&root, &file, &all).content);
    std::os::unix::fs::symlink("..", root.join("in/up")).expect("linked");
    let mut inputs = Inputs::open(&root, file);
    inputs.look(&all, LATER);
    assert_eq!(inputs.digest(&all, &[], LATER), Err("`in/up` is neither a file nor a link to one".to_owned()));
}

#[test]
fn a_name_that_no_glob_can_say_is_no_digest() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().expect("temporary folder");
    let root = folder.path().join("root");
    put(&root, "in/a.txt", "one");
    put(&root, "out/a.txt", "one");
    fs::File::create(root.join("in").join(std::ffi::OsStr::from_bytes(b"\xff"))).expect("created");
    let (all, cache) = (globs(&["in/**"]), folder.path().join("cache"));
    // Also behind the cache of an earlier look.
    for _ in 0..2 {
        let mut inputs = Inputs::open(&root, cache.clone());
        inputs.look(&globs(&["**"]), LATER);
        assert_eq!(inputs.digest(&all, &[], LATER), Err("`in` cannot be looked at as a whole".to_owned()));
        assert!(inputs.digest(&globs(&["out/**"]), &[], LATER).is_ok());
        inputs.save().expect("saved");
    }
}

#[test]
fn a_write_that_changes_nothing_is_seen_in_the_stats() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (root, file) = (folder.path().join("root"), folder.path().join("cache"));
    put(&root, "a.txt", "one");
    let all = globs(&["a.txt"]);
    let before = fast(&root, &file, &all);
    put(&root, "a.txt", "one");
    let after = fast(&root, &file, &all);
    assert_eq!((before.content == after.content, before.stats == after.stats, after.files), (true, false, 1));
}

#[test]
fn what_others_make_can_be_left_out() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let root = folder.path().join("root");
    put(&root, "a/own.txt", "one");
    put(&root, "a/made.txt", "one");
    let mut inputs = Inputs::open(&root, folder.path().join("cache"));
    inputs.look(&globs(&["a/**"]), LATER);
    assert_eq!(inputs.files(&globs(&["a/**"]), &globs(&["a/made*"])).into_keys().collect::<Vec<_>>(), ["a/own.txt"]);
    // Not what is known of the same globs without.
    assert_eq!(inputs.digest(&globs(&["a/**"]), &[], LATER).expect("readable").files, 2);
    assert_eq!(inputs.digest(&globs(&["a/**"]), &globs(&["a/made*"]), LATER), inputs.digest(&globs(&["a/own.txt"]), &[], LATER));
}

#[test]
fn globs_reach_as_far_as_they_must() {
    let reach = |glob: &str| {
        let Reach { folder, deep } = Reach::of(glob);
        (folder, deep)
    };
    for (glob, folder, deep) in [
        ("a.txt", "", false),
        ("a/b.txt", "a", false),
        ("*.txt", "", false),
        ("a/*.txt", "a", false),
        ("a/**", "a", true),
        ("**", "", true),
        ("a/*/b.txt", "a", true),
        ("a/{b,c/d}/x", "a", true),
    ] {
        assert_eq!(reach(glob), (folder.to_owned(), deep), "{glob}");
    }
}
