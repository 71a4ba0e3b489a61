from datetime import date

import pytest
from fastapi.testclient import TestClient

from app.domain import purchases
from app.domain.errors import Conflict, Invalid
from app.domain.mileage import Trip
from app.domain.purchases import Line, Purchase, State

DAY = date(2026, 3, 1)


def draft(*lines: Line, trips: tuple[Trip, ...] = ()) -> Purchase:
    return Purchase(number=1, seller="s", day=DAY, lines=lines, trips=trips)


def test_equal_articles_at_one_price_share_a_line() -> None:
    purchase = purchases.add_line(draft(Line("A", 1, 100)), Line("A", 2, 100))
    assert purchase.lines == (Line("A", 3, 100),)


def test_another_price_is_another_line() -> None:
    purchase = purchases.add_line(draft(Line("A", 1, 100)), Line("A", 1, 90))
    assert len(purchase.lines) == 2


def test_travel_is_divided_by_value() -> None:
    purchase = draft(Line("A", 1, 300), Line("B", 1, 100), trips=(Trip(DAY, 2, "collect"),))
    assert purchases.landed_costs(purchase) == [("A", 345), ("B", 115)]


def test_landed_costs_add_up() -> None:
    purchase = draft(Line("A", 3, 333), Line("B", 7, 10), trips=(Trip(DAY, 11, "collect"),))
    assert sum(cost for _, cost in purchases.landed_costs(purchase)) == purchase.goods + purchase.travel


def test_a_finalized_purchase_is_fixed() -> None:
    fixed = purchases.finalize(draft(Line("A", 1, 1)))
    assert fixed.state is State.FINALIZED
    with pytest.raises(Conflict):
        purchases.add_line(fixed, Line("A", 1, 1))
    with pytest.raises(Conflict):
        purchases.finalize(fixed)


def test_an_empty_purchase_is_not_finalized() -> None:
    with pytest.raises(Invalid):
        purchases.finalize(draft())


def test_a_trip_is_not_later_than_its_purchase() -> None:
    with pytest.raises(Invalid):
        purchases.add_trip(draft(), Trip(date(2026, 3, 2), 5, "late"))


@pytest.mark.parametrize(("quantity", "unit_cost"), [(0, 1), (-1, 1), (1, -1)])
def test_senseless_lines_are_refused(quantity: int, unit_cost: int) -> None:
    with pytest.raises(Invalid):
        Line("A", quantity, unit_cost)


def test_a_draft_becomes_stock(stocked: TestClient) -> None:
    purchase = stocked.get("/purchases/1").json()
    assert (purchase["state"], purchase["goods"], purchase["travel"]) == ("finalized", 2500, 1500)
    assert [item["cost"] for item in stocked.get("/inventory").json()["items"]] == [1600, 1600, 800]


def test_finalizing_twice_is_409(stocked: TestClient) -> None:
    assert stocked.post("/purchases/1/finalize").status_code == 409


def test_a_line_of_an_unknown_product_is_404(client: TestClient) -> None:
    client.post("/purchases", json={"seller": "s", "day": "2026-03-01"})
    assert client.post("/purchases/1/lines", json={"sku": "X", "quantity": 1, "unit_cost": 1}).status_code == 404


def test_an_empty_draft_is_422(client: TestClient) -> None:
    client.post("/purchases", json={"seller": "s", "day": "2026-03-01"})
    assert client.post("/purchases/1/finalize").status_code == 422


def test_purchases_are_listed_newest_first(client: TestClient) -> None:
    for seller in ("a", "b"):
        client.post("/purchases", json={"seller": seller, "day": "2026-03-01"})
    assert [purchase["seller"] for purchase in client.get("/purchases").json()] == ["b", "a"]
