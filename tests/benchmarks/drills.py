"""The drill table, run: how often a face said OK or a wrong cause, how soon all had it, what apply mended."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

from db import lifetime
from tests.fix_drilled import Drilled, read_drilled

TESTS = Path(__file__).parents[1]
FALSE_OK, WRONG = "false_ok", "wrong_cause"
Case = ElementTree.Element


@cache
def run(kind: str) -> dict[str, tuple[Drilled, Case]]:
    """Run every line of a kind; return by test what it noted."""
    lines = {line.test: line for line in read_drilled() if line.kind == kind}
    with tempfile.TemporaryDirectory() as folder:
        noted = Path(folder) / "noted.xml"
        asked = [f"{TESTS}/{test}" for test in lines]
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", f"--junitxml={noted}", *asked]
        subprocess.run(lifetime.tie(command), check=False, stdout=sys.stderr)
        cases = list(ElementTree.parse(noted).iter("testcase"))  # noqa: S314  # our own
    by_test = {(f"{case.attrib['classname']}", case.attrib["name"]): case for case in cases}
    return {
        test: (line, by_test[line.module, test.split("::")[1]])
        for test, line in lines.items()
        if (line.module, test.split("::")[1]) in by_test
    }


def failed(case: Case) -> bool:
    """Tell whether a test did not pass."""
    return any(case.find(word) is not None for word in ("failure", "error"))


def notes(case: Case) -> dict[str, float]:
    """Return what a test noted, by the last word of its name."""
    return {
        one.attrib["name"].rpartition(": ")[2]: float(one.attrib["value"]) for one in case.iter("property")
    }


def count(word: str) -> float:
    """Count faces that were wrong so; a drill that fails before it could count is one."""
    found = [(notes(case), failed(case)) for _, case in run("fault").values()]
    return sum(noted.get(word, 1.0 if broken else 0.0) for noted, broken in found)


def _slowest() -> float:
    told = [notes(case) for _, case in run("fault").values()]
    return max(seconds for noted in told for word, seconds in noted.items() if word not in {FALSE_OK, WRONG})


def _mended() -> float:
    return sum(not failed(case) for _, case in run("state").values())


FIGURES: dict[str, Callable[[], float]] = {
    "drills_tried": lambda: len(run("fault")),
    "false_ok_in_drills": lambda: count(FALSE_OK),
    "wrong_cause_in_drills": lambda: count(WRONG),
    "drills_last_face_s": _slowest,
    "broken_states_tried": lambda: len(run("state")),
    "broken_states_mended": _mended,
}
