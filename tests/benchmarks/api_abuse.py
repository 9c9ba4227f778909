"""What a reader feels of strangers and users who try to exhaust the VPS."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import multiprocessing
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event

from db import tied
from tests.fix_api import (
    Client,
    make_token,
    make_window,
    percentile,
    run_api,
    run_cluster,
    write_session,
)

ORDERS = 5000
USERS = 8
FIRST_USER = 100
SECONDS = 10
READ_PAUSE_S = 0.01
IDLE = 1200
"""Connections that strangers hold open, more than there are places."""


def hold_connections(port: int, stopping: Event) -> None:
    """Be strangers who say nothing, or half a request, and come again when they are let go."""
    held: list[socket.socket] = []
    while not stopping.is_set():
        with contextlib.suppress(OSError):
            one = socket.create_connection(("127.0.0.1", port), timeout=2)
            if len(held) % 2:
                one.sendall(b"GET /pedidos/ HTTP/1.1\r\nHost:")
            held.append(one)
        if len(held) > IDLE:
            held.pop(0).close()
        stopping.wait(0.002)


def send_junk(port: int, stopping: Event) -> None:
    """Be strangers who ask for what they may not, and guess passwords."""
    for number in itertools.count():
        if stopping.is_set():
            return
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(Client(port)) as one:
            one.token = "x" * 2000
            one.get("/pedidos/?busca=" + "a" * 4000)
            one.log_in("admin", "errada", host=f"203.0.113.{number % 200}")


def read_lists(port: int, stopping: Event, user_id: int) -> None:
    """Be a user who reads everything there is, as often as he can."""
    token = make_token(user_id)
    for path in itertools.cycle(("/pedidos/", "/pedidos/?busca=agencia", "/pedidos/?desde=x.1")):
        if stopping.is_set():
            return
        with (
            contextlib.suppress(OSError, http.client.HTTPException),
            contextlib.closing(Client(port, token=token)) as one,
        ):
            one.get(path, If_None_Match=",".join(f"t{random.random()}" for _ in range(300)))


def be_abusive(port: int, ready: Event, stopping: Event) -> None:
    """Be the whole crowd. What it takes itself is no part of the server."""
    tied.end_with(os.getppid())
    if hasattr(os, "nice"):
        os.nice(10)
    jobs: list[tuple[Callable[..., None], tuple[int, ...]]] = [(hold_connections, ()), (send_junk, ())]
    jobs += [(read_lists, (FIRST_USER + number,)) for number in range(USERS)]
    threads = [threading.Thread(target=job, args=(port, stopping, *more)) for job, more in jobs]
    for thread in threads:
        thread.start()
    ready.set()
    for thread in threads:
        thread.join()


def read_for(client: Client, seconds: float) -> list[float]:
    """Read orders that are in memory; return how long each took, in milliseconds."""
    took: list[float] = []
    until = time.monotonic() + seconds
    for number in itertools.count():
        if time.monotonic() > until:
            return took
        began = time.perf_counter()
        if client.get(f"/pedidos/{1 + number % 50}").status != 200:
            raise RuntimeError("a reader was refused")
        took.append((time.perf_counter() - began) * 1000)
        time.sleep(READ_PAUSE_S)
    return took


def compare_readers() -> float:
    """Return a reader's p99 beside both crowds over that of an idle API."""
    with run_cluster() as cluster:
        dsn = make_window(cluster, "abuse", pedidos=ORDERS)
        with write_session(dsn) as conn:
            conn.cursor().executemany(
                "INSERT INTO vitrine.usuarios (id, username, is_active, versao) VALUES (%s, %s, true, 1)",
                [(FIRST_USER + number, f"user{number}") for number in range(USERS)],
            )
        with run_api(dsn, rate_per_s="50", rate_burst="100") as api, contextlib.closing(api.connect()) as one:
            read_for(one, 1)
            idle = read_for(one, SECONDS)
            context = multiprocessing.get_context("spawn")
            ready, stopping = context.Event(), context.Event()
            crowd = context.Process(target=be_abusive, args=(api.port, ready, stopping))
            crowd.start()
            try:
                ready.wait(60)
                read_for(one, 2)
                abused = read_for(one, SECONDS)
            finally:
                stopping.set()
                crowd.join(60)
    return percentile(abused, 0.99) / percentile(idle, 0.99)


FIGURES = {"reader_p99_under_abuse_vs_idle": compare_readers}
