"""Faults of servers, subscriptions and slots, undone at the end of a block, with what the faces must say.

The watch reaches the VPS without the link: through a proxy a server that is down looks like a link that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from db.engines import Connection
from db.freshness import Cause
from infra.devstack.clusters import HOST
from tests.fix_breaks import Break, server_down
from tests.fix_clusters import PORTS, Servers
from tests.fix_road import ROLE_PASSWORD, Road
from tests.fix_watch import WatchedRoad, open_watched_road
from thumbnail_worker.connection import JobConnection

WATCH = "ponte_watch"


@dataclass(frozen=True)
class Drill:
    """A fault, its cause on every face, and words that must stand beside it."""

    break_: Break
    cause: Cause
    endpoint: str
    said: dict[str, str] = field(default_factory=dict)
    """Of what the fault says, by key: a part of it."""
    needs: str = ""
    """A setting without which, as on an older server of the VPS, it can't happen within a test."""


@contextmanager
def servers_with(road: Road, name: str, **parameters: str) -> Iterator[None]:
    """Have a server run with other settings; it is restarted before and after."""
    cluster = road.servers.clusters[name]
    usual = cluster.spec
    cluster.spec = replace(usual, parameters={**usual.parameters, **parameters})
    try:
        cluster.start()
        yield
    finally:
        cluster.spec = usual
        cluster.start()


@contextmanager
def starting(seen: WatchedRoad) -> Iterator[None]:
    """A server that recovers and has nobody in: a standby that is not hot."""
    cluster = seen.road.servers.clusters["vps"]
    cluster.stop()
    mark = cluster.data_dir / "standby.signal"
    mark.touch()
    if cluster.user:
        cluster.user.own(mark)
    try:
        with servers_with(seen.road, "vps", hot_standby="off"):
            yield
            cluster.stop("immediate")
            mark.unlink()
    finally:
        mark.unlink(missing_ok=True)


def end_watch(seen: WatchedRoad, name: str) -> None:
    """Have the watch connect anew."""
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"
    with seen.road.servers.connect(name, "postgres") as conn:
        conn.execute(ended, [WATCH])


def watch_shut_out(name: str, refuse: str, admit: str) -> Break:
    """Refuse the watch on one server by a statement, and admit it by another."""

    @contextmanager
    def shut_out(seen: WatchedRoad) -> Iterator[None]:
        seen.road.forget_sessions()
        with seen.road.servers.connect(name, "postgres") as conn:
            conn.execute(refuse.encode())
            end_watch(seen, name)
            try:
                yield
            finally:
                conn.execute(admit.encode())

    return shut_out


def wrong_password(name: str) -> Break:
    return watch_shut_out(
        name, f"ALTER ROLE {WATCH} PASSWORD 'outra'", f"ALTER ROLE {WATCH} PASSWORD '{ROLE_PASSWORD}'"
    )


def closed_database(name: str) -> Break:
    return watch_shut_out(
        name,
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS true",
    )


def full_server(name: str) -> Break:
    return watch_shut_out(
        name, f"ALTER ROLE {WATCH} CONNECTION LIMIT 0", f"ALTER ROLE {WATCH} CONNECTION LIMIT -1"
    )


@contextmanager
def notify_full(seen: WatchedRoad) -> Iterator[None]:
    """A session that listens and rests in its transaction, while others go on telling."""
    with servers_with(seen.road, "vps", max_notify_queue_pages="64"), seen.road.connect("vps") as held:
        held.execute("LISTEN vitrine")
        held.autocommit = False
        held.execute("SELECT 1")
        with seen.road.connect("vps") as teller:
            seen.road.wait(lambda: _tell(teller), "a queue that takes no more")
        yield


def _tell(teller: Connection) -> bool:
    """Tell something long; say whether the queue took it no more."""
    try:
        teller.execute("SELECT pg_notify('cheia', g || repeat('x', 7000)) FROM generate_series(1, 9) g")
    except psycopg.errors.ProgramLimitExceeded:
        return True
    return False


