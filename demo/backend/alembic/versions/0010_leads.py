"""Offers that are worth buying: found by a run, then bought or left."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"

STATE = postgresql.ENUM("open", "converted", "discarded", name="lead_state", create_type=False)


def upgrade() -> None:
    op.execute("CREATE TYPE lead_state AS ENUM ('open', 'converted', 'discarded')")
    op.create_table(
        "leads",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("source", sa.String(60), nullable=False),
        sa.Column("reference", sa.String(60), nullable=False),
        sa.Column("sku", sa.String(64), nullable=False),
        sa.Column("asking", sa.Integer, nullable=False),
        sa.Column("worth", sa.Integer, nullable=False),
        sa.Column("state", STATE, nullable=False, server_default="open"),
        sa.Column("purchase", sa.Integer),
        sa.Column("reason", sa.String(200), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("number", name="pk_leads"),
        sa.ForeignKeyConstraint(["sku"], ["master_products.sku"], name="fk_leads_sku"),
        sa.ForeignKeyConstraint(["purchase"], ["purchases.number"], name="fk_leads_purchase", ondelete="SET NULL"),
        sa.UniqueConstraint("source", "reference", name="uq_leads_source_reference"),
        sa.CheckConstraint("asking >= 0", name=op.f("ck_leads_asking")),
        sa.CheckConstraint("(state = 'discarded') = (reason <> '')", name=op.f("ck_leads_reason")),
    )
    op.create_index("ix_leads_sku", "leads", ["sku"])
    op.create_index("ix_leads_purchase", "leads", ["purchase"])


def downgrade() -> None:
    op.drop_table("leads")
    op.execute("DROP TYPE lead_state")
