"""The panel's words and its chart: never newer, never better than what was measured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from db.freshness import Cause, Fault, Freshness, FreshnessState, HopState, Measurement
from db.motivo import Motivo
from publications.faces.causes import DETAILS as ENGLISH_DETAILS
from publications.faces.causes import FACTS, describe_faults
from publications.faces.causes import LOSSES as ENGLISH_LOSSES
from publications.faces.terminal import SENTENCES as ENGLISH
from publications.faces.terminal import describe_check, describe_road
from publications.panel.causes import CAUSES, DETAILS, LOSSES
from publications.panel.chart import PIECES, draw
from publications.panel.words import (
    HOPS,
    MOTIVOS,
    SENTENCES,
    say_age,
    say_causes,
    say_check,
    say_headline,
    say_size,
)
from publications.watch.checks import Check, CheckKind, Level, grade
from publications.watch.history import PIECE_S, Piece

pytestmark = pytest.mark.unit

NOW = datetime(2026, 1, 2, 12, 3, tzinfo=UTC)
FRESH, LAGGING, SILENT = FreshnessState


def measured(state: FreshnessState, *causes: Cause, age: float | None = 2.0) -> Measurement:
    return Measurement(Freshness(state, NOW, age), causes)


@pytest.mark.parametrize(
    ("given", "line", "level"),
    [
        (measured(FRESH, age=125), "Sincronização: OK | Último Sync: há 2 min", Level.OK),
        (measured(FRESH, Cause.LINK_DOWN), "Sincronização: Atenção | Último Sync: há 2 s", Level.WARNING),
        (measured(LAGGING, age=90), "Sincronização: ATRASADA | Último Sync: há 1 min", Level.WARNING),
        (
            measured(SILENT, Cause.LINK_DOWN, age=7300),
            "Sincronização: SEM NOTÍCIAS | Último Sync: há 2 h",
            Level.CRITICAL,
        ),
        (
            measured(SILENT, Cause.POLL_DIED, age=None),
            "Sincronização: SEM NOTÍCIAS | Último Sync: não se sabe",
            Level.CRITICAL,
        ),
        (measured(FRESH, Cause.SLOT_LOST), "Sincronização: Atenção | Último Sync: há 2 s", Level.CRITICAL),
    ],
)
def test_the_first_line(given: Measurement, line: str, level: Level) -> None:
    assert " | ".join(say_headline(given)) == line
    assert grade(given) is level
    assert ("OK" in describe_road(given)) == given.is_ok


def test_an_age_is_never_rounded_to_something_newer() -> None:
    ages = (0.9, 59.9, 60, 3599, 3600, 86399, 86400, 200000, None)
    assert [say_age(age) for age in ages] == [
        "há 0 s", "há 59 s", "há 1 min", "há 59 min", "há 1 h", "há 23 h", "há 1 dia", "há 2 dias",
        "não se sabe",
    ]  # fmt: skip


def test_sizes_have_the_shops_comma() -> None:
    assert [say_size(size) for size in (0, 999, 12_300_000, 2_500_000_000, None)] == [
        "0 bytes",
        "999 bytes",
        "12 MB",
        "2,5 GB",
        "não se sabe",
    ]


def test_everything_that_can_be_found_has_words_in_both_languages() -> None:
    assert set(CAUSES) == set(FACTS) == set(Cause)
    assert set(LOSSES) == set(ENGLISH_LOSSES)
    assert set(DETAILS) <= set(ENGLISH_DETAILS)
    assert set(HOPS) == set(HopState)
    assert set(MOTIVOS) == set(Motivo)
    others = set(CheckKind) - {CheckKind.ROAD}
    assert set(ENGLISH) == others
    assert set(SENTENCES) == others - {CheckKind.RECORDING}


def test_what_is_known_of_a_cause_stands_beside_it_in_both_languages() -> None:
    held = {"pid": "77", "who": "idle in transaction of ana in vps, for 9 s"}
    lost = Fault(Cause.SLOT_LOST, "vitrine", {"slot": "slot_vps", "reason": "idle_timeout"})
    found = Measurement(
        Freshness(LAGGING, NOW, 20.0),
        (Cause.SLOT_LOST, Cause.NOTIFY_FULL),
        (lost, Fault(Cause.NOTIFY_FULL, "vps", held)),
    )
    assert "SELECT pg_terminate_backend(77)" in describe_faults(found, Cause.NOTIFY_FULL)
    assert "idle_replication_slot_timeout" in describe_faults(found, Cause.SLOT_LOST)
    assert [why.split(" (")[1] for why, _ in say_causes(found)] == [
        "vitrine, slot_vps: parada por mais que idle_replication_slot_timeout).",
        "vps, processo 77).",
    ]


def test_a_log_that_cannot_be_read_is_said_to_have_the_error() -> None:
    said = {"subscription": "sub_vps", "said": ""}
    found = Measurement(
        Freshness(LAGGING, NOW, 20.0), (Cause.APPLY_FAILING,), (Fault(Cause.APPLY_FAILING, "vps", said),)
    )
    assert describe_faults(found, Cause.APPLY_FAILING) == " (on vps: that server's log says why)"
    assert say_causes(found)[0][0].endswith(" (vps).")


def test_a_sentence_for_one_and_for_many() -> None:
    one, many = (Check(CheckKind.MINIATURAS_REFUSED, "vazio", Level.OK, {"count": count}) for count in (1, 3))
    assert say_check(one) == "1 foto sem miniatura: o arquivo está vazio"
    assert say_check(many) == "3 fotos sem miniatura: o arquivo está vazio"
    assert describe_check(many)[0] == "3 photos have no miniatura: vazio"


def piece(ago: int, *, age: float | None = 2.0, state: FreshnessState = FRESH) -> Piece:
    start = NOW.replace(minute=0) - timedelta(seconds=PIECE_S * ago)
    return Piece(start, age, age is None, state)


def test_the_chart_ends_now_and_begins_a_day_ago() -> None:
    chart = draw([piece(PIECES - 1), piece(1), piece(0)], now=NOW)
    assert [bar.x for bar in chart.bars] == [0, PIECES - 2, PIECES - 1]
    assert [bar.x for bar in draw([piece(PIECES + 5)], now=NOW).bars] == []


def test_an_unknown_age_stands_out_and_is_told() -> None:
    chart = draw([piece(2), piece(1, age=None, state=SILENT), piece(0, age=400, state=SILENT)], now=NOW)
    assert [bar.height for bar in chart.bars][1] == 100
    assert [bar.state for bar in chart.bars] == ["fresh", "silent", "silent"]
    assert (chart.unknown, chart.longest_s) == (True, 400)
    assert chart.fresh_share == pytest.approx(1 / 3)
    assert draw([], now=NOW).fresh_share is None


def test_older_is_taller() -> None:
    heights = [draw([piece(0, age=age)], now=NOW).bars[0].height for age in (1.0, 15.0, 300.0, 86400.0, 1e9)]
    assert heights == sorted(heights)
    assert heights[1] == pytest.approx(24.4, abs=0.1)  # where panel.css draws its line for 15 s
    assert heights[2] == pytest.approx(50.2, abs=0.1)  # and for 5 minutes
    assert heights[-1] == 100
