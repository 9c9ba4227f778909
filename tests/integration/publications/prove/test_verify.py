"""What differs between two ends is found, by key and kind, and nothing that is only on its way."""

from __future__ import annotations

import threading

import pytest

from tests.fix_drift import VPS_DRIFT, drift_landing, drift_vps, drift_window, told, verify
from tests.fix_road import Road, with_filter


def test_a_road_on_which_all_has_arrived_is_equal(kept_road: Road) -> None:
    proofs = verify(kept_road)
    assert told(proofs) == {}
    assert {proof.table for proof in proofs} == {
        *("public.pedidos", "public.pedido_imagens", "public.user", "public.revoked_tokens"),
        *(f"vitrine.{name}" for name in ("pedidos", "imagens", "usuarios")),
        *(f"vitrine.{name}" for name in ("credenciais", "miniaturas", "revogacoes")),
    }
    [[orders]] = kept_road.run("sgp", "SELECT count(*) FROM pedidos")
    assert [proof.rows for proof in proofs if proof.table.endswith(".pedidos")] == [orders] * 3


@pytest.mark.spoils
def test_each_kind_of_difference_is_named_by_key_on_its_hop(kept_road: Road) -> None:
    drift_landing(kept_road)
    drift_window(kept_road)
    kept_road.wait_arrival()
    drift_vps(kept_road)
    assert told(verify(kept_road)) == {
        "sgp->vitrine public.pedidos": [(2, "missing"), (3, "changed"), (900001, "extra")],
        "public.pedidos->vitrine vitrine.pedidos": [
            *((2, "extra"), (3, "changed"), (4, "missing"), (5, "changed")),
            *((900001, "missing"), (900002, "extra")),
        ],
        "vitrine->vps vitrine.pedidos": VPS_DRIFT,
    }


@pytest.mark.spoils
def test_a_row_that_left_the_filter_is_told_from_one_that_is_gone(kept_road: Road) -> None:
    filtered = with_filter("cliente NOT LIKE 'fora%' AND id < 1000")
    kept_road.apply(filtered)
    assert told(verify(kept_road, declaration=filtered)) == {}
    held = "SET session_replication_role = replica; INSERT INTO vitrine.pedidos (id, versao) VALUES ({}, 1)"
    kept_road.run("vitrine", "INSERT INTO vitrine.pedidos (id, numero) VALUES (2001, 'longe')")
    for key in (2001, 2002):
        kept_road.run("vps", held.format(key))
    assert told(verify(kept_road, "vitrine.pedidos", declaration=filtered))[
        "vitrine->vps vitrine.pedidos"
    ] == [
        (2001, "left_filter"),
        (2002, "extra"),
    ]


@pytest.mark.spoils
def test_a_table_that_was_truncated_is_missing_as_a_whole_with_keys_that_are_bytes_too(
    kept_road: Road,
) -> None:
    kept_road.run(
        "vitrine",
        "INSERT INTO vitrine.revogacoes (digest)"
        " SELECT sha256(n::text::bytea) FROM generate_series(1, 300) AS n",
    )
    kept_road.wait_arrival()
    assert told(verify(kept_road, "revogacoes")) == {}
    kept_road.run("vps", "SET session_replication_role = replica; TRUNCATE vitrine.revogacoes")
    [proof] = verify(kept_road, "revogacoes")
    assert (proof.counts, proof.unsettled) == ({"missing": 300}, 0)
    keys = kept_road.run("vitrine", "SELECT digest FROM vitrine.revogacoes ORDER BY 1")
    assert [(one.key,) for one in sorted(proof.listed, key=lambda one: one.key)] == keys


def test_what_waits_behind_a_cut_link_is_not_called_a_difference(kept_road: Road) -> None:
    kept_road.link.cut()
    kept_road.run("sgp", "UPDATE pedidos SET observacao = 'a caminho' WHERE id IN (9, 10)")
    found = "SELECT count(*) FROM vitrine.pedidos WHERE observacao = 'a caminho'"
    kept_road.wait(lambda: kept_road.run("vitrine", found) == [(2,)], "the change in the window")
    [proof] = [one for one in verify(kept_road, "pedidos", fence_s=1.0) if one.hop == "vitrine->vps"]
    kept_road.link.heal()
    assert (proof.differing, proof.unsettled) == (0, 2)
    kept_road.wait_arrival()
    assert told(verify(kept_road, "pedidos")) == {}


def test_a_busy_road_is_never_said_to_differ(kept_road: Road) -> None:
    """Flags that flip back and forth are the trap: a row looks the same again and was another meanwhile."""
    stop = threading.Event()

    def write() -> None:
        with kept_road.connect("sgp") as sgp:
            for number in range(1_000_000):
                if stop.wait(0.02):
                    return
                sgp.execute("UPDATE pedidos SET pronto = NOT pronto WHERE id %% 7 = %s", [number % 7])
                sgp.execute("DELETE FROM pedido_imagens WHERE id = 700000")
                sgp.execute(
                    "INSERT INTO pedido_imagens (id, pedido_id, item_index, filename, mime_type, path,"
                    " tamanho, criado_em) VALUES (700000, 1, 0, 'x', 'image/png', 'x', 1, now())"
                )

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(4):
            proofs = verify(kept_road, "pedidos", "pedido_imagens", "imagens", rows=1000)
            assert [one for proof in proofs for one in proof.listed if one.settled] == []
    finally:
        stop.set()
        writer.join(60)
    kept_road.run("sgp", "DELETE FROM pedido_imagens WHERE id = 700000")
    kept_road.wait_arrival()
    assert told(verify(kept_road)) == {}


def test_a_table_that_does_not_follow_is_not_called_equal(kept_road: Road) -> None:
    kept_road.run("vps", "ALTER SUBSCRIPTION sub_vps DISABLE")
    [proof] = verify(kept_road, "miniaturas")
    kept_road.run("vps", "ALTER SUBSCRIPTION sub_vps ENABLE")
    assert (proof.following, proof.proven) == (False, False)
