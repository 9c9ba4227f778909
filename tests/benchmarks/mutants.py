"""How many of the small faults that can be seen a test notices: `make mutants`, or its last result.

Half an hour is long for one figure: a result of this very tree is taken as it stands.
"""

from __future__ import annotations

import sys

from tests.mutants.__main__ import main
from tests.mutants.outcome import read_last


def measure_killed_share() -> float:
    """Return the share, of one. Raise RuntimeError if the run was not whole."""
    if read_last() is None:
        stdout, sys.stdout = sys.stdout, sys.stderr  # the figure alone is data
        try:
            main([])
        finally:
            sys.stdout = stdout
    tally = read_last()
    if tally is None:
        raise RuntimeError("the faults were not all tried: run 'make mutants' and see what it says")
    return tally.share


FIGURES = {"mutants_killed_share": measure_killed_share}
