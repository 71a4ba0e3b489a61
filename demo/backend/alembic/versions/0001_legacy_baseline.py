"""The tables as they were before anybody wrote migrations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "master_products",
        sa.Column("sku", sa.String(64), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("category", sa.String(20), nullable=False),
        sa.Column("variant", sa.String(100)),
        sa.PrimaryKeyConstraint("sku", name="pk_master_products"),
    )
    op.create_table(
        "purchases",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("seller", sa.String(200), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_purchases"),
    )
    op.create_table(
        "items",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("sku", sa.String(64), nullable=False),
        sa.Column("cost", sa.Integer, nullable=False),
        sa.Column("purchase", sa.Integer, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_items"),
    )


def downgrade() -> None:
    for table in ("items", "purchases", "master_products"):
        op.drop_table(table)
