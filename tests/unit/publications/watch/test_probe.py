"""A link that swallows packets is known by its silence, a slow one by its one byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import psycopg
import pytest

from publications.watch import probe as probing
from publications.watch.probe import SSL_REQUEST, probe


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def address(server: socket.socket) -> dict[str, object]:
    return {"host": "127.0.0.1", "port": str(server.getsockname()[1])}


def test_a_server_that_answers_may_be_asked_more(server: socket.socket) -> None:
    asked: list[bytes] = []

    def answer() -> None:
        connection, _ = server.accept()
        with connection:
            asked.append(connection.recv(8))
            connection.sendall(b"N")

    answering = threading.Thread(target=answer)
    answering.start()
    probe(address(server))
    answering.join()
    assert asked == [SSL_REQUEST]


def test_one_that_says_nothing_is_away(server: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "SILENCE_S", 0.1)
    with pytest.raises(psycopg.OperationalError, match="no answer"):
        probe(address(server))


def test_one_that_refuses_is_away(server: socket.socket) -> None:
    gone = address(server)
    server.close()
    with pytest.raises(psycopg.OperationalError, match="no connection"):
        probe(gone)


@pytest.mark.parametrize(
    "conninfo",
    [{}, {"host": "/run/postgresql"}, {"host": "a,b"}, {"host": "@here"}, {"host": "a", "port": "1,2"}],
)
def test_without_one_host_there_is_nothing_to_probe(
    conninfo: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(socket, "create_connection", lambda *given: asked.append(given))
    probe(conninfo)
    assert asked == []


def test_a_server_that_hangs_up_at_once_is_away(server: socket.socket) -> None:
    def hang_up() -> None:
        connection, _ = server.accept()
        connection.recv(8)
        connection.close()

    answering = threading.Thread(target=hang_up)
    answering.start()
    with pytest.raises(psycopg.OperationalError, match="closed the connection at once"):
        probe(address(server))
    answering.join()


@pytest.mark.parametrize(
    ("conninfo", "found"),
    [
        ({"host": "a"}, ("a", 5432)),
        ({"host": "a", "port": 6000}, ("a", 6000)),
        ({"host": "a", "hostaddr": "127.0.0.1", "port": "7"}, ("127.0.0.1", 7)),
    ],
)
def test_an_address_is_found_in_the_keywords(conninfo: dict[str, object], found: tuple[str, int]) -> None:
    assert probing._find_address(conninfo) == found
