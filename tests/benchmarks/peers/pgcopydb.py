"""`pgcopydb compare data` over one table, the same rows on both ends, in databases of its own."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time

from psycopg import sql

from db.engines import connect
from infra.devstack.stack import Stack
from publications.prove.pairs import TablePair
from tests.benchmarks.peers import MissingPeerError

DATABASE = "peer"
COMMAND_S = 1200.0
SHAPE = """
SELECT format('%%I %%s', attname, format_type(atttypid, atttypmod))
  FROM pg_attribute WHERE attrelid = %s::regclass AND attname = ANY (%s)
"""


def compare_data(stack: Stack, pair: TablePair, *, ends: tuple[str, str]) -> float:
    """Return the seconds that it takes. Raise MissingPeerError, ValueError where it fails."""
    program = shutil.which("pgcopydb")
    if program is None or b"data" not in _run([program, "compare"]).stderr:
        raise MissingPeerError("pgcopydb", "install 0.13 or newer: Debian 12's 0.10 can't compare")
    _fill(stack, pair, ends)
    source, target = (stack.clusters[end].conninfo(DATABASE) for end in ends)
    with tempfile.TemporaryDirectory(prefix="ponte-pgcopydb-") as folder:
        command = [program, "compare", "data", "--source", source, "--target", target, "--dir", folder]
        began = time.perf_counter()
        done = _run(command)
        took_s = time.perf_counter() - began
    said = done.stdout.decode()
    if done.returncode != 0 or pair.table.name not in said:
        raise ValueError(f"pgcopydb: {done.stderr.decode()[-2000:]}")
    return took_s


def _run(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, capture_output=True, check=False, timeout=COMMAND_S)


def _fill(stack: Stack, pair: TablePair, ends: tuple[str, str]) -> None:
    """Have the columns that are compared, and nothing else, in a database of each server."""
    columns = sql.SQL(", ").join(map(sql.Identifier, pair.columns))
    table = sql.Identifier(pair.table.schema, pair.table.name)
    database = sql.Identifier(DATABASE)
    with connect(stack.clusters[ends[0]].conninfo(ends[0])) as source:
        names = [str(pair.table), list(pair.columns)]
        shape = sql.SQL(", ").join(sql.SQL(text) for (text,) in source.execute(SHAPE, names))
        for end in ends:
            with connect(stack.clusters[end].conninfo("postgres")) as conn:
                conn.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(database))
                conn.execute(sql.SQL("CREATE DATABASE {}").format(database))
            with connect(stack.clusters[end].conninfo(DATABASE)) as peer:
                peer.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(pair.table.schema)))
                made = sql.SQL("CREATE TABLE {} ({}, PRIMARY KEY ({}))")
                peer.execute(made.format(table, shape, sql.Identifier(pair.key)))
                out = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(columns, table)
                into = sql.SQL("COPY {} ({}) FROM STDIN").format(table, columns)
                with source.cursor().copy(out) as rows, peer.cursor().copy(into) as taken:
                    for block in rows:
                        taken.write(block)
                peer.execute("VACUUM ANALYZE")
