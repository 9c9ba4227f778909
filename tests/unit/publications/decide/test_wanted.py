"""From a declaration to what each endpoint should have: of a small shop, in full."""

from __future__ import annotations

from typing import Any

import pytest

from publications.decide.filters import Filter, Filters
from publications.decide.hops import derive_hops, derive_options
from publications.decide.landing import assume_source
from publications.decide.source import SourceColumn
from publications.decide.spec import (
    ColumnSpec,
    GrantKind,
    GrantSpec,
    HopSpec,
    IdentitySpec,
    PublicationSpec,
    PublishedTableSpec,
    RoleSpec,
    SlotSpec,
    SubscriptionSpec,
    TriggerSpec,
)
from publications.decide.wanted import derive_kept, derive_wanted
from publications.declare.declaration import Declaration, LandedTable
from publications.declare.names import HEARTBEAT, TableName

EVERYTHING = ("insert", "update", "delete")
USERS, BEAT = TableName("public", "user"), TableName("ponte", "heartbeat")
PEDIDOS, IMAGENS = TableName("vitrine", "pedidos"), TableName("vitrine", "imagens")
BOUNDED = frozenset({("temp_file_limit", "64MB")})
OPTIONS = {"synchronous_commit": "off"}


def export(number: int, *tables: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "source": "vitrine", "target": f"vps{number}", "role": f"out{number}", "subscription": f"sub{number}",
        "slot": f"slot{number}", "operations": ("insert",), "options": OPTIONS, "tables": tables, **changes,
    }  # fmt: skip


def published(name: TableName, publication: str, *columns: str, **changes: Any) -> dict[str, Any]:
    return {"name": str(name), "publication": publication, "columns": columns, **changes}


def declare(*exports: dict[str, Any], **changes: Any) -> Declaration:
    usual = {
        "version": 1,
        "privacy": {"public.user": {"public": ("id", "username"), "internal": ("setor",), "secret": ("h",)}},
        "intake": {
            "source": "sgp", "target": "vitrine", "role": "in", "subscription": "sub_in", "slot": "slot_in",
            "operations": EVERYTHING, "options": {**OPTIONS, "binary": True}, "connection": {"user": "none"},
            "tables": (
                {**published(USERS, "pub_user", "id", "username"), "projection": "project_user"},
                {**published(BEAT, "pub_beat", "id", "beat"), "projection": "project_heartbeat"},
            ),
        },
        "exports": exports,
    }  # fmt: skip
    return Declaration.model_validate(usual | changes)


OPEN = export(1, published(PEDIDOS, "pub_p", "id", "numero"), published(IMAGENS, "pub_i", "id"))


def derive(declaration: Declaration, endpoint: str, **given: Any) -> Any:
    usual: dict[str, Any] = {"source": {}, "conninfos": {}, "filters": {}}
    return derive_wanted(declaration, **(usual | given))[endpoint]


def filtered(number: int, where: str, *columns: str) -> dict[str, Any]:
    return export(number, published(PEDIDOS, f"pub{number}", "id", *columns, where=where))


FILTERS = {
    (PEDIDOS, "a = 1"): Filter("(a = 1)", frozenset({"a"})),
    (PEDIDOS, "b = 2"): Filter("(b = 2)", frozenset({"b"})),
    (IMAGENS, "a = 1"): Filter("(other)", frozenset({"other"})),
}


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_an_identity_holds_the_columns_of_every_exports_filter(order: tuple[int, int]) -> None:
    wheres = {1: filtered(1, "a = 1", "a"), 2: filtered(2, "b = 2", "b")}
    wanted = derive(declare(*(wheres[one] for one in order)), "vitrine", filters=FILTERS)
    assert wanted.identities == {PEDIDOS: IdentitySpec(frozenset({"id", "a", "b"}))}
    assert not wanted.identities[PEDIDOS].full


