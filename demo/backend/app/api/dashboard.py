"""What the shop looks like now, in one answer."""

from fastapi import APIRouter

from app.api.schemas import DashboardOut
from app.domain.inventory import value
from app.store import Stored

router = APIRouter(tags=["dashboard"])


@router.get("/dashboard")
def dashboard(store: Stored, year: int) -> DashboardOut:
    """Items by state, the cents bound in stock, open drafts, and the kilometres of a year."""
    kilometres, _ = store.kilometres(year)
    return DashboardOut(items=store.counts(), value=value(store.search("", None)), drafts=store.drafts(), year=year, kilometres=kilometres)
