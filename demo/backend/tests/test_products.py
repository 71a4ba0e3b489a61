import pytest
from fastapi.testclient import TestClient

from app.domain.errors import Invalid
from app.domain.products import Category, MasterProduct, normalise_sku


@pytest.mark.parametrize("raw", [" snes 001 ", "SNES-001", "snes_001", "Snes--001"])
def test_spellings_of_a_sku_are_one(raw: str) -> None:
    assert normalise_sku(raw) == "SNES-001"


@pytest.mark.parametrize("raw", ["", "  ", "ä", "a/b"])
def test_senseless_skus_are_refused(raw: str) -> None:
    with pytest.raises(Invalid):
        normalise_sku(raw)


def test_label_shows_the_variant() -> None:
    assert MasterProduct("A", "Atlas", Category.BOOKS, "2nd edition").label == "Atlas (2nd edition)"
    assert MasterProduct("A", "Atlas", Category.BOOKS).label == "Atlas"


def test_a_product_is_added_once(client: TestClient) -> None:
    body = {"sku": "snes 001", "title": "Star Quest", "category": "games"}
    assert client.post("/products", json=body).status_code == 201
    again = client.post("/products", json={**body, "sku": "SNES-001"})
    assert (again.status_code, again.json()["detail"]) == (409, "product SNES-001 exists")


def test_products_are_listed_by_sku(client: TestClient) -> None:
    for sku in ("B-2", "A-1"):
        client.post("/products", json={"sku": sku, "title": sku, "category": "books"})
    assert [product["sku"] for product in client.get("/products").json()] == ["A-1", "B-2"]


def test_an_unknown_product_is_404(client: TestClient) -> None:
    assert client.get("/products/NOPE").status_code == 404


def test_an_unknown_category_is_422(client: TestClient) -> None:
    assert client.post("/products", json={"sku": "A", "title": "A", "category": "toys"}).status_code == 422
