"""The push: how many events a second beside SGP's own, and how soon a commit shows beside replication.

SGP's push of today is one POST for each change, with `x-api-key` and a connection of its own, to the same
receiver.
"""

from __future__ import annotations

import atexit
import http.client
import json
import os
import shutil
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from statistics import median

from pydantic import SecretStr

from db.engines import Connection, connect
from db.sync import TABLE_PATH, Batch, Upsert
from db.webhooks import read_webhook_secret
from infra.devstack.clusters import HOST
from infra.devstack.layout import StackSettings
from infra.devstack.ports import Ports
from infra.devstack.postgres import runtime_root
from infra.devstack.secrets import keep
from infra.devstack.stack import Stack
from publications.declare.declaration import Transport
from publications.push.changes import parse_lsn, print_lsn
from publications.push.receiver import Receiver
from tests.ports import find_free_ports

ROUNDS, WARM_UP = 60, 10
BLOCKS: tuple[Transport, ...] = ("replication", "push", "replication", "push")
DEADLINE_S = 30.0
SGP_EVENTS = 100
OUR_EVENTS, A_BATCH = 20_000, 1_000
SGP_KEY = "sgp-api-key-of-the-benchmark-only!!"


@cache
def make_settings() -> StackSettings:
    folder = Path(tempfile.mkdtemp(prefix="ponte-bench-"))
    ports = Ports(*find_free_ports(len(fields(Ports))))
    settings = StackSettings(runtime_root(folder), ports, os.environ, parameters={})
    atexit.register(_remove, settings, folder)
    return settings


def _remove(settings: StackSettings, folder: Path) -> None:
    shutil.rmtree(settings.root, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def make_stack(transport: Transport) -> Stack:
    settings = replace(make_settings(), transport=transport)
    return Stack(settings, say=lambda text: print(text, file=sys.stderr))


@cache
def measure_delays() -> dict[Transport, list[float]]:
    """Return milliseconds from a commit in SGP until a reader on the VPS sees it, by either transport."""
    found: dict[Transport, list[float]] = {"replication": [], "push": []}
    for transport in BLOCKS:
        stack = make_stack(transport)
        try:
            stack.start()
            found[transport] += _measure(stack)
        finally:
            stack.stop()
    return found


def _measure(stack: Stack) -> list[float]:
    with (
        connect(stack.clusters["sgp"].conninfo("sgp")) as sgp,
        connect(stack.clusters["vps"].conninfo("vps")) as vps,
    ):
        return [_time_one(sgp, vps) for _ in range(ROUNDS + WARM_UP)][WARM_UP:]


def _time_one(sgp: Connection, vps: Connection) -> float:
    mark = uuid.uuid4().hex
    sgp.execute("UPDATE pedidos SET observacao = %s WHERE id = 100", [mark])
    committed = time.perf_counter()
    query = "SELECT 1 FROM vitrine.pedidos WHERE id = 100 AND observacao = %s"
    while vps.execute(query, [mark]).fetchone() is None:
        if time.perf_counter() > committed + DEADLINE_S:
            raise TimeoutError(f"'{mark}' did not arrive")
        time.sleep(0.0005)
    return (time.perf_counter() - committed) * 1000


@dataclass(frozen=True)
class Rates:
    """Events a second."""

    sgp: float
    ours: float


@cache
def measure_rates() -> Rates:
    """Give one receiver orders as SGP does today, and as the push does."""
    stack = make_stack("push")
    try:
        stack.start_road()
        keep(stack.settings.folders.ingest, "PONTE_INGEST_SGP_API_KEY", SGP_KEY)
        keep(stack.settings.folders.ingest, "PONTE_INGEST_SGP_ADDRESSES", "127.0.0.1")
        stack.start_ingest()
        port = stack.settings.ports.ingest
        ours = _push_batches(stack, port)
        return Rates(_push_as_sgp(port), ours)
    finally:
        stack.stop()


def _push_as_sgp(port: int) -> float:
    began = time.perf_counter()
    for number in range(SGP_EVENTS):
        order = {
            "pedido_id": 500_000 + number,
            "numero": f"{number:010d}",
            "cliente_nome": "Cliente",
            "status": "pendente",
            "valor_total": 20.0,
            "updated_at": "2999-01-01T00:00:00",
        }
        conn = http.client.HTTPConnection(HOST, port, timeout=10)
        fields_ = {"content-type": "application/json", "x-api-key": SGP_KEY}
        conn.request("POST", f"{TABLE_PATH}pedidos", json.dumps([order]), fields_)
        answer = conn.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{answer.status}: {answer.read()!r}")
        answer.read()
        conn.close()
    return SGP_EVENTS / (time.perf_counter() - began)


def _push_batches(stack: Stack, port: int) -> float:
    """Send whole rows, as the sender's batches have them."""
    folder = stack.settings.folders.push
    key, secret = (
        (folder / name).read_text().strip() for name in ("ponte_push_api_key", "ponte_push_secret")
    )
    receiver = Receiver(
        f"http://{HOST}:{port}", api_key=key, secret=read_webhook_secret(SecretStr(secret)), answer_s=60
    )
    row = _read_row(stack)
    position, source = parse_lsn("F/0"), f"bench/{uuid.uuid4()}"
    began = time.perf_counter()
    for first in range(0, OUR_EVENTS, A_BATCH):
        position += 1
        rows = [
            {**row, "id": str(100_000 + number % 5000), "versao": str(10**9 + number)}
            for number in range(first, first + A_BATCH)
        ]
        changes = [Upsert.model_construct(table="pedidos", row=one) for one in rows]
        batch = Batch.model_construct(source=source, position=print_lsn(position), changes=changes)
        receiver.push(uuid.uuid4().hex, batch.to_json())
    taken_s = time.perf_counter() - began
    receiver.close()
    return OUR_EVENTS / taken_s


def _read_row(stack: Stack) -> dict[str, str | None]:
    columns = next(one.columns for one in stack.declaration.pushes[0].tables if one.name.name == "pedidos")
    with connect(stack.clusters["vitrine"].conninfo("vitrine")) as conn:
        found = conn.execute(
            "SELECT e.key, e.value FROM vitrine.pedidos p, json_each_text(row_to_json(p)) e WHERE p.id = 100"
        ).fetchall()
    row = {name: value for name, value in found if name in columns}
    return {**row, "avisos": "{}"}


FIGURES = {
    "push_vs_sgp_push": lambda: measure_rates().ours / measure_rates().sgp,
    "push_events_per_s": lambda: measure_rates().ours,
    "push_visible_ms_median": lambda: median(measure_delays()["push"]),
    "push_visible_vs_replication": lambda: (
        median(measure_delays()["push"]) / median(measure_delays()["replication"])
    ),
}
