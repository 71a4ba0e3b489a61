"""Sourcing: runs, leads, and what becomes of them."""

import pytest
from fastapi.testclient import TestClient

from app import log
from app.domain import sourcing
from app.domain.errors import Conflict, Invalid
from app.domain.sourcing import Lead, Offer


@pytest.fixture
def priced(stocked: TestClient) -> TestClient:
    """SNES-001 is offered at 25 and 35: worth 30."""
    text = "reference,sku,price\nA-1,SNES-001,25\nA-2,SNES-001,35\n"
    stocked.post("/marketplace/imports", json={"market": "bay", "format": "csv", "text": text})
    return stocked


def run(client: TestClient, *offers: tuple[str, str, int]) -> dict[str, object]:
    body = {"source": "flea", "offers": [{"reference": reference, "sku": sku, "asking": asking} for reference, sku, asking in offers]}
    answer = client.post("/sourcing/runs", json=body)
    assert answer.status_code == 201
    return dict(answer.json())


def test_a_run_keeps_what_is_worth_it(priced: TestClient) -> None:
    before = log.counts().get("offer-of-unknown-article", 0)
    found = run(priced, ("1", "SNES-001", 2100), ("2", "SNES-001", 2101), ("3", "BOOK-7", 1), ("4", "NOPE", 1))
    assert [(lead["reference"], lead["worth"], lead["margin"]) for lead in found["leads"]] == [("1", 3000, 900)]
    assert (found["known"], found["not_worth_it"], found["passed_over"]) == (0, 2, 1)
    assert log.counts()["offer-of-unknown-article"] == before + 1
    assert run(priced, ("1", "SNES-001", 2100))["known"] == 1
    assert len(priced.get("/sourcing/leads").json()) == 1


def test_a_lead_becomes_a_draft_of_a_purchase(priced: TestClient) -> None:
    run(priced, ("1", "SNES-001", 2000))
    lead = priced.post("/sourcing/leads/1/convert", json={"day": "2026-03-09"}).json()
    assert (lead["state"], lead["purchase"]) == ("converted", 2)
    purchase = priced.get("/purchases/2").json()
    assert (purchase["seller"], purchase["goods"], purchase["state"]) == ("flea, 1", 2000, "draft")
    assert priced.post("/sourcing/leads/1/convert", json={"day": "2026-03-09"}).status_code == 409
    assert priced.post("/sourcing/leads/1/discard", json={"reason": "late"}).status_code == 409
    assert len(priced.get("/purchases").json()) == 2


def test_a_lead_is_left_for_a_reason(priced: TestClient) -> None:
    run(priced, ("1", "SNES-001", 2000))
    assert priced.post("/sourcing/leads/1/discard", json={"reason": " "}).status_code == 422
    lead = priced.post("/sourcing/leads/1/discard", json={"reason": "broken"}).json()
    assert (lead["state"], lead["reason"]) == ("discarded", "broken")
    assert priced.post("/sourcing/leads/9/discard", json={"reason": "x"}).status_code == 404


def test_a_margin_that_is_none_is_422(priced: TestClient) -> None:
    body = {"source": "flea", "offers": [{"reference": "1", "sku": "SNES-001", "asking": 1}], "margin_percent": 100}
    assert priced.post("/sourcing/runs", json=body).status_code == 422


def test_worth_is_a_median() -> None:
    assert [sourcing.worth(prices) for prices in ([], [5], [1, 4], [1, 9, 2])] == [0, 5, 2, 2]
    assert not sourcing.is_worth_it(Offer("1", "A", 0), 0, 0)


def test_a_lead_has_one_end() -> None:
    lead = Lead(1, "s", "r", "A", 1, 2)
    with pytest.raises(Conflict):
        sourcing.discard(sourcing.convert(lead, 7), "x")
    with pytest.raises(Invalid):
        sourcing.discard(lead, "")
