"""The whole way of a push: SGP, vitrine, `ponte push`, the ingest, the VPS."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from db.outage import Outage
from db.tables import TABLES
from publications.push.sender import Sender
from publications.push.service import OVERFULL_PAUSE_S, try_step
from publications.push.settings import PushSettings
from tests.fix_clusters import Servers, clone_all
from tests.fix_push import Pushed, declare_pushed, open_pushed, run_pushed
from tests.push_storm import storm

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def pushed(servers: Servers, server_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushed]:
    """One for the module: its tests leave both services at work."""
    with (
        clone_all(servers),
        open_pushed(servers, server_root, declare_pushed()) as road,
        run_pushed(road, tmp_path_factory.mktemp("pushed")) as running,
    ):
        running.wait_equal()
        yield running


def say(pushed: Pushed) -> tuple[object, ...]:
    [row] = pushed.road.run("vitrine", "SELECT cause, fault, hint FROM push.ways")
    return row


def test_what_sgp_writes_arrives_and_goes_without_any_subscription(pushed: Pushed) -> None:
    road = pushed.road
    assert road.run("vps", "SELECT count(*) FROM pg_subscription WHERE subname = 'sub_vps'") == [(0,)]
    road.run("sgp", "UPDATE pedidos SET cliente = 'Zé \u2028 \"''\\' WHERE id % 3 = 0")
    road.run("sgp", "DELETE FROM pedido_imagens WHERE pedido_id % 4 = 0")
    road.run("sgp", "DELETE FROM print_logs WHERE pedido_id % 4 = 0")
    road.run("sgp", "DELETE FROM pedidos WHERE id % 4 = 0")
    road.wait_arrival()
    pushed.wait_equal()
    [[named]] = road.run("vps", "SELECT count(*) FROM vitrine.pedidos WHERE cliente LIKE 'Zé%'")
    assert isinstance(named, int)
    assert named > 0
    assert not road.read().plan.steps
    assert [one for one in pushed.events() if one["level"] == "error"] == []


def test_a_large_transaction_appears_at_once_though_its_sender_dies_in_the_middle(pushed: Pushed) -> None:
    road = pushed.road
    pushed.kill("push")
    pushed.settings = {"PONTE_PUSH_BATCH_BYTES": "10000"}
    road.run("sgp", "UPDATE pedidos SET observacao = repeat('longo ', 500)")
    [[wanted]] = road.run("sgp", "SELECT count(*) FROM pedidos")
    pushed.link.slow(0.05)
    staged = "SELECT count(*) FROM push.parts"
    long = "SELECT count(*) FROM vitrine.pedidos WHERE observacao LIKE 'longo %'"
    for _ in range(2):
        pushed.start("push")
        road.wait(lambda: road.run("vps", staged) > [(2,)], "some parts at the VPS")
        pushed.kill("push")
        assert road.run("vps", long) == [(0,)]
    pushed.link.heal()
    pushed.start("push")
    seen: set[object] = set()

    def all_there() -> bool:
        [[count]] = road.run("vps", long)
        seen.add(count)
        return count == wanted

    road.wait(all_there, "the large transaction")
    assert seen <= {0, wanted}
    pushed.settings = {}
    pushed.wait_equal()


@pytest.mark.parametrize("variable", ["PONTE_PUSH_API_KEY", "PONTE_PUSH_SECRET"])
def test_a_wrong_key_is_said_and_nothing_is_lost_until_it_is_right(pushed: Pushed, variable: str) -> None:
    road = pushed.road
    pushed.kill("push")
    wrong = "x" * 40 if variable.endswith("KEY") else "whsec_" + "A" * 44
    pushed.settings = {variable: wrong}
    pushed.start("push")
    road.wait(lambda: say(pushed)[0] == "push_refused", "the push says that it is refused")
    road.run("sgp", "UPDATE pedidos SET cliente = 'depois'")
    pushed.kill("push")
    pushed.settings = {}
    pushed.start("push")
    road.wait_arrival()
    pushed.wait_equal()
    road.wait(lambda: say(pushed) == (None, None, None), "nothing is said any more")


def test_an_ingest_that_is_away_is_said_and_then_gets_everything(pushed: Pushed) -> None:
    road = pushed.road
    pushed.kill("ingest")
    road.run("sgp", "UPDATE pedidos SET cliente = 'enquanto'")
    for _ in range(3):
        road.run("sgp", "UPDATE ponte.heartbeat SET beat = beat + 1, beat_at = clock_timestamp()")
    road.wait(lambda: say(pushed)[0] == "push_unreachable", "the push says that nobody answers")
    pushed.start("ingest")
    road.wait_arrival()
    pushed.wait_equal()
    road.wait(lambda: say(pushed)[0] is None, "nothing is said any more")
    assert road.run("vps", "SELECT count(*) FROM guard.gaps") == [(0,)]


def test_a_column_that_is_withdrawn_is_emptied_at_the_vps_and_comes_back(pushed: Pushed) -> None:
    road, declaration = pushed.road, pushed.road.declaration
    without = declare_pushed(leave_out="valor_total")
    held = "SELECT count(*) > 0 FROM vitrine.pedidos WHERE valor_total IS NOT NULL"
    assert road.run("vps", held) == [(True,)]
    road.apply(without)
    road.wait(lambda: road.run("vps", held) == [(False,)], "the column is empty")
    assert not road.read(without).plan.steps
    road.apply(declaration)
    road.wait(lambda: road.run("vps", held) == [(True,)], "the column is there again")
    pushed.wait_equal()


def test_a_vps_that_was_put_back_or_written_by_another_is_sent_everything(pushed: Pushed) -> None:
    road = pushed.road
    road.run("sgp", "UPDATE pedidos SET cliente = 'antes'")
    road.wait_arrival()
    road.run("vps", "SET session_replication_role = replica; DELETE FROM vitrine.pedidos WHERE id % 2 = 0")
    road.run("vps", "UPDATE push.positions SET position = '0/1'")
    road.run("sgp", "UPDATE pedidos SET cliente = 'agora' WHERE id % 3 = 0")
    road.wait_arrival()
    pushed.wait_equal()


def test_a_first_copy_that_is_too_much_is_said_and_not_sent_again_at_once(
    pushed: Pushed, monkeypatch: pytest.MonkeyPatch
) -> None:
    road, declaration = pushed.road, declare_pushed()
    road.wait_arrival()
    pushed.kill("push")
    [[kept]] = road.run("vps", "SELECT pg_get_functiondef('push.most_waiting()'::regprocedure)")
    road.run("vps", str(kept).replace("1073741824", "1000"))
    road.run("vps", "UPDATE push.positions SET position = '0/1'")  # everything has to be sent
    for name, value in {**pushed.push_environment(), "PONTE_PUSH_BATCH_BYTES": "10000"}.items():
        monkeypatch.setenv(name, value)
    settings = PushSettings.load()
    sender = Sender(settings, declaration, declaration.pushes[0])
    try:
        road.wait(lambda: try_step(sender, settings, Outage()) == OVERFULL_PAUSE_S, "it is too much")
        cause, fault, hint = say(pushed)
        assert (cause, "507" in str(fault), "let fewer rows" in str(hint)) == ("push_rejected", True, True)
        assert road.run("vps", "SELECT count(*) FROM push.parts") == [(0,)]
    finally:
        sender.close()
        road.run("vps", str(kept))
        pushed.start("push")
    pushed.wait_equal()
    road.wait(lambda: say(pushed)[0] is None, "nothing is said any more")


@pytest.mark.parametrize("has_slot", [True, False], ids=["with its slot", "without"])
def test_a_vitrine_that_was_put_back_is_sent_as_it_is_and_goes_on(pushed: Pushed, *, has_slot: bool) -> None:
    road = pushed.road
    road.wait_arrival()
    [[given]] = road.run("vitrine", "SELECT last_value FROM projection.versao_seq")
    noted = "SELECT arrived, advanced FROM push.ways WHERE arrived IS NOT NULL"
    road.wait(lambda: road.run("vitrine", noted) != [], "the push notes what has arrived")
    [[arrived, advanced]] = road.run("vitrine", noted)
    road.run("vitrine", "SELECT pg_copy_logical_replication_slot('slot_vps_push', 'of_the_backup')")
    road.run("sgp", "UPDATE pedidos SET cliente = 'depois da cópia'")
    road.run("sgp", "CREATE TABLE apagadas AS SELECT * FROM pedido_imagens WHERE id % 2 = 0")
    road.run("sgp", "DELETE FROM pedido_imagens WHERE id % 2 = 0")
    road.wait_arrival()
    pushed.wait_equal()
    pushed.kill("push")
    put_back(pushed, int(str(given)) - 10**6, arrived, advanced, has_slot=has_slot)
    if not has_slot:
        road.apply()
    road.run("sgp", "INSERT INTO pedido_imagens SELECT * FROM apagadas")
    road.run("sgp", "DROP TABLE apagadas")
    road.run("sgp", "UPDATE pedidos SET cliente = 'agora' WHERE id % 2 = 0")
    pushed.start("push")
    road.wait_arrival()
    pushed.wait_equal()
    why = [one["why"] for one in pushed.events() if one["event"] == "first_copy_began"][-1]
    assert why == ("the vitrine was put back to an earlier time" if has_slot else "the slot is new")


def put_back(pushed: Pushed, given: int, arrived: object, advanced: object, *, has_slot: bool) -> None:
    """Have the vitrine's versions, notes and slot as a backup would; a dump has no slot."""
    run = partial(pushed.road.run, "vitrine")
    run(f"ALTER SEQUENCE projection.versao_seq RESTART WITH {given}")
    for table in TABLES:
        run(f"UPDATE vitrine.{table} SET versao = versao")  # noqa: S608
    run("UPDATE push.ways SET arrived = %s, advanced = %s", arrived, advanced)
    drop = "SELECT pg_drop_replication_slot('slot_vps_push')"
    pushed.road.wait(lambda: _works(lambda: run(drop)), "the push's session has ended")
    if has_slot:
        run("SELECT pg_copy_logical_replication_slot('of_the_backup', 'slot_vps_push')")
    run("SELECT pg_drop_replication_slot('of_the_backup')")


def _works(act: Callable[[], object]) -> bool:
    try:
        act()
    except psycopg.errors.ObjectInUse:
        return False
    return True


def test_the_plan_says_the_same_where_the_vps_can_not_be_seen(pushed: Pushed) -> None:
    road = pushed.road
    known = road.settings
    dsns: dict[str, SecretStr] = {name: dsn for name, dsn in known.dsns.items() if name != "vps"}
    road.settings = replace(known, dsns=dsns)
    try:
        reading = road.read()
        assert reading.plan.steps == ()
        assert reading.refusals == ()
    finally:
        road.settings = known


@pytest.mark.spoils
def test_in_a_storm_both_ends_come_to_the_same_rows(pushed: Pushed) -> None:
    changes = int(os.environ.get("STORM_CHANGES", "2000"))  # 20000 takes minutes
    storm(pushed, changes=changes, blows=max(8, changes // 400), seed=20260111)
    assert pushed.road.read().plan.steps == ()
