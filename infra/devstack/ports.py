"""Where the stack listens: eleven ports in a row on 127.0.0.1."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from infra.devstack.errors import PORT_BASE, DevstackError, PortTakenError

DEFAULT_BASE = 15430
# Below the range from which systems take the ports of outgoing connections.


@dataclass(frozen=True)
class Ports:
    """The stack's TCP ports; the VPS reaches the window through `link`."""

    sgp: int
    vitrine: int
    vps: int
    link: int
    api: int
    back: int
    """From the intranet to the VPS, for whoever watches."""
    panel: int
    sgp_http: int
    """SGP's own API."""
    live: int
    """From the VPS to that, for live questions."""
    ingest: int
    """Where the VPS takes pushes."""
    push: int
    """From the intranet to that."""


def read_ports(environ: Mapping[str, str]) -> Ports:
    """Count from PONTE_DEV_PORT_BASE, 15430 unless told. Raise DevstackError if it is no port."""
    given = environ.get(PORT_BASE, str(DEFAULT_BASE))
    if not given.isdecimal() or not 1024 <= int(given) <= 65500:  # noqa: PLR2004
        raise DevstackError(f"{PORT_BASE} is '{given}'", "set it to a number from 1024 to 65500")
    base = int(given)
    return Ports(
        sgp=base + 1,
        vitrine=base + 2,
        vps=base + 3,
        link=base + 4,
        api=base + 5,
        back=base + 6,
        panel=base + 7,
        sgp_http=base + 8,
        live=base + 9,
        ingest=base + 10,
        push=base + 11,
    )


def require_free_port(owner: str, port: int) -> None:
    """Raise PortTakenError if something listens on a port of 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if sys.platform == "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:  # as the server does: a closed connection's wait is no listener
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortTakenError(owner, port) from error
