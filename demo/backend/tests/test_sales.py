"""Sales and returns."""

from dataclasses import replace
from datetime import date

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from app.checks import invariants
from app.domain import inventory, sales
from app.domain.errors import Conflict, Invalid
from app.domain.inventory import Item, Status
from app.domain.sales import Line, Return, Sale, State

DAY = date(2026, 4, 1)
BACK = Return(DAY, 100, True, "wrong colour")


@pytest.fixture
def selling(stocked: TestClient) -> TestClient:
    """Items 1 and 2 are listed, and in the draft of sale 1."""
    for number in (1, 2):
        stocked.post(f"/inventory/{number}/move", json={"status": "listed"})
    stocked.post("/sales", json={"buyer": "Ann", "day": "2026-04-01"})
    for number, price in ((1, 3000), (2, 2500)):
        assert stocked.post("/sales/1/lines", json={"item": number, "price": price}).status_code == 201
    return stocked


def states(client: TestClient) -> list[str]:
    return [item["status"] for item in client.get("/inventory").json()["items"]]


def test_a_sale_sells_every_piece_at_once(selling: TestClient) -> None:
    assert states(selling) == ["listed", "listed", "in_stock"]
    sale = selling.post("/sales/1/finalize").json()
    assert (sale["state"], sale["total"], states(selling)) == ("finalized", 5500, ["sold", "sold", "in_stock"])
    assert selling.post("/sales/1/finalize").status_code == 409
    assert selling.post("/sales/1/lines", json={"item": 3, "price": 1}).status_code == 409


def test_only_listed_pieces_are_sold_and_once(selling: TestClient) -> None:
    assert selling.post("/sales/1/lines", json={"item": 3, "price": 1}).json()["detail"] == "item 3 is in_stock, and only a listed one is sold"
    assert selling.post("/sales/1/lines", json={"item": 1, "price": 1}).status_code == 409
    assert selling.post("/sales/1/lines", json={"item": 99, "price": 1}).status_code == 404
    assert selling.post("/sales/9/finalize").status_code == 404


def test_a_piece_that_left_the_market_meanwhile_keeps_the_sale_a_draft(selling: TestClient) -> None:
    selling.post("/inventory/2/move", json={"status": "in_stock"})
    assert selling.post("/sales/1/finalize").status_code == 409
    assert (selling.get("/sales/1").json()["state"], states(selling)) == ("draft", ["listed", "in_stock", "in_stock"])


def test_what_leaves_the_market_is_offered_no_more(stocked: TestClient) -> None:
    text = "reference,sku,price\nA-1,SNES-001,25\n"
    stocked.post("/marketplace/imports", json={"market": "bay", "format": "csv", "text": text})
    stocked.post("/inventory/1/move", json={"status": "in_stock"})
    assert stocked.get("/marketplace/listings").json() == []


def test_what_is_sold_is_offered_no_more(stocked: TestClient) -> None:
    text = "reference,sku,price\nA-1,SNES-001,25\n"
    stocked.post("/marketplace/imports", json={"market": "bay", "format": "csv", "text": text})
    stocked.post("/sales", json={"buyer": "Ann", "day": "2026-04-01"})
    stocked.post("/sales/1/lines", json={"item": 1, "price": 2500})
    stocked.post("/sales/1/finalize")
    assert stocked.get("/marketplace/listings").json() == []


def test_a_piece_comes_back_to_the_shelf_or_the_bin(selling: TestClient, session: Session) -> None:
    selling.post("/sales/1/finalize")
    back = {"item": 1, "day": "2026-04-03", "refund": 3000, "restock": True, "reason": "wrong colour"}
    assert selling.post("/sales/1/returns", json=back).json()["total"] == 2500
    assert selling.post("/sales/1/returns", json=back).status_code == 409
    broken = selling.post("/sales/1/returns", json=back | {"item": 2, "refund": 500, "restock": False, "reason": "broken"})
    assert (broken.status_code, broken.json()["total"], states(selling)) == (201, 2000, ["in_stock", "written_off", "in_stock"])
    assert [move["after"] for move in selling.get("/inventory/1/moves").json()] == ["listed", "sold", "in_stock"]
    assert [finding.name for finding in invariants.findings(session.connection()) if finding.message] == []
    report = selling.get("/reports/2026").json()[3]
    assert report == {"month": 4, "pieces": 2, "revenue": 5500, "refunds": 3500, "cost": 1600, "profit": 400}


@pytest.mark.parametrize(
    ("change", "status"),
    [({"item": 3}, 422), ({"refund": 3001}, 422), ({"day": "2026-03-31"}, 422), ({"reason": " "}, 422), ({"refund": -1}, 422)],
)
def test_a_senseless_return_is_refused(selling: TestClient, change: dict[str, object], status: int) -> None:
    selling.post("/sales/1/finalize")
    back = {"item": 1, "day": "2026-04-03", "refund": 1, "restock": True, "reason": "x"}
    assert selling.post("/sales/1/returns", json=back | change).status_code == status
    assert states(selling) == ["sold", "sold", "in_stock"]


def test_nothing_comes_back_from_a_draft(selling: TestClient) -> None:
    back = {"item": 1, "day": "2026-04-03", "refund": 1, "restock": True, "reason": "x"}
    assert selling.post("/sales/1/returns", json=back).status_code == 409


def test_an_empty_sale_is_422(client: TestClient) -> None:
    assert client.post("/sales", json={"buyer": " ", "day": "2026-04-01"}).status_code == 422
    client.post("/sales", json={"buyer": "Ann", "day": "2026-04-01"})
    assert client.post("/sales/1/finalize").status_code == 422
    assert [sale["buyer"] for sale in client.get("/sales").json()] == ["Ann"]


def test_the_rules_stand_without_a_database() -> None:
    listed = Item(1, "A", 5, 1, Status.LISTED)
    sale = sales.add(Sale(1, "Ann", DAY), listed, 900)
    with pytest.raises(Conflict):
        sales.add(sale, listed, 900)
    done = sales.finalize(sale)
    after, status = sales.take_back(done, 1, BACK)
    assert (after.total, status, done.total) == (800, Status.IN_STOCK, 900)
    assert sales.take_back(done, 1, replace(BACK, restocked=False))[1] is Status.WRITTEN_OFF
    with pytest.raises(Invalid):
        Line(1, -1)
    with pytest.raises(Conflict):
        inventory.take_back(listed, Status.IN_STOCK)
    assert sale.state is State.DRAFT
