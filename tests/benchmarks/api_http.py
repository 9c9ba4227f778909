"""The API beside nginx, a plain implementation and pgbench: ratios of answers a second, ours over theirs.

One process of each on one core, wrk on the other, in turns: each side is measured several times and its
best counts, because the machine is shared.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from db import lifetime
from db.engines import connect
from db.waiting import wait_until
from infra.devstack.clusters import Cluster
from tests.fix_api import (
    ROLE,
    RunningApi,
    make_token,
    make_window,
    run_api,
    run_cluster,
)
from tests.ports import find_free_port

PEDIDOS = 520
"""What the shop has."""
CONNECTIONS = 64
"""Twenty desktops and some forty phones."""
SECONDS = 3
ROUNDS = 3
FAST = {"shared_buffers": "512MB", "max_wal_size": "4GB"}


def install(*packages: str) -> None:
    """Install what is missing of Debian's packages, as root; else say what to do."""
    if os.name != "posix" or os.geteuid() != 0:
        raise RuntimeError(f"install {' '.join(packages)} first")
    subprocess.run(["apt-get", "update", "-qq"], check=True, stdout=subprocess.DEVNULL)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
        check=True,
        stdout=subprocess.DEVNULL,
        env=quiet,
    )


@cache
def find_tool(name: str, package: str) -> str:
    """Return a tool's path, installing its package if need be."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        install(package)
        found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise RuntimeError(f"{name} is not to be had")
    return found


def measure(url: str, *fields: str, script: str = "", connections: int = CONNECTIONS) -> float:
    """Return the answers a second that wrk gets. Raise RuntimeError if one was no success."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as lua:
        lua.write(script)
        lua.flush()
        headers = [
            word for field in (f"Authorization: Bearer {make_token()}", *fields) for word in ("-H", field)
        ]
        command = [find_tool("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{SECONDS}s", *headers]
        done = subprocess.run(
            [*command, *(["-s", lua.name] if script else []), url], capture_output=True, text=True, check=True
        )
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError(f"{url}: {done.stdout}")
    found = re.search(r"Requests/sec:\s*([0-9.]+)", done.stdout)
    return float(found[1]) if found else 0.0


def compare(ours: Callable[[], float], theirs: Callable[[], float]) -> float:
    """Return the ratio of the best of each, measured in turns."""
    pairs = [(ours(), theirs()) for _ in range(ROUNDS)]
    return max(one for one, _ in pairs) / max(other for _, other in pairs)


@contextmanager
def run_window(pedidos: int = PEDIDOS, **settings: str) -> Iterator[tuple[Cluster, str, RunningApi]]:
    """Run a VPS: cluster, filled window, one API process."""
    with run_cluster(FAST) as cluster:
        dsn = make_window(cluster, "bench", pedidos=pedidos)
        with run_api(dsn, **settings) as api:
            yield cluster, dsn, api


@contextmanager
def run_nginx(files: dict[str, bytes]) -> Iterator[str]:
    """Serve some files from one nginx process, as fast as it can; yield its address."""
    port = find_free_port()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        config = Path(folder, "nginx.conf")
        config.write_text(
            f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;\n"
            "events { worker_connections 1024; }\n"
            "http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;\n"
            "  open_file_cache max=100; default_type application/json;\n"
            f"  server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n"
        )
        process = subprocess.Popen(
            [find_tool("nginx", "nginx-light"), "-c", str(config)], stderr=subprocess.DEVNULL
        )
        try:
            if not wait_until(lambda: _answers(port), 30):
                raise RuntimeError("nginx does not start")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


@contextmanager
def run_plain(dsn: str) -> Iterator[str]:
    """Run the plain implementation in one process; yield its address."""
    port = find_free_port()
    process = lifetime.start([sys.executable, "-m", "tests.benchmarks.peers.plain", dsn, str(port)])
    try:
        if not wait_until(lambda: _answers(port), 30):
            raise RuntimeError("the plain implementation does not start")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    api = RunningApi(port, None, Path())  # type: ignore[arg-type]  # only asked, never stopped
    client = api.connect()
    try:
        return client.get("/").status > 0
    except OSError:
        return False
    finally:
        client.close()


def warm_detail_vs_nginx() -> float:
    """Compare an order in memory with the same bytes in a file behind nginx."""
    with run_window() as (_, _, api):
        client = api.connect()
        content = client.get("/pedidos/7").content
        client.close()
        with run_nginx({"7": content}) as nginx:
            return compare(lambda: measure(f"{api.url}/pedidos/7"), lambda: measure(f"{nginx}/7"))


def list_304_vs_nginx() -> float:
    """Compare the unchanged list with nginx's 304 of the same bytes."""
    with run_window() as (_, _, api):
        client = api.connect()
        answer = client.get("/pedidos/")
        client.close()
        with run_nginx({"list": answer.content}) as nginx:
            port = int(nginx.rpartition(":")[2])
            tag = RunningApi(port, None, Path()).connect().get("/list").headers["etag"]  # type: ignore[arg-type]
            return compare(
                lambda: measure(f"{api.url}/pedidos/", f"If-None-Match: {answer.headers['etag']}"),
                lambda: measure(f"{nginx}/list", f"If-None-Match: {tag}"),
            )


def _against_plain(path: str) -> float:
    with run_window() as (_, dsn, api), run_plain(dsn) as plain:
        measure(f"{api.url}{path}", connections=1)
        return compare(lambda: measure(f"{api.url}{path}"), lambda: measure(f"{plain}{path}", connections=8))


def warm_detail_vs_plain() -> float:
    """Compare an order in memory with the plain implementation's."""
    return _against_plain("/pedidos/7")


def warm_list_vs_plain() -> float:
    """Compare the list in memory with the plain implementation's."""
    return _against_plain("/pedidos/")


COLD = {"cache_mb": "1", "list_orders": "0"}


def walk(path: str, pedidos: int) -> str:
    """Return a script that asks for `path` with one order's number after the other in place of `ID`."""
    before, _, after = path.partition("ID")
    return f"""
        local n = 0
        request = function()
          n = n + 7919
          return wrk.format("GET", "{before}" .. (n % {pedidos}) + 1 .. "{after}")
        end"""


def measure_cold(api: RunningApi, pedidos: int, path: str = "/pedidos/ID") -> float:
    """Return the answers a second for orders that are in nobody's memory."""
    script = walk(path, pedidos) if "ID" in path else ""
    return measure(api.url + ("" if script else path), script=script, connections=8)


def cold_detail_vs_pgbench() -> float:
    """Compare an order that must be read and rendered with the bare query in pgbench."""
    pedidos = 10_000
    with run_window(pedidos, **COLD) as (cluster, dsn, api), tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "detail.sql")
        script.write_text(
            f"\\set id random(1, {pedidos})\n"
            "SELECT * FROM vitrine.pedidos WHERE id = :id;\n"
            "SELECT i.id, i.pedido_id, i.item_index, i.item_identificador, m.chave FROM vitrine.imagens i"
            " LEFT JOIN vitrine.miniaturas m ON m.imagem_id = i.id AND m.estado = 'pronta'"
            " WHERE i.pedido_id = :id;\n"
        )
        return compare(
            lambda: measure_cold(api, pedidos), lambda: _run_pgbench(cluster.spec.port, dsn, script)
        )


def _run_pgbench(port: int, dsn: str, script: Path) -> float:
    with connect(dsn) as conn:
        name = conn.info.dbname
    done = subprocess.run(
        [
            *(find_tool("pgbench", "postgresql-contrib"), "-n", "-M", "prepared", "-c4", f"-T{SECONDS}"),
            *("-f", str(script), "-h", "127.0.0.1", "-p", str(port), "-U", ROLE, name),
        ],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PGPASSWORD": "x"},
    )
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    return float(found[1]) if found else 0.0


FIGURES = {
    one.__name__: one
    for one in (
        warm_detail_vs_nginx,
        warm_detail_vs_plain,
        list_304_vs_nginx,
        warm_list_vs_plain,
        cold_detail_vs_pgbench,
    )
}
