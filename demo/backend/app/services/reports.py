"""Reports over the database: the rows of a year, handed to the domain."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.reports import Month, Sold, months
from app.domain.sales import State
from app.models import ItemRow, ReturnRow, SaleLineRow, SaleRow


def year(session: Session, wanted: int) -> list[Month]:
    """The months of a year."""
    query = (
        select(SaleRow.day, SaleLineRow.price, ItemRow.cost, func.coalesce(ReturnRow.refund, 0), func.coalesce(ReturnRow.restocked, False))
        .join(SaleLineRow, SaleLineRow.sale == SaleRow.number)
        .join(ItemRow, ItemRow.number == SaleLineRow.item)
        .outerjoin(ReturnRow, ReturnRow.line == SaleLineRow.number)
        .where(SaleRow.state == State.FINALIZED, func.extract("year", SaleRow.day) == wanted)
    )
    return months(wanted, [Sold(*row) for row in session.execute(query)])
