"""Routes of sales and returns."""

from datetime import date

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.session import Opened
from app.domain.sales import Return, Sale, State
from app.services import sales

router = APIRouter(prefix="/sales", tags=["sales"])


class SaleIn(BaseModel):
    """A new draft."""

    buyer: str = Field(min_length=1, max_length=200, pattern=r"\S")
    day: date


class PieceIn(BaseModel):
    """A listed piece at its price."""

    item: int
    price: int = Field(ge=0)


class ReturnIn(BaseModel):
    """A piece that comes back."""

    item: int
    day: date
    refund: int = Field(ge=0)
    restock: bool
    reason: str


class ReturnOut(BaseModel):
    """How a piece came back."""

    day: date
    refund: int
    restocked: bool
    reason: str


class SaleLineOut(BaseModel):
    """One piece of a sale."""

    item: int
    price: int
    returned: ReturnOut | None


class SaleOut(BaseModel):
    """A sale with its sum in cents."""

    number: int
    buyer: str
    day: date
    state: State
    lines: list[SaleLineOut]
    total: int

    @classmethod
    def of(cls, sale: Sale) -> "SaleOut":
        """The wire form of a sale."""

        def back(found: Return | None) -> ReturnOut | None:
            return ReturnOut(day=found.day, refund=found.refund, restocked=found.restocked, reason=found.reason) if found else None

        lines = [SaleLineOut(item=line.item, price=line.price, returned=back(line.returned)) for line in sale.lines]
        return cls(number=sale.number, buyer=sale.buyer, day=sale.day, state=sale.state, lines=lines, total=sale.total)


@router.post("", status_code=201)
def create(session: Opened, body: SaleIn) -> SaleOut:
    """Begin a draft."""
    return SaleOut.of(sales.create(session, body.buyer.strip(), body.day))


@router.get("")
def all_sales(session: Opened) -> list[SaleOut]:
    """All sales, newest first."""
    return [SaleOut.of(sale) for sale in sales.all_sales(session)]


@router.get("/{number}")
def one(session: Opened, number: int) -> SaleOut:
    """One sale."""
    return SaleOut.of(sales.sale(session, number))


@router.post("/{number}/lines", status_code=201)
def add(session: Opened, number: int, body: PieceIn) -> SaleOut:
    """Add a listed piece to a draft."""
    return SaleOut.of(sales.add(session, number, body.item, body.price))


@router.post("/{number}/finalize")
def finalize(session: Opened, number: int) -> SaleOut:
    """Sell every piece of a draft."""
    return SaleOut.of(sales.finalize(session, number))


@router.post("/{number}/returns", status_code=201)
def take_back(session: Opened, number: int, body: ReturnIn) -> SaleOut:
    """A piece comes back, to the shelf or to the bin."""
    return SaleOut.of(sales.take_back(session, number, body.item, Return(body.day, body.refund, body.restock, body.reason)))
