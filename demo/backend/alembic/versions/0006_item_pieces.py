"""Every item is one piece of its purchase, once."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("items", sa.Column("piece", sa.Integer))
    op.execute(
        "UPDATE items SET piece = counted.piece FROM "
        "(SELECT number, row_number() OVER (PARTITION BY purchase ORDER BY number) AS piece FROM items) AS counted "
        "WHERE counted.number = items.number"
    )
    op.alter_column("items", "piece", nullable=False)
    op.create_unique_constraint("uq_items_purchase_piece", "items", ["purchase", "piece"])
    op.create_foreign_key("fk_items_sku", "items", "master_products", ["sku"], ["sku"])
    op.create_foreign_key("fk_items_purchase", "items", "purchases", ["purchase"], ["number"])
    op.create_check_constraint(op.f("ck_items_cost"), "items", "cost >= 0")
    op.create_index("ix_items_sku", "items", ["sku"])
    op.create_index("ix_items_status", "items", ["status"])
    op.create_index("ix_items_on_shelf", "items", ["sku"], postgresql_where=sa.text("status IN ('in_stock', 'listed')"))


def downgrade() -> None:
    for index in ("ix_items_on_shelf", "ix_items_status", "ix_items_sku"):
        op.drop_index(index, "items")
    for constraint in (op.f("ck_items_cost"), "fk_items_purchase", "fk_items_sku", "uq_items_purchase_piece"):
        op.drop_constraint(constraint, "items")
    op.drop_column("items", "piece")
