"""Listings of a marketplace: a file is previewed, then applied; both say the same of every row."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.errors import NotFound
from app.domain.inventory import Status
from app.domain.marketplace import Outcome, Row
from app.log import continued
from app.models import ItemRow, ListingRow, ProductRow
from app.store import Store


@dataclass(frozen=True)
class Planned:
    """A row and what it does."""

    row: Row
    outcome: Outcome
    item: int | None = None
    why: str = ""


def plan(session: Session, market: str, rows: list[Row]) -> list[Planned]:
    """What every row would do; a piece is given to one row only."""
    taken: set[int] = set()
    planned = [_plan(session, market, row, taken) for row in rows]
    return planned


def _plan(session: Session, market: str, row: Row, taken: set[int]) -> Planned:
    if row.wrong:
        return Planned(row, Outcome.REFUSED, why=row.wrong)
    known = session.scalar(select(ListingRow).where(ListingRow.market == market, ListingRow.reference == row.reference))
    if known is not None:
        item = session.get_one(ItemRow, known.item)
        if item.sku != row.sku:
            return Planned(row, Outcome.REFUSED, why=f"{row.reference} is listed as {item.sku}")
        return Planned(row, Outcome.UNCHANGED if known.price == row.price else Outcome.REPRICED, known.item)
    if session.get(ProductRow, row.sku) is None:
        return Planned(row, Outcome.REFUSED, why=str(NotFound("product", row.sku)))
    free = select(ItemRow.number).where(ItemRow.sku == row.sku, ItemRow.status == Status.IN_STOCK).order_by(ItemRow.number)
    item_number = next((number for number in session.scalars(free) if number not in taken), None)
    if item_number is None:
        return Planned(row, Outcome.REFUSED, why=f"no piece of {row.sku} is in stock")
    taken.add(item_number)
    return Planned(row, Outcome.NEW, item_number)


def apply(session: Session, market: str, rows: list[Row]) -> list[Planned]:
    """Does what the plan says. A refused row is passed over, logged and counted; the others are not held up by it."""
    planned = plan(session, market, rows)
    store = Store(session)
    for one in planned:
        if one.outcome is Outcome.REFUSED:
            continued("listing-refused", market=market, line=one.row.line, reference=one.row.reference, why=one.why)
        elif one.outcome is Outcome.NEW and one.item is not None:
            session.add(ListingRow(market=market, reference=one.row.reference, item=one.item, price=one.row.price))
            store.move(one.item, Status.LISTED)
        elif one.outcome is Outcome.REPRICED:
            session.scalars(select(ListingRow).where(ListingRow.market == market, ListingRow.reference == one.row.reference)).one().price = one.row.price
    session.flush()
    return planned


def listings(session: Session) -> list[tuple[ListingRow, ItemRow]]:
    """All listings with their pieces, newest first."""
    query = select(ListingRow, ItemRow).join(ItemRow, ItemRow.number == ListingRow.item).order_by(ListingRow.number.desc())
    return [(listing, item) for listing, item in session.execute(query)]
