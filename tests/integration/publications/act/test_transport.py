"""A subscriber's transport is switched, there and back, while readers read and SGP writes."""

from __future__ import annotations

import threading
from pathlib import Path

import psycopg
import pytest

from publications.act.transport import PushTimeoutError, switch
from publications.declare.declaration import STARTING_PATH, parse_declaration
from publications.declare.rewrite import find_export, set_transport
from tests.fix_push import Pushed, declare_pushed, pushed_text, run_pushed, switch_to
from tests.fix_road import Road
from tests.push_storm import TABLES, Writer

pytestmark = pytest.mark.integration


class Reader:
    """A phone that reads all the time; it keeps whatever went wrong, and the fewest rows that it saw."""

    def __init__(self, road: Road) -> None:
        self.reads = 0
        self.fewest = 10**9
        self.error: BaseException | None = None
        self._road = road
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        try:
            with self._road.connect("vps") as conn:
                conn.execute("SET statement_timeout = '3s'")
                while not self._stop.is_set():
                    [[count]] = conn.execute("SELECT count(*) FROM vitrine.imagens").fetchall()
                    self.fewest = min(self.fewest, count)
                    self.reads += 1
                    self._stop.wait(0.005)
        except psycopg.Error as error:
            self.error = error

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def test_a_switch_both_ways_fails_no_read_and_loses_no_change(road: Road, tmp_path: Path) -> None:
    replicated = road.declaration
    [[images]] = road.run("vps", "SELECT count(*) FROM vitrine.imagens")
    with run_pushed(road, tmp_path) as pushed, Reader(road) as reader, Writer(pushed, 600, 7) as writer:
        switch_to(road, declare_pushed())
        check(pushed)
        assert road.run("vps", "SELECT subname FROM pg_subscription WHERE subname = 'sub_vps'") == []
        assert road.run("vitrine", "SELECT slot_name FROM pg_replication_slots") == [("slot_vps_push",)]
        switch_to(road, replicated)
        check(pushed)
        assert road.run("vitrine", "SELECT slot_name FROM pg_replication_slots") == [("slot_vps",)]
        assert road.run("vitrine", "SELECT * FROM push.ways") == []
    assert reader.error is None
    assert writer.error is None
    assert reader.reads > 50
    assert reader.fewest == images
    road.wait_arrival()
    pushed.wait_equal(tables=TABLES)


def check(pushed: Pushed) -> None:
    reading = pushed.road.read()
    assert reading.plan.steps == ()
    assert [one.fact for one in reading.objections] == []


def test_a_switch_without_the_service_says_so_and_leaves_replication_at_work(road: Road) -> None:
    declaration = declare_pushed()
    road.declaration = declaration
    export = find_export(declaration, "vps")
    assert export
    with road.session() as session, pytest.raises(PushTimeoutError, match="nobody pushes"):
        switch(
            session,
            export,
            report=road.steps.append,
            pushed=lambda *_: None,
            stall_s=0.2,
        )
    road.link.cut()  # whoever carries must be let in again
    road.run("sgp", "UPDATE pedidos SET cliente = 'ainda'")
    road.link.heal()
    road.wait_arrival()
    assert road.digest("vps") == road.digest("vitrine")


@pytest.mark.parametrize("text", [STARTING_PATH.read_text(encoding="utf-8"), pushed_text()])
def test_the_declaration_is_rewritten_by_one_line(text: str) -> None:
    pushed = set_transport(text, "vps", "push")
    assert pushed is not None
    assert parse_declaration(pushed, origin="test").pushes
    back = set_transport(pushed, "vps", "replication")
    assert back is not None
    assert not parse_declaration(back, origin="test").pushes
    assert len(set(back.splitlines()) ^ set(text.splitlines())) <= 2
    assert set_transport(text, "elsewhere", "push") is None
