"""Print what failed in pytest's last run, one test a line."""

import json
from pathlib import Path

LAST = Path(".pytest_cache/v/cache/lastfailed")

if LAST.exists():
    print(*json.loads(LAST.read_text(encoding="utf-8")), sep="\n")
