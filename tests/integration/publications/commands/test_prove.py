"""`ponte verify`, `heal`, `resync` and `recover` as operators meet them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from publications.cli import main
from publications.commands import talk
from tests.fix_drift import told, verify, write_by_hand
from tests.fix_road import Road

OK, FAILED, USAGE, PENDING = 0, 1, 2, 3


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(list(arguments))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_verify_says_what_differs_and_heal_moves_it_only_when_told(
    commanded: Road, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "verify", "--json")
    assert (code, json.loads(out)["proven"]) == (OK, True)
    write_by_hand(commanded, "DELETE FROM vitrine.usuarios WHERE id = 1")
    code, out, _ = run(capsys, "verify", "usuarios")
    assert code == PENDING
    assert "1 missing" in out
    assert "  missing     1" in out.splitlines()
    code, out, err = run(capsys, "heal", "usuarios")
    assert (code, "nothing was written" in err) == (PENDING, True)
    assert commanded.run("vps", "SELECT 1 FROM vitrine.usuarios WHERE id = 1") == []
    code, out, _ = run(capsys, "heal", "usuarios", "--yes")
    assert (code, out.startswith("1 rows written, 0 removed, 0 sent anew; ")) == (OK, True)
    code, out, _ = run(capsys, "verify", "--json", "usuarios")
    shown = json.loads(out)
    assert (code, shown["proven"], [one["table"] for one in shown["tables"]]) == (
        OK,
        True,
        ["vitrine.usuarios", "vitrine.usuarios"],
    )


def test_verify_writes_nothing(commanded: Road, capsys: pytest.CaptureFixture[str]) -> None:
    before = {
        name: commanded.run(name, "SELECT pg_snapshot_xmax(pg_current_snapshot())") for name in ("vps",)
    }
    assert run(capsys, "verify", "pedidos")[0] == OK
    after = {name: commanded.run(name, "SELECT pg_snapshot_xmax(pg_current_snapshot())") for name in ("vps",)}
    assert after == before


@pytest.mark.parametrize("command", ["verify", "heal", "resync"])
def test_a_table_that_does_not_travel_is_wrong_usage(
    commanded: Road, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    code, _, err = run(capsys, command, "estoque")
    assert code == USAGE
    assert "no table estoque travels" in err


@contextmanager
def readers(road: Road) -> Iterator[list[object]]:
    """Have somebody read the VPS again and again; what he misses or fails with is in the list."""
    missed: list[object] = []
    stop = threading.Event()
    [[all_there]] = road.run("vps", "SELECT count(*) FROM vitrine.pedidos")

    def read() -> None:
        with road.connect("vps") as conn:
            while not stop.is_set():
                row = conn.execute("SELECT count(*) FROM vitrine.pedidos").fetchone()
                if row is None or row[0] < all_there:
                    missed.append(row)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield missed
    finally:
        stop.set()
        reader.join(60)


def test_resync_copies_over_what_is_there_with_a_bar_and_nobody_misses_a_row(
    commanded: Road, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk, "_force_terminal", True)
    monkeypatch.setattr(talk, "is_interactive", True)
    write_by_hand(commanded, "UPDATE vitrine.pedidos SET cliente = 'outro'")
    with readers(commanded) as missed:
        code, _, err = run(capsys, "resync", "pedidos")
    assert (code, missed) == (OK, [])
    assert "mark backfill vitrine.pedidos (all rows)" in err
    assert "vitrine.imagens" not in err
    assert "copying tables" in err
    assert told(verify(commanded)) == {}


def stop_apply(road: Road, statement: str, change: str) -> None:
    """Put something in apply's way, and have it meet that."""
    road.run("vps", statement)
    road.run("sgp", change)
    failed = "SELECT 1 FROM pg_stat_subscription_stats WHERE subname = 'sub_vps' AND apply_error_count > %s"
    [[before]] = road.run(
        "vps", "SELECT apply_error_count FROM pg_stat_subscription_stats WHERE subname = 'sub_vps'"
    )
    road.wait(lambda: road.run("vps", failed, before) != [], "apply fails")


def test_a_row_in_the_way_is_put_aside_and_apply_goes_on(
    commanded: Road, capsys: pytest.CaptureFixture[str]
) -> None:
    write_by_hand(commanded, "INSERT INTO vitrine.usuarios (id, username, versao) VALUES (900, 'nova', 1)")
    stop_apply(
        commanded,
        "CREATE UNIQUE INDEX theirs ON vitrine.usuarios (username)",
        "UPDATE \"user\" SET username = 'nova' WHERE id = 2",
    )
    code, out, err = run(capsys, "recover")
    assert code == PENDING
    assert "sub_vps: row id = 2 of vitrine.usuarios is refused on vps by constraint theirs" in out
    assert "rows 900 are in its way" in err
    code, out, _ = run(capsys, "recover", "--yes")
    assert code == OK
    assert "1 rows put into quarantine" in out
    kept = commanded.run("vps", "SELECT table_name, key, \"row\" ->> 'username' FROM guard.quarantine")
    assert kept == [("vitrine.usuarios", "900", "nova")]
    commanded.run("vps", "DROP INDEX vitrine.theirs")
    commanded.run("vps", "DELETE FROM guard.quarantine")
    commanded.wait_arrival()
    assert told(verify(commanded)) == {}


OBSTACLES = {
    "constraint theirs": (
        "ALTER TABLE vitrine.usuarios ADD CONSTRAINT theirs CHECK (setor <> 'nenhum')",
        "ALTER TABLE vitrine.usuarios DROP CONSTRAINT theirs",
        "DROP CONSTRAINT theirs",
    ),
    "a trigger (theirs) with SQLSTATE P0001": (
        "CREATE FUNCTION public.theirs() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE 'segredo'; END $$;"
        " CREATE TRIGGER theirs BEFORE UPDATE ON vitrine.usuarios"
        " FOR EACH ROW EXECUTE FUNCTION public.theirs();"
        " ALTER TABLE vitrine.usuarios ENABLE ALWAYS TRIGGER theirs",
        "DROP FUNCTION public.theirs() CASCADE",
        "DROP TRIGGER theirs",
    ),
}


@pytest.mark.parametrize("by", OBSTACLES)
def test_what_refuses_a_row_is_named_with_its_key_and_what_mends_it(
    commanded: Road, capsys: pytest.CaptureFixture[str], by: str
) -> None:
    made, undone, advice = OBSTACLES[by]
    stop_apply(commanded, made, "UPDATE \"user\" SET setor = 'nenhum' WHERE id = 3")
    code, out, err = run(capsys, "recover", "--yes")
    assert code == PENDING
    assert f"sub_vps: row id = 3 of vitrine.usuarios is refused on vps by {by}\n" in out
    assert advice in err
    assert "segredo" not in out + err
    commanded.run("vps", undone)
    commanded.run("sgp", "UPDATE \"user\" SET setor = 'geral' WHERE id = 3")
    commanded.wait_arrival()
    assert run(capsys, "recover")[0] == OK


def test_a_disabled_subscription_is_enabled(commanded: Road, capsys: pytest.CaptureFixture[str]) -> None:
    commanded.run("vps", "ALTER SUBSCRIPTION sub_vps DISABLE")
    code, out, _ = run(capsys, "recover")
    assert (code, "sub_vps: disabled" in out) == (PENDING, True)
    assert run(capsys, "recover", "--yes")[0] == OK
