"""What a run of one kind found, and how input is spoiled."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

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
