"""The reasons that a good test server never gives: too old, not set up, full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import pytest

from publications.decide.facts import EndpointFacts, UnfitKey, assume_facts
from publications.decide.filters import Filter
from publications.decide.refusals.every import find_refusals
from publications.decide.refusals.rows import UnfitKeyError
from publications.decide.refusals.situation import Situation
from publications.decide.source import SourceColumn
from publications.decide.spec import (
    EndpointSpec,
    IdentitySpec,
    PublicationSpec,
    PublishedTableSpec,
    Room,
    SlotSpec,
    SubscriptionSpec,
)
from publications.decide.wanted import derive_wanted
from publications.declare.declaration import (
    STARTING_PATH,
    Declaration,
    Privacy,
    parse_declaration,
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


def test_a_good_shop_is_refused_nothing() -> None:
    assert find_refusals(situation()) == ()


def test_a_connection_that_others_can_hear_is_refused() -> None:
    told = {"sub_intake": {"host": "192.168.0.10"}, "sub_vps": {"host": "100.64.0.5"}}
    [error] = find_refusals(replace(situation(), conninfos=told))
    assert error.fact == (
        "sub_intake leaves vitrine's machine without sslmode=verify-full and channel_binding=require"
    )
    assert 'wire = "tailnet"' in error.hint


@pytest.mark.parametrize(
    ("endpoint", "facts", "fact"),
    [
        ("vps", replace(GOOD, version_num=140012), "vps runs PostgreSQL 14, 15 or newer is needed"),
        (
            "vps",
            replace(GOOD, encoding="LATIN1"),
            "vps has the encoding LATIN1, which can't hold every letter",
        ),
        (
            "vitrine",
            replace(GOOD, encoding="SQL_ASCII"),
            "vitrine has the encoding SQL_ASCII, which can't hold every letter",
        ),
        (
            "sgp",
            replace(GOOD, encoding="SQL_ASCII"),
            "sgp has the encoding SQL_ASCII: a byte that is no UTF-8 would stop apply",
        ),
        ("sgp", replace(GOOD, wal_level="replica"), "sgp has wal_level = replica"),
        (
            "sgp",
            replace(GOOD, slots=Room(9, 10)),
            "sgp has 10 max_replication_slots, 9 in use, and 2 more are needed",
        ),
        (
            "vitrine",
            replace(GOOD, senders=Room(10, 10)),
            "vitrine has 10 max_wal_senders, 10 in use, and 2 more are needed",
        ),
        (
            "vitrine",
            replace(GOOD, workers=Room(3, 4)),
            "vitrine has 4 max_logical_replication_workers, 3 in use, and 2 more are needed",
        ),
        (
            "vps",
            replace(GOOD, origins=Room(9, 10)),
            "vps has 10 replication origins, 9 in use, and 2 more are needed",
        ),
    ],
)
def test_what_stands_in_the_way_is_named(endpoint: str, facts: EndpointFacts, fact: str) -> None:
    refusals = find_refusals(situation(**{endpoint: facts}))
    assert [refusal.fact for refusal in refusals] == [fact]
    assert all(refusal.hint for refusal in refusals)


def test_sgps_own_encoding_is_translated_on_the_way() -> None:
    assert find_refusals(situation(sgp=replace(GOOD, encoding="WIN1252"))) == ()


def test_the_vps_needs_no_logical_wal() -> None:
    assert find_refusals(situation(vps=replace(GOOD, wal_level="replica"))) == ()


def test_a_password_in_the_declared_connection_is_refused() -> None:
    seen = situation()
    intake = seen.declaration.intake.model_copy(update={"connection": {"password": "x"}})
    refused = find_refusals(replace(seen, declaration=seen.declaration.model_copy(update={"intake": intake})))
    assert [refusal.fact for refusal in refused] == ["the declared connection of sub_intake holds a password"]


PEDIDOS, USERS = TableName("vitrine", "pedidos"), TableName("public", "user")


def reasons(seen: Situation) -> list[tuple[str, str, str]]:
    """Return the kind, fact and hint of each refusal."""
    return [(type(one).__name__, one.fact, one.hint) for one in find_refusals(seen)]


def with_live(name: str, **spec: Any) -> Situation:
    seen = situation()
    return replace(seen, live={**seen.live, name: EndpointSpec(name, **spec)})


HINTS: dict[str, tuple[EndpointFacts, str]] = {
    "ServerTooOldError": (replace(GOOD, version_num=149999), "upgrade that server first"),
    "ServerSettingError": (replace(GOOD, wal_level="minimal"), "set it to logical and restart that server"),
    "EncodingError": (
        replace(GOOD, encoding="LATIN1"),
        "make it anew with ENCODING 'UTF8' TEMPLATE template0, then run 'ponte migrate'",
    ),
}


@pytest.mark.parametrize("kind", HINTS)
def test_a_server_that_is_not_set_up_is_told_what_to_do(kind: str) -> None:
    facts, hint = HINTS[kind]
    [(found, _, said)] = reasons(situation(vitrine=facts))
    assert (found, said) == (kind, hint)


def test_sgp_without_an_encoding_is_told_how_to_get_one() -> None:
    [(_, _, hint)] = reasons(situation(sgp=replace(GOOD, encoding="SQL_ASCII")))
    assert hint == "dump it and load it into a database made with ENCODING 'UTF8' TEMPLATE template0"


def test_the_oldest_version_that_is_new_enough_is() -> None:
    assert find_refusals(situation(sgp=replace(GOOD, version_num=150000))) == ()


ROOMS = {
    "slots": "max_replication_slots",
    "senders": "max_wal_senders",
    "workers": "max_logical_replication_workers",
    "origins": "replication origins",
}


@pytest.mark.parametrize("kind", ROOMS)
def test_there_is_room_for_what_just_fits_and_not_for_one_more(kind: str) -> None:
    def used(number: int) -> EndpointFacts:
        return replace(GOOD, **{kind: Room(number, 8)})  # type: ignore[arg-type]

    assert find_refusals(situation(vitrine=used(6))) == ()
    assert reasons(situation(vitrine=used(7))) == [
        (
            "ServerSettingError",
            f"vitrine has 8 {ROOMS[kind]}, 7 in use, and 2 more are needed",
            f"raise {ROOMS[kind]} and restart that server, or free some",
        )
    ]


FEW_WORKERS = {
    "max_logical_replication_workers = 0, and 1 are needed": {"workers": Room(1, 0)},
    "max_worker_processes = 1, and 2 are needed": {"processes": Room(2, 1)},
    "max_sync_workers_per_subscription = 0": {"sync_workers": 0},
}


@pytest.mark.parametrize("said", FEW_WORKERS)
def test_a_subscriber_without_processes_is_told_though_nothing_is_to_be_made(said: str) -> None:
    """Its subscription says that it is enabled, and stands still."""
    seen = situation(vps=replace(GOOD, **FEW_WORKERS[said]))  # type: ignore[arg-type]
    subscriptions = {
        name: SubscriptionSpec(name, None, frozenset(), frozenset(), frozenset())
        for name in ("sub_intake", "sub_vps")
    }
    live = {name: EndpointSpec(name, subscriptions=subscriptions) for name in seen.live}
    facts = [refusal.fact for refusal in find_refusals(replace(seen, live=live))]
    assert [fact for fact in facts if "worker" in fact] == facts
    assert len(facts) == 1
    assert facts[0].startswith(f"vps has {said}")


def test_what_is_there_already_needs_no_room() -> None:
    full = replace(GOOD, slots=Room(9, 9), senders=Room(9, 9), workers=Room(9, 9), origins=Room(9, 9))
    seen = situation(sgp=full, vitrine=full, vps=full)
    subscriptions = {
        name: SubscriptionSpec(name, None, frozenset(), frozenset(), frozenset())
        for name in ("sub_intake", "sub_vps")
    }
    slots = {name: SlotSpec(name) for name in ("slot_intake", "slot_vps")}
    live = {name: EndpointSpec(name, slots=slots, subscriptions=subscriptions) for name in seen.live}
    assert find_refusals(replace(seen, live=live)) == ()

    def told(name: str, **gone: Any) -> list[str]:
        bare = {**live, name: replace(live[name], **gone)}
        return [fact.split(" in use")[0] for _, fact, _ in reasons(replace(seen, live=bare))]

    for name in ("sgp", "vitrine"):
        assert told(name, slots={}) == [f"{name} has 9 {ROOMS[one]}, 9" for one in ("slots", "senders")]
    for name in ("vitrine", "vps"):
        missing = [f"{name} has 9 {ROOMS[one]}, 9" for one in ("workers", "origins")]
        assert told(name, subscriptions={}) == missing


def test_other_data_beside_the_window_is_refused_piece_by_piece() -> None:
    own = frozenset({"public.pedidos", "vitrine.x", "projection.x", "watch.x", "worker.x", "ponte.heartbeat"})
    facts = replace(
        GOOD, databases=("folha", "banco"), relations=own | {"public.b", "public.a", "vitrines.x"}
    )
    assert reasons(situation(vitrine=facts)) == [
        (
            "ForeignDataError",
            f"vitrine's cluster holds {what}, and whoever replicates from it can read that",
            "move it to another cluster: this one may hold the landing tables and the window only",
        )
        for what in (
            "database folha",
            "database banco",
            "table public.a",
            "table public.b",
            "table vitrines.x",
        )
    ]
    for elsewhere in ("sgp", "vps"):
        assert find_refusals(situation(**{elsewhere: facts})) == ()


def test_what_would_stop_apply_in_a_written_table_is_refused_on_each_end() -> None:
    facts = replace(
        GOOD, foreign_keys=(("v.a", "fk1"), ("v.b", "fk2")), loose_functions=(("v.a", "public.f"),)
    )
    for name in ("vitrine", "vps"):
        assert reasons(situation(**{name: facts})) == [
            *(
                (
                    "ForeignKeyError",
                    f"{name}'s table {table} has the foreign key {key}",
                    f"ALTER TABLE {table} DROP CONSTRAINT {key}: rows of two tables come in any order",
                )
                for table, key in (("v.a", "fk1"), ("v.b", "fk2"))
            ),
            (
                "LooseFunctionError",
                f"{name}'s table v.a has the trigger function public.f without a search_path",
                "ALTER FUNCTION public.f() SET search_path = pg_catalog, and name its schemas",
            ),
        ]


def test_rows_that_row_security_hides_are_refused_for_who_reads_them() -> None:
    hidden = replace(GOOD, hidden=frozenset({"v.b", "v.a"}))
    for name, role in (("sgp", "ponte_intake"), ("vitrine", "ponte_export_vps")):
        assert reasons(situation(**{name: hidden})) == [
            (
                "HiddenRowsError",
                f"row security on {name}'s table {table} hides its rows from {role}",
                f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY, or give {role} BYPASSRLS yourself",
            )
            for table in ("v.a", "v.b")
        ]
    assert find_refusals(situation(vps=hidden)) == ()


def without_columns(*columns: str, known: tuple[str, ...] = ()) -> Situation:
    """SGP's users lack columns, and have others."""
    seen = situation()
    kept = {name: column for name, column in seen.source[USERS].items() if name not in columns}
    kept |= {name: SourceColumn("text", built_in=True) for name in known}
    return replace(seen, source={**seen.source, USERS: kept})


