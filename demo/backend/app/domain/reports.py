"""Reports: what a year brought, month by month. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Sold:
    """A piece that was sold: when, for what, what it had cost, and what was paid back."""

    day: date
    price: int
    cost: int
    refund: int = 0
    restocked: bool = False


@dataclass(frozen=True)
class Month:
    """A month in cents."""

    month: int
    pieces: int = 0
    revenue: int = 0
    refunds: int = 0
    cost: int = 0

    @property
    def profit(self) -> int:
        """What is left."""
        return self.revenue - self.refunds - self.cost


def months(year: int, sold: Iterable[Sold]) -> list[Month]:
    """All twelve months. A piece that is on the shelf again cost nothing; one that came back broken did."""
    found = {month: Month(month) for month in range(1, 13)}
    for piece in sold:
        if piece.day.year != year:
            continue
        known = found[piece.day.month]
        found[piece.day.month] = Month(
            known.month,
            known.pieces + 1,
            known.revenue + piece.price,
            known.refunds + piece.refund,
            known.cost + (0 if piece.restocked else piece.cost),
        )
    return list(found.values())
