"""The table of drills: faults with the cause that every face must say, broken states that apply mends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LISTED = Path(__file__).parent / "acceptance" / "drills.txt"


@dataclass(frozen=True)
class Drilled:
    """One line: a fault or a state, what is said of it, and its test."""

    kind: str
    name: str
    said: str
    """The cause on every face; or `in sync`: two runs of apply at most, then equal rows on both ends."""
    test: str
    """Below `tests`: the file, the function and its parameter."""

    @property
    def module(self) -> str:
        """Return the module that has the test."""
        return "tests." + self.test.split("::")[0].removesuffix(".py").replace("/", ".")

    @property
    def function(self) -> str:
        """Return its name."""
        return self.test.split("::")[1].split("[")[0]

    @property
    def parameter(self) -> str | None:
        """Return which case of it this is."""
        return self.test.partition("[")[2].removesuffix("]") or None


def read_drilled() -> list[Drilled]:
    """Return the table."""
    lines = LISTED.read_text(encoding="utf-8").splitlines()
    return [Drilled(*(part.strip() for part in line.split(" | "))) for line in lines]
