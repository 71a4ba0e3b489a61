from datetime import date

import pytest
from fastapi.testclient import TestClient

from app.domain.errors import Invalid
from app.domain.mileage import Trip, total_kilometres


def test_a_trip_costs_by_kilometre() -> None:
    assert Trip(date(2026, 1, 1), 100, "collect").cost == 3000


@pytest.mark.parametrize("kilometres", [0, -5, 1501])
def test_senseless_trips_are_refused(kilometres: int) -> None:
    with pytest.raises(Invalid):
        Trip(date(2026, 1, 1), kilometres, "collect")


def test_a_trip_needs_a_purpose() -> None:
    with pytest.raises(Invalid):
        Trip(date(2026, 1, 1), 5, " ")


def test_years_are_kept_apart() -> None:
    trips = [Trip(date(2025, 12, 31), 10, "a"), Trip(date(2026, 1, 1), 20, "b")]
    assert total_kilometres(trips, 2026) == 20


def test_the_log_of_a_year(stocked: TestClient) -> None:
    assert stocked.get("/mileage/2026").json() == {"year": 2026, "kilometres": 50, "trips": 1}
    assert stocked.get("/mileage/2025").json()["kilometres"] == 0
