"""SGP on SQLite: a writer's every change is in the window, whatever it holds and whoever is killed."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infra.devstack.seed.dirt import DIRT, build_dirty_order
from infra.devstack.seed.moments import DEFAULT_NOW
from publications.cli import main
from publications.commands.step_words import describe
from publications.declare.declaration import STARTING_PATH
from tests.fix_fed import ORDERS, FedRoad, SgpProcess, fill

pytestmark = [pytest.mark.integration, pytest.mark.any_version, pytest.mark.timeout(600)]

KILLS = int(os.environ.get("PONTE_TEST_KILLS", "4"))
COUNT = "SELECT count(*)::int FROM vitrine.pedidos"
WINDOW = "SELECT coalesce(observacao, '') FROM vitrine.pedidos WHERE id = 1"
WRITES = (
    "SELECT count(*)::int FROM pg_stat_activity WHERE application_name = 'ponte-feeder'"
    " AND xact_start < clock_timestamp() - make_interval(secs => %s)"
)
ORDER = (
    "INSERT INTO pedidos (id, numero, data_entrada, prioridade, status, cliente, forma_envio_id, financeiro,"
    " conferencia, sublimacao, costura, expedicao, pronto, data_criacao)"
    " VALUES (?, ?, '2026-01-11', 'NORMAL', 'pendente', ?, 1, ?, 0, 0, 0, 0, 0, ?)"
)


def read_orders(fed: FedRoad) -> list[tuple[object, ...]]:
    return fed.road.run("vitrine", "SELECT to_jsonb(p) - 'versao' FROM vitrine.pedidos AS p ORDER BY p.id")


def show_file(sgp: SgpProcess) -> dict[int, str]:
    return {int(key): note for key, note in sgp.run("SELECT id, coalesce(observacao, '') FROM pedidos")}


def show_window(fed: FedRoad, at: str = "vitrine") -> dict[Any, Any]:
    return dict(fed.road.run(at, "SELECT id, coalesce(observacao, '') FROM vitrine.pedidos"))  # type: ignore[arg-type]


def test_a_plan_asks_for_no_publication_and_is_empty_once_applied(
    fed_road: FedRoad, wal_file: SgpProcess
) -> None:
    reading = fed_road.road.read()
    assert [describe(step) for step in reading.plan.steps] == []
    assert [error.fact for error in reading.objections] == []
    assert fed_road.ask("SELECT count(*)::int FROM pg_subscription WHERE subname = 'sub_intake'") == 0
    query = (
        "SELECT format_type(atttypid, NULL) FROM pg_attribute"
        " WHERE attrelid = 'public.pedidos'::regclass AND attname = %s"
    )
    assert fed_road.ask(query, "pronto") == "boolean"
    assert fed_road.ask(query, "data_criacao") == "timestamp without time zone"


def test_a_plan_names_what_the_file_lacks(fed_road: FedRoad, wal_file: SgpProcess) -> None:
    wal_file.run("ALTER TABLE revoked_tokens RENAME TO tokens")
    wal_file.run("ALTER TABLE pedidos ADD COLUMN novo VARCHAR")
    reading = fed_road.road.read()
    assert [error.fact for error in reading.refusals] == ["sgp's file has no table revoked_tokens"]
    assert "public.pedidos.novo is not classified" in " ".join(one.fact for one in reading.findings)
    fed_road.path.rename(fed_road.path.with_suffix(".away"))
    reading = fed_road.road.read()
    assert reading.refusals == ()
    assert "can't be read: no such file" in reading.findings[0].fact


def test_every_change_is_in_the_window_and_on_the_vps(fed_road: FedRoad, sgp_file: SgpProcess) -> None:
    fed_road.start()
    sgp_file.run("UPDATE pedidos SET observacao = 'nova' WHERE id = 1")
    fed_road.wait_for(WINDOW, "nova", at="vps")
    sgp_file.run("DELETE FROM pedidos WHERE id = ?", [ORDERS])
    fed_road.wait_for(COUNT, ORDERS - 1, at="vps")
    sgp_file.run(ORDER, [ORDERS, "reused", "outro", 1, None])  # as SQLite gives the highest id again
    fed_road.wait_for("SELECT numero FROM vitrine.pedidos ORDER BY id DESC LIMIT 1", "reused", at="vps")
    rng = random.Random(7)
    for number in range(60):
        sgp_file.run(
            "UPDATE pedidos SET observacao = ? WHERE id = ?", [f"n {number}", rng.randint(1, ORDERS)]
        )
    fed_road.road.wait(lambda: show_window(fed_road, "vps") == show_file(sgp_file), "the last of each")
    assert {one["event"] for one in fed_road.events()} <= {
        "sqlite_wal_reset_fault", "feeder_started", "landed",
    }  # fmt: skip


def test_an_order_is_read_as_if_replication_had_brought_it(fed_road: FedRoad, sgp_file: SgpProcess) -> None:
    """Every dirt of the seed, by the file and by hand."""
    rows = [build_dirty_order(case, number, now=DEFAULT_NOW) for number, case in enumerate(DIRT, start=1000)]
    sgp_file.run("DELETE FROM pedidos")
    names, marks = ", ".join(rows[0]), ", ".join("?" * len(rows[0]))
    sgp_file.run(
        f"INSERT INTO pedidos ({names}) VALUES ({marks})",  # noqa: S608  # the seed's columns
        *([str(one) if hasattr(one, "year") else one for one in row.values()] for row in rows),
    )
    assert fed_road.feed_once().returncode == 0
    fed = read_orders(fed_road)
    assert len(fed) == len(DIRT)
    assert fed_road.ask("SELECT count(*)::int FROM projection.unread_values") == 0
    table = next(one for one in fed_road.road.declaration.intake.tables if one.name.name == "pedidos")
    statement = sql.SQL("INSERT INTO public.pedidos ({}) VALUES ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, table.columns)),
        sql.SQL(", ").join(map(sql.Placeholder, table.columns)),
    )
    with fed_road.road.connect("vitrine") as conn:
        conn.execute("DELETE FROM public.pedidos")
        for row in rows:
            conn.execute(statement, row)
    assert read_orders(fed_road) == fed


def test_a_value_that_is_none_costs_itself_and_a_key_that_is_none_its_row(
    fed_road: FedRoad, wal_file: SgpProcess
) -> None:
    wal_file.run(
        "UPDATE pedidos SET pronto = 'talvez', data_criacao = '11/01/2026', costura = 't' WHERE id = 1"
    )
    wal_file.run(
        "UPDATE pedidos SET observacao = ?, cliente = ? WHERE id = 1", [{"hex": "61ff62"}, {"hex": "610062"}]
    )
    wal_file.run(ORDER, [1 << 40, "longe", "alguém", 0, None])
    assert fed_road.feed_once().returncode == 0
    [row] = fed_road.road.run(
        "vitrine",
        "SELECT observacao, cliente, pronto, costura, data_criacao FROM vitrine.pedidos WHERE id = 1",
    )
    assert row == ("a\N{REPLACEMENT CHARACTER}b", "a\N{REPLACEMENT CHARACTER}b", False, True, None)
    unread = fed_road.road.run("vitrine", "SELECT landing, key, columns FROM projection.unread_values")
    assert unread == [("public.pedidos", 1, ["pronto", "data_criacao"])]
    letters = "SELECT count(*)::int FROM projection.dead_letters WHERE sqlstate = 'PF001'"
    assert (fed_road.ask(letters), fed_road.ask(COUNT)) == (1, ORDERS)
    fed_road.ask("SELECT projection.retry_dead_letters(100)::text")
    assert fed_road.ask(letters) == 1
    wal_file.run("DELETE FROM pedidos WHERE id > 1000")
    wal_file.run("UPDATE pedidos SET pronto = 1, data_criacao = NULL WHERE id = 1")
    assert fed_road.feed_once().returncode == 0
    assert fed_road.ask(letters) == 0
    assert fed_road.ask("SELECT count(*)::int FROM projection.unread_values") == 0


def test_a_row_that_landing_refuses_holds_up_no_other(fed_road: FedRoad, wal_file: SgpProcess) -> None:
    fed_road.road.run(
        "vitrine", "ALTER TABLE public.pedidos ADD CONSTRAINT by_hand CHECK (observacao <> 'mau')"
    )
    try:
        wal_file.run("UPDATE pedidos SET observacao = 'mau' WHERE id = 1")
        wal_file.run("UPDATE pedidos SET observacao = 'bom' WHERE id = 2")
        assert fed_road.feed_once().returncode == 0
        assert show_window(fed_road)[2] == "bom"
        assert fed_road.road.run("vitrine", "SELECT landing, key, sqlstate FROM projection.dead_letters") == [
            ("public.pedidos", 1, "PF001")
        ]
    finally:
        fed_road.road.run("vitrine", "ALTER TABLE public.pedidos DROP CONSTRAINT by_hand")
    assert fed_road.feed_once().returncode == 0
    assert show_window(fed_road)[1] == "mau"
    assert fed_road.ask("SELECT count(*)::int FROM projection.dead_letters") == 0


def wait_writing(fed_road: FedRoad, after_s: float, *, note: str) -> None:
    """Wait until it has written so long; a landing that was quicker shows its note."""
    fed_road.road.wait(
        lambda: fed_road.ask(WRITES, after_s) > 0 or note in show_window(fed_road).values(), "it writes"
    )


def test_killed_in_the_middle_again_and_again_it_loses_and_doubles_nothing(
    fed_road: FedRoad, wal_file: SgpProcess
) -> None:
    """A large difference each time; the kill comes somewhere in its landing, or right after it."""
    rng = random.Random(3)
    fill_more = [[key, f"n {key}", "cliente", 1, None] for key in range(100, 1600)]
    wal_file.run(ORDER, *fill_more)
    for number in range(KILLS):
        feeder = fed_road.start()
        wal_file.run("UPDATE pedidos SET observacao = ?", [f"kill {number}"])
        wal_file.run("DELETE FROM pedidos WHERE id = ?", [100 + number])
        wait_writing(fed_road, rng.uniform(0.0, 0.15), note=f"kill {number}")
        feeder.kill()
        feeder.wait(20)
        notes = {note for key, note in show_window(fed_road).items() if key >= 100}
        assert len(notes) <= 1, "half of a difference"
    fed_road.start()
    fed_road.road.wait(lambda: show_window(fed_road) == show_file(wal_file), "what the file holds")
    digests = "SELECT count(*)::int FROM projection.fed_rows WHERE landing = 'public.pedidos'"
    assert fed_road.ask(digests) == fed_road.ask(COUNT) == len(show_file(wal_file))
    assert fed_road.ask("SELECT count(*)::int FROM projection.gaps") == 0


def test_an_older_copy_put_back_is_what_the_window_shows(fed_road: FedRoad, sgp_file: SgpProcess) -> None:
    """As a restore goes: SGP stops, its log goes with it though the feeder runs, a copy is put there."""
    fed_road.start()
    sgp_file.run("UPDATE pedidos SET observacao = 'antes'")
    fed_road.wait_for("SELECT count(*)::int FROM vitrine.pedidos WHERE observacao = 'antes'", ORDERS)
    sgp_file.stop()
    fed_road.road.wait(lambda: stands_alone(fed_road.path), "no log stays")
    copy = fed_road.path.with_suffix(".copy")
    shutil.copy(fed_road.path, copy)
    later = SgpProcess(fed_road.path)
    try:
        later.run("UPDATE pedidos SET observacao = 'depois'")
        later.run("DELETE FROM pedidos WHERE id = 1")
        fed_road.wait_for("SELECT count(*)::int FROM vitrine.pedidos WHERE observacao = 'depois'", ORDERS - 1)
        later.stop()
    finally:
        later.kill()
    fed_road.road.wait(lambda: stands_alone(fed_road.path), "no log stays")
    copy.replace(fed_road.path)
    fed_road.wait_for("SELECT count(*)::int FROM vitrine.pedidos WHERE observacao = 'antes'", ORDERS)
    assert "another_file" in {one["event"] for one in fed_road.events()}


def stands_alone(path: Path) -> bool:
    return not any(Path(f"{path}{suffix}").exists() for suffix in ("-wal", "-shm"))


def test_another_file_that_lacks_most_is_in_doubt_until_it_is_accepted(
    fed_road: FedRoad, wal_file: SgpProcess
) -> None:
    wal_file.stop()
    fed_road.path.unlink()
    empty = SgpProcess(fed_road.path)
    try:
        done = fed_road.feed_once()
        assert done.returncode == 1
        assert f"lacks {ORDERS} of {ORDERS} rows of pedidos" in done.stderr
        assert fed_road.ask(COUNT) == ORDERS
        assert fed_road.feed_once("--accept").returncode == 0
        assert fed_road.ask(COUNT) == 0
    finally:
        empty.kill()


def test_a_table_that_sgp_renames_is_named_and_the_others_go_on(
    fed_road: FedRoad, wal_file: SgpProcess
) -> None:
    fed_road.start()
    fed_road.wait_beat()
    wal_file.run("ALTER TABLE user RENAME TO usuario")
    wal_file.run("UPDATE pedidos SET observacao = 'segue' WHERE id = 1")
    fed_road.wait_for(WINDOW, "segue")
    fed_road.wait_for("SELECT fault FROM projection.feed", "SGP's file lacks what is declared: table user")
    assert fed_road.ask("SELECT count(*)::int FROM vitrine.usuarios") == 3
    wal_file.run("ALTER TABLE usuario RENAME TO user")
    fed_road.wait_for("SELECT count(*)::int FROM projection.feed WHERE fault IS NULL", 1)
    fed_road.wait_beat()


def test_what_a_hand_takes_from_landing_comes_back(fed_road: FedRoad, wal_file: SgpProcess) -> None:
    fed_road.start()
    fed_road.wait_beat()
    fed_road.road.run("vitrine", "TRUNCATE public.pedidos")
    fed_road.wait_for("SELECT count(*)::int FROM public.pedidos", ORDERS)
    fed_road.wait_for("SELECT count(*)::int FROM projection.gaps", 0)


def test_it_does_not_write_beside_another_feeder_or_a_subscription(
    fed_road: FedRoad, wal_file: SgpProcess
) -> None:
    fed_road.start()
    fed_road.wait_beat()
    done = fed_road.feed_once()
    assert (done.returncode, "another feeder is at work" in done.stderr) == (1, True)
    fed_road.stop_feeders()
    with fed_road.road.connect("vitrine") as conn:
        conn.execute(
            "CREATE SUBSCRIPTION sub_intake CONNECTION 'dbname=none' PUBLICATION p"
            " WITH (connect = false, slot_name = NONE, enabled = false)"
        )
        conn.execute("SET allow_system_table_mods = on")  # as if it had been connected
        conn.execute(
            "INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate)"
            " SELECT oid, 'public.pedidos'::regclass, 'r' FROM pg_subscription"
        )
        done = fed_road.feed_once()
        conn.execute("DROP SUBSCRIPTION sub_intake")
    assert (done.returncode, "sub_intake writes these landing tables too" in done.stderr) == (1, True)


@pytest.mark.parametrize("sgp_file", ["wal", "delete"], indirect=True)
def test_the_writer_is_never_refused(fed_road: FedRoad, sgp_file: SgpProcess) -> None:
    alone = sgp_file.ask("storm", 1.5, 200)
    fed_road.start()
    fed_road.wait_beat()
    beside = sgp_file.ask("storm", 2.5, 200)
    assert beside["busy"] == 0
    assert beside["writes"] > 100
    assert beside["wal_bytes"] <= 2 * max(
        alone["wal_bytes"], 4_200_000
    )  # of 1000 pages, where SQLite writes back
    fed_road.road.wait(lambda: show_window(fed_road) == show_file(sgp_file), "all of the storm")


def test_a_filled_file_is_landed_from_nothing(fed_road: FedRoad, wal_file: SgpProcess) -> None:
    wal_file.run("DELETE FROM pedidos")
    wal_file.run("DELETE FROM user")
    wal_file.run("DELETE FROM pedido_imagens")
    fill(wal_file, 200)
    assert fed_road.feed_once().returncode == 0
    assert fed_road.ask(COUNT) == 200


def test_it_starts_only_where_it_is_declared_and_told_where_the_file_is(
    fed_road: FedRoad, wal_file: SgpProcess
) -> None:
    told = dict(fed_road.environment())
    command = [sys.executable, "-m", "publications.feeder", "--once"]
    for change, said in (
        (
            {"PONTE_DECLARATION": str(STARTING_PATH)},
            "is of kind postgresql, which no feeder carries\nHINT: write",
        ),
        ({"PONTE_SGP_FILE": "sgp.db"}, "PONTE_SGP_FILE: value error, not an absolute path"),
    ):
        done = subprocess.run(command, env=told | change, capture_output=True, text=True, check=False)
        assert (done.returncode, said in done.stderr, done.stdout) == (2, True, ""), done.stderr


def test_ponte_reads_the_file_and_asks_for_no_database_of_sgp(
    fed_road: FedRoad,
    wal_file: SgpProcess,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PONTE_DECLARATION", str(fed_road.declaration_file))
    settings = fed_road.road.settings
    for name, dsn in settings.dsns.items():
        monkeypatch.setenv(f"PONTE_{name}_DSN".upper(), dsn.get_secret_value())
    conninfo = make_conninfo("", **settings.conninfos["sub_vps"])
    monkeypatch.setenv("PONTE_SUB_VPS_CONNINFO", conninfo)
    assert main(["plan"]) == 2
    assert "PONTE_SGP_FILE is not set" in capsys.readouterr().err
    monkeypatch.setenv("PONTE_SGP_FILE", str(fed_road.path))
    assert main(["plan"]) == 0, capsys.readouterr().err
    capsys.readouterr()
    assert main(["preflight", "--json"]) in {0, 3}
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert [one["name"] for one in checks if one["subject"] == "sgp"] == ["journal", "wal_reset_fault"]
    wal_file.run("ALTER TABLE pedidos RENAME COLUMN numero TO nome")
    assert main(["plan"]) == 1
    assert "sgp has no column public.pedidos.numero" in capsys.readouterr().err
    assert main(["migrate-helper", "release", "pedidos.numero"]) == 1
    assert "nothing holds public.pedidos.numero" in capsys.readouterr().err
