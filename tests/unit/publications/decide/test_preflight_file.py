"""What is said of SGP's file: its journal, and whether the fault of its log can be ruled out."""

from __future__ import annotations

import pytest

from publications.decide.preflight_file import find_file_verdicts
from publications.decide.verdicts import FileSeen, Outcome

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("has_log", "has_fault", "outcome", "said"),
    [
        (True, False, Outcome.OK, "mended"),
        (True, True, Outcome.UNKNOWN, "SGP's own is not seen from here"),
        (False, True, Outcome.OK, "no log to reset"),
    ],
)
def test_the_fault_is_ruled_out_only_where_it_is_known_to_be(
    has_log: bool, has_fault: bool, outcome: Outcome, said: str
) -> None:
    journal, fault = find_file_verdicts(FileSeen("sgp", has_log, "3.40.1", has_fault))
    assert (fault.outcome, bool(fault.hint)) == (outcome, outcome is not Outcome.OK)
    assert said in fault.fact
    assert ("write-ahead log" in journal.fact) is has_log
