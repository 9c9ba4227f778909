"""From the declaration to what each endpoint should have. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from db.intranet.models import LANDING_COLUMNS, LANDING_TYPES
from db.window import RECEIVED_COLUMNS, find_key
from publications.decide.spec import (
    MEMBER_OF,
    ColumnSpec,
    EndpointSpec,
    GrantKind,
    GrantSpec,
    HopSpec,
    IdentitySpec,
    PublicationSpec,
    PublishedTableSpec,
    PushSpec,
    RoleSpec,
    SlotSpec,
    SubscriptionSpec,
    TableSpec,
    TriggerSpec,
)
from publications.declare.declaration import (
    Declaration,
    Export,
    Grant,
    Hop,
    Intake,
    LandedTable,
    Options,
    Privacy,
    PublishedTable,
)
from publications.declare.names import TableName

VERSION = "versao"
SEALED = frozenset({"credenciais", "revogacoes"})
"""Tables of what logins hang on: who proves all the time compares them by key and version alone."""
WRITTEN_BY = "xmin"
"""The system column that is another one after each change of a row."""
HEARTBEAT = TableName("ponte", "heartbeat")
_HEARTBEAT_COLUMNS = (
    ColumnSpec("id", "smallint", not_null=True),
    ColumnSpec("beat", "bigint", not_null=True),
    ColumnSpec("beat_at", "timestamp with time zone"),
)


_ALL = ("select", "insert", "update", "delete")
_FED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("vitrine.pedidos", "vitrine.imagens", "vitrine.usuarios", "vitrine.heartbeat"), _ALL),
    **dict.fromkeys(
        ("projection.dead_letters", "projection.fed_rows", "projection.unread_values", "projection.feed"),
        _ALL,
    ),
    "projection.conflicts": ("select", "insert", "update"),
    "projection.gaps": ("select", "insert", "delete"),
    "projection.batches": ("select", "insert", "delete"),
}
"""What the feeder's role may do beside landing."""
FEEDERS_LOCK = "pg_catalog.pg_try_advisory_lock(bigint)"
"""By it the feeder knows that it is the only one; nobody else may lock so."""
CARRIER_CONNECTIONS = 8
"""One that follows and those that copy tables; more would be somebody who wants to use them all up."""
CARRIER_SETTINGS = {"temp_file_limit": "64MB"}
"""Which only a superuser may change: what travels is neither sorted nor joined."""


_PUSHING = (
    "push.hold(text)",
    "push.look(text)",
    "push.given_versao(text)",
    "push.peek(text, pg_lsn, integer)",
    "push.wait(pg_lsn, double precision, double precision)",
    "push.advance(text, pg_lsn, pg_lsn)",
    "push.begin(text)",
    "push.tell_fault(text, text, text, text)",
    "push.tell_copy(text, bigint, bigint)",
    "push.tell_beat(text, bigint, timestamp with time zone)",
)
"""What a push's role may call; each knows its slot and publications by itself."""


@dataclass(frozen=True)
class SourceColumn:
    """A column as the source has it."""

    type: str
    built_in: bool
    in_key: bool = False


SourceTables = Mapping[TableName, Mapping[str, SourceColumn]]


@dataclass(frozen=True)
class Filter:
    """A declared row filter as the server understands it."""

    where: str
    """In the server's own wording."""
    columns: frozenset[str]


Filters = Mapping[tuple[TableName, str], Filter]
"""By table and declared wording."""


def assume_source(columns: Mapping[TableName, Iterable[str]]) -> SourceTables:
    """Give the columns of SGP's file the types that SGP's own tables have on PostgreSQL."""
    return {table: {name: _typed_column(table, name) for name in names} for table, names in columns.items()}


def _typed_column(table: TableName, column: str) -> SourceColumn:
    known = LANDING_TYPES.get(str(table), {})
    return SourceColumn(known.get(column, "text"), built_in=True, in_key=column == "id")


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
            grants=frozenset(_grants(declaration, name, filters)),
            tables=_tables(declaration, name, source),
            identities=_identities(declaration, name, filters),
            publications=_publications(declaration, name, filters),
            slots=_slots(declaration, name),
            pushes={
                push.target: PushSpec(
                    push.target, push.role, push.kept_by, frozenset(one.publication for one in push.tables)
                )
                for push in declaration.pushes
                if push.source == name
            },
            subscriptions={
                hop.subscription: _subscription(hop, conninfos.get(hop.subscription, {}))
                for hop in declaration.hops
                if hop.target == name
            },
        )
        for name in declaration.endpoints
    }


