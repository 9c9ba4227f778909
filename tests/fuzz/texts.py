"""Texts of an order: none raises, in the projection or where the VPS folds them, and none takes long."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from db.engines import Connection, connect
from db.migrate import History, migrate
from infra.devstack.bindirs import find_vitrine_bindir
from infra.devstack.postgres import find_server_user, reachable_bindir
from infra.devstack.seed import DIRT
from tests.fix_api import run_cluster
from tests.fuzz.outcome import Outcome, run_rounds, spoil

PIECES = [
    *(b"NaN", b'"', b"\\", b"\\u0000", b"\\ud800", b"[", b"]", b"{", b"}", b":", b",,", b"1e131000", b"null"),
    *(
        "\ufdfa".encode() * 3000,
        b"data:;base64,A",
        b"[" * 9000,
        b'{"a":' * 4000,
        b"9" * 20_000,
        b",1" * 20_000,
    ),
    *(
        b"\x1d",
        b"\x1d0000[{",
        b" - SP",
        b"||",
        "\u202e\x1b".encode(),
        b"1.234,56",
        b"2026-02-30",
        "…".encode() * 4096,
    ),
]
PROJECTED = """
SELECT i.items, projection.parse_status(%(t)s), projection.parse_date(%(t)s), projection.parse_money(%(t)s),
       projection.split_city(%(t)s), projection.cut_note(%(t)s)
  FROM projection.project_items(projection.land_items(%(t)s), 7) AS i
"""
FOLDED = "SELECT guard.search_text(%(t)s, %(t)s, %(t)s, %(t)s)"
STATEMENT_S = 10
MAX_SHOWN = 2 * 2**20
MAX_SEED = 20_000


@contextmanager
def open_both() -> Iterator[tuple[Connection, Connection]]:
    """Have a vitrine's functions, and a VPS's, each in a database of one server."""
    with run_cluster() as away:
        root = away.spec.data_dir.parent
        bindir = reachable_bindir(find_vitrine_bindir(os.environ), root, find_server_user())
        with run_cluster(bindir=bindir) as cluster, connect(cluster.conninfo()) as here:
            here.execute("CREATE DATABASE vps")
            migrate(History.INTRANET, cluster.conninfo())
            migrate(History.VPS, cluster.conninfo("vps"))
            with connect(cluster.conninfo("vps")) as there:
                for conn in (here, there):
                    conn.execute(f"SET statement_timeout = '{STATEMENT_S}s'")
                yield here, there


def fuzz_texts(count: int, seconds: float, seed: int) -> Outcome:
    """Ask the functions of both ends about texts."""
    outcome, rng = Outcome("texts"), random.Random(seed)
    texts = [value.encode() for case in DIRT for value in case.overrides.values() if isinstance(value, str)]
    texts = [one for one in texts if len(one) < MAX_SEED]
    with open_both() as (here, there):

        def take_turn() -> None:
            given = spoil(rng, rng.choice(texts), PIECES).replace(b"\0", b"").decode(errors="replace")
            try:
                row = here.execute(PROJECTED, {"t": given}).fetchone() or ((),)
                there.execute(FOLDED, {"t": given})
            except psycopg.Error as error:
                outcome.blame(given, f"{type(error).__name__} {error.sqlstate}")
            else:
                if len(json.dumps(row[0])) > MAX_SHOWN:
                    outcome.blame(given, "more than may be shown")

        return run_rounds(outcome, count, seconds, take_turn)
