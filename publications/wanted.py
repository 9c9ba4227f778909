"""From the declaration to what each endpoint should have. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from db.intranet.models import LANDING_COLUMNS
from publications.declaration import Declaration, Export, Grant, Hop, Intake, LandedTable, PublishedTable
from publications.spec import (
    ColumnSpec,
    EndpointSpec,
    GrantKind,
    GrantSpec,
    PublicationSpec,
    PublishedTableSpec,
    RoleSpec,
    SlotSpec,
    SubscriptionSpec,
    TableName,
    TableSpec,
    TriggerSpec,
)

HEARTBEAT = TableName("ponte", "heartbeat")
_HEARTBEAT_COLUMNS = (
    ColumnSpec("id", "smallint", not_null=True),
    ColumnSpec("beat", "bigint", not_null=True),
    ColumnSpec("beat_at", "timestamp with time zone"),
)


@dataclass(frozen=True)
class SourceColumn:
    """A column as the source has it."""

    type: str
    built_in: bool
    in_key: bool = False


SourceTables = Mapping[TableName, Mapping[str, SourceColumn]]
Filters = Mapping[tuple[TableName, str], str]
"""The server's own wording of each declared filter."""


def derive_wanted(
    declaration: Declaration,
    *,
    source: SourceTables,
    conninfos: Mapping[str, Mapping[str, str]],
    filters: Filters,
) -> dict[str, EndpointSpec]:
    """Return each endpoint's wanted state by name.

    source: the columns of SGP's tables, for the types of the landing tables;
    conninfos: by subscription, the libpq keywords with which the target reaches the source.
    """
    return {
        name: EndpointSpec(
            name=name,
            roles=_roles(declaration, name),
            grants=frozenset(_grants(declaration, name)),
            tables=_tables(declaration, name, source),
            publications=_publications(declaration, name, filters),
            slots={hop.slot: SlotSpec(hop.slot) for hop in declaration.hops if hop.source == name},
            subscriptions={
                hop.subscription: _subscription(hop, conninfos.get(hop.subscription, {}))
                for hop in declaration.hops
                if hop.target == name
            },
        )
        for name in declaration.endpoints
    }


def _roles(declaration: Declaration, endpoint: str) -> dict[str, RoleSpec]:
    carriers = [RoleSpec(hop.role, replication=True) for hop in declaration.hops if hop.source == endpoint]
    services = [
        RoleSpec(role.name, settings=frozenset(role.settings.items()))
        for role in declaration.roles
        if role.on == endpoint
    ]
    return {role.name: role for role in (*carriers, *services)}


def _grants(declaration: Declaration, endpoint: str) -> Iterable[GrantSpec]:
    for hop in declaration.hops:
        if hop.source == endpoint:
            for table in hop.tables:
                yield from _column_grants(hop.role, "select", table.name, _copied_columns(table))
    for role in declaration.roles:
        if role.on == endpoint:
            for grant in role.grants:
                yield from _role_grants(role.name, grant)


def _copied_columns(table: PublishedTable) -> tuple[str, ...]:
    """The initial copy reads the listed columns and, through them, the filter."""
    return table.columns


def _column_grants(role: str, privilege: str, table: str, columns: Iterable[str]) -> Iterable[GrantSpec]:
    yield GrantSpec(role, GrantKind.SCHEMA, table.split(".", maxsplit=1)[0], "usage")
    for column in columns:
        yield GrantSpec(role, GrantKind.TABLE, table, privilege, column)


def _role_grants(role: str, grant: Grant) -> Iterable[GrantSpec]:
    target = grant.table or grant.function or ""
    kind = GrantKind.TABLE if grant.table else GrantKind.FUNCTION
    yield GrantSpec(role, GrantKind.SCHEMA, target.split(".", maxsplit=1)[0], "usage")
    for privilege in grant.privileges:
        if grant.columns:
            yield from _column_grants(role, privilege, target, grant.columns)
        else:
            yield GrantSpec(role, kind, target, privilege)


def _tables(declaration: Declaration, endpoint: str, source: SourceTables) -> dict[TableName, TableSpec]:
    intake = declaration.intake
    if endpoint == intake.source:
        return {HEARTBEAT: _table(HEARTBEAT, _HEARTBEAT_COLUMNS)}
    if endpoint == intake.target:
        return {TableName.parse(table.name): _landing(table, source) for table in intake.tables}
    return {}


def _landing(table: LandedTable, source: SourceTables) -> TableSpec:
    """Shape a landing table: SGP's names and types, enums and limited text as text, NOT NULL only the key."""
    name = TableName.parse(table.name)
    given = source.get(name, {column.name: _built_in(column) for column in _HEARTBEAT_COLUMNS})
    wanted = dict.fromkeys((*LANDING_COLUMNS.get(table.name, ()), *table.columns))
    columns = [_landing_column(column, given.get(column)) for column in wanted]
    return _table(name, columns, TriggerSpec("project", f"projection.{table.projection}"))


def _built_in(column: ColumnSpec) -> SourceColumn:
    return SourceColumn(column.type, built_in=True, in_key=column.name == "id")


def _landing_column(name: str, source: SourceColumn | None) -> ColumnSpec:
    if source is None or not source.built_in or source.type == "character varying":
        return ColumnSpec(name, "text")
    return ColumnSpec(name, source.type, not_null=source.in_key)


def _table(name: TableName, columns: Iterable[ColumnSpec], *triggers: TriggerSpec) -> TableSpec:
    return TableSpec(name, {column.name: column for column in columns}, ("id",), frozenset(triggers))


def _publications(declaration: Declaration, endpoint: str, filters: Filters) -> dict[str, PublicationSpec]:
    return {
        table.publication: PublicationSpec(
            table.publication, frozenset({_published(table, filters)}), frozenset(hop.operations)
        )
        for hop in declaration.hops
        if hop.source == endpoint
        for table in hop.tables
    }


def _published(table: PublishedTable, filters: Filters) -> PublishedTableSpec:
    name = TableName.parse(table.name)
    where = table.where and filters.get((name, table.where), table.where)
    return PublishedTableSpec(name, frozenset(table.columns), where)


def _subscription(hop: Hop, conninfo: Mapping[str, str]) -> SubscriptionSpec:
    if not isinstance(hop, Intake | Export):
        raise TypeError(hop)
    return SubscriptionSpec(
        name=hop.subscription,
        slot=hop.slot,
        publications=frozenset(table.publication for table in hop.tables),
        conninfo=frozenset({**conninfo, **hop.connection, "user": hop.role}.items()),
        options=frozenset((name, str(value).lower()) for name, value in hop.options.model_dump().items()),
        tables=frozenset(TableName.parse(table.name) for table in hop.tables),
    )
