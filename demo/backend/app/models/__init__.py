"""What the database holds: one class a table, and the naming rule of its constraints."""

from app.models.base import Base
from app.models.tables import ItemRow, LineRow, MoveRow, ProductRow, PurchaseRow, TripRow

__all__ = ["Base", "ItemRow", "LineRow", "MoveRow", "ProductRow", "PurchaseRow", "TripRow"]
