"""From a change to the SQL that makes it: what `--sql` prints and what apply runs is the same. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from psycopg import sql
from psycopg.conninfo import make_conninfo

from publications.changes import (
    AddColumn,
    AddGrants,
    AlterColumnType,
    AlterRole,
    Change,
    CopyAgain,
    CreatePublication,
    CreateRole,
    CreateSlot,
    CreateSubscription,
    CreateTable,
    DropOrigin,
    DropPublication,
    DropRole,
    DropSlot,
    DropSubscription,
    EmptyColumns,
    EnableSubscription,
    MarkBackfill,
    RefreshSubscription,
    ReplacePublication,
    RevokeGrants,
    SetIdentity,
    SetOperations,
    SetPublishedTables,
    SetSubscriptionConnection,
    SetSubscriptionOptions,
    SetSubscriptionPublications,
    SetSubscriptionSlot,
    SettleSubscription,
    SetTrigger,
    StartHeart,
)
from publications.spec import (
    COPY,
    MEMBER_OF,
    SWEEP,
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
    identity_index,
)

Statement = sql.Composed


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
        case RevokeGrants(grants=grants):
            return [_grant("REVOKE {what} ON {object} FROM {role}", grants)]
        case CreateTable(table=table):
            return _create_table(table)
        case StartHeart(table=table):
            return [_start_heart(table)]
        case AddColumn(table=table, column=column):
            return [compose("ALTER TABLE {} ADD COLUMN {}", table_of(table), _column(column))]
        case AlterColumnType(table=table, column=column):
            return [_alter_type(table, column)]
        case MarkBackfill(table=table, columns=columns):
            return [mark(table, column) for column in columns]
        case EmptyColumns(table=table, columns=columns):
            return _empty_columns(table, columns)
        case SetIdentity():
            return _set_identity(change)
        case SetTrigger(table=table, trigger=trigger):
            missed = [_reproject(table)] if trigger.projects else []
            return [*_set_trigger(table, trigger), *missed]
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
        case DropPublication(name=name):
            return [compose("DROP PUBLICATION {}", name_of(name))]
        case CreateSlot(slot=slot):
            return [compose("SELECT pg_create_logical_replication_slot({}, {})", slot.name, slot.plugin)]
        case DropSlot(slot=slot):
            return [compose("SELECT pg_drop_replication_slot({})", slot.name)]
        case CreateSubscription(subscription=subscription):
            return [_create_subscription(subscription)]
        case SetSubscriptionPublications(subscription=subscription):
            names = join(map(name_of, sorted(subscription.publications)))
            return [
                *_prepare_copy(subscription),
                compose("ALTER SUBSCRIPTION {} SET PUBLICATION {}", name_of(subscription.name), names),
            ]
        case RefreshSubscription(subscription=subscription):
            return [
                *_prepare_copy(subscription),
                compose("ALTER SUBSCRIPTION {} REFRESH PUBLICATION", name_of(subscription.name)),
            ]
        case SetSubscriptionOptions(subscription=subscription):
            return [_set_options(subscription)]
        case SettleSubscription(subscription=subscription):
            return [sql.SQL(WAIT_FOR_COPIES).format(subscription.name), _set_options(subscription)]
        case SetSubscriptionConnection(subscription=subscription):
            return [
                compose(
                    "ALTER SUBSCRIPTION {} CONNECTION {}", name_of(subscription.name), _conninfo(subscription)
                )
            ]
        case SetSubscriptionSlot(subscription=subscription):
            name = subscription.name
            return [
                compose(
                    "ALTER SUBSCRIPTION {} SET (slot_name = {})", name_of(name), subscription.slot or name
                )
            ]
        case CopyAgain(subscription=subscription, publication=name, table=table):
            return [
                *_prepare_copy(subscription),
                compose(
                    "ALTER SUBSCRIPTION {} DROP PUBLICATION {}", name_of(subscription.name), name_of(name)
                ),
                compose(
                    "ALTER SUBSCRIPTION {} ADD PUBLICATION {}", name_of(subscription.name), name_of(name)
                ),
                mark(table, SWEEP),
            ]
        case DropOrigin(name=name):
            return [compose("SELECT pg_replication_origin_drop({})", name)]
        case DropRole(name=name):
            return [compose("DROP OWNED BY {}", name_of(name)), compose("DROP ROLE {}", name_of(name))]
        case EnableSubscription(subscription=subscription):
            return [compose("ALTER SUBSCRIPTION {} ENABLE", name_of(subscription.name))]
        case DropSubscription(name=name):
            # The slot is the publisher's and has a step there: with the link down this still works.
            return [
                compose("ALTER SUBSCRIPTION {} DISABLE", name_of(name)),
                compose("ALTER SUBSCRIPTION {} SET (slot_name = NONE)", name_of(name)),
                compose("DROP SUBSCRIPTION {}", name_of(name)),
            ]
        case _:
            raise TypeError(f"no SQL for {type(change).__name__}")


def compose(template: str, *parts: sql.Composable | str) -> Statement:
    """Put parts into a template of this package; text becomes a literal."""
    return sql.SQL(template).format(
        *(part if isinstance(part, sql.Composable) else sql.Literal(part) for part in parts)
    )


def name_of(*names: str) -> sql.Identifier:
    """Quote a name."""
    return sql.Identifier(*names)


def table_of(name: TableName) -> sql.Identifier:
    """Quote a table's name."""
    return sql.Identifier(name.schema, name.name)


def join(parts: Iterable[sql.Composable]) -> sql.Composed:
    """Put commas between parts."""
    return sql.SQL(", ").join(parts)


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


def _column(column: ColumnSpec) -> sql.Composed:
    template = "{} {} NOT NULL" if column.not_null else "{} {}"
    return compose(template, name_of(column.name), sql.SQL(column.type))


