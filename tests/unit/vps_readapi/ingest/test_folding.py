"""What a body comes to: the last state of each row, and which field is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from db.sync import Batch, Delete, SgpPedido, Truncate, Upsert
from vps_readapi.ingest.folding import fold_batch, fold_list
from vps_readapi.ingest.printing import print_value
from vps_readapi.ingest.refusals import RefusalError
from vps_readapi.ingest.sgp import read_amount, read_status

pytestmark = pytest.mark.unit


def row(key: int, versao: int, **columns: str) -> Upsert:
    return Upsert(table="pedidos", row={"id": str(key), "versao": str(versao), **columns})


def fold(*changes: Upsert | Delete | Truncate) -> dict[str, Any]:
    body, _ = fold_batch(Batch(source="1/1", position="0/1", changes=changes))
    return body


def pedidos(*changes: Upsert | Delete | Truncate) -> dict[str, Any]:
    said: dict[str, Any] = fold(*changes)["tables"]["pedidos"]
    return said


def test_of_several_changes_of_a_row_the_last_is_left() -> None:
    assert pedidos(row(1, 5), row(1, 6, cliente="b"))["rows"] == [{"id": "1", "versao": "6", "cliente": "b"}]


def test_a_column_that_the_later_change_does_not_name_stays() -> None:
    [left] = pedidos(row(1, 5, items="[1]", cliente="a"), row(1, 6, cliente="b"))["rows"]
    assert left == {"id": "1", "versao": "6", "items": "[1]", "cliente": "b"}


def test_a_row_that_went_and_came_again_has_nothing_of_the_former() -> None:
    gone = Delete(table="pedidos", key="1")
    assert pedidos(row(1, 5, cliente="a"), gone, row(1, 9)) == {
        "rows": [{"id": "1", "versao": "9"}],
        "places": [2],
    }


def test_a_delete_carries_the_newest_version_that_was_told_before_it() -> None:
    body = fold(row(1, 5), row(2, 7), Delete(table="pedidos", key="1"), row(3, 9))
    assert body["tables"]["pedidos"]["gone"] == [{"key": "1", "at": 2, "seen": 7}]
    assert body["seen"] == 9


def test_a_truncate_leaves_what_came_after_it() -> None:
    left = pedidos(row(1, 5), Delete(table="pedidos", key="3"), Truncate(table="pedidos"), row(2, 6))
    assert left == {"emptied": 5, "rows": [{"id": "2", "versao": "6"}], "places": [3]}


def test_what_nobody_here_knows_is_left_out_and_counted() -> None:
    batch = Batch(
        source="1/1",
        position="0/1",
        changes=[row(1, 5, novo="x"), row(2, 6, novo="y"), Delete(table="nova", key="1")],
    )
    body, ignored = fold_batch(batch)
    assert dict(ignored) == {"pedidos.novo": 2, "nova": 1}
    assert "novo" not in str(body)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"versao": "5"}, "changes.0.row.id"),
        ({"id": None, "versao": "5"}, "changes.0.row.id"),
        ({"id": "1"}, "changes.0.row.versao"),
        ({"id": "1", "versao": "5.0"}, "changes.0.row.versao"),
        ({"id": "1", "versao": "-5"}, "changes.0.row.versao"),
        ({"id": "1", "versao": "9" * 20}, "changes.0.row.versao"),
    ],
)
def test_a_row_without_its_key_or_version_is_refused_by_name(given: dict[str, Any], field: str) -> None:
    with pytest.raises(RefusalError) as caught:
        fold(Upsert(table="pedidos", row=given))
    assert caught.value.fields == [field]


def test_each_tables_own_key_counts() -> None:
    body = fold(Upsert(table="miniaturas", row={"imagem_id": "3", "versao": "1"}))
    assert body["tables"]["miniaturas"]["rows"] == [{"imagem_id": "3", "versao": "1"}]


def test_a_list_holds_whole_rows_deletions_and_what_sgp_says() -> None:
    sgp = SgpPedido.model_validate({"pedido_id": 4, "status": "Concluído", "valor_total": 0.0})
    whole = {
        "id": 1,
        "versao": 5,
        "pronto": True,
        "items": [{"id": 7}],
        "avisos": ["a b"],
        "valor_total": 4.5,
    }
    body, _ = fold_list("pedidos", [whole, {"id": 2, "versao": 6, "deleted": True}, sgp])
    assert body["tables"]["pedidos"] == {
        "gone": [{"key": "2", "at": 1, "seen": 6}],
        "rows": [
            {"id": "1", "versao": "5", "pronto": "true", "items": '[{"id": 7}]', "avisos": '{"a b"}',
             "valor_total": "4.5"}
        ],
        "places": [0],
    }  # fmt: skip
    assert body["partial"] == [{"id": 4, "deleted": False, "status": "entregue"}]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"id": 1}, "0.versao"),
        ({"id": 1, "deleted": True}, "0.versao"),
        ({"id": 1, "cliente": "\0"}, "0.cliente"),
    ],
)
def test_a_wrong_row_of_a_list_is_named_by_its_place(given: dict[str, Any], field: str) -> None:
    with pytest.raises(RefusalError) as caught:
        fold_list("pedidos", [given])
    assert caught.value.fields == [field]


@pytest.mark.parametrize(
    ("values", "printed"),
    [([], "{}"), (["a", None], '{"a",NULL}'), (['"', "\\", ",{}"], '{"\\"","\\\\",",{}"}')],
)
def test_an_array_is_printed_as_postgresql_reads_it(values: list[Any], printed: str) -> None:
    assert print_value(values, array=True) == printed


@pytest.mark.parametrize(
    ("said", "status"),
    [(None, "pendente"), (" Em Produção ", "em_producao"), ("em produc\u0327a\u0303o", "em_producao"),
     ("CONCLUIDO", "entregue"), ("pronto", "pronto"), ("penden", "pendente"), ("?", "pendente")],
)  # fmt: skip
def test_sgps_words_for_a_status_are_the_five(said: str | None, status: str) -> None:
    assert read_status(said) == status


@pytest.mark.parametrize(
    ("said", "amount"),
    [(None, None), (0.0, None), (float("nan"), None), (float("inf"), None), (1e12, None), (403.0, "403.00")],
)
def test_an_amount_that_sgp_could_not_read_is_unknown(said: float | None, amount: str | None) -> None:
    assert read_amount(said) == amount
