"""What only several looks at one database show: how fast it writes, what fails again, what was replaced."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from publications.watch.reading import EndpointReading
from publications.watch.slots import WINDOW_S, SlotState, WalSample

ERRORS_S = 20.0


class Tracks:
    """Remembers readings of one database, as far back as each question needs."""

    def __init__(self, slots: Sequence[str]) -> None:
        """slots: whose kept WAL is sampled."""
        self._samples: dict[str, deque[WalSample]] = {slot: deque() for slot in slots}
        self._slots: dict[str, SlotState] = {}
        self._errors: dict[str, deque[tuple[float, int, int]]] = {}
        self._served_at: dict[str, float] = {}

    def samples(self, now: float) -> dict[str, list[WalSample]]:
        """Return the samples by slot, their times as seconds from `now`, by the steady clock."""
        return {
            slot: [replace(one, at_s=one.at_s - now) for one in samples]
            for slot, samples in self._samples.items()
        }

    def forget_counts(self) -> None:
        """A new connection may be to a server that crashed, and with it forgot what it had counted."""
        self._slots = {name: replace(slot, decoded_txns=None) for name, slot in self._slots.items()}

    def sample(self, reading: EndpointReading, now: float) -> None:
        """Take a sample of each slot."""
        if reading.wal_bytes is None:
            return
        for name, samples in self._samples.items():
            slot = reading.slot(name)
            kept = (slot.retained_bytes, slot.unconfirmed_bytes, slot.active) if slot else (None, None, None)
            samples.append(WalSample(now, reading.wal_bytes, *kept))
            while samples[0].at_s < now - WINDOW_S:
                samples.popleft()

    def find_failing(self, reading: EndpointReading, now: float) -> frozenset[str]:
        """Name the subscriptions whose errors grew twice lately, without a beat that arrived since the first.

        A connection that breaks counts once too.
        """
        failing = set()
        beat = reading.beat.beat if reading.beat else 0
        for one in reading.subscriptions:
            seen = self._errors.setdefault(one.name, deque([(now, one.apply_errors, beat)]))
            if one.apply_errors != seen[-1][1]:
                seen.append((now, one.apply_errors, beat))
            while len(seen) > 1 and seen[1][0] < now - ERRORS_S:
                seen.popleft()
            grown = [entry for entry in list(seen)[1:] if entry[0] >= now - ERRORS_S]
            if len(grown) > 1 and beat <= grown[-2][2]:
                failing.add(one.name)
        return frozenset(failing)

    def find_unserved(self, reading: EndpointReading, now: float) -> dict[str, float]:
        """Return for how many seconds each subscription has had no worker that ever got anything."""
        for one in reading.subscriptions:
            if one.is_served or one.name not in self._served_at:
                self._served_at[one.name] = now
        return {
            one.name: now - self._served_at[one.name] for one in reading.subscriptions if not one.is_served
        }

    def find_replaced(self, reading: EndpointReading) -> dict[str, datetime]:
        """Name the slots that went since the look before; where one was made anew its counts began again."""
        found = {
            name: reading.now
            for name, before in self._slots.items()
            if _is_another(before, reading.slot(name))
        }
        self._slots = {name: slot for name in self._samples if (slot := reading.slot(name))}
        return found


def _is_another(before: SlotState, now: SlotState | None) -> bool:
    if now is None:
        return True
    if before.decoded_txns is None or now.decoded_txns is None or before.counted_since != now.counted_since:
        return False
    return now.decoded_txns < before.decoded_txns
