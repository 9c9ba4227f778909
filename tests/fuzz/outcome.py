"""What a run of one kind found, and how input is spoiled."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

MAX_TOLD = 5


@dataclass
class Outcome:
    """How many were tried, and those that did harm, as `repr`."""

    kind: str
    tried: int = 0
    faults: list[str] = field(default_factory=list)
    growth_mb: float = 0.0
    """Of the process under attack, from a tenth of the way on."""

    def blame(self, what: object, why: str) -> None:
        """Note one that did harm."""
        if len(self.faults) < MAX_TOLD:
            self.faults.append(f"{why}: {what!r:.300}")


class Growth:
    """How much a process has grown since the first tenth, looked at after each turn."""

    def __init__(self, outcome: Outcome, count: int, pid: int | None = None) -> None:
        """pid: None for this process."""
        self._outcome = outcome
        self._warm = max(200, count // 10)
        self._pid = pid or os.getpid()
        self._settled_mb = 0.0

    def look(self) -> None:
        """Note it."""
        if self._outcome.tried == self._warm:
            self._settled_mb = read_resident_mb(self._pid)
        if self._outcome.tried > self._warm:
            self._outcome.growth_mb = round(read_resident_mb(self._pid) - self._settled_mb, 1)


def read_resident_mb(pid: int) -> float:
    """Return how much of memory a process has; 0 where the system does not tell."""
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024
    return 0.0


def run_rounds(outcome: Outcome, count: int, seconds: float, turn: Callable[[], None]) -> Outcome:
    """Take turns until there were so many, or the time is over."""
    until = time.monotonic() + seconds
    while outcome.tried < count and time.monotonic() < until:
        turn()
        outcome.tried += 1
    return outcome


def spoil(rng: random.Random, content: bytes, pieces: list[bytes]) -> bytes:
    """Cut, double, sprinkle or turn bits, once or a few times."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        start, end = sorted(rng.choices(range(len(content) + 1), k=2))
        match rng.randrange(5):
            case 0:
                content = content[:start] + content[end:]
            case 1:
                content = content[:end] + content[start:]
            case 2:
                content = content[:start] + rng.choice(pieces) + content[start:]
            case 3:
                content = content[:start] + rng.randbytes(rng.randrange(1, 9)) + content[end:]
            case _:
                content = content[:start] + bytes([rng.randrange(256)]) + content[start + 1 :]
    return content