MISSING = (
    "MissingColumnError",
    "sgp has no column public.user.setor",
    "take it out of the declaration and apply; the subscribers keep what they have",
)


def test_a_column_that_sgp_has_not_is_named() -> None:
    assert reasons(without_columns("setor")) == [MISSING]
    assert {fact for _, fact, _ in reasons(without_columns("setor", "is_active"))} == {
        MISSING[1],
        "sgp has no column public.user.is_active",
    }


def listing(seen: Situation, *columns: str) -> Situation:
    """SGP's publication of the users lists columns."""
    part = PublishedTableSpec(USERS, frozenset(columns))
    publication = PublicationSpec("pub_intake_user", frozenset({part}), frozenset({"insert"}))
    live = EndpointSpec("sgp", publications={"pub_intake_user": publication})
    return replace(seen, live={**seen.live, "sgp": live})


def test_a_column_that_was_renamed_is_known_by_the_publications_list() -> None:
    assert reasons(listing(without_columns("setor", known=("area",)), "id", "area")) == [
        (
            "RenamedColumnError",
            "sgp has renamed public.user.setor to area; apply stands still since the next change",
            "rename it back with ALTER TABLE public.user RENAME COLUMN area TO setor, or take setor out of"
            " the declaration; then run 'ponte apply': it renews the slot and copies over what is there",
        )
    ]


