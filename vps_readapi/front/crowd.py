"""Who is connected: so many at most, so many of one address, and strangers give way to others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from vps_readapi.addresses import find_network
from vps_readapi.front.metrics import connections_total


class Connected(Protocol):
    """One connection."""

    @property
    def may_go(self) -> bool:
        """Whether it has shown no session, and nothing of it is under way."""

    def give_way(self) -> None:
        """Close it at once."""


class Crowd:
    """Counts connections.

    most: how many there are at most; most_of_address: how many of them from one address, an IPv6 address
    being its whole network; is_exempt: tells who speaks for many, as a proxy does.
    """

    def __init__(self, most: int, most_of_address: int, *, is_exempt: Callable[[str], bool]) -> None:
        self._most = most
        self._most_of_address = most_of_address
        self._is_exempt = is_exempt
        self._there: dict[Connected, str] = {}
        """In the order in which they came."""
        self._of_address: Counter[str] = Counter()
        self.refused = 0
        self.displaced = 0

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._there)

    def admit(self, one: Connected, host: str) -> bool:
        """Take somebody in, if need be for a stranger who does nothing; tell whether there was room."""
        address = find_network(host)
        is_many = not self._is_exempt(host) and self._of_address[address] >= self._most_of_address
        is_full = len(self._there) >= self._most
        if (is_many and not self._displace(address)) or (is_full and not is_many and not self._displace()):
            self.refused += 1
            connections_total.labels("refused").inc()
            return False
        connections_total.labels("taken").inc()
        self._there[one] = address
        self._of_address[address] += 1
        return True

    def leave(self, one: Connected) -> None:
        """Let go of somebody, who perhaps was never taken in."""
        address = self._there.pop(one, None)
        if address is not None:
            self._of_address[address] -= 1
            if not self._of_address[address]:
                del self._of_address[address]

    def _displace(self, address: str | None = None) -> bool:
        """Have the first stranger go who does nothing, of one address or of all; tell whether one did."""
        there = ((one, own) for one, own in self._there.items() if address in (None, own))
        idle = next((one for one, _ in there if one.may_go), None)
        if idle is None:
            return False
        self.displaced += 1
        connections_total.labels("displaced").inc()
        self.leave(idle)
        idle.give_way()
        return True
