"""What one large transaction costs the walsenders in memory, beyond what they may use before they spill."""

from __future__ import annotations

import base64
import json
import random
import threading
from functools import cache
from pathlib import Path

from db.engines import connect
from db.waiting import wait_until
from infra.devstack.stack import Stack
from tests.benchmarks.road import start_stack

ORDERS = 10
UPDATES = 60
ORDER_BYTES = 1_000_000
DEADLINE_S = 900.0
POLL_S = 0.05
MB = 2**20

WALSENDERS = "SELECT pid FROM pg_stat_replication"
WORK_MEM = "SELECT pg_size_bytes(current_setting('logical_decoding_work_mem'))"


@cache
def measure_extra_mb() -> float:
    """Send one transaction of 600 MB down the road; return the greater excess of the walsenders, MB."""
    stack = start_stack()
    pids = {name: _ask(stack, name, WALSENDERS) for name in ("sgp", "vitrine")}
    spare = max(_ask(stack, name, WORK_MEM) for name in pids)
    peaks = dict.fromkeys(pids, 0)
    stopping = threading.Event()
    watching = threading.Thread(target=_watch, args=(pids, peaks, stopping))
    watching.start()
    try:
        _write(stack)
    finally:
        stopping.set()
        watching.join()
    return (max(peaks.values()) - spare) / MB


def _watch(pids: dict[str, int], peaks: dict[str, int], stopping: threading.Event) -> None:
    while not stopping.wait(POLL_S):
        for name, pid in pids.items():
            peaks[name] = max(peaks[name], _read_memory(pid))


def _read_memory(pid: int) -> int:
    """Return the bytes that are the process's own: what it shares with the server's others is not counted."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} tells no RssAnon")


def _write(stack: Stack) -> None:
    """Rewrite a few large orders again and again in one transaction, and wait for the last on the VPS."""
    rng = random.Random(1)
    with connect(stack.clusters["sgp"].conninfo("sgp")) as sgp:
        [(keys,)] = sgp.execute(
            "SELECT array_agg(id) FROM (SELECT id FROM pedidos ORDER BY id DESC LIMIT %s) AS p", [ORDERS]
        ).fetchall()
        with sgp.transaction():
            for number in range(UPDATES):
                for key in keys:
                    text = base64.b64encode(rng.randbytes(ORDER_BYTES * 3 // 4)).decode()
                    items = json.dumps([{"descricao": f"{number}", "observacao": text}])
                    sgp.execute("UPDATE pedidos SET items = %s WHERE id = %s", [items, key])
    last = "SELECT items -> 0 ->> 'descricao' FROM vitrine.pedidos WHERE id = %s"
    with connect(stack.clusters["vps"].conninfo("vps")) as vps:
        arrived = wait_until(
            lambda: vps.execute(last, [keys[-1]]).fetchone() == (f"{UPDATES - 1}",), DEADLINE_S
        )
    if not arrived:
        raise TimeoutError(f"the transaction did not arrive in {DEADLINE_S:.0f} s")


def _ask(stack: Stack, name: str, question: str) -> int:
    with connect(stack.clusters[name].conninfo(name)) as conn:
        row = conn.execute(question.encode()).fetchone()
    if row is None:
        raise RuntimeError(f"{name} does not answer: {question}")
    return int(row[0])


FIGURES = {"walsender_extra_mb": measure_extra_mb}
"""One transaction of 600 MB over both hops."""
