"""The mileage log: trips that were made for a purchase."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "mileage_log",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("purchase", sa.Integer, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("kilometres", sa.Integer, nullable=False),
        sa.Column("purpose", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_mileage_log"),
        sa.ForeignKeyConstraint(["purchase"], ["purchases.number"], name="fk_mileage_log_purchase", ondelete="CASCADE"),
        sa.CheckConstraint("kilometres > 0", name=op.f("ck_mileage_log_kilometres")),
        sa.CheckConstraint("btrim(purpose) <> ''", name=op.f("ck_mileage_log_purpose")),
    )
    op.create_index("ix_mileage_log_purchase", "mileage_log", ["purchase"])
    op.create_index("ix_mileage_log_day", "mileage_log", ["day"])


def downgrade() -> None:
    op.drop_table("mileage_log")
