"""Read one database's catalog into the types of `spec`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from psycopg import sql

from db.engines import Connection
from db.sqlfile import read_blocks
from publications.act.subscriptions import read_subscriptions
from publications.ddl.notes import PENDING, TO_COPY
from publications.decide.columns import USUAL
from publications.decide.source import SourceColumn, SourceTables
from publications.decide.spec import (
    COPY,
    SWEEP,
    ColumnSpec,
    EndpointSpec,
    GapSpec,
    GrantKind,
    GrantSpec,
    IdentitySpec,
    Position,
    PublicationSpec,
    PublishedTableSpec,
    PushSpec,
    RoleSpec,
    SlotSpec,
    StrangeSlot,
    TableSpec,
    TriggerSpec,
    Unusual,
)
from publications.declare.names import TableName

_SQL = read_blocks("publications", "catalog")


def read_version(conn: Connection) -> tuple[int, str]:
    """Return the server's version as a number (180006) and as text ("18.6")."""
    row = conn.execute(_SQL["version"]).fetchone()
    assert row is not None  # noqa: S101  # a SELECT without FROM has a row
    return row[0], row[1].split()[0]


def read_endpoint(
    conn: Connection,
    name: str,
    *,
    roles: Collection[str],
    tables: Collection[TableName],
    published: Collection[TableName],
    kept: Mapping[TableName, Collection[str]],
    exports: bool,
) -> EndpointSpec:
    """Return what the database has of the named roles and tables, and all its replication objects.

    published: the tables whose replica identity matters here; kept: the columns of tables that may hold
    something, where others may not; exports: whether others' servers come here, so that it must be closed.
    """
    identities, keys = _read_identities(conn, published)
    found = _read_tables(conn, tables)
    notes = _find_gap_notes(conn)
    return EndpointSpec(
        name=name,
        roles=_read_roles(conn, roles),
        grants=_read_grants(conn, roles),
        tables=found,
        identities=identities,
        keys=keys,
        publications=_read_publications(conn),
        slots={row[0]: SlotSpec(*row) for row in conn.execute(_SQL["slots"])},
        subscriptions=read_subscriptions(conn),
        unusual=tuple(_read_unusual(conn)),
        pushes=_read_pushes(conn),
        open_to_all=_read_open(conn) if exports else frozenset(),
        strange_slots=tuple(StrangeSlot(*row) for row in conn.execute(_SQL["strange_slots"])),
        orphan_origins=frozenset(row[0] for row in conn.execute(_SQL["orphan_origins"])),
        stale={
            table: stale
            for table, columns in kept.items()
            if table in found and (stale := _read_stale(conn, table, found[table].columns.keys() - columns))
        },
        position=_read_position(conn, found.values()),
        gap=_read_gap(conn, notes) if notes else None,
        gap_notes=notes,
    )


def read_source(conn: Connection, tables: Collection[TableName]) -> SourceTables:
    """Return the columns of the source's tables; a table that is not there is left out."""
    found: dict[TableName, dict[str, SourceColumn]] = defaultdict(dict)
    for schema, table, column, type_, built_in, _, in_key in _read_columns(conn, tables):
        found[TableName(schema, table)][column] = SourceColumn(type_, built_in=built_in, in_key=in_key)
    return found


def read_types(conn: Connection, tables: Collection[TableName]) -> dict[TableName, dict[str, str]]:
    """Return the types of the tables' columns."""
    found: dict[TableName, dict[str, str]] = defaultdict(dict)
    for schema, table, column, type_, *_ in _read_columns(conn, tables):
        found[TableName(schema, table)][column] = type_
    return found


def _read_roles(conn: Connection, roles: Collection[str]) -> dict[str, RoleSpec]:
    return {
        name: RoleSpec(
            name,
            replication=replication,
            settings=frozenset(tuple(setting.split("=", 1)) for setting in settings),
            powers=frozenset(powers),
            connections=connections,
        )
        for name, replication, settings, powers, connections in conn.execute(_SQL["roles"], [list(roles)])
    }


def _read_grants(conn: Connection, roles: Collection[str]) -> frozenset[GrantSpec]:
    return frozenset(
        GrantSpec(role, GrantKind(kind), target, privilege, column)
        for role, kind, target, privilege, column in conn.execute(_SQL["grants"], [list(roles)])
    )


def _read_open(conn: Connection) -> frozenset[GrantSpec]:
    rows = conn.execute(_SQL["open_to_all"])
    return frozenset(GrantSpec("public", GrantKind(kind), *rest) for kind, *rest in rows)


def _read_columns(
    conn: Connection, tables: Collection[TableName]
) -> Iterable[tuple[str, str, str, str, bool, bool, bool]]:
    return conn.execute(_SQL["columns"], [[str(table) for table in tables]])


def _read_tables(conn: Connection, tables: Collection[TableName]) -> dict[TableName, TableSpec]:
    columns: dict[TableName, dict[str, ColumnSpec]] = defaultdict(dict)
    keys: dict[TableName, tuple[str, ...]] = defaultdict(tuple)
    for schema, table, column, type_, _, not_null, in_key in _read_columns(conn, tables):
        name = TableName(schema, table)
        columns[name][column] = ColumnSpec(column, type_, not_null=not_null)
        keys[name] += (column,) if in_key else ()
    triggers = _read_triggers(conn, tables)
    pending = _read_pending(conn, tables)
    return {
        name: TableSpec(
            name,
            found,
            keys[name],
            frozenset(triggers[name]),
            frozenset(pending[name]),
            _is_filled(conn, name),
        )
        for name, found in columns.items()
    }


