//! The states of a database of an Alembic application, each made on a real PostgreSQL and named right; and what differs from the models.

use crate::yard::yard;

#[test]
fn every_state_is_named_right() {
    let yard = yard();
    let state = |name: &str| yard.status(name, &[]).0;

    let empty = yard.database(None);
    assert_eq!(state(&empty), "empty");
    let head = yard.database(Some("head"));
    assert_eq!((state(&head).as_str(), yard.status(&head, &["--expect", "head"]).2), ("at-head", 0));

    let behind = yard.database(Some("0001"));
    let (word, told, code) = yard.status(&behind, &["--expect", "head"]);
    assert_eq!((word.as_str(), &told["pending"], code), ("behind", &serde_json::json!(["0002", "0003"]), 1), "{told}");
    assert_eq!(yard.status(&behind, &["--expect", "0001"]).2, 0);

    let (word, told, code) = yard.status(&head, &["--expect", "0002"]);
    assert_eq!((word.as_str(), code), ("ahead", 1), "{told}");

    yard.sql(&empty, "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)");
    assert_eq!(state(&empty), "empty", "a version table without a row says nothing");
    yard.sql(&empty, "INSERT INTO alembic_version VALUES ('0003')");
    let (word, told, code) = yard.status(&empty, &["--expect", "head"]);
    assert_eq!((word.as_str(), code), ("partly-migrated", 1), "stamped, and nothing there: {told}");

    let unknown = yard.database(Some("head"));
    yard.sql(&unknown, "UPDATE alembic_version SET version_num = 'beef'");
    assert_eq!(state(&unknown), "unknown-revision");
    yard.sql(&unknown, "UPDATE alembic_version SET version_num = '0003'; INSERT INTO alembic_version VALUES ('0001')");
    assert_eq!(state(&unknown), "several-heads");

    let unversioned = yard.database(Some("0002"));
    yard.sql(&unversioned, "DELETE FROM alembic_version");
    let (word, told, _) = yard.status(&unversioned, &[]);
    assert_eq!((word.as_str(), &told["nearest"][0]), ("populated-unversioned", &serde_json::json!(["0002", 0])), "{told}");
    yard.sql(&unversioned, "DROP TABLE alembic_version; CREATE TABLE extra (a int)");
    let (word, told, _) = yard.status(&unversioned, &[]);
    assert_eq!((word.as_str(), &told["nearest"][0]), ("populated-unversioned", &serde_json::json!(["0002", 2])), "{told}");
    yard.sql(&unversioned, "DROP TABLE extra; DROP TABLE items");
    assert_eq!(state(&unversioned), "populated-unversioned", "a type is left");

    let half = yard.database(Some("0002"));
    yard.sql(&half, "CREATE TABLE sales (id SERIAL CONSTRAINT pk_sales PRIMARY KEY, item INTEGER NOT NULL)");
    let (word, told, _) = yard.status(&half, &[]);
    assert_eq!(word, "partly-migrated", "{told}");
    assert!(told["evidence"].as_array().is_some_and(|lines| lines.iter().any(|line| line == "extra: table public.sales")), "{told}");
}

