"""What SGP holds is on the VPS, clean, whole and once; whatever the dirt and whatever breaks."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator

import psycopg
import pytest

from db.contract import ITEM_EXTRA_KEYS, Pedido
from infra.devstack.seed import ITEM_CANARIES, change_order, delete_order, insert_order
from tests.fix_push import declare_pushed, run_pushed, switch_to
from tests.fix_road import Road

CHANGES = 60


@pytest.fixture
def road(mended_road: Road) -> Road:
    """One road for all: each test leaves it healed, whatever orders are on it then."""
    return mended_road


@pytest.fixture(scope="module", params=["replication", "push"])
def carried_road(
    mended_road: Road, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Road]:
    """The same road, by either transport."""
    if request.param == "replication":
        yield mended_road
        return
    replicated = mended_road.declaration
    with run_pushed(mended_road, tmp_path_factory.mktemp("pushed")):
        switch_to(mended_road, declare_pushed())
        yield mended_road
        switch_to(mended_road, replicated)


def read_window(road: Road, name: str) -> list[dict[str, object]]:
    rows = road.run(name, "SELECT to_jsonb(p) - 'cursor' FROM vitrine.pedidos AS p ORDER BY id")
    return [row for (row,) in rows]  # type: ignore[misc]


def test_every_order_arrives_and_keeps_the_contract(carried_road: Road) -> None:
    road = carried_road
    [[expected]] = road.run("sgp", "SELECT count(*) FROM pedidos")
    for name in ("vitrine", "vps"):
        pedidos = [Pedido.model_validate(row) for row in read_window(road, name)]
        assert len(pedidos) == expected
    assert road.digest("vitrine") == road.digest("vps")
    assert road.run("vitrine", "SELECT * FROM projection.dead_letters") == []


def test_items_hold_only_what_may_leave(carried_road: Road) -> None:
    road = carried_road
    own = {"id", "indice", "descricao", "especificacoes", "observacoes", "imagem_id"}
    [[keys]] = road.run(
        "vps",
        "SELECT array_agg(DISTINCT k) FROM vitrine.pedidos,"
        " jsonb_array_elements(items) AS i, jsonb_object_keys(i) AS k",
    )
    assert own <= set(keys) <= own | set(ITEM_EXTRA_KEYS)  # type: ignore[call-overload]
    assert len(set(keys) - own) > 10  # type: ignore[call-overload]
    text = json.dumps(read_window(road, "vps"), ensure_ascii=False)
    assert [place for place, canary in ITEM_CANARIES.items() if canary in text] == []


FORBIDDEN = (
    "valor_unitario", "valor_total", "valores_adicionais", "outros_valores", "ilhos_valor_unitario",
    "unit_price", "subtotal", "imagem", "imagem_path", "image_reference",
    "server_reference", "comentarios", "largura",
)  # fmt: skip


def test_the_whitelist_is_one(road: Road) -> None:
    item = dict.fromkeys([*ITEM_EXTRA_KEYS, *FORBIDDEN, "nova_chave"], "x")
    [[kept]] = road.run(
        "vitrine", "SELECT items -> 0 FROM projection.project_items(%s, 7)", json.dumps([item])
    )
    own = {"id", "indice", "descricao", "especificacoes", "observacoes"}
    assert set(kept) == own | set(ITEM_EXTRA_KEYS)  # type: ignore[call-overload]


def test_a_change_that_the_window_does_not_show_writes_nothing(road: Road) -> None:
    before = road.digest("vitrine")
    road.run("sgp", "UPDATE pedidos SET obs_pagamento = 'x', items = items WHERE id < 50")
    road.wait_arrival()
    assert road.digest("vitrine") == before


def test_a_row_that_cannot_be_written_waits_as_a_dead_letter(road: Road) -> None:
    road.run("vitrine", "ALTER TABLE vitrine.pedidos ADD CONSTRAINT trouble CHECK (observacao <> 'trouble')")
    road.run("sgp", "UPDATE pedidos SET observacao = 'trouble' WHERE id = 1")
    road.run("sgp", "UPDATE pedidos SET observacao = 'fine' WHERE id = 2")
    road.wait_arrival()
    assert road.run("vitrine", "SELECT landing, key, sqlstate FROM projection.dead_letters") == [
        ("public.pedidos", 1, "23514")
    ]
    assert road.run("vps", "SELECT observacao FROM vitrine.pedidos WHERE id = 2") == [("fine",)]
    assert road.run("vitrine", "SELECT projection.retry_dead_letters(10)") == [(1,)]
    road.run("vitrine", "ALTER TABLE vitrine.pedidos DROP CONSTRAINT trouble")
    assert road.run("vitrine", "SELECT projection.retry_dead_letters(10)") == [(0,)]
    road.wait_arrival()
    assert road.run("vps", "SELECT observacao FROM vitrine.pedidos WHERE id = 1") == [("trouble",)]


def test_deletes_and_key_changes_arrive(carried_road: Road) -> None:
    road = carried_road
    [[gone], [old]] = road.run("sgp", "SELECT id FROM pedidos WHERE id < 100 ORDER BY id LIMIT 2 OFFSET 2")
    assert isinstance(gone, int)
    assert isinstance(old, int)
    new = 900_000 + old
    with road.connect("sgp") as sgp:
        delete_order(sgp, gone)
        sgp.execute("DELETE FROM pedido_imagens WHERE pedido_id = %s", [old])
        sgp.execute("DELETE FROM print_logs WHERE pedido_id = %s", [old])
        sgp.execute("UPDATE pedidos SET id = %s WHERE id = %s", [new, old])
    road.wait_arrival()
    rows = road.run("vps", "SELECT id FROM vitrine.pedidos WHERE id = ANY (%s)", [gone, old, new])
    assert rows == [(new,)]


def test_no_text_makes_the_projection_raise(road: Road) -> None:
    """Cut, doubled and scrambled pieces of real items."""
    rng = random.Random(7)
    seeds = [
        text for (text,) in road.run("sgp", "SELECT items FROM pedidos WHERE length(items) < 3000") if text
    ]
    filled = 0
    with road.connect("vitrine") as conn:
        for _ in range(400):
            text = str(rng.choice(seeds))
            start, end = sorted(rng.choices(range(len(text) + 1), k=2))
            mangled = rng.choice(
                [
                    text[:end],
                    text[start:],
                    text[:start]
                    + rng.choice(["NaN", '"', "\\u0000", "[", "}", ",,", "\\ud800", "1e99999"])
                    + text[start:],
                ]
            )
            row = conn.execute("SELECT * FROM projection.project_items(%s, 1)", [mangled]).fetchone()
            assert row is not None
            assert isinstance(row[0], list)
            filled += bool(row[0])
            assert set(row[1]) <= {"item_ilegivel"}, mangled  # the other word says that something raised
    assert filled > 100, "most texts gave nothing"


def change_everything(road: Road, rng: random.Random) -> None:
    """Insert, update and delete as SGP does, in transactions of their own."""
    with road.connect("sgp") as sgp:
        for turn in range(CHANGES):
            with sgp.transaction():
                if turn % 10 == 9:
                    insert_order(sgp, rng=rng)
                else:
                    change_order(sgp, rng=rng)


def cut(road: Road) -> None:
    road.link.cut()


def deafen(road: Road) -> None:
    road.link.deafen()


def slow(road: Road) -> None:
    road.link.slow(0.05)


def cut_in_the_middle_of_a_message(road: Road) -> None:
    road.link.cut_after(1234)


def kill_vps(road: Road) -> None:
    road.servers.clusters["vps"].kill()


def kill_vitrine(road: Road) -> None:
    road.servers.clusters["vitrine"].kill()


BREAKS = [cut, deafen, slow, cut_in_the_middle_of_a_message, kill_vps, kill_vitrine]


@pytest.mark.parametrize("break_", BREAKS, ids=lambda break_: break_.__name__)
def test_nothing_is_lost_and_nothing_comes_twice(road: Road, break_: Callable[[Road], None]) -> None:
    rng = random.Random(11)
    change_everything(road, rng)
    break_(road)
    change_everything(road, rng)
    road.link.heal()
    for cluster in road.servers.clusters.values():
        cluster.start()
    road.wait_arrival()
    assert road.digest("vps") == road.digest("vitrine")
    assert road.run("vps", "SELECT count(*) FROM vitrine.pedidos") == road.run(
        "sgp", "SELECT count(*) FROM pedidos"
    )


def test_the_vps_role_of_the_api_can_only_select(road: Road) -> None:
    with road.connect("vps") as conn:
        conn.execute("SET default_transaction_read_only = off")
        conn.execute("SET ROLE ponte_api")
        conn.execute("SELECT count(*) FROM vitrine.pedidos")
        for statement in (
            "INSERT INTO vitrine.pedidos (id) VALUES (0)",
            "UPDATE vitrine.pedidos SET cliente = ''",
            "DELETE FROM vitrine.pedidos",
            "TRUNCATE vitrine.pedidos",
            "CREATE TABLE vitrine.mine (id int)",
            "CREATE TABLE public.mine (id int)",
            "SELECT * FROM pg_authid",
            "SELECT guard.install('vitrine.pedidos', 'id')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(statement)


def test_the_worker_reads_hashes_and_no_plain_password(road: Road) -> None:
    with road.connect("sgp") as conn:
        conn.execute("SET ROLE ponte_worker")
        conn.execute('SELECT id, password_hash FROM "user"')
        for column in ("password_plain", "username"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(psycopg.sql.SQL('SELECT {} FROM "user"').format(psycopg.sql.Identifier(column)))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("UPDATE pedidos SET cliente = ''")
