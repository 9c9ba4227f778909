"""Apply catches nothing while nothing fails, and each row by itself once something has."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fix_road import Road

FEW = 12
"""Numbers that one transaction and a beat take, with what the servers do by themselves meanwhile."""


WAITS = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"


def count_numbers(road: Road, statement: str) -> tuple[int, int]:
    """Run a statement in SGP; return how many rows it changed and how many numbers the window took."""
    newest = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
    with road.connect("vitrine") as vitrine, road.connect("sgp") as sgp:
        [(before,)] = vitrine.execute(newest).fetchall()
        changed = sgp.execute(statement.encode()).rowcount
        road.wait_arrival()
        [(after,)] = vitrine.execute(newest).fetchall()
    return changed, int(after) - int(before)


def test_a_transaction_of_many_rows_takes_one_number(road: Road) -> None:
    """Each subtransaction that writes would take one, and a walsender's memory until the last is sent."""
    for statement in (
        "UPDATE pedidos SET observacao = 'de uma vez'",
        "UPDATE pedidos SET items = '[{\"descricao\": \"outro\"}, NaN, ' , data_entrada = '31/02/2026'",
        "UPDATE pedido_imagens SET tamanho = tamanho + 1",
        'UPDATE "user" SET setor = NULL',
    ):
        changed, numbers = count_numbers(road, statement)
        assert numbers <= FEW < changed or changed < FEW, (statement, changed, numbers)
    assert count_numbers(road, "UPDATE pedidos SET observacao = 'de novo'")[0] > 10 * FEW


def test_after_a_failure_each_row_is_caught_by_itself_until_no_letter_is_left(road: Road) -> None:
    road.run("vitrine", "ALTER TABLE vitrine.pedidos ADD CONSTRAINT trouble CHECK (observacao <> 'trouble')")
    changed, numbers = count_numbers(
        road, "UPDATE pedidos SET observacao = CASE WHEN id % 2 = 0 THEN 'trouble' ELSE 'bem' END"
    )
    assert numbers > changed / 2 > 5 * FEW  # a row that fails may take none
    [(buried,)] = road.run("vitrine", "SELECT count(*) FROM projection.dead_letters")
    [(even, odd)] = road.run(
        "sgp", "SELECT count(*) FILTER (WHERE id % 2 = 0), count(*) FILTER (WHERE id % 2 = 1) FROM pedidos"
    )
    assert buried == even
    assert road.run("vps", "SELECT count(*) FROM vitrine.pedidos WHERE observacao = 'bem'") == [(odd,)]
    road.run("vitrine", "ALTER TABLE vitrine.pedidos DROP CONSTRAINT trouble")
    assert road.run("vitrine", "SELECT projection.retry_dead_letters(10000)") == [(0,)]
    changed, numbers = count_numbers(road, "UPDATE pedidos SET observacao = 'de uma vez'")
    assert numbers <= FEW < changed
    assert road.digest("vitrine") == road.digest("vps")


def test_a_failure_that_passes_leaves_no_letter(road: Road) -> None:
    """As a deadlock would: the transaction is tried again, guarded, and everything after it is free."""
    road.run(
        "vitrine",
        "CREATE SEQUENCE public.tries;"
        " CREATE FUNCTION public.fail_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        "  IF NEW.observacao = 'trouble' AND nextval('public.tries') = 1 THEN RAISE EXCEPTION 'once'; END IF;"
        "  RETURN NEW; END $$;"
        " CREATE TRIGGER fail_once BEFORE UPDATE ON vitrine.pedidos"
        "  FOR EACH ROW EXECUTE FUNCTION public.fail_once();"
        " ALTER TABLE vitrine.pedidos ENABLE ALWAYS TRIGGER fail_once",
    )
    changed, numbers = count_numbers(road, "UPDATE pedidos SET observacao = 'trouble'")
    assert numbers > changed
    assert road.run("vitrine", "SELECT count(*) FROM projection.dead_letters") == [(0,)]
    assert road.run("vps", "SELECT count(*) FROM vitrine.pedidos WHERE observacao = 'trouble'") == [
        (changed,)
    ]
    changed, numbers = count_numbers(road, "UPDATE pedidos SET observacao = 'bem'")
    assert numbers <= FEW < changed


def test_a_table_written_and_emptied_in_one_transaction_stops_nothing(road: Road) -> None:
    """A trigger that waits on the landing table itself would let no TRUNCATE pass."""
    with road.connect("sgp") as sgp, sgp.transaction():
        sgp.execute("UPDATE pedido_imagens SET tamanho = tamanho + 1")
        sgp.execute("UPDATE pedidos SET observacao = 'antes'")
        sgp.execute("TRUNCATE pedido_imagens")
        sgp.execute("UPDATE pedidos SET observacao = 'depois'")
    road.wait_arrival()
    assert road.run("vps", "SELECT count(*) FROM vitrine.imagens") == [(0,)]
    assert road.run("vps", "SELECT DISTINCT observacao FROM vitrine.pedidos") == [("depois",)]
    assert road.run("vitrine", "SELECT count(*) FROM projection.batches") == [(0,)]
    assert road.digest("vitrine") == road.digest("vps")
    [[cleaned]] = road.run("vitrine", "SELECT count(*) FROM projection.cleaned")
    assert cleaned > FEW  # type: ignore[operator]
    road.run("sgp", "TRUNCATE pedidos CASCADE")
    road.wait_arrival()
    assert road.run("vps", "SELECT count(*) FROM vitrine.pedidos") == [(0,)]
    assert road.run("vitrine", "SELECT count(*) FROM projection.cleaned") == [(0,)]


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ("UPDATE public.pedidos SET cliente = 'new' WHERE id = 1", [("new",)]),
        ("DELETE FROM public.pedidos", []),
    ],
)
def test_a_letter_that_is_tried_again_waits_for_whoever_changes_the_row(
    road: Road, change: str, left: list[tuple[object, ...]]
) -> None:
    """What it read before would be older than what it waits for."""
    road.run(
        "vitrine",
        "INSERT INTO projection.dead_letters (landing, key, sqlstate) VALUES ('public.pedidos', 1, 'X')",
    )
    with road.connect("vitrine") as apply, road.connect("vitrine") as other, ThreadPoolExecutor(1) as pool:
        pid = other.info.backend_pid
        with apply.transaction():
            apply.execute("SELECT set_config('ponte.projects', 'freely', true)")
            apply.execute(change.encode())
            apply.execute("SET CONSTRAINTS ALL IMMEDIATE")
            done = pool.submit(other.execute, "SELECT projection.retry_dead_letters(10)")
            road.wait(lambda: road.run("vitrine", WAITS, pid) != [], "the retry waits")
        done.result(60)
    assert road.run("vitrine", "SELECT cliente FROM vitrine.pedidos WHERE id = 1") == left
