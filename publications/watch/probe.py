"""Asks a server for one byte before anything else: a link that swallows packets is known by its silence.

A connection takes six or more round trips, so over a slow link it may last longer than silence may.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping

import psycopg

SILENCE_S = 2.0
SSL_REQUEST = struct.pack("!II", 8, 80877103)
"""What PostgreSQL answers with one byte, whoever asks, and does not count as a connection."""
DEFAULT_PORT = "5432"


def probe(conninfo: Mapping[str, object]) -> None:
    """Raise psycopg.OperationalError if the server says nothing for two seconds, or refuses.

    conninfo: libpq's keywords. Without one host on the network there is nothing to probe.
    """
    address = _find_address(conninfo)
    if address is None:
        return
    try:
        with socket.create_connection(address, SILENCE_S) as sock:
            sock.settimeout(SILENCE_S)
            sock.sendall(SSL_REQUEST)
            if not sock.recv(1):
                raise psycopg.OperationalError("the server closed the connection at once")
    except TimeoutError as error:
        raise psycopg.errors.ConnectionTimeout(f"no answer in {SILENCE_S:.0f} s") from error
    except OSError as error:
        raise psycopg.OperationalError(f"no connection: {error.strerror or error}") from error


def _find_address(conninfo: Mapping[str, object]) -> tuple[str, int] | None:
    host = str(conninfo.get("hostaddr") or conninfo.get("host") or "")
    port = str(conninfo.get("port") or DEFAULT_PORT)
    if not host or host.startswith(("/", "@")) or "," in host or not port.isdecimal():
        return None
    return host, int(port)
