from fastapi.testclient import TestClient


def test_an_empty_shop(client: TestClient) -> None:
    body = client.get("/dashboard", params={"year": 2026}).json()
    assert body == {"items": {"in_stock": 0, "listed": 0, "sold": 0, "written_off": 0}, "value": 0, "drafts": 0, "year": 2026, "kilometres": 0}


def test_a_stocked_shop(stocked: TestClient) -> None:
    stocked.post("/inventory/1/move", json={"status": "listed"})
    stocked.post("/purchases", json={"seller": "s", "day": "2026-04-01"})
    body = stocked.get("/dashboard", params={"year": 2026}).json()
    assert (body["items"]["in_stock"], body["items"]["listed"], body["value"]) == (2, 1, 4000)
    assert (body["drafts"], body["kilometres"]) == (1, 50)


def test_a_year_is_needed(client: TestClient) -> None:
    assert client.get("/dashboard").status_code == 422


def test_a_discarded_draft_is_gone(client: TestClient) -> None:
    client.post("/purchases", json={"seller": "s", "day": "2026-03-01"})
    assert client.delete("/purchases/1").status_code == 204
    assert client.get("/purchases/1").status_code == 404
    assert client.delete("/purchases/1").status_code == 404


def test_a_finalized_purchase_stays(stocked: TestClient) -> None:
    assert stocked.delete("/purchases/1").status_code == 409
    assert len(stocked.get("/inventory").json()["items"]) == 3


def test_an_item_tells_its_moves(stocked: TestClient) -> None:
    stocked.post("/inventory/1/move", json={"status": "listed"})
    assert stocked.get("/inventory/1/moves").json() == [{"before": "in_stock", "after": "listed"}]


def test_a_refused_request_changes_nothing(stocked: TestClient) -> None:
    assert stocked.post("/inventory/1/move", json={"status": "sold"}).status_code == 409
    assert stocked.get("/inventory/1/moves").json() == []


def test_products_are_found_by_attribute(client: TestClient) -> None:
    for sku, region in (("A", "PAL"), ("B", "NTSC")):
        client.post("/products", json={"sku": sku, "title": sku, "category": "games", "attributes": {"region": region}})
    assert [product["sku"] for product in client.get("/products", params={"attribute": "region:PAL"}).json()] == ["A"]
    assert client.get("/products", params={"attribute": "region"}).status_code == 422
