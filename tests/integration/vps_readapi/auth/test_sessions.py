"""Sessions on a real window: logging out, who sees what, and how long logins are given."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from db.engines import Connection, connect
from db.waiting import wait_until
from tests.fix_api import (
    AUTH_ROLE,
    EASY,
    ROLE,
    Answer,
    Client,
    RunningApi,
    Windows,
    beat,
    make_token,
    read_events,
    run_api,
)
from tests.people import PASSWORD, SETORES, open_people, write_people

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def dsn(windows: Windows) -> Iterator[str]:
    with open_people(windows) as made:
        yield made


@pytest.fixture(scope="module")
def api(dsn: str) -> Iterator[RunningApi]:
    with run_api(dsn, **SETORES) as running:
        yield running


@pytest.fixture
def client(api: RunningApi) -> Iterator[Client]:
    with contextlib.closing(api.connect()) as one:
        yield one


@pytest.fixture
def writer(dsn: str) -> Iterator[Connection]:
    with write_people(dsn) as conn:
        yield conn


def test_a_logout_ends_the_session_in_every_process_at_once(api: RunningApi, writer: Connection) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(api.connect())) for _ in range(8)]
        token, other = (clients[0].log_in("ana", PASSWORD).json()["session_token"] for _ in range(2))
        for one in clients:
            one.token = token
        assert {one.get("/pedidos/1").status for one in clients for _ in range(2)} == {200}
        out = clients[0].log_out()
        assert (out.status, out.json()) == (200, {"success": True, "message": "Logout realizado com sucesso"})
        paths = ("/pedidos/1", "/pedidos/", "/auth/me", "/pedidos/totais")
        assert {one.get(path).status for one in clients for path in paths} == {401}
        assert clients[0].log_out().status == 401
        clients[1].token = other
        assert clients[1].get("/auth/me").json() == {"user_id": 2, "username": "ana"}
    [[digest]] = writer.execute("SELECT digest FROM auth.revoked").fetchall()
    assert len(digest) == 32


def test_a_token_that_is_written_otherwise_is_no_way_back(client: Client, writer: Connection) -> None:
    client.token = token = client.log_in("ana", PASSWORD).json()["session_token"]
    client.log_out()
    for twin in (token, f"{token[:-1]}{chr(ord(token[-1]) + 1)}", f"{token}=", f"{token}!", f"{token} ,"):
        client.token = twin
        assert client.get("/pedidos/1").status == 401


def test_an_open_stream_ends_with_its_session(api: RunningApi, writer: Connection) -> None:
    with contextlib.closing(api.connect()) as client:
        client.token = client.log_in("ana", PASSWORD).json()["session_token"]
        events = read_events(api.port, Authorization=f"Bearer {client.token}")
        assert next(events)["event"] == "pulso"
        rest: list[dict[str, str]] = []
        reader = threading.Thread(target=lambda: rest.extend(events))
        reader.start()
        client.log_out()
        reader.join(60)
        assert not reader.is_alive()
        assert [one["event"] for one in rest if one["event"] != "pulso"] == []


def test_revocations_that_arrive_from_sgp_count_as_well_and_expire(
    client: Client, writer: Connection
) -> None:
    client.token = client.log_in("ana", PASSWORD).json()["session_token"]
    assert client.get("/pedidos/1").status == 200
    revoke = (
        "INSERT INTO vitrine.revogacoes (digest, expira_em, versao)"
        " VALUES (sha256(%s::text::bytea), now() + %s, %s)"
    )
    writer.execute(revoke, [client.token, timedelta(seconds=-1), 1])
    assert client.get("/pedidos/1").status == 200, "a digest of the past ends nothing"
    writer.execute(revoke, [client.token, timedelta(days=1), 2])
    assert client.get("/pedidos/1").status == 401
    writer.execute("DELETE FROM vitrine.revogacoes")
    assert client.get("/pedidos/1").status == 200


def test_a_changed_password_ends_sessions_and_nothing_else(client: Client, writer: Connection) -> None:
    client.token = client.log_in("ana", PASSWORD).json()["session_token"]
    cursor = client.get("/pedidos/1").headers["sync-cursor"]
    writer.execute("UPDATE vitrine.credenciais SET versao = versao + 1 WHERE user_id = 2")
    assert client.get("/pedidos/1").status == 200, "a row written again is no change"
    writer.execute("UPDATE vitrine.credenciais SET mudou_em = now(), versao = versao + 1 WHERE user_id = 2")
    assert [client.get(path).status for path in ("/pedidos/1", "/pedidos/")] == [401, 401]
    client.token = client.log_in("ana", PASSWORD).json()["session_token"]
    assert client.get("/pedidos/1").status == 200
    difference = client.get(f"/pedidos/?desde={cursor}").json()
    assert (difference["completo"], difference["mudou"]) == (False, [])


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM auth.attempts",
        "DELETE FROM auth.revoked",
        "UPDATE vitrine.usuarios SET is_admin = true",
        "SELECT * FROM vitrine.credenciais",
        "SELECT marks FROM auth.key_marks",
        "DELETE FROM guard.mudancas",
    ],
)
def test_who_counts_and_revokes_can_do_nothing_else(dsn: str, statement: str) -> None:
    with (
        psycopg.connect(make_conninfo(dsn, user=AUTH_ROLE, password=EASY), autocommit=True) as conn,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        conn.execute(statement.encode())


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT auth.settle('a', 'b')",
        "INSERT INTO auth.revoked VALUES ('a', now())",
        "SELECT * FROM auth.attempts",
    ],
)
def test_who_reads_can_neither_count_nor_revoke(dsn: str, statement: str) -> None:
    with connect(make_conninfo(dsn, user=ROLE, password=EASY)) as conn:
        conn.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(statement.encode())


@pytest.mark.parametrize("writer", ["record", "record_truncate", "record_session", "forget"])
def test_who_reads_cannot_borrow_what_writes_the_log(dsn: str, writer: str) -> None:
    with connect(make_conninfo(dsn, user=ROLE, password=EASY)) as conn:
        conn.execute("SET default_transaction_read_only = off")
        conn.execute("CREATE TEMP TABLE pedidos (id integer)")
        trigger = f"CREATE TRIGGER own AFTER INSERT ON pedidos FOR EACH ROW EXECUTE FUNCTION guard.{writer}()"
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(trigger.encode())


def find_money_and_phone(pedido: dict[str, Any]) -> tuple[object, ...]:
    return tuple(pedido[key] for key in ("valor_total", "valor_frete", "valor_itens", "telefone_cliente"))


NO_MONEY = ("0.00", None, None)
ALL_MONEY = ("403.50", "0.00", "403.50")
PHONE = "27 90000-0001"
SEEN = {11: (*ALL_MONEY, None), 12: (*NO_MONEY, None), 13: (*ALL_MONEY, PHONE)}


@pytest.mark.parametrize("user_id", SEEN)
def test_every_way_to_an_order_hides_the_same(
    api: RunningApi, client: Client, writer: Connection, user_id: int
) -> None:
    client.token = make_token(user_id)
    cursor = client.get("/pedidos/1").headers["sync-cursor"]
    writer.execute("UPDATE vitrine.pedidos SET versao = versao + 1 WHERE id = 1")
    answers: list[Any] = [client.get("/pedidos/1").json() for _ in range(2)]
    for path in ("/pedidos/", "/pedidos/", "/pedidos/?limit=100", "/pedidos/status/em_producao?limit=50"):
        answers += client.get(path).json()
    answers += client.get(f"/pedidos/?desde={cursor}").json()["mudou"]
    answers += client.get("/pedidos/?desde=").json()["mudou"]
    assert {find_money_and_phone(one) for one in answers} == {SEEN[user_id]}
    money = "8070.00" if SEEN[user_id][0] != "0.00" else "0.00"
    assert client.get("/pedidos/totais").json()["valor_total"] == money
    assert client.get("/pedidos/resumo").json()["total"]["valor_total"] == money


def test_forms_are_kept_apart_and_all_follow_a_change(api: RunningApi, writer: Connection) -> None:
    clients = {user_id: Client(api.port, token=make_token(user_id)) for user_id in SEEN}
    for number in range(10):
        writer.execute(
            "UPDATE vitrine.pedidos SET observacao = %s, versao = versao + 1 WHERE id = 2", [f"nota {number}"]
        )
        tags = set()
        for user_id, client in clients.items():
            answer = client.get("/pedidos/2")
            listed = {one["id"]: one for one in client.get("/pedidos/").json()}[2]
            assert answer.json() == listed
            assert listed["observacao"] == f"nota {number}"
            assert find_money_and_phone(listed) == SEEN[user_id]
            tags.add(answer.headers["etag"])
        assert len(tags) == 3
        for client in clients.values():
            assert sum(client.get("/pedidos/2", If_None_Match=tag).status == 304 for tag in tags) == 1
    for client in clients.values():
        client.close()


def test_another_setor_is_seen_at_once(client: Client, writer: Connection) -> None:
    client.token = make_token(12)
    assert client.get("/pedidos/3").json()["valor_total"] == "0.00"
    change = "UPDATE vitrine.usuarios SET (setor, is_admin) = (%s, %s), versao = versao + 1 WHERE id = 12"
    for setor, is_admin, total in (
        ("financeiro", False, "403.50"),
        ("costura", True, "403.50"),
        ("costura", False, "0.00"),
    ):
        writer.execute(change, [setor, is_admin])
        assert client.get("/pedidos/3").json()["valor_total"] == total
        assert client.get("/pedidos/").json()[0]["valor_total"] == total


def test_after_a_long_silence_sessions_go_on_and_logins_wait(client: Client, writer: Connection) -> None:
    status = client.get("/saude/status").json()["logins"]
    assert (status["aceita"], status["limite_s"]) == (True, 72 * 3600)
    assert 0 < status["restam_s"] <= 72 * 3600
    client.token = client.log_in("ana", PASSWORD).json()["session_token"]
    beat(writer, age=timedelta(hours=72, seconds=2))
    refused: Answer = client.log_in("ana", PASSWORD)
    assert (refused.status, refused.headers["retry-after"]) == (503, "60")
    assert "sem contato há mais de 72 h" in refused.json()["detail"]
    shown = client.get("/saude/status").json()
    assert (shown["estado"], shown["logins"]["aceita"], shown["logins"]["restam_s"]) == ("silent", False, 0)
    assert client.get("/pedidos/1").status == 200
    beat(writer)
    assert client.log_in("ana", PASSWORD).status == 200


def test_without_a_beat_nobody_logs_in(client: Client, writer: Connection) -> None:
    writer.execute("DELETE FROM vitrine.heartbeat")
    assert wait_until(lambda: client.get("/saude/status").json()["logins"]["restam_s"] is None, 60)
    refused = client.log_in("ana", PASSWORD)
    assert (refused.status, "um tempo desconhecido" in refused.json()["detail"]) == (503, True)
    beat(writer)
    assert client.log_in("ana", PASSWORD).status == 200
