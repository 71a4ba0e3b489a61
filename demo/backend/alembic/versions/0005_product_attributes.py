"""Articles have attributes, and always a title and a variant."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("master_products", sa.Column("attributes", postgresql.JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")))
    op.execute("UPDATE master_products SET variant = '' WHERE variant IS NULL")
    op.alter_column("master_products", "variant", nullable=False, server_default="")
    op.create_check_constraint(op.f("ck_master_products_title"), "master_products", "btrim(title) <> ''")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_master_products_title"), "master_products")
    op.alter_column("master_products", "variant", nullable=True, server_default=None)
    op.drop_column("master_products", "attributes")
