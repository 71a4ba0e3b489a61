"""What only the database itself can say of the store."""

from datetime import date

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from app.domain.errors import Conflict, Invalid, NotFound
from app.domain.inventory import Status
from app.domain.mileage import Trip
from app.domain.products import Category, MasterProduct
from app.domain.purchases import Line, State
from app.models import ItemRow, LineRow, MoveRow, TripRow
from app.store import Store

DAY = date(2026, 3, 1)


def draft(store: Store, *lines: Line) -> int:
    """A draft with lines, whose articles exist."""
    for line in lines:
        if not any(product.sku == line.sku for product in store.products()):
            store.add_product(MasterProduct(line.sku, line.sku, Category.GAMES))
    number = store.create("s", DAY).number
    for line in lines:
        store.add_line(number, line)
    return number


def count(session: Session, row: type) -> int:
    return session.query(row).count()


def test_a_product_comes_back_as_it_went_in(store: Store) -> None:
    product = MasterProduct("A-1", "Atlas", Category.BOOKS, "2nd", {"language": "de", "condition": "good"})
    store.add_product(product)
    store.session.expire_all()
    assert store.product("A-1") == product


def test_a_sku_is_unique(store: Store) -> None:
    store.add_product(MasterProduct("A", "one", Category.GAMES))
    store.session.expunge_all()
    with pytest.raises(Conflict, match="exists"):
        store.add_product(MasterProduct("A", "two", Category.BOOKS))


def test_products_are_found_by_attribute(store: Store) -> None:
    store.add_product(MasterProduct("A", "a", Category.GAMES, attributes={"region": "PAL", "box": "yes"}))
    store.add_product(MasterProduct("B", "b", Category.GAMES, attributes={"region": "NTSC"}))
    assert [product.sku for product in store.products(("region", "PAL"))] == ["A"]
    assert store.products(("region", "SECAM")) == []


def test_a_purchase_comes_back_with_lines_and_trips(store: Store) -> None:
    number = draft(store, Line("A", 2, 100), Line("B", 1, 50))
    store.add_trip(number, Trip(DAY, 12, "collect"))
    store.session.expire_all()
    purchase = store.purchase(number)
    assert purchase.lines == (Line("A", 2, 100), Line("B", 1, 50))
    assert purchase.trips == (Trip(DAY, 12, "collect"),)
    assert (purchase.goods, purchase.travel, purchase.state) == (250, 360, State.DRAFT)


def test_equal_pieces_share_a_row(store: Store) -> None:
    number = draft(store, Line("A", 1, 100), Line("A", 2, 100), Line("A", 1, 90))
    assert store.purchase(number).lines == (Line("A", 3, 100), Line("A", 1, 90))
    assert count(store.session, LineRow) == 2


def test_two_rows_of_one_article_at_one_price_are_refused(store: Store) -> None:
    number = draft(store, Line("A", 1, 100))
    store.session.add(LineRow(purchase=number, sku="A", quantity=1, unit_cost=100))
    with pytest.raises(IntegrityError, match="unique constraint"):
        store.session.flush()


def test_discarding_a_draft_takes_lines_and_trips_along(store: Store) -> None:
    number = draft(store, Line("A", 1, 100), Line("B", 1, 100))
    store.add_trip(number, Trip(DAY, 5, "collect"))
    store.session.expire_all()
    store.discard(number)
    assert (count(store.session, LineRow), count(store.session, TripRow)) == (0, 0)
    with pytest.raises(NotFound):
        store.purchase(number)


def test_the_database_itself_takes_lines_along(store: Store, connection: Connection) -> None:
    number = draft(store, Line("A", 1, 100))
    store.session.commit()
    connection.execute(text("DELETE FROM purchases WHERE number = :number"), {"number": number})
    assert connection.scalar(text("SELECT count(*) FROM purchase_lines")) == 0


def test_a_finalized_purchase_is_not_discarded(store: Store) -> None:
    number = draft(store, Line("A", 1, 100))
    store.finalize(number)
    with pytest.raises(Conflict):
        store.discard(number)
    assert store.purchase(number).state is State.FINALIZED


def test_finalizing_makes_one_item_a_piece(store: Store) -> None:
    number = draft(store, Line("A", 3, 100), Line("B", 1, 50))
    items = store.finalize(number)
    assert [(item.sku, item.cost) for item in items] == [("A", 100)] * 3 + [("B", 50)]
    assert count(store.session, ItemRow) == 4


