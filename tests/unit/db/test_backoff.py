"""Pauses between tries: longer each time, up to a bound, and spread."""

from __future__ import annotations

import pytest

from db.backoff import choose_pause_s


@pytest.mark.parametrize(
    ("failures", "longest"), [(0, 1.0), (1, 1.0), (2, 2.0), (4, 8.0), (5, 10.0), (10_000, 10.0)]
)
def test_a_pause_doubles_up_to_its_bound(failures: int, longest: float) -> None:
    pauses = [choose_pause_s(failures, first_s=1.0, longest_s=10.0) for _ in range(200)]
    assert longest / 2 <= min(pauses) <= max(pauses) <= longest


def test_two_who_fail_together_do_not_come_back_together() -> None:
    assert len({choose_pause_s(3, first_s=1.0, longest_s=60.0) for _ in range(20)}) > 15
