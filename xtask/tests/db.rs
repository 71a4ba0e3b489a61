//! The states of a database of an Alembic application, each made on a real PostgreSQL and named right; and what differs from the models.

use std::collections::BTreeSet;

use crate::support::demo_tool;
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

/// Drift of the demo's own database, as the tool and as the demo's script see it: objects by name.
fn both(yard: &crate::yard::Yard, name: &str) -> [(i32, BTreeSet<String>); 2] {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned();
    let url = yard.url(name);
    let tool = yard.sandbox.command(&["-C", &root.display().to_string(), "db", "drift", "app", "--url", &url]).output().expect("it starts");
    let objects = |text: &str| text.lines().filter(|line| !line.starts_with("  ")).map(str::to_owned).collect::<Vec<_>>();
    // `index public.ix_items_sku`, `column public.items.sku`: the last word is the thing.
    let last = |line: &String| line.rsplit(['.', ' ']).next().unwrap_or_default().to_owned();
    let found = objects(&String::from_utf8_lossy(&tool.stdout)).iter().map(last).collect();
    let python = demo_tool("demo/backend/.venv/bin/python");
    let script =
        std::process::Command::new(python).arg("scripts/check_schema_drift.py").current_dir(root.join("demo/backend")).env("DATABASE_URL", &url).output();
    let script = script.expect("it starts");
    let text = String::from_utf8_lossy(&script.stdout).into_owned();
    // `index items ix_items_sku: ...`; the last line is the summary.
    let names = text.lines().filter(|line| !line.starts_with("schema-drift:")).filter_map(|line| line.split(": ").next());
    let named = names.map(|line| line.rsplit(' ').next().unwrap_or_default().to_owned()).collect();
    [(tool.status.code().unwrap_or(-1), found), (script.status.code().unwrap_or(-1), named)]
}

#[test]
fn the_demos_history_drifts_nowhere_and_its_script_sees_what_the_tool_sees() {
    let yard = yard();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned();
    let python = demo_tool("demo/backend/.venv/bin/python");
    let clean = yard.server.create("demo", None).expect("created");
    let upgraded = std::process::Command::new(python)
        .args(["-m", "alembic", "upgrade", "head"])
        .current_dir(root.join("demo/backend"))
        .env("DATABASE_URL", yard.url(&clean))
        .output()
        .expect("it starts");
    assert!(upgraded.status.success(), "{}", String::from_utf8_lossy(&upgraded.stderr));
    assert_eq!(both(&yard, &clean), [(0, BTreeSet::new()), (0, BTreeSet::new())]);
    let seeded = [
        ("missing index", "DROP INDEX ix_items_status", "ix_items_status"),
        ("extra index", "CREATE INDEX ix_more ON items (cost)", "ix_more"),
        (
            "reordered index",
            "DROP INDEX ix_items_on_shelf; CREATE INDEX ix_items_on_shelf ON items (sku DESC) WHERE status IN ('in_stock', 'listed')",
            "ix_items_on_shelf",
        ),
        ("unique", "ALTER TABLE items DROP CONSTRAINT uq_items_purchase_piece", "uq_items_purchase_piece"),
        (
            "foreign key",
            "ALTER TABLE item_moves DROP CONSTRAINT fk_item_moves_item, ADD CONSTRAINT fk_item_moves_item FOREIGN KEY (item) REFERENCES items",
            "fk_item_moves_item",
        ),
        ("check", "ALTER TABLE purchase_lines DROP CONSTRAINT ck_purchase_lines_quantity", "ck_purchase_lines_quantity"),
        ("renamed constraint", "ALTER TABLE items RENAME CONSTRAINT ck_items_cost TO ck_other", "ck_items_cost"),
        ("enum value", "ALTER TYPE item_status ADD VALUE 'lost'", "item_status"),
        (
            "enum order",
            "ALTER TYPE category RENAME VALUE 'games' TO 'x'; ALTER TYPE category RENAME VALUE 'books' TO 'games'; ALTER TYPE category RENAME VALUE 'x' TO 'books'",
            "category",
        ),
        ("json", "ALTER TABLE master_products ALTER attributes DROP DEFAULT, ALTER attributes TYPE json, ALTER attributes SET DEFAULT '{}'", "attributes"),
        ("default", "ALTER TABLE master_products ALTER variant SET DEFAULT 'none'", "variant"),
        ("type", "ALTER TABLE purchases ALTER seller TYPE varchar(201)", "seller"),
    ];
    let name = yard.server.create("drifted", Some(&clean)).expect("a clone");
    for (_, change, _) in seeded {
        yard.sql(&name, change);
    }
    let [(tool, mut found), (script, named)] = both(&yard, &name);
    // The tool shows both names of what was renamed.
    assert!(found.remove("ck_other"));
    let wanted: BTreeSet<String> = seeded.map(|(_, _, thing)| thing.to_owned()).into();
    assert_eq!((tool, script, wanted.len()), (1, 1, 12));
    assert_eq!((&found, &named), (&wanted, &wanted), "each of the twelve, and nothing else");
}
