"""Taking Ponte away: SGP is left as it was found, and this machine without our services."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from db.engines import Connection, connect
from db.reasons import explained
from db.sqlfile import read_blocks
from db.unreached import open_database
from db.waiting import wait_until
from publications.ddl.statement import compose, name_of
from publications.declare.declaration import Declaration
from publications.install import services, ssh
from publications.install.cluster import UNIT
from publications.install.errors import InstallError
from publications.install.folders import drop_all
from publications.install.intranet import FEEDER, PUSH, SERVICES, UNITS
from publications.install.machine import Machine
from publications.install.roles import drop_role
from publications.install.step import Step
from publications.settings import dsn_variable

_SQL = read_blocks("publications", "install")
SCHEMAS = ["ponte"]
"""What `ponte apply` makes in SGP beside publications and roles."""
END_S, POLL_S = 30, 0.1


@dataclass(frozen=True)
class Leaving:
    """The steps of one shop's end. The dsns are of administrators of SGP and of the vitrine.

    Where SGP is a file there is nothing of ours in it, nor beside it.
    """

    declaration: Declaration
    machine: Machine
    sgp_dsn: str
    vitrine_dsn: str

    def steps(self, *, delete_data: bool) -> Iterator[Step]:
        """Yield what is to be so, in order."""
        is_fed = self.declaration.intake.is_fed
        for name in (FEEDER, PUSH, *UNITS, ssh.UNIT):
            yield services.remove(name, self.machine)
        if not is_fed:
            yield self._leave_subscription()
        yield services.remove(UNIT, self.machine)
        if not is_fed:
            yield Step("take slot, publications, schema and roles out of SGP", self._is_clean, self._clean)
        if delete_data:
            yield from drop_all(self.machine, SERVICES)

    def _leave_subscription(self) -> Step:
        name = self.declaration.intake.subscription
        return Step(f"drop subscription {name} on the vitrine", self._is_unsubscribed, self._unsubscribe)

    @property
    def _named(self) -> dict[str, Any]:
        intake = self.declaration.intake
        return {
            "slot": intake.slot,
            "publications": [table.publication for table in intake.tables],
            "schemas": SCHEMAS,
            "roles": [
                intake.role,
                *(role.name for role in self.declaration.roles if role.on == intake.source),
            ],
            "subscription": intake.subscription,
        }

    def _is_unsubscribed(self) -> bool:
        """A vitrine that is stopped or lost subscribes to nothing: what it left in SGP goes by name."""
        try:
            with connect(self.vitrine_dsn) as conn:
                return not _ask(conn, "subscribed", self._named)
        except psycopg.OperationalError:
            return True

    def _unsubscribe(self) -> None:
        """Let PostgreSQL drop the slots on SGP, those of copies under way, too."""
        name = self.declaration.intake.target
        with (
            open_database(self.vitrine_dsn, name=name, source=dsn_variable(name)) as conn,
            explained(name, ""),
        ):
            conn.execute(compose("DROP SUBSCRIPTION {}", name_of(self.declaration.intake.subscription)))

    def _open_sgp(self) -> Connection:
        name = self.declaration.intake.source
        return open_database(self.sgp_dsn, name=name, source=dsn_variable(name))

    def _is_clean(self) -> bool:
        with self._open_sgp() as conn:
            return not _ask(conn, "left", self._named)

    def _clean(self) -> None:
        name, named = self.declaration.intake.source, self._named
        with self._open_sgp() as conn, explained(name, dsn_variable(name)):
            _drop_slot(conn, named)
            with conn.transaction():
                conn.execute(_SQL["patience"])
                for publication in named["publications"]:
                    conn.execute(compose("DROP PUBLICATION IF EXISTS {}", name_of(publication)))
                for schema in named["schemas"]:
                    conn.execute(compose("DROP SCHEMA IF EXISTS {} CASCADE", name_of(schema)))
                for [role] in conn.execute(_SQL["existing_roles"], named).fetchall():
                    drop_role(conn, role)


def _drop_slot(conn: Connection, named: dict[str, Any]) -> None:
    def is_gone() -> bool:
        conn.execute(_SQL["end_sender"], named)
        conn.execute(_SQL["drop_slot"], named)
        return not _ask(conn, "has_slot", named)

    if not wait_until(is_gone, END_S, poll_s=POLL_S):
        raise InstallError(
            f"slot {named['slot']} on SGP is still read by somebody",
            "stop the vitrine's server, then run it again",
        )


def _ask(conn: Connection, block: str, named: dict[str, Any]) -> bool:
    row = conn.execute(_SQL[block], named).fetchone()
    return bool(row and row[0])
