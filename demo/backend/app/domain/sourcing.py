"""Sourcing: which offers are worth buying, and what becomes of them."""

from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median

from app.domain.errors import Conflict, Invalid


class State(StrEnum):
    """Life of a lead."""

    OPEN = "open"
    CONVERTED = "converted"
    DISCARDED = "discarded"


@dataclass(frozen=True)
class Offer:
    """Something that somebody sells."""

    reference: str
    sku: str
    asking: int


@dataclass(frozen=True)
class Lead:
    """An offer that is worth it."""

    number: int
    source: str
    reference: str
    sku: str
    asking: int
    worth: int
    state: State = State.OPEN
    purchase: int | None = None
    reason: str = ""

    @property
    def margin(self) -> int:
        """Cents that it would bring."""
        return self.worth - self.asking


def worth(prices: list[int]) -> int:
    """What a piece brings: the median of what such pieces were offered or sold for, rounded down; nothing is known of none."""
    return int(median(prices)) if prices else 0


def is_worth_it(offer: Offer, value: int, margin_percent: int) -> bool:
    """The offer leaves at least this part of its value."""
    if not 0 <= margin_percent < 100:
        raise Invalid(f"a margin is 0 to 99 percent, not {margin_percent}")
    return value > 0 and offer.asking * 100 <= value * (100 - margin_percent)


def _open(lead: Lead) -> Lead:
    if lead.state is not State.OPEN:
        raise Conflict(f"lead {lead.number} is {lead.state}")
    return lead


def convert(lead: Lead, purchase: int) -> Lead:
    """The lead, bought."""
    return replace(_open(lead), state=State.CONVERTED, purchase=purchase)


def discard(lead: Lead, reason: str) -> Lead:
    """The lead, left for a reason."""
    if not reason.strip():
        raise Invalid("a lead is discarded for a reason")
    return replace(_open(lead), state=State.DISCARDED, reason=reason.strip())
