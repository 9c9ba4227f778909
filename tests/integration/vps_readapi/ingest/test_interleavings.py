"""Whatever arrives by whichever road, in whatever order and however often: both ends are equal in the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from db.engines import Connection
from db.sync import Delete, SgpPedido, Upsert
from tests.fix_ingest import PushedWindow, Pusher, delete, read_orders, upsert

START = datetime(2026, 1, 1, 10, tzinfo=UTC)
KEYS = (1, 2)
ORIGIN = "pushed_interleaved"
WORDS = ("pendente", "em_producao", "pronto", "entregue", "cancelado")


@dataclass(frozen=True)
class Event:
    """One commit on the intranet: a row as it is from then on, or its end."""

    at: int
    key: int
    status: str | None
    fresh: bool
    """It is the first of its row's, or the first again."""

    @property
    def instant(self) -> datetime:
        return START + timedelta(seconds=self.at)

    def change(self) -> Upsert | Delete:
        if self.status is None:
            return delete(self.key)
        when = self.instant.isoformat()
        return upsert(self.key, self.at, cliente=f"v{self.at}", status=self.status, ultima_atualizacao=when)

    def said_by_sgp(self) -> SgpPedido:
        said = {"pedido_id": self.key, "status": self.status, "cliente_nome": f"v{self.at}"}
        gone = {"deleted": True} if self.status is None else {}
        return SgpPedido.model_validate({**said, **gone, "updated_at": self.instant.isoformat()})


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """What happened: a row may go and come again, as rows do that leave a filter and enter it."""
    events: list[Event] = []
    alive: set[int] = set()
    for at in range(1, draw(st.integers(2, 9)) + 1):
        key = draw(st.sampled_from(KEYS))
        status = draw(st.sampled_from([*WORDS[:3], None])) if key in alive else draw(st.sampled_from(WORDS))
        events.append(Event(at, key, status, fresh=key not in alive))
        (alive.discard if status is None else alive.add)(key)
    return events


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[Event], list[tuple[str, int]]]:
    """A history, and the order in which its roads come along: each road's own order is that of commits.

    `r` is one event by replication, `p` one batch by the push of one to three events, `again` the last batch
    cut anew, `late` a whole row that was sent alone, `sgp` what SGP said of an event: of any, at any time.
    """
    events = draw(histories())
    tokens = [("r", 0)] * len(events) + [("p", draw(st.integers(1, 3))) for _ in events]
    tokens += [(draw(st.sampled_from(("late", "sgp", "again"))), draw(st.integers(0, len(events) - 1)))
               for _ in range(draw(st.integers(0, 6)))]  # fmt: skip
    return events, draw(st.permutations(tokens))


@pytest.fixture(scope="module")
def roads(pushed_window: PushedWindow) -> Iterator[tuple[Connection, Pusher]]:
    """Replication's session, with an origin as apply has one, and the push's."""
    with pushed_window.connect() as mirror, pushed_window.session() as push:
        mirror.execute("SELECT pg_replication_origin_create(%s)", [ORIGIN])
        mirror.execute("SELECT pg_replication_origin_session_setup(%s)", [ORIGIN])
        yield mirror, push
        mirror.execute("SELECT pg_replication_origin_session_reset()")
        mirror.execute("SELECT pg_replication_origin_drop(%s)", [ORIGIN])


def replicate(conn: Connection, event: Event) -> None:
    """Do what apply does: it finds rows by their key, and passes over those that are not there."""
    change = event.change()
    if isinstance(change, Delete):
        conn.execute("DELETE FROM vitrine.pedidos WHERE id = %s", [event.key])
        return
    columns = sql.SQL(", ").join(map(sql.Identifier, change.row))
    values = list(change.row.values())
    if event.fresh:
        query = sql.SQL("INSERT INTO vitrine.pedidos ({}) VALUES ({})")
    else:
        query = sql.SQL("UPDATE vitrine.pedidos SET ({}) = ROW({}) WHERE id = %s")
        values.append(str(event.key))
    conn.execute(query.format(columns, sql.SQL(", ").join(sql.Placeholder() * len(change.row))), values)


def push_batch(push: Pusher, events: Sequence[Event], *, until: int) -> None:
    push.take(*[one.change() for one in events], position=f"0/{until:X}")


def arrive(
    roads: tuple[Connection, Pusher], events: Sequence[Event], order: Sequence[tuple[str, int]]
) -> None:
    """Let everything come, each road's events in the order of their commits."""
    mirror, push = roads
    replicated = pushed = 0
    last = (0, 0)
    for road, number in order:
        match road:
            case "r":
                replicate(mirror, events[replicated])
                replicated += 1
            case "p" if pushed < len(events):
                last = (pushed, min(pushed + number, len(events)))
                pushed = last[1]
                push_batch(push, events[slice(*last)], until=pushed)
            case "again" if last[1]:
                # A sender that died may cut anew: from where it began to somewhere beyond.
                pushed = min(last[1] + 1, len(events))
                push_batch(push, events[last[0] : pushed], until=pushed)
            case "late" if events[number].status is not None:
                change = events[number].change()
                assert isinstance(change, Upsert)
                push.take_list(change.row)
            case "sgp":
                push.take_list(events[number].said_by_sgp())
    for at in range(pushed, len(events)):
        push_batch(push, events[at : at + 1], until=at + 1)


def expected(events: Sequence[Event]) -> list[tuple[int, int, str, str]]:
    last = {one.key: one for one in events}
    return [
        (key, one.at, f"v{one.at}", one.status) for key, one in sorted(last.items()) if one.status is not None
    ]


@settings(
    max_examples=60, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(drawn=arrivals())
def test_both_ends_are_equal_in_the_end(
    pushed_window: PushedWindow,
    roads: tuple[Connection, Pusher],
    drawn: tuple[list[Event], list[tuple[str, int]]],
) -> None:
    events, order = drawn
    pushed_window.empty()
    arrive(roads, events, order)
    mirror, _ = roads
    # What SGP said ahead of the mirror is settled by a beat that left a minute later.
    mirror.execute(
        "INSERT INTO vitrine.heartbeat (id, beat_at, versao) VALUES (1, %s, 1000)",
        [START + timedelta(minutes=5)],
    )
    assert read_orders(mirror) == expected(events)
    assert mirror.execute("SELECT FROM push.ahead").fetchall() == []
