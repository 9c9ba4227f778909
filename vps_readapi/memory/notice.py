"""What a notification says by itself: some name an order, before anybody has asked what changed. Pure."""

from __future__ import annotations

from collections.abc import Collection

Told = tuple[int, int]
"""An order, and the transaction that changed it."""


def read_notice(payload: bytes) -> Told | None:
    """Return the order that a notification names, and by which transaction; None where it names none."""
    table, *numbers = payload.split(b" ")
    if table != b"pedidos" or len(numbers) != 2 or not all(number.isdigit() for number in numbers):  # noqa: PLR2004
        return None
    return int(numbers[0]), int(numbers[1])


def find_untold(notices: Collection[Told | None], snapshot: str) -> frozenset[Told]:
    """Return the changes that notifications name and a snapshot does not show yet.

    Nothing if one of them names no order: what else has changed must then be known before.
    """
    if None in notices:
        return frozenset()
    # A question that was asked between the commit and its notification has told of it already.
    return frozenset(one for one in notices if one is not None and not is_visible(one[1], snapshot))


def is_visible(xid: int, snapshot: str) -> bool:
    """Tell whether a transaction that was committed is visible in a snapshot, which may be empty."""
    xmin, _, rest = snapshot.partition(":")
    xmax, _, running = rest.partition(":")
    if not xmin or xid >= int(xmax):
        return False
    return xid < int(xmin) or str(xid) not in running.split(",")
