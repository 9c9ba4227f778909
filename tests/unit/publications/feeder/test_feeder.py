"""What the feeder makes of SQLite's values, and what it reads of SGP's file."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from db.sgp_file import (
    SgpFileError,
    has_wal_reset_fault,
    open_sgp_file,
    quote_name,
    read_columns,
    read_signature,
)
from publications.declare.declaration import STARTING_PATH, read_declaration
from publications.declare.names import HEARTBEAT
from publications.feeder.look import Unchanged, look, read_key
from publications.feeder.values import UnreadValueError, read_value
from tests.sgp_writer import SCHEMA

pytestmark = pytest.mark.unit

TABLES = [table for table in read_declaration(STARTING_PATH).intake.tables if table.name != HEARTBEAT]
NAIVE, AWARE = "timestamp without time zone", "timestamp with time zone"


@pytest.mark.parametrize(
    ("given", "type_", "expected"),
    [
        (None, "integer", None),
        ("Ção".encode(), "text", "Ção"),
        (b"a\xffb", "text", "a\N{REPLACEMENT CHARACTER}b"),
        (b"a\0b", "text", "a\N{REPLACEMENT CHARACTER}b"),
        (7, "text", "7"),
        (1.5, "text", "1.5"),
        (1, "boolean", True),
        (0, "boolean", False),
        (b"t", "boolean", True),
        (b" F ", "boolean", False),
        (b"12", "integer", 12),
        (12.0, "integer", 12),
        (b"1.5", "double precision", 1.5),
        (b"2026-01-11 10:00:00.000001", NAIVE, datetime(2026, 1, 11, 10, 0, 0, 1)),  # noqa: DTZ001
        (b"2026-01-11T10:00:00-03:00", NAIVE, datetime(2026, 1, 11, 13)),  # noqa: DTZ001
        (b"2026-01-11", AWARE, datetime(2026, 1, 11, tzinfo=UTC)),
    ],
)
def test_a_value_becomes_what_its_column_holds(given: bytes, type_: str, expected: object) -> None:
    found = read_value(given, type_)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("given", "type_"),
    [
        (b"doze", "integer"),
        (1.5, "integer"),
        (1 << 31, "integer"),
        (1 << 15, "smallint"),
        (b"talvez", "boolean"),
        (b"", "boolean"),
        (b"11/01/2026", NAIVE),
        (1767225600, NAIVE),
        (b"0001-01-01T00:00:00+14:00", NAIVE),
        (float("inf"), "integer"),
    ],
)
def test_a_value_of_another_kind_is_unread(given: bytes | float, type_: str) -> None:
    with pytest.raises(UnreadValueError):
        read_value(given, type_)


@pytest.mark.parametrize(
    ("given", "key"),
    [(3, 3), (-1, -1), (b"12", 12), (None, None), (1 << 40, None), (b"x", None), (2.5, None)],
)
def test_a_key_is_what_landing_can_hold(given: bytes | float | None, key: int | None) -> None:
    assert read_key(given) == key


@pytest.mark.parametrize(
    ("version", "faulty"),
    [
        ((3, 40, 1), True), ((3, 44, 5), True), ((3, 44, 6), False), ((3, 45, 9), True), ((3, 50, 6), True),
        ((3, 50, 7), False), ((3, 51, 2), True), ((3, 51, 3), False), ((3, 52, 0), False),
    ],
)  # fmt: skip
def test_the_wal_reset_fault_is_known_by_version(version: tuple[int, ...], faulty: bool) -> None:
    assert has_wal_reset_fault(version) is faulty


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sgp é#1.db"
    conn = sqlite3.connect(path)
    conn.executescript(SCHEMA)
    conn.close()
    return path


def test_only_declared_columns_are_read(file: Path) -> None:
    """By SQLite's own word, asked for every column that a statement touches."""
    read: set[tuple[str, str]] = set()

    def allow(action: int, table: str | None, column: str | None, *_: str | None) -> int:
        if action == sqlite3.SQLITE_READ and table and column:
            read.add((table, column))
        return sqlite3.SQLITE_OK

    with open_sgp_file(file) as conn:
        conn.set_authorizer(allow)
        look(conn, TABLES, {})
    expected = {(table.name.name, column) for table in TABLES for column in table.columns}
    assert {one for one in read if not one[0].startswith(("pragma_", "sqlite_"))} == expected
    assert ("user", "password_hash") not in read


