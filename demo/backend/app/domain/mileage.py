"""The mileage log: what a trip to a purchase costs."""

from dataclasses import dataclass
from datetime import date

from app.domain.errors import Invalid

RATE_CENTS_PER_KM = 30
LONGEST_TRIP_KM = 1500


@dataclass(frozen=True)
class Trip:
    """One trip, there and back."""

    day: date
    kilometres: int
    purpose: str

    def __post_init__(self) -> None:
        if not 0 < self.kilometres <= LONGEST_TRIP_KM:
            raise Invalid(f"a trip has 1 to {LONGEST_TRIP_KM} km, not {self.kilometres}")
        if not self.purpose.strip():
            raise Invalid("a trip needs a purpose")

    @property
    def cost(self) -> int:
        """Cost in cents."""
        return self.kilometres * RATE_CENTS_PER_KM


def total_kilometres(trips: list[Trip], year: int) -> int:
    """Kilometres of one calendar year, as the tax return wants them."""
    return sum(trip.kilometres for trip in trips if trip.day.year == year)
