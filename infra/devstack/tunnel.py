"""The tunnel between intranet and VPS: its links, broken and healed together."""

from __future__ import annotations

from dataclasses import dataclass

from infra.devstack.link import Link, LinkMode


@dataclass(frozen=True)
class Tunnel:
    """What stands in for Tailscale: replication goes one way through it, the watch the other."""

    there: Link
    """From the VPS to the vitrine."""
    back: Link
    """From the intranet to the VPS."""
    live: Link
    """From the VPS to SGP's API, for live questions."""

    @property
    def _links(self) -> tuple[Link, ...]:
        return self.there, self.back, self.live

    @property
    def mode(self) -> LinkMode:
        """What all do at present."""
        return self.there.mode

    def start(self) -> None:
        """Listen and carry; raises PortTakenError."""
        for link in self._links:
            link.start()

    def stop(self) -> None:
        """Break all connections and stop listening."""
        for link in self._links:
            link.stop()

    def cut(self) -> None:
        """Break all connections, and each new one at once."""
        for link in self._links:
            link.cut()

    def deafen(self) -> None:
        """Swallow everything."""
        for link in self._links:
            link.deafen()

    def slow(self, delay_s: float) -> None:
        """Delay everything."""
        for link in self._links:
            link.slow(delay_s)

    def heal(self) -> None:
        """Pass everything again."""
        for link in self._links:
            link.heal()
