"""Where a request comes from: what a declared proxy says of it counts, what anybody else says does not."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import LiteralString

from starlette.types import Scope

from db.logs import log_event
from db.shown import show

FORWARDED = b"x-forwarded-for"
MAX_HOPS = 16
SILENT_S = 600.0
"""For how long a proxy that has sent no address is taken to send none."""
log = logging.getLogger(__name__)
_SIGNS = (FORWARDED, b"forwarded", b"x-real-ip", b"via")
"""Fields that proxies write, whether they are declared or not."""


class Proxies:
    """The proxies in front, by address or network."""

    def __init__(self, declared: Sequence[str]) -> None:
        self._networks = tuple(map(ip_network, declared))
        self._silent: dict[str, float] = {}
        self._told: set[tuple[str, str]] = set()

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._networks)

    def holds(self, host: str) -> bool:
        """Tell whether somebody is one of them."""
        address = _read(host)
        return address is not None and any(address in one for one in self._networks)

    def find_client(self, scope: Scope) -> str:
        """Return who asks: the last address in `X-Forwarded-For` that is no proxy's, or the sender's own."""
        peer = scope["client"][0] if scope.get("client") else ""
        fields = [(name, value) for name, value in scope["headers"] if name in _SIGNS]
        if not self.holds(peer):
            if fields and (_read(peer) is None or _is_near(peer)):
                self._tell(
                    "proxy_undeclared", peer, "if a proxy of yours is there, set PONTE_API_PROXIES to it"
                )
            return peer
        hops = _split(value for name, value in fields if name == FORWARDED)
        now = time.monotonic()
        if not hops:
            self._silent[peer] = now
            hint = "have it send X-Forwarded-For: until then all who come by it are one address"
            self._tell("proxy_sends_no_address", peer, hint)
        if now - self._silent.get(peer, -SILENT_S) < SILENT_S:
            return peer  # it writes none, so this one was written by whoever asks
        for hop in reversed(hops):
            if _read(hop) is None:
                return peer
            if not self.holds(hop):
                return str(_read(hop))
        return peer

    def _tell(self, event: LiteralString, peer: str, hint: str) -> None:
        """Say it once of each: there are few, as they are near."""
        if (event, peer) not in self._told and len(self._told) < MAX_HOPS:
            self._told.add((event, peer))
            log_event(log, event, level=logging.WARNING, proxy=show(peer), hint=hint)


def _split(values: Iterable[bytes]) -> list[str]:
    return [one.strip() for one in b",".join(values).decode("latin-1").split(",") if one.strip()][-MAX_HOPS:]


def _read(host: str) -> IPv4Address | IPv6Address | None:
    """Return an address, without its port; an IPv4 address in an IPv6 one is itself."""
    bare = host[1:].partition("]")[0] if host.startswith("[") else host
    bare = bare.partition(":")[0] if bare.count(":") == 1 else bare
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_near(host: str) -> bool:
    """Tell whether it is this machine's or a private network's, where somebody's own proxy may be."""
    address = _read(host)
    return address is not None and (address.is_loopback or address.is_private)
