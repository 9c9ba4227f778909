"""From a change to the SQL that makes it: what `--sql` prints and what apply runs is the same. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from psycopg import sql
from psycopg.conninfo import make_conninfo

from publications.changes import (
    AddColumn,
    AddGrants,
    AlterRole,
    Change,
    CreatePublication,
    CreateRole,
    CreateSlot,
    CreateSubscription,
    CreateTable,
    DropPublication,
    DropSlot,
    DropSubscription,
    EnableSubscription,
    RefreshSubscription,
    RevokeGrants,
    SetOperations,
    SetPublishedTables,
    SetSubscriptionConnection,
    SetSubscriptionOptions,
    SetSubscriptionPublications,
    SetTrigger,
)
from publications.spec import (
    ColumnSpec,
    GrantKind,
    GrantSpec,
    PublicationSpec,
    PublishedTableSpec,
    RoleSpec,
    SubscriptionSpec,
    TableName,
    TableSpec,
    TriggerSpec,
)
from publications.wanted import HEARTBEAT

Statement = sql.Composed


def to_sql(change: Change) -> list[Statement]:  # noqa: PLR0911, PLR0912  # one short arm per change
    """Return the statements of one change, each to be run by itself."""
    match change:
        case CreateRole(role=role):
            return [_sql("CREATE ROLE {} LOGIN", _id(role.name)), *_shape_role(role)]
        case AlterRole(role=role, was=was):
            return [*_shape_role(role), *_reset_settings(role, was)]
        case AddGrants(grants=grants):
            return [_grant("GRANT {what} ON {object} TO {role}", grants)]
        case RevokeGrants(grants=grants):
            return [_grant("REVOKE {what} ON {object} FROM {role}", grants)]
        case CreateTable(table=table):
            return _create_table(table)
        case AddColumn(table=table, column=column):
            return [_sql("ALTER TABLE {} ADD COLUMN {}", _table(table), _column(column))]
        case SetTrigger(table=table, trigger=trigger):
            return _set_trigger(table, trigger)
        case CreatePublication(publication=publication):
            return [_create_publication(publication)]
        case SetPublishedTables(publication=publication):
            tables = _join(_published(table) for table in _sorted(publication.tables))
            return [_sql("ALTER PUBLICATION {} SET TABLE {}", _id(publication.name), tables)]
        case SetOperations(publication=publication):
            return [_sql("ALTER PUBLICATION {} SET ({})", _id(publication.name), _operations(publication))]
        case DropPublication(name=name):
            return [_sql("DROP PUBLICATION {}", _id(name))]
        case CreateSlot(slot=slot):
            return [_sql("SELECT pg_create_logical_replication_slot({}, {})", slot.name, slot.plugin)]
        case DropSlot(slot=slot):
            return [_sql("SELECT pg_drop_replication_slot({})", slot.name)]
        case CreateSubscription(subscription=subscription):
            return [_create_subscription(subscription)]
        case SetSubscriptionPublications(subscription=subscription):
            names = _join(map(_id, sorted(subscription.publications)))
            return [_sql("ALTER SUBSCRIPTION {} SET PUBLICATION {}", _id(subscription.name), names)]
        case RefreshSubscription(subscription=subscription):
            return [_sql("ALTER SUBSCRIPTION {} REFRESH PUBLICATION", _id(subscription.name))]
        case SetSubscriptionOptions(subscription=subscription):
            return [_sql("ALTER SUBSCRIPTION {} SET ({})", _id(subscription.name), _options(subscription))]
        case SetSubscriptionConnection(subscription=subscription):
            return [
                _sql("ALTER SUBSCRIPTION {} CONNECTION {}", _id(subscription.name), _conninfo(subscription))
            ]
        case EnableSubscription(subscription=subscription):
            return [_sql("ALTER SUBSCRIPTION {} ENABLE", _id(subscription.name))]
        case DropSubscription(name=name):
            # The slot is the publisher's and has a step there: with the link down this still works.
            return [
                _sql("ALTER SUBSCRIPTION {} DISABLE", _id(name)),
                _sql("ALTER SUBSCRIPTION {} SET (slot_name = NONE)", _id(name)),
                _sql("DROP SUBSCRIPTION {}", _id(name)),
            ]
        case _:
            raise TypeError(f"no SQL for {type(change).__name__}")


def _sql(template: str, *parts: sql.Composable | str) -> Statement:
    return sql.SQL(template).format(
        *(part if isinstance(part, sql.Composable) else sql.Literal(part) for part in parts)
    )


def _id(*names: str) -> sql.Identifier:
    return sql.Identifier(*names)


def _table(name: TableName) -> sql.Identifier:
    return sql.Identifier(name.schema, name.name)


def _join(parts: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)


def _shape_role(role: RoleSpec) -> list[Statement]:
    """State every attribute, so that a role holds no more than it needs whatever it held before."""
    replication = sql.SQL("REPLICATION" if role.replication else "NOREPLICATION")
    attributes = _sql(
        "ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS {}", _id(role.name), replication
    )
    settings = [
        _sql("ALTER ROLE {} SET {} = {}", _id(role.name), _id(name), value)
        for name, value in sorted(role.settings)
    ]
    return [attributes, *settings]


def _reset_settings(role: RoleSpec, was: RoleSpec) -> list[Statement]:
    wanted = {name for name, _ in role.settings}
    return [
        _sql("ALTER ROLE {} RESET {}", _id(role.name), _id(name))
        for name, _ in sorted(was.settings)
        if name not in wanted
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
        what = _sql("{} ({})", what, _join(_id(grant.column) for grant in grants))
    return sql.SQL(template).format(
        what=what, object=_OBJECT_WORDS[first.kind] + _grant_target(first), role=_id(first.role)
    )


def _grant_target(grant: GrantSpec) -> sql.Composable:
    if grant.kind is GrantKind.SCHEMA:
        return _id(grant.target)
    if grant.kind is GrantKind.TABLE:
        return _table(TableName.parse(grant.target))
    name, _, arguments = grant.target.partition("(")
    return _table(TableName.parse(name)) + sql.SQL("(" + arguments)


def _column(column: ColumnSpec) -> sql.Composed:
    template = "{} {} NOT NULL" if column.not_null else "{} {}"
    return _sql(template, _id(column.name), sql.SQL(column.type))


def _create_table(table: TableSpec) -> list[Statement]:
    columns = _join(map(_column, table.columns.values()))
    key = _join(map(_id, table.key))
    statements = [
        _sql("CREATE SCHEMA IF NOT EXISTS {}", _id(table.table.schema)),
        _sql("CREATE TABLE {} ({}, PRIMARY KEY ({}))", _table(table.table), columns, key),
    ]
    for trigger in table.triggers:
        statements += _set_trigger(table.table, trigger)
    if table.table == HEARTBEAT and not table.triggers:
        statements.append(
            _sql("INSERT INTO {} (id, beat, beat_at) VALUES (1, 0, now())", _table(table.table))
        )
    return statements


def _set_trigger(table: TableName, trigger: TriggerSpec) -> list[Statement]:
    return [
        _sql(
            "CREATE OR REPLACE TRIGGER {} AFTER INSERT OR UPDATE OR DELETE ON {}"
            " FOR EACH ROW EXECUTE FUNCTION {}()",
            _id(trigger.name),
            _table(table),
            _table(TableName.parse(trigger.function)),
        ),
        _sql("ALTER TABLE {} ENABLE ALWAYS TRIGGER {}", _table(table), _id(trigger.name)),
    ]


def _sorted(tables: Iterable[PublishedTableSpec]) -> list[PublishedTableSpec]:
    return sorted(tables, key=lambda table: table.table)


def _published(table: PublishedTableSpec) -> sql.Composed:
    parts: list[sql.Composable] = [_table(table.table)]
    if table.columns is not None:
        parts.append(_sql("({})", _join(map(_id, sorted(table.columns)))))
    if table.where is not None:
        parts.append(_sql("WHERE ({})", sql.SQL(table.where)))
    return sql.SQL(" ").join(parts)


def _operations(publication: PublicationSpec) -> sql.Composed:
    return _sql("publish = {}", ", ".join(sorted(publication.operations)))


def _create_publication(publication: PublicationSpec) -> Statement:
    tables = _join(_published(table) for table in _sorted(publication.tables))
    return _sql(
        "CREATE PUBLICATION {} FOR TABLE {} WITH ({})",
        _id(publication.name),
        tables,
        _operations(publication),
    )


def _conninfo(subscription: SubscriptionSpec) -> str:
    return make_conninfo("", **dict(sorted(subscription.conninfo)))


def _options(subscription: SubscriptionSpec) -> sql.Composed:
    return _join(_sql("{} = {}", sql.SQL(name), value) for name, value in sorted(subscription.options))


def _create_subscription(subscription: SubscriptionSpec) -> Statement:
    """The slot has been made on the publisher: so one that is left behind by a crash is found again."""
    return _sql(
        "CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION {}"
        " WITH (slot_name = {}, create_slot = false, copy_data = true, {})",
        _id(subscription.name),
        _conninfo(subscription),
        _join(map(_id, sorted(subscription.publications))),
        subscription.slot or subscription.name,
        _options(subscription),
    )
