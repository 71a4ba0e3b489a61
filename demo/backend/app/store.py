"""Where purchases, items and products are kept while the service runs."""

from app.domain import inventory, purchases
from app.domain.errors import Conflict, NotFound
from app.domain.inventory import Item, Status
from app.domain.products import MasterProduct
from app.domain.purchases import Purchase


class Store:
    """All state of one service."""

    def __init__(self) -> None:
        self.products: dict[str, MasterProduct] = {}
        self.purchases: dict[int, Purchase] = {}
        self.items: dict[int, Item] = {}

    def add_product(self, product: MasterProduct) -> MasterProduct:
        """Add an article; its SKU must be new."""
        if product.sku in self.products:
            raise Conflict(f"product {product.sku} exists")
        self.products[product.sku] = product
        return product

    def product(self, sku: str) -> MasterProduct:
        """The article with this SKU."""
        if sku not in self.products:
            raise NotFound("product", sku)
        return self.products[sku]

    def next_purchase(self) -> int:
        """Number of the next purchase."""
        return len(self.purchases) + 1

    def purchase(self, number: int) -> Purchase:
        """The purchase with this number."""
        if number not in self.purchases:
            raise NotFound("purchase", number)
        return self.purchases[number]

    def keep(self, purchase: Purchase) -> Purchase:
        """Keep a purchase as it is now."""
        self.purchases[purchase.number] = purchase
        return purchase

    def finalize(self, number: int) -> list[Item]:
        """Fix a purchase and put every piece on the shelf."""
        purchase = purchases.finalize(self.purchase(number))
        stocked = []
        for sku, cost in purchases.landed_costs(purchase):
            item = Item(number=len(self.items) + 1, sku=sku, cost=cost, purchase=number)
            self.items[item.number] = item
            stocked.append(item)
        self.keep(purchase)
        return stocked

    def item(self, number: int) -> Item:
        """The item with this number."""
        if number not in self.items:
            raise NotFound("item", number)
        return self.items[number]

    def move(self, number: int, to: Status) -> Item:
        """Move an item to its next state."""
        self.items[number] = inventory.move(self.item(number), to)
        return self.items[number]

    def search(self, text: str, status: Status | None) -> list[Item]:
        """Items whose SKU or title holds ``text``, in the order of their numbers."""
        wanted = text.strip().casefold()
        return [
            item
            for item in self.items.values()
            if (status is None or item.status is status)
            and (wanted in item.sku.casefold() or wanted in self.product(item.sku).label.casefold())
        ]
