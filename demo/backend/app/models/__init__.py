"""What the database holds: one class a table, and the naming rule of its constraints."""

from app.models.base import Base
from app.models.tables import ItemRow, LineRow, MoveRow, ProductRow, PurchaseRow, TripRow
from app.models.trade import AccountRow, LeadRow, ListingRow, ReturnRow, SaleLineRow, SaleRow, SessionRow

__all__ = [
    "AccountRow",
    "Base",
    "ItemRow",
    "LeadRow",
    "LineRow",
    "ListingRow",
    "MoveRow",
    "ProductRow",
    "PurchaseRow",
    "ReturnRow",
    "SaleLineRow",
    "SaleRow",
    "SessionRow",
    "TripRow",
]
