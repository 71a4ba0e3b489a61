"""What callers rely on, route by route: the shape of answers, and what is answered to senseless questions."""

import pytest
from fastapi.testclient import TestClient


def test_mileage_counts_one_year(stocked: TestClient) -> None:
    assert stocked.get("/mileage/2026").json() == {"year": 2026, "kilometres": 50, "trips": 1}
    assert stocked.get("/mileage/2025").json() == {"year": 2025, "kilometres": 0, "trips": 0}


def test_an_article_is_found_by_any_spelling_of_its_sku(stocked: TestClient) -> None:
    assert stocked.get("/products/snes 001").json()["sku"] == "SNES-001"
    assert stocked.get("/products/NOPE").status_code == 404


def test_sales_are_listed_newest_first(client: TestClient) -> None:
    for buyer in ("Ann", "Ben"):
        client.post("/sales", json={"buyer": buyer, "day": "2026-04-01"})
    assert [(sale["number"], sale["state"], sale["total"]) for sale in client.get("/sales").json()] == [(2, "draft", 0), (1, "draft", 0)]


def test_one_sale_has_its_lines(client: TestClient) -> None:
    client.post("/sales", json={"buyer": "Ann", "day": "2026-04-01"})
    assert client.get("/sales/1").json() == {"number": 1, "buyer": "Ann", "day": "2026-04-01", "state": "draft", "lines": [], "total": 0}
    assert client.get("/sales/2").status_code == 404


def test_signing_out_twice_is_no_error(client: TestClient) -> None:
    assert client.get("/session").status_code == 200
    assert [client.delete("/session").status_code for _ in range(2)] == [204, 204]


def test_leads_are_empty_before_the_first_run(client: TestClient) -> None:
    assert client.get("/sourcing/leads").json() == []


@pytest.mark.parametrize("body", [{}, {"day": "soon"}])
def test_a_lead_is_bought_on_a_day(client: TestClient, body: dict[str, str]) -> None:
    assert client.post("/sourcing/leads/1/convert", json=body).status_code == 422


def test_a_lead_that_is_none_cannot_be_bought(client: TestClient) -> None:
    refused = client.post("/sourcing/leads/1/convert", json={"day": "2026-04-01"})
    assert (refused.status_code, refused.json()) == (404, {"detail": "there is no lead 1"})


def test_every_route_but_health_and_session_is_guarded(anyone: TestClient) -> None:
    paths = anyone.get("/openapi.json").json()["paths"]
    open_paths = {path for path, item in paths.items() for operation in item.values() if "security" not in operation}
    assert open_paths == {"/health/live", "/health/ready", "/health/deep", "/session"}