@pytest.mark.parametrize(
    ("missing", "known", "listed"),
    [
        (("setor",), ("area", "zona"), ("area", "zona")),
        (("setor",), ("area",), ("id",)),
        (("setor",), (), ("id", "area")),
        (("setor", "is_active"), ("area",), ("area",)),
    ],
    ids=["two names", "not listed", "not there", "two are missing"],
)
def test_where_the_new_name_is_not_sure_none_is_said(
    missing: tuple[str, ...], known: tuple[str, ...], listed: tuple[str, ...]
) -> None:
    kinds = [kind for kind, _, _ in reasons(listing(without_columns(*missing, known=known), *listed))]
    assert kinds == ["MissingColumnError"] * len(missing)


AWAY = replace(GOOD, assumed=True)


def test_of_an_end_that_nobody_has_looked_at_nothing_is_said_to_be_missing() -> None:
    seen = without_columns("setor")
    assert find_refusals(replace(seen, facts={**seen.facts, "sgp": AWAY})) == ()
    for name in ("vitrine", "vps"):
        for short in ("vitrine", "vps"):
            seen = columns_on(short, {"numero": None})
            away = replace(AWAY, columns=seen.facts[name].columns)
            assert find_refusals(replace(seen, facts={**seen.facts, name: away})) == ()