def test_an_identity_is_the_key_beside_a_filter_that_reads_nothing_more() -> None:
    wanted = derive(
        declare(filtered(1, "a = 1", "a"), export(2, *OPEN["tables"])), "vitrine", filters=FILTERS
    )
    assert wanted.identities == {
        PEDIDOS: IdentitySpec(frozenset({"id", "a"})),
        IMAGENS: IdentitySpec(frozenset({"id"})),
    }
    removed = declare({**filtered(1, "a = 1", "a"), "removed": True}, export(2, *OPEN["tables"]))
    assert derive(removed, "vitrine", filters=FILTERS).identities[PEDIDOS].columns == {"id"}


def test_only_the_windows_own_tables_get_an_identity() -> None:
    declaration = declare(filtered(1, "a = 1", "a"))
    for endpoint in ("sgp", "vps1"):
        assert derive(declaration, endpoint, filters=FILTERS).identities == {}
    credenciais = TableName("vitrine", "credenciais")
    wanted = derive(declare(export(1, published(credenciais, "pub_c", "user_id", "salt"))), "vitrine")
    assert wanted.identities == {credenciais: IdentitySpec(frozenset({"user_id"}))}


def test_a_filter_is_published_in_the_servers_words_and_in_its_own_until_it_has_any() -> None:
    declaration = declare(filtered(1, "a = 1", "a"))
    for filters, where in ((FILTERS, "(a = 1)"), ({}, "a = 1")):
        assert derive(declaration, "vitrine", filters=filters).publications == {
            "pub1": PublicationSpec(
                "pub1",
                frozenset({PublishedTableSpec(PEDIDOS, frozenset({"id", "a"}), where)}),
                frozenset({"insert"}),
            )
        }


def test_what_is_published_on_each_hop_is_at_its_source() -> None:
    declaration = declare(OPEN)
    wanted = derive(declaration, "sgp")
    assert wanted.publications == {
        name: PublicationSpec(name, frozenset({PublishedTableSpec(table, columns)}), frozenset(EVERYTHING))
        for name, table, columns in (
            ("pub_user", USERS, frozenset({"id", "username"})),
            ("pub_beat", BEAT, frozenset({"id", "beat"})),
        )
    }
    assert wanted.slots == {"slot_in": SlotSpec("slot_in")}
    assert wanted.subscriptions == {}
    assert derive(declaration, "vitrine").publications.keys() == {"pub_p", "pub_i"}
    assert derive(declaration, "vitrine").slots == {"slot1": SlotSpec("slot1")}
    assert derive(declaration, "vps1").publications == derive(declaration, "vps1").slots == {}


def test_a_subscription_is_told_where_its_source_is_and_who_asks() -> None:
    hop = {**OPEN, "connection": {"connect_timeout": "10", "port": "1"}}
    conninfos = {"sub1": {"host": "h", "port": "5"}, "sub2": {"host": "elsewhere"}}
    assert derive(declare(hop), "vps1", conninfos=conninfos).subscriptions == {
        "sub1": SubscriptionSpec(
            name="sub1",
            slot="slot1",
            publications=frozenset({"pub_p", "pub_i"}),
            conninfo=frozenset({("host", "h"), ("port", "1"), ("connect_timeout", "10"), ("user", "out1")}),
            options=frozenset(
                {
                    ("synchronous_commit", "off"),
                    ("streaming", "off"),
                    ("binary", "false"),
                    ("disable_on_error", "false"),
                }
            ),
            tables=frozenset({PEDIDOS, IMAGENS}),
        )
    }
    [intake] = derive(declare(hop), "vitrine").subscriptions.values()
    assert intake.conninfo == {("user", "in")}, "the role is not for the connection to say"
    assert ("binary", "true") in intake.options
    assert intake.enabled


def test_options_are_written_as_the_catalog_has_them() -> None:
    options = declare(OPEN).intake.options
    assert derive_options(options) == {
        ("synchronous_commit", "off"), ("streaming", "off"), ("binary", "true"),
        ("disable_on_error", "false"),
    }  # fmt: skip


