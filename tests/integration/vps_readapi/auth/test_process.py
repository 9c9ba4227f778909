"""Logins are checked in a process of their own, which may die, hang, and outlives nobody."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import bcrypt
import psutil
import pytest
from psycopg.conninfo import make_conninfo

from db.credentials import seal
from db.waiting import wait_until
from tests.fix_api import (
    AUTH_ROLE,
    CREDENTIAL_KEY,
    EASY,
    ROLE,
    Client,
    RunningApi,
    Windows,
    run_api,
    write_session,
)
from vps_readapi.auth import remote
from vps_readapi.auth.checker import CheckerSettings
from vps_readapi.auth.checks import Checks, ChecksAwayError, LoginQuestion, User
from vps_readapi.auth.login import MAX_WAITING
from vps_readapi.auth.remote import open_checks

pytestmark = [
    pytest.mark.integration,
    pytest.mark.any_version,
    pytest.mark.skipif(
        sys.platform == "win32", reason="on Windows logins are checked in the API's own process"
    ),
]

PASSWORD = "senha-da-ana"
COST = 4
SLOW, SLOW_COST = "admin", 13
"""About half a second: this user's login can be met while it is under way."""


@pytest.fixture(scope="module")
def dsn(windows: Windows) -> Iterator[str]:
    with windows.open(pedidos=5) as made:
        with write_session(made) as conn:
            for user_id, cost in ((1, SLOW_COST), (2, COST)):
                hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(cost)).decode()
                sealed = seal(hashed, CREDENTIAL_KEY.encode())
                conn.execute(
                    "INSERT INTO vitrine.credenciais (user_id, salt, digest, key_id, versao)"
                    " VALUES (%s, %s, %s, 'k1', 1)",
                    [user_id, sealed.salt, sealed.digest],
                )
        yield made