def test_what_is_assumed_of_an_end_stands_in_nobodys_way() -> None:
    none = Room(0, 0)
    assert assume_facts() == EndpointFacts(150000, "logical", none, none, none, none, assumed=True)


@pytest.mark.parametrize(
    ("identity", "key", "refused"),
    [
        (IdentitySpec(frozenset({"id"})), "id", False),
        (IdentitySpec(frozenset({"id"}), full=True), "id", True),
        (IdentitySpec(frozenset({"id", "x"})), "id", True),
        (IdentitySpec(frozenset({"id"})), "nr", True),
        (IdentitySpec(frozenset()), None, True),
    ],
    ids=["the key", "full", "more", "another", "no key"],
)
def test_sgps_own_table_names_its_rows_by_its_key(
    identity: IdentitySpec, key: str | None, refused: bool
) -> None:
    keys = {} if key is None else {USERS: key}
    refusal = (
        "SourceIdentityError",
        "sgp's table public.user does not name its rows by its primary key",
        "ALTER TABLE public.user REPLICA IDENTITY DEFAULT: with another one updates in the shop can fail",
    )
    assert reasons(with_live("sgp", identities={USERS: identity}, keys=keys)) == [refusal] * refused
    assert reasons(with_live("vitrine", identities={USERS: identity}, keys=keys)) == []


def filtered(columns: frozenset[str], nullable: frozenset[tuple[TableName, str]] = frozenset()) -> Situation:
    """The orders that the VPS gets are filtered by those columns."""
    seen = situation(vitrine=replace(GOOD, nullable=nullable))
    [export] = seen.declaration.exports
    tables = tuple(
        table.model_copy(update={"where": "x = 1"}) if table.name == PEDIDOS else table
        for table in export.tables
    )
    export = export.model_copy(update={"tables": tables})
    declaration = seen.declaration.model_copy(update={"exports": (export,)})
    return replace(seen, declaration=declaration, filters={(PEDIDOS, "x = 1"): Filter("(x = 1)", columns)})