def test_a_carrier_may_replicate_and_a_service_may_not() -> None:
    roles = (
        {
            "on": "vps1", "name": "api", "member_of": ("pg_monitor",),
            "settings": {"statement_timeout": "5s"},
            "grants": (
                {"privileges": ("select", "delete"), "table": "vitrine.pedidos"},
                {"privileges": ("select",), "table": "vitrine.imagens", "columns": ("id", "path")},
                {"privileges": ("execute",), "function": "auth.take(bytea, bytea)"},
            ),
        },
        {"on": "vitrine", "name": "worker"},
    )  # fmt: skip
    declaration = declare(OPEN, roles=roles)
    assert derive(declaration, "vps1").roles == {
        "api": RoleSpec(
            "api",
            replication=False,
            settings=frozenset({("statement_timeout", "5s")}),
            powers=frozenset({"member of pg_monitor"}),
        )
    }
    assert derive(declaration, "vitrine").roles == {
        "out1": RoleSpec("out1", replication=True, settings=BOUNDED, connections=8),
        "worker": RoleSpec("worker"),
    }
    assert derive(declaration, "vps1").grants == {
        GrantSpec("api", GrantKind.SCHEMA, "vitrine", "usage"),
        GrantSpec("api", GrantKind.TABLE, "vitrine.pedidos", "select"),
        GrantSpec("api", GrantKind.TABLE, "vitrine.pedidos", "delete"),
        GrantSpec("api", GrantKind.TABLE, "vitrine.imagens", "select", "id"),
        GrantSpec("api", GrantKind.TABLE, "vitrine.imagens", "select", "path"),
        GrantSpec("api", GrantKind.SCHEMA, "auth", "usage"),
        GrantSpec("api", GrantKind.FUNCTION, "auth.take(bytea, bytea)", "execute"),
    }
    assert derive(declaration, "vitrine").grants == {
        GrantSpec("out1", GrantKind.SCHEMA, "vitrine", "usage"),
        GrantSpec("out1", GrantKind.TABLE, "vitrine.pedidos", "select", "id"),
        GrantSpec("out1", GrantKind.TABLE, "vitrine.pedidos", "select", "numero"),
        GrantSpec("out1", GrantKind.TABLE, "vitrine.imagens", "select", "id"),
    }


def test_sgp_gets_a_heart_that_beats_and_nothing_else() -> None:
    [heart] = derive(declare(OPEN), "sgp").tables.values()
    assert (heart.table, heart.key, heart.triggers, heart.filled) == (HEARTBEAT, ("id",), frozenset(), True)
    assert list(heart.columns.values()) == [
        ColumnSpec("id", "smallint", not_null=True),
        ColumnSpec("beat", "bigint", not_null=True),
        ColumnSpec("beat_at", "timestamp with time zone"),
    ]
    assert derive(declare(OPEN), "vps1").tables == {}


def test_a_landing_table_takes_whatever_sgp_may_hold() -> None:
    source = {
        USERS: {
            "id": SourceColumn("integer", built_in=True, in_key=True),
            "username": SourceColumn("character varying", built_in=True, in_key=True),
            "is_admin": SourceColumn("boolean", built_in=True),
            "setor": SourceColumn("setor", built_in=False),
        }
    }
    wanted = derive(declare(OPEN), "vitrine", source=source)
    assert wanted.tables.keys() == {USERS, BEAT}
    users = wanted.tables[USERS]
    assert list(users.columns.values())[:4] == [
        ColumnSpec("id", "integer", not_null=True),
        ColumnSpec("username", "text"),
        ColumnSpec("is_admin", "boolean"),
        ColumnSpec("setor", "text"),
    ]
    assert users.columns["is_active"] == ColumnSpec("is_active", "text"), "of which SGP has none"
    assert users.triggers == {
        TriggerSpec("land", "projection.land"),
        TriggerSpec("project", "projection.project_user"),
        TriggerSpec("truncate", "projection.project_truncate"),
    }
    kinds = {one.name: (one.event, one.projects, one.always) for one in users.triggers}
    assert kinds == {
        "land": ("BEFORE INSERT", False, True),
        "project": ("AFTER INSERT OR UPDATE OR DELETE", True, True),
        "truncate": ("AFTER TRUNCATE", False, True),
    }
    assert not users.filled
    beat = wanted.tables[BEAT]
    assert (beat.columns["id"], beat.columns["beat_at"]) == (
        ColumnSpec("id", "smallint", not_null=True),
        ColumnSpec("beat_at", "timestamp with time zone"),
    )
    assert beat.columns["beat"] == ColumnSpec("beat", "bigint"), "not null is the key's alone"


