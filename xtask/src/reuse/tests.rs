use std::collections::BTreeSet;
use std::fs;

use super::*;
use crate::inputs::Inputs;

/// A moment at which the stat cache trusts what is older than the file system's time of now, and nothing else: within one tick of its clock a file
/// can be made again with the same stat.
fn tick(near: &Path) -> u64 {
    let probe = near.with_extension("probe");
    write_atomic(&probe, b"").expect("written");
    let time = fs::metadata(&probe).and_then(|found| found.modified()).expect("a time");
    time.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_nanos() as u64 + crate::inputs::RACY - 1
}

fn subject(gate: &str, needs: &[&str], inputs: Option<&str>) -> Subject {
    let parts = inputs.map(|inputs| Parts::from([(INPUTS.to_owned(), inputs.to_owned())])).ok_or_else(|| "it names no inputs".to_owned());
    Subject { gate: gate.to_owned(), needs: needs.iter().map(|need| (*need).to_owned()).collect(), parts }
}

/// Decides, and keeps the result of every gate that ran as if it had passed; gives those that ran.
fn run(subjects: &[Subject], store: &mut Store) -> BTreeSet<String> {
    let decided = decide(subjects, store, &mut |_, _| Ok(()));
    let (mut ran, mut known) = (BTreeSet::new(), BTreeMap::new());
    for subject in subjects {
        if let Some(Decision::Reuse(kept)) = decided.get(&subject.gate) {
            known.insert(subject.gate.clone(), kept.result());
            continue;
        }
        ran.insert(subject.gate.clone());
        let Ok(parts) = &subject.parts else { continue };
        let Some(fingerprint) = fingerprint(parts, &subject.needs, &known) else { continue };
        known.insert(subject.gate.clone(), (fingerprint.clone(), String::new()));
        store.keep(&subject.gate, Kept { fingerprint, parts: parts.clone(), ..Kept::default() });
    }
    ran
}

fn why(subjects: &[Subject], store: &Store, gate: &str) -> String {
    match decide(subjects, store, &mut |_, _| Ok(())).remove(gate) {
        Some(Decision::Run(why)) => why,
        other => format!("{other:?}"),
    }
}

#[test]
fn what_runs_says_why() {
    let mut store = Store::default();
    let subjects = [subject("a", &[], Some("1")), subject("b", &["a"], Some("1")), subject("c", &[], None), subject("d", &["c"], Some("1"))];
    assert_eq!(why(&subjects, &store, "a"), "no result of it is kept");
    run(&subjects, &mut store);
    assert_eq!(run(&subjects, &mut store), BTreeSet::from(["c".to_owned(), "d".to_owned()]), "what has no inputs runs, and so does what needs it");
    assert_eq!((why(&subjects, &store, "c"), why(&subjects, &store, "d")), ("it names no inputs".to_owned(), "it needs c, which runs".to_owned()));
    let changed = [subject("a", &[], Some("2")), subject("b", &["a"], Some("1"))];
    assert!(why(&changed, &store, "a").ends_with(": inputs"), "{}", why(&changed, &store, "a"));
    assert_eq!(why(&changed, &store, "b"), "it needs a, which runs");
    // Back to what was: the results of both are there still.
    run(&changed, &mut store);
    assert!(run(&subjects[..2], &mut store).is_empty());
    // What it needs was made of the same and came out otherwise.
    let outputs = |outputs: &str| fingerprint(&Parts::new(), &["a".to_owned()], &BTreeMap::from([("a".to_owned(), ("x".to_owned(), outputs.to_owned()))]));
    assert_ne!(outputs("1"), outputs("2"));
    // A result that cannot be used any more runs, and what needs it does too.
    let decided = decide(&subjects[..2], &store, &mut |gate, _| if gate == "a" { Err("gone".to_owned()) } else { Ok(()) });
    let told: Vec<String> = decided.values().map(|decision| if let Decision::Run(why) = decision { why.clone() } else { String::new() }).collect();
    assert_eq!(told, ["gone", "it needs a, which runs"]);
}

#[test]
fn another_version_or_a_damaged_file_knows_nothing() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let file = folder.path().join("results.json");
    let mut store = Store::default();
    run(&[subject("a", &[], Some("1"))], &mut store);
    store.save(&file).expect("saved");
    assert_eq!(Store::load(&file), store);
    let text = fs::read_to_string(&file).expect("read");
    for damaged in [text.replace("\"schema\":1", "\"schema\":2"), text[..text.len() / 2].to_owned()] {
        write_atomic(&file, damaged.as_bytes()).expect("written");
        assert_eq!(Store::load(&file), Store::default());
    }
}