def test_a_filter_may_read_what_is_published_and_never_null() -> None:
    assert find_refusals(filtered(frozenset({"status"}))) == ()
    nullable = frozenset({(PEDIDOS, "numero"), (TableName("vitrine", "imagens"), "status")})
    assert reasons(filtered(frozenset({"secreto", "numero", "status"}), nullable)) == [
        (
            "FilterIdentityError",
            "the filter of pub_vps_pedidos reads vitrine.pedidos.numero, which may be NULL",
            "filter by a column that is NOT NULL: the row's identity must hold it",
        ),
        (
            "RevealingFilterError",
            "the filter of pub_vps_pedidos reads vitrine.pedidos.secreto, which is not published",
            "publish that column too, or filter by another",
        ),
    ]


def columns_on(name: str, changed: Mapping[str, str | None]) -> Situation:
    """The orders have other columns on one end; None takes one away."""
    seen = situation()
    pedidos = {**seen.facts[name].columns[PEDIDOS], **changed}
    kept = {column: kind for column, kind in pedidos.items() if kind is not None}
    facts = replace(seen.facts[name], columns={**seen.facts[name].columns, PEDIDOS: kept})
    return replace(seen, facts={**seen.facts, name: facts})


def test_what_the_subscriber_could_not_hold_is_refused() -> None:
    assert reasons(columns_on("vitrine", {"numero": None})) == [
        (
            "MissingColumnError",
            "vitrine has no column vitrine.pedidos.numero",
            "run 'ponte migrate', or take it out of the declaration",
        )
    ]
    assert reasons(columns_on("vps", {"numero": None})) == [
        (
            "SubscriberColumnError",
            "vps has no column vitrine.pedidos.numero, apply would stop",
            "run 'ponte migrate'; if the column was dropped by hand, add it again as text",
        )
    ]
    assert reasons(columns_on("vps", {"numero": "bigint"})) == [
        (
            "SubscriberColumnError",
            "vitrine.pedidos.numero is text on vitrine and bigint on vps",
            "ALTER TABLE vitrine.pedidos ALTER COLUMN numero TYPE text on vps",
        )
    ]


def classified(**classes: Any) -> Declaration:
    """The users' columns are classified otherwise."""
    declaration = read_declaration(STARTING_PATH)
    users = declaration.privacy[USERS].model_dump() | classes
    privacy = {**declaration.privacy, USERS: Privacy.model_validate(users)}
    return declaration.model_copy(update={"privacy": privacy})


SHORT = ("id", "username", "is_admin", "is_active")


@pytest.mark.parametrize("found", ["secret", "internal", "not classified"])
def test_only_what_is_declared_public_may_leave(found: str) -> None:
    classes: dict[str, Any] = {} if found == "not classified" else {found: ("setor",)}
    seen = replace(situation(), declaration=classified(public=SHORT, **classes))
    assert reasons(seen) == [
        (
            "UnpublishableColumnError",
            f"column public.user.setor is {found} and in publication pub_intake_user",
            'take it out of the publication, or declare it public in [privacy."public.user"]',
        )
    ]
    [refusal] = find_refusals(seen)
    assert (str(vars(refusal)["table"]), vars(refusal)["column"]) == ("public.user", "setor")


@pytest.mark.parametrize("found", ["secret", "internal"])
def test_what_is_public_and_something_else_does_not_leave(found: str) -> None:
    seen = replace(situation(), declaration=classified(**{found: ("username",)}))
    assert [fact for _, fact, _ in reasons(seen)] == [
        f"column public.user.username is {found} and in publication pub_intake_user"
    ]