def test_what_is_not_there_is_named_and_the_rest_is_read(file: Path) -> None:
    conn = sqlite3.connect(file)
    conn.executescript("DROP TABLE user; ALTER TABLE pedidos RENAME COLUMN numero TO número")
    conn.close()
    with open_sgp_file(file) as conn:
        found = look(conn, TABLES, {})
    assert set(found.missing) == {"table user", "column pedidos.numero"}
    assert not found.is_whole
    assert {one.table.name.name for one in found.differences} == {"pedido_imagens", "revoked_tokens"}


def test_equal_values_of_other_kinds_are_other_values(file: Path) -> None:
    conn = sqlite3.connect(file)
    conn.execute("INSERT INTO pedido_imagens VALUES (1, 1, 0, '', 'a', 'b', 'c', 1, 'd')")
    conn.commit()
    with open_sgp_file(file) as reader:
        known = {str(one.table.name): one.digests for one in look(reader, TABLES, {}).differences}
    for changed in (0.5, "x", None):
        conn.execute("UPDATE pedido_imagens SET item_index = ?", [changed])
        conn.commit()
        with open_sgp_file(file) as reader:
            written = [one.written for one in look(reader, TABLES, known).differences if one.written]
        assert [list(rows) for rows in written] == [[1]], changed
    conn.close()


def test_a_file_that_cannot_be_read_is_said_in_two_lines(tmp_path: Path) -> None:
    with pytest.raises(SgpFileError, match="can't be read: no such file"):
        read_signature(tmp_path / "nowhere.db")
    other = tmp_path / "other.db"
    other.write_text("no database")
    with pytest.raises(SgpFileError, match="no SQLite database\nHINT: "):
        read_signature(other)


def test_nobody_can_write_through_it(file: Path) -> None:
    with pytest.raises(SgpFileError, match="SQLITE_READONLY"), open_sgp_file(file) as conn:
        conn.execute("DELETE FROM user")


def test_a_file_at_rest_stays_alone(file: Path) -> None:
    """With its log closed nobody has it open: a reader must not make the log that SGP then can't write."""
    conn = sqlite3.connect(file)
    conn.execute("PRAGMA journal_mode = wal")
    conn.close()
    assert read_signature(file).rests
    with open_sgp_file(file) as reader:
        assert read_columns(reader, "user")
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_names_are_quoted() -> None:
    assert quote_name('a"b') == '"a""b"'


def test_what_looks_remember_hides_no_change(file: Path) -> None:
    """A row that is as it was costs no digest; one that came back, or was refused, is seen again."""
    conn = sqlite3.connect(file)
    conn.execute("INSERT INTO pedido_imagens VALUES (1, 1, 0, '', 'a', 'b', 'c', 1, 'd')")
    conn.commit()
    known: dict[str, dict[int, bytes | None]] = {str(table.name): {} for table in TABLES}
    landed = known["public.pedido_imagens"]
    unchanged: Unchanged = {}

    def written(*, lands: bool = True) -> list[int]:
        with open_sgp_file(file) as reader:
            found = look(reader, TABLES, known, unchanged)
        digests = {key: one for table in found.differences for key, one in table.digests.items()}
        landed.update(digests if lands else {})
        return list(digests)

    assert [written(lands=False), written(), written(), written()] == [[1], [1], [], []]
    for changed in (7, 0, 7):
        conn.execute("UPDATE pedido_imagens SET item_index = ?", [changed])
        conn.commit()
        assert [written(lands=False), written(), written()] == [[1], [1], []]
    landed[1] = None
    assert written() == [1]
    conn.close()
