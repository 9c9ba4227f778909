"""One run of the command: its connections to all endpoints, and what it reads through them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from db.engines import Connection
from db.errors import PonteError
from db.migrate import History
from db.reasons import explained
from db.sgp_file import SgpFileError, open_sgp_file, read_columns
from db.unreached import UnreachableError, open_database
from db.versions import require_newest
from publications.act.catalog import read_endpoint, read_source, read_types
from publications.act.copying import CopyReport, ignore
from publications.act.facts import read_facts
from publications.act.filters import normalise_filters
from publications.act.rights import check_rights
from publications.act.unsent import read_unsent
from publications.decide.facts import EndpointFacts, assume_facts
from publications.decide.filters import Filter, Filters
from publications.decide.findings import FindingError, find_findings
from publications.decide.hops import derive_hops
from publications.decide.landing import assume_source
from publications.decide.misfit import find_misfit
from publications.decide.plan import Plan, make_plan
from publications.decide.refusals.every import find_refusals
from publications.decide.refusals.situation import Situation
from publications.decide.source import SourceTables
from publications.decide.spec import EndpointSpec, HopSpec
from publications.decide.wanted import derive_kept, derive_wanted
from publications.declare.declaration import Declaration
from publications.declare.names import HEARTBEAT, TableName
from publications.declare.privacy import RefusalError
from publications.prove.pace import WHOLE, Pace
from publications.prove.pairs import derive_pairs
from publications.prove.ranges import FAN
from publications.prove.verify import Prover, find_lost, make_prover
from publications.prove.walk import PIECE_ROWS
from publications.settings import PublicationsSettings, dsn_variable

ARRIVAL_S = 3.0
"""So long the plan waits for what is under way before it calls a row lost."""


@dataclass(frozen=True)
class Reading:
    """What one look at all the databases gives."""

    plan: Plan
    refusals: tuple[RefusalError, ...]
    """Why it must not be carried out; none when it may."""
    findings: tuple[FindingError, ...]
    """What no step mends."""
    live: Mapping[str, EndpointSpec]

    @property
    def objections(self) -> tuple[PonteError, ...]:
        """Refusals and findings."""
        return (*self.refusals, *self.findings)


class Endpoints:
    """Connections to every endpoint of a declaration; use it as a context manager.

    partial: an endpoint that can't be reached is left out and taken to be as declared, unless all are away.
    """

    def __init__(
        self, declaration: Declaration, settings: PublicationsSettings, *, partial: bool = False
    ) -> None:
        self.declaration = declaration
        self.settings = settings
        self.connections: dict[str, Connection] = {}
        self.copy_report: CopyReport = ignore
        """Is told what is left whenever copies are waited for."""
        self._partial = partial
        self._away: dict[str, UnreachableError] = {}
        self._file_error: SgpFileError | None = None

    def __enter__(self) -> Self:
        try:
            for endpoint in self.declaration.endpoints:
                if endpoint not in self.unseen:
                    self._open(endpoint)
        except BaseException:
            self.close()
            raise
        return self

    @property
    def unseen(self) -> list[str]:
        """Return where things are pushed to and no way to the database is known."""
        return [push.target for push in self.declaration.pushes if push.target not in self.settings.dsns]

    def _open(self, endpoint: str) -> None:
        try:
            self.connections[endpoint] = self._connect(endpoint)
        except UnreachableError as error:
            self._away[endpoint] = error
            if not self._partial or len(self._away) == len(self.declaration.endpoints):
                raise

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
        source = dsn_variable(endpoint)
        connection = open_database(self.settings.dsn(endpoint), name=endpoint, source=source)
        try:
            check_rights(connection, endpoint, source)
            if endpoint in (histories := find_histories(self.declaration)):
                with self.telling(endpoint):
                    require_newest(connection, histories[endpoint], endpoint)
        except BaseException:
            connection.close()
            raise
        return connection

    def telling(self, endpoint: str) -> AbstractContextManager[None]:
        """Have what the endpoint's database refuses in the block raised as a sentence that names it."""
        return explained(endpoint, dsn_variable(endpoint))

    def read(self) -> Reading:
        """Compare the declaration with every database."""
        declaration = self.declaration
        source = self._read_source()
        filters: dict[tuple[TableName, str], Filter] = {}
        for endpoint, conn in self.connections.items():
            with self.telling(endpoint):
                filters |= normalise_filters(conn, declaration, endpoint)
        wanted = derive_wanted(declaration, source=source, conninfos=self.settings.conninfos, filters=filters)
        hops = derive_hops(declaration, filters)
        # Who receives is read first: a copy that ends meanwhile does not look like a slot left over.
        live = {name: wanted[name] for name in (*self._away, *self.unseen)}
        for name, conn in reversed(self.connections.items()):
            with self.telling(name):
                live[name] = read_endpoint(
                    conn,
                    name,
                    roles=wanted[name].roles.keys(),
                    tables=self._tables(name),
                    published=self._published(name),
                    kept=derive_kept(declaration, name),
                    exports=name == declaration.intake.target,
                )
        for hop in hops:
            live[hop.source] = self._find_misfit(hop, wanted, live)
            if hop.target != declaration.intake.target:  # it ends at a window
                live[hop.target] = replace(live[hop.target], lost=self._find_lost(hop, filters))
        facts = self._read_facts()
        if declaration.intake.is_fed:
            live.setdefault(declaration.intake.source, EndpointSpec(declaration.intake.source))
            facts[declaration.intake.source] = replace(assume_facts(), assumed=self._file_error is not None)
        seen = Situation(declaration, live, facts, source, filters, self.settings.conninfos)
        plan = make_plan(wanted, live, order=declaration.endpoints, hops=hops)
        return Reading(
            plan=Plan(tuple(step for step in plan.steps if step.endpoint in self.connections)),
            refusals=find_refusals(seen),
            findings=(
                *self._find_away(),
                *find_findings(declaration, live=live, source=source),
                *self._find_lost_on_landing(live),
            ),
            live=live,
        )

    def _find_misfit(
        self, hop: HopSpec, wanted: Mapping[str, EndpointSpec], live: Mapping[str, EndpointSpec]
    ) -> EndpointSpec:
        """Return the source with what of its slot can't be applied."""
        source, known = live[hop.source], live[hop.target].subscriptions.get(hop.subscription)
        slot = source.slots.get(known.slot or "") if known else None
        if known is None or slot is None or slot.lost or not {hop.source, hop.target} <= {*self.connections}:
            return source
        with self.telling(hop.source):
            sent = read_unsent(self.connections[hop.source], slot.name, known.publications)
        held = read_types(self.connections[hop.target], {one.table for one in sent or ()})
        for table, spec in wanted[hop.target].tables.items():
            held[table] = held.get(table, {}) | {one.name: one.type for one in spec.columns.values()}
        why = find_misfit(sent, held)
        return replace(source, slots={**source.slots, slot.name: replace(slot, misfit=why)})

    def _find_lost(self, hop: HopSpec, filters: Filters) -> frozenset[TableName]:
        """Compare what arrived; where an end is away, stands still or can't be read, nothing is known."""
        pairs = [pair for pair in derive_pairs(self.declaration, filters) if pair.target == hop.target]
        try:
            return find_lost(self._make_prover(), pairs)
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
            return frozenset()

    def _make_prover(self) -> Prover:
        return make_prover(self.connections, Pace(WHOLE), fence_s=ARRIVAL_S, rows=PIECE_ROWS * FAN)

    def _find_lost_on_landing(self, live: Mapping[str, EndpointSpec]) -> Iterable[FindingError]:
        """A gap on the way from SGP bears no name: say in which tables it shows. All are copied again."""
        intake = self.declaration.intake
        gap = live[intake.target].gap
        if gap is None or gap.noted or not {intake.source, intake.target} <= {*self.connections}:
            return
        prover = self._make_prover()
        for pair in derive_pairs(self.declaration, {}):
            if pair.target == intake.target and prover.prove(pair).differing:
                yield FindingError(
                    f"{intake.target}'s {pair.table} is not what {intake.source} has: changes were lost"
                    f" between beats {gap.after_beat} and {gap.beat}",
                    "run 'ponte apply': it copies that table again, and all others of that hop",
                )

    def _read_source(self) -> SourceTables:
        """Landing tables bear the names and types of SGP's: with SGP away they tell the same."""
        intake = self.declaration.intake
        landed = [table.name for table in intake.tables]
        if intake.is_fed:
            return self._read_file(landed)
        near = next((name for name in (intake.source, intake.target) if name in self.connections), None)
        return read_source(self.connections[near], landed) if near else {}

    def _read_file(self, landed: list[TableName]) -> SourceTables:
        """Where SGP is a file its names are there; the types are those that SGP has elsewhere."""
        self._file_error = None
        path = self.settings.sgp_file
        try:
            found = read_file_columns(path, [name for name in landed if name != HEARTBEAT]) if path else {}
        except SgpFileError as error:
            self._file_error = error
            found = {table.name: table.columns for table in self.declaration.intake.tables}
            found.pop(HEARTBEAT, None)
        return assume_source(found)

    def _find_away(self) -> Iterable[FindingError]:
        if self._file_error:
            yield FindingError(
                f"{self._file_error.fact}; it is taken to be as declared", self._file_error.hint
            )
        for name, error in self._away.items():
            yield FindingError(f"{error.fact}; {name} is left out and taken to be as declared", error.hint)

    def _read_facts(self) -> dict[str, EndpointFacts]:
        facts = {name: assume_facts() for name in (*self._away, *self.unseen)}
        for name, conn in self.connections.items():
            with self.telling(name):
                facts[name] = read_facts(
                    conn,
                    written=self._written(name),
                    published=self._published(name),
                    role=next((hop.role for hop in self.declaration.publishing if hop.source == name), ""),
                    columns=read_types(conn, {*self._written(name), *self._published(name)}),
                )
        return facts

    def _written(self, endpoint: str) -> list[TableName]:
        """Fed or not, the intake lands."""
        return [table.name for hop in self.declaration.ways if hop.target == endpoint for table in hop.tables]

    def _tables(self, endpoint: str) -> list[TableName]:
        """The tables that arrive there, and the heartbeat."""
        arriving = self._written(endpoint)
        return [*arriving, HEARTBEAT] if endpoint == self.declaration.intake.source else arriving

    def _published(self, endpoint: str) -> list[TableName]:
        hops = [hop for hop in self.declaration.publishing if hop.source == endpoint]
        return [table.name for hop in hops for table in hop.tables]


def read_file_columns(path: Path, tables: Iterable[TableName]) -> dict[TableName, tuple[str, ...]]:
    """Return the columns that SGP's file has; a table that is not there is left out. Raise SgpFileError."""
    with open_sgp_file(path) as conn:
        found = {table: read_columns(conn, table.name) for table in tables}
    return {table: columns for table, columns in found.items() if columns}


def find_histories(declaration: Declaration) -> dict[str, History]:
    """Return the migrations of each endpoint that holds the window."""
    subscribers = {export.target: History.VPS for export in declaration.active_exports}
    return {declaration.intake.target: History.INTRANET, **subscribers}
