"""Does what the database holds make sense? Exit 0 when it does, 1 when not."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.checks import invariants, report  # noqa: E402
from app.database import engine_from_environment  # noqa: E402

if __name__ == "__main__":
    asked = report.arguments(__doc__)
    with engine_from_environment().connect() as connection:
        sys.exit(report.tell("invariants", invariants.findings(connection), asked.junit))
