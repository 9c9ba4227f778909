"""The drills that are run are those that are listed: neither a line nor a drill is alone."""

from __future__ import annotations

from importlib import import_module

import pytest

from db.freshness import Cause
from tests.fix_breaks import FAILURES
from tests.fix_drilled import Drilled, read_drilled
from tests.fix_drills import DRILLS

FAULTS, STATES = 40, 30
"""At least so many."""
LISTED = read_drilled()
AMONG_OTHERS = frozenset({Cause.COPYING, Cause.CATCHING_UP, Cause.UNKNOWN})
"""They are said of a road that runs, or of which nothing is known: no fault alone brings them about."""


def cases(line: Drilled) -> set[str]:
    """Return what the line's test is run with; pytest names a case by its text or its function's name."""
    test = getattr(import_module(line.module), line.function)
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    return {
        value if isinstance(value, str) else value.__name__
        for mark in marks
        for value in mark.args[1]
        if isinstance(value, str) or callable(value)
    }


@pytest.mark.parametrize("line", LISTED, ids=lambda line: line.test.split("::")[1])
def test_every_line_has_its_test(line: Drilled) -> None:
    found = cases(line)
    assert line.parameter in found if line.parameter else not found


def test_every_drill_has_its_line() -> None:
    listed = {line.name: line.said for line in LISTED if line.kind == "fault"}
    assert {name: drill.cause for name, drill in DRILLS.items()}.items() <= listed.items()
    assert {name: cause for name, (_, cause, _) in FAILURES.items()}.items() <= listed.items()


def test_there_are_enough_of_both_kinds_and_none_twice() -> None:
    faults = [line.name for line in LISTED if line.kind == "fault"]
    states = [line.name for line in LISTED if line.kind == "state"]
    assert len(set(faults)) == len(faults) >= FAULTS
    assert len(set(states)) == len(states) >= STATES
    assert len(faults) + len(states) == len(LISTED)
    assert {line.said for line in LISTED if line.kind == "state"} == {"in sync"}


def test_every_cause_is_drilled() -> None:
    drilled = {line.said for line in LISTED if line.kind == "fault"}
    assert drilled == set(Cause) - AMONG_OTHERS
