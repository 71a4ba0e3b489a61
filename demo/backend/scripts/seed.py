"""Fills a database by the application's own ways: articles, purchases with trips, stock in every state."""

import argparse
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import create_engine  # noqa: E402
from sqlalchemy.orm import Session  # noqa: E402

from app.database import engine_from_environment  # noqa: E402
from app.domain.accounts import digest  # noqa: E402
from app.domain.inventory import Status  # noqa: E402
from app.domain.marketplace import Format, read  # noqa: E402
from app.domain.mileage import Trip  # noqa: E402
from app.domain.products import Category, MasterProduct  # noqa: E402
from app.domain.purchases import Line  # noqa: E402
from app.domain.sales import Return  # noqa: E402
from app.domain.sourcing import Offer  # noqa: E402
from app.models import SessionRow  # noqa: E402
from app.services import accounts, marketplace, sales, sourcing  # noqa: E402
from app.store import Store  # noqa: E402

FIRST = date(2026, 1, 5)
PURCHASES = 12
LISTED = "reference,sku,price\nB-1,SKU-8,49.00\nB-2,SKU-8,35.00\nB-3,SKU-3,12.50\nB-4,SKU-4,20.00\nB-5,SKU-5,18.00\nB-6,SKU-5,21.00\n"
# For the demo and its tests alone.
NAME, PASSWORD = "owner", "only for the demo"


def seed(store: Store) -> None:
    """The same data every time."""
    for number in range(1, 9):
        category = (Category.GAMES, Category.BOOKS)[number % 2]
        store.add_product(MasterProduct(f"SKU-{number}", f"Article {number}", category, attributes={"region": "PAL" if number % 2 else "NTSC"}))
    for number in range(PURCHASES):
        day = FIRST + timedelta(days=7 * number)
        purchase = store.create(f"Seller {number % 4}", day).number
        for line in range(1 + number % 3):
            store.add_line(purchase, Line(f"SKU-{1 + (number + line) % 8}", 1 + line, 250 * (1 + number)))
        if number % 2:
            store.add_trip(purchase, Trip(day - timedelta(days=1), 10 + number, "collect"))
        if number % 4 != 3:
            for item in store.finalize(purchase)[:2]:
                store.move(item.number, Status.LISTED if item.number % 3 else Status.WRITTEN_OFF)
                if item.number % 5 == 1 and item.number % 3:
                    store.move(item.number, Status.SOLD)
    trade(store)


def trade(store: Store) -> None:
    """Somebody who may sign in, listings, leads, and a sale of which a piece came back."""
    session = store.session
    accounts.add(session, NAME, PASSWORD)
    marketplace.apply(session, "bay", read(LISTED, Format.CSV))
    offers = [Offer("F-1", "SKU-8", 2000), Offer("F-2", "SKU-8", 3400), Offer("F-3", "SKU-3", 500)]
    found = sourcing.run(session, "Flea market", offers, 30)
    sourcing.discard(session, found.leads[-1].number, "the box is missing")
    listed = [listing.item for listing, _ in marketplace.listings(session)]
    sale = sales.create(session, "Ann", FIRST + timedelta(days=100)).number
    for item in listed[-2:]:
        sales.add(session, sale, item, 3000)
    sales.finalize(session, sale)
    sales.take_back(session, sale, listed[-1], Return(FIRST + timedelta(days=103), 3000, restocked=True, reason="wrong colour"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--urls", help="databases, with commas between; without it the one of DATABASE_URL")
    parser.add_argument("--token", help="somebody is signed in with this token")
    asked = parser.parse_args()
    engines = [create_engine(url) for url in asked.urls.split(",")] if asked.urls else [engine_from_environment()]
    for engine in engines:
        with Session(engine) as session, session.begin():
            seed(Store(session))
            if asked.token:
                session.add(SessionRow(digest=digest(asked.token), account=NAME, ends=datetime.now(UTC) + accounts.LASTS))
        engine.dispose()
    print(f"{PURCHASES} purchases in {len(engines)} databases")
