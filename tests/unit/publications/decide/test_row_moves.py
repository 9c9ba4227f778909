"""Which rows must be moved when one end changes: branch by branch, whole plans compared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from publications.decide.changes.rows import (
    Backfill,
    CloseGap,
    EmptyColumns,
    ForgetMarks,
    MarkBackfill,
    NoteGap,
)
from publications.decide.changes.step import Step
from publications.decide.changes.subscriptions import CopyAgain
from publications.decide.row_moves import diff_flow, find_table
from publications.decide.spec import (
    COPY,
    SWEEP,
    ColumnSpec,
    EndpointSpec,
    GapSpec,
    HopSpec,
    PublicationSpec,
    PublishedTableSpec,
    SlotSpec,
    SubscriptionSpec,
    TableSpec,
)
from publications.declare.names import TableName

PEDIDOS, IMAGENS = TableName("vitrine", "pedidos"), TableName("vitrine", "imagens")
NOTES = TableName("guard", "gaps")
GAP = GapSpec(up_to=7, after_beat=3, beat=9, noted=False)
HOP = HopSpec(
    source="vitrine",
    target="vps",
    subscription="sub_vps",
    publications={PEDIDOS: "pub_pedidos", IMAGENS: "pub_imagens"},
    keys={PEDIDOS: "id", IMAGENS: "imagem_id"},
    wheres={IMAGENS: "(imagem_id > 0)"},
)
EVERYTHING = frozenset({"insert", "update", "delete"})


def publish(name: str, table: TableName, *columns: str, where: str | None = None) -> PublicationSpec:
    return PublicationSpec(
        name, frozenset({PublishedTableSpec(table, frozenset(columns), where)}), EVERYTHING
    )


PUBLICATIONS = {
    "pub_pedidos": publish("pub_pedidos", PEDIDOS, "id", "numero"),
    "pub_imagens": publish("pub_imagens", IMAGENS, "imagem_id", where="(imagem_id > 0)"),
}
SUBSCRIPTION = SubscriptionSpec(
    name="sub_vps",
    slot="slot_vps",
    publications=frozenset(PUBLICATIONS),
    conninfo=frozenset(),
    options=frozenset(),
    tables=frozenset({PEDIDOS, IMAGENS}),
)
SOURCE = EndpointSpec(
    "vitrine", publications=PUBLICATIONS, slots={"slot_vps": SlotSpec("slot_vps", active=True)}
)
TARGET = EndpointSpec("vps", subscriptions={"sub_vps": SUBSCRIPTION}, gap_notes=NOTES)
WANTED = {"vitrine": SOURCE, "vps": TARGET}


def table(
    name: TableName, *columns: str, pending: frozenset[str] = frozenset(), filled: bool = True
) -> TableSpec:
    return TableSpec(
        name, {one: ColumnSpec(one, "text") for one in columns}, ("id",), pending=pending, filled=filled
    )


PEDIDOS_THERE = table(PEDIDOS, "id", "numero")
IMAGENS_THERE = table(IMAGENS, "imagem_id")


def flow(
    source: EndpointSpec = SOURCE, target: EndpointSpec = TARGET, wanted: EndpointSpec = SOURCE
) -> list[Step]:
    return diff_flow(HOP, {"vitrine": wanted, "vps": TARGET}, {"vitrine": source, "vps": target})


def with_publication(**changes: object) -> EndpointSpec:
    """Return the source with another publication of the orders."""
    changed = replace(PUBLICATIONS["pub_pedidos"], **changes)  # type: ignore[arg-type]
    return replace(SOURCE, publications={**PUBLICATIONS, "pub_pedidos": changed})


def with_part(**changes: object) -> EndpointSpec:
    """Return the source with another part of the orders in their publication."""
    [part] = PUBLICATIONS["pub_pedidos"].tables
    return with_publication(tables=frozenset({replace(part, **changes)}))  # type: ignore[arg-type]


def holding(*tables: TableSpec, **changes: object) -> EndpointSpec:
    """Return the target with tables that are there already, and something else about it."""
    return replace(TARGET, tables={one.table: one for one in tables}, **changes)  # type: ignore[arg-type]


def copied(name: TableName = PEDIDOS, publication: str = "pub_pedidos") -> CopyAgain:
    return CopyAgain("vps", SUBSCRIPTION, publication, name)


def swept(name: TableName = PEDIDOS) -> Backfill:
    return Backfill("vps", name, (SWEEP,), "vitrine", HOP.keys[name], HOP.wheres.get(name))


def marked(name: TableName, *columns: str) -> MarkBackfill:
    return MarkBackfill("vps", name, columns)


ALL_AGAIN = [
    marked(PEDIDOS, COPY),
    copied(),
    swept(),
    marked(IMAGENS, COPY),
    copied(IMAGENS, "pub_imagens"),
    swept(IMAGENS),
]


def test_ends_that_agree_move_nothing() -> None:
    assert flow() == []
    assert flow(target=holding(PEDIDOS_THERE, IMAGENS_THERE)) == []


def test_a_hop_that_is_not_wanted_moves_nothing() -> None:
    bare = replace(TARGET, subscriptions={}, stale={PEDIDOS: {"observacao": "NULL"}}, gap=GAP)
    assert diff_flow(HOP, {"vitrine": SOURCE, "vps": bare}, {"vitrine": SOURCE, "vps": bare}) == []


def test_a_first_copy_over_nothing_sweeps_nothing() -> None:
    nobody: dict[str, object] = {"subscriptions": {}}
    assert flow(target=holding(**nobody)) == []
    assert flow(target=holding(table(PEDIDOS, "id", "numero", filled=False), **nobody)) == []


def test_a_first_copy_over_rows_that_are_there_is_swept_after_it() -> None:
    assert flow(target=holding(PEDIDOS_THERE, IMAGENS_THERE, subscriptions={})) == [
        marked(PEDIDOS, SWEEP),
        swept(),
        marked(IMAGENS, SWEEP),
        swept(IMAGENS),
    ]


@pytest.mark.parametrize(
    ("pending", "columns"),
    [({SWEEP}, (SWEEP,)), ({SWEEP, "numero"}, (SWEEP, "numero")), ({SWEEP, COPY}, (SWEEP,))],
    ids=["swept", "filled too", "copied anyway"],
)
def test_a_first_copy_goes_on_with_what_is_noted_already(pending: set[str], columns: tuple[str, ...]) -> None:
    there = table(PEDIDOS, "id", "numero", pending=frozenset(pending), filled=False)
    assert flow(target=holding(there, subscriptions={})) == [replace(swept(), columns=columns)]


def test_a_table_that_the_subscription_does_not_know_is_a_first_copy() -> None:
    partly = replace(SUBSCRIPTION, tables=frozenset({IMAGENS}))
    found = flow(target=holding(PEDIDOS_THERE, IMAGENS_THERE, subscriptions={"sub_vps": partly}))
    assert found == [marked(PEDIDOS, SWEEP), swept()]


@pytest.mark.parametrize(
    "operations",
    [{"insert"}, {"insert", "update"}, {"delete", "insert"}, set()],
    ids=lambda one: "+".join(sorted(one)),
)
def test_operations_that_come_back_copy_again(operations: set[str]) -> None:
    assert flow(with_publication(operations=frozenset(operations))) == [
        marked(PEDIDOS, COPY),
        copied(),
        swept(),
    ]


def test_operations_too_many_copy_nothing() -> None:
    assert flow(with_publication(operations=EVERYTHING | {"truncate"})) == []


def test_another_filter_copies_again() -> None:
    assert flow(with_part(where="(id > 5)")) == [marked(PEDIDOS, COPY), copied(), swept()]
    assert flow(wanted=with_part(where="(id > 5)")) == [marked(PEDIDOS, COPY), copied(), swept()]


def test_a_publication_that_was_gone_copies_again() -> None:
    without = replace(SOURCE, publications={"pub_imagens": PUBLICATIONS["pub_imagens"]})
    assert flow(without) == [marked(PEDIDOS, COPY), copied(), swept()]


def test_a_publication_that_lost_its_table_copies_again() -> None:
    assert flow(with_publication(tables=frozenset())) == [marked(PEDIDOS, COPY), copied(), swept()]
    other = publish("pub_pedidos", IMAGENS, "imagem_id").tables
    assert flow(with_publication(tables=other)) == [marked(PEDIDOS, COPY), copied(), swept()]


def test_what_is_noted_to_be_copied_is_copied_without_a_second_note() -> None:
    there = table(PEDIDOS, "id", "numero", pending=frozenset({COPY, "numero"}))
    assert flow(target=holding(there)) == [copied(), replace(swept(), columns=(SWEEP, "numero"))]


def test_a_column_that_is_sent_from_now_on_is_filled() -> None:
    fill = replace(swept(), columns=("numero",))
    assert flow(with_part(columns=frozenset({"id"}))) == [marked(PEDIDOS, "numero"), fill]
    noted = table(PEDIDOS, "id", "numero", pending=frozenset({"numero"}))
    assert flow(with_part(columns=frozenset({"id"})), holding(noted)) == [fill]


def test_columns_that_wait_already_are_filled_with_the_new_ones() -> None:
    there = table(PEDIDOS, "id", "numero", pending=frozenset({"id"}))
    assert flow(with_part(columns=frozenset({"id"})), holding(there)) == [
        marked(PEDIDOS, "numero"),
        replace(swept(), columns=("id", "numero")),
    ]
    assert flow(target=holding(there)) == [replace(swept(), columns=("id",))]


def test_a_column_that_is_not_sent_any_more_waits_for_nothing() -> None:
    """The source may not even have it: it was released, then dropped."""
    there = table(PEDIDOS, "id", "numero", pending=frozenset({"cliente", "numero"}))
    forgotten = ForgetMarks("vps", PEDIDOS, ("cliente",))
    assert flow(target=holding(there)) == [forgotten, replace(swept(), columns=("numero",))]
    alone = table(PEDIDOS, "id", "numero", pending=frozenset({"cliente"}))
    assert flow(target=holding(alone)) == [forgotten]


def test_a_column_without_a_place_to_land_is_filled_once_it_has_one() -> None:
    assert flow(target=holding(table(PEDIDOS, "id"))) == [
        marked(PEDIDOS, "numero"),
        replace(swept(), columns=("numero",)),
    ]


def test_a_fill_reads_by_the_tables_own_key_and_filter() -> None:
    assert flow(target=holding(table(IMAGENS))) == [
        marked(IMAGENS, "imagem_id"),
        Backfill("vps", IMAGENS, ("imagem_id",), "vitrine", "imagem_id", "(imagem_id > 0)"),
    ]


@pytest.mark.parametrize("side", ["before", "after"])
def test_every_column_published_leaves_nothing_to_be_filled(side: str) -> None:
    everything = with_part(columns=None)
    there = holding(table(PEDIDOS, "id"))
    assert flow(everything) == []
    assert (
        flow(everything, there, everything) if side == "before" else flow(wanted=everything, target=there)
    ) == []


def test_less_that_is_sent_moves_nothing() -> None:
    assert flow(with_part(columns=frozenset({"id", "numero", "cliente"}))) == []


def test_what_is_not_to_be_there_is_emptied() -> None:
    stale = {PEDIDOS: {"observacao": "''", "numero": "NULL"}}
    assert flow(target=holding(stale=stale)) == [
        EmptyColumns("vps", PEDIDOS, (("observacao", "''"), ("numero", "NULL")), "vitrine", "slot_vps")
    ]
    slotless = {
        "vitrine": SOURCE,
        "vps": replace(TARGET, subscriptions={"sub_vps": replace(SUBSCRIPTION, slot=None)}),
    }
    [step] = diff_flow(HOP, slotless, {"vitrine": SOURCE, "vps": replace(slotless["vps"], stale=stale)})[:1]
    assert isinstance(step, EmptyColumns)
    assert step.slot == ""


@pytest.mark.parametrize("how", ["slot gone", "another slot"])
def test_a_new_slot_copies_all_again_and_closes_every_gap(how: str) -> None:
    source, target = SOURCE, TARGET
    if how == "slot gone":
        source = replace(SOURCE, slots={"slot_other": SlotSpec("slot_other")})
    else:
        target = replace(TARGET, subscriptions={"sub_vps": replace(SUBSCRIPTION, slot="slot_old")})
    assert flow(source, target) == [*ALL_AGAIN, CloseGap("vps", NOTES, None)]


def test_a_first_subscription_has_no_new_slot() -> None:
    assert flow(replace(SOURCE, slots={}), holding(subscriptions={})) == []


def test_a_gap_copies_all_again_is_noted_and_then_closed() -> None:
    assert flow(target=holding(gap=GAP)) == [
        *ALL_AGAIN,
        NoteGap("vps", NOTES, GAP),
        CloseGap("vps", NOTES, GAP),
    ]


def test_a_gap_that_is_noted_goes_on_with_what_waits() -> None:
    noted = replace(GAP, noted=True)
    there = table(PEDIDOS, "id", "numero", pending=frozenset({COPY}))
    assert flow(target=holding(there, gap=noted)) == [copied(), swept(), CloseGap("vps", NOTES, noted)]


def test_a_gap_beside_a_new_slot_is_noted_and_all_notes_go() -> None:
    assert flow(replace(SOURCE, slots={}), holding(gap=GAP)) == [
        *ALL_AGAIN,
        NoteGap("vps", NOTES, GAP),
        CloseGap("vps", NOTES, None),
    ]


def test_a_database_that_is_older_than_such_notes_gets_none() -> None:
    assert flow(target=holding(gap=GAP, gap_notes=None)) == ALL_AGAIN
    assert flow(replace(SOURCE, slots={}), holding(gap_notes=None)) == ALL_AGAIN


def test_a_tables_part_is_found_by_the_table() -> None:
    both = replace(
        PUBLICATIONS["pub_pedidos"],
        tables=PUBLICATIONS["pub_pedidos"].tables | PUBLICATIONS["pub_imagens"].tables,
    )
    for name in (PEDIDOS, IMAGENS):
        part = find_table(both, name)
        assert part is not None
        assert part.table == name
    assert find_table(PUBLICATIONS["pub_pedidos"], IMAGENS) is None
    assert find_table(None, PEDIDOS) is None


def test_a_table_that_lost_rows_is_copied_alone_and_not_again_while_it_is_marked() -> None:
    lost = replace(TARGET, subscriptions={"sub_vps": SUBSCRIPTION}, lost=frozenset({PEDIDOS}))
    wanted = {"vitrine": SOURCE, "vps": TARGET}
    steps = diff_flow(HOP, wanted, {"vitrine": SOURCE, "vps": lost})
    assert [(type(step), step.table) for step in steps] == [  # type: ignore[union-attr]
        (MarkBackfill, PEDIDOS),
        (CopyAgain, PEDIDOS),
        (Backfill, PEDIDOS),
    ]
    swept = replace(lost, tables={PEDIDOS: TableSpec(PEDIDOS, {}, ("id",), pending=frozenset({SWEEP}))})
    again = diff_flow(HOP, wanted, {"vitrine": SOURCE, "vps": swept})
    assert not any(isinstance(step, CopyAgain) for step in again)