def _is_filled(conn: Connection, table: TableName) -> bool:
    query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(table.schema, table.name))
    row = conn.execute(query).fetchone()
    return row is not None and bool(row[0])


def _read_pending(conn: Connection, tables: Collection[TableName]) -> dict[TableName, set[str]]:
    found: dict[TableName, set[str]] = defaultdict(set)
    for schema, table, column, note in conn.execute(_SQL["comments"], [[str(table) for table in tables]]):
        if note == PENDING:
            found[TableName(schema, table)].add(column)
        elif note == TO_COPY and column == SWEEP:
            found[TableName(schema, table)].add(COPY)
    return found


def _read_identities(
    conn: Connection, tables: Collection[TableName]
) -> tuple[dict[TableName, IdentitySpec], dict[TableName, str]]:
    identities, keys = {}, {}
    rows = conn.execute(_SQL["identities"], [[str(table) for table in tables]])
    for schema, table, kind, columns, index, key in rows:
        name = TableName(schema, table)
        identities[name] = IdentitySpec(frozenset(columns), index.split(".")[-1], full=kind in {"f", "n"})
        if key is not None:
            keys[name] = key
    return identities, keys


def _read_triggers(conn: Connection, tables: Collection[TableName]) -> dict[TableName, set[TriggerSpec]]:
    found: dict[TableName, set[TriggerSpec]] = defaultdict(set)
    rows = conn.execute(_SQL["triggers"], [[str(table) for table in tables]])
    for schema, table, name, function, always in rows:
        found[TableName(schema, table)].add(TriggerSpec(name, function, always))
    return found


def _read_stale(conn: Connection, table: TableName, columns: Collection[str]) -> dict[str, str]:
    """Return those of the columns that hold something else than their default, with that as SQL."""
    if not columns:
        return {}
    name = sql.Identifier(table.schema, table.name)
    defaults: dict[str, str] = dict(conn.execute(_SQL["defaults"], [name.as_string(conn)]).fetchall())
    query = "SELECT EXISTS (SELECT FROM {} WHERE {} IS DISTINCT FROM {})"
    found = {}
    for column in sorted(columns):
        parts = (name, sql.Identifier(column), sql.SQL(defaults[column]))
        if conn.execute(sql.SQL(query).format(*parts)).fetchone() == (True,):
            found[column] = defaults[column]
    return found


def _read_position(conn: Connection, arriving: Iterable[TableSpec]) -> Position:
    received: dict[str, int] = dict(conn.execute(_SQL["received"]).fetchall())
    held = [_read_newest(conn, table.table) for table in arriving if "versao" in table.columns]
    wal_bytes, given = conn.execute(_SQL["position"]).fetchone() or (None, None)
    return Position(wal_bytes, received, given, max(filter(None, held), default=None))


def _find_gap_notes(conn: Connection) -> TableName | None:
    for table in (TableName("projection", "gaps"), TableName("guard", "gaps")):
        if conn.execute("SELECT to_regclass(%s)", [str(table)]).fetchone() != (None,):
            return table
    return None


def _read_gap(conn: Connection, notes: TableName) -> GapSpec | None:
    query = sql.SQL("SELECT max(id), min(after_beat), max(beat), bool_and(noted) FROM {}")
    row = conn.execute(query.format(sql.Identifier(notes.schema, notes.name))).fetchone()
    return GapSpec(*row) if row and row[0] is not None else None


def _read_newest(conn: Connection, table: TableName) -> int | None:
    query = sql.SQL("SELECT max(versao) FROM {}").format(sql.Identifier(table.schema, table.name))
    row = conn.execute(query).fetchone()
    return row[0] if row else None


def _read_publications(conn: Connection) -> dict[str, PublicationSpec]:
    tables: dict[str, set[PublishedTableSpec]] = defaultdict(set)
    shapes: dict[str, tuple[frozenset[str], bool]] = {}
    for name, schema, table, columns, where, operations, everything in conn.execute(_SQL["publications"]):
        shapes[name] = (frozenset(operations), everything)
        if table is not None:
            listed = None if columns is None else frozenset(columns)
            tables[name].add(PublishedTableSpec(TableName(schema, table), listed, where))
    return {
        name: PublicationSpec(name, frozenset(tables[name]), operations, everything)
        for name, (operations, everything) in shapes.items()
    }


def _read_pushes(conn: Connection) -> dict[str, PushSpec]:
    """Return what is pushed from here; nothing where no such table is: on other endpoints."""
    if conn.execute("SELECT to_regclass('push.ways')").fetchone() == (None,):
        return {}
    return {
        subscriber: PushSpec(subscriber, role, slot, frozenset(publications))
        for subscriber, role, slot, publications in conn.execute(_SQL["pushes"])
    }


def _read_unusual(conn: Connection) -> Iterable[Unusual]:
    """A column that this version does not have is as usual."""
    for catalog, name, column, value in conn.execute(_SQL["unusual"]):
        usual = USUAL[catalog].get(column)
        if usual is not None and value != usual.value:
            yield Unusual(catalog, name, column, value)