def workers_short(setting: str, value: str) -> Break:
    @contextmanager
    def short(seen: WatchedRoad) -> Iterator[None]:
        with servers_with(seen.road, "vps", **{setting: value}):
            yield

    return short


@contextmanager
def slot_taken(seen: WatchedRoad) -> Iterator[None]:
    """A copy of the VPS, which holds its passfile too, reads its slot."""
    seen.road.run("vps", "ALTER SUBSCRIPTION sub_vps DISABLE")
    free = "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'slot_vps' AND NOT active"
    seen.road.wait(lambda: bool(seen.road.run("vitrine", free)), "a slot that nobody reads")
    given = seen.road.settings.conninfos["sub_vps"]
    export = seen.road.declaration.active_exports[0]
    publications = ",".join(table.publication for table in export.tables)
    conninfo = make_conninfo("", **given, user=export.role, replication="database")
    clone = psycopg.connect(conninfo, autocommit=True)
    try:
        clone.pgconn.exec_(
            "START_REPLICATION SLOT slot_vps LOGICAL 0/0"
            f" (proto_version '1', publication_names '{publications}')".encode()
        )
        seen.road.run("vps", "ALTER SUBSCRIPTION sub_vps ENABLE")
        yield
    finally:
        clone.close()


@contextmanager
def key_gone(seen: WatchedRoad) -> Iterator[None]:
    seen.road.run("vps", "ALTER TABLE vitrine.usuarios DROP CONSTRAINT usuarios_pkey")
    try:
        yield
    finally:
        seen.road.run("vps", "ALTER TABLE vitrine.usuarios ADD PRIMARY KEY (id)")


@contextmanager
def key_deferrable(seen: WatchedRoad) -> Iterator[None]:
    """It drops every update without a word."""
    table = "ALTER TABLE public.pedido_imagens"
    change = (
        f"{table} DROP CONSTRAINT pedido_imagens_pkey, ADD CONSTRAINT pedido_imagens_pkey PRIMARY KEY (id)"
    )
    seen.road.run("vitrine", f"{change} DEFERRABLE")
    try:
        yield
    finally:
        seen.road.run("vitrine", change)


def apply_fails(name: str, table: str) -> Break:
    @contextmanager
    def failing(seen: WatchedRoad) -> Iterator[None]:
        seen.road.run(name, f"ALTER TABLE {table} ADD CONSTRAINT nunca CHECK (filename <> 'nunca') NOT VALID")
        try:
            seen.road.run("sgp", "UPDATE pedido_imagens SET filename = 'nunca' WHERE id = 1")
            yield
        finally:
            seen.road.run(name, f"ALTER TABLE {table} DROP CONSTRAINT nunca")
            seen.road.run("sgp", "UPDATE pedido_imagens SET filename = 'sempre' WHERE id = 1")

    return failing


@contextmanager
def column_lost(seen: WatchedRoad) -> Iterator[None]:
    """A landing column is called otherwise, so that nothing fits."""
    table = "ALTER TABLE public.pedido_imagens RENAME COLUMN"
    seen.road.run("vitrine", f"{table} mime_type TO tipo")
    try:
        seen.road.run("sgp", "UPDATE pedido_imagens SET tamanho = tamanho + 1 WHERE id = 1")
        yield
    finally:
        seen.road.run("vitrine", f"{table} tipo TO mime_type")


def logged(name: str, break_: Break) -> Break:
    """Have the server keep a log that the watch may ask."""

    @contextmanager
    def breaking(seen: WatchedRoad) -> Iterator[None]:
        with servers_with(seen.road, name, logging_collector="on", log_destination="jsonlog"), break_(seen):
            yield

    return breaking


