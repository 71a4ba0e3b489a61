"""Does the service refuse to start on a database that is not at the head, soon and by name? Exit 0 when it does, 1 when not."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

SECONDS = 10
ROOT = Path(__file__).parents[1]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", action="append", required=True, help="a word that the refusal must say; may be given again")
    names = parser.parse_args().names
    command = [sys.executable, "-m", "uvicorn", "app.main:app", "--port", "0"]
    begun = time.monotonic()
    try:
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as late:
        print(f"it still runs after {SECONDS} s, and said:\n{(late.stderr or b'').decode()}")
        sys.exit(1)
    said = ended.stdout + ended.stderr
    refusal = next((line for line in reversed(said.splitlines()) if "NotMigrated" in line), said)
    print(f"ended with {ended.returncode} after {time.monotonic() - begun:.1f} s: {refusal}")
    missing = [name for name in names if name not in refusal]
    if missing:
        print(f"the refusal does not say {', '.join(missing)}")
    sys.exit(1 if missing or ended.returncode == 0 else 0)
