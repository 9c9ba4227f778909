"""`ponte preflight` on real servers: what it says of good ones, and that each thing is really seen."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from publications.cli import main
from publications.declare.declaration import STARTING_PATH
from publications.settings import conninfo_variable, dsn_variable
from tests.fix_clusters import NAMES
from tests.fix_road import Road

LIMIT = "max_slot_wal_keep_size"


@pytest.fixture(scope="module")
def road(mended_road: Road) -> Iterator[Road]:
    """Servers as one wants them: a slot keeps no more than the disk can spare."""
    with with_setting(mended_road, "sgp", LIMIT, "1GB"), with_setting(mended_road, "vitrine", LIMIT, "1GB"):
        yield mended_road


@contextmanager
def with_setting(road: Road, name: str, setting: str, value: str) -> Iterator[None]:
    """Have a server run with a setting; what was before comes back."""
    shown = f"SELECT current_setting('{setting}')"
    [[before]] = road.run(name, shown)

    def change(how: str, to: object) -> None:
        road.run(name, f"ALTER SYSTEM {how}")
        road.run(name, "SELECT pg_reload_conf()")
        road.wait(lambda: road.run(name, shown) == [(to,)], f"{setting} in force")

    change(f"SET {setting} = '{value}'", value)
    try:
        yield
    finally:
        change(f"SET {setting} = '{before}'" if setting == LIMIT else f"RESET {setting}", before)


Say = Callable[..., tuple[int, list[dict[str, str]]]]


@pytest.fixture
def preflight(road: Road, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Run the command with what this machine knows; return its code and what was found."""
    for name in [name for name in os.environ if name.startswith("PONTE_")]:
        monkeypatch.delenv(name)
    for name in NAMES:
        monkeypatch.setenv(dsn_variable(name), road.settings.dsn(name))
    for name in ("sub_intake", "sub_vps"):
        monkeypatch.setenv(conninfo_variable(name), make_conninfo("", **road.settings.conninfos[name]))

    def run(*arguments: str) -> tuple[int, list[dict[str, str]]]:
        code = main(["preflight", *arguments, "--json", "--declaration", str(STARTING_PATH)])
        checks = json.loads(capsys.readouterr().out)["checks"]
        return code, [one for one in checks if one["outcome"] != "ok"]

    return run


def test_good_servers_have_nothing_against_them(preflight: Say) -> None:
    assert preflight() == (0, [])


@contextmanager
def prepared(road: Road) -> Iterator[None]:
    with road.connect("sgp") as conn:
        conn.autocommit = False
        conn.execute("UPDATE pedido_imagens SET tamanho = tamanho WHERE id = 1")
        conn.execute("PREPARE TRANSACTION 'esquecida'")
        conn.commit()
    aged = "SELECT 1 FROM pg_prepared_xacts WHERE prepared < clock_timestamp() - interval '2 s'"
    road.wait(lambda: road.run("sgp", aged) != [], "one that is two seconds old")
    try:
        yield
    finally:
        road.run("sgp", "ROLLBACK PREPARED 'esquecida'")


@contextmanager
def passfile_open(road: Road) -> Iterator[None]:
    path = Path(road.settings.conninfos["sub_vps"]["passfile"])
    path.chmod(0o644)
    try:
        yield
    finally:
        path.chmod(0o600)


@contextmanager
def passfile_away(road: Road) -> Iterator[None]:
    path = Path(road.settings.conninfos["sub_intake"]["passfile"])
    away = path.rename(path.with_suffix(".away"))
    try:
        yield
    finally:
        away.rename(path)


def setting(name: str, key: str, value: str) -> Callable[[Road], object]:
    return lambda road: with_setting(road, name, key, value)


BAD: dict[str, tuple[Callable[[Road], object], str, str]] = {
    "a sender that waits for ever": (setting("sgp", "wal_sender_timeout", "0"), "sgp", "timeouts"),
    "a receiver that waits for ever": (setting("vps", "wal_receiver_timeout", "0"), "vps", "timeouts"),
    "WAL without a limit": (setting("vitrine", "max_slot_wal_keep_size", "-1"), "vitrine", "keep_size"),
    "a slot given up soon": (
        setting("vitrine", "idle_replication_slot_timeout", "1h"), "vitrine", "idle_limit"
    ),
    "pgoutput is not allowed": (
        setting("vitrine", "output_plugin_libraries", "test_decoding"), "vitrine", "output_plugins"
    ),
    "no table is copied": (setting("vps", "max_sync_workers_per_subscription", "0"), "vps", "workers"),
    "a prepared transaction": (prepared, "sgp", "prepared"),
    "a passfile that others may read": (passfile_open, "vps", "passfile"),
    "a passfile that is away": (passfile_away, "vitrine", "passfile"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD)
def test_a_fault_is_found_and_nothing_else(road: Road, preflight: Say, fault: str) -> None:
    if sys.platform == "win32" and "passfile that others" in fault:
        return  # modes mean nothing there
    break_, endpoint, name = BAD[fault]
    with ExitStack() as stack:
        stack.enter_context(break_(road))  # type: ignore[arg-type]
        code, found = preflight()
    assert [(one["subject"], one["name"]) for one in found] == [(endpoint, name)]
    assert found[0]["hint"]
    assert code == 3


def test_one_that_cannot_be_asked_is_a_failure_and_the_others_are_told(
    road: Road, preflight: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PONTE_VPS_DSN", make_conninfo(road.settings.dsn("vps"), password="outra"))
    code, found = preflight()
    assert [(one["subject"], one["name"], one["outcome"]) for one in found] == [("vps", "reach", "failed")]
    assert code == 1


def test_on_the_vps_it_looks_at_what_that_machine_knows(
    preflight: Say, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("sgp", "vitrine"):
        monkeypatch.delenv(dsn_variable(name))
    assert preflight() == (0, [])
    assert main(["preflight", "vps", "--declaration", str(STARTING_PATH)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[1] for line in lines} == {"vps"}
    assert main(["preflight", "lua", "--declaration", str(STARTING_PATH)]) == 2
    assert "HINT: name one of sgp, vitrine, vps" in capsys.readouterr().err
    assert main(["preflight", "sgp", "--declaration", str(STARTING_PATH)]) == 1
    monkeypatch.delenv("PONTE_VPS_DSN")
    assert main(["preflight", "--declaration", str(STARTING_PATH)]) == 2