#[test]
fn who_cannot_be_asked_says_why() {
    let yard = yard();
    let head = yard.database(Some("head"));
    let url = yard.url(&head);
    let told = yard.db("status", &url.replace("@127.0.0.1:", "@127.0.0.1:1"), &["--json"]).exits(3);
    assert!(told.stdout.contains("\"unreachable\""), "{told}");
    yard.db("status", &format!("{url}_gone"), &[]).exits(3);
    let wrong = url.replacen(':', "://gates:wrong@", 1).replacen("//gates:wrong@//", "//gates:wrong@", 1);
    let at = wrong.rfind('@').expect("a host");
    let wrong = format!("postgresql://gates:wrong{}", &wrong[at..]);
    let told = yard.db("status", &wrong, &["--json"]).exits(3);
    assert!(told.stdout.contains("\"no-permission\""), "{told}");
    assert!(!told.stdout.contains("gates:wrong") && !told.stderr.contains("gates:wrong"), "no password is shown: {told}");
    yard.sql(&head, "CREATE ROLE reader LOGIN PASSWORD 'reader'");
    let reader = format!("postgresql://reader:reader{}", &wrong[wrong.rfind('@').expect("a host")..]);
    let told = yard.db("status", &reader, &["--json"]).exits(3);
    assert!(told.stdout.contains("may not read public.alembic_version"), "{told}");
    yard.sql(&head, "GRANT SELECT ON alembic_version TO reader");
    yard.db("status", &reader, &["--expect", "head"]).exits(0).stdout.contains("at-head").then_some(()).expect("reading is enough");
    yard.db("status", &url, &["--expect", "0009"]).exits(2).says("the scripts have no revision `0009`");
    yard.sandbox.run(&["db", "status", "apq", "--url", &url]).exits(2).says("did you mean `app`?");
    yard.sandbox.write("alembic/versions/0004.py", "revision = '0004'\ndown_revision = '0002'\ndef upgrade():\n    pass\n");
    assert_eq!(yard.status(&head, &[]).0, "several-heads", "two heads in the scripts");
    yard.sandbox.write("alembic/versions/0004.py", "import no_such_module\n");
    yard.db("status", &url, &[]).exits(3).says("no_such_module");
}

#[test]
fn twelve_kinds_of_drift_are_each_found_alone() {
    let yard = yard();
    let clean = yard.database(Some("head"));
    yard.db("drift", &yard.url(&clean), &["--junit", "drift.xml"]).exits(0).says("0 differences");
    assert!(yard.sandbox.read("drift.xml").contains("tests=\""));
    for (kind, change, objects) in [
        ("missing index", "DROP INDEX ix_items_state_sku", "index public.ix_items_state_sku"),
        ("extra index", "CREATE INDEX ix_more ON items (sku)", "index public.ix_more"),
        ("reordered index", "DROP INDEX ix_items_state_sku; CREATE INDEX ix_items_state_sku ON items (sku, state)", "index public.ix_items_state_sku"),
        ("unique", "ALTER TABLE items DROP CONSTRAINT uq_items_sku", "constraint public.items.uq_items_sku"),
        ("foreign key", "ALTER TABLE sales DROP CONSTRAINT fk_sales_item", "constraint public.sales.fk_sales_item"),
        (
            "check",
            "ALTER TABLE items DROP CONSTRAINT ck_items_cents, ADD CONSTRAINT ck_items_cents CHECK (cents > 0)",
            "constraint public.items.ck_items_cents",
        ),
        (
            "renamed constraint",
            "ALTER TABLE items RENAME CONSTRAINT ck_items_cents TO ck_other",
            "constraint public.items.ck_items_cents,constraint public.items.ck_other",
        ),
        ("enum value", "ALTER TYPE item_state ADD VALUE 'lost'", "enum public.item_state"),
        (
            "enum order",
            "ALTER TYPE item_state RENAME VALUE 'draft' TO 'x'; ALTER TYPE item_state RENAME VALUE 'sold' TO 'draft'; ALTER TYPE item_state RENAME VALUE 'x' TO 'sold'",
            "enum public.item_state",
        ),
        ("json", "ALTER TABLE items ALTER notes TYPE json", "column public.items.notes"),
        ("default", "ALTER TABLE items ALTER cents SET DEFAULT 1", "column public.items.cents"),
        ("type", "ALTER TABLE items ALTER sku TYPE varchar(21)", "column public.items.sku"),
    ] {
        let name = yard.database(Some("head"));
        yard.sql(&name, change);
        let told = yard.db("drift", &yard.url(&name), &[]).exits(1);
        let found: Vec<&str> = told.stdout.lines().filter(|line| !line.starts_with("  ")).collect();
        assert_eq!(found.join(","), objects, "{kind}: {told}");
        assert!(told.stdout.contains("  database  ") && told.stdout.contains("  models    "), "both sides: {told}");
    }
}
