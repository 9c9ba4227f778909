"""`python -m tests.fuzz`: so many of each kind, or as many as a time allows; 0 without harm, 1 with some."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict

from tests.fuzz.answers import fuzz_answers
from tests.fuzz.images import fuzz_images
from tests.fuzz.names import fuzz_names
from tests.fuzz.outcome import Outcome
from tests.fuzz.requests import fuzz_requests
from tests.fuzz.texts import fuzz_texts

KINDS: dict[str, Callable[[int, float, int], Outcome]] = {
    "requests": fuzz_requests,
    "texts": fuzz_texts,
    "names": fuzz_names,
    "images": fuzz_images,
    "answers": fuzz_answers,
}
MAX_GROWTH_MB = 64.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="fuzz", description="Attack with what nobody thought of.")
    parser.add_argument("--count", type=int, default=100_000, help="of each kind")
    parser.add_argument("--seconds", type=float, default=3600.0, help="for each kind at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    arguments = parser.parse_args(argv)
    found = [KINDS[kind](arguments.count, arguments.seconds, arguments.seed) for kind in arguments.only]
    print(json.dumps([asdict(one) for one in found], indent=2))
    return int(any(one.faults or one.growth_mb > MAX_GROWTH_MB for one in found))


if __name__ == "__main__":
    sys.exit(main())