def _create_table(table: TableSpec) -> list[Statement]:
    columns = join(map(_column, table.columns.values()))
    key = join(map(name_of, table.key))
    statements = [
        compose("CREATE SCHEMA IF NOT EXISTS {}", name_of(table.table.schema)),
        compose("CREATE TABLE {} ({}, PRIMARY KEY ({}))", table_of(table.table), columns, key),
    ]
    for trigger in sorted(table.triggers, key=lambda trigger: trigger.name):
        statements += _set_trigger(table.table, trigger)
    if table.filled:
        statements.append(_start_heart(table.table))
    return statements


def _start_heart(table: TableName) -> Statement:
    """Count from the clock, in seconds: whoever remembers an earlier heart's beats takes these for newer."""
    return compose(
        "INSERT INTO {} (id, beat, beat_at) VALUES (1, extract(epoch FROM now())::bigint, now())"
        " ON CONFLICT DO NOTHING",
        table_of(table),
    )


def _set_trigger(table: TableName, trigger: TriggerSpec) -> list[Statement]:
    return [
        compose(
            "CREATE OR REPLACE TRIGGER {} {} ON {} FOR EACH ROW EXECUTE FUNCTION {}()",
            name_of(trigger.name),
            sql.SQL(trigger.event),
            table_of(table),
            table_of(TableName.parse(trigger.function)),
        ),
        compose("ALTER TABLE {} ENABLE ALWAYS TRIGGER {}", table_of(table), name_of(trigger.name)),
    ]


def _reproject(table: TableName) -> Statement:
    return compose("SELECT projection.reproject({}::regclass)", table_of(table).as_string())


PENDING = "ponte: old rows are to be filled from the source"
TO_COPY = "ponte: to be copied again from the source"


def mark(table: TableName, column: str) -> Statement:
    """Note that a column, with `SWEEP` or `COPY` the table, waits for the source's rows."""
    return note(table, SWEEP, TO_COPY) if column == COPY else note(table, column, PENDING)


def note(table: TableName, column: str, text: str | None) -> Statement:
    """Note something on a column, or with `SWEEP` on the table; None takes the note away."""
    value = sql.NULL if text is None else sql.Literal(text)
    if column == SWEEP:
        return compose("COMMENT ON TABLE {} IS {}", table_of(table), value)
    return compose("COMMENT ON COLUMN {} IS {}", name_of(table.schema, table.name, column), value)


def _alter_type(table: TableName, column: ColumnSpec) -> Statement:
    type_ = sql.SQL(column.type)
    return compose(
        "ALTER TABLE {} ALTER COLUMN {} TYPE {} USING {}::{}",
        table_of(table),
        name_of(column.name),
        type_,
        name_of(column.name),
        type_,
    )


def _empty_columns(table: TableName, columns: Sequence[tuple[str, str]]) -> list[Statement]:
    """As replication writes: an ordinary session may not write a subscriber's tables."""
    pairs = [(name_of(name), sql.SQL(value)) for name, value in columns]
    return [
        compose("SET LOCAL session_replication_role = replica"),
        compose(
            "UPDATE {} SET {} WHERE {}",
            table_of(table),
            join(compose("{} = {}", *pair) for pair in pairs),
            sql.SQL(" OR ").join(compose("{} IS DISTINCT FROM {}", *pair) for pair in pairs),
        ),
    ]


def _set_identity(change: SetIdentity) -> list[Statement]:
    table = change.table
    extra = sorted(change.identity.columns - {change.key})
    old = (
        [compose("DROP INDEX IF EXISTS {}", name_of(table.schema, change.was.index))]
        if change.was.index
        else []
    )
    if not extra:
        return [compose("ALTER TABLE {} REPLICA IDENTITY DEFAULT", table_of(table)), *old]
    index = identity_index(table, change.identity.columns, change.key)
    columns = join(map(name_of, (change.key, *extra)))
    return [
        compose("CREATE UNIQUE INDEX IF NOT EXISTS {} ON {} ({})", name_of(index), table_of(table), columns),
        compose("ALTER TABLE {} REPLICA IDENTITY USING INDEX {}", table_of(table), name_of(index)),
        *(old if change.was.index != index else []),
    ]


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


def _conninfo(subscription: SubscriptionSpec) -> str:
    return make_conninfo("", **dict(sorted(subscription.conninfo)))


def _options(subscription: SubscriptionSpec) -> sql.Composed:
    return join(compose("{} = {}", sql.SQL(name), value) for name, value in sorted(subscription.options))


def _set_options(subscription: SubscriptionSpec) -> Statement:
    return compose("ALTER SUBSCRIPTION {} SET ({})", name_of(subscription.name), _options(subscription))


WAIT_FOR_COPIES = """DO $wait$ BEGIN
  RAISE NOTICE 'waiting until all tables are copied';
  WHILE EXISTS (SELECT FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid
                WHERE s.subname = {} AND r.srsubstate <> 'r'
                  AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())) LOOP
    PERFORM pg_sleep(0.1);
  END LOOP;
END $wait$"""


def _prepare_copy(subscription: SubscriptionSpec) -> list[Statement]:
    """Return what must be so before a table is copied, where it isn't as declared."""
    careful = subscription.while_copying
    return [] if careful.options == subscription.options else [_set_options(careful)]


def _create_subscription(subscription: SubscriptionSpec) -> Statement:
    """The slot has been made on the publisher: so one that is left behind by a crash is found again."""
    return compose(
        "CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION {}"
        " WITH (slot_name = {}, create_slot = false, copy_data = true, {})",
        name_of(subscription.name),
        _conninfo(subscription),
        join(map(name_of, sorted(subscription.publications))),
        subscription.slot or subscription.name,
        _options(subscription.while_copying),
    )
