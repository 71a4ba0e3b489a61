use super::read::parse;
use super::*;
use crate::model::Policy::{Exact, Minor};

fn node(text: &str) -> Result<Wanted, String> {
    parse(".nvmrc", text, RuntimeKind::Node).map(|pin| pin.wanted).map_err(|refusal| refusal.to_string())
}

#[test]
fn nvmrc_in_every_spelling_that_consumers_share() {
    for (text, expected) in [
        ("20", vec![20]),
        ("v20\n", vec![20]),
        ("20.20.2", vec![20, 20, 2]),
        ("20.20.2\r\n", vec![20, 20, 2]),
        ("# why\n20.20.2 # iron\n", vec![20, 20, 2]),
        ("lts/iron", vec![20]),
        ("key=value\n20.20.2\n", vec![20, 20, 2]),
    ] {
        assert_eq!(node(text), Ok(Wanted::Numbers(expected)), "{text:?}");
    }
}

#[test]
fn nvmrc_that_consumers_read_differently_is_refused_each_with_its_reason() {
    for (text, reason) in [
        ("\u{feff}20.20.2", "byte order mark"),
        ("LTS/Iron", "lower case only"),
        ("20.x", "is a range"),
        ("^20", "is a range"),
        ("20\n22\n", "2 versions"),
        ("20 22", "several versions on one line"),
        ("", "names no version"),
        ("# only a comment", "names no version"),
        ("lts/neon", "no long-term line"),
        ("system", "names no version that another machine"),
        ("iron", "is not a version of Node.js"),
    ] {
        let refusal = node(text).expect_err(text);
        assert!(refusal.contains(reason) && refusal.contains("hint:"), "{text:?}: {refusal}");
    }
}

#[test]
fn python_version_is_one_plain_version() {
    let python = |text: &str| parse(".python-version", text, RuntimeKind::Python).map(|pin| pin.wanted).map_err(|refusal| refusal.to_string());
    assert_eq!(python("3.11.7\n"), Ok(Wanted::Numbers(vec![3, 11, 7])));
    for (text, reason) in [
        ("3.11 # c", "uv ignores"),
        ("3.11\n3.12", "2 versions"),
        ("python-3.11", "read it differently"),
        (">=3.11", "is a range"),
        ("pypy3.10", "not a version of CPython"),
    ] {
        assert!(python(text).expect_err(text).contains(reason), "{text}");
    }
}

#[test]
fn policies_compare_as_much_as_they_say() {
    let full = Wanted::Numbers(vec![20, 20, 2]);
    assert!(full.admits("20.20.2", Exact) && !full.admits("20.20.1", Exact));
    assert!(full.admits("20.20.1", Minor) && !full.admits("20.19.1", Minor));
    let major = Wanted::Numbers(vec![20]);
    assert!(major.admits("20.1.0", Minor) && !major.admits("20.1.0", Exact) && !major.admits("22.0.0", Minor));
    assert!(!full.admits("20.20.2-nightly", Minor));
    assert!(Wanted::Channel("1.95.0".to_owned()).admits("1.95.0", Exact));
}

#[test]
fn interpreters_are_found_in_the_folders_of_managers() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let home = folder.path();
    for (path, version) in [
        (".nvm/versions/node/v20.1.0/bin/node", "20.1.0"),
        (".volta/tools/image/node/20.20.2/bin/node", "20.20.2"),
        (".nvm/versions/node/v22.0.0/bin/node", "22.0.0"),
    ] {
        fake_node(&home.join(path), version);
    }
    crate::rundir::write_atomic(&home.join(".nvmrc"), b"20\n").expect("written");
    let ambient: Ambient = [("HOME".to_owned(), home.to_string_lossy().into_owned()), ("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into();
    let runtime = runtime();
    let found = find(home, &runtime, Minor, &ambient, &mut Probes::default()).expect("found");
    assert_eq!((found.says.version.as_str(), found.found_by.as_str()), ("20.20.2", "volta"));

    crate::rundir::write_atomic(&home.join(".nvmrc"), b"18.0.1\n").expect("written");
    let refusal = find(home, &runtime, Minor, &ambient, &mut Probes::default()).expect_err("no 18 here");
    for fact in ["pinned: 18.0.1 (.nvmrc:1, policy minor)", "22.0.0 (nvm)", "hint: nvm install 18.0.1"] {
        assert!(refusal.contains(fact), "{refusal}");
    }
}

#[test]
fn a_liar_is_found_out_and_an_answer_is_kept() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let exe = folder.path().join("node");
    fake_node(&exe, "20.0.0");
    let ambient: Ambient = [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into();
    let mut probes = Probes::load(folder.path().join("probes.json"));
    assert_eq!(probes.ask(RuntimeKind::Node, &exe, &ambient).expect("answers").version, "20.0.0");
    probes.save();
    let mut kept = Probes::load(folder.path().join("probes.json"));
    assert_eq!(kept.ask(RuntimeKind::Node, &exe, &ambient).expect("kept").version, "20.0.0");
    fake_node(&exe, "21.10.0");
    assert_eq!(kept.ask(RuntimeKind::Node, &exe, &ambient).expect("asked again").version, "21.10.0");
    crate::rundir::write_atomic(&exe, b"#!/bin/sh\necho hello\n").expect("written");
    executable(&exe);
    assert!(kept.ask(RuntimeKind::Node, &exe, &ambient).is_err());
}

fn fake_node(exe: &std::path::Path, version: &str) {
    let script = format!("#!/bin/sh\necho {version}\necho {}\n", exe.display());
    crate::rundir::write_atomic(exe, script.as_bytes()).expect("written");
    executable(exe);
}

fn executable(exe: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(exe, std::fs::Permissions::from_mode(0o755)).expect("executable");
}

fn runtime() -> crate::config::Runtime {
    crate::config::Runtime {
        id: "frontend".to_owned(),
        kind: RuntimeKind::Node,
        pin: ".nvmrc".to_owned(),
        policy: Minor,
        cwd: ".".to_owned(),
        lockfiles: Vec::new(),
        install: Vec::new(),
        bin: Vec::new(),
        env: BTreeMap::new(),
    }
}
