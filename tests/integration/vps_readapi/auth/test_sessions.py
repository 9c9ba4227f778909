"""Sessions on a real window: throttling, logging out, who sees what, and how long logins are given."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import bcrypt
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from db.credentials import seal
from db.engines import Connection, connect
from db.waiting import wait_until
from tests.fix_api import (
    AUTH_ROLE,
    CREDENTIAL_KEY,
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
    write_session,
)
from vps_readapi.auth.login import explain_wait

pytestmark = pytest.mark.integration

PASSWORD = "senha-da-ana"
FREE_OF_ACCOUNT = 5
FREE_OF_ADDRESS = 30
HOSTS = (f"198.51.100.{number}" for number in itertools.count(1))
"""An address for each who wants one that nobody used."""


@pytest.fixture(scope="module")
def dsn(windows: Windows) -> Iterator[str]:
    with windows.open(pedidos=20) as made:
        with write_session(made) as conn:
            conn.execute("UPDATE vitrine.pedidos SET telefone_cliente = '27 90000-0001', versao = 2")
            for user_id, setor in ((11, "financeiro"), (12, "costura"), (13, "vendas")):
                conn.execute(
                    "INSERT INTO vitrine.usuarios (id, username, setor, is_active, versao)"
                    " VALUES (%s, %s, %s, true, 1)",
                    [user_id, f"de.{setor}", setor],
                )
            for user_id in (1, 2, 3):
                sealed = seal(
                    bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode(), CREDENTIAL_KEY.encode()
                )
                conn.execute(
                    "INSERT INTO vitrine.credenciais (user_id, salt, digest, key_id, versao)"
                    " VALUES (%s, %s, %s, 'k1', 1)",
                    [user_id, sealed.salt, sealed.digest],
                )
        yield made


@pytest.fixture(scope="module")
def api(dsn: str) -> Iterator[RunningApi]:
    with run_api(dsn, processes="2", money_setores="financeiro, vendas", phone_setores="vendas") as running:
        yield running


@pytest.fixture
def client(api: RunningApi) -> Iterator[Client]:
    with contextlib.closing(api.connect()) as one:
        yield one


@pytest.fixture
def writer(dsn: str) -> Iterator[Connection]:
    with write_session(dsn) as conn:
        yield conn
        conn.execute("TRUNCATE auth.attempts, auth.known")


def hold(writer: Connection) -> None:
    """Let whoever must wait wait ten minutes longer: a slow machine takes seconds for the next attempt."""
    writer.execute("UPDATE auth.attempts SET blocked_until = blocked_until + interval '10 minutes'")


def read_pause_s(writer: Connection) -> float:
    """Return for how long the last failure closed what has failed most."""
    query = "SELECT extract(epoch FROM blocked_until - last_at) FROM auth.attempts ORDER BY failures DESC"
    row = writer.execute(query).fetchone()
    assert row is not None
    return float(row[0])


def read_statuses(client: Client, names: list[str], password: str, host: str) -> list[int]:
    return [client.log_in(name, password, host=host).status for name in names]


# ---------------------------------------------------------------- throttling


@pytest.mark.parametrize("username", ["ana", "ninguém", "' OR '1'='1"])
def test_an_account_is_slowed_down_whoever_asks_and_whether_it_exists(
    client: Client, writer: Connection, username: str
) -> None:
    hosts = [next(HOSTS) for _ in range(FREE_OF_ACCOUNT)]
    assert {client.log_in(username, "errada", host=host).status for host in hosts} == {401}
    assert read_pause_s(writer) == pytest.approx(1, abs=0.1)
    hold(writer)
    refused = client.log_in(username, PASSWORD, host=hosts[0])
    wait_s = int(refused.headers["retry-after"])
    assert (refused.status, 300 < wait_s <= 601) == (429, True)
    assert refused.json()["detail"] == explain_wait(wait_s)
    writer.execute("UPDATE auth.attempts SET blocked_until = now()")
    assert client.log_in(username, "errada", host=hosts[0]).status == 401
    assert read_pause_s(writer) == pytest.approx(2, abs=0.1)


def test_an_address_is_slowed_down_whatever_names_it_tries(client: Client, writer: Connection) -> None:
    host = next(HOSTS)
    names = [f"nome{number}" for number in range(FREE_OF_ADDRESS)]
    assert set(read_statuses(client, names, "errada", host)) == {401}
    hold(writer)
    assert client.log_in("ana", PASSWORD, host=host).status == 429
    assert client.log_in("ana", PASSWORD, host=next(HOSTS)).status == 200


def test_a_good_login_forgets_the_accounts_failures_and_none_of_the_addresss(
    client: Client, writer: Connection
) -> None:
    host = next(HOSTS)
    for _ in range(3):
        assert set(read_statuses(client, ["ana"] * (FREE_OF_ACCOUNT - 1), "errada", host)) == {401}
        assert client.log_in("ana", PASSWORD, host=host).status == 200
    rows = writer.execute("SELECT failures FROM auth.attempts").fetchall()
    assert rows == [(FREE_OF_ACCOUNT - 1,)], "known there, he was counted by himself"


def test_many_at_once_do_not_slip_by(api: RunningApi, client: Client, writer: Connection) -> None:
    """With the account open for one more attempt, and then closed for minutes: no machine is as slow."""
    host = next(HOSTS)
    assert client.log_in("ana", "errada", host=host).status == 401
    writer.execute("UPDATE auth.attempts SET failures = 99, blocked_until = now()")

    def attempt(number: int) -> int:
        with contextlib.closing(api.connect()) as one:
            return one.log_in("ana", "errada", host=host).status if number >= 0 else 0

    with ThreadPoolExecutor(16) as threads:
        statuses = list(threads.map(attempt, range(32)))
    assert (statuses.count(401), statuses.count(429)) == (1, 31)


def test_failures_outlive_the_api(dsn: str, api: RunningApi, client: Client, writer: Connection) -> None:
    host = next(HOSTS)
    assert set(read_statuses(client, ["ana"] * FREE_OF_ACCOUNT, "errada", host)) == {401}
    hold(writer)
    with run_api(dsn) as restarted, contextlib.closing(restarted.connect()) as other:
        refused = other.log_in("ana", PASSWORD, host=host)
    assert (refused.status, int(refused.headers["retry-after"]) > 60) == (429, True)


def test_failures_fade_with_time(writer: Connection) -> None:
    def take() -> float:
        [[wait_s]] = writer.execute("SELECT auth.take('account', 'address')").fetchall()
        return float(wait_s)

    assert [take() for _ in range(FREE_OF_ACCOUNT)] == [0.0] * FREE_OF_ACCOUNT
    assert read_pause_s(writer) == pytest.approx(1, abs=0.1)
    hold(writer)
    assert 300 < take() <= 601
    writer.execute("UPDATE auth.attempts SET failures = 99, blocked_until = now()")
    assert take() == 0
    assert read_pause_s(writer) == pytest.approx(300, abs=0.1)
    writer.execute(
        "UPDATE auth.attempts SET blocked_until = now(), last_at = last_at - interval '16 minutes'"
    )
    assert [take() for _ in range(FREE_OF_ACCOUNT)] == [0.0] * FREE_OF_ACCOUNT
    writer.execute("UPDATE auth.attempts SET last_at = last_at - interval '25 hours'")
    writer.execute("SELECT auth.take('other', 'elsewhere')")
    assert writer.execute("SELECT count(*) FROM auth.attempts").fetchone() == (3,)


def test_who_must_wait_leaves_nothing_behind(writer: Connection) -> None:
    writer.execute("INSERT INTO auth.attempts VALUES ('address', 99, now(), now() + interval '1 minute')")
    take = "SELECT auth.take(n::text::bytea, 'address') > 0 FROM generate_series(1, 50) n"
    assert set(writer.execute(take).fetchall()) == {(True,)}
    assert writer.execute("SELECT count(*) FROM auth.attempts").fetchone() == (1,)


def test_neither_names_nor_addresses_are_written_down(client: Client, writer: Connection) -> None:
    client.log_in("nome-que-ninguem-tem", "errada", host="203.0.113.77")
    rows = writer.execute("SELECT subject FROM auth.attempts").fetchall()
    assert [len(subject) for (subject,) in rows] == [32, 32, 32]
    text = str(rows) + str(b"".join(subject for (subject,) in rows))
    assert "nome-que" not in text
    assert "203.0.113" not in text


def guess(api: RunningApi, stop: threading.Event, seen: list[int]) -> None:
    """Guess at a name without a pause, from the one address and many others."""
    with contextlib.closing(api.connect()) as one:
        for number in itertools.cycle(range(200)):
            if stop.is_set():
                return
            seen.append(one.log_in("ana", "errada", host=f"203.0.113.{number}").status)


def test_nobody_can_lock_a_colleague_out(api: RunningApi, client: Client, writer: Connection) -> None:
    """As attacker and owner at once; the owner has come in from home, and his phone has kept an old token."""
    home, phone = next(HOSTS), Client(api.port)
    assert client.log_in("ana", PASSWORD, host=home).status == 200
    phone.token = phone.log_in("ana", PASSWORD, host=home).json()["session_token"]
    phone.log_out()
    stop, seen = threading.Event(), list[int]()
    with contextlib.closing(phone), ThreadPoolExecutor(1) as threads:
        attack = threads.submit(guess, api, stop, seen)
        try:
            assert wait_until(lambda: seen.count(429) > 50, 60)
            assert [client.log_in("ana", PASSWORD, host=home).status for _ in range(6)] == [200] * 6
            assert [phone.log_in("ana", PASSWORD, host=next(HOSTS)).status for _ in range(6)] == [200] * 6
            client.token = make_token()  # of another's name
            stranger = next(HOSTS)
            writer.execute("UPDATE auth.attempts SET failures = 999, blocked_until = now() + interval '1 h'")
            assert client.log_in("ana", PASSWORD, host=stranger).status == 429
        finally:
            stop.set()
        attack.result(60)
    writer.execute("DELETE FROM auth.revoked")
    assert set(seen) == {401, 429}


@pytest.mark.parametrize("header", ["198.51.100.250", "127.0.0.1", "evil, 198.51.100.251"])
def test_a_header_from_nobody_declared_counts_for_nothing(dsn: str, writer: Connection, header: str) -> None:
    with run_api(dsn, proxies="") as direct, contextlib.closing(direct.connect()) as one:
        for _ in range(2):
            assert one.log_in("ninguém", "errada", host=header).status == 401
        log = direct.log_file.read_text()
    rows = writer.execute("SELECT failures FROM auth.attempts").fetchall()
    assert rows == [(2,)] * 3, "one name, one address, and both"
    assert '"proxy_undeclared"' in log
    assert "PONTE_API_PROXIES" in log


# ---------------------------------------------------------------- logging out


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


# ---------------------------------------------------------------- who sees what


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


# ---------------------------------------------------------------- the offline bound


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
