"""The tables: master products, purchases with lines and the mileage log, items with their moves."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.domain.inventory import Status
from app.domain.products import Category
from app.domain.purchases import State
from app.models.base import Base


def words(kind: type[StrEnum]) -> list[str]:
    """The words of an enum, as the database has them."""
    return [member.value for member in kind]


CATEGORY = Enum(Category, name="category", values_callable=words)
STATE = Enum(State, name="purchase_state", values_callable=words)
STATUS = Enum(Status, name="item_status", values_callable=words)


class ProductRow(Base):
    """An article."""

    __tablename__ = "master_products"
    __table_args__ = (CheckConstraint("btrim(title) <> ''", name="title"),)

    sku: Mapped[str] = mapped_column(String(64), primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    category: Mapped[Category] = mapped_column(CATEGORY)
    variant: Mapped[str] = mapped_column(String(100), server_default="")
    attributes: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))


class PurchaseRow(Base):
    """A purchase. Its lines and trips go with it."""

    __tablename__ = "purchases"
    __table_args__ = (CheckConstraint("btrim(seller) <> ''", name="seller"),)

    number: Mapped[int] = mapped_column(primary_key=True)
    seller: Mapped[str] = mapped_column(String(200))
    day: Mapped[date] = mapped_column(index=True)
    state: Mapped[State] = mapped_column(STATE, server_default=State.DRAFT.value)
    lines: Mapped[list["LineRow"]] = relationship(order_by="LineRow.number", cascade="all, delete-orphan", passive_deletes=True)
    trips: Mapped[list["TripRow"]] = relationship(order_by="TripRow.number", cascade="all, delete-orphan", passive_deletes=True)


class LineRow(Base):
    """Some pieces of one article at one price; an article stands once a price."""

    __tablename__ = "purchase_lines"
    __table_args__ = (
        UniqueConstraint("purchase", "sku", "unit_cost"),
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("unit_cost >= 0", name="unit_cost"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    purchase: Mapped[int] = mapped_column(ForeignKey("purchases.number", ondelete="CASCADE"))
    sku: Mapped[str] = mapped_column(ForeignKey("master_products.sku"), index=True)
    quantity: Mapped[int]
    unit_cost: Mapped[int]


class TripRow(Base):
    """One trip of the mileage log."""

    __tablename__ = "mileage_log"
    __table_args__ = (CheckConstraint("kilometres > 0", name="kilometres"), CheckConstraint("btrim(purpose) <> ''", name="purpose"))

    number: Mapped[int] = mapped_column(primary_key=True)
    purchase: Mapped[int] = mapped_column(ForeignKey("purchases.number", ondelete="CASCADE"), index=True)
    day: Mapped[date] = mapped_column(index=True)
    kilometres: Mapped[int]
    purpose: Mapped[str] = mapped_column(String(200))


class ItemRow(Base):
    """A thing on a shelf."""

    __tablename__ = "items"
    __table_args__ = (
        UniqueConstraint("purchase", "piece"),
        CheckConstraint("cost >= 0", name="cost"),
        Index("ix_items_on_shelf", "sku", postgresql_where=text("status IN ('in_stock', 'listed')")),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(ForeignKey("master_products.sku"), index=True)
    cost: Mapped[int]
    purchase: Mapped[int] = mapped_column(ForeignKey("purchases.number"))
    piece: Mapped[int]
    status: Mapped[Status] = mapped_column(STATUS, index=True, server_default=Status.IN_STOCK.value)


class MoveRow(Base):
    """One change of an item's state."""

    __tablename__ = "item_moves"
    __table_args__ = (CheckConstraint("before <> after", name="change"),)

    number: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[int] = mapped_column(ForeignKey("items.number", ondelete="CASCADE"), index=True)
    before: Mapped[Status] = mapped_column(STATUS)
    after: Mapped[Status] = mapped_column(STATUS)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
