"""Reads while a crowd logs in; how soon a password or a logout of SGP's counts; whether time tells names."""

from __future__ import annotations

import multiprocessing
import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from multiprocessing.synchronize import Event
from statistics import median

import bcrypt

from db import tied
from db.credentials import seal
from db.engines import Connection, connect
from db.waiting import wait_until
from infra.devstack.seed import DEMO_LOGIN, sign_token
from infra.devstack.stack import Stack
from tests.benchmarks.api_events import run_stack
from tests.benchmarks.api_http import FAST, find_tool
from tests.fix_api import (
    CREDENTIAL_KEY,
    Client,
    RunningApi,
    make_window,
    run_api,
    run_cluster,
    write_session,
)

CROWD = 100
READERS = 60
"""Twenty desktops and forty phones."""
PAUSE_MS = (60, 100)
SECONDS = 8
ROUNDS = 5
CHANGES = 8
TRIES = 12
COST = 12


def write_passwords(dsn: str) -> None:
    """Give the crowd a user each, all with one password at SGP's cost."""
    sealed = seal(bcrypt.hashpw(b"senha", bcrypt.gensalt(COST)).decode(), CREDENTIAL_KEY.encode())
    with write_session(dsn) as conn:
        for number in range(1000, 1000 + CROWD):
            conn.execute(
                "INSERT INTO vitrine.usuarios (id, username, is_active, versao) VALUES (%s, %s, true, 1)",
                [number, f"user{number}"],
            )
            conn.execute(
                "INSERT INTO vitrine.credenciais (user_id, salt, digest, key_id, versao)"
                " VALUES (%s, %s, %s, 'k1', 1)",
                [number, sealed.salt, sealed.digest],
            )


def log_in_again_and_again(port: int, number: int, stopping: Event) -> None:
    """Be one of the crowd: log in, wait as long as told where that is refused."""
    with closing(Client(port)) as client:
        while not stopping.is_set():
            answer = client.log_in(f"user{number}", "senha", host=f"10.0.{number % 250}.7")
            if answer.status != 200:
                stopping.wait(float(answer.headers["retry-after"]))


def be_a_crowd(port: int, ready: Event, stopping: Event) -> None:
    """Keep a hundred logins under way. What the crowd itself takes is no part of the server."""
    tied.end_with(os.getppid())
    os.nice(10)
    numbers = range(1000, 1000 + CROWD)
    threads = [
        threading.Thread(target=log_in_again_and_again, args=(port, number, stopping)) for number in numbers
    ]
    for thread in threads:
        thread.start()
    ready.set()
    for thread in threads:
        thread.join()


@contextmanager
def crowd(port: int) -> Iterator[None]:
    """Have a hundred logins under way for the length of a block."""
    spawn = multiprocessing.get_context("spawn")
    ready, stopping = spawn.Event(), spawn.Event()
    process = spawn.Process(target=be_a_crowd, args=(port, ready, stopping), daemon=True)
    process.start()
    ready.wait(30)
    try:
        yield
    finally:
        stopping.set()
        process.join(60)


PHONES = """
function delay() return math.random(%d, %d) end
function done(summary, latency)
  if summary.errors.status > 0 then error("a warm read failed") end
  io.write("p99 ", latency:percentile(99))
end
"""
"""What wrk is told: each connection waits so many milliseconds before it reads again, as people do."""


