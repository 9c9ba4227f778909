"""The two statements that keep the memory in step, and what their rows mean."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import LiteralString

from db.vps.changes import LOG_OF_CHANGES, ORDER_OF_CHANGE
from vps_readapi.memory.notice import Told

SET_UP_CONNECTION: LiteralString = """
SET TIME ZONE 'UTC';
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET jit = off
"""
"""For connections of prepared statements: planned anew for each change, as PostgreSQL would have it, the
first takes 0.5 ms of its 0.7; and a plan made once must not take the log for small. Before 18 a
scan that is ruled out costs so much in the planner's eyes that it would be compiled, at 0.1 s a time.
"""

PREPARE_CONFIRM: LiteralString = (
    """
PREPARE ponte_confirm (text) AS
SELECT s.now, CASE WHEN s.now <> $1 THEN (
  SELECT json_build_object(
    'pedidos', CASE WHEN count(*) > 20000 OR bool_or(c.chave IS NULL)
               THEN NULL
               ELSE coalesce(json_agg(json_build_array(c.pedido_id, c.xid))
                      FILTER (WHERE c.tabela <> ALL ({sessoes}) AND c.pedido_id IS NOT NULL), '[]') END,
    'sumiram', coalesce(json_agg(DISTINCT c.pedido_id) FILTER (
               WHERE c.tabela = 'pedidos'
                 AND NOT EXISTS (SELECT FROM vitrine.pedidos p WHERE p.id = c.pedido_id)), '[]'),
    'sessoes', count(*) > 20000 OR coalesce(bool_or(c.tabela = ANY ({sessoes})), false),
    'beat_at', (SELECT extract(epoch FROM h.beat_at) FROM vitrine.heartbeat h
                 WHERE isfinite(h.beat_at) ORDER BY h.beat DESC LIMIT 1),
    'received_at', (SELECT extract(epoch FROM h.received_at) FROM vitrine.heartbeat h
                     WHERE isfinite(h.beat_at) ORDER BY h.beat DESC LIMIT 1),
    'clock', extract(epoch FROM clock_timestamp()))
  FROM (
    (SELECT m.tabela, m.chave, {order} AS pedido_id, m.xid::text::bigint AS xid
      FROM {log}
     WHERE m.xid >= pg_snapshot_xmin($1::pg_snapshot)
       AND NOT pg_visible_in_snapshot(m.xid, $1::pg_snapshot)
     LIMIT 20001)
    UNION ALL
    SELECT 'usuarios', NULL, NULL, NULL
      FROM guard.epoca e WHERE e.horizonte > pg_snapshot_xmin($1::pg_snapshot)) c
) END
FROM (SELECT pg_current_snapshot()::text AS now) s
""".replace("{sessoes}", "ARRAY['usuarios', 'credenciais', 'revogacoes', 'revoked']")
    .replace("{log}", LOG_OF_CHANGES)
    .replace("{order}", ORDER_OF_CHANGE)
)
"""Confirm that nothing became visible since a snapshot, or tell what did.

A snapshot's text is equal to an earlier one only if no transaction that writes ended in between, in the
whole cluster; so equality needs no table, and what differs is found in the log by transaction. Beyond
20,000 changes everything counts as changed, and so it does where the log may have been forgotten beyond the
snapshot: the horizon is read with the log, because it moves with each beat.
"""

PREPARE_PEOPLE: LiteralString = """
PREPARE ponte_people AS
SELECT json_build_object(
  'usuarios', (
    SELECT json_object_agg(u.id, json_build_array(u.username, u.is_admin, u.setor,
             CASE WHEN c.mudou_em IS NULL THEN 0
                  WHEN isfinite(c.mudou_em) THEN (extract(epoch FROM c.mudou_em) * 1000000)::bigint
                  ELSE -1 END))
      FROM vitrine.usuarios u LEFT JOIN vitrine.credenciais c ON c.user_id = u.id
     WHERE u.is_active),
  'revogados', (
    SELECT json_agg(encode(r.digest, 'hex'))
      FROM (SELECT digest FROM vitrine.revogacoes WHERE expira_em IS NULL OR expira_em > now()
            UNION SELECT digest FROM auth.revoked WHERE expires_at > now()) r),
  'custo', (
    SELECT mode() WITHIN GROUP (ORDER BY substr(c.salt, 5, 2)) FROM vitrine.credenciais c
     WHERE c.salt ~ '^[$]2[aby][$](0[4-9]|1[0-4])[$]'))
