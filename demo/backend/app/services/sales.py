"""Sales in the database: drafts of listed pieces, finalized at once, and what comes back."""

from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain import inventory, sales
from app.domain.errors import NotFound
from app.domain.inventory import Item, Status
from app.domain.sales import Line, Return, Sale
from app.models import ItemRow, MoveRow, ReturnRow, SaleLineRow, SaleRow
from app.store import Store


def _row(session: Session, number: int) -> SaleRow:
    row = session.get(SaleRow, number, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound("sale", number)
    return row


def _item(session: Session, number: int) -> ItemRow:
    row = session.get(ItemRow, number, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound("item", number)
    return row


def create(session: Session, buyer: str, day: date) -> Sale:
    """Begin a draft."""
    row = SaleRow(buyer=buyer, day=day, state=sales.State.DRAFT)
    session.add(row)
    session.flush()
    return _sale(row)


def all_sales(session: Session) -> list[Sale]:
    """All sales, newest first."""
    return [_sale(row) for row in session.scalars(select(SaleRow).order_by(SaleRow.number.desc()))]


def sale(session: Session, number: int) -> Sale:
    """The sale with this number."""
    return _sale(_row(session, number))


def add(session: Session, number: int, item: int, price: int) -> Sale:
    """Add a listed piece to a draft."""
    row, piece = _row(session, number), _item(session, item)
    sales.add(_sale(row), Item(piece.number, piece.sku, piece.cost, piece.purchase, piece.status), price)
    row.lines.append(SaleLineRow(item=item, price=price))
    session.flush()
    return _sale(row)


def finalize(session: Session, number: int) -> Sale:
    """Sell every piece of a draft: all of it, or nothing."""
    row = _row(session, number)
    done = sales.finalize(_sale(row))
    store = Store(session)
    for line in row.lines:
        store.move(line.item, Status.SOLD)
    row.state = done.state
    session.flush()
    return _sale(row)


def take_back(session: Session, number: int, item: int, back: Return) -> Sale:
    """A piece comes back: on the shelf again, or written off."""
    row = _row(session, number)
    _, status = sales.take_back(_sale(row), item, back)
    piece = _item(session, item)
    inventory.take_back(Item(piece.number, piece.sku, piece.cost, piece.purchase, piece.status), status)
    line = next(line for line in row.lines if line.item == item)
    line.returned = ReturnRow(day=back.day, refund=back.refund, restocked=back.restocked, reason=back.reason.strip())
    session.add(MoveRow(item=item, before=piece.status, after=status))
    piece.status = status
    session.flush()
    return _sale(row)


def _sale(row: SaleRow) -> Sale:
    def back(found: ReturnRow | None) -> Return | None:
        return Return(found.day, found.refund, found.restocked, found.reason) if found else None

    return Sale(row.number, row.buyer, row.day, tuple(Line(line.item, line.price, back(line.returned)) for line in row.lines), row.state)