def _slots(declaration: Declaration, endpoint: str) -> dict[str, SlotSpec]:
    names = [hop.slot for hop in declaration.hops if hop.source == endpoint]
    names += [push.kept_by for push in declaration.pushes if push.source == endpoint]
    return {name: SlotSpec(name) for name in names}


def _roles(declaration: Declaration, endpoint: str) -> dict[str, RoleSpec]:
    carried = [hop.role for hop in declaration.hops if hop.source == endpoint]
    carriers = [_carrier(role, carried.count(role)) for role in carried]
    carriers += [
        RoleSpec(push.role, connections=CARRIER_CONNECTIONS)
        for push in declaration.pushes
        if push.source == endpoint
    ]
    intake = declaration.intake
    carriers += [RoleSpec(intake.role)] if intake.is_fed and intake.target == endpoint else []
    services = [
        RoleSpec(
            role.name,
            settings=frozenset(role.settings.items()),
            powers=frozenset(MEMBER_OF + group for group in role.member_of),
        )
        for role in declaration.roles
        if role.on == endpoint
    ]
    return {role.name: role for role in (*carriers, *services)}


def _carrier(role: str, hops: int) -> RoleSpec:
    """A role that receives, bounded in what else it can do."""
    return RoleSpec(
        role,
        replication=True,
        settings=frozenset(CARRIER_SETTINGS.items()),
        connections=CARRIER_CONNECTIONS * hops,
    )


def _grants(declaration: Declaration, endpoint: str, filters: Filters) -> Iterable[GrantSpec]:
    for hop in declaration.publishing:
        if hop.source == endpoint:
            for table in hop.tables:
                yield from _column_grants(hop.role, "select", table.name, table.columns)
    if declaration.intake.is_fed and declaration.intake.target == endpoint:
        yield from _feeder_grants(declaration.intake)
    for push in declaration.pushes:
        if push.source == endpoint:
            yield from _pushing_grants(push.role)
    for role in declaration.roles:
        if role.on == endpoint:
            for grant in role.grants:
                yield from _role_grants(role.name, grant)
            if role.proves:
                yield from _proving_grants(declaration, endpoint, role.name, filters)


def _pushing_grants(role: str) -> Iterable[GrantSpec]:
    """Let the push read and move its slot, and nothing else of it."""
    yield GrantSpec(role, GrantKind.SCHEMA, "push", "usage")
    for function in _PUSHING:
        yield GrantSpec(role, GrantKind.FUNCTION, function, "execute")
    yield from _column_grants(
        role, "select", TableName("projection", "fingerprints"), ("endpoint", "applied")
    )


def _feeder_grants(intake: Intake) -> Iterable[GrantSpec]:
    """Let the feeder write landing tables, and by their triggers what these write."""
    yield GrantSpec(intake.role, GrantKind.FUNCTION, FEEDERS_LOCK, "execute")
    landing = [(str(table.name), _ALL) for table in intake.tables]
    for table, privileges in (*landing, *_FED.items()):
        yield GrantSpec(intake.role, GrantKind.SCHEMA, table.split(".", maxsplit=1)[0], "usage")
        for privilege in privileges:
            yield GrantSpec(intake.role, GrantKind.TABLE, table, privilege)


def _proving_grants(
    declaration: Declaration, endpoint: str, role: str, filters: Filters
) -> Iterable[GrantSpec]:
    """Who proves reads what travels and a filter's columns, of what is sealed less, and who wrote a row."""
    for hop in declaration.ways:
        for table in hop.tables if endpoint in {hop.source, hop.target} else ():
            known = filters.get((table.name, table.where or "")) if endpoint == hop.source else None
            columns = {*table.columns, *(known.columns if known else ())}
            if table.name.name in SEALED:
                columns = {key_of(table.name), VERSION}
            if table.name.name != HEARTBEAT.name:
                written_by = () if VERSION in columns else (WRITTEN_BY,)
                yield from _column_grants(role, "select", table.name, (*sorted(columns), *written_by))


def _column_grants(
    role: str, privilege: str, table: TableName, columns: Iterable[str]
) -> Iterable[GrantSpec]:
    yield GrantSpec(role, GrantKind.SCHEMA, table.schema, "usage")
    for column in columns:
        yield GrantSpec(role, GrantKind.TABLE, str(table), privilege, column)


def _role_grants(role: str, grant: Grant) -> Iterable[GrantSpec]:
    schema = grant.table.schema if grant.table else (grant.function or "").split(".", maxsplit=1)[0]
    yield GrantSpec(role, GrantKind.SCHEMA, schema, "usage")
    for privilege in grant.privileges:
        if grant.table and grant.columns:
            yield from _column_grants(role, privilege, grant.table, grant.columns)
        elif grant.table:
            yield GrantSpec(role, GrantKind.TABLE, str(grant.table), privilege)
        else:
            yield GrantSpec(role, GrantKind.FUNCTION, grant.function or "", privilege)


