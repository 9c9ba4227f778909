"""The SQL of roles and of what they may do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import assert_never

from psycopg import sql

from publications.ddl.acts import Act, SetPassword, Together
from publications.ddl.statement import Statement, compose, given_sql, join, name_of, table_of
from publications.decide.changes.roles import (
    AddGrants,
    AlterRole,
    CloseToAll,
    CreateRole,
    DropRole,
    RevokeGrants,
    RoleStep,
)
from publications.decide.spec import MEMBER_OF, GrantKind, GrantSpec, RoleSpec
from publications.declare.names import TableName


def role_to_sql(step: RoleStep) -> list[Act]:
    """Return what makes a role, or gives it more or less."""
    match step:
        case CreateRole(role=role):
            return [Together((*_create_role(role), SetPassword(role.name)))]
        case AlterRole(role=role, was=was):
            groups = [*_join_groups(role, was), *_leave_groups(role, was)]
            return [*_shape_role(role), *_reset_settings(role, was), *groups]
        case AddGrants(grants=grants):
            return [_grant(grants)]
        case RevokeGrants(grants=grants, kept=kept):
            return [Together((_revoke(grants), _grant(kept)))] if kept else [_revoke(grants)]
        case CloseToAll(grants=grants):
            return [_close(one) for one in _group(grants)]
        case DropRole(name=name):
            return [compose("DROP OWNED BY {}", name_of(name)), compose("DROP ROLE {}", name_of(name))]
        case _:
            assert_never(step)


def _create_role(role: RoleSpec) -> list[Statement]:
    created = compose("CREATE ROLE {} LOGIN", name_of(role.name))
    return [created, *_shape_role(role), *_join_groups(role, RoleSpec(role.name))]


def _shape_role(role: RoleSpec) -> list[Statement]:
    """State every attribute, so that a role holds no more than it needs whatever it held before."""
    replication = sql.SQL("REPLICATION" if role.replication else "NOREPLICATION")
    attributes = compose(
        "ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS {} CONNECTION LIMIT {}",
        name_of(role.name),
        replication,
        sql.Literal(role.connections),
    )
    settings = [
        compose("ALTER ROLE {} SET {} = {}", name_of(role.name), name_of(name), value)
        for name, value in sorted(role.settings)
    ]
    return [attributes, *settings]


def _reset_settings(role: RoleSpec, was: RoleSpec) -> list[Statement]:
    wanted = {name for name, _ in role.settings}
    return [
        compose("ALTER ROLE {} RESET {}", name_of(role.name), name_of(name))
        for name, _ in sorted(was.settings)
        if name not in wanted
    ]


def _join_groups(role: RoleSpec, was: RoleSpec) -> list[Statement]:
    return _change_groups("GRANT {} TO {}", role, role.powers - was.powers)


def _leave_groups(role: RoleSpec, was: RoleSpec) -> list[Statement]:
    return _change_groups("REVOKE {} FROM {}", role, was.powers - role.powers)


def _change_groups(template: str, role: RoleSpec, powers: Iterable[str]) -> list[Statement]:
    return [
        compose(template, name_of(power.removeprefix(MEMBER_OF)), name_of(role.name))
        for power in sorted(powers)
        if power.startswith(MEMBER_OF)
    ]


_OBJECT_WORDS = {
    GrantKind.SCHEMA: sql.SQL("SCHEMA "),
    GrantKind.TABLE: sql.SQL("TABLE "),
    GrantKind.FUNCTION: sql.SQL("FUNCTION "),
    GrantKind.DATABASE: sql.SQL("DATABASE "),
}


def _grant(grants: Sequence[GrantSpec]) -> Statement:
    return _name_grants("GRANT {what} ON {object} TO {role}", grants)


def _revoke(grants: Sequence[GrantSpec]) -> Statement:
    return _name_grants("REVOKE {what} ON {object} FROM {role}", grants)


def _group(grants: Sequence[GrantSpec]) -> list[list[GrantSpec]]:
    """One statement for each kind and privilege."""
    groups: dict[tuple[GrantKind, str], list[GrantSpec]] = {}
    for grant in grants:
        groups.setdefault((grant.kind, grant.privilege), []).append(grant)
    return list(groups.values())


def _close(grants: Sequence[GrantSpec]) -> Statement:
    return sql.SQL("REVOKE {what} ON {objects} FROM PUBLIC").format(
        what=given_sql(grants[0].privilege.upper()),
        objects=_OBJECT_WORDS[grants[0].kind] + join(map(_grant_target, grants)),
    )


def _name_grants(template: str, grants: Sequence[GrantSpec]) -> Statement:
    first = grants[0]
    what: sql.Composable = given_sql(first.privilege.upper())
    if first.column:
        what = compose("{} ({})", what, join(name_of(grant.column) for grant in grants))
    return sql.SQL(template).format(
        what=what, object=_OBJECT_WORDS[first.kind] + _grant_target(first), role=name_of(first.role)
    )


def _grant_target(grant: GrantSpec) -> sql.Composable:
    if grant.kind in {GrantKind.SCHEMA, GrantKind.DATABASE}:
        return name_of(grant.target)
    if grant.kind is GrantKind.TABLE:
        return table_of(TableName.parse(grant.target))
    name, _, arguments = grant.target.partition("(")
    return table_of(TableName.parse(name)) + given_sql("(" + arguments)
