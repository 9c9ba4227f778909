"""What WAL still has of a table is compared with what it will be where it goes."""

from __future__ import annotations

import pytest

from publications.decide.misfit import SentRelation, find_misfit
from publications.declare.names import TableName

pytestmark = pytest.mark.unit

TABLE = TableName("public", "pedidos")
HELD = {TABLE: {"id": "bigint", "valor": "numeric", "dia": "date", "nota": "text"}}


def sent(**columns: str) -> list[SentRelation]:
    return [SentRelation(TABLE, {"id": "bigint", **columns})]


@pytest.mark.parametrize(
    "columns",
    [
        {"valor": "numeric", "dia": "date", "nota": "text"},
        {"id": "integer", "valor": "double precision"},
        {"nota": "date"},
        {},
    ],
)
def test_what_its_target_takes_is_left_to_pass(columns: dict[str, str]) -> None:
    assert find_misfit(sent(**columns), HELD) == ""


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"obs": "text"}, "with a column obs, which nothing takes"),
        ({"valor": "text"}, "with valor as text, not numeric"),
        ({"id": "numeric"}, "with id as numeric, not bigint"),
        ({"dia": "timestamp without time zone"}, "with dia as timestamp without time zone, not date"),
    ],
)
def test_what_nothing_takes_is_told(columns: dict[str, str], why: str) -> None:
    assert find_misfit(sent(**columns), HELD) == f"it holds changes of public.pedidos {why}"


def test_a_table_that_is_not_there_takes_nothing() -> None:
    other = [SentRelation(TableName("public", "fotos"), {"id": "bigint"})]
    assert find_misfit([*sent(), *other], HELD) == "it holds changes of public.fotos, which nothing takes"


def test_a_publication_that_was_not_there_is_told_and_nothing_sent_is_well() -> None:
    assert "before one of its publications" in find_misfit(None, HELD)
    assert find_misfit([], HELD) == ""
