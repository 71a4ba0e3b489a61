"""Writes the service's OpenAPI document: `python scripts/openapi.py FILE`."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.main import create_app  # noqa: E402

if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.parent.mkdir(parents=True, exist_ok=True)
    document = create_app().openapi()
    file.write_text(json.dumps(document, indent=1, sort_keys=True), encoding="utf-8")
    print(f"{len(document['paths'])} paths in {file.name}")
