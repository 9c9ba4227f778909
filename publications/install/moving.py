"""SGP moves from a SQLite file to PostgreSQL: what has to hold before a subscription follows the feeder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import psycopg
from psycopg import sql

from db.engines import Connection
from db.errors import PonteError
from db.sqlfile import read_blocks
from publications.act.endpoints import Endpoints
from publications.declare.declaration import Declaration
from publications.install.errors import InstallError
from publications.install.roles import drop_role
from publications.install.step import Step
from publications.prove.pairs import derive_pairs
from publications.prove.sides import make_canonical
from publications.prove.walk import PIECE_ROWS, make_walk
from publications.settings import PublicationsSettings

_Check = Callable[[Declaration, Mapping[str, Connection]], None]

FORGETTING = ("forget_fed", "forget_unread_values", "forget_file")
_SQL = read_blocks("publications", "install")


@dataclass(frozen=True)
class Move:
    """The steps around that one change; where nothing was ever fed, all of them are done."""

    declaration: Declaration
    settings: Callable[[], PublicationsSettings]
    """Read when they are needed: an installation that has only begun has none."""

    def before(self) -> Iterator[Step]:
        """Yield what is looked at while SGP stands still and the window shows what its file held."""
        for says, check in (
            ("each row of SGP's PostgreSQL is the one that its file held", require_equal_rows),
            ("the sequences of SGP's PostgreSQL are beyond its rows", require_free_numbers),
        ):
            do = partial(self._check, check)
            yield Step(says, partial(_ends_well, do), do)

    def part(self) -> Step:
        """Return the step that takes the feeder's role away, whose service is gone."""
        return Step("the feeder's role is taken away", partial(self._tells, _has_no_role), self._drop_role)

    def after(self) -> Step:
        """Return the step by which a feeder that comes back one day begins with a look at every row."""
        says = "what the feeder remembers is forgotten"
        return Step(says, partial(self._tells, _remembers_nothing), self._forget)

    def _open(self) -> Endpoints:
        return Endpoints(self.declaration, self.settings())

    def _check(self, check: _Check) -> None:
        """Check, unless nothing moves: it was never fed, or the subscription has taken over."""
        with self._open() as endpoints:
            if _moves(self.declaration, endpoints.connections):
                check(self.declaration, endpoints.connections)

    def _tells(self, question: Callable[[Declaration, Connection], bool]) -> bool:
        try:
            with self._open() as endpoints:
                return question(self.declaration, endpoints.connections[self.declaration.intake.target])
        except (PonteError, psycopg.Error):
            return False

    def _drop_role(self) -> None:
        with self._open() as endpoints:
            drop_role(endpoints.connections[self.declaration.intake.target], self.declaration.intake.role)

    def _forget(self) -> None:
        with self._open() as endpoints:
            conn = endpoints.connections[self.declaration.intake.target]
            with conn.transaction():
                for block in FORGETTING:
                    conn.execute(_SQL[block])


def _ends_well(do: Callable[[], None]) -> bool:
    try:
        do()
    except (PonteError, psycopg.Error):
        return False
    return True


def _moves(declaration: Declaration, connections: Mapping[str, Connection]) -> bool:
    window = connections[declaration.intake.target]
    named = {"subscription": declaration.intake.subscription}
    return not _remembers_nothing(declaration, window) and not _ask(window, "subscribed", named)


def _remembers_nothing(_: Declaration, window: Connection) -> bool:
    return not _ask(window, "was_fed", {})


def _has_no_role(declaration: Declaration, window: Connection) -> bool:
    return not window.execute(_SQL["existing_roles"], {"roles": [declaration.intake.role]}).fetchall()


def require_equal_rows(declaration: Declaration, connections: Mapping[str, Connection]) -> None:
    """Compare what SGP's server holds with what its file brought. Raise InstallError for the first table."""
    intake = declaration.intake
    source, target = connections[intake.source], connections[intake.target]
    for conn in (source, target):
        make_canonical(conn)
    for pair in derive_pairs(declaration, {}):
        if pair.source != intake.source:
            continue
        walk = make_walk(pair, source, target, fence_s=0)
        keys = [one.key for piece in walk.run(PIECE_ROWS) for one in piece.found]
        if keys:
            raise InstallError(
                f"{len(keys)} rows of {pair.table} are not in SGP's PostgreSQL what they were in its file,"
                f" first that with id {keys[0]!s}",
                "with SGP stopped copy them anew, then run this again; until then all is as before",
            )


def require_free_numbers(declaration: Declaration, connections: Mapping[str, Connection]) -> None:
    """Find a sequence that would give a number that a row has. Raise InstallError."""
    conn = connections[declaration.intake.source]
    for schema, table, column, sequence, following in conn.execute(_SQL["sequences"]).fetchall():
        query = sql.SQL("SELECT coalesce(max({}), 0)::bigint FROM {}")
        row = conn.execute(query.format(sql.Identifier(column), sql.Identifier(schema, table))).fetchone()
        if row and row[0] >= following:
            raise InstallError(
                f"SGP's next row of {schema}.{table} would get number {following}, and {row[0]} is taken",
                f"run on SGP's database: SELECT setval('{sequence}', {row[0]})",
            )


def _ask(conn: Connection, block: str, named: Mapping[str, str]) -> bool:
    row = conn.execute(_SQL[block], named).fetchone()
    return bool(row and row[0])
