"""The push's wire: what a body may be, and what a wrong one is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from db.sync import Applied, Batch, Delete, SgpPedido, Truncate, Upsert

pytestmark = pytest.mark.unit

ROW = {"id": "7", "cliente": "Ação", "items": '[{"id": 7000}]', "valor_total": None, "versao": "12"}
SENT: dict[str, Any] = {
    "schema": 1,
    "source": "7400000000000000001/1",
    "position": "0/1A2B3C",
    "part": 0,
    "last": True,
    "changes": [
        {"kind": "upsert", "table": "pedidos", "row": ROW},
        {"kind": "delete", "table": "pedidos", "key": "8"},
        {"kind": "truncate", "table": "imagens"},
    ],
}
SGP = TypeAdapter(list[SgpPedido])


def wrong(sent: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Batch.model_validate_json(json.dumps(sent))
    return [".".join(map(str, one["loc"])) for one in caught.value.errors()]


def test_a_batch_reads_as_it_was_written() -> None:
    batch = Batch.model_validate_json(json.dumps(SENT))
    assert batch.changes == [
        Upsert(table="pedidos", row=ROW), Delete(table="pedidos", key="8"), Truncate(table="imagens"),
    ]  # fmt: skip
    assert Batch.model_validate_json(batch.to_json()) == batch


def test_part_last_and_after_need_not_be_said() -> None:
    said = {name: value for name, value in SENT.items() if name not in {"part", "last"}}
    assert Batch.model_validate_json(json.dumps(said)) == Batch.model_validate_json(json.dumps(SENT))


def test_what_a_newer_sender_says_beside_is_ignored() -> None:
    newer = SENT | {"sent_by": "2.0", "changes": [SENT["changes"][0] | {"lsn": "0/1"}]}
    assert Batch.model_validate_json(json.dumps(newer)).changes == [Upsert(table="pedidos", row=ROW)]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"schema": 2}, "schema"),
        ({"source": ""}, "source"),
        ({"position": "0/1a"}, "position"),
        ({"position": None}, "position"),
        ({"part": -1}, "part"),
        ({"changes": None}, "changes"),
        ({"changes": [{"kind": "merge"}]}, "changes.0"),
        ({"changes": [{"kind": "delete", "table": "pedidos"}]}, "changes.0.delete.key"),
        ({"changes": [{"kind": "truncate", "table": "Pedidos; --"}]}, "changes.0.truncate.table"),
        (
            {"changes": [{"kind": "upsert", "table": "pedidos", "row": {"cliente": "a\0b"}}]},
            "changes.0.upsert.row.cliente",
        ),
        ({"changes": [{"kind": "upsert", "table": "pedidos", "row": {"id": 7}}]}, "changes.0.upsert.row.id"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], field: str) -> None:
    assert wrong(SENT | change) == [field]


def test_a_refusal_does_not_quote_what_was_sent() -> None:
    with pytest.raises(ValidationError) as caught:
        Batch.model_validate_json(json.dumps(SENT | {"position": "secret words"}))
    assert "secret words" not in str(caught.value)


def test_what_sgp_sends_today_is_read() -> None:
    sent = (
        '[{"pedido_id":1,"numero":"0000000001","cliente_nome":"Agência Ção","status":"pendente",'
        '"valor_total":403.0,"updated_at":"2026-11-23T12:27:45.264448Z"}]'
    )
    [one] = SGP.validate_json(sent)
    assert (one.pedido_id, one.cliente_nome, one.valor_total, one.deleted) == (1, "Agência Ção", 403.0, False)
    assert one.updated_at is not None
    assert one.updated_at.isoformat() == "2026-11-23T12:27:45.264448+00:00"


@pytest.mark.parametrize(
    "sent",
    [
        '{"pedido_id":1,"numero":null,"status":"Concluído","valor_total":0.0,"updated_at":"2026-11-23T12:27:45"}',
        '{"pedido_id":1,"deleted":true,"updated_at":null}',
        '{"pedido_id":1,"cliente_nome":"a\\u0000b","valor_total":NaN,"updated_at":"2026-11-23T12:27:45Z"}',
        '{"pedido_id":1,"cliente_nome":"","valor_total":1e300,"updated_at":"2026-11-23T12:27:45Z","new":[]}',
    ],
)
def test_the_dirt_that_sgp_may_send_is_read_too(sent: str) -> None:
    [one] = SGP.validate_json(f"[{sent}]")
    assert one.updated_at is None or one.updated_at.tzinfo is not None
    assert "\0" not in (one.cliente_nome or "")


def test_an_answer_of_a_newer_receiver_is_read() -> None:
    said = '{"applied": {"pedidos": {"written": 2, "moved": 1}}, "position": "0/9", "more": 1}'
    answer = Applied.model_validate_json(said)
    assert (answer.applied["pedidos"].written, answer.position, answer.staged) == (2, "0/9", False)
