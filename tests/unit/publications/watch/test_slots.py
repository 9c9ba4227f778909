"""How long a slot and its disk last, from what was written and kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from publications.watch.slots import BY_BYTES, BY_CLOCK, SlotState, WalSample, forecast

pytestmark = pytest.mark.unit

MB = 1_000_000


def samples(rate: float, *, kept: float, seconds: int = 60) -> list[WalSample]:
    """Return a minute of steady writing, of which a share stays unconfirmed."""
    return [
        WalSample(
            float(at - seconds),
            int(rate * at),
            int(1000 + rate * at),
            unconfirmed_bytes=int(kept * rate * at),
            active=True,
        )
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
    quiet = [WalSample(at - 600.0, 0, 0, 0, active=True) for at in range(590)]
    busy = [WalSample(at - 10.0, MB * at, MB * at, MB * at, active=True) for at in range(11)]
    found = forecast([*quiet, *busy], slot(100 * MB), disk_free_bytes=None)
    assert found.slot_left_s == pytest.approx(100)
    long = [WalSample(at - 600.0, MB * at, MB * at) for at in range(0, 590, 10)]
    stopped = [WalSample(at - 10.0, MB * 580, MB * 580, MB * 580, active=False) for at in range(11)]
    found = forecast([*long, *stopped], slot(100 * MB), disk_free_bytes=None)
    assert found.slot_left_s == pytest.approx(100 * 600 / 580, rel=0.02)


@pytest.mark.parametrize("given", [[], samples(MB, kept=1)[:1], samples(0, kept=1)])
def test_nothing_is_foretold_from_nothing(given: list[WalSample]) -> None:
    found = forecast(given, slot(100 * MB), disk_free_bytes=100 * MB)
    assert (found.slot_left_s, found.disk_left_s) == (None, None)


def test_what_is_past_its_limit_has_no_time_left() -> None:
    found = forecast(samples(MB, kept=1), slot(-5, "unreserved"), disk_free_bytes=None)
    assert found.slot_left_s == 0


@pytest.mark.parametrize("seconds", [0, 60])
def test_what_is_past_its_limit_has_no_time_left_though_nothing_is_written(seconds: int) -> None:
    given = samples(0, kept=1, seconds=seconds)
    assert forecast(given, slot(None, "unreserved"), disk_free_bytes=100 * MB).slot_left_s == 0
    assert forecast(given, slot(-5, "extended"), disk_free_bytes=100 * MB).slot_left_s == 0
    assert forecast(given, slot(-5, "lost"), disk_free_bytes=100 * MB).slot_left_s is None


def test_it_is_foretold_at_once_after_hours_that_were_well() -> None:
    """The history has no bytes that are unconfirmed; what a slot kept then says nothing of now."""
    past = [WalSample(at - 600.0, MB * at, 5 * MB) for at in range(0, 590, 10)]
    now = [WalSample(-at, MB * int(600 - at), 5 * MB, MB, active=False) for at in (2.0, 1.0, 0.0)]
    assert forecast([*past, *now], slot(100 * MB), disk_free_bytes=None).slot_left_s == pytest.approx(100)


def test_a_deaf_reader_holds_its_slot_though_it_looks_active() -> None:
    given = [WalSample(at - 6.0, MB * at, MB * at, MB * at, active=True) for at in range(7)]
    assert forecast(given, slot(100 * MB), disk_free_bytes=None).slot_left_s == pytest.approx(100)


@pytest.mark.parametrize("passed", range(2, 20))
def test_a_burst_that_is_soon_confirmed_does_not_hold_a_slot(passed: int) -> None:
    """150 MB in two seconds, confirmed three seconds later; what it retains goes down long after that."""
    given = [
        WalSample(
            float(at - passed),
            75 * MB * min(at, 2),
            75 * MB * min(at, 2),
            75 * MB * min(at, 2) if at < 5 else 0,
            active=True,
        )
        for at in range(passed + 1)
    ]
    assert not forecast(given, slot(None), disk_free_bytes=1000 * MB).held


def idle(left_s: float, safe_bytes: int | None = None) -> SlotState:
    return replace(slot(safe_bytes), idle_s=100.0, idle_limit_s=100.0 + left_s)


def test_a_slot_that_nobody_reads_is_lost_by_the_clock_however_little_is_written() -> None:
    found = forecast([], idle(3600.0), disk_free_bytes=None)
    assert (found.slot_left_s, found.killer) == (3600.0, BY_CLOCK)
    assert forecast([], idle(-5.0), disk_free_bytes=None).slot_left_s == 0.0
    assert forecast([], replace(idle(5.0), active=True), disk_free_bytes=None).slot_left_s is None


def test_the_limit_that_comes_first_is_named() -> None:
    busy = samples(MB, kept=1)
    first = forecast(busy, idle(3600.0, 100 * MB), disk_free_bytes=None)
    assert first.slot_left_s == pytest.approx(100)
    assert first.killer == BY_BYTES
    later = forecast(busy, idle(50.0, 100 * MB), disk_free_bytes=None)
    assert (later.slot_left_s, later.killer) == (50.0, BY_CLOCK)
    assert forecast(busy, slot(-1), disk_free_bytes=None).killer == BY_BYTES


def test_why_a_slot_was_lost_is_postgresqls_own_word() -> None:
    assert replace(slot(None), invalidation_reason="idle_timeout").loss_reason == "idle_timeout"
    assert slot(None, "lost").loss_reason == "wal_removed"
