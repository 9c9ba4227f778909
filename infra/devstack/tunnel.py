"""The tunnel between intranet and VPS: one link each way, broken and healed together."""

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

    @property
    def mode(self) -> LinkMode:
        """What both do at present."""
        return self.there.mode

    def start(self) -> None:
        """Listen and carry; raises PortTakenError."""
        for link in (self.there, self.back):
            link.start()

    def stop(self) -> None:
        """Break all connections and stop listening."""
        for link in (self.there, self.back):
            link.stop()

    def cut(self) -> None:
        """Break all connections, and each new one at once."""
        for link in (self.there, self.back):
            link.cut()

    def deafen(self) -> None:
        """Swallow everything."""
        for link in (self.there, self.back):
            link.deafen()

    def slow(self, delay_s: float) -> None:
        """Delay everything."""
        for link in (self.there, self.back):
            link.slow(delay_s)

    def heal(self) -> None:
        """Pass everything again."""
        for link in (self.there, self.back):
            link.heal()
