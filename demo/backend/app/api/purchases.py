"""Routes of purchases and of the mileage log."""

from fastapi import APIRouter

from app.api.schemas import ItemOut, LineIn, MileageOut, PurchaseIn, PurchaseOut, TripIn
from app.domain.mileage import Trip
from app.domain.products import normalise_sku
from app.domain.purchases import Line
from app.store import Stored

router = APIRouter(tags=["purchases"])


@router.post("/purchases", status_code=201)
def create(store: Stored, body: PurchaseIn) -> PurchaseOut:
    """Begin a draft."""
    return PurchaseOut.of(store.create(body.seller, body.day))


@router.get("/purchases")
def all_purchases(store: Stored) -> list[PurchaseOut]:
    """All purchases, newest first."""
    return [PurchaseOut.of(purchase) for purchase in store.purchases()]


@router.get("/purchases/{number}")
def one(store: Stored, number: int) -> PurchaseOut:
    """One purchase."""
    return PurchaseOut.of(store.purchase(number))


@router.delete("/purchases/{number}", status_code=204)
def discard(store: Stored, number: int) -> None:
    """Remove a draft with everything in it."""
    store.discard(number)


@router.post("/purchases/{number}/lines", status_code=201)
def add_line(store: Stored, number: int, body: LineIn) -> PurchaseOut:
    """Add a line to a draft."""
    product = store.product(normalise_sku(body.sku))
    return PurchaseOut.of(store.add_line(number, Line(sku=product.sku, quantity=body.quantity, unit_cost=body.unit_cost)))


@router.post("/purchases/{number}/trips", status_code=201)
def add_trip(store: Stored, number: int, body: TripIn) -> PurchaseOut:
    """Add a trip to a draft."""
    return PurchaseOut.of(store.add_trip(number, Trip(day=body.day, kilometres=body.kilometres, purpose=body.purpose)))


@router.post("/purchases/{number}/finalize")
def finalize(store: Stored, number: int) -> list[ItemOut]:
    """Fix a draft; gives the items that are now in stock."""
    return [ItemOut.of(item, store.product(item.sku)) for item in store.finalize(number)]


@router.get("/mileage/{year}")
def mileage(store: Stored, year: int) -> MileageOut:
    """Kilometres of a year over all purchases."""
    kilometres, trips = store.kilometres(year)
    return MileageOut(year=year, kilometres=kilometres, trips=trips)
