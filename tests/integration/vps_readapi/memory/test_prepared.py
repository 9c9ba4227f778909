"""Orders by one prepared statement: of one moment, and whatever becomes of its connections."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from db.engines import Connection, connect
from db.waiting import wait_until
from tests.fix_api import EASY, ROLE, Windows, write_session
from vps_readapi.database import DatabaseTimeoutError, is_away
from vps_readapi.memory.notice import is_visible
from vps_readapi.memory.prepared import CONNECTIONS, PreparedReads

pytestmark = pytest.mark.integration

T = TypeVar("T")
ENOUGH = 200
OURS = (
    "SELECT pid FROM pg_stat_activity"
    " WHERE application_name = 'ponte-readapi-orders' AND datname = current_database()"
)
CHANGES = (
    "UPDATE vitrine.pedidos SET observacao = %s, versao = versao + 1 WHERE id = 3",
    "UPDATE vitrine.miniaturas SET chave = %s, versao = versao + 1 WHERE imagem_id = 3",
)
HAS_CHANGED = "SELECT FROM vitrine.miniaturas WHERE imagem_id = 3 AND chave NOT LIKE '%.webp'"


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, 60))


@contextlib.asynccontextmanager
async def reading(dsn: str, timeout_s: float = 30.0) -> AsyncIterator[PreparedReads]:
    """Read as the API does."""
    reads = PreparedReads(make_conninfo(dsn, user=ROLE, password=EASY), timeout_s=timeout_s)
    yield reads
    await reads.close()


def find_backends(conn: Connection) -> set[int]:
    return {row[0] for row in conn.execute(OURS).fetchall()}


def end_backends(conn: Connection) -> None:
    ended = find_backends(conn)
    for pid in ended:
        conn.execute("SELECT pg_terminate_backend(%s)", [pid])
    assert wait_until(lambda: not ended & find_backends(conn), 60)


def test_an_order_comes_with_its_photos_and_what_is_visible(dsn: str, writer: Connection) -> None:
    async def read() -> tuple[list[Any], list[int]]:
        async with reading(dsn) as reads:
            return list(await reads.read([7, 8, 999])), [
                len(await reads.read([])),
                len(await reads.read([9])),
            ]

    writer.execute("INSERT INTO vitrine.imagens (id, pedido_id, item_index, versao) VALUES (907, 7, 1, 1)")
    rows, counts = run(read())
    photos = {row.id: sorted(row.photos) for row in rows}
    assert photos == {
        7: [[7, 0, None, "7.webp"], [907, 1, None, "907/original"]],
        8: [[8, 0, None, "8.webp"]],
    }
    assert {is_visible(1, row.seen) for row in rows} == {True}
    assert counts == [0, 1]
    writer.execute("DELETE FROM vitrine.imagens WHERE id = 907")


def test_an_order_without_photos_has_none(dsn: str, writer: Connection) -> None:
    async def read() -> Any:
        async with reading(dsn) as reads:
            return (await reads.read([901]))[0].photos

    writer.execute("INSERT INTO vitrine.pedidos (id, cliente, items, versao) VALUES (901, 'x', '[]', 1)")
    assert run(read()) is None
    writer.execute("DELETE FROM vitrine.pedidos WHERE id = 901")


@pytest.fixture
def changing(dsn: str) -> Iterator[None]:
    """Give order 3 and its photo the same number, in each transaction another one, during a test."""
    stopping = threading.Event()

    def change() -> None:
        with write_session(dsn) as conn:
            for number in itertools.count():
                if stopping.is_set():
                    return
                with conn.transaction():
                    for statement in CHANGES:
                        conn.execute(statement, [str(number)])

    thread = threading.Thread(target=change)
    thread.start()
    with connect(dsn) as conn:
        assert wait_until(lambda: conn.execute(HAS_CHANGED).fetchone() is not None, 60)
    yield
    stopping.set()
    thread.join(60)


@pytest.mark.usefixtures("changing")
def test_an_order_and_its_photos_are_of_one_moment(dsn: str) -> None:
    async def read() -> set[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        async with reading(dsn) as reads:
            while len(found) < ENOUGH:
                [row] = await reads.read([3])
                found.add((row.observacao, row.photos[0][3]))
        return found

    assert [note for note, chave in run(read()) if note != chave] == []


def test_a_connection_that_was_ended_while_nobody_used_it_is_nobodys_failure(
    dsn: str, writer: Connection
) -> None:
    async def read() -> list[int]:
        async with reading(dsn) as reads:
            found = [len(await reads.read([1]))]
            await asyncio.to_thread(end_backends, writer)
            found += [len(await reads.read([1, 2])), len(await reads.read([1]))]
            found.append(len(await asyncio.to_thread(find_backends, writer)))
            return found

    assert run(read()) == [1, 2, 1, 1]


def test_as_many_read_at_a_time_as_there_are_connections(dsn: str, writer: Connection) -> None:
    async def read() -> int:
        async with reading(dsn) as reads:
            await asyncio.gather(*(reads.read([one]) for one in range(1, 9)))
            return len(await asyncio.to_thread(find_backends, writer))

    assert run(read()) == CONNECTIONS


def test_a_column_that_changed_its_type_is_read_by_the_same_connections(windows: Windows) -> None:
    """As after a migration: what was prepared before is of no use any more."""

    async def read(dsn: str, migrate: Callable[[], object]) -> list[str]:
        async with reading(dsn) as reads:
            found = [(await reads.read([1]))[0].cidade_cliente]
            await asyncio.to_thread(migrate)
            return [*found, (await reads.read([1]))[0].cidade_cliente]

    with windows.open(pedidos=2) as dsn, connect(dsn) as conn:
        change = "ALTER TABLE vitrine.pedidos ALTER COLUMN sublimacao_maquina TYPE varchar(20)"
        found = run(read(dsn, lambda: conn.execute(change)))
    assert found == ["Vila Velha", "Vila Velha"]


def test_nobody_waits_long_for_a_table_that_is_locked(dsn: str) -> None:
    async def read() -> int:
        async with reading(dsn, timeout_s=0.3) as reads:
            await reads.read([1])
            with connect(dsn) as conn, conn.transaction():
                conn.execute("LOCK TABLE vitrine.pedidos")
                with pytest.raises(DatabaseTimeoutError):
                    await reads.read([1])
            while True:
                with contextlib.suppress(DatabaseTimeoutError):
                    return len(await reads.read([1]))

    assert run(read()) == 1


def test_what_the_role_may_not_read_is_told_and_read_again_once_it_may(dsn: str) -> None:
    async def read() -> int:
        async with reading(dsn) as reads:
            with connect(dsn) as conn:
                conn.execute("REVOKE SELECT ON vitrine.imagens FROM ponte_api")
                try:
                    with pytest.raises(psycopg.errors.InsufficientPrivilege) as raised:
                        await reads.read([1])
                finally:
                    conn.execute("GRANT SELECT ON vitrine.imagens TO ponte_api")
            assert not is_away(raised.value)
            return len(await reads.read([1]))

    assert run(read()) == 1


def test_a_server_that_is_away_is_told_as_such() -> None:
    async def read() -> None:
        async with reading("host=127.0.0.1 port=1 dbname=x") as reads:
            await reads.read([1])

    with pytest.raises(psycopg.OperationalError) as raised:
        run(read())
    assert is_away(raised.value)