def subscriber_refused(publisher: str, slot: str, role: str, refuse: str, admit: str) -> Break:
    """Shut a subscription's role out of its publisher, which answers others."""

    @contextmanager
    def refused(seen: WatchedRoad) -> Iterator[None]:
        seen.road.run(publisher, f"ALTER ROLE {role} {refuse}")
        ended = "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s"
        seen.road.run(publisher, ended, slot)
        try:
            yield
        finally:
            seen.road.run(publisher, f"ALTER ROLE {role} {admit}")

    return refused


@contextmanager
def passfile_gone(seen: WatchedRoad) -> Iterator[None]:
    """The VPS's server finds no password any more."""
    read = "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'slot_vps' AND active"
    seen.road.wait(lambda: bool(seen.road.run("vitrine", read)), "a slot that is read")
    path = Path(seen.road.settings.conninfos["sub_vps"]["passfile"])
    away = path.rename(path.with_suffix(".away"))
    seen.road.run(
        "vitrine",
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'slot_vps'",
    )
    try:
        yield
    finally:
        away.rename(path)


@contextmanager
def subscription_gone(seen: WatchedRoad) -> Iterator[None]:
    for change in ("DISABLE", "SET (slot_name = NONE)"):
        seen.road.run("vps", f"ALTER SUBSCRIPTION sub_vps {change}")
    seen.road.run("vps", "DROP SUBSCRIPTION sub_vps")
    try:
        yield
    finally:
        seen.road.apply()


@contextmanager
def worker_shut_out(seen: WatchedRoad) -> Iterator[None]:
    """It has its session on the vitrine, and none on SGP."""
    seen.heart.stop()
    dsn = make_conninfo(
        "", host=HOST, port=PORTS["vitrine"], dbname="vitrine", user="ponte_worker", password=ROLE_PASSWORD
    )
    session = JobConnection("vitrine", SecretStr(dsn))
    session.connection()
    try:
        yield
    finally:
        session.close()
        seen.heart.start()


@contextmanager
def slot_idle_for_long(seen: WatchedRoad) -> Iterator[None]:
    """Nobody reads it for longer than the server waits; the next checkpoint gives it up."""
    seen.road.run("vps", "ALTER SUBSCRIPTION sub_vps DISABLE")
    seen.road.run("vitrine", "ALTER SYSTEM SET idle_replication_slot_timeout = '1s'")
    seen.road.run("vitrine", "SELECT pg_reload_conf()")
    lost = (
        "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'slot_vps' AND invalidation_reason IS NOT NULL"
    )

    def is_lost() -> bool:
        seen.road.run("vitrine", "CHECKPOINT")
        return bool(seen.road.run("vitrine", lost))

    try:
        seen.road.wait(is_lost, "a slot that was given up")
        yield
    finally:
        seen.road.run("vitrine", "ALTER SYSTEM RESET idle_replication_slot_timeout")
        seen.road.run("vitrine", "SELECT pg_reload_conf()")
        seen.road.apply()


@contextmanager
def slot_dropped(seen: WatchedRoad) -> Iterator[None]:
    seen.road.run("vps", "ALTER SUBSCRIPTION sub_vps DISABLE")
    free = "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'slot_vps' AND NOT active"
    seen.road.wait(lambda: bool(seen.road.run("vitrine", free)), "a slot that nobody reads")
    seen.road.run("vitrine", "SELECT pg_drop_replication_slot('slot_vps')")
    try:
        yield
    finally:
        seen.road.apply()


def each(what: str, make: Callable[[str], Break], cause: Cause) -> dict[str, Drill]:
    """Return a fault's drill on each server."""
    return {f"{what}, {name}": Drill(make(name), cause, name) for name in ("sgp", "vitrine", "vps")}


