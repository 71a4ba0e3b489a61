"""Sales and what came back."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"

STATE = postgresql.ENUM("draft", "finalized", name="sale_state", create_type=False)


def upgrade() -> None:
    op.execute("CREATE TYPE sale_state AS ENUM ('draft', 'finalized')")
    op.create_table(
        "sales",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("buyer", sa.String(200), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("state", STATE, nullable=False, server_default="draft"),
        sa.PrimaryKeyConstraint("number", name="pk_sales"),
        sa.CheckConstraint("btrim(buyer) <> ''", name=op.f("ck_sales_buyer")),
    )
    op.create_index("ix_sales_day", "sales", ["day"])
    op.create_table(
        "sale_lines",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("sale", sa.Integer, nullable=False),
        sa.Column("item", sa.Integer, nullable=False),
        sa.Column("price", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_sale_lines"),
        sa.ForeignKeyConstraint(["sale"], ["sales.number"], name="fk_sale_lines_sale", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["item"], ["items.number"], name="fk_sale_lines_item"),
        sa.UniqueConstraint("sale", "item", name="uq_sale_lines_sale_item"),
        sa.CheckConstraint("price >= 0", name=op.f("ck_sale_lines_price")),
    )
    op.create_index("ix_sale_lines_item", "sale_lines", ["item"])
    op.create_table(
        "returns",
        sa.Column("line", sa.Integer, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("refund", sa.Integer, nullable=False),
        sa.Column("restocked", sa.Boolean, nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("line", name="pk_returns"),
        sa.ForeignKeyConstraint(["line"], ["sale_lines.number"], name="fk_returns_line"),
        sa.CheckConstraint("refund >= 0", name=op.f("ck_returns_refund")),
        sa.CheckConstraint("btrim(reason) <> ''", name=op.f("ck_returns_reason")),
    )


def downgrade() -> None:
    for table in ("returns", "sale_lines", "sales"):
        op.drop_table(table)
    op.execute("DROP TYPE sale_state")
