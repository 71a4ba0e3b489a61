"""The checks of schema and data, on the real database: they find what is planted, and nothing else."""

from datetime import date

import pytest
from sqlalchemy import Connection, Engine, text

from app.checks import drift, invariants
from app.checks.report import Finding, tell
from app.models import Base
from app.store import Store
from scripts.seed import seed

PLANTED = [
    ("DROP INDEX ix_items_status", "index items ix_items_status"),
    ("ALTER TABLE master_products ALTER attributes DROP DEFAULT, ALTER attributes TYPE json", "column master_products attributes"),
    ("ALTER TABLE items RENAME CONSTRAINT fk_items_sku TO items_sku_fkey", "constraint items fk_items_sku"),
    ("ALTER TYPE category RENAME VALUE 'electronics' TO 'toys'", "enum category"),
    ("ALTER TABLE purchases ALTER seller DROP NOT NULL", "column purchases seller"),
    ("CREATE TABLE left_over (a int)", "column left_over a"),
    ("ALTER TABLE items DROP CONSTRAINT ck_items_cost", "constraint items ck_items_cost"),
]


def wrong(findings: list[Finding]) -> list[str]:
    return [finding.name for finding in findings if finding.message]


def test_migrations_make_what_the_models_say(engine: Engine) -> None:
    with engine.connect() as connection:
        findings = drift.findings(connection, Base.metadata)
    assert wrong(findings) == []
    assert len(findings) > 50


@pytest.mark.parametrize(("statement", "name"), PLANTED, ids=[name for _, name in PLANTED])
def test_each_difference_is_one_finding(connection: Connection, statement: str, name: str) -> None:
    wanted = drift.describe(connection, "public")
    connection.execute(text(statement))
    assert wrong(drift.compare(wanted, drift.describe(connection, "public"))) == [name]


def test_looking_leaves_nothing_behind(engine: Engine) -> None:
    with engine.connect() as connection:
        drift.findings(connection, Base.metadata)
        assert connection.scalar(text("SELECT count(*) FROM pg_namespace WHERE nspname = :name"), {"name": drift.WANTED}) == 0


def test_seeded_data_makes_sense(store: Store) -> None:
    seed(store)
    assert wrong(invariants.findings(store.session.connection())) == []
    assert len(store.search("", None)) > 20


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("UPDATE purchases SET state = 'draft' WHERE number = 1", "draft-has-no-items"),
        ("UPDATE items SET cost = cost + 1 WHERE number = 1", "costs-add-up"),
        ("UPDATE mileage_log SET day = :later WHERE number = 1", "trips-before-purchase"),
        ("INSERT INTO item_moves (item, before, after) VALUES (1, 'written_off', 'listed')", "moves-are-a-chain"),
        ("UPDATE items SET status = 'sold' WHERE status = 'in_stock' AND number = (SELECT min(number) FROM items WHERE status = 'in_stock')", "moves-lead-to-status"),
        ("INSERT INTO master_products (sku, title, category) VALUES ('a b', 'x', 'games')", "skus-are-normal"),
    ],
)
def test_a_planted_row_is_named(store: Store, statement: str, name: str) -> None:
    seed(store)
    connection = store.session.connection()
    connection.execute(text(statement), {"later": date(2027, 1, 1)} if ":later" in statement else {})
    findings = {finding.name: finding.message for finding in invariants.findings(connection)}
    assert findings[name].split(" ")[0] in {"item", "purchase", "trip", "move", "product"}, findings


def test_nothing_looked_at_is_not_green(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell("empty", [], None) == 2
    assert tell("good", [Finding("a")], None) == 0
    assert tell("bad", [Finding("a"), Finding("b", "wrong")], None) == 1
    assert "b: wrong" in capsys.readouterr().out
