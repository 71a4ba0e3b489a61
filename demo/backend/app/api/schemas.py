"""What goes over the wire."""

from datetime import date

from pydantic import BaseModel, Field

from app.domain.inventory import Item, Status
from app.domain.products import Category, MasterProduct
from app.domain.purchases import Purchase, State


class ProductIn(BaseModel):
    """A new article."""

    sku: str
    title: str
    category: Category
    variant: str = ""
    attributes: dict[str, str] = {}


class ProductOut(BaseModel):
    """An article."""

    sku: str
    title: str
    category: Category
    variant: str
    attributes: dict[str, str]
    label: str

    @classmethod
    def of(cls, product: MasterProduct) -> "ProductOut":
        """The wire form of an article."""
        return cls(
            sku=product.sku,
            title=product.title,
            category=product.category,
            variant=product.variant,
            attributes=product.attributes,
            label=product.label,
        )


class PurchaseIn(BaseModel):
    """A new draft."""

    seller: str = Field(min_length=1)
    day: date


class LineIn(BaseModel):
    """A line of a draft."""

    sku: str
    quantity: int
    unit_cost: int


class TripIn(BaseModel):
    """A trip of a draft."""

    day: date
    kilometres: int
    purpose: str


class PurchaseOut(BaseModel):
    """A purchase with its sums in cents."""

    number: int
    seller: str
    day: date
    state: State
    lines: list[LineIn]
    trips: list[TripIn]
    goods: int
    travel: int

    @classmethod
    def of(cls, purchase: Purchase) -> "PurchaseOut":
        """The wire form of a purchase."""
        return cls(
            number=purchase.number,
            seller=purchase.seller,
            day=purchase.day,
            state=purchase.state,
            lines=[LineIn(sku=line.sku, quantity=line.quantity, unit_cost=line.unit_cost) for line in purchase.lines],
            trips=[TripIn(day=trip.day, kilometres=trip.kilometres, purpose=trip.purpose) for trip in purchase.trips],
            goods=purchase.goods,
            travel=purchase.travel,
        )


class ItemOut(BaseModel):
    """An item with its article's label."""

    number: int
    sku: str
    label: str
    cost: int
    purchase: int
    status: Status

    @classmethod
    def of(cls, item: Item, product: MasterProduct) -> "ItemOut":
        """The wire form of an item."""
        return cls(number=item.number, sku=item.sku, label=product.label, cost=item.cost, purchase=item.purchase, status=item.status)


class Move(BaseModel):
    """The next state of an item."""

    status: Status


class MoveOut(BaseModel):
    """One change of an item's state."""

    before: Status
    after: Status


class InventoryOut(BaseModel):
    """Items and the cents bound in them."""

    items: list[ItemOut]
    value: int


class MileageOut(BaseModel):
    """Kilometres of a year."""

    year: int
    kilometres: int
    trips: int


class DashboardOut(BaseModel):
    """The shop in numbers."""

    items: dict[Status, int]
    value: int
    drafts: int
    year: int
    kilometres: int
