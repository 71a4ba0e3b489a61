"""The checks of schema and data, on the real database: they find what is planted, and nothing else."""

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from app.checks import drift, invariants
from app.checks.report import Finding, tell
from app.models import Base
from app.store import Store
from scripts import silent_catches
from scripts.seed import seed

SCENE = """
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE shelf (a int PRIMARY KEY, b jsonb NOT NULL DEFAULT '{}', c mood, CONSTRAINT ck_shelf_a CHECK (a > 0));
CREATE INDEX ix_shelf_c ON shelf (c);
"""
PLANTED = [
    ("DROP INDEX ix_shelf_c", "index shelf ix_shelf_c"),
    ("ALTER TABLE shelf ALTER b DROP DEFAULT, ALTER b TYPE json", "column shelf b"),
    ("ALTER TABLE shelf RENAME CONSTRAINT ck_shelf_a TO shelf_a_check", "constraint shelf ck_shelf_a"),
    ("ALTER TYPE mood RENAME VALUE 'bad' TO 'worse'", "enum mood"),
    ("ALTER TABLE shelf ALTER b DROP NOT NULL", "column shelf b"),
    ("CREATE TABLE left_over (a int)", "column left_over a"),
    ("ALTER TABLE shelf DROP CONSTRAINT ck_shelf_a", "constraint shelf ck_shelf_a"),
    ("DROP INDEX ix_shelf_c; CREATE INDEX ix_shelf_c ON shelf (c) WHERE c = 'good'", "index shelf ix_shelf_c"),
]


def wrong(findings: list[Finding]) -> list[str]:
    return [finding.name for finding in findings if finding.message]


def test_every_table_of_the_models_is_looked_at(engine: Engine) -> None:
    with engine.connect() as connection:
        names = [finding.name.split(" ")[1] for finding in drift.findings(connection, Base.metadata) if finding.name.startswith("column")]
    assert set(names) == {table.name for table in Base.metadata.sorted_tables}


@pytest.mark.parametrize(("statement", "name"), PLANTED)
def test_each_difference_is_one_finding(connection: Connection, statement: str, name: str) -> None:
    connection.execute(text(SCENE))
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
        ("UPDATE items SET status = 'listed' WHERE number IN (SELECT item FROM sale_lines)", "sold-is-on-a-sale"),
        ("UPDATE returns SET refund = 99999", "refunds-are-at-most-prices"),
        ("UPDATE items SET status = 'in_stock' WHERE number IN (SELECT item FROM listings)", "listed-is-listed"),
        ("UPDATE leads SET purchase = 1 WHERE state = 'discarded'", "leads-that-were-bought-have-a-purchase-or-lost-it"),
        ("INSERT INTO master_products (sku, title, category) VALUES ('a b', 'x', 'games')", "skus-are-normal"),
    ],
)
def test_a_planted_row_is_named(store: Store, statement: str, name: str) -> None:
    seed(store)
    connection = store.session.connection()
    connection.execute(text(statement), {"later": date(2027, 1, 1)} if ":later" in statement else {})
    findings = {finding.name: finding.message for finding in invariants.findings(connection)}
    assert findings[name].split(" ")[0] in {"item", "purchase", "trip", "move", "product", "sale", "lead"}, findings


def test_nothing_looked_at_is_not_green(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell("empty", [], None) == 2
    assert tell("good", [Finding("a")], None) == 0
    assert tell("bad", [Finding("a"), Finding("b", "wrong")], None) == 1
    assert "b: wrong" in capsys.readouterr().out


def test_a_handler_that_goes_on_with_a_fixed_value_is_silent() -> None:
    """Only handlers that tell nobody are found, by their line."""
    told = "except ValueError:\n    raise\nexcept KeyError as error:\n    why = str(error)\nexcept OSError:\n    continued('x')\n"
    silent = "except TypeError:\n    pass\nexcept IndexError:\n    return 0\nexcept LookupError:\n    found, rest = [], {}\n"
    body = "".join(f"    {line}\n" for line in f"try:\n    f()\n{told}{silent}".splitlines())
    found = silent_catches.findings(Path("a.py"), f"def g():\n{body}")
    assert [one["location"]["row"] for one in found] == [10, 12, 14]
