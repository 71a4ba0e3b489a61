"""Routes of the marketplace: a file is previewed, then applied."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.session import Opened
from app.domain import marketplace as files
from app.domain.marketplace import Format, Outcome
from app.services import marketplace
from app.services.marketplace import Planned
from app.store import Store

router = APIRouter(prefix="/marketplace", tags=["marketplace"])


class FileIn(BaseModel):
    """A file of listings."""

    market: str = Field(min_length=1, max_length=40)
    format: Format
    text: str


class RowOut(BaseModel):
    """A row and what it does."""

    line: int
    reference: str
    sku: str
    price: int
    outcome: Outcome
    item: int | None
    why: str

    @classmethod
    def of(cls, one: Planned) -> "RowOut":
        """The wire form of a row."""
        row = one.row
        return cls(line=row.line, reference=row.reference, sku=row.sku, price=row.price, outcome=one.outcome, item=one.item, why=one.why)


class ListingOut(BaseModel):
    """A piece that is offered."""

    market: str
    reference: str
    item: int
    sku: str
    label: str
    price: int


@router.post("/preview")
def preview(session: Opened, body: FileIn) -> list[RowOut]:
    """What the file would do; nothing is changed."""
    return [RowOut.of(one) for one in marketplace.plan(session, body.market, files.read(body.text, body.format))]


@router.post("/imports", status_code=201)
def apply(session: Opened, body: FileIn) -> list[RowOut]:
    """Does it."""
    return [RowOut.of(one) for one in marketplace.apply(session, body.market, files.read(body.text, body.format))]


@router.get("/listings")
def listings(session: Opened) -> list[ListingOut]:
    """All listings, newest first."""
    store = Store(session)
    found = []
    for listing, item in marketplace.listings(session):
        label = store.product(item.sku).label
        found.append(ListingOut(market=listing.market, reference=listing.reference, item=item.number, sku=item.sku, label=label, price=listing.price))
    return found
