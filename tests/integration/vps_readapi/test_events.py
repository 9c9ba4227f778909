"""`/eventos`: what changes is told to every stream, and slow clients hold back nobody but themselves."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest

from db.engines import Connection
from db.waiting import wait_until
from tests.fix_api import (
    Client,
    RunningApi,
    make_token,
    read_events,
    run_api,
    touch,
    write_session,
)

pytestmark = pytest.mark.integration


class Listener:
    """Collects a stream's events in a thread."""

    def __init__(self, api: RunningApi, **headers: str) -> None:
        self.events: list[tuple[float, dict[str, str]]] = []
        self._thread = threading.Thread(target=self._listen, args=(api, headers), daemon=True)
        self._thread.start()

    def _listen(self, api: RunningApi, headers: dict[str, str]) -> None:
        for event in read_events(api.port, **headers):
            self.events.append((time.perf_counter(), event))

    def wait_open(self) -> Listener:
        assert wait_until(lambda: bool(self.events), 60)
        return self

    def changed(self) -> list[int]:
        found: list[int] = []
        for _, event in self.events.copy():
            if event["event"] == "pedidos":
                found += json.loads(event["data"])["mudou"]
        return found

    def names(self) -> list[str]:
        return [event["event"] for _, event in self.events.copy()]


def test_a_change_is_told_to_every_stream(api: RunningApi, writer: Connection) -> None:
    listeners = [Listener(api).wait_open() for _ in range(5)]
    touch(writer, 9)
    touch(writer, 10)
    assert wait_until(lambda: all(one.changed() == [9, 10] for one in listeners), 60)
    assert listeners[0].events[0][1]["event"] == "pulso"
    assert json.loads(listeners[0].events[0][1]["data"])["sync_state"] in {"fresh", "lagging", "silent"}


def test_a_change_is_told_before_anybody_could_ask_what_changed(
    api: RunningApi, writer: Connection, dsn: str
) -> None:
    """The question reads the photos, which are locked; the notification names the order."""
    listener = Listener(api).wait_open()
    with write_session(dsn) as locker, locker.transaction():
        locker.execute("LOCK TABLE vitrine.imagens")
        touch(writer, 14)
        assert wait_until(lambda: listener.changed() == [14], 60)
    touch(writer, 15)
    assert wait_until(lambda: 15 in listener.changed(), 60)
    assert listener.changed() == [14, 15]


def test_each_change_of_many_is_told_once(api: RunningApi, writer: Connection) -> None:
    listener = Listener(api).wait_open()
    touch(writer, *range(1, 21))
    writer.execute("UPDATE vitrine.miniaturas SET versao = versao + 1 WHERE imagem_id = 22")
    touch(writer, 23)
    assert wait_until(lambda: 23 in listener.changed(), 60)
    assert sorted(listener.changed()) == [*range(1, 21), 22, 23]


def test_who_asks_only_for_the_streams_head_gets_no_stream(client: Client) -> None:
    for _ in range(2):  # on one connection: the first answer has ended
        head = client.get("/eventos", method="HEAD")
        assert (head.status, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert "content-length" not in head.headers
    assert client.get("/pedidos/1").status == 200


def test_a_vanished_order_is_told(api: RunningApi, writer: Connection) -> None:
    listener = Listener(api).wait_open()
    writer.execute("DELETE FROM vitrine.pedidos WHERE id = 29")
    assert wait_until(lambda: "pedidos" in listener.names(), 60)
    assert json.loads(listener.events[-1][1]["data"])["sumiu"] == [29]


def test_a_stream_resumes_where_it_was(api: RunningApi, client: Client, writer: Connection) -> None:
    cursor = client.get("/pedidos/1").headers["sync-cursor"]
    touch(writer, 11, 12)
    listener = Listener(api, Last_Event_ID=cursor)
    assert wait_until(lambda: set(listener.changed()) >= {11, 12}, 60)
    last = listener.events[-1][1]["id"]
    touch(writer, 13)
    again = Listener(api, Last_Event_ID=last)
    assert wait_until(lambda: 13 in again.changed(), 60)
    assert 11 not in again.changed()
    assert wait_until(lambda: "recomece" in Listener(api, Last_Event_ID="x.1").wait_open().names(), 60)


def test_a_user_with_many_streams_is_told_to_close_one(dsn: str) -> None:
    with run_api(dsn, max_user_streams="2") as api:
        open_streams = [read_events(api.port) for _ in range(2)]
        assert [next(one)["event"] for one in open_streams] == ["pulso"] * 2
        client, other = api.connect(), Client(api.port, token=make_token(2))
        refused = client.get("/eventos")
        assert (refused.status, refused.headers["retry-after"]) == (429, "5")
        assert refused.json()["detail"].startswith("Este usuário já está conectado em muitos dispositivos")
        theirs = read_events(api.port, Authorization=f"Bearer {other.token}")
        assert next(theirs)["event"] == "pulso"
        open_streams.pop().close()  # type: ignore[attr-defined]  # a generator
        assert wait_until(lambda: opens(api), 60)
        client.close()


def opens(api: RunningApi) -> bool:
    """Tell whether another stream may be opened."""
    try:
        return next(read_events(api.port))["event"] == "pulso"
    except RuntimeError:
        return False


def test_a_client_that_saw_only_pulses_resumes_behind_the_last(api: RunningApi, writer: Connection) -> None:
    events = read_events(api.port)
    pulse = next(events)
    events.close()  # type: ignore[attr-defined]  # it is a generator
    touch(writer, 28)
    again = Listener(api, Last_Event_ID=pulse["id"])
    assert wait_until(lambda: set(again.changed()) == {28}, 60)


def test_a_client_that_does_not_read_holds_nobody_back(api: RunningApi, writer: Connection) -> None:
    with socket.create_connection(("127.0.0.1", api.port), timeout=60) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        head = f"GET /eventos HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {make_token()}\r\n\r\n"
        deaf.sendall(head.encode())
        listener = Listener(api).wait_open()
        for _ in range(300):
            touch(writer, *range(14, 24))
        touch(writer, 25)
        assert wait_until(lambda: 25 in listener.changed(), 60)
        assert listener.changed().count(14) >= 20


def test_a_session_that_is_lost_misses_nothing(api: RunningApi, writer: Connection, client: Client) -> None:
    listener = Listener(api).wait_open()
    client.get("/pedidos/26")
    for n in range(3):
        writer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'ponte-readapi-feed'"
        )
        touch(writer, 26)
        shown = client.get("/pedidos/26").json()["observacao"]
        row = writer.execute("SELECT observacao FROM vitrine.pedidos WHERE id = 26").fetchone()
        assert row == (shown,)
        assert wait_until(lambda n=n: listener.changed().count(26) == n + 1, 60)  # type: ignore[misc]


def test_an_open_stream_is_told_that_the_databases_life_is_another(
    api: RunningApi, writer: Connection
) -> None:
    listener = Listener(api).wait_open()
    writer.execute("UPDATE guard.epoca SET epoca = gen_random_uuid()")
    writer.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ponte-readapi-feed'"
    )
    assert wait_until(lambda: "recomece" in listener.names(), 60)
    again = Listener(api, Last_Event_ID=listener.events[-1][1]["id"]).wait_open()
    touch(writer, 3)
    assert wait_until(lambda: set(again.changed()) == {3}, 60)
