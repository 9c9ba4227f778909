"""What the ingest counts of the push, on an address of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from prometheus_client import start_http_server

from db.metrics import MetricSpec

BODIES = MetricSpec(
    "ponte_ingest_bodies_total", "pushed bodies that were answered with success, by what became", ("became",)
)
REFUSALS = MetricSpec(
    "ponte_ingest_refusals_total", "pushed bodies that were refused, by reason", ("reason",)
)
CHANGES = MetricSpec(
    "ponte_ingest_changes_total", "pushed rows, by table and by what became of them", ("table", "became")
)
IGNORED = MetricSpec(
    "ponte_ingest_ignored_total",
    "tables and columns that a newer sender named and nobody here knows",
    ("what",),
)

ALL: tuple[MetricSpec, ...] = (BODIES, REFUSALS, CHANGES, IGNORED)

bodies = BODIES.counter()
refusals = REFUSALS.counter()
changes = CHANGES.counter()
ignored = IGNORED.counter()


@contextlib.contextmanager
def serve_metrics(host: str, port: int) -> Iterator[None]:
    """Answer `GET /metrics` for the length of a block; with port 0, not at all."""
    if not port:
        yield
        return
    server, thread = start_http_server(port, addr=host)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
