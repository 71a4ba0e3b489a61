"""Routes of purchases and of the mileage log."""

from fastapi import APIRouter, Request

from app.api.schemas import ItemOut, LineIn, MileageOut, PurchaseIn, PurchaseOut, TripIn
from app.domain import purchases
from app.domain.mileage import Trip, total_kilometres
from app.domain.products import normalise_sku
from app.domain.purchases import Line, Purchase

router = APIRouter(tags=["purchases"])


@router.post("/purchases", status_code=201)
def create(request: Request, body: PurchaseIn) -> PurchaseOut:
    """Begin a draft."""
    store = request.app.state.store
    return PurchaseOut.of(store.keep(Purchase(number=store.next_purchase(), seller=body.seller, day=body.day)))


@router.get("/purchases")
def all_purchases(request: Request) -> list[PurchaseOut]:
    """All purchases, newest first."""
    return [PurchaseOut.of(purchase) for _, purchase in sorted(request.app.state.store.purchases.items(), reverse=True)]


@router.get("/purchases/{number}")
def one(request: Request, number: int) -> PurchaseOut:
    """One purchase."""
    return PurchaseOut.of(request.app.state.store.purchase(number))


@router.post("/purchases/{number}/lines", status_code=201)
def add_line(request: Request, number: int, body: LineIn) -> PurchaseOut:
    """Add a line to a draft."""
    store = request.app.state.store
    product = store.product(normalise_sku(body.sku))
    line = Line(sku=product.sku, quantity=body.quantity, unit_cost=body.unit_cost)
    return PurchaseOut.of(store.keep(purchases.add_line(store.purchase(number), line)))


@router.post("/purchases/{number}/trips", status_code=201)
def add_trip(request: Request, number: int, body: TripIn) -> PurchaseOut:
    """Add a trip to a draft."""
    store = request.app.state.store
    trip = Trip(day=body.day, kilometres=body.kilometres, purpose=body.purpose)
    return PurchaseOut.of(store.keep(purchases.add_trip(store.purchase(number), trip)))


@router.post("/purchases/{number}/finalize")
def finalize(request: Request, number: int) -> list[ItemOut]:
    """Fix a draft; gives the items that are now in stock."""
    store = request.app.state.store
    return [ItemOut.of(item, store.product(item.sku)) for item in store.finalize(number)]


@router.get("/mileage/{year}")
def mileage(request: Request, year: int) -> MileageOut:
    """Kilometres of a year over all purchases."""
    trips = [trip for purchase in request.app.state.store.purchases.values() for trip in purchase.trips]
    return MileageOut(year=year, kilometres=total_kilometres(trips, year), trips=sum(trip.day.year == year for trip in trips))
