"""Routes of the inventory."""

from fastapi import APIRouter

from app.api.schemas import InventoryOut, ItemOut, Move, MoveOut
from app.domain.inventory import Status, value
from app.store import Stored

router = APIRouter(prefix="/inventory", tags=["inventory"])


@router.get("")
def search(store: Stored, q: str = "", status: Status | None = None) -> InventoryOut:
    """Items that match, and the cents bound in them."""
    items = store.search(q, status)
    return InventoryOut(items=[ItemOut.of(item, store.product(item.sku)) for item in items], value=value(items))


@router.post("/{number}/move")
def move(store: Stored, number: int, body: Move) -> ItemOut:
    """Move an item to its next state."""
    item = store.move(number, body.status)
    return ItemOut.of(item, store.product(item.sku))


@router.get("/{number}/moves")
def moves(store: Stored, number: int) -> list[MoveOut]:
    """How an item came to its state."""
    return [MoveOut(before=before, after=after) for before, after in store.moves(number)]
