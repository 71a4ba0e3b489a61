"""Every test has a service of its own."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.main import create_app


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(create_app()) as client:
        yield client


@pytest.fixture
def stocked(client: TestClient) -> TestClient:
    """A service with two articles and one finalized purchase of three pieces."""
    for sku, title in (("SNES-001", "Star Quest"), ("BOOK-7", "Atlas")):
        client.post("/products", json={"sku": sku, "title": title, "category": "games" if sku.startswith("SNES") else "books"})
    client.post("/purchases", json={"seller": "Flea market", "day": "2026-03-01"})
    client.post("/purchases/1/lines", json={"sku": "SNES-001", "quantity": 2, "unit_cost": 1000})
    client.post("/purchases/1/lines", json={"sku": "BOOK-7", "quantity": 1, "unit_cost": 500})
    client.post("/purchases/1/trips", json={"day": "2026-03-01", "kilometres": 50, "purpose": "collect"})
    client.post("/purchases/1/finalize")
    return client
