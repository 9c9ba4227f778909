"""SGP on SQLite: how soon a commit is on the VPS, and what the writer feels of it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

from db import lifetime

MODULE = Path(__file__).with_name("feeding.py")


@cache
def take_notes(chosen: str) -> dict[str, float]:
    """Run what is chosen of the measurements and return what they noted."""
    with tempfile.TemporaryDirectory() as folder:
        noted = Path(folder) / "noted.xml"
        subprocess.run(
            lifetime.tie(
                [sys.executable, "-m", "pytest", MODULE, "-k", chosen, "-q", "-n", "0", f"--junitxml={noted}"]
            ),
            check=True,
            stdout=sys.stderr,
        )
        properties = list(ElementTree.parse(noted).iter("property"))  # noqa: S314  # our own
    return {one.attrib["name"]: float(one.attrib["value"]) for one in properties}


def _count_busy() -> float:
    noted = take_notes("storm")
    return noted["wal_beside_busy"] + noted["delete_beside_busy"]


def _compare_logs() -> float:
    noted = take_notes("storm")
    return noted["wal_beside_wal_bytes"] / noted["wal_alone_wal_bytes"]


FIGURES: dict[str, Callable[[], float]] = {
    "feeder_visible_ms_median": lambda: take_notes("visible")["visible_ms_median_520"],
    "feeder_visible_20000_ms_median": lambda: take_notes("visible")["visible_ms_median_20000"],
    "feeder_busy_errors": _count_busy,
    "feeder_wal_vs_without": _compare_logs,
}
