"""From the declaration to what each endpoint should have. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from db.tables import RECEIVED_COLUMNS
from publications.decide.filters import Filters, find_where
from publications.decide.grants import derive_grants
from publications.decide.hops import derive_options, key_of
from publications.decide.landing import derive_tables
from publications.decide.roles import derive_roles
from publications.decide.source import SourceTables
from publications.decide.spec import (
    EndpointSpec,
    IdentitySpec,
    PublicationSpec,
    PublishedTableSpec,
    PushSpec,
    SlotSpec,
    SubscriptionSpec,
)
from publications.declare.declaration import Declaration, Export, Hop, Intake, Privacy, PublishedTable
from publications.declare.names import TableName


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
            roles=derive_roles(declaration, name),
            grants=frozenset(derive_grants(declaration, name, filters)),
            tables=derive_tables(declaration, name, source),
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
