"""`make mutants`: put small faults in, one at a time, and count those that a test notices.

0: enough are; 1: too few, or the time was over; 2: a list that is not of this tree, or tests that do not run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from rich.console import Console

from tests.mutants.listed import Fault, StaleListError, read_faults, try_faults
from tests.mutants.outcome import Fate, Outcome, Tally, UntestedError
from tests.mutants.pure import Group, read_list, try_group

WANTED_SHARE = 0.95
WORKERS = 2
MINUTES = 40.0
"""On two cores that are free both kinds take about half of it."""

talk = Console(stderr=True, highlight=False, soft_wrap=True)


def _say(words: str) -> None:
    talk.print(f"mutants: {words}", markup=False)


def run(groups: Sequence[Group], faults: Sequence[Fault], *, deadline: float, workers: int) -> Tally:
    """Try all of them."""
    _, equivalents = read_list()
    outcomes: list[Outcome] = []

    def report(one: Outcome) -> None:
        outcomes.append(one)
        _say(f"{len(outcomes)}: {one.fate}: {one.place}: {one.fault}")

    with tempfile.TemporaryDirectory(prefix="ponte-mutants-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL's own user goes in
        if faults:
            _say(f"{len(faults)} listed faults, their tests first without any")
            try_faults(faults, Path(folder), workers=workers, deadline=deadline, report=report)
        for group in groups:
            _say(f"{group.name}: {len(group.modules)} pure modules")
            outcomes += try_group(
                group, equivalents, Path(folder), workers=workers, deadline=deadline, say=_say
            )
    return Tally(tuple(outcomes))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--only", choices=["pure", "listed"], help="one kind alone; not kept for the bench")
    parser.add_argument("--place", default="", help="places that begin so alone; not kept for the bench")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="stop after so long (%(default)g)")
    parser.add_argument("--workers", type=int, default=WORKERS, help="so many at a time (%(default)s)")
    given = parser.parse_args(argv)
    try:
        groups, faults = _choose(given.only, given.place)
        deadline = monotonic() + given.minutes * 60
        tally = run(groups, faults, deadline=deadline, workers=given.workers)
    except (StaleListError, UntestedError, FileNotFoundError) as error:
        talk.print(f"mutants: {error}\nHINT: mend tests/mutants or the tests that it names", markup=False)
        return 2
    if not (given.only or given.place):
        tally.write()
    print(tally.to_json() if given.json else tally.to_text())
    return 0 if tally.share >= WANTED_SHARE and not tally.count(Fate.NOT_RUN) else 1


def _choose(only: str | None, place: str) -> tuple[list[Group], list[Fault]]:
    groups, _ = read_list()
    chosen = [
        Group(group.name, modules, group.tests)
        for group in groups
        if (modules := tuple(one for one in group.modules if one.startswith(place)))
    ]
    faults = [fault for fault in read_faults() if fault.place.startswith(place)]
    return ([] if only == "listed" else chosen), ([] if only == "pure" else faults)


if __name__ == "__main__":
    sys.exit(main())
