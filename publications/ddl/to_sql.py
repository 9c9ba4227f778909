"""From a change to the SQL that makes it: what `--sql` prints and what apply runs is the same. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from psycopg import sql

from publications.ddl.statement import Statement, compose, join, name_of, table_of
from publications.ddl.subscriptions import subscription_to_sql
from publications.ddl.tables import (
    alter_type,
    close_gap,
    create_table,
    define_column,
    empty_columns,
    mark,
    note,
    note_gap,
    renew_versions,
    reproject,
    set_identity,
    set_trigger,
    start_heart,
)
from publications.decide.changes import (
    AddColumn,
    AddGrants,
    AlterColumnType,
    AlterRole,
    Change,
    CloseGap,
    CreatePublication,
    CreateRole,
    CreateSlot,
    CreateTable,
    DropOrigin,
    DropPublication,
    DropRole,
    DropSlot,
    EmptyColumns,
    ForgetMarks,
    MarkBackfill,
    NoteGap,
    RenewSlot,
    RenewVersions,
    ReplacePublication,
    ResetColumn,
    RevokeGrants,
    SetIdentity,
    SetOperations,
    SetPublishedTables,
    SetTrigger,
    StartHeart,
)
from publications.decide.columns import USUAL
from publications.decide.spec import (
    MEMBER_OF,
    GrantKind,
    GrantSpec,
    PublicationSpec,
    PublishedTableSpec,
    RoleSpec,
    SlotSpec,
    TableName,
)


def to_sql(change: Change) -> list[Statement]:  # noqa: PLR0911, PLR0912  # one short arm per change
    """Return the statements of one change, each to be run by itself."""
    match change:
        case CreateRole(role=role):
            blank = RoleSpec(role.name)
            created = compose("CREATE ROLE {} LOGIN", name_of(role.name))
            return [created, *_shape_role(role), *_join_groups(role, blank)]
        case AlterRole(role=role, was=was):
            groups = [*_join_groups(role, was), *_leave_groups(role, was)]
            return [*_shape_role(role), *_reset_settings(role, was), *groups]
        case AddGrants(grants=grants):
            return [_grant("GRANT {what} ON {object} TO {role}", grants)]
        case RevokeGrants(grants=grants, kept=kept):
            again = [_grant("GRANT {what} ON {object} TO {role}", kept)] if kept else []
            return [_grant("REVOKE {what} ON {object} FROM {role}", grants), *again]
        case CreateTable(table=table):
            return create_table(table)
        case StartHeart(table=table):
            return [start_heart(table)]
        case AddColumn(table=table, column=column):
            return [compose("ALTER TABLE {} ADD COLUMN {}", table_of(table), define_column(column))]
        case AlterColumnType(table=table, column=column):
            return [alter_type(table, column)]
        case MarkBackfill(table=table, columns=columns):
            return [mark(table, column) for column in columns]
        case ForgetMarks(table=table, columns=columns):
            return [note(table, column, None) for column in columns]
        case RenewVersions(tables=stamped, above=above):
            return renew_versions(stamped, above)
        case EmptyColumns(table=table, columns=columns):
            return empty_columns(table, columns)
        case SetIdentity():
            return set_identity(change)
        case SetTrigger(table=table, trigger=trigger):
            missed = [reproject(table)] if trigger.projects else []
            return [*set_trigger(table, trigger), *missed]
        case CreatePublication(publication=publication):
            return [_create_publication(publication)]
        case ReplacePublication(publication=publication):
            dropped = compose("DROP PUBLICATION {}", name_of(publication.name))
            return [dropped, _create_publication(publication)]
        case SetPublishedTables(publication=publication):
            tables = join(_published(table) for table in _sorted(publication.tables))
            return [compose("ALTER PUBLICATION {} SET TABLE {}", name_of(publication.name), tables)]
        case SetOperations(publication=publication):
            return [
                compose("ALTER PUBLICATION {} SET ({})", name_of(publication.name), _operations(publication))
            ]
        case NoteGap(notes=notes, gap=gap):
            return [note_gap(notes, gap)]
        case CloseGap(notes=notes, gap=gap):
            return [close_gap(notes, gap)]
        case DropPublication(name=name):
            return [compose("DROP PUBLICATION {}", name_of(name))]
        case CreateSlot(slot=slot):
            return [_create_slot(slot)]
        case DropSlot(slot=slot):
            return [_drop_slot(slot)]
        case ResetColumn(unusual=one):
            return [compose(USUAL[one.catalog][one.column].reset or "", name_of(one.name))]
        case RenewSlot(slot=slot):
            return [_drop_slot(slot), _create_slot(slot)]
        case DropOrigin(name=name):
            return [compose("SELECT pg_replication_origin_drop({})", name)]
        case DropRole(name=name):
            return [compose("DROP OWNED BY {}", name_of(name)), compose("DROP ROLE {}", name_of(name))]
        case _:
            return subscription_to_sql(change)


def _create_slot(slot: SlotSpec) -> Statement:
    return compose("SELECT pg_create_logical_replication_slot({}, {})", slot.name, slot.plugin)


def _drop_slot(slot: SlotSpec) -> Statement:
    return compose("SELECT pg_drop_replication_slot({})", slot.name)


def _shape_role(role: RoleSpec) -> list[Statement]:
    """State every attribute, so that a role holds no more than it needs whatever it held before."""
    replication = sql.SQL("REPLICATION" if role.replication else "NOREPLICATION")
    attributes = compose(
        "ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS {}",
        name_of(role.name),
        replication,
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
}


def _grant(template: str, grants: Sequence[GrantSpec]) -> Statement:
    first = grants[0]
    what: sql.Composable = sql.SQL(first.privilege.upper())
    if first.column:
        what = compose("{} ({})", what, join(name_of(grant.column) for grant in grants))
    return sql.SQL(template).format(
        what=what, object=_OBJECT_WORDS[first.kind] + _grant_target(first), role=name_of(first.role)
    )


def _grant_target(grant: GrantSpec) -> sql.Composable:
    if grant.kind is GrantKind.SCHEMA:
        return name_of(grant.target)
    if grant.kind is GrantKind.TABLE:
        return table_of(TableName.parse(grant.target))
    name, _, arguments = grant.target.partition("(")
    return table_of(TableName.parse(name)) + sql.SQL("(" + arguments)


def _sorted(tables: Iterable[PublishedTableSpec]) -> list[PublishedTableSpec]:
    return sorted(tables, key=lambda table: table.table)


def _published(table: PublishedTableSpec) -> sql.Composed:
    parts: list[sql.Composable] = [table_of(table.table)]
    if table.columns is not None:
        parts.append(compose("({})", join(map(name_of, sorted(table.columns)))))
    if table.where is not None:
        parts.append(compose("WHERE ({})", sql.SQL(table.where)))
    return sql.SQL(" ").join(parts)


def _operations(publication: PublicationSpec) -> sql.Composed:
    return compose("publish = {}", ", ".join(sorted(publication.operations)))


def _create_publication(publication: PublicationSpec) -> Statement:
    tables = join(_published(table) for table in _sorted(publication.tables))
    return compose(
        "CREATE PUBLICATION {} FOR TABLE {} WITH ({})",
        name_of(publication.name),
        tables,
        _operations(publication),
    )
