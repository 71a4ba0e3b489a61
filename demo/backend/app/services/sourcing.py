"""Sourcing in the database: a run makes leads of offers, which are bought or left."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain import sourcing
from app.domain.errors import NotFound
from app.domain.purchases import Line
from app.domain.sourcing import Lead, Offer
from app.log import continued
from app.models import ItemRow, LeadRow, ListingRow, ProductRow, SaleLineRow
from app.store import Store


@dataclass(frozen=True)
class Run:
    """What a run found."""

    leads: list[Lead]
    known: int
    not_worth_it: int
    passed_over: int


def prices(session: Session, sku: str) -> list[int]:
    """What pieces of an article were offered and sold for."""
    listed = select(ListingRow.price).join(ItemRow, ItemRow.number == ListingRow.item).where(ItemRow.sku == sku)
    sold = select(SaleLineRow.price).join(ItemRow, ItemRow.number == SaleLineRow.item).where(ItemRow.sku == sku)
    return [*session.scalars(listed), *session.scalars(sold)]


def run(session: Session, source: str, offers: list[Offer], margin_percent: int) -> Run:
    """Leads of the offers that are worth it. An offer of an unknown article is passed over, logged and counted."""
    leads: list[Lead] = []
    known = cheap = unknown = 0
    for offer in offers:
        if session.get(ProductRow, offer.sku) is None:
            continued("offer-of-unknown-article", source=source, reference=offer.reference, sku=offer.sku)
            unknown += 1
        elif session.scalar(select(LeadRow.number).where(LeadRow.source == source, LeadRow.reference == offer.reference)) is not None:
            known += 1
        elif not sourcing.is_worth_it(offer, value := sourcing.worth(prices(session, offer.sku)), margin_percent):
            cheap += 1
        else:
            row = LeadRow(source=source, reference=offer.reference, sku=offer.sku, asking=offer.asking, worth=value, state=sourcing.State.OPEN, reason="")
            session.add(row)
            session.flush()
            leads.append(_lead(row))
    return Run(leads, known, cheap, unknown)


def _row(session: Session, number: int) -> LeadRow:
    row = session.get(LeadRow, number, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound("lead", number)
    return row


def leads(session: Session) -> list[Lead]:
    """All leads, newest first."""
    return [_lead(row) for row in session.scalars(select(LeadRow).order_by(LeadRow.number.desc()))]


def convert(session: Session, number: int, day: date) -> Lead:
    """Buy it: a draft of a purchase from its source, with the piece at what was asked."""
    row = _row(session, number)
    sourcing.convert(_lead(row), 0)
    store = Store(session)
    purchase = store.create(f"{row.source}, {row.reference}", day)
    store.add_line(purchase.number, Line(row.sku, 1, row.asking))
    lead = sourcing.convert(_lead(row), purchase.number)
    row.state, row.purchase = lead.state, lead.purchase
    session.flush()
    return lead


def discard(session: Session, number: int, reason: str) -> Lead:
    """Leave it."""
    row = _row(session, number)
    lead = sourcing.discard(_lead(row), reason)
    row.state, row.reason = lead.state, lead.reason
    session.flush()
    return lead


def _lead(row: LeadRow) -> Lead:
    return Lead(row.number, row.source, row.reference, row.sku, row.asking, row.worth, row.state, row.purchase, row.reason)
