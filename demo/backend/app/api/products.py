"""Routes of master products."""

from fastapi import APIRouter, Request

from app.api.schemas import ProductIn, ProductOut
from app.domain.products import MasterProduct, normalise_sku

router = APIRouter(prefix="/products", tags=["products"])


@router.post("", status_code=201)
def add(request: Request, body: ProductIn) -> ProductOut:
    """Add an article."""
    product = MasterProduct(sku=normalise_sku(body.sku), title=body.title.strip(), category=body.category, variant=body.variant.strip())
    return ProductOut.of(request.app.state.store.add_product(product))


@router.get("")
def all_products(request: Request) -> list[ProductOut]:
    """All articles by SKU."""
    return [ProductOut.of(product) for _, product in sorted(request.app.state.store.products.items())]


@router.get("/{sku}")
def one(request: Request, sku: str) -> ProductOut:
    """One article."""
    return ProductOut.of(request.app.state.store.product(normalise_sku(sku)))
