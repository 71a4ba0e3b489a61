"""Routes of sourcing."""

from datetime import date

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.session import Opened
from app.domain.products import normalise_sku
from app.domain.sourcing import Lead, Offer, State
from app.services import sourcing

router = APIRouter(prefix="/sourcing", tags=["sourcing"])


class OfferIn(BaseModel):
    """Something that somebody sells."""

    reference: str = Field(min_length=1, max_length=60)
    sku: str
    asking: int = Field(ge=0)


class RunIn(BaseModel):
    """Offers of one source."""

    source: str = Field(min_length=1, max_length=60)
    offers: list[OfferIn] = Field(min_length=1, max_length=1000)
    margin_percent: int = 30


class LeadOut(BaseModel):
    """An offer that is worth it."""

    number: int
    source: str
    reference: str
    sku: str
    asking: int
    worth: int
    margin: int
    state: State
    purchase: int | None
    reason: str

    @classmethod
    def of(cls, lead: Lead) -> "LeadOut":
        """The wire form of a lead."""
        return cls(
            number=lead.number,
            source=lead.source,
            reference=lead.reference,
            sku=lead.sku,
            asking=lead.asking,
            worth=lead.worth,
            margin=lead.margin,
            state=lead.state,
            purchase=lead.purchase,
            reason=lead.reason,
        )


class RunOut(BaseModel):
    """What a run found."""

    leads: list[LeadOut]
    known: int
    not_worth_it: int
    passed_over: int


class Convert(BaseModel):
    """When it was bought."""

    day: date


class Discard(BaseModel):
    """Why it is left."""

    reason: str


@router.post("/runs", status_code=201)
def run(session: Opened, body: RunIn) -> RunOut:
    """Leads of the offers that are worth it."""
    offers = [Offer(offer.reference.strip(), normalise_sku(offer.sku), offer.asking) for offer in body.offers]
    found = sourcing.run(session, body.source.strip(), offers, body.margin_percent)
    return RunOut(leads=[LeadOut.of(lead) for lead in found.leads], known=found.known, not_worth_it=found.not_worth_it, passed_over=found.passed_over)


@router.get("/leads")
def leads(session: Opened) -> list[LeadOut]:
    """All leads, newest first."""
    return [LeadOut.of(lead) for lead in sourcing.leads(session)]


@router.post("/leads/{number}/convert")
def convert(session: Opened, number: int, body: Convert) -> LeadOut:
    """Buy it: a draft of a purchase."""
    return LeadOut.of(sourcing.convert(session, number, body.day))


@router.post("/leads/{number}/discard")
def discard(session: Opened, number: int, body: Discard) -> LeadOut:
    """Leave it."""
    return LeadOut.of(sourcing.discard(session, number, body.reason))
