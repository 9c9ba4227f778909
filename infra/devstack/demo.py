"""The demo: change an order in SGP, and time it until the VPS has it and the API serves it."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from psycopg import sql

from db.contract import WINDOW_CHANNEL
from db.engines import Connection, connect
from db.waiting import wait_until
from infra.devstack.clusters import HOST, Cluster
from infra.devstack.phone import DEADLINE_S, DemoError, LiveAnswer, Phone
from infra.devstack.seed import DEMO_LOGIN, change_order

ROUNDS = 50
CUT_CHANGES = 3
PAUSE_S = 3.0
STOCK, UNASKED = "/materiais/", "/maquinas/1"


@dataclass(frozen=True)
class Travel:
    """How long one change took from its commit in SGP, in milliseconds."""

    pedido_id: int
    visible_ms: float
    """Until the row was on the VPS."""
    served_ms: float
    """Until the API answered with it."""


@dataclass
class DemoResult:
    """What `--json` prints."""

    pedidos: dict[str, int]
    postgresql: dict[str, str]
    miniaturas: dict[str, int] = field(default_factory=dict)
    """Photos on the VPS by state."""
    travels: list[Travel] = field(default_factory=list)
    served_during_cut: int = 0
    """Orders that the API answered with while the link was cut."""
    live: str = ""
    """Where the answer to a live question came from: `live`."""
    live_during_cut: str = ""
    """The same while the link was cut: `cached`."""
    live_unknown_during_cut: int = 0
    """The status of the answer to one that had never been asked: 503."""
    waiting_during_cut: int = 0
    """Changes made during the cut that the VPS did not have when it ended."""
    pending_after_cut: int = 0
    """Those that it still did not have when it had caught up: 0."""
    catch_up_ms: float = 0.0

    def to_json(self) -> str:
        """Return one object, times in milliseconds."""
        return json.dumps(
            {
                "pedidos": self.pedidos,
                "miniaturas": self.miniaturas,
                "visible_ms": _spread([travel.visible_ms for travel in self.travels]),
                "served_ms": _spread([travel.served_ms for travel in self.travels]),
                "changes": len(self.travels),
                "served_during_cut": self.served_during_cut,
                "live": self.live,
                "live_during_cut": self.live_during_cut,
                "live_unknown_during_cut": self.live_unknown_during_cut,
                "waiting_during_cut": self.waiting_during_cut,
                "pending_after_cut": self.pending_after_cut,
                "catch_up_ms": round(self.catch_up_ms),
                "postgresql": self.postgresql,
            },
            indent=2,
        )


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(median(values), 2),
        "p99": round(quantiles(values, n=100, method="inclusive")[98], 2),
    }


class Demo:
    """Changes orders in SGP and watches them arrive."""

    def __init__(
        self,
        *,
        clusters: dict[str, Cluster],
        api_url: str,
        cut: Callable[[], object],
        heal: Callable[[], object],
        say: Callable[[str], None],
    ) -> None:
        self._clusters = clusters
        self._cut = cut
        self._heal = heal
        self._say = say
        self._rng = random.Random(1)  # noqa: S311  # which order changes
        self._marks = 0
        self.client = Phone(api_url)

    def run_once(self) -> DemoResult:
        """Do everything one time. Raise DemoError when a change does not arrive in a minute."""
        self.client.log_in()
        result = DemoResult(pedidos=self._count(), postgresql=self._versions())
        self._say(f"orders: {result.pedidos}")
        result.miniaturas = self._wait_miniaturas()
        self._say(f"photos on the VPS: {result.miniaturas}")
        with self._sessions() as (sgp, vps):
            result.travels = [self._travel(sgp, vps) for _ in range(ROUNDS)]
            self._say(_describe(result.travels))
            result.live = self._ask_live().source
            self._cut_and_catch_up(sgp, vps, result)
        return result

    def run_on(self, stopping: threading.Event) -> None:
        """Change an order every few seconds until told to stop; cut the link now and then."""
        self.client.log_in()
        with self._sessions() as (sgp, vps):
            rounds = 0
            while not stopping.wait(PAUSE_S):
                travel = self._travel(sgp, vps)
                self._ask_live()
                self._say(
                    f"order {travel.pedido_id}: on the VPS after {travel.visible_ms:.1f} ms, "
                    f"served after {travel.served_ms:.1f} ms"
                )
                rounds += 1
                if rounds % 5 == 0:
                    self._cut_and_catch_up(sgp, vps, DemoResult({}, {}))

    @contextmanager
    def _sessions(self) -> Iterator[tuple[Connection, Connection]]:
        """Open a session in SGP and one on the VPS."""
        sgp, vps = (self._clusters[name].conninfo(name) for name in ("sgp", "vps"))
        with connect(sgp) as sgp_session, connect(vps) as vps_session:
            vps_session.execute(sql.SQL("LISTEN {}").format(sql.Identifier(WINDOW_CHANNEL)))
            yield sgp_session, vps_session

    def _change(self, sgp: Connection) -> tuple[int, str, float]:
        """Change an order as SGP's users do, with a mark in its notes; return id, mark and commit time."""
        self._marks += 1
        mark = f"demo {time.time_ns()}-{self._marks}"
        with sgp.transaction():
            pedido_id = change_order(sgp, rng=self._rng, observacao=mark)
        return pedido_id, mark, time.perf_counter()

    def _travel(self, sgp: Connection, vps: Connection) -> Travel:
        pedido_id, mark, committed = self._change(sgp)
        visible = self._wait_visible(vps, pedido_id, mark)
        if not wait_until(lambda: self.client.get_pedido(pedido_id)["observacao"] == mark, DEADLINE_S):
            raise DemoError(f"order {pedido_id} is on the VPS and not served", "look in api.log")
        served = time.perf_counter()
        return Travel(pedido_id, (visible - committed) * 1000, (served - committed) * 1000)

    def _wait_visible(self, vps: Connection, pedido_id: int, mark: str) -> float:
        """Return when the VPS had the row: when it told so, which is after it could be seen."""
        deadline = time.monotonic() + DEADLINE_S
        seen = time.perf_counter()
        while not self._is_visible(vps, pedido_id, mark):
            if time.monotonic() > deadline:
                raise DemoError(f"order {pedido_id} did not reach the VPS", "run 'ponte plan'")
            for _ in vps.notifies(timeout=1.0, stop_after=1):
                pass
            seen = time.perf_counter()
        return seen

    @staticmethod
    def _is_visible(vps: Connection, pedido_id: int, mark: str) -> bool:
        query = "SELECT 1 FROM vitrine.pedidos WHERE id = %s AND observacao = %s"
        return vps.execute(query, [pedido_id, mark]).fetchone() is not None

    def _cut_and_catch_up(self, sgp: Connection, vps: Connection, result: DemoResult) -> None:
        self._say("link cut: SGP goes on changing orders, the VPS goes on serving what it has")
        self._cut()
        changes = [self._change(sgp)[:2] for _ in range(CUT_CHANGES)]
        result.served_during_cut = len(self.client.list_pedidos())
        result.waiting_during_cut = self._pending(vps, changes)
        self._say(
            f"the API served {result.served_during_cut} orders; {result.waiting_during_cut} changes wait"
        )
        self._ask_while_cut(result)
        self._heal()
        healed = time.perf_counter()
        wait_until(lambda: self._pending(vps, changes) == 0, DEADLINE_S)
        result.catch_up_ms = (time.perf_counter() - healed) * 1000
        result.pending_after_cut = self._pending(vps, changes)
        self._say(f"link healed: {result.pending_after_cut} pending after {result.catch_up_ms:.0f} ms")

    def _ask_live(self) -> LiveAnswer:
        answer = self.client.ask_live(STOCK)
        self._say(f"stock, asked of SGP: {len(answer.content)} materials, {answer.source}")
        return answer

    def _ask_while_cut(self, result: DemoResult) -> None:
        """Ask what was asked before, and what never was."""
        kept, unknown = self.client.ask_live(STOCK), self.client.ask_live(UNASKED)
        result.live_during_cut, result.live_unknown_during_cut = kept.source, unknown.status
        self._say(f"stock, asked while it is cut: {kept.source}, {kept.age_s} s old")
        self._say(f"a machine that nobody had asked for: {unknown.status} {unknown.content.get('detail')}")

    def _pending(self, vps: Connection, changes: list[tuple[int, str]]) -> int:
        latest = dict(changes)
        return sum(not self._is_visible(vps, pedido_id, mark) for pedido_id, mark in latest.items())

    def _count(self) -> dict[str, int]:
        tables = {"sgp": "public.pedidos", "vitrine": "vitrine.pedidos", "vps": "vitrine.pedidos"}
        return {name: self._ask(name, f"SELECT count(*) FROM {table}") for name, table in tables.items()}  # noqa: S608

    def _wait_miniaturas(self) -> dict[str, int]:
        """Wait until every photo has been judged, so that the timings meet an idle shop; count by state."""
        query = (
            "SELECT count(*) FROM vitrine.imagens WHERE id NOT IN (SELECT imagem_id FROM vitrine.miniaturas)"
        )
        wait_until(lambda: self._ask("vps", query) == 0, DEADLINE_S)
        with connect(self._clusters["vps"].conninfo("vps")) as conn:
            return dict(conn.execute("SELECT estado, count(*) FROM vitrine.miniaturas GROUP BY 1").fetchall())

    def _versions(self) -> dict[str, str]:
        return {
            name: str(self._ask(name, "SELECT current_setting('server_version')")).split()[0]
            for name in self._clusters
        }

    def _ask(self, name: str, query: str) -> Any:
        with connect(self._clusters[name].conninfo(name)) as conn:
            row = conn.execute(query).fetchone()
            return row[0] if row else None


def _describe(travels: list[Travel]) -> str:
    visible, served = (_spread([getattr(t, name) for t in travels]) for name in ("visible_ms", "served_ms"))
    return (
        f"{len(travels)} changes: on the VPS after {visible['median']} ms (p99 {visible['p99']} ms), "
        f"served after {served['median']} ms (p99 {served['p99']} ms)"
    )


def introduce(api_url: str, ports: dict[str, int], *, root: Path, declaration: Path) -> Iterator[str]:
    """Say what runs where and how to log in."""
    for name, port in ports.items():
        yield f"{name:<8} {HOST}:{port}"
    username, password = DEMO_LOGIN
    yield f'log in   POST {api_url}/auth/login  {{"username": "{username}", "password": "{password}"}}'
    yield f"by hand  PONTE_SECRETS_DIR={root}/secrets/ponte ponte plan --declaration {declaration}"
    yield f"watch    PONTE_SECRETS_DIR={root}/secrets/watch ponte status --declaration {declaration}"
