"""Inventory: one item is one thing on a shelf."""

from dataclasses import dataclass, replace
from enum import StrEnum

from app.domain.errors import Conflict


class Status(StrEnum):
    """Life of an item."""

    IN_STOCK = "in_stock"
    LISTED = "listed"
    SOLD = "sold"
    WRITTEN_OFF = "written_off"


_NEXT: dict[Status, frozenset[Status]] = {
    Status.IN_STOCK: frozenset({Status.LISTED, Status.WRITTEN_OFF}),
    Status.LISTED: frozenset({Status.IN_STOCK, Status.SOLD}),
    Status.SOLD: frozenset(),
    Status.WRITTEN_OFF: frozenset(),
}


@dataclass(frozen=True)
class Item:
    """A thing on a shelf with its landed cost in cents."""

    number: int
    sku: str
    cost: int
    purchase: int
    status: Status = Status.IN_STOCK


def move(item: Item, to: Status) -> Item:
    """The item in its next state; a state that does not follow is refused."""
    if to not in _NEXT[item.status]:
        raise Conflict(f"item {item.number} is {item.status} and cannot become {to}")
    return replace(item, status=to)


def take_back(item: Item, to: Status) -> Item:
    """A sold item that came back: on the shelf again, or written off. Nothing else leads out of sold."""
    if item.status is not Status.SOLD or to not in (Status.IN_STOCK, Status.WRITTEN_OFF):
        raise Conflict(f"item {item.number} is {item.status} and does not come back as {to}")
    return replace(item, status=to)


def value(items: list[Item]) -> int:
    """Cents bound in what is still ours."""
    return sum(item.cost for item in items if item.status in (Status.IN_STOCK, Status.LISTED))
