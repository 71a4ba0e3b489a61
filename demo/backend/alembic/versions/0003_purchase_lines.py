"""Lines of purchases, which go with their purchase. What was bought before has the lines that its items tell of."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "purchase_lines",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("purchase", sa.Integer, nullable=False),
        sa.Column("sku", sa.String(64), nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("unit_cost", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_purchase_lines"),
        sa.ForeignKeyConstraint(["purchase"], ["purchases.number"], name="fk_purchase_lines_purchase", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["sku"], ["master_products.sku"], name="fk_purchase_lines_sku"),
        sa.UniqueConstraint("purchase", "sku", "unit_cost", name="uq_purchase_lines_purchase_sku_unit_cost"),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_purchase_lines_quantity")),
        sa.CheckConstraint("unit_cost >= 0", name=op.f("ck_purchase_lines_unit_cost")),
    )
    op.execute(
        "INSERT INTO purchase_lines (purchase, sku, quantity, unit_cost) "
        "SELECT purchase, sku, count(*), cost FROM items GROUP BY purchase, sku, cost ORDER BY purchase, sku, cost"
    )
    op.create_index("ix_purchase_lines_sku", "purchase_lines", ["sku"])
    op.create_index("ix_purchases_day", "purchases", ["day"])
    op.create_check_constraint(op.f("ck_purchases_seller"), "purchases", "btrim(seller) <> ''")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_purchases_seller"), "purchases")
    op.drop_index("ix_purchases_day", "purchases")
    op.drop_table("purchase_lines")
