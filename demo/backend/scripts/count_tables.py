"""How many tables does the database have? Exit 1 when it is not the expected number (Alembic's own table counts)."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import inspect  # noqa: E402

from app.database import engine_from_environment  # noqa: E402

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--expect", type=int, required=True)
    expected = parser.parse_args().expect
    tables = inspect(engine_from_environment()).get_table_names()
    print(f"{len(tables)} tables, {expected} expected: {', '.join(tables)}")
    sys.exit(0 if len(tables) == expected else 1)
