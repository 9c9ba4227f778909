"""Why a database could not be reached, found out by asking again: psycopg knows only libpq's words.

A refusal's words are in the language of its server, and carry no SQLSTATE. So, after a connection failed,
libpq is asked to connect once more and to say SQLSTATEs, and what no server said is looked for on the
network. Where neither tells, libpq's words stand as they are; no text is matched.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import re
import select
import socket
import struct
import sys
import time
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

PATIENCE_S = 5.0
MAX_PORT = 65535
SSL_REQUEST = struct.pack("!II", 8, 80877103)
"""What PostgreSQL answers with one byte, whoever asks, and does not count as a connection."""
SQLSTATES_ONLY = 3
"""libpq's PQERRORS_SQLSTATE, which psycopg gives no name."""
_STATE_AT_END = re.compile(r"\b([0-9A-Z]{5})\s*$")


@dataclass(frozen=True)
class Address:
    """What libpq made of a connection string, the environment and its own defaults."""

    host: str
    port: int
    user: str
    database: str
    sslmode: str
    passfile: Path
    root_certificate: Path

    @property
    def is_network(self) -> bool:
        """Tell whether it is a host rather than a folder with a socket."""
        is_folder = self.host.startswith(("/", "@")) or self.host[1:2] == ":"
        return bool(self.host) and not is_folder and 0 < self.port <= MAX_PORT

    @property
    def demands_tls(self) -> bool:
        """Tell whether no session without TLS will do."""
        return self.sslmode in {"require", "verify-ca", "verify-full"}

    @property
    def verifies(self) -> bool:
        """Tell whether the server's certificate must be one of a known authority."""
        return self.sslmode in {"verify-ca", "verify-full"}

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.is_network else f"the socket in {self.host}"


def read_address(conninfo: str) -> Address:
    """Complete a connection string as libpq does. Of several hosts the first counts."""
    given = {one.keyword: one.val for one in pq.Conninfo.parse(conninfo.encode()) if one.val is not None}
    known = {one.keyword: one.val for one in pq.Conninfo.get_defaults() if one.val is not None}
    told = {name.decode(): value.decode() for name, value in {**known, **given}.items()}
    folder = Path.home() / ("AppData/Roaming/postgresql" if sys.platform == "win32" else ".postgresql")
    home = folder / "pgpass.conf" if sys.platform == "win32" else Path.home() / ".pgpass"
    user = told.get("user") or ""
    port = (told.get("port") or "5432").split(",")[0]
    return Address(
        host=(told.get("hostaddr") or told.get("host") or _default_host()).split(",")[0],
        port=int(port) if port.isdecimal() else 0,
        user=user,
        database=told.get("dbname") or user,
        sslmode=told.get("sslmode") or "prefer",
        passfile=Path(told.get("passfile") or home),
        root_certificate=Path(told.get("sslrootcert") or folder / "root.crt"),
    )


def _default_host() -> str:
    return "localhost" if sys.platform == "win32" else "/var/run/postgresql"


def ask_sqlstate(conninfo: str) -> str | None:
    """Connect once more and return the SQLSTATE with which the server refuses; None if none is had."""
    library = _load_libpq()
    if library is None:
        return None
    started = pq.PGconn.connect_start(make_conninfo(conninfo, client_encoding="utf8").encode())
    try:
        if started.status == pq.ConnStatus.BAD or not started.pgconn_ptr:  # type: ignore[attr-defined]
            return None
        library.PQsetErrorVerbosity(ctypes.c_void_p(started.pgconn_ptr), SQLSTATES_ONLY)  # type: ignore[attr-defined]
        _poll(started)
        found = _STATE_AT_END.search(started.get_error_message())
        return found[1] if found else None
    except psycopg.Error:
        return None
    finally:
        started.finish()


def _poll(started: pq.abc.PGconn) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (left := deadline - time.monotonic()) > 0:
        match started.connect_poll():
            case pq.PollingStatus.READING:
                select.select([started.socket], [], [], left)
            case pq.PollingStatus.WRITING:
                select.select([], [started.socket], [], left)
            case _:
                return


@cache
def _load_libpq() -> ctypes.CDLL | None:
    """Return the very libpq that psycopg uses: loading it again gives the same one."""
    binary = find_spec("psycopg_binary")
    folders = [Path(one) for one in binary.submodule_search_locations or ()] if binary else []
    bundled = [
        path
        for folder in folders
        for beside in (folder.with_name("psycopg_binary.libs"), folder / ".dylibs")
        for path in sorted(beside.glob("libpq*"))
    ]
    name = str(bundled[0]) if bundled else ctypes.util.find_library("pq")
    try:
        return ctypes.CDLL(name) if name else None
    except OSError:
        return None


def ask_tls(address: Address) -> bytes:
    """Return the byte with which the server answers the question for TLS: S yes, N no, else no PostgreSQL.

    Raise OSError if there is nobody, socket.gaierror if the name is nobody's, TimeoutError for silence.
    """
    with socket.create_connection((address.host, address.port), PATIENCE_S) as sock:
        sock.sendall(SSL_REQUEST)
        return sock.recv(1)