def read_p99_us(api: RunningApi, token: str) -> float:
    """Return the 99th percentile of a warm read's time over all phones, in microseconds."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(PHONES % PAUSE_MS)
        script.flush()
        command = [find_tool("wrk", "wrk"), "-t1", f"-c{READERS}", f"-d{SECONDS}s", "-s", script.name]
        field = f"Authorization: Bearer {token}"
        url = f"http://127.0.0.1:{api.port}/pedidos/7"
        done = subprocess.run([*command, "-H", field, url], capture_output=True, text=True, check=True)
    found = re.search(r"p99 (\d+)", done.stdout)
    if found is None:
        raise RuntimeError(done.stdout + done.stderr)
    return float(found[1])


def warm_p99_under_logins_vs_idle() -> float:
    """Compare the p99 of warm reads while a hundred log in with that of an idle API, taken in turns."""
    with run_cluster(FAST) as cluster:
        dsn = make_window(cluster, "bench", pedidos=520)
        write_passwords(dsn)
        with run_api(dsn) as api, closing(api.connect()) as client:
            read_p99_us(api, client.token)
            idle, busy = [], []
            for _ in range(ROUNDS):
                idle.append(read_p99_us(api, client.token))
                with crowd(api.port):
                    busy.append(read_p99_us(api, client.token))
            return median(busy) / median(idle)


def login_time_unknown_vs_wrong() -> float:
    """Compare the time that a name takes which nobody has with that of a wrong password."""
    with run_cluster(FAST) as cluster:
        dsn = make_window(cluster, "bench", pedidos=20)
        write_passwords(dsn)
        with run_api(dsn) as api, closing(api.connect()) as client:
            hosts = count(1)

            def log_in(name: str) -> float:
                began = time.perf_counter()
                if client.log_in(name, "errada", host=f"10.1.0.{next(hosts)}").status != 401:
                    raise RuntimeError("a wrong login was not refused as such")
                return time.perf_counter() - began

            pairs = [(log_in(f"nobody{one}"), log_in(f"user{1000 + one}")) for one in range(TRIES)]
    return median(unknown for unknown, _ in pairs) / median(known for _, known in pairs)


def wait_for_status(client: Client, status: int) -> None:
    """Ask until the session is in that state."""
    if not wait_until(lambda: client.get("/auth/me").status == status, 30):
        raise RuntimeError(f"no {status} in 30 s")


@cache
def measure_sgp() -> tuple[float, float]:
    """Return the seconds that a password, and a logout, took from SGP's commit to the VPS, at worst."""
    with run_stack() as stack:
        conn = connect(stack.clusters["sgp"].conninfo("sgp"))
        with conn, closing(Client(stack.settings.ports.api)) as client:
            passwords = [change_password(stack, conn, client, number) for number in range(CHANGES)]
            logouts = [log_out_in_sgp(conn, client, number) for number in range(CHANGES)]
    return max(passwords), max(logouts)


def change_password(stack: Stack, conn: Connection, client: Client, number: int) -> float:
    """Change a password as SGP does; return the seconds until the VPS gave a session for the new one."""
    name, former = DEMO_LOGIN[0], DEMO_LOGIN[1] if number == 0 else f"senha{number - 1}"
    if not wait_until(lambda: client.log_in(name, former).status == 200, 30):
        raise RuntimeError("the former password does not work")
    client.token = client.log_in(name, former).json()["session_token"]
    stored = bcrypt.hashpw(f"senha{number}".encode(), bcrypt.gensalt(COST)).decode()
    conn.execute('UPDATE "user" SET password_hash = %s WHERE username = %s', [stored, name])
    began = time.perf_counter()
    wait_for_status(client, 401)
    if client.log_in(name, f"senha{number}").status != 200 or client.log_in(name, former).status != 401:
        raise RuntimeError("the passwords are not as SGP has them")
    return time.perf_counter() - began


def log_out_in_sgp(conn: Connection, client: Client, number: int) -> float:
    """Log out as SGP does; return the seconds until the VPS refused the session."""
    # Two seconds apart: tokens that end in the same second are one token.
    ends = datetime.now(UTC) + timedelta(days=8, seconds=-10 - 2 * number)
    client.token = sign_token(2, expires_at=ends)
    wait_for_status(client, 200)
    conn.execute(
        "INSERT INTO revoked_tokens (token, expires_at, revoked_at) VALUES (%s, %s, %s)",
        [client.token, ends.isoformat(), datetime.now(UTC).isoformat()],
    )
    began = time.perf_counter()
    wait_for_status(client, 401)
    return time.perf_counter() - began


def password_change_max_s() -> float:
    """From SGP's commit until only the new password opens the VPS, two bcrypts included."""
    return measure_sgp()[0]


def sgp_logout_max_s() -> float:
    """From SGP's commit of a logout until the VPS refuses the session."""
    return measure_sgp()[1]


FIGURES = {
    one.__name__: one
    for one in (
        warm_p99_under_logins_vs_idle,
        login_time_unknown_vs_wrong,
        password_change_max_s,
        sgp_logout_max_s,
    )
}
