"""Purchases, items and products in the database, as the domain knows them. Every method works in its caller's transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Annotated

from fastapi import Depends
from sqlalchemy import delete, func, or_, select
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from app.database import Opened
from app.domain import inventory, purchases
from app.domain.errors import Conflict, Invalid, NotFound
from app.domain.inventory import Item, Status
from app.domain.mileage import Trip
from app.domain.products import MasterProduct
from app.domain.purchases import Line, Purchase, State
from app.models import ItemRow, LineRow, ListingRow, MoveRow, ProductRow, PurchaseRow, TripRow


class Store:
    """The state of the service, seen through one session."""

    def __init__(self, session: Session) -> None:
        self.session = session

    @contextmanager
    def _speaking(self, **conflicts: str) -> Iterator[None]:
        """Turn what the database refuses into the domain's own errors; ``conflicts`` has a message by constraint."""
        try:
            yield
            self.session.flush()
        except IntegrityError as error:
            name = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
            if name in conflicts:
                raise Conflict(conflicts[name]) from error
            raise Invalid(f"the database refuses this: {name}") from error
        except DataError as error:
            raise Invalid("a value is outside of what the database can hold") from error

    def add_product(self, product: MasterProduct) -> MasterProduct:
        """Add an article; its SKU must be new."""
        with self._speaking(pk_master_products=f"product {product.sku} exists"):
            row = ProductRow(sku=product.sku, title=product.title, category=product.category, variant=product.variant, attributes=product.attributes)
            self.session.add(row)
        return product

    def product(self, sku: str) -> MasterProduct:
        """The article with this SKU."""
        row = self.session.get(ProductRow, sku)
        if row is None:
            raise NotFound("product", sku)
        return _product(row)

    def products(self, attribute: tuple[str, str] | None = None) -> list[MasterProduct]:
        """All articles by SKU, or those that have an attribute."""
        query = select(ProductRow).order_by(ProductRow.sku)
        if attribute is not None:
            name, value = attribute
            query = query.where(ProductRow.attributes[name].astext == value)
        return [_product(row) for row in self.session.scalars(query)]

    def create(self, seller: str, day: date) -> Purchase:
        """Begin a draft."""
        with self._speaking():
            row = PurchaseRow(seller=seller, day=day, state=State.DRAFT)
            self.session.add(row)
        return _purchase(row)

    def _row(self, number: int, *, lock: bool = False) -> PurchaseRow:
        row = self.session.get(PurchaseRow, number, with_for_update=lock or None, populate_existing=lock)
        if row is None:
            raise NotFound("purchase", number)
        return row

    def purchase(self, number: int) -> Purchase:
        """The purchase with this number."""
        return _purchase(self._row(number))

    def purchases(self) -> list[Purchase]:
        """All purchases, newest first."""
        return [_purchase(row) for row in self.session.scalars(select(PurchaseRow).order_by(PurchaseRow.number.desc()))]

    def add_line(self, number: int, line: Line) -> Purchase:
        """Add a line to a draft; pieces of one article at one price share a line."""
        row = self._row(number, lock=True)
        purchases.add_line(_purchase(row), line)
        with self._speaking():
            known = next((one for one in row.lines if (one.sku, one.unit_cost) == (line.sku, line.unit_cost)), None)
            if known is None:
                row.lines.append(LineRow(sku=line.sku, quantity=line.quantity, unit_cost=line.unit_cost))
            else:
                known.quantity += line.quantity
        return _purchase(row)

    def add_trip(self, number: int, trip: Trip) -> Purchase:
        """Add a trip to a draft."""
        row = self._row(number, lock=True)
        purchases.add_trip(_purchase(row), trip)
        with self._speaking():
            row.trips.append(TripRow(day=trip.day, kilometres=trip.kilometres, purpose=trip.purpose))
        return _purchase(row)

    def discard(self, number: int) -> None:
        """Remove a draft with its lines and trips."""
        row = self._row(number, lock=True)
        purchases.discard(_purchase(row))
        self.session.delete(row)
        self.session.flush()

    def finalize(self, number: int) -> list[Item]:
        """Fix a purchase and put every piece on the shelf: all of it, or nothing."""
        row = self._row(number, lock=True)
        purchase = purchases.finalize(_purchase(row))
        with self._speaking(uq_items_purchase_piece=f"purchase {number} is in stock already"):
            row.state = purchase.state
            costs = purchases.landed_costs(purchase)
            items = [ItemRow(sku=sku, cost=cost, purchase=number, piece=piece, status=Status.IN_STOCK) for piece, (sku, cost) in enumerate(costs, 1)]
            self.session.add_all(items)
        return [_item(item) for item in items]

    def move(self, number: int, to: Status) -> Item:
        """Move an item to its next state, and note the move. What is no longer listed is offered nowhere."""
        row = self.session.get(ItemRow, number, with_for_update=True, populate_existing=True)
        if row is None:
            raise NotFound("item", number)
        moved = inventory.move(_item(row), to)
        with self._speaking():
            if row.status is Status.LISTED:
                self.session.execute(delete(ListingRow).where(ListingRow.item == number))
            self.session.add(MoveRow(item=number, before=row.status, after=moved.status))
            row.status = moved.status
        return moved

    def moves(self, number: int) -> list[tuple[Status, Status]]:
        """The moves of an item, oldest first."""
        query = select(MoveRow).where(MoveRow.item == number).order_by(MoveRow.number)
        return [(row.before, row.after) for row in self.session.scalars(query)]

    def search(self, text: str, status: Status | None) -> list[Item]:
        """Items whose SKU or title holds ``text``, in the order of their numbers."""
        query = select(ItemRow).join(ProductRow, ProductRow.sku == ItemRow.sku).order_by(ItemRow.number)
        wanted = text.strip().lower()
        if wanted:
            fields = (ItemRow.sku, ProductRow.title, ProductRow.variant)
            query = query.where(or_(*(func.lower(field).contains(wanted, autoescape=True) for field in fields)))
        if status is not None:
            query = query.where(ItemRow.status == status)
        return [_item(row) for row in self.session.scalars(query)]

    def counts(self) -> dict[Status, int]:
        """How many items are in each state."""
        rows = self.session.execute(select(ItemRow.status, func.count()).group_by(ItemRow.status))
        return {status: 0 for status in Status} | {status: count for status, count in rows}

    def kilometres(self, year: int) -> tuple[int, int]:
        """Kilometres and trips of a calendar year over all purchases."""
        query = select(func.coalesce(func.sum(TripRow.kilometres), 0), func.count()).where(func.extract("year", TripRow.day) == year)
        kilometres, trips = self.session.execute(query).one()
        return int(kilometres), trips

    def drafts(self) -> int:
        """How many purchases are not finalized."""
        return self.session.scalar(select(func.count()).select_from(PurchaseRow).where(PurchaseRow.state == State.DRAFT)) or 0


def _product(row: ProductRow) -> MasterProduct:
    return MasterProduct(sku=row.sku, title=row.title, category=row.category, variant=row.variant, attributes=dict(row.attributes))


def _purchase(row: PurchaseRow) -> Purchase:
    lines = tuple(Line(sku=line.sku, quantity=line.quantity, unit_cost=line.unit_cost) for line in row.lines)
    trips = tuple(Trip(day=trip.day, kilometres=trip.kilometres, purpose=trip.purpose) for trip in row.trips)
    return Purchase(number=row.number, seller=row.seller, day=row.day, lines=lines, trips=trips, state=row.state)


def _item(row: ItemRow) -> Item:
    return Item(number=row.number, sku=row.sku, cost=row.cost, purchase=row.purchase, status=row.status)


def store(session: Opened) -> Store:
    """The store of a request."""
    return Store(session)


Stored = Annotated[Store, Depends(store)]
