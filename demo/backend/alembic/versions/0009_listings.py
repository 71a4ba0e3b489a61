"""Pieces that are offered on a marketplace."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "listings",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("market", sa.String(40), nullable=False),
        sa.Column("reference", sa.String(60), nullable=False),
        sa.Column("item", sa.Integer, nullable=False),
        sa.Column("price", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_listings"),
        sa.ForeignKeyConstraint(["item"], ["items.number"], name="fk_listings_item"),
        sa.UniqueConstraint("market", "reference", name="uq_listings_market_reference"),
        sa.CheckConstraint("price > 0", name=op.f("ck_listings_price")),
    )
    op.create_index("ix_listings_item", "listings", ["item"])


def downgrade() -> None:
    op.drop_table("listings")