def is_checker(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return "vps_readapi.auth.process" in process.cmdline()
    return False


def find_checker(api: RunningApi) -> psutil.Process:
    found: list[psutil.Process] = []

    def look() -> bool:
        found[:] = [child for child in psutil.Process(api.process.pid).children() if is_checker(child)]
        return bool(found)

    assert wait_until(look, 60)
    return found[0]


def log_in(api: RunningApi, username: str = "ana") -> int:
    with closing(api.connect()) as client:
        return client.log_in(username, PASSWORD).status


def count_connections(api: RunningApi) -> int:
    found = psutil.Process(api.process.pid).net_connections("tcp")
    return sum(one.status == psutil.CONN_ESTABLISHED and one.laddr.port == api.port for one in found)


def log_in_in_vain(api: RunningApi) -> int | None:
    """Return the status; None where the connection ended without one."""
    try:
        return log_in(api)
    except OSError:
        return None


def test_it_is_told_its_secrets_where_nobody_sees_them(api: RunningApi) -> None:
    assert log_in(api) == 200
    shown = " ".join(find_checker(api).cmdline())
    assert not any(secret in shown for secret in (EASY, CREDENTIAL_KEY, PASSWORD))
    assert PASSWORD not in api.log_file.read_text()


def test_one_that_dies_fails_who_waits_and_is_replaced(api: RunningApi, client: Client) -> None:
    assert log_in(api) == 200
    first = find_checker(api)
    with ThreadPoolExecutor(4) as threads:
        first.suspend()  # so that none of them is answered before
        waiting = [threads.submit(log_in, api) for _ in range(4)]
        assert wait_until(lambda: count_connections(api) >= len(waiting), 60)
        first.kill()
        found = [one.result() for one in waiting]
    assert set(found) <= {200, 503}
    assert 503 in found, "nobody was waiting when it died"
    assert client.get("/pedidos/1").status == 200
    assert wait_until(lambda: log_in(api) == 200, 60)
    assert find_checker(api).pid != first.pid


def test_one_that_hangs_holds_back_no_read_and_no_end(dsn: str) -> None:
    with run_api(dsn) as api, closing(api.connect()) as client:
        assert log_in(api) == 200
        checker = find_checker(api)
        checker.suspend()
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(log_in_in_vain, api)
            assert {client.get("/pedidos/1").status for _ in range(100)} == {200}
            api.process.terminate()
            api.process.wait(30)
            assert waiting.result(30) in {503, None}
        assert wait_until(lambda: not checker.is_running() or checker.status() == "zombie", 60)


def test_one_that_hangs_is_replaced(monkeypatch: pytest.MonkeyPatch, dsn: str) -> None:
    settings = CheckerSettings(
        dsn=make_conninfo(dsn, user=ROLE, password=EASY),
        auth_dsn=make_conninfo(dsn, user=AUTH_ROLE, password=EASY),
        attempts_key=CREDENTIAL_KEY,
        current_key_id="k1",
        keys={"k1": CREDENTIAL_KEY},
        concurrency=1,
    )
    question = LoginQuestion("ana", PASSWORD, "198.51.100.9", 4)

    async def run() -> None:
        async with open_checks(settings) as checks:
            assert await ask_until_answered(checks, question) is not None
            [checker] = [one for one in psutil.Process().children() if is_checker(one)]
            checker.suspend()
            with monkeypatch.context() as short:
                short.setattr(remote, "HUNG_S", 1.0)
                with pytest.raises(ChecksAwayError):
                    await checks.check(question)
            assert await ask_until_answered(checks, question) is not None
            assert not checker.is_running()

    asyncio.run(run())


async def ask_until_answered(checks: Checks, question: LoginQuestion) -> User | None:
    deadline = asyncio.get_running_loop().time() + 60
    while asyncio.get_running_loop().time() < deadline:
        try:
            return (await checks.check(question)).user
        except ChecksAwayError:
            await asyncio.sleep(0.1)
    raise AssertionError("nobody answers")


def test_several_apis_share_their_port_with_no_checker(dsn: str) -> None:
    with run_api(dsn, processes="2") as api:
        assert log_in(api) == 200
        everybody = psutil.Process(api.process.pid).children(recursive=True)
        checkers = [one for one in everybody if is_checker(one)]
        assert len(checkers) == 2
        assert [
            one for checker in checkers for one in checker.net_connections() if one.status == "LISTEN"
        ] == []


def test_who_sends_a_body_slowly_keeps_nobody_out(api: RunningApi, client: Client) -> None:
    head = b"POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{"
    with contextlib.ExitStack() as slow:
        for _ in range(MAX_WAITING + 10):
            raw = slow.enter_context(socket.create_connection(("127.0.0.1", api.port), timeout=60))
            raw.sendall(head)
        assert wait_until(lambda: client.get("/pedidos/1").status == 200, 60)
        assert client.log_in("ana", PASSWORD, host="198.51.100.8").status == 200


def test_what_nobody_foresaw_is_a_problem_that_any_page_may_read(
    dsn: str, api: RunningApi, client: Client
) -> None:
    with write_session(dsn) as conn:
        conn.execute(f"REVOKE EXECUTE ON FUNCTION auth.take(bytea, bytea) FROM {AUTH_ROLE}")
        try:
            answer = client.log_in("ana", PASSWORD, host="198.51.100.7")
        finally:
            conn.execute(f"GRANT EXECUTE ON FUNCTION auth.take(bytea, bytea) TO {AUTH_ROLE}")
    assert (answer.status, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-request-id"]
    assert answer.json()["detail"] == "Erro interno do servidor"


def test_it_ends_with_an_api_that_is_killed(dsn: str) -> None:
    with run_api(dsn) as api:
        checker = find_checker(api)
        api.process.kill()
        api.process.wait(60)
        assert wait_until(lambda: not checker.is_running() or checker.status() == "zombie", 60)


def test_a_database_that_is_away_is_a_503_and_comes_back(windows: Windows, api: RunningApi) -> None:
    with closing(api.connect()) as client:
        assert client.log_in("ana", "errada", host="198.51.100.1").status == 401
    windows.cluster.stop("immediate")
    with closing(api.connect()) as client:
        answer = client.log_in("ana", "errada", host="198.51.100.2")
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    windows.cluster.start()
    with closing(api.connect()) as client:
        assert wait_until(lambda: client.log_in("ana", "errada", host="198.51.100.3").status == 401, 60)