def test_a_table_that_is_not_classified_at_all_is_secret_as_a_whole() -> None:
    declaration = read_declaration(STARTING_PATH)
    privacy = {name: one for name, one in declaration.privacy.items() if name != USERS}
    seen = replace(situation(), declaration=declaration.model_copy(update={"privacy": privacy}))
    assert [fact for _, fact, _ in reasons(seen)] == [
        f"column public.user.{column} is not classified and in publication pub_intake_user"
        for column in ("id", "username", "is_admin", "setor", "is_active")
    ]


def test_a_password_in_any_hops_connection_is_refused() -> None:
    seen = situation()
    [export] = seen.declaration.exports
    exports = (export.model_copy(update={"connection": {"password": "x"}}),)
    seen = replace(seen, declaration=seen.declaration.model_copy(update={"exports": exports}))
    assert reasons(seen) == [
        (
            "SecretInSubscriptionError",
            "the declared connection of sub_vps holds a password",
            "use passfile= in its CONNINFO variable",
        )
    ]


def test_every_reason_is_told_at_once_the_gravest_kind_first() -> None:
    old = situation(vps=replace(GOOD, version_num=140000, encoding="LATIN1"))
    secret = replace(old, declaration=classified(secret=("username",)))
    assert [kind for kind, _, _ in reasons(secret)] == [
        "UnpublishableColumnError",
        "ServerTooOldError",
        "EncodingError",
    ]


@pytest.mark.parametrize(
    ("constraint", "fault", "fact", "hint"),
    [
        (None, "missing", "has no primary key", "ALTER TABLE vitrine.pedidos ADD PRIMARY KEY (id)"),
        (
            "late",
            "deferrable",
            "has the deferrable primary key late, which can't name a row",
            "ALTER TABLE vitrine.pedidos DROP CONSTRAINT late, ADD PRIMARY KEY (id)",
        ),
        (
            "half",
            "invalid",
            "has the primary key half, whose index is not valid",
            "REINDEX TABLE CONCURRENTLY vitrine.pedidos",
        ),
    ],
)
def test_a_key_that_cannot_name_a_row_is_refused_with_what_mends_it(
    constraint: str | None, fault: Literal["missing", "deferrable", "invalid"], fact: str, hint: str
) -> None:
    key = UnfitKey(TableName("vitrine", "pedidos"), constraint, fault)
    [error] = find_refusals(situation(vps=replace(GOOD, unfit_keys=(key,))))
    assert isinstance(error, UnfitKeyError)
    assert error.fact == f"vps's table vitrine.pedidos {fact}"
    assert error.hint == f"on vps: {hint}; then run 'ponte apply'"


def test_a_source_table_without_a_fit_key_does_not_hide_the_next_ones_identity() -> None:
    users, orders = TableName("public", "user"), TableName("public", "pedidos")
    seen = situation(sgp=replace(GOOD, unfit_keys=(UnfitKey(orders, None, "missing"),)))
    identities = {orders: IdentitySpec(frozenset()), users: IdentitySpec(frozenset(), full=True)}
    seen.live["sgp"] = replace(seen.live["sgp"], identities=identities, keys={users: "id"})  # type: ignore[index]
    facts = [error.fact for error in find_refusals(seen)]
    assert [fact.split(" ")[2] for fact in facts] == ["public.pedidos", "public.user"]


def test_a_table_that_sgps_file_has_not_is_named_and_hides_no_other() -> None:
    text = STARTING_PATH.read_text(encoding="utf-8").replace('kind = "postgresql"', 'kind = "sqlite"')
    seen = replace(situation(), declaration=parse_declaration(text, origin="test"))
    orders, users = TableName("public", "pedidos"), TableName("public", "user")
    source = {name: dict(columns) for name, columns in seen.source.items()}
    source[orders] = {}
    del source[users]["username"]
    errors = find_refusals(replace(seen, source=source))
    assert [error.fact for error in errors] == [
        "sgp's file has no table pedidos",
        "sgp has no column public.user.username",
    ]
    assert errors[0].hint == (
        "if SGP has renamed it, rename it back; if it is gone, take it out of the declaration"
    )
