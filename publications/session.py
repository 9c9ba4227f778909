"""One run of the command: its connections to all endpoints, and what it reads through them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psycopg

from db.engines import Connection, connect
from db.errors import PonteError
from publications.catalog import normalise_filters, read_endpoint, read_source
from publications.declaration import Declaration
from publications.plan import Plan, make_plan
from publications.privacy import RefusalError, check_privacy
from publications.settings import PublicationsSettings, dsn_variable
from publications.spec import EndpointSpec, TableName
from publications.wanted import HEARTBEAT, derive_hops, derive_wanted


class EndpointUnreachableError(PonteError):
    """A database does not answer."""


class MissingColumnError(RefusalError):
    """SGP has no such column."""


@dataclass(frozen=True)
class Reading:
    """What one look at all the databases gives."""

    plan: Plan
    refusals: tuple[RefusalError, ...]
    wanted: Mapping[str, EndpointSpec]
    live: Mapping[str, EndpointSpec]


class Session:
    """Connections to every endpoint of a declaration; use it as a context manager."""

    def __init__(self, declaration: Declaration, settings: PublicationsSettings) -> None:
        self.declaration = declaration
        self.settings = settings
        self.connections: dict[str, Connection] = {}

    def __enter__(self) -> Self:
        try:
            for endpoint in self.declaration.endpoints:
                self.connections[endpoint] = self._connect(endpoint)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open."""
        for connection in self.connections.values():
            connection.close()
        self.connections.clear()

    def _connect(self, endpoint: str) -> Connection:
        try:
            return connect(self.settings.dsn(endpoint))
        except psycopg.OperationalError as error:
            raise EndpointUnreachableError(
                f"endpoint {endpoint} can't be reached: {str(error).splitlines()[0]}",
                f"check {dsn_variable(endpoint)} and that the server runs",
            ) from error

    def read(self) -> Reading:
        """Compare the declaration with every database."""
        declaration = self.declaration
        intake = declaration.intake
        landed = [TableName.parse(table.name) for table in intake.tables]
        source = read_source(self.connections[intake.source], landed)
        filters = {
            key: value
            for endpoint, conn in self.connections.items()
            for key, value in normalise_filters(conn, declaration, endpoint).items()
        }
        wanted = derive_wanted(declaration, source=source, conninfos=self.settings.conninfos, filters=filters)
        hops = derive_hops(declaration, filters)
        live = {
            name: read_endpoint(
                conn,
                name,
                roles=wanted[name].roles.keys(),
                tables=self._tables(name),
                published=self._published(name),
            )
            for name, conn in self.connections.items()
        }
        refusals = [
            *check_privacy(declaration),
            *_check_columns(declaration, source),
        ]
        return Reading(
            make_plan(wanted, live, order=declaration.endpoints, hops=hops), tuple(refusals), wanted, live
        )

    def _tables(self, endpoint: str) -> list[TableName]:
        """The tables that arrive there, and the heartbeat."""
        arriving = [
            TableName.parse(table.name)
            for hop in self.declaration.hops
            if hop.target == endpoint
            for table in hop.tables
        ]
        return [*arriving, HEARTBEAT] if endpoint == self.declaration.intake.source else arriving

    def _published(self, endpoint: str) -> list[TableName]:
        return [
            TableName.parse(table.name)
            for hop in self.declaration.hops
            if hop.source == endpoint
            for table in hop.tables
        ]


def _check_columns(
    declaration: Declaration, source: Mapping[TableName, Mapping[str, object]]
) -> list[RefusalError]:
    """Return a refusal for each declared column that SGP has not; Ponte's own heartbeat may come later."""
    return [
        MissingColumnError(
            f"{declaration.intake.source} has no column {table.name}.{column}",
            "take it out of the declaration, or wait for SGP's own migration",
        )
        for table in declaration.intake.tables
        if not table.name.startswith("ponte.")
        for column in table.columns
        if column not in source.get(TableName.parse(table.name), {})
    ]
