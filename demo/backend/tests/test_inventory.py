import pytest
from fastapi.testclient import TestClient

from app.domain.errors import Conflict
from app.domain.inventory import Item, Status, move, value


def item(status: Status) -> Item:
    return Item(number=1, sku="A", cost=100, purchase=1, status=status)


@pytest.mark.parametrize(
    ("now", "then"),
    [(Status.IN_STOCK, Status.LISTED), (Status.IN_STOCK, Status.WRITTEN_OFF), (Status.LISTED, Status.SOLD), (Status.LISTED, Status.IN_STOCK)],
)
def test_states_follow_each_other(now: Status, then: Status) -> None:
    assert move(item(now), then).status is then


@pytest.mark.parametrize(
    ("now", "then"),
    [(Status.IN_STOCK, Status.SOLD), (Status.SOLD, Status.LISTED), (Status.WRITTEN_OFF, Status.IN_STOCK), (Status.LISTED, Status.LISTED)],
)
def test_other_states_are_refused(now: Status, then: Status) -> None:
    with pytest.raises(Conflict):
        move(item(now), then)


def test_value_counts_what_is_ours() -> None:
    assert value([item(status) for status in Status]) == 200


def test_search_finds_by_sku_and_title(stocked: TestClient) -> None:
    found = lambda q: [item["number"] for item in stocked.get("/inventory", params={"q": q}).json()["items"]]  # noqa: E731
    assert found("snes") == [1, 2]
    assert found("ATLAS") == [3]
    assert found("nothing") == []


def test_search_filters_by_status(stocked: TestClient) -> None:
    stocked.post("/inventory/1/move", json={"status": "listed"})
    body = stocked.get("/inventory", params={"status": "listed"}).json()
    assert ([item["number"] for item in body["items"]], body["value"]) == ([1], 1600)


def test_a_forbidden_move_is_409(stocked: TestClient) -> None:
    refused = stocked.post("/inventory/1/move", json={"status": "sold"})
    assert (refused.status_code, refused.json()["detail"]) == (409, "item 1 is in_stock and cannot become sold")


def test_an_unknown_item_is_404(stocked: TestClient) -> None:
    assert stocked.post("/inventory/99/move", json={"status": "listed"}).status_code == 404


def test_the_service_says_it_is_ready(client: TestClient) -> None:
    assert client.get("/health/ready").json() == {"status": "ready"}
