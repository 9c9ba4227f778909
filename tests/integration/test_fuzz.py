"""A little of `python -m tests.fuzz`, with each run."""

from __future__ import annotations

import pytest

from tests.fuzz.__main__ import KINDS

COUNTS = {"requests": 400, "texts": 300, "names": 1000, "images": 150, "answers": 600}


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_input_does_no_harm(kind: str) -> None:
    found = KINDS[kind](COUNTS[kind], 120, 7)
    assert found.faults == []
    assert found.tried >= COUNTS[kind] / 2
