"""Rehearses the bootstrap of a populated database whose schema is not quite that of a revision.

It must be refused, and nothing may change; once the difference is mended it must reach the head, with every row. Exit 0 when so, 1 when not.
"""

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import Connection, Engine, inspect, text  # noqa: E402

from app.checks import invariants, report  # noqa: E402
from app.checks.report import Finding  # noqa: E402
from app.database import engine_from_environment  # noqa: E402


@dataclass(frozen=True)
class Variant:
    """A revision that the schema nearly has, the word that names what differs, and what an operator does about it."""

    revision: str
    names: str
    mend: str


VARIANTS = {
    "extra-table": Variant("0003", "extra: table public.price_import", "DROP TABLE price_import"),
    "missing-index": Variant("0003", "missing: index public.ix_purchases_day", "CREATE INDEX ix_purchases_day ON purchases (day)"),
    "enum-order": Variant(
        "0003",
        "enum public.purchase_state ('finalized', 'draft')",
        "ALTER TYPE purchase_state RENAME TO purchase_state_before; CREATE TYPE purchase_state AS ENUM ('draft', 'finalized'); "
        "ALTER TABLE purchases ALTER state DROP DEFAULT, ALTER state TYPE purchase_state USING state::text::purchase_state, "
        "ALTER state SET DEFAULT 'draft'; DROP TYPE purchase_state_before",
    ),
    "half-applied": Variant(
        "0001",
        "extra: enum public.category",
        "ALTER TABLE master_products ALTER category TYPE varchar(20) USING category::text; DROP TYPE category",
    ),
}
KEPT = ("master_products", "purchases", "items")


def rows(connection: Connection) -> dict[str, int]:
    """Rows of what was there before, and whether anybody wrote down a revision."""
    counted = {table: connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0 for table in KEPT}
    return {**counted, "version tables": int("alembic_version" in inspect(connection).get_table_names())}


def bootstrap(variant: Variant, url: str, name: str, out: Path) -> tuple[int, str]:
    """`db bootstrap` with everything that an operator would give."""
    words = [os.environ["GATE_XTASK"], "db", "bootstrap", "app", "--url", url, "--stamp", variant.revision, "--confirm", name]
    ended = subprocess.run([*words, "--snapshot", str(out)], capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout + ended.stderr


def rehearse(engine: Engine, variant: Variant, out: Path) -> list[Finding]:
    """One finding for each thing that must hold."""
    url, name = engine.url.render_as_string(hide_password=False), engine.url.database or ""
    with engine.connect() as connection:
        before = rows(connection)
    engine.dispose()
    code, said = bootstrap(variant, url, name, out / "refused")
    findings = [
        Finding("it is refused", "" if code == 1 else f"exit {code}: {said}"),
        Finding("the difference is named", "" if variant.names in said else f"`{variant.names}` is not in: {said}"),
    ]
    with engine.begin() as connection:
        after = rows(connection)
        findings.append(Finding("nothing was changed", "" if after == before else f"{before} became {after}"))
        connection.execute(text(variant.mend))
    engine.dispose()
    code, said = bootstrap(variant, url, name, out / "snapshot")
    findings.append(Finding("once mended it reaches the head", "" if code == 0 else f"exit {code}: {said}"))
    if code != 0:
        return findings
    with engine.connect() as connection:
        now = {**rows(connection), "version tables": 0}
        findings.append(Finding("every row is there", "" if now == before else f"{before} became {now}"))
        findings.extend(invariants.findings(connection))
    return findings


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variant", choices=sorted(VARIANTS))
    parser.add_argument("--junit", type=Path)
    asked = parser.parse_args()
    out = Path(os.environ["GATE_OUT"]) / asked.variant
    out.mkdir(parents=True, exist_ok=True)
    sys.exit(report.tell(asked.variant, rehearse(engine_from_environment(), VARIANTS[asked.variant], out), asked.junit))
