"""Heals by itself what the watch found, where the shop has said that it may."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg
from pydantic import SecretStr

from db.engines import connect
from db.errors import PonteError
from publications.prove.differences import Kind
from publications.prove.heal import Healer
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
            log.warning("not_healed table=%s differing=%d removals=too_many", proof.table, proof.differing)
            return
        names = {one.endpoint} if isinstance(one, Shown) else {one.source, one.target}
        try:
            with ExitStack() as ends:
                opened = {
                    name: ends.enter_context(connect(self.dsns[name].get_secret_value())) for name in names
                }
                for conn in opened.values():
                    make_canonical(conn)
                healer = Healer(opened, fence_s=ARRIVAL_S)
                healer.heal(one, proof.listed)
        except psycopg.Error as error:
            log.warning("not_healed table=%s sqlstate=%s", proof.table, error.sqlstate)
        except PonteError as error:
            log.warning("not_healed table=%s reason=%s", proof.table, error.fact)
        else:
            done = healer.done
            log.warning(
                "healed table=%s written=%d removed=%d bytes=%d",
                proof.table,
                done.written,
                done.removed,
                done.moved_bytes,
            )
