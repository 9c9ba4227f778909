"""Read what the refusals need to know of one endpoint; decides nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from db.engines import Connection
from db.sqlfile import read_blocks
from publications.act.catalog import read_version
from publications.decide.facts import EndpointFacts, UnfitKey
from publications.decide.spec import Room
from publications.declare.names import TableName

_SQL = read_blocks("publications", "facts")


def read_facts(
    conn: Connection,
    *,
    written: Collection[TableName],
    published: Collection[TableName],
    role: str,
    columns: Mapping[TableName, Mapping[str, str]],
) -> EndpointFacts:
    """Look at one endpoint.

    written: tables that replication writes there; published: tables that leave from there, read by `role`.
    """
    settings: dict[str, str] = dict(conn.execute(_SQL["settings"]).fetchall())
    used = conn.execute(_SQL["used"]).fetchone() or (0, 0, 0, 0)
    [encoding] = conn.execute(_SQL["encoding"]).fetchone() or ("",)
    slots = int(settings["max_replication_slots"])
    return EndpointFacts(
        version_num=read_version(conn)[0],
        wal_level=settings["wal_level"],
        slots=Room(used[0], slots),
        senders=Room(used[1], int(settings["max_wal_senders"])),
        # Until 17 the number of slots bounds the origins too.
        origins=Room(used[2], int(settings.get("max_active_replication_origins", slots))),
        workers=Room(used[3], int(settings["max_logical_replication_workers"])),
        processes=Room(used[3] + 1, int(settings["max_worker_processes"])),
        sync_workers=int(settings["max_sync_workers_per_subscription"]),
        encoding=encoding,
        databases=tuple(row[0] for row in conn.execute(_SQL["databases"])),
        relations=frozenset(row[0] for row in conn.execute(_SQL["relations"])),
        hidden=frozenset(
            row[0] for row in conn.execute(_SQL["row_security"], {"tables": _names(published), "role": role})
        ),
        foreign_keys=tuple(conn.execute(_SQL["foreign_keys"], [_names(written)]).fetchall()),
        loose_functions=tuple(conn.execute(_SQL["loose_functions"], [_names(written)]).fetchall()),
        nullable=frozenset(
            (TableName.parse(table), column)
            for table, column in conn.execute(_SQL["nullable"], [_names(published)])
        ),
        columns=columns,
        unfit_keys=tuple(
            UnfitKey(TableName(schema, table), constraint, fault)
            for schema, table, constraint, fault in conn.execute(
                _SQL["unfit_keys"], [_names({*written, *published})]
            )
        ),
    )


def _names(tables: Collection[TableName]) -> list[str]:
    return [str(table) for table in tables]
