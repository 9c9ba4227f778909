"""An installation as a list of steps: each knows whether it is done, so a second run does what is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from publications.install.errors import InstallError

Report = Callable[[str, str], None]
"""Is told a word (`done`, `to do`, `does`) and what the step is."""


@dataclass(frozen=True)
class Step:
    """One thing that is to be so."""

    says: str
    is_done: Callable[[], bool]
    do: Callable[[], None]


def list_steps(steps: Iterable[Step], report: Report) -> bool:
    """Say of each step whether it is done, and do nothing; tell whether all are."""
    done = [(step, step.is_done()) for step in steps]
    for step, is_done in done:
        report("done" if is_done else "to do", step.says)
    return all(is_done for _, is_done in done)


def carry_out(steps: Iterable[Step], report: Report) -> int:
    """Do what is not done yet, in order, and return how many steps that were. Raise InstallError."""
    count = 0
    for step in steps:
        if step.is_done():
            continue
        report("does", step.says)
        step.do()
        if not step.is_done():
            raise InstallError(f"this did not last: {step.says}", "run the same command again, with -v")
        count += 1
    return count
