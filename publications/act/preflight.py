"""Look at one server for `ponte preflight`; decides nothing."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from db.engines import Connection
from db.reach import read_address
from db.sgp_file import has_wal_reset_fault, read_signature
from db.sqlfile import read_blocks
from publications.act.facts import read_facts
from publications.act.holders import PREPARED, find_holders
from publications.decide.passwords import find_weak
from publications.decide.preflight import LONG_S
from publications.decide.verdicts import FileSeen, Passfile, ServerSeen
from publications.decide.wire import find_wire_fault
from publications.declare.declaration import Declaration

_SQL = read_blocks("publications", "preflight")


def read_server(
    conn: Connection,
    dsn: str,
    declaration: Declaration,
    endpoint: str,
    *,
    conninfos: Mapping[str, Mapping[str, str]],
    passwords: Mapping[str, str],
) -> ServerSeen:
    """Look. conninfos: of this server's subscriptions, passwords: of its roles; where this machine knows."""
    began = datetime.now(UTC)
    now, folder, usage, listener, stale = conn.execute(_SQL["server"]).fetchone() or (
        began,
        "",
        0.0,
        "",
        False,
    )
    is_window = endpoint == declaration.intake.target
    holders = find_holders(conn, writers=True)
    return ServerSeen(
        endpoint=endpoint,
        facts=read_facts(conn, written=(), published=(), role="", columns={}),
        publishes=any(hop.source == endpoint for hop in declaration.hops),
        subscribes=any(hop.target == endpoint for hop in declaration.hops),
        is_window=is_window,
        settings=dict(conn.execute(_SQL["settings"]).fetchall()),
        notify_usage=usage,
        listener=listener or "",
        prepared=tuple(str(one) for one in holders if one.kind == PREPARED),
        writers=tuple(str(one) for one in holders if one.kind != PREPARED and one.age_s >= LONG_S),
        disk_free_bytes=_read_disk_free(conn, Path(folder)),
        passfiles=tuple(
            _look_at_passfile(conn, one["passfile"], Path(folder))
            for one in conninfos.values()
            if "passfile" in one
        ),
        wires={
            hop.subscription: find_wire_fault({**told, **hop.connection}, tailnet=hop.trusts_tailnet)
            for hop in declaration.hops
            if (told := conninfos.get(hop.subscription)) is not None
        },
        weak=tuple(_find_weak(conn, passwords)) if is_window else (),
        skew_s=(now - began).total_seconds(),
        collation_stale=stale,
        host=read_address(dsn).host,
        encrypted=bool(conn.pgconn.ssl_in_use),
    )


def _find_weak(conn: Connection, known: Mapping[str, str]) -> list[str]:
    return find_weak(dict(conn.execute(_SQL["verifiers"]).fetchall()), known)


def read_file(path: Path, endpoint: str) -> FileSeen:
    """Look at SGP's SQLite file from outside. Raise SgpFileError."""
    return FileSeen(
        endpoint, read_signature(path).has_log, sqlite3.sqlite_version, has_fault=has_wal_reset_fault()
    )


def _is_here(conn: Connection, folder: Path) -> bool:
    """Tell whether the server's files lie on this machine: by its pid file's words, not by its path alone."""
    try:
        row = conn.execute("SELECT pg_read_file('postmaster.pid')").fetchone()
        return row is not None and (folder / "postmaster.pid").read_text(encoding="utf-8") == row[0]
    except (OSError, UnicodeDecodeError, psycopg.Error):
        return False


def _read_disk_free(conn: Connection, folder: Path) -> int | None:
    return shutil.disk_usage(folder).free if _is_here(conn, folder) else None


def _look_at_passfile(conn: Connection, path: str, folder: Path) -> Passfile:
    try:
        row = conn.execute("SELECT pg_read_binary_file(%s, 0, 0, true)", [path]).fetchone()
    except psycopg.Error:
        return Passfile(path, readable=False)
    if row is None or row[0] is None:
        return Passfile(path, readable=None)
    if sys.platform == "win32" or not _is_here(conn, folder):
        return Passfile(path, readable=True)
    found = Path(path).stat()
    return Passfile(
        path, readable=True, mode=found.st_mode & 0o777, owned=found.st_uid == folder.stat().st_uid
    )
