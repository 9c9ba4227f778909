"""What a person should know although no step of a plan mends it: each said once, in its whole sentence."""

from __future__ import annotations

import pytest

from publications.decide.columns import USUAL
from publications.decide.findings import find_findings
from publications.decide.source import SourceColumn, SourceTables
from publications.decide.spec import (
    EndpointSpec,
    PublicationSpec,
    PublishedTableSpec,
    SlotSpec,
    StrangeSlot,
    SubscriptionSpec,
    Unusual,
)
from publications.declare.declaration import STARTING_PATH, Declaration, Privacy, read_declaration
from publications.declare.names import TableName

NAMES = ("sgp", "vitrine", "vps")


@pytest.fixture
def declaration() -> Declaration:
    return read_declaration(STARTING_PATH)


def publication(name: str, *tables: str, everything: bool = False) -> PublicationSpec:
    parts = frozenset(PublishedTableSpec(TableName.parse(one), None) for one in tables)
    return PublicationSpec(name, parts, frozenset({"insert"}), everything)


def subscription(name: str) -> SubscriptionSpec:
    return SubscriptionSpec(name, None, frozenset(), frozenset(), frozenset())


def find(
    declaration: Declaration, *endpoints: EndpointSpec, source: SourceTables | None = None
) -> list[tuple[str, str]]:
    """Return facts and hints for a shop that is as it should be but for the given endpoints."""
    live = {name: EndpointSpec(name) for name in NAMES} | {one.name: one for one in endpoints}
    found = find_findings(declaration, live=live, source=source or {})
    return [(finding.fact, finding.hint) for finding in found]


def test_a_shop_as_declared_has_no_findings(declaration: Declaration) -> None:
    hops = declaration.hops
    live = [
        EndpointSpec(
            name,
            publications={
                table.publication: publication(table.publication, str(table.name))
                for hop in hops
                if hop.source == name
                for table in hop.tables
            },
            slots={hop.slot: SlotSpec(hop.slot) for hop in hops if hop.source == name},
            subscriptions={
                hop.subscription: subscription(hop.subscription) for hop in hops if hop.target == name
            },
        )
        for name in NAMES
    ]
    assert all(one.publications or one.subscriptions for one in live)
    source = {
        name: dict.fromkeys(
            (*classes.public, *classes.internal, *classes.secret), SourceColumn("text", built_in=True)
        )
        for name, classes in declaration.privacy.items()
    }
    assert len(source) > 3
    assert find(declaration, *live, source=source) == []


@pytest.mark.parametrize("kind", ["public", "internal", "secret"])
def test_a_column_of_each_class_is_known_and_any_other_is_told(declaration: Declaration, kind: str) -> None:
    classes = Privacy.model_validate({kind: ("numero",)})
    shop = declaration.model_copy(update={"privacy": {TableName.parse("public.pedidos"): classes}})
    columns = dict.fromkeys(("numero", "apelido", "zap"), SourceColumn("text", built_in=True))
    other = {TableName.parse("public.material"): columns}
    assert find(shop, source={TableName.parse("public.pedidos"): columns, **other}) == [
        (
            f"sgp's column public.pedidos.{column} is not classified; it stays there",
            'add it to public, internal or secret in [privacy."public.pedidos"]',
        )
        for column in ("apelido", "zap")
    ]


def test_somebodys_publication_is_told_with_its_tables(declaration: Declaration) -> None:
    mine = {"pub_old": publication("pub_old", "public.pedidos"), "z": publication("z", everything=True)}
    theirs = {"a": publication("a", "public.material")}
    assert find(declaration, EndpointSpec("vps", publications=mine | theirs)) == [
        (
            "vps has a publication that is not Ponte's: a (public.material)",
            "if nobody needs it: DROP PUBLICATION a",
        ),
        (
            "vps has a publication that is not Ponte's: z (everything)",
            "if nobody needs it: DROP PUBLICATION z",
        ),
    ]
    both = publication("both", "public.a", "public.b")
    [(fact, _)] = find(declaration, EndpointSpec("sgp", publications={"both": both}))
    assert fact.endswith((": both (public.a, public.b)", ": both (public.b, public.a)"))


