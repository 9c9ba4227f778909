"""How long a slot and its disk last, from what was written and kept."""

from __future__ import annotations

import pytest

from publications.slots import SlotState, WalSample, forecast

pytestmark = pytest.mark.unit

MB = 1_000_000


def samples(rate: float, *, kept: float, seconds: int = 60) -> list[WalSample]:
    """Return a minute of steady writing, of which a share is kept."""
    return [
        WalSample(float(at - seconds), int(rate * at), int(1000 + kept * rate * at))
        for at in range(seconds + 1)
    ]


def slot(safe_bytes: int | None, status: str = "reserved") -> SlotState:
    return SlotState("vitrine", "slot_vps", False, 0, 0, status, safe_bytes)


def test_a_held_slot_is_lost_when_what_is_safe_is_written() -> None:
    found = forecast(samples(MB, kept=1), slot(100 * MB), disk_free_bytes=None)
    assert found.held
    assert found.slot_left_s == pytest.approx(100)


def test_the_disk_counts_where_the_slot_has_no_limit() -> None:
    found = forecast(samples(MB, kept=1), slot(None), disk_free_bytes=3600 * MB)
    assert found.slot_left_s is None
    assert found.disk_left_s == pytest.approx(3600)


def test_a_slot_that_is_lost_before_the_disk_is_full_saves_the_disk() -> None:
    found = forecast(samples(MB, kept=1), slot(100 * MB), disk_free_bytes=200 * MB)
    assert found.slot_left_s == pytest.approx(100)
    assert found.disk_left_s is None
    found = forecast(samples(MB, kept=1), slot(200 * MB), disk_free_bytes=100 * MB)
    assert found.slot_left_s == pytest.approx(200)
    assert found.disk_left_s == pytest.approx(100)


def test_a_slot_that_moves_lasts_for_ever() -> None:
    found = forecast(samples(MB, kept=0.01), slot(100 * MB), disk_free_bytes=MB)
    assert (found.held, found.slot_left_s, found.disk_left_s) == (False, None, None)


def test_the_greater_of_the_present_and_the_long_rate_counts() -> None:
    quiet = [WalSample(at - 600.0, 0, 0) for at in range(590)]
    busy = [WalSample(at - 10.0, MB * at, MB * at) for at in range(11)]
    found = forecast([*quiet, *busy], slot(100 * MB), disk_free_bytes=None)
    assert found.slot_left_s == pytest.approx(100)
    long = [WalSample(at - 600.0, MB * at, MB * at) for at in range(0, 590, 10)]
    stopped = [WalSample(at - 10.0, MB * 580, MB * 580) for at in range(11)]
    found = forecast([*long, *stopped], slot(100 * MB), disk_free_bytes=None)
    assert found.slot_left_s == pytest.approx(100 * 600 / 580, rel=0.02)


@pytest.mark.parametrize("given", [[], samples(MB, kept=1)[:1], samples(0, kept=1)])
def test_nothing_is_foretold_from_nothing(given: list[WalSample]) -> None:
    found = forecast(given, slot(100 * MB), disk_free_bytes=100 * MB)
    assert (found.slot_left_s, found.disk_left_s) == (None, None)


def test_what_is_past_its_limit_has_no_time_left() -> None:
    found = forecast(samples(MB, kept=1), slot(-5, "unreserved"), disk_free_bytes=None)
    assert found.slot_left_s == 0
