"""Columns renamed and retyped in SGP and used: what WAL holds can't be applied, and all is copied anew."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from publications.act.apply import RefusedError
from publications.declare.declaration import STARTING_PATH, Declaration, parse_declaration
from tests.fix_road import Road, plan_lines
from tests.integration.publications.act.test_converge import converge

RENEWED = (
    "sgp: renew slot slot_intake (it holds changes of public.pedido_imagens with a column tipo, which nothing"
)
IMAGES = "ALTER TABLE pedido_imagens"


@pytest.fixture
def road(kept_road: Road) -> Road:
    return kept_road


@contextmanager
def readers(road: Road) -> Iterator[None]:
    """Read on the VPS all the time; fail if it ever held fewer photos than before."""
    count = "SELECT count(*) FROM vitrine.imagens"
    [[before]] = road.run("vps", count)
    assert isinstance(before, int)
    stop, least = threading.Event(), [before]

    def read() -> None:
        with road.connect("vps") as conn:
            while not stop.wait(0.02):
                least.append((conn.execute(count.encode()).fetchone() or [0])[0])

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
    assert len(least) > 1
    assert min(least) == before


def use(road: Road, assignment: str) -> None:
    """Change photos in SGP, and wait until the intake has tried."""
    failures = "SELECT apply_error_count FROM pg_stat_subscription_stats WHERE subname = 'sub_intake'"
    [[before]] = road.run("vitrine", failures)
    road.run("sgp", f"UPDATE pedido_imagens SET {assignment} WHERE id < 3")  # noqa: S608
    road.wait(lambda: road.run("vitrine", failures)[0][0] > before, "a change that fails")  # type: ignore[operator]


def without(column: str) -> Declaration:
    """Return a declaration that does not take a column of photos in, nor has it sent."""
    text = STARTING_PATH.read_text(encoding="utf-8")
    head, mark, rest = text.partition('publication = "pub_intake_pedido_imagens"')
    assert f'"{column}", ' in rest
    return parse_declaration(head + mark + rest.replace(f'"{column}", ', "", 1), origin="test")


def test_a_rename_that_was_used_and_taken_back_is_copied_again(road: Road) -> None:
    road.run("sgp", f"{IMAGES} RENAME COLUMN mime_type TO tipo")
    use(road, "tipo = 'image/x'")
    with pytest.raises(
        RefusedError, match="or take mime_type out of the declaration; then run 'ponte apply'"
    ):
        road.apply()
    road.run("sgp", f"{IMAGES} RENAME COLUMN tipo TO mime_type")
    assert [line for line in plan_lines(road) if line.startswith(RENEWED)]
    assert "vitrine: copy again public.pedido_imagens by sub_intake" in plan_lines(road)
    with readers(road):
        converge(road)
    assert road.run("vps", "SELECT count(*) FROM vitrine.imagens WHERE mime_type = 'image/x'") == [(2,)]


def test_a_rename_that_stays_is_taken_out_of_the_declaration(road: Road) -> None:
    """What it held is emptied, as with any column that is declared no more; all else goes on."""
    road.run("sgp", f"{IMAGES} RENAME COLUMN mime_type TO tipo")
    use(road, "tamanho = 77")
    fewer = without("mime_type")
    with readers(road):
        road.apply(fewer)
        road.apply(fewer)
    assert road.read(fewer).plan.steps == ()
    road.wait_arrival()
    assert road.run("vps", "SELECT count(*) FROM vitrine.imagens WHERE tamanho = 77") == [(2,)]
    road.run("sgp", f"{IMAGES} RENAME COLUMN tipo TO mime_type")
    converge(road)


def retype_by_hand(road: Road) -> None:
    """Take the table out, change it, put it back: what PostgreSQL refuses otherwise."""
    publication = "ALTER PUBLICATION pub_intake_pedido_imagens"
    road.run("sgp", f"{publication} SET TABLE pedido_imagens (id, pedido_id)")
    road.run("sgp", f"{IMAGES} ALTER COLUMN tamanho TYPE text USING 'mil'")
    road.run("sgp", f"{publication} SET TABLE pedido_imagens (id, pedido_id, tamanho)")


def test_a_type_that_was_used_and_taken_back_is_copied_again(road: Road) -> None:
    retype_by_hand(road)
    use(road, "tamanho = 'dois mil'")
    road.run("sgp", "ALTER PUBLICATION pub_intake_pedido_imagens SET TABLE pedido_imagens (id, pedido_id)")
    road.run("sgp", f"{IMAGES} ALTER COLUMN tamanho TYPE integer USING 5")
    assert [line for line in plan_lines(road) if "with tamanho as text, not integer" in line]
    with readers(road):
        converge(road)
    assert road.run("vps", "SELECT count(*) FROM vitrine.imagens WHERE tamanho <> 5") == [(0,)]


def stop(road: Road) -> None:
    road.run("vitrine", "ALTER SUBSCRIPTION sub_intake DISABLE")
    free = "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'slot_intake' AND NOT active"
    road.wait(lambda: road.run("sgp", free) != [], "an idle slot")


def publish_again(road: Road) -> None:
    """A publication that is made anew was not there, for changes that were written before."""
    road.run("sgp", "DROP PUBLICATION pub_intake_user")
    road.run("sgp", "UPDATE \"user\" SET setor = 'corte' WHERE id = 2")
    road.run(
        "sgp",
        'CREATE PUBLICATION pub_intake_user FOR TABLE "user" (id, username, is_admin, setor, is_active)',
    )


def rename_table(road: Road) -> None:
    """Its changes bear another name; nobody follows that."""
    road.run("sgp", "ALTER TABLE pedido_imagens RENAME TO fotos")
    road.run("sgp", "UPDATE fotos SET tamanho = 9 WHERE id = 1")
    road.run("sgp", "ALTER TABLE fotos RENAME TO pedido_imagens")


@pytest.mark.parametrize("change", [publish_again, rename_table])
def test_what_waits_while_nobody_follows_and_can_never_be_applied_is_copied(
    road: Road, change: Callable[[Road], None]
) -> None:
    stop(road)
    change(road)
    converge(road)


def test_a_slot_that_is_read_or_has_sent_all_needs_nothing(road: Road) -> None:
    road.run("sgp", "UPDATE pedido_imagens SET tamanho = tamanho + 1 WHERE id = 1")
    assert road.read().plan.steps == ()
    road.wait_arrival()
    stop(road)
    assert plan_lines(road) == ["vitrine: enable subscription sub_intake"]
    converge(road)
