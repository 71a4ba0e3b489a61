"""Sentences about the data that must always be true, each with the query that finds what breaks it."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from app.checks.report import Finding
from app.domain.mileage import RATE_CENTS_PER_KM

SHOWN = 5


@dataclass(frozen=True)
class Invariant:
    """A sentence, and a query whose rows (one column: what is wrong) break it."""

    name: str
    sentence: str
    query: str


INVARIANTS = (
    Invariant(
        "draft-has-no-items",
        "what is not finalized is not in stock",
        "SELECT 'item ' || i.number FROM items i JOIN purchases p ON p.number = i.purchase WHERE p.state = 'draft'",
    ),
    Invariant(
        "finalized-is-in-stock",
        "every piece of a finalized purchase became an item",
        "SELECT 'purchase ' || p.number FROM purchases p WHERE p.state = 'finalized' "
        "AND (SELECT coalesce(sum(l.quantity), 0) FROM purchase_lines l WHERE l.purchase = p.number) "
        "<> (SELECT count(*) FROM items i WHERE i.purchase = p.number)",
    ),
    Invariant(
        "costs-add-up",
        "the items of a purchase cost what was paid for goods and travel",
        "SELECT 'purchase ' || p.number FROM purchases p WHERE p.state = 'finalized' "
        "AND (SELECT coalesce(sum(l.quantity * l.unit_cost), 0) FROM purchase_lines l WHERE l.purchase = p.number) "
        f"+ {RATE_CENTS_PER_KM} * (SELECT coalesce(sum(m.kilometres), 0) FROM mileage_log m WHERE m.purchase = p.number) "
        "<> (SELECT coalesce(sum(i.cost), 0) FROM items i WHERE i.purchase = p.number)",
    ),
    Invariant(
        "trips-before-purchase",
        "nobody travels for a purchase after it was made",
        "SELECT 'trip ' || m.number FROM mileage_log m JOIN purchases p ON p.number = m.purchase WHERE m.day > p.day",
    ),
    Invariant(
        "moves-lead-to-status",
        "an item is where its last move led, or still in stock",
        "SELECT 'item ' || i.number FROM items i LEFT JOIN LATERAL "
        "(SELECT after FROM item_moves m WHERE m.item = i.number ORDER BY m.number DESC LIMIT 1) last ON true "
        "WHERE i.status <> coalesce(last.after, 'in_stock')",
    ),
    Invariant(
        "moves-are-a-chain",
        "every move begins where the one before it ended",
        "SELECT 'move ' || number FROM (SELECT number, before, lag(after, 1, 'in_stock') OVER (PARTITION BY item ORDER BY number) AS came "
        "FROM item_moves) chain WHERE before <> came",
    ),
    Invariant(
        "sold-is-on-a-sale",
        "a piece that was sold by a sale and did not come back is on one finalized sale",
        "SELECT 'item ' || l.item FROM sale_lines l JOIN sales s ON s.number = l.sale LEFT JOIN returns r ON r.line = l.number "
        "WHERE s.state = 'finalized' AND r.line IS NULL GROUP BY l.item HAVING count(*) > 1 "
        "UNION SELECT 'item ' || l.item FROM sale_lines l JOIN sales s ON s.number = l.sale JOIN items i ON i.number = l.item "
        "LEFT JOIN returns r ON r.line = l.number WHERE s.state = 'finalized' AND r.line IS NULL AND i.status <> 'sold'",
    ),
    Invariant(
        "refunds-are-at-most-prices",
        "nobody gets back more than was paid",
        "SELECT 'sale line ' || l.number FROM sale_lines l JOIN returns r ON r.line = l.number WHERE r.refund > l.price",
    ),
    Invariant(
        "listed-is-listed",
        "what is offered on a marketplace is on the shelf as listed",
        "SELECT 'item ' || i.number FROM listings l JOIN items i ON i.number = l.item WHERE i.status <> 'listed'",
    ),
    Invariant(
        "leads-that-were-bought-have-a-purchase-or-lost-it",
        "an open or discarded lead has no purchase",
        "SELECT 'lead ' || number FROM leads WHERE state <> 'converted' AND purchase IS NOT NULL",
    ),
    Invariant(
        "skus-are-normal",
        "one article has one spelling",
        "SELECT 'product ' || sku FROM master_products WHERE sku !~ '^[A-Z0-9]+(-[A-Z0-9]+)*$'",
    ),
)


def findings(connection: Connection) -> list[Finding]:
    """Asks every invariant of a database."""
    found = []
    for invariant in INVARIANTS:
        broken = [row[0] for row in connection.execute(text(invariant.query))]
        more = f" and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
        message = f"{', '.join(broken[:SHOWN])}{more} broke it: {invariant.sentence}" if broken else ""
        found.append(Finding(invariant.name, message))
    return found
