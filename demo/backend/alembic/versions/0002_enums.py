"""Words become enums: what is not one of them cannot be stored any more."""

from alembic import op

revision = "0002"
down_revision = "0001"

ENUMS = {
    ("master_products", "category", "category"): ("games", "books", "electronics"),
    ("purchases", "state", "purchase_state"): ("draft", "finalized"),
    ("items", "status", "item_status"): ("in_stock", "listed", "sold", "written_off"),
}
DEFAULTS = {"purchases": ("state", "draft"), "items": ("status", "in_stock")}


def upgrade() -> None:
    for (table, column, kind), words in ENUMS.items():
        listed = ", ".join(f"'{word}'" for word in words)
        op.execute(f"CREATE TYPE {kind} AS ENUM ({listed})")
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {kind} USING {column}::{kind}")
    for table, (column, word) in DEFAULTS.items():
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT '{word}'")


def downgrade() -> None:
    for table, (column, _) in DEFAULTS.items():
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT")
    for table, column, kind in ENUMS:
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE varchar(20) USING {column}::text")
        op.execute(f"DROP TYPE {kind}")