EXPORT = ("vitrine", "slot_vps", "ponte_export_vps")
INTAKE = ("sgp", "slot_intake", "ponte_intake")
DRILLS: dict[str, Drill] = {
    "PostgreSQL is stopped on the VPS": Drill(
        server_down("vps"), Cause.VPS_DOWN, "vps", {"said": "nobody listens"}
    ),
    "PostgreSQL is recovering on the VPS": Drill(
        starting, Cause.SERVER_STARTING, "vps", {"said": "starting"}
    ),
    **each("the watch has a wrong password", wrong_password, Cause.WATCH_REFUSED),
    **each("the watch's database is closed", closed_database, Cause.DATABASE_MISSING),
    **each("too many connections", full_server, Cause.SERVER_FULL),
    "the queue of notifications is full": Drill(
        notify_full, Cause.NOTIFY_FULL, "vps", {"who": "idle in transaction"}, needs="max_notify_queue_pages"
    ),
    "no worker process is left": Drill(
        workers_short("max_worker_processes", "1"),
        Cause.WORKERS_SHORT,
        "vps",
        {"setting": "max_worker_processes"},
    ),
    "no worker of replication is allowed": Drill(
        workers_short("max_logical_replication_workers", "0"),
        Cause.WORKERS_SHORT,
        "vps",
        {"setting": "max_logical_replication_workers"},
    ),
    "a copy of the VPS reads its slot": Drill(
        slot_taken, Cause.SLOT_TAKEN, "vitrine", {"address": "127.0.0.1"}
    ),
    "a primary key is gone on the VPS": Drill(
        key_gone, Cause.KEY_MISSING, "vps", {"table": "vitrine.usuarios"}
    ),
    "a landing table's key is deferrable": Drill(
        key_deferrable, Cause.KEY_MISSING, "vitrine", {"table": "pedido_imagens"}
    ),
    "apply fails on the VPS": Drill(apply_fails("vps", "vitrine.imagens"), Cause.APPLY_FAILING, "vps"),
    "apply fails on a VPS that keeps a JSON log": Drill(
        logged("vps", apply_fails("vps", "vitrine.imagens")),
        Cause.APPLY_FAILING,
        "vps",
        {"said": "SQLSTATE 23514"},
    ),
    "a landing column has another name, by a JSON log": Drill(
        logged("vitrine", column_lost), Cause.APPLY_FAILING, "vitrine", {"said": "mime_type"}
    ),
    "apply fails on the vitrine": Drill(
        apply_fails("vitrine", "public.pedido_imagens"), Cause.APPLY_FAILING, "vitrine"
    ),
    "a landing column has another name": Drill(column_lost, Cause.APPLY_FAILING, "vitrine"),
    "the VPS's role may not log in to the vitrine": Drill(
        subscriber_refused(*EXPORT, "NOLOGIN", "LOGIN"), Cause.EXPORT_CUT, "vps"
    ),
    "the VPS's passfile is gone": Drill(
        logged("vps", passfile_gone), Cause.EXPORT_CUT, "vps", {"said": "SQLSTATE 08006"}
    ),
    "the vitrine has a wrong password of SGP's": Drill(
        subscriber_refused(*INTAKE, "PASSWORD 'outra'", f"PASSWORD '{ROLE_PASSWORD}'"),
        Cause.INTAKE_CUT,
        "vitrine",
    ),
    "the subscription is gone": Drill(subscription_gone, Cause.SUBSCRIPTION_MISSING, "vps"),
    "the worker does not get into SGP": Drill(worker_shut_out, Cause.WORKER_SHUT_OUT, ""),
    "a slot was idle for too long": Drill(
        slot_idle_for_long, Cause.SLOT_LOST, "vitrine", {"reason": "idle_timeout"}
    ),
    "a slot was dropped": Drill(slot_dropped, Cause.SLOT_LOST, "vitrine", {"reason": "dropped"}),
}


@pytest.fixture(scope="module")
def direct_road(servers: Servers, server_root: Path) -> Iterator[WatchedRoad]:
    """One watched road for a module, whose watch reaches the VPS itself."""
    with open_watched_road(servers, server_root, direct=True) as watched:
        yield watched
