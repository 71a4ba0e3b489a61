"""Routes of the inventory."""

from fastapi import APIRouter, Request

from app.api.schemas import InventoryOut, ItemOut, Move
from app.domain.inventory import Status, value

router = APIRouter(prefix="/inventory", tags=["inventory"])


@router.get("")
def search(request: Request, q: str = "", status: Status | None = None) -> InventoryOut:
    """Items that match, and the cents bound in them."""
    store = request.app.state.store
    items = store.search(q, status)
    return InventoryOut(items=[ItemOut.of(item, store.product(item.sku)) for item in items], value=value(items))


@router.post("/{number}/move")
def move(request: Request, number: int, body: Move) -> ItemOut:
    """Move an item to its next state."""
    store = request.app.state.store
    item = store.move(number, body.status)
    return ItemOut.of(item, store.product(item.sku))
