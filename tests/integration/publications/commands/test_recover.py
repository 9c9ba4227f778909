"""A slot that can give no more: the ends are compared, only what differs is moved, and readers see no gap."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from publications.cli import main
from tests.fix_drift import told, verify
from tests.fix_gaps import HOPS, beat_at, lose_changes
from tests.fix_road import Road, plan_lines
from tests.integration.publications.act.test_converge import advance_origin, lose_wal

OK, PENDING = 0, 3
CHANGED = (3, 4, 5)
COUNT = "SELECT count(*) FROM vitrine.pedidos"


def lose_slot(road: Road) -> None:
    """Drop it, as somebody may who needed the disk."""
    road.run("vps", "ALTER SUBSCRIPTION sub_vps DISABLE")
    free = "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'slot_vps' AND NOT active"
    road.wait(lambda: road.run("vitrine", free) != [], "the slot is idle")
    road.run("vitrine", "SELECT pg_drop_replication_slot('slot_vps')")


def put_vitrine_back(road: Road) -> None:
    advance_origin(road, "vps", "vitrine", "sub_vps")


def put_vps_back(road: Road) -> None:
    """Let the slot pass over what the VPS then lacks, as where it had it before."""
    lose_changes(road, *HOPS["export"])
    beat_at(road, "vps")


@contextmanager
def reading_all_the_while(road: Road) -> Iterator[list[int]]:
    """Count the VPS's orders again and again, for a block."""
    seen: list[int] = []
    stopping = threading.Event()

    def read() -> None:
        with road.connect("vps") as conn:
            while not stopping.is_set():
                seen.extend(row[0] for row in conn.execute(COUNT))

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        try:
            yield seen
        finally:
            stopping.set()
            reader.result()  # a read that failed fails the test


@pytest.mark.parametrize("lose", [lose_wal, lose_slot, put_vitrine_back, put_vps_back])
def test_only_what_differs_is_moved_and_nobody_who_reads_sees_it(
    commanded: Road, capsys: pytest.CaptureFixture[str], lose: Callable[[Road], None]
) -> None:
    road = commanded
    lose(road)
    note = lose.__name__
    road.run("sgp", "UPDATE pedidos SET observacao = %s WHERE id = ANY (%s)", note, list(CHANGED))
    noted = f"{COUNT} WHERE observacao = %s"
    road.wait(lambda: road.run("vitrine", noted, note) == [(len(CHANGED),)], "the changes in the window")
    [[cursor]] = road.run("vps", "SELECT max(cursor) FROM vitrine.pedidos")
    [[orders]] = road.run("vps", COUNT)
    assert main(["recover"]) == PENDING
    said = capsys.readouterr()
    assert "sub_vps: what slot slot_vps gives is not all that was written" in said.out
    with reading_all_the_while(road) as seen:
        assert main(["recover", "--yes"]) == OK
    said = capsys.readouterr()
    assert re.search(r"sub_vps: follows slot slot_vps; \d+ rows written, \d removed", said.out)
    assert set(seen) == {orders}
    road.wait_arrival()
    assert told(verify(road)) == {}
    assert plan_lines(road) == []
    if lose in {lose_wal, lose_slot}:  # else versions are given anew, or more was lost
        touched = "SELECT id FROM vitrine.pedidos WHERE cursor > %s ORDER BY id"
        assert road.run("vps", touched, cursor) == [(one,) for one in CHANGED]