def test_what_of_an_order_may_not_be_kept_is_cleaned_before_it_lands() -> None:
    pedidos = {
        **published(TableName("public", "pedidos"), "pub_pedidos", "id", "items"),
        "projection": "project_pedidos",
    }
    declared = declare(OPEN)
    intake = declared.intake.model_copy(
        update={"tables": (*declared.intake.tables, LandedTable.model_validate(pedidos))}
    )
    tables = derive(declared.model_copy(update={"intake": intake}), "vitrine").tables
    [clean] = [one for one in tables[TableName("public", "pedidos")].triggers if one.name == "clean"]
    assert (clean.function, clean.event) == ("projection.clean", "BEFORE INSERT OR UPDATE")
    assert (clean.always, clean.projects) == (True, True)


def test_on_landing_only_what_is_public_may_hold_something() -> None:
    assert derive_kept(declare(OPEN), "vitrine") == {
        USERS: {"id", "username"},
        BEAT: {"id"},
    }


def test_a_subscriber_keeps_what_its_own_export_lists_and_what_it_writes_itself() -> None:
    credenciais = TableName("vitrine", "credenciais")
    declaration = declare(OPEN, export(2, published(credenciais, "pub_c", "salt")))
    own = {"cursor", "received_at"}
    assert derive_kept(declaration, "vps1") == {PEDIDOS: {"id", "numero", *own}, IMAGENS: {"id", *own}}
    assert derive_kept(declaration, "vps2") == {credenciais: {"user_id", "salt", *own}}
    assert derive_kept(declare({**OPEN, "removed": True}), "vps1") == {}


def test_hops_say_which_table_goes_where_and_by_which_rows() -> None:
    other = published(IMAGENS, "pub_other", "id")
    first, second = derive_hops(
        declare(export(1, published(PEDIDOS, "pub1", "id", where="a = 1"), other)), FILTERS
    )
    assert first == HopSpec(
        source="sgp",
        target="vitrine",
        subscription="sub_in",
        publications={USERS: "pub_user", BEAT: "pub_beat"},
        keys={USERS: "id", BEAT: "id"},
        wheres={},
    )
    assert second == HopSpec(
        source="vitrine",
        target="vps1",
        subscription="sub1",
        publications={PEDIDOS: "pub1", IMAGENS: "pub_other"},
        keys={PEDIDOS: "id", IMAGENS: "id"},
        wheres={PEDIDOS: "(a = 1)"},
    )


def fed(**changes: Any) -> Declaration:
    """The same shop with SGP as a file."""
    usual = declare(OPEN)
    return usual.model_copy(update={"intake": usual.intake.model_copy(update={"kind": "sqlite"}), **changes})


def test_a_file_is_carried_by_a_role_of_the_windows_that_may_land_and_no_more() -> None:
    wanted = derive(fed(), "vitrine")
    assert wanted.roles["in"] == RoleSpec("in")
    everything = ("select", "insert", "update", "delete")
    may = {
        **dict.fromkeys((str(USERS), str(BEAT)), everything),
        **dict.fromkeys(
            ("vitrine.pedidos", "vitrine.imagens", "vitrine.usuarios", "vitrine.heartbeat"), everything
        ),
        **dict.fromkeys(
            ("projection.dead_letters", "projection.fed_rows", "projection.unread_values", "projection.feed"),
            everything,
        ),
        "projection.conflicts": ("select", "insert", "update"),
        "projection.gaps": ("select", "insert", "delete"),
        "projection.batches": ("select", "insert", "delete"),
    }
    assert {grant for grant in wanted.grants if grant.role == "in"} == {
        GrantSpec("in", GrantKind.FUNCTION, "pg_catalog.pg_try_advisory_lock(bigint)", "execute"),
        *(
            GrantSpec("in", GrantKind.SCHEMA, schema, "usage")
            for schema in ("public", "ponte", "vitrine", "projection")
        ),
        *(
            GrantSpec("in", GrantKind.TABLE, table, privilege)
            for table, privileges in may.items()
            for privilege in privileges
        ),
    }
    elsewhere = derive(fed(), "vps1")
    assert "in" not in elsewhere.roles
    assert not [grant for grant in elsewhere.grants if grant.role == "in"]


