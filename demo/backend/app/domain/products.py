"""Master products: what an article is, whatever its condition or price."""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from app.domain.errors import Invalid

_SKU = re.compile(r"[A-Z0-9]+(-[A-Z0-9]+)*")


class Category(StrEnum):
    """Shelves of the shop."""

    GAMES = "games"
    BOOKS = "books"
    ELECTRONICS = "electronics"


def normalise_sku(raw: str) -> str:
    """``" snes 001 "`` and ``"SNES-001"`` are one article."""
    sku = re.sub(r"[\s_-]+", "-", raw.strip().upper())
    if not _SKU.fullmatch(sku):
        raise Invalid(f"{raw!r} is not a SKU")
    return sku


@dataclass(frozen=True)
class MasterProduct:
    """An article."""

    sku: str
    title: str
    category: Category
    variant: str = ""
    attributes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.title.strip():
            raise Invalid("a product needs a title")

    @property
    def label(self) -> str:
        """Title and variant as a person reads them."""
        return f"{self.title} ({self.variant})" if self.variant else self.title
