"""What a notification names, and what of the log then counts as told."""

from __future__ import annotations

import pytest

from vps_readapi.memory.notice import Told, find_untold, is_visible, read_notice
from vps_readapi.memory.sql import Changes

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (b"pedidos 7 1234", (7, 1234)),
        (b"pedidos", None),
        (b"pedidos 7", None),
        (b"pedidos 7 x", None),
        (b"pedidos 7 1 2", None),
        (b"imagens 7 1234", None),
        (b"", None),
    ],
)
def test_a_notice_names_an_order_and_its_transaction(payload: bytes, told: Told | None) -> None:
    assert read_notice(payload) == told


def read(pares: list[list[int]] | None, told: set[Told]) -> Changes:
    row = {"pedidos": pares, "sumiram": [], "sessoes": False, "beat_at": None, "received_at": None}
    return Changes.read({**row, "clock": None}, told)


def test_what_was_told_is_not_told_again_and_all_else_is() -> None:
    changes = read([[7, 10], [7, 11], [8, 10], [9, 12], [9, 12]], {(7, 10), (8, 10), (5, 1)})
    assert changes.pedidos == (7, 8, 9)
    assert changes.untold == (7, 9)  # a photo of the seventh changed in another transaction
    assert (read([], set()).pedidos, read(None, set()).pedidos) == ((), None)


@pytest.mark.parametrize(
    ("xid", "snapshot", "visible"),
    [
        (9, "10:20:10,14", True),
        (10, "10:20:10,14", False),
        (11, "10:20:10,14", True),
        (14, "10:20:10,14", False),
        (19, "10:20:10,14", True),
        (20, "10:20:10,14", False),
        (9, "10:10:", True),
        (10, "10:10:", False),
        (10, "", False),
    ],
)
def test_what_a_snapshot_shows_was_told_with_it(xid: int, snapshot: str, visible: bool) -> None:
    assert is_visible(xid, snapshot) is visible


@pytest.mark.parametrize(
    ("notices", "untold"),
    [
        ([(7, 9), (8, 10), (9, 12)], {(8, 10), (9, 12)}),
        ([(7, 9)], set()),
        ([(8, 10), None], set()),
        ([], set()),
    ],
)
def test_what_is_named_before_it_was_asked_about_is_untold_unless_something_unnamed_changed(
    notices: list[Told | None], untold: set[Told]
) -> None:
    assert find_untold(notices, "10:13:10,12") == untold
