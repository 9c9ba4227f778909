"""What became of the faults, and the one share that is told of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from tests.mutants.tree import ROOT, fingerprint

LAST = ROOT / ".ponte" / "mutants.json"


class UntestedError(Exception):
    """The tests could not be run, or fail without any fault."""


class Fate(StrEnum):
    """What the tests said of a fault."""

    KILLED = "killed"
    TIMEOUT = "timeout"
    """They did not end: nobody would take that for well."""
    SURVIVED = "survived"
    EQUIVALENT = "equivalent"
    """It survived, and changes nothing that can be seen; the list says why. Not counted."""
    NOT_RUN = "not run"
    """The time was over. Not counted, and the run has failed."""


@dataclass(frozen=True)
class Outcome:
    """One fault: where it was, what it was, what became of it."""

    place: str
    fault: str
    fate: Fate


@dataclass(frozen=True)
class Tally:
    """All of them."""

    outcomes: tuple[Outcome, ...]
    tree: str = field(default_factory=fingerprint)

    def count(self, *fates: Fate) -> int:
        """Count the faults that met one of these fates."""
        return sum(one.fate in fates for one in self.outcomes)

    @property
    def seen(self) -> int:
        """Return how many can be seen."""
        return self.count(Fate.KILLED, Fate.TIMEOUT, Fate.SURVIVED)

    @property
    def share(self) -> float:
        """Return how many of those were noticed, of one."""
        return self.count(Fate.KILLED, Fate.TIMEOUT) / self.seen if self.seen else 0.0

    def write(self, path: Path = LAST) -> None:
        """Keep the result for `make bench`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    def to_json(self) -> str:
        """Return one object."""
        shown = {
            "mutants_killed_share": round(self.share, 4),
            "mutants": self.seen,
            **{fate.value.replace(" ", "_"): self.count(fate) for fate in Fate},
            "by_place": _by_place(self.outcomes),
            "survivors": [asdict(one) for one in self.outcomes if one.fate is Fate.SURVIVED],
        }
        return json.dumps(shown, indent=2)

    def to_text(self) -> str:
        """Return a line for each place and each survivor, and the share."""
        places = [
            f"{place:<45} " + "  ".join(f"{fate} {number}" for fate, number in sorted(fates.items()))
            for place, fates in _by_place(self.outcomes).items()
        ]
        survivors = [
            f"survived: {one.place}: {one.fault}" for one in self.outcomes if one.fate is Fate.SURVIVED
        ]
        share = f"mutants_killed_share {self.share:.4f} of {self.seen}"
        return "\n".join([*places, *survivors, share])


def _by_place(outcomes: Iterable[Outcome]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {}
    for one in outcomes:
        found.setdefault(one.place, Counter())[one.fate.value] += 1
    return {place: dict(found[place]) for place in sorted(found)}


def read_last() -> Tally | None:
    """Return the last run's result, if it was of this very tree and whole."""
    try:
        kept = json.loads(LAST.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    outcomes = tuple(Outcome(one["place"], one["fault"], Fate(one["fate"])) for one in kept["outcomes"])
    tally = Tally(outcomes, kept["tree"])
    return tally if tally.tree == fingerprint() and not tally.count(Fate.NOT_RUN) else None