"""
"""Who may read: active users, with when their passwords changed (0: never seen), and what was revoked."""

READ_EPOCH: LiteralString = """
SELECT concat_ws('.', e.epoca, c.system_identifier, extract(epoch FROM pg_postmaster_start_time()),
                 extract(epoch FROM b.stats_reset)),
       e.horizonte::text::bigint
FROM guard.epoca e, pg_control_system() c, pg_stat_bgwriter b
"""
"""The name of this database's life, and the horizon. A disk that was put back to an earlier moment keeps both
names and uses transactions' numbers a second time, so the server's start is part of it. So does a crash after
commits that were not flushed, in which the server goes on under the same start: it resets its statistics.
"""


@dataclass(frozen=True)
class Changes:
    """What became visible between two snapshots."""

    pedidos: tuple[int, ...] | None
    """Orders whose body may have changed, photos included; None is all of them."""
    sumiram: tuple[int, ...]
    """Those of them that are not there any more."""
    sessoes: bool
    """Somebody may read now who could not, or the other way round."""
    clock: Clock
    untold: tuple[int, ...] = ()
    """Those of `pedidos` that nobody has been told of yet, or not of every change."""
    transactions: Mapping[int, Sequence[int]] = field(default_factory=dict)
    """By which transactions each of `pedidos` changed; missing where that isn't known."""

    @classmethod
    def read(cls, row: Mapping[str, object], told: Collection[Told] = ()) -> Changes:
        """Read the statement's JSON object. told: what notifications have named already."""
        pares = None if row["pedidos"] is None else _pairs(row["pedidos"])
        return cls(
            pedidos=None if pares is None else _distinct(pares),
            untold=_distinct(pares - set(told)) if pares else (),
            transactions=_group(pares or ()),
            sumiram=_ids(row["sumiram"]),
            sessoes=bool(row["sessoes"]),
            clock=Clock(_instant(row["beat_at"]), _instant(row["received_at"]), _instant(row["clock"])),
        )


@dataclass(frozen=True)
class Clock:
    """The newest heartbeat, and the database's own time when it was read."""

    beat_at: datetime | None = None
    received_at: datetime | None = None
    read_at: datetime | None = None


def _ids(found: object) -> tuple[int, ...]:
    return tuple(one for one in found if isinstance(one, int)) if isinstance(found, list) else ()


def _pairs(found: object) -> set[Told]:
    return {(one[0], one[1]) for one in found} if isinstance(found, list) else set()


def _distinct(pairs: Collection[Told]) -> tuple[int, ...]:
    return tuple(sorted({pedido_id for pedido_id, _ in pairs}))


def _group(pairs: Collection[Told]) -> Mapping[int, Sequence[int]]:
    transactions: defaultdict[int, list[int]] = defaultdict(list)
    for pedido_id, xid in pairs:
        transactions[pedido_id].append(xid)
    return transactions


def _instant(epoch: object) -> datetime | None:
    if not isinstance(epoch, int | float):
        return None
    try:
        return datetime.fromtimestamp(epoch, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def read_xmin(snapshot: str) -> int:
    """Return the number below which every transaction has ended, as of a snapshot."""
    return int(snapshot.partition(":")[0])


def forget_since(snapshot: str) -> str:
    """Return a snapshot that has seen less, and is written differently: the next one brings the clock."""
    xmin = read_xmin(snapshot)
    before = f"{xmin}:{xmin}:"
    return before if before != snapshot else f"{xmin}:{xmin + 1}:{xmin}"
