"""Sales: listed pieces are sold, and may come back."""

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from app.domain.errors import Conflict, Invalid
from app.domain.inventory import Item, Status


class State(StrEnum):
    """A sale is written once, then fixed."""

    DRAFT = "draft"
    FINALIZED = "finalized"


@dataclass(frozen=True)
class Return:
    """How a piece came back."""

    day: date
    refund: int
    restocked: bool
    reason: str


@dataclass(frozen=True)
class Line:
    """One piece at its price."""

    item: int
    price: int
    returned: Return | None = None

    def __post_init__(self) -> None:
        if self.price < 0:
            raise Invalid("a price is not negative")


@dataclass(frozen=True)
class Sale:
    """A sale."""

    number: int
    buyer: str
    day: date
    lines: tuple[Line, ...] = ()
    state: State = State.DRAFT

    @property
    def total(self) -> int:
        """Cents of all pieces, without what was paid back."""
        return sum(line.price - (line.returned.refund if line.returned else 0) for line in self.lines)


def add(sale: Sale, item: Item, price: int) -> Sale:
    """The draft with one more piece, which must be listed."""
    if sale.state is not State.DRAFT:
        raise Conflict(f"sale {sale.number} is {sale.state}")
    if item.status is not Status.LISTED:
        raise Conflict(f"item {item.number} is {item.status}, and only a listed one is sold")
    if any(line.item == item.number for line in sale.lines):
        raise Conflict(f"item {item.number} is in sale {sale.number} already")
    return replace(sale, lines=(*sale.lines, Line(item.number, price)))


def finalize(sale: Sale) -> Sale:
    """The sale, fixed."""
    if sale.state is not State.DRAFT:
        raise Conflict(f"sale {sale.number} is {sale.state}")
    if not sale.lines:
        raise Invalid(f"sale {sale.number} has no pieces")
    return replace(sale, state=State.FINALIZED)


def take_back(sale: Sale, item: int, back: Return) -> tuple[Sale, Status]:
    """The sale with a piece that came back, and the state of that piece."""
    if sale.state is not State.FINALIZED:
        raise Conflict(f"sale {sale.number} is {sale.state}")
    line = next((line for line in sale.lines if line.item == item), None)
    if line is None:
        raise Invalid(f"item {item} is not in sale {sale.number}")
    if line.returned is not None:
        raise Conflict(f"item {item} of sale {sale.number} came back already")
    if not 0 <= back.refund <= line.price:
        raise Invalid(f"a refund is at most the price of {line.price} cents, not {back.refund}")
    if back.day < sale.day:
        raise Invalid(f"the return of {back.day} is before the sale of {sale.day}")
    if not back.reason.strip():
        raise Invalid("a piece comes back for a reason")
    lines = tuple(replace(known, returned=back) if known is line else known for known in sale.lines)
    return replace(sale, lines=lines), Status.IN_STOCK if back.restocked else Status.WRITTEN_OFF
