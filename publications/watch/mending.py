"""Heals by itself what the watch found, where the shop has said that it may."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from pydantic import SecretStr

from db.engines import connect
from db.errors import PonteError
from db.logs import log_event
from publications.prove.differences import Kind
from publications.prove.heal import Healed, Healer
from publications.prove.pairs import Shown
from publications.prove.sides import make_canonical
from publications.prove.verify import Compared, TableProof
from publications.watch.proofs import ARRIVAL_S

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SelfMender:
    """Heals all but too many removals: where a source lost its rows, they are left for people to look at.

    dsns: of administrators, who may write; removed_percent: of the rows that are there.
    """

    dsns: Mapping[str, SecretStr]
    removed_percent: float

    def allows(self, proof: TableProof) -> bool:
        """Tell whether so many may be removed without asking."""
        removed = proof.counts[Kind.EXTRA] + proof.counts[Kind.LEFT_FILTER]
        return removed * 100 <= self.removed_percent * (proof.rows + removed)

    def mend(self, one: Compared, proof: TableProof) -> None:
        """Heal rows of one table, or leave them to people; what goes wrong is tried again next time."""
        if not self.allows(proof):
            _tell("not_healed", proof, reason="too many would be removed")
            return
        try:
            done = self._heal(one, proof)
        except psycopg.Error as error:
            _tell("not_healed", proof, sqlstate=error.sqlstate)
        except PonteError as error:
            _tell("not_healed", proof, reason=error.fact)
        else:
            _tell("healed", proof, written=done.written, removed=done.removed, moved_bytes=done.moved_bytes)

    def _heal(self, one: Compared, proof: TableProof) -> Healed:
        names = {one.endpoint} if isinstance(one, Shown) else {one.source, one.target}
        with ExitStack() as ends:
            opened = {name: ends.enter_context(connect(self.dsns[name].get_secret_value())) for name in names}
            for conn in opened.values():
                make_canonical(conn)
            healer = Healer(opened, fence_s=ARRIVAL_S)
            healer.heal(one, proof.listed)
        return healer.done


def _tell(event: LiteralString, proof: TableProof, **fields: object) -> None:
    log_event(
        log,
        event,
        level=logging.WARNING,
        table=proof.table,
        hop=proof.hop,
        differing=proof.differing,
        **fields,
    )
