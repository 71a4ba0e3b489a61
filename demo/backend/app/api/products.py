"""Routes of master products."""

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError

from app.api.schemas import ProductIn, ProductOut
from app.domain.products import MasterProduct, normalise_sku
from app.store import Stored

router = APIRouter(prefix="/products", tags=["products"])


@router.post("", status_code=201)
def add(store: Stored, body: ProductIn) -> ProductOut:
    """Add an article."""
    product = MasterProduct(
        sku=normalise_sku(body.sku), title=body.title.strip(), category=body.category, variant=body.variant.strip(), attributes=body.attributes
    )
    return ProductOut.of(store.add_product(product))


@router.get("")
def all_products(store: Stored, attribute: str | None = None) -> list[ProductOut]:
    """All articles by SKU; ``attribute=region:PAL`` keeps those that have it."""
    wanted = None
    if attribute is not None:
        name, colon, value = attribute.partition(":")
        if not colon or not name:
            raise RequestValidationError([{"loc": ("query", "attribute"), "msg": "write NAME:VALUE", "type": "value_error"}])
        wanted = (name, value)
    return [ProductOut.of(product) for product in store.products(wanted)]


@router.get("/{sku}")
def one(store: Stored, sku: str) -> ProductOut:
    """One article."""
    return ProductOut.of(store.product(normalise_sku(sku)))
