"""Routes of reports."""

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.session import Opened
from app.services import reports

router = APIRouter(prefix="/reports", tags=["reports"])


class MonthOut(BaseModel):
    """A month in cents."""

    month: int
    pieces: int
    revenue: int
    refunds: int
    cost: int
    profit: int


@router.get("/{year}")
def year(session: Opened, year: int) -> list[MonthOut]:
    """All twelve months of a year."""
    return [
        MonthOut(month=one.month, pieces=one.pieces, revenue=one.revenue, refunds=one.refunds, cost=one.cost, profit=one.profit)
        for one in reports.year(session, year)
    ]