def test_a_purchase_that_does_not_fit_is_not_half_finalized(store: Store) -> None:
    largest = 2_147_483_647
    number = draft(store, Line("A", 1, 100), Line("B", 1, largest))
    store.add_trip(number, Trip(DAY, 1500, "far away"))
    store.session.commit()
    with pytest.raises(Invalid, match="outside"):
        store.finalize(number)
    store.session.rollback()
    assert store.purchase(number).state is State.DRAFT
    assert count(store.session, ItemRow) == 0


def test_a_piece_is_stocked_once(store: Store) -> None:
    number = draft(store, Line("A", 1, 100))
    store.finalize(number)
    store.session.add(ItemRow(sku="A", cost=1, purchase=number, piece=1, status=Status.IN_STOCK))
    with pytest.raises(IntegrityError, match="unique constraint"):
        store.session.flush()


@pytest.mark.parametrize("path", [[Status.LISTED], [Status.LISTED, Status.SOLD], [Status.WRITTEN_OFF], [Status.LISTED, Status.IN_STOCK, Status.LISTED]])
def test_every_state_can_be_stored(store: Store, path: list[Status]) -> None:
    item = store.finalize(draft(store, Line("A", 1, 100)))[0]
    for status in path:
        store.move(item.number, status)
    store.session.expire_all()
    assert store.search("", path[-1])[0].number == item.number
    assert [after for _, after in store.moves(item.number)] == path


def test_moves_begin_where_the_last_one_ended(store: Store) -> None:
    item = store.finalize(draft(store, Line("A", 1, 100)))[0]
    store.move(item.number, Status.LISTED)
    store.move(item.number, Status.SOLD)
    assert store.moves(item.number) == [(Status.IN_STOCK, Status.LISTED), (Status.LISTED, Status.SOLD)]


def test_a_refused_move_leaves_no_trace(store: Store) -> None:
    item = store.finalize(draft(store, Line("A", 1, 100)))[0]
    with pytest.raises(Conflict):
        store.move(item.number, Status.SOLD)
    assert count(store.session, MoveRow) == 0


def test_an_unknown_word_is_no_state(connection: Connection) -> None:
    with pytest.raises(DataError, match="item_status"):
        connection.execute(text("SELECT CAST('lost' AS item_status)"))


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("INSERT INTO purchases (seller, day) VALUES (' ', '2026-01-01')", "check constraint"),
        ("INSERT INTO master_products (sku, title, category) VALUES ('A', '', 'games')", "check constraint"),
        ("INSERT INTO items (sku, cost, purchase, piece) VALUES ('NOPE', 1, 1, 1)", "foreign key constraint"),
        ("INSERT INTO purchase_lines (purchase, sku, quantity, unit_cost) VALUES (1, 'A', 0, 1)", "check constraint"),
        ("INSERT INTO mileage_log (purchase, day, kilometres, purpose) VALUES (1, '2026-01-01', 0, 'x')", "check constraint"),
        ("INSERT INTO item_moves (item, before, after) VALUES (1, 'sold', 'sold')", "check constraint"),
    ],
)
def test_the_database_refuses_what_makes_no_sense(connection: Connection, statement: str, kind: str) -> None:
    with pytest.raises(IntegrityError, match=kind):
        connection.execute(text(statement))


@pytest.mark.parametrize(("q", "found"), [("atl", ["A-1"]), ("ATLAS", ["A-1"]), ("b_2", []), ("b-2", ["B-2"]), ("%", []), ("", ["A-1", "B-2"])])
def test_search_takes_words_literally(store: Store, q: str, found: list[str]) -> None:
    store.add_product(MasterProduct("A-1", "Atlas", Category.BOOKS))
    store.finalize(draft(store, Line("A-1", 1, 1), Line("B-2", 1, 1)))
    assert [item.sku for item in store.search(q, None)] == found


def test_counts_name_every_state(store: Store) -> None:
    assert store.counts() == dict.fromkeys(Status, 0)
    items = store.finalize(draft(store, Line("A", 3, 100)))
    store.move(items[0].number, Status.LISTED)
    assert store.counts() == {Status.IN_STOCK: 2, Status.LISTED: 1, Status.SOLD: 0, Status.WRITTEN_OFF: 0}


def test_kilometres_are_counted_by_year(store: Store) -> None:
    number = store.create("s", date(2026, 1, 2)).number
    store.add_trip(number, Trip(date(2025, 12, 31), 10, "a"))
    store.add_trip(number, Trip(date(2026, 1, 1), 20, "b"))
    assert (store.kilometres(2025), store.kilometres(2026), store.kilometres(2024)) == ((10, 1), (20, 1), (0, 0))


def test_drafts_are_counted(store: Store) -> None:
    first = draft(store, Line("A", 1, 1))
    draft(store)
    assert store.drafts() == 2
    store.finalize(first)
    assert store.drafts() == 1
