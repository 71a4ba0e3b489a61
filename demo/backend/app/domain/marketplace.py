"""Files of listings: read into rows, each of which is good or says why not. Pure: the database is the caller's."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from app.domain.errors import Invalid
from app.domain.products import normalise_sku

FIELDS = ("reference", "sku", "price")
MOST_ROWS = 5000


class Format(StrEnum):
    """How a file is written."""

    CSV = "csv"
    JSON = "json"


class Outcome(StrEnum):
    """What a row would do."""

    NEW = "new"
    REPRICED = "repriced"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True)
class Row:
    """A row of a file: a listing, or why it is none."""

    line: int
    reference: str = ""
    sku: str = ""
    price: int = 0
    wrong: str = ""


def read(text: str, form: Format) -> list[Row]:
    """The rows of a file. A reference that stands twice is wrong the second time."""
    records = list(_csv(text) if form is Format.CSV else _json(text))
    if not records:
        raise Invalid("the file has no rows")
    if len(records) > MOST_ROWS:
        raise Invalid(f"the file has {len(records)} rows, {MOST_ROWS} are the most")
    rows: list[Row] = []
    seen: set[str] = set()
    for line, record in records:
        row = _row(line, record)
        if not row.wrong and row.reference in seen:
            row = Row(line, row.reference, wrong=f"{row.reference} stands twice")
        seen.add(row.reference)
        rows.append(row)
    return rows


def _csv(text: str) -> Iterator[tuple[int, dict[str, object]]]:
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    missing = [name for name in FIELDS if name not in (reader.fieldnames or [])]
    if missing:
        raise Invalid(f"the first line does not name {', '.join(missing)}")
    for record in reader:
        yield reader.line_num, dict(record)


def _json(text: str) -> Iterator[tuple[int, dict[str, object]]]:
    try:
        records = json.loads(text)
    except json.JSONDecodeError as error:
        raise Invalid(f"the file is no JSON: {error.msg} in line {error.lineno}") from error
    if not isinstance(records, list):
        raise Invalid("the file is no list of listings")
    for number, record in enumerate(records, 1):
        yield number, record if isinstance(record, dict) else {}


def _row(line: int, record: dict[str, object]) -> Row:
    reference = str(record.get("reference") or "").strip()
    if not reference:
        return Row(line, wrong="there is no reference")
    try:
        sku = normalise_sku(str(record.get("sku") or ""))
        price = cents(str(record.get("price") or ""))
    except Invalid as error:
        return Row(line, reference, wrong=str(error))
    return Row(line, reference, sku, price)


def cents(text: str) -> int:
    """``"12.50"`` is 1250; anything that is no price above nothing is refused."""
    whole, _, part = text.strip().replace(",", ".").partition(".")
    if not (whole.isascii() and whole.isdigit() and len(whole) <= 7 and (part == "" or (part.isascii() and part.isdigit() and len(part) <= 2))):
        raise Invalid(f"{text!r} is not a price")
    price = int(whole) * 100 + int(part.ljust(2, "0"))
    if price == 0:
        raise Invalid("a price is above nothing")
    return price