def test_who_pushes_may_call_what_its_slot_needs_and_read_how_a_role_is_known() -> None:
    pushed = declare(export(1, published(PEDIDOS, "pub_p", "id"), transport="push"))
    rest = {
        (grant.kind, grant.target, grant.privilege, grant.column)
        for grant in derive(pushed, "vitrine").grants
        if grant.role == "out1" and grant.target not in {str(PEDIDOS), PEDIDOS.schema}
    }
    called = {grant for grant in rest if grant[0] is GrantKind.FUNCTION}
    assert {privilege for _, _, privilege, _ in called} == {"execute"}
    assert {"push.peek(text, pg_lsn, integer)", "push.advance(text, pg_lsn, pg_lsn)"} < {
        name for _, name, _, _ in called
    }
    assert all(name.startswith("push.") for _, name, _, _ in called)
    assert rest - called == {
        (GrantKind.SCHEMA, "push", "usage", ""),
        (GrantKind.SCHEMA, "projection", "usage", ""),
        (GrantKind.TABLE, "projection.fingerprints", "select", "endpoint"),
        (GrantKind.TABLE, "projection.fingerprints", "select", "applied"),
    }


def test_a_files_columns_have_the_types_of_sgps_own_tables() -> None:
    columns = assume_source({USERS: ("id", "is_admin", "novo"), TableName("public", "lost"): ("id",)})
    assert columns == {
        USERS: {
            "id": SourceColumn("integer", built_in=True, in_key=True),
            "is_admin": SourceColumn("boolean", built_in=True),
            "novo": SourceColumn("text", built_in=True),
        },
        TableName("public", "lost"): {"id": SourceColumn("text", built_in=True, in_key=True)},
    }


def prove(endpoint: str, *tables: dict[str, Any], filters: Filters | None = None) -> set[tuple[str, str]]:
    """Return which columns of which tables one that proves may read there."""
    declaration = declare(export(1, *tables), roles=({"on": endpoint, "name": "who", "proves": True},))
    wanted = derive(declaration, endpoint, filters=filters or {})
    return {
        (grant.target, grant.column)
        for grant in wanted.grants
        if grant.role == "who" and grant.kind is GrantKind.TABLE
    }


def test_who_proves_reads_at_each_end_what_travels_there_and_by_what_it_is_filtered() -> None:
    orders = published(PEDIDOS, "pub_p", "id", "versao", where="numero > 5")
    filters = {(PEDIDOS, "numero > 5"): Filter("(numero > 5)", frozenset({"numero"}))}
    users = {("public.user", name) for name in ("id", "username", "xmin")}
    assert prove("sgp", orders, filters=filters) == users
    travels = {("vitrine.pedidos", "id"), ("vitrine.pedidos", "versao")}
    assert prove("vitrine", orders, filters=filters) == {*users, *travels, ("vitrine.pedidos", "numero")}
    assert prove("vps1", orders, filters=filters) == travels


def test_who_proves_reads_of_what_is_sealed_the_key_and_version_and_who_wrote_what_has_none() -> None:
    sealed = published(TableName("vitrine", "credenciais"), "pub_c", "user_id", "segredo", "versao")
    plain = published(IMAGENS, "pub_i", "id", "path")
    assert prove("vps1", sealed, plain) == {
        ("vitrine.credenciais", "user_id"),
        ("vitrine.credenciais", "versao"),
        *(("vitrine.imagens", name) for name in ("id", "path", "xmin")),
    }
