"""A shop as refusals see it: good servers but for those given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from publications.decide.facts import EndpointFacts
from publications.decide.refusals.every import find_refusals
from publications.decide.refusals.situation import Situation
from publications.decide.source import SourceColumn
from publications.decide.spec import (
    EndpointSpec,
    Room,
)
from publications.decide.wanted import derive_wanted
from publications.declare.declaration import (
    STARTING_PATH,
    Declaration,
    Privacy,
    read_declaration,
)
from publications.declare.names import TableName

GOOD = EndpointFacts(
    version_num=180006,
    wal_level="logical",
    slots=Room(0, 10),
    senders=Room(0, 10),
    origins=Room(0, 10),
    workers=Room(0, 4),
)


def situation(**facts: EndpointFacts) -> Situation:
    """A shop without replication yet, on good servers but for those given."""
    declaration = read_declaration(STARTING_PATH)
    source = {
        table.name: {column: SourceColumn("text", built_in=True) for column in table.columns}
        for table in declaration.intake.tables
    }
    wanted = derive_wanted(declaration, source=source, conninfos={}, filters={})
    columns = {
        part.table: dict.fromkeys(part.columns or (), "text")
        for publication in wanted["vitrine"].publications.values()
        for part in publication.tables
    }
    good = {name: replace(GOOD, columns=columns) for name in declaration.endpoints}
    given = {name: replace(fact, columns=columns) for name, fact in facts.items()}
    live = {name: EndpointSpec(name) for name in declaration.endpoints}
    return Situation(declaration, live, good | given, source, {})


PEDIDOS, USERS = TableName("vitrine", "pedidos"), TableName("public", "user")


def reasons(seen: Situation) -> list[tuple[str, str, str]]:
    """Return the kind, fact and hint of each refusal."""
    return [(type(one).__name__, one.fact, one.hint) for one in find_refusals(seen)]


def with_live(name: str, **spec: Any) -> Situation:
    seen = situation()
    return replace(seen, live={**seen.live, name: EndpointSpec(name, **spec)})


def without_columns(*columns: str, known: tuple[str, ...] = ()) -> Situation:
    """SGP's users lack columns, and have others."""
    seen = situation()
    kept = {name: column for name, column in seen.source[USERS].items() if name not in columns}
    kept |= {name: SourceColumn("text", built_in=True) for name in known}
    return replace(seen, source={**seen.source, USERS: kept})


def columns_on(name: str, changed: Mapping[str, str | None]) -> Situation:
    """The orders have other columns on one end; None takes one away."""
    seen = situation()
    pedidos = {**seen.facts[name].columns[PEDIDOS], **changed}
    kept = {column: kind for column, kind in pedidos.items() if kind is not None}
    facts = replace(seen.facts[name], columns={**seen.facts[name].columns, PEDIDOS: kept})
    return replace(seen, facts={**seen.facts, name: facts})


def classified(**classes: Any) -> Declaration:
    """The users' columns are classified otherwise."""
    declaration = read_declaration(STARTING_PATH)
    users = declaration.privacy[USERS].model_dump() | classes
    privacy = {**declaration.privacy, USERS: Privacy.model_validate(users)}
    return declaration.model_copy(update={"privacy": privacy})