def test_somebodys_slot_is_told_with_whether_it_keeps_wal(declaration: Declaration) -> None:
    slots = {
        name: SlotSpec(name, active=name == "used")
        for name in ("used", "idle", "slot_old", "pg_1_sync_2_3", "pg_sync")
    }
    assert find(declaration, EndpointSpec("sgp", slots=slots)) == [
        (
            f"sgp has a slot that is not Ponte's: {name} ({state})",
            f"if nobody needs it: SELECT pg_drop_replication_slot('{name}')",
        )
        for name, state in (
            ("idle", "inactive, and keeps WAL"),
            ("pg_sync", "inactive, and keeps WAL"),
            ("used", "active"),
        )
    ]


def test_somebodys_subscription_is_told(declaration: Declaration) -> None:
    subscriptions = {name: subscription(name) for name in ("theirs", "sub_old", "again")}
    assert find(declaration, EndpointSpec("vitrine", subscriptions=subscriptions)) == [
        (
            f"vitrine has a subscription that is not Ponte's: {name}",
            f"if nobody needs it: DROP SUBSCRIPTION {name}",
        )
        for name in ("again", "theirs")
    ]


def test_what_is_declared_is_pontes_whatever_its_name(declaration: Declaration) -> None:
    tables = tuple(
        table.model_copy(update={"publication": f"loja_{n}"})
        for n, table in enumerate(declaration.intake.tables)
    )
    names = {"subscription": "loja_sub", "slot": "loja_slot", "tables": tables}
    shop = declaration.model_copy(update={"intake": declaration.intake.model_copy(update=names)})
    source = EndpointSpec(
        "sgp",
        publications={one.publication: publication(one.publication, str(one.name)) for one in tables},
        slots={"loja_slot": SlotSpec("loja_slot")},
    )
    target = EndpointSpec("vitrine", subscriptions={"loja_sub": subscription("loja_sub")})
    assert find(shop, source, target) == []
    assert len(find(declaration, source, target)) == len(tables) + 2


@pytest.mark.parametrize(
    ("name", "column", "told"),
    [
        ("sub_vps", "subtwophasestate", True),
        ("sub_vps", "suborigin", False),
        ("theirs", "subtwophasestate", False),
        ("theirs", "suborigin", False),
    ],
)
def test_what_no_alter_brings_back_is_told_of_ours_alone(
    declaration: Declaration, name: str, column: str, told: bool
) -> None:
    usual = USUAL["pg_subscription"][column]
    unusual = (Unusual("pg_subscription", name, column, "e"),)
    found = find(declaration, EndpointSpec("vps", unusual=unusual))
    assert found == (
        [
            (
                f"subscription sub_vps on vps has {column} = e, not {usual.value}: {usual.means}",
                "disable and drop it with slot_name = NONE, drop its slot, and run 'ponte apply':"
                " all is copied again",
            )
        ]
        if told
        else []
    )


STRANGE = tuple(
    StrangeSlot(f"{kind}_{'on' if active else 'off'}", kind, active)
    for kind in ("physical", "logical")
    for active in (True, False)
)


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        ("sgp", [("physical", "physical_off", "inactive")]),
        (
            "vitrine",
            [
                ("physical", "physical_on", "active"),
                ("physical", "physical_off", "inactive"),
                ("logical", "logical_on", "active"),
                ("logical", "logical_off", "inactive"),
            ],
        ),
    ],
)
def test_a_slot_that_nothing_here_reads_is_told_and_of_sgps_what_no_standby_reads(
    declaration: Declaration, endpoint: str, told: list[tuple[str, str, str]]
) -> None:
    assert find(declaration, EndpointSpec(endpoint, strange_slots=STRANGE)) == [
        (
            f"{endpoint} has a {kind} slot that is not Ponte's, and keeps WAL: {name} ({state})",
            "if nobody needs it: end its reader, if it has one, and"
            f" SELECT pg_drop_replication_slot('{name}')",
        )
        for kind, name, state in told
    ]
