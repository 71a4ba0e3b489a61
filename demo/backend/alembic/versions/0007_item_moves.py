"""How an item came to its state. Of what moved before, only where it went is known."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"

STATUS = postgresql.ENUM(name="item_status", create_type=False)


def upgrade() -> None:
    op.create_table(
        "item_moves",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("item", sa.Integer, nullable=False),
        sa.Column("before", STATUS, nullable=False),
        sa.Column("after", STATUS, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("number", name="pk_item_moves"),
        sa.ForeignKeyConstraint(["item"], ["items.number"], name="fk_item_moves_item", ondelete="CASCADE"),
        sa.CheckConstraint("before <> after", name=op.f("ck_item_moves_change")),
    )
    op.execute("INSERT INTO item_moves (item, before, after) SELECT number, 'in_stock', status FROM items WHERE status <> 'in_stock' ORDER BY number")
    op.create_index("ix_item_moves_item", "item_moves", ["item"])


def downgrade() -> None:
    op.drop_table("item_moves")
