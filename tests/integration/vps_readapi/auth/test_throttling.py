"""Guessing is slowed down by name, by address and by both, and nobody is locked out by it."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from db.engines import Connection
from db.waiting import wait_until
from tests.fix_api import (
    Client,
    RunningApi,
    Windows,
    make_token,
    run_api,
)
from tests.people import PASSWORD, SETORES, open_people, write_people
from vps_readapi.auth.login import explain_wait

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


FREE_OF_ACCOUNT = 5
FREE_OF_ADDRESS = 30
HOSTS = (f"198.51.100.{number}" for number in itertools.count(1))
"""An address for each who wants one that nobody used."""


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
