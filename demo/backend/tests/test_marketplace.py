"""Files of listings: read, previewed, applied."""

import json

import pytest
from fastapi.testclient import TestClient

from app import log
from app.domain.errors import Invalid
from app.domain.marketplace import Format, cents, read

CSV = "reference,sku,price\nA-1,snes 001,25.00\nA-2,SNES-001,30\nA-3,SNES-001,30\nA-4,NOPE,1\nA-1,BOOK-7,5\n"


def file(text: str, form: str = "csv") -> dict[str, str]:
    return {"market": "bay", "format": form, "text": text}


def outcomes(answer: object) -> list[tuple[str, str]]:
    assert isinstance(answer, list)
    return [(row["outcome"], row["why"]) for row in answer]


def test_a_preview_says_what_every_row_does_and_changes_nothing(stocked: TestClient) -> None:
    expected = [
        ("new", ""),
        ("new", ""),
        ("refused", "no piece of SNES-001 is in stock"),
        ("refused", "there is no product NOPE"),
        ("refused", "A-1 stands twice"),
    ]
    assert outcomes(stocked.post("/marketplace/preview", json=file(CSV)).json()) == expected
    assert outcomes(stocked.post("/marketplace/preview", json=file(CSV)).json()) == expected
    assert stocked.get("/marketplace/listings").json() == []


def test_applying_lists_pieces_and_counts_what_it_passed_over(stocked: TestClient) -> None:
    before = log.counts().get("listing-refused", 0)
    answer = stocked.post("/marketplace/imports", json=file(CSV))
    assert (answer.status_code, [row["outcome"] for row in answer.json()]) == (201, ["new", "new", "refused", "refused", "refused"])
    assert log.counts()["listing-refused"] == before + 3
    assert [(one["reference"], one["price"]) for one in stocked.get("/marketplace/listings").json()] == [("A-2", 3000), ("A-1", 2500)]
    assert [item["status"] for item in stocked.get("/inventory").json()["items"]] == ["listed", "listed", "in_stock"]


def test_applying_twice_changes_prices_alone(stocked: TestClient) -> None:
    stocked.post("/marketplace/imports", json=file(CSV))
    again = json.dumps([{"reference": "A-1", "sku": "SNES-001", "price": "26"}, {"reference": "A-2", "sku": "SNES-001", "price": "30.00"}])
    assert outcomes(stocked.post("/marketplace/imports", json=file(again, "json")).json()) == [("repriced", ""), ("unchanged", "")]
    assert [one["price"] for one in stocked.get("/marketplace/listings").json()] == [3000, 2600]
    other = json.dumps([{"reference": "A-1", "sku": "BOOK-7", "price": "26"}])
    assert outcomes(stocked.post("/marketplace/preview", json=file(other, "json")).json()) == [("refused", "A-1 is listed as SNES-001")]


@pytest.mark.parametrize(("text", "form", "why"), [("", "csv", "does not name"), ("a,b\n1,2\n", "csv", "reference, sku, price"), ("{", "json", "no JSON"), ("{}", "json", "no list"), ("[]", "json", "no rows")])
def test_a_file_that_is_none_is_422(client: TestClient, text: str, form: str, why: str) -> None:
    answer = client.post("/marketplace/preview", json=file(text, form))
    assert answer.status_code == 422
    assert why in answer.json()["detail"]


def test_rows_say_what_is_wrong_with_them() -> None:
    rows = read('[{"sku": "A", "price": "1"}, 3, {"reference": "x", "sku": "!", "price": "1"}, {"reference": "y", "sku": "A", "price": "0"}]', Format.JSON)
    assert ["no reference" in rows[0].wrong, "no reference" in rows[1].wrong, "SKU" in rows[2].wrong, "above nothing" in rows[3].wrong] == [True] * 4


@pytest.mark.parametrize(("text", "value"), [("12", 1200), ("12.5", 1250), ("12,05", 1205), (" 0.01 ", 1)])
def test_prices_are_read(text: str, value: int) -> None:
    assert cents(text) == value


@pytest.mark.parametrize("text", ["", "x", "-1", "1.234", "0", "1e3", "١"])
def test_prices_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        cents(text)
