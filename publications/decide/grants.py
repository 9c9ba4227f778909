"""From the declaration to what each endpoint's roles may do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from publications.decide.filters import Filters
from publications.decide.hops import key_of
from publications.decide.spec import GrantKind, GrantSpec
from publications.declare.declaration import Declaration, Grant, Intake
from publications.declare.names import HEARTBEAT, TableName

VERSION = "versao"
SEALED = frozenset({"credenciais", "revogacoes"})
"""Tables of what logins hang on: who proves all the time compares them by key and version alone."""
WRITTEN_BY = "xmin"
"""The system column that is another one after each change of a row."""
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


def derive_grants(declaration: Declaration, endpoint: str, filters: Filters) -> Iterable[GrantSpec]:
    """Return what is to be granted on an endpoint."""
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
