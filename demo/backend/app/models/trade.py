"""The tables of trade: accounts and sessions, listings on marketplaces, leads of sourcing, sales with returns."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, DateTime, Enum, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.domain.sales import State as SaleState
from app.domain.sourcing import State as LeadState
from app.models.base import Base
from app.models.tables import words

LEAD_STATE = Enum(LeadState, name="lead_state", values_callable=words)
SALE_STATE = Enum(SaleState, name="sale_state", values_callable=words)


class AccountRow(Base):
    """Somebody who may sign in."""

    __tablename__ = "accounts"
    __table_args__ = (CheckConstraint("name ~ '^[a-z][a-z0-9.-]*$'", name="name"),)

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    secret: Mapped[str] = mapped_column(String(200))


class SessionRow(Base):
    """Somebody who is signed in, by the digest of a token that only they have."""

    __tablename__ = "sessions"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.name", ondelete="CASCADE"), index=True)
    ends: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ListingRow(Base):
    """A piece that is offered on a marketplace."""

    __tablename__ = "listings"
    __table_args__ = (UniqueConstraint("market", "reference"), CheckConstraint("price > 0", name="price"))

    number: Mapped[int] = mapped_column(primary_key=True)
    market: Mapped[str] = mapped_column(String(40))
    reference: Mapped[str] = mapped_column(String(60))
    item: Mapped[int] = mapped_column(ForeignKey("items.number"), index=True)
    price: Mapped[int]


class LeadRow(Base):
    """An offer that is worth buying."""

    __tablename__ = "leads"
    __table_args__ = (
        UniqueConstraint("source", "reference"),
        CheckConstraint("asking >= 0", name="asking"),
        CheckConstraint("(state = 'discarded') = (reason <> '')", name="reason"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(String(60))
    reference: Mapped[str] = mapped_column(String(60))
    sku: Mapped[str] = mapped_column(ForeignKey("master_products.sku"), index=True)
    asking: Mapped[int]
    worth: Mapped[int]
    state: Mapped[LeadState] = mapped_column(LEAD_STATE, server_default=LeadState.OPEN.value)
    purchase: Mapped[int | None] = mapped_column(ForeignKey("purchases.number", ondelete="SET NULL"), index=True)
    reason: Mapped[str] = mapped_column(String(200), server_default="")


class SaleRow(Base):
    """A sale; its lines go with it while it is a draft."""

    __tablename__ = "sales"
    __table_args__ = (CheckConstraint("btrim(buyer) <> ''", name="buyer"),)

    number: Mapped[int] = mapped_column(primary_key=True)
    buyer: Mapped[str] = mapped_column(String(200))
    day: Mapped[date] = mapped_column(index=True)
    state: Mapped[SaleState] = mapped_column(SALE_STATE, server_default=SaleState.DRAFT.value)
    lines: Mapped[list["SaleLineRow"]] = relationship(order_by="SaleLineRow.number", cascade="all, delete-orphan", passive_deletes=True)


class SaleLineRow(Base):
    """One piece at its price."""

    __tablename__ = "sale_lines"
    __table_args__ = (UniqueConstraint("sale", "item"), CheckConstraint("price >= 0", name="price"))

    number: Mapped[int] = mapped_column(primary_key=True)
    sale: Mapped[int] = mapped_column(ForeignKey("sales.number", ondelete="CASCADE"))
    item: Mapped[int] = mapped_column(ForeignKey("items.number"), index=True)
    price: Mapped[int]
    returned: Mapped["ReturnRow | None"] = relationship()


class ReturnRow(Base):
    """A piece that came back."""

    __tablename__ = "returns"
    __table_args__ = (CheckConstraint("refund >= 0", name="refund"), CheckConstraint("btrim(reason) <> ''", name="reason"))

    line: Mapped[int] = mapped_column(ForeignKey("sale_lines.number"), primary_key=True, autoincrement=False)
    day: Mapped[date]
    refund: Mapped[int]
    restocked: Mapped[bool]
    reason: Mapped[str] = mapped_column(String(200))