/// Random graphs of gates over random files: after any edits exactly those gates run whose files differ when all of them are read again, and
/// whatever depends on them. The fast side has a stat cache that lives on disk.
#[test]
fn exactly_what_changed_and_what_depends_on_it_runs() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let folder = tempfile::tempdir().expect("temporary folder");
        let (root, cache) = (folder.path().join("root"), folder.path().join("cache"));
        let count = random.usize(1..9);
        // Gate n has files of its own, and perhaps those of another.
        let globs: Vec<Vec<String>> = (0..count)
            .map(|gate| {
                let mut own = vec![format!("g{gate}/**")];
                own.extend(random.bool().then(|| format!("g{}/shared-*.txt", random.usize(0..count))));
                own
            })
            .collect();
        let needs: Vec<Vec<usize>> = (0..count).map(|gate| (0..gate).filter(|_| random.u8(0..3) == 0).collect()).collect();
        for gate in 0..count {
            put(&root, &format!("g{gate}/own.txt"), "0");
            put(&root, &format!("g{gate}/shared-{gate}.txt"), "0");
        }
        let (mut store, mut before) = (Store::default(), None);
        for step in 0..8 {
            for _ in 0..random.usize(0..3) {
                let gate = random.usize(0..count);
                let name = if random.bool() { format!("g{gate}/own.txt") } else { format!("g{gate}/shared-{gate}.txt") };
                match random.u8(0..5) {
                    0 => fs::remove_file(root.join(&name)).unwrap_or_default(),
                    1 => put(&root, &name, &fs::read_to_string(root.join(&name)).unwrap_or_default()),
                    2 => put(&root, &format!("g{gate}/deep/new-{step}.txt"), "new"),
                    // Never back to what was: an earlier result would rightly be found again.
                    _ => put(&root, &name, &format!("{seed} {step} {}", random.u32(..))),
                }
            }
            let mut inputs = Inputs::open(&root, cache.clone());
            let all: Vec<String> = globs.iter().flatten().cloned().collect();
            let now = tick(&cache);
            inputs.look(&all, now);
            let subjects: Vec<Subject> = (0..count)
                .map(|gate| {
                    let digest = inputs.digest(&globs[gate], &[], now).expect("readable").content;
                    let names: Vec<String> = needs[gate].iter().map(|need| format!("g{need}")).collect();
                    subject(&format!("g{gate}"), &names.iter().map(String::as_str).collect::<Vec<_>>(), Some(&digest))
                })
                .collect();
            inputs.save().expect("saved");
            let ran = run(&subjects, &mut store);
            let now: Vec<BTreeMap<String, Vec<u8>>> = globs.iter().map(|globs| slow(&root, globs)).collect();
            let mut due: BTreeSet<usize> = (0..count).filter(|gate| before.as_ref().is_none_or(|before: &Vec<_>| before[*gate] != now[*gate])).collect();
            for (gate, needs) in needs.iter().enumerate() {
                if needs.iter().any(|need| due.contains(need)) {
                    due.insert(gate); // needs have smaller numbers
                }
            }
            assert_eq!(ran, due.iter().map(|gate| format!("g{gate}")).collect(), "seed {seed}, step {step}");
            before = Some(now);
        }
    }
}

fn put(root: &Path, name: &str, text: &str) {
    write_atomic(&root.join(name), text.as_bytes()).expect("written");
}

/// Every file that the globs name, read again by another walk.
fn slow(root: &Path, globs: &[String]) -> BTreeMap<String, Vec<u8>> {
    let matchers: Vec<_> =
        globs.iter().map(|glob| globset::GlobBuilder::new(glob).literal_separator(true).build().expect("a glob").compile_matcher()).collect();
    let files = walkdir::WalkDir::new(root).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    let named = files.filter_map(|entry| Some((entry.path().strip_prefix(root).ok()?.to_str()?.to_owned(), fs::read(entry.path()).ok()?)));
    named.filter(|(path, _)| matchers.iter().any(|matcher| matcher.is_match(path))).collect()
}

#[test]
fn what_was_brought_in_part_is_taken_away_again() {
    let place = tempfile::tempdir().expect("a folder");
    let gates = GatesDir::new(place.path());
    let (from, to) = (gates.run("before"), gates.run("now"));
    let job = JobId { gate: "g".to_owned(), iteration: 1 };
    let file = |name: &str| FileRef { path: name.to_owned(), size: 0, digest: String::new() };
    let told = Told { files: vec![file("logs/g.1.log"), file("junit/g.1/1.xml")], ..Told::default() };
    write_atomic(&from.file("logs/g.1.log"), b"before").expect("written");
    bring(&from, &to, &gates, &job, &told).expect_err("one of them is gone");
    take_away(&to, &told.files);
    // The gate runs now, and appends to its log.
    assert!(!to.file("logs/g.1.log").exists());
    write_atomic(&to.file("logs/g.1.log"), b"now").expect("written");
    assert_eq!(fs::read(from.file("logs/g.1.log")).expect("readable"), b"before");
    // All of it: the files are those of the run before, and stay when they are taken out of this one.
    write_atomic(&from.file("junit/g.1/1.xml"), b"<testsuites/>").expect("written");
    take_away(&to, &told.files);
    bring(&from, &to, &gates, &job, &told).expect("brought");
    assert_eq!(fs::read(to.file("logs/g.1.log")).expect("readable"), b"before");
    take_away(&to, &told.files);
    assert!(!to.file("junit/g.1/1.xml").exists() && from.file("junit/g.1/1.xml").exists());
}