def _tables(declaration: Declaration, endpoint: str, source: SourceTables) -> dict[TableName, TableSpec]:
    intake = declaration.intake
    if endpoint == intake.source:
        return {HEARTBEAT: replace(_table(HEARTBEAT, _HEARTBEAT_COLUMNS), filled=True)}
    if endpoint == intake.target:
        return {table.name: _landing(table, source) for table in intake.tables}
    return {}


def _landing(table: LandedTable, source: SourceTables) -> TableSpec:
    """Shape a landing table: SGP's names and types, enums and limited text as text, NOT NULL only the key."""
    given = source.get(table.name, {column.name: _built_in(column) for column in _HEARTBEAT_COLUMNS})
    wanted = dict.fromkeys((*LANDING_COLUMNS.get(str(table.name), ()), *table.columns))
    columns = [_landing_column(column, given.get(column)) for column in wanted]
    return _table(
        table.name,
        columns,
        TriggerSpec("land", "projection.land", event="BEFORE INSERT"),
        TriggerSpec("project", f"projection.{table.projection}", projects=True),
        TriggerSpec("truncate", "projection.project_truncate", event="AFTER TRUNCATE"),
    )


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
        for hop in declaration.publishing
        if hop.source == endpoint
        for table in hop.tables
    }


def _published(table: PublishedTable, filters: Filters) -> PublishedTableSpec:
    return PublishedTableSpec(table.name, frozenset(table.columns), find_where(table, filters))


def find_where(table: PublishedTable, filters: Filters) -> str | None:
    """Return which rows of a table are sent, in the words of its server where they are known."""
    if table.where is None:
        return None
    known = filters.get((table.name, table.where))
    return known.where if known else table.where


def _identities(declaration: Declaration, endpoint: str, filters: Filters) -> dict[TableName, IdentitySpec]:
    """A filtered table names its rows by the key and every column of its filters."""
    if endpoint != declaration.intake.target:
        return {}
    found: dict[TableName, frozenset[str]] = {}
    for hop in declaration.active_exports:
        for table in hop.tables:
            name = table.name
            known = filters.get((name, table.where or ""))
            columns = known.columns if known else frozenset()
            found[name] = found.get(name, frozenset({key_of(name)})) | columns
    return {name: IdentitySpec(columns) for name, columns in found.items()}


def derive_kept(declaration: Declaration, endpoint: str) -> dict[TableName, frozenset[str]]:
    """Return the columns that may hold something there, by table; every other one is to be empty.

    On landing what is public may stay when it is no longer sent; a subscriber keeps what its export lists.
    """
    intake = declaration.intake
    if endpoint == intake.target:
        classes = {table.name: declaration.privacy.get(table.name, Privacy()) for table in intake.tables}
        return {name: frozenset({"id", *found.public}) for name, found in classes.items()}
    return {
        table.name: RECEIVED_COLUMNS | {key_of(table.name), *table.columns}
        for hop in declaration.active_exports
        if hop.target == endpoint
        for table in hop.tables
    }


def key_of(table: TableName) -> str:
    """Return the key's column of a landing or window table."""
    return find_key(table.name)


def derive_hops(declaration: Declaration, filters: Filters) -> list[HopSpec]:
    """Return which table goes where."""
    return [
        HopSpec(
            source=hop.source,
            target=hop.target,
            subscription=hop.subscription,
            publications={table.name: table.publication for table in hop.tables},
            keys={table.name: key_of(table.name) for table in hop.tables},
            wheres={
                table.name: where for table in hop.tables if (where := find_where(table, filters)) is not None
            },
        )
        for hop in declaration.hops
    ]


def derive_options(options: Options) -> frozenset[tuple[str, str]]:
    """Return a subscription's options as the catalog's are read."""
    return frozenset((name, str(value).lower()) for name, value in options.model_dump().items())


def _subscription(hop: Hop, conninfo: Mapping[str, str]) -> SubscriptionSpec:
    if not isinstance(hop, Intake | Export):
        raise TypeError(hop)
    return SubscriptionSpec(
        name=hop.subscription,
        slot=hop.slot,
        publications=frozenset(table.publication for table in hop.tables),
        conninfo=frozenset({**conninfo, **hop.connection, "user": hop.role}.items()),
        options=derive_options(hop.options),
        tables=frozenset(table.name for table in hop.tables),
    )
