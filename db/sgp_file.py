"""SGP's database where it is a SQLite file: opened for a moment, read only, and let go.

Nothing of ours stays open between two looks. A reader that does keeps SGP's write-ahead log beside the file
when SGP has stopped, and whoever then puts an older copy in its place has that log replayed over it; on
Windows an open file can't be replaced at all. So a change is told by what the files look like from outside,
and that is never more than a hint. See docs/adr/0031.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from db.errors import PonteError, word

VARIABLE = "PONTE_SGP_FILE"
BUSY_S = 1.0
"""So long a look waits for a writer that is just writing."""
_HEADER = 100
_WAL_HEADER = 32
_MAGIC = b"SQLite format 3\0"
_WAL_VERSION = 2
FIXED = ((3, 51, 3), (3, 50, 7), (3, 44, 6))
"""Where SQLite's WAL-reset fault is mended: from the first on, and on the branches of the others."""

ASK_SGP = (
    "in SGP's own Python run: python -c 'import sqlite3; print(sqlite3.sqlite_version)'; before 3.51.3,"
    " 3.50.7 or 3.44.6 of those branches give SGP a newer Python, or let one process write"
)

_ONE_AT_A_TIME = threading.Lock()
"""Closing a file lets go of all locks that this process has on it, also of those that SQLite took."""


class SgpFileError(PonteError):
    """SGP's file can't be read now."""


class SgpFileChangedError(SgpFileError):
    """It began to change while it was read without a lock: what was read does not count."""


@dataclass(frozen=True)
class Signature:
    """What a file and its log look like from outside; another one means that something may have changed."""

    identity: str
    """Which file it is, whatever its name."""
    header: bytes
    size: int
    changed_ns: int
    wal: tuple[int, int, bytes] | None
    """Its log's size, time and beginning; None where there is none."""

    @property
    def counter(self) -> int:
        """How often it was changed in its life; a log's changes are counted when they are written back."""
        return int.from_bytes(self.header[24:28], "big")

    @property
    def rests(self) -> bool:
        """Tell whether it is written by a log and there is none: nobody has it open."""
        return self.wal is None and self.has_log

    @property
    def has_log(self) -> bool:
        """Tell whether it is written by a write-ahead log."""
        return self.header[18:20] == bytes([_WAL_VERSION, _WAL_VERSION])


def has_wal_reset_fault(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> bool:
    """Tell whether that SQLite may damage a file when several of its users write it and its log back."""
    return version < FIXED[0] and not any(
        version[:2] == fixed[:2] and version >= fixed for fixed in FIXED[1:]
    )


def read_signature(path: Path) -> Signature:
    """Look at the file from outside. Raise SgpFileError. Not while this process has it open."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER)
            found = os.fstat(file.fileno())
        wal = _read_wal(path)
    except OSError as error:
        raise SgpFileError(
            f"SGP's file {path} can't be read: {word(error)}",
            f"see that {VARIABLE} names SGP's database, and that this program's account may read it",
        ) from error
    if not header.startswith(_MAGIC):
        raise SgpFileError(f"SGP's file {path} is no SQLite database", f"name the right one in {VARIABLE}")
    return Signature(f"{found.st_dev}:{found.st_ino}", header, found.st_size, found.st_mtime_ns, wal)


def _read_wal(path: Path) -> tuple[int, int, bytes] | None:
    try:
        with path.with_name(f"{path.name}-wal").open("rb") as file:
            found = os.fstat(file.fileno())
            return found.st_size, found.st_mtime_ns, file.read(_WAL_HEADER)
    except FileNotFoundError:
        return None


@contextmanager
def open_sgp_file(path: Path) -> Iterator[sqlite3.Connection]:
    """Have one read transaction for the length of a block; text comes as bytes, whatever its letters.

    What was read counts only if the block ends well. Raise SgpFileError.
    """
    with _ONE_AT_A_TIME:
        before = read_signature(path)
        try:
            with _connect(path, resting=before.rests) as conn:
                yield conn
        except sqlite3.Error as error:
            raise _explain(path, error) from error
        # A file that rests is read without lock or log, to leave none: it must have rested throughout.
        if before.rests and read_signature(path) != before:
            raise SgpFileChangedError(f"SGP began to write {path} at this moment")


@contextmanager
def _connect(path: Path, *, resting: bool) -> Iterator[sqlite3.Connection]:
    mode = "mode=ro&immutable=1" if resting else "mode=ro"
    named = path.as_posix()
    uri = f"file://{'' if named.startswith('/') else '/'}{quote(named)}?{mode}"
    conn = sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None)
    try:
        conn.text_factory = bytes
        if sys.version_info >= (3, 12):
            conn.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
        conn.execute("PRAGMA wal_autocheckpoint = 0")
        conn.execute("PRAGMA query_only = 1")
        conn.execute("BEGIN")
        yield conn
    finally:
        conn.close()


def read_columns(conn: sqlite3.Connection, table: str) -> tuple[str, ...]:
    """Return the names of a table's columns; none where there is no such table."""
    rows = conn.execute("SELECT name FROM pragma_table_info(?) ORDER BY cid", [table])
    return tuple(name.decode(errors="replace") for (name,) in rows)


def quote_name(name: str) -> str:
    """Return a name as SQL. One that is no column would be taken for a text: look before."""
    return '"' + name.replace('"', '""') + '"'


def _explain(path: Path, error: sqlite3.Error) -> SgpFileError:
    """Say what is wrong by SQLite's own name for it; its sentences may quote a row."""
    name = getattr(error, "sqlite_errorname", "") or type(error).__name__
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return SgpFileError(
            f"SGP's file {path} is locked for longer than {BUSY_S:g} s ({name})",
            "wait: it is read as soon as whoever writes it lets go",
        )
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return SgpFileError(
            f"SGP's file {path} is damaged, or is being put back at this moment ({name})",
            "if it stays so, run PRAGMA integrity_check on a copy, and put a whole backup back",
        )
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return SgpFileError(
            f"SGP's file {path} can't be opened ({name})",
            "let this program's account read the file, and the -wal and -shm beside it",
        )
    return SgpFileError(f"SGP's file {path} can't be read ({name})", "see that its disk is well")
