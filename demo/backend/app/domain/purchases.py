"""Purchases: a draft with lines and trips becomes stock when it is finalized."""

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from app.domain.errors import Conflict, Invalid
from app.domain.mileage import Trip
from app.domain.money import share


class State(StrEnum):
    """A purchase is written once, then fixed."""

    DRAFT = "draft"
    FINALIZED = "finalized"


@dataclass(frozen=True)
class Line:
    """Some pieces of one article at one price."""

    sku: str
    quantity: int
    unit_cost: int

    def __post_init__(self) -> None:
        if self.quantity < 1:
            raise Invalid(f"a line has at least one piece, not {self.quantity}")
        if self.unit_cost < 0:
            raise Invalid("a price is not negative")

    @property
    def total(self) -> int:
        """Cents of the whole line."""
        return self.quantity * self.unit_cost


@dataclass(frozen=True)
class Purchase:
    """A purchase."""

    number: int
    seller: str
    day: date
    lines: tuple[Line, ...] = ()
    trips: tuple[Trip, ...] = ()
    state: State = State.DRAFT

    @property
    def goods(self) -> int:
        """Cents paid for the goods."""
        return sum(line.total for line in self.lines)

    @property
    def travel(self) -> int:
        """Cents of all trips."""
        return sum(trip.cost for trip in self.trips)


def _open(purchase: Purchase) -> Purchase:
    if purchase.state is not State.DRAFT:
        raise Conflict(f"purchase {purchase.number} is {purchase.state}")
    return purchase


def add_line(purchase: Purchase, line: Line) -> Purchase:
    """The purchase with one more line; pieces of one article at one price share a line."""
    lines = list(_open(purchase).lines)
    for index, known in enumerate(lines):
        if (known.sku, known.unit_cost) == (line.sku, line.unit_cost):
            lines[index] = replace(known, quantity=known.quantity + line.quantity)
            break
    else:
        lines.append(line)
    return replace(purchase, lines=tuple(lines))


def add_trip(purchase: Purchase, trip: Trip) -> Purchase:
    """The purchase with one more trip; nobody travels for it after it was made."""
    if trip.day > _open(purchase).day:
        raise Invalid(f"the trip of {trip.day} is later than the purchase of {purchase.day}")
    return replace(purchase, trips=(*purchase.trips, trip))


def finalize(purchase: Purchase) -> Purchase:
    """The purchase, fixed."""
    if not _open(purchase).lines:
        raise Invalid(f"purchase {purchase.number} has no lines")
    return replace(purchase, state=State.FINALIZED)


def discard(purchase: Purchase) -> Purchase:
    """The purchase, which may be removed: only a draft may."""
    return _open(purchase)


def landed_costs(purchase: Purchase) -> list[tuple[str, int]]:
    """Article and cost of every single piece: its price and its share of the travel, by value."""
    pieces = [(line.sku, line.unit_cost) for line in purchase.lines for _ in range(line.quantity)]
    if not pieces:
        return []
    travel = share(purchase.travel, [cost for _, cost in pieces])
    return [(sku, cost + extra) for (sku, cost), extra in zip(pieces, travel, strict=True)]
