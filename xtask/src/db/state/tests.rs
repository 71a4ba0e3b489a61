use super::super::alembic::Revision;
use super::*;

/// 1 <- 2 <- 3, head 3.
fn graph() -> Graph {
    let revision =
        |id: &str, down: &[&str]| Revision { id: id.to_owned(), down: down.iter().map(|id| (*id).to_owned()).collect(), path: std::path::PathBuf::new() };
    Graph { heads: vec!["3".to_owned()], order: vec![revision("1", &[]), revision("2", &["1"]), revision("3", &["2"])] }
}

fn look(revisions: &[&str]) -> Look {
    Look {
        database: "app".to_owned(),
        server: "15.1".to_owned(),
        revisions: revisions.iter().map(|revision| (*revision).to_owned()).collect(),
        has_version_table: !revisions.is_empty(),
        tables: vec!["public.items".to_owned()],
        ..Look::default()
    }
}

/// The live schema is that of a revision; the others differ in as many lines as they are away.
fn like(revision: usize) -> Compared {
    let away = |other: usize| Difference { extra: vec!["x".to_owned(); revision.abs_diff(other)], missing: Vec::new() };
    Compared { by_revision: (1..=3).map(|other| (other.to_string(), away(other))).collect(), why_not: None }
}

fn status(look: Look, expected: Option<&str>, compared: &Compared) -> Status {
    classify(&Ok(look), &graph(), expected, compared)
}

#[test]
fn every_state_has_its_evidence_and_next_step() {
    let none = Compared::default();
    let empty = Look { tables: Vec::new(), ..look(&[]) };
    assert_eq!(status(empty.clone(), None, &none).state, Migration::Empty);
    assert_eq!(status(Look { has_version_table: true, ..empty.clone() }, None, &none).state, Migration::Empty, "no row is no revision");
    assert_eq!(status(look(&["3"]), None, &like(3)).state, Migration::AtHead);
    let behind = status(look(&["1"]), None, &like(1));
    assert_eq!((behind.state, behind.pending, behind.next.as_str()), (Migration::Behind, vec!["2".to_owned(), "3".to_owned()], "alembic upgrade 3"));
    assert_eq!(status(look(&["3"]), Some("2"), &like(3)).state, Migration::Ahead);
    assert_eq!(status(look(&["9"]), None, &like(3)).state, Migration::UnknownRevision);
    assert_eq!(status(look(&["1", "3"]), None, &none).state, Migration::SeveralHeads);
    let unversioned = status(look(&[]), None, &like(2));
    assert_eq!((unversioned.state, unversioned.nearest[0].clone()), (Migration::PopulatedUnversioned, ("2".to_owned(), 0)));
    let enums = Look { types: vec!["public.state".to_owned()], ..empty };
    assert_eq!(status(enums, None, &none).state, Migration::PopulatedUnversioned, "types outlive tables");
    let forked = Graph { heads: vec!["3".to_owned(), "4".to_owned()], ..graph() };
    assert_eq!(classify(&Ok(look(&["3"])), &forked, None, &none).state, Migration::SeveralHeads);
    for (unasked, wanted) in [(Unasked::Unreachable("x".to_owned()), Migration::Unreachable), (Unasked::NoPermission("x".to_owned()), Migration::NoPermission)]
    {
        let status = classify(&Err(unasked), &graph(), None, &none);
        assert_eq!((status.state, status.evidence.len(), status.next.is_empty()), (wanted, 1, false));
    }
}

#[test]
fn a_stamp_that_lies_is_found() {
    let none = Compared::default();
    let bare = Look { tables: Vec::new(), ..look(&["3"]) };
    assert_eq!(status(bare, None, &none).state, Migration::PartlyMigrated, "what alembic takes for the head");
    let half = status(look(&["2"]), None, &like(3));
    assert_eq!((half.state, half.nearest[0].clone()), (Migration::PartlyMigrated, ("3".to_owned(), 0)));
    assert!(half.evidence.iter().any(|line| line == "extra: x"), "{:?}", half.evidence);
    let unfinished = Look { invalid_indexes: vec!["ix".to_owned()], ..look(&["3"]) };
    assert_eq!(status(unfinished, None, &like(3)).state, Migration::PartlyMigrated);
    let elsewhere = Look { elsewhere: vec!["old".to_owned()], ..look(&[]) };
    assert_eq!(status(elsewhere, None, &none).state, Migration::PartlyMigrated);
    let mut branch = like(3);
    branch.by_revision.remove("3");
    let status_of = |compared: &Compared| status(look(&["3"]), None, compared).evidence;
    assert!(status_of(&branch).iter().any(|line| line.contains("its schema was not compared: no schema of 3 is known")), "{:?}", status_of(&branch));
    let uncompared = Compared { why_not: Some("no server".to_owned()), ..Compared::default() };
    assert!(status(look(&["3"]), None, &uncompared).evidence.contains(&"its schema was not compared: no server".to_owned()));
}

#[test]
fn words_are_unique_and_complete() {
    let words: std::collections::BTreeSet<&str> = Migration::ALL.iter().map(|(state, _)| state.word()).collect();
    assert_eq!(words.len(), 10);
    for (state, _) in Migration::ALL {
        assert_eq!(serde_json::to_value(state).expect("JSON"), state.word());
    }
}
