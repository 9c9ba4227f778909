"""The intranet's programs on Windows' own Python, as in the shop of today: beside them SGP's SQLite file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from psycopg.conninfo import make_conninfo

from db.waiting import wait_until
from publications.install.windows import WindowsServer, install, to_line
from publications.settings import watch_variable
from tests.fix_fed import ORDERS, FedRoad, SgpProcess, fill
from tests.fix_road import ROLE_PASSWORD
from tests.fix_watch import fetch
from tests.fix_wine import ROOT, Started, Wine, name_path
from tests.ports import find_free_port

pytestmark = [pytest.mark.any_version, pytest.mark.timeout(600)]

WAIT_S = 90
UNITS = (
    "tests/unit/publications/feeder",
    "tests/unit/publications/declare",
    "tests/unit/publications/install/test_windows.py",
    "tests/unit/publications/install/test_windows_files.py",
    "tests/unit/thumbnail_worker/storage",
    "tests/unit/db/test_whole.py",
)
"""Paths, files that are open while they are replaced, SQLite's file, text as Windows' editors write it."""
COUNT = "SELECT count(*)::int FROM vitrine.pedidos"
NOTE = "SELECT observacao FROM vitrine.pedidos WHERE id = 1"
RUN_ALL = """
import contextlib, io, json, sys
from publications.__main__ import main
codes = []
for words in json.loads(sys.argv[1]):
    sys.argv = ["ponte", *words]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main()
        except SystemExit as ended:
            code = ended.code
    codes.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(codes))
"""


class WindowsSgp(SgpProcess):
    """SGP as a process of Windows."""

    def __init__(self, wine: Wine, path: Path) -> None:
        self.path = path
        self._process = subprocess.Popen(
            wine.command("-m", "tests.sgp_writer", name_path(path), "wal"),
            env=wine.environment(), cwd=ROOT, text=True, encoding="utf-8",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._hear()


@pytest.fixture(scope="module")
def sgp(fed_road: FedRoad, wine: Wine) -> Iterator[WindowsSgp]:
    """SGP's process with orders and one photo; the road is applied."""
    sgp = WindowsSgp(wine, fed_road.path)
    fill(sgp, ORDERS)
    photo = fed_road.folder / "media/pedidos/1/a.png"
    photo.parent.mkdir(parents=True)
    Image.new("RGB", (64, 48), "teal").save(photo)
    fed_road.road.apply()
    yield sgp
    sgp.kill()


@pytest.fixture
def stop(tmp_path: Path) -> Path:
    """The file that stops a service."""
    return tmp_path / "stop"


TOLD = ["--kind", "sqlite", "--media", "D:\\fotos", "--intranet", "100.64.0.5", "--vps", "100.64.0.7"]
TOLD += ["--sgp-file", "D:\\SGP\\sgp.db"]


def feeder_settings(fed: FedRoad) -> dict[str, str]:
    return {
        **{name: value for name, value in fed.environment().items() if name.startswith("PONTE_")},
        "PONTE_DECLARATION": name_path(fed.declaration_file),
        "PONTE_SGP_FILE": name_path(fed.path),
    }


def start_feeder(fed: FedRoad, wine: Wine, stop: Path) -> Started:
    return wine.serve(stop, "-m", "publications.feeder", **feeder_settings(fed))


def watch_settings(fed: FedRoad) -> dict[str, str]:
    clusters = fed.road.servers.clusters
    dsns = {
        watch_variable(name): make_conninfo(
            clusters[name].conninfo(name), user="ponte_watch", password=ROLE_PASSWORD
        )
        for name in fed.road.declaration.watched
    }
    return {**dsns, "PONTE_DECLARATION": name_path(fed.declaration_file)}


def wait(fed: FedRoad, query: str, value: object, service: Started) -> None:
    found = wait_until(lambda: fed.road.run("vitrine", query) == [(value,)], WAIT_S)
    assert found, "\n".join(service.lines)


def stops(service: Started, stop: Path, how: str) -> str:
    stop.write_text(how, encoding="utf-8")
    assert service.ends() == 0, service.lines
    return service.lines[-1]


def test_the_units_that_windows_may_break_pass_there(wine: Wine) -> None:
    done = wine.run(
        "-m", "pytest", "--noconftest", "-p", "tests.fix_tools", "-p", "no:cacheprovider", "-q", *UNITS
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    sys.stderr.write(done.stdout.splitlines()[-1])


def test_the_feeder_carries_what_another_process_writes_and_is_stopped_as_a_service(
    fed_road: FedRoad, sgp: WindowsSgp, wine: Wine, stop: Path
) -> None:
    service = start_feeder(fed_road, wine, stop)
    wait(fed_road, COUNT, ORDERS, service)
    sgp.run("UPDATE pedidos SET observacao = 'um' WHERE id = 1")
    wait(fed_road, NOTE, "um", service)
    assert sgp.ask("storm", 3, 50)["busy"] == 0
    assert stops(service, stop, "ctrl-c") == "ended 0"
    assert service.says("feeder_stopped")


def test_an_older_copy_can_be_put_back_while_the_feeder_runs_and_it_goes_on_when_it_was_killed(
    fed_road: FedRoad, sgp: WindowsSgp, wine: Wine, stop: Path
) -> None:
    service = start_feeder(fed_road, wine, stop)
    sgp.run("UPDATE pedidos SET observacao = 'velho' WHERE id = 1")
    wait(fed_road, NOTE, "velho", service)
    put_back = (
        "import os, shutil, sqlite3, sys, time\n"
        "path = sys.argv[1]\n"
        "copy = path + '.copy'\n"
        "here = sqlite3.connect(path); there = sqlite3.connect(copy)\n"
        "here.backup(there); there.execute(\"UPDATE pedidos SET observacao = 'backup' WHERE id = 1\")\n"
        "there.commit(); there.close(); here.close()\n"
        "refused = 0\n"
        "while True:\n"
        "    try:\n"
        "        os.replace(copy, path); break\n"
        "    except PermissionError:\n"
        "        refused += 1; time.sleep(0.05)\n"
        "    if refused > 600: raise SystemExit('never')\n"
        "print(refused)\n"
    )
    sgp.stop()
    done = wine.run("-c", put_back, name_path(fed_road.path))
    assert done.returncode == 0, done.stderr
    wait(fed_road, NOTE, "backup", service)
    assert stops(service, stop, "kill") == "ended 1"
    sgp.__init__(wine, fed_road.path)  # type: ignore[misc]  # it starts again
    sgp.run("UPDATE pedidos SET observacao = 'depois' WHERE id = 1")
    stop.unlink()
    service = start_feeder(fed_road, wine, stop)
    wait(fed_road, NOTE, "depois", service)
    assert stops(service, stop, "ctrl-c") == "ended 0"


def test_the_worker_renders_in_processes_of_its_own_and_ends_with_the_service(
    fed_road: FedRoad, sgp: WindowsSgp, wine: Wine, tmp_path: Path, stop: Path
) -> None:
    assert wine.run("-m", "publications.feeder", "--once", **feeder_settings(fed_road)).returncode == 0
    miniaturas = tmp_path / "miniaturas"
    miniaturas.mkdir()
    settings = {
        "PONTE_SGP_FILE": name_path(fed_road.path),
        "PONTE_WORKER_VITRINE_DSN": make_conninfo(
            fed_road.road.servers.clusters["vitrine"].conninfo("vitrine"),
            user="ponte_worker", password=ROLE_PASSWORD,
        ),
        "PONTE_CREDENTIAL_KEY": "c" * 32,
        "PONTE_WORKER_MEDIA_ROOT": name_path(fed_road.folder / "media"),
        "PONTE_WORKER_STORAGE": "filesystem",
        "PONTE_WORKER_STORAGE_DIR": name_path(miniaturas),
    }  # fmt: skip
    service = wine.serve(stop, "-m", "thumbnail_worker", **settings)
    assert wait_until(lambda: any(miniaturas.rglob("*.webp")), WAIT_S), "\n".join(service.lines)
    wait(fed_road, "SELECT count(*)::int FROM vitrine.miniaturas", 1, service)
    assert stops(service, stop, "ctrl-c") == "ended 0"


def test_the_panel_says_what_the_road_is(
    fed_road: FedRoad, sgp: WindowsSgp, wine: Wine, stop: Path, tmp_path: Path
) -> None:
    feeder = start_feeder(fed_road, wine, tmp_path / "stop_feeder")
    port = find_free_port()
    settings = {**watch_settings(fed_road), "PONTE_PANEL_PORT": str(port)}
    panel = wine.serve(stop, "-m", "publications", "panel", **settings)

    def is_ok() -> bool:
        try:
            return "Sincronização: OK" in fetch(port, "/")[0]
        except OSError:
            return False

    assert wait_until(is_ok, WAIT_S), "\n".join([*panel.lines, *feeder.lines])
    assert stops(panel, stop, "ctrl-c") == "ended 0"
    assert stops(feeder, tmp_path / "stop_feeder", "ctrl-c") == "ended 0"


def test_what_init_writes_is_there_and_a_second_time_the_same(wine: Wine) -> None:
    ask = (
        "import hashlib, json, pathlib, sys\n"
        "from publications.cli import main\n"
        "def look():\n"
        "    files = [one for one in pathlib.Path('C:/Ponte').rglob('*') if one.is_file()]\n"
        "    return {one.as_posix(): hashlib.sha256(one.read_bytes()).hexdigest() for one in files}\n"
        "words = ['init', *json.loads(sys.argv[1])]\n"
        "codes = [main(words)]\n"
        "first = look()\n"
        "codes.append(main(words))\n"
        "print(json.dumps([codes, first, look() == first]))\n"
    )
    done = wine.run("-c", ask, json.dumps(TOLD))
    assert done.returncode == 0, done.stderr
    codes, files, same = json.loads(done.stdout.splitlines()[-1])
    assert (codes, same) == ([3, 3], True), done.stderr
    names = {name.removeprefix("C:/Ponte/") for name in files}
    assert {"install.cmd", "uninstall.cmd", "ponte.cmd", "sgp.toml", "pg_hba.conf"} <= names
    assert "secrets/feeder/ponte_feeder_vitrine_dsn" in names


def test_a_program_takes_a_command_line_apart_as_it_was_put_together(wine: Wine) -> None:
    """What `ponte init` prints for Windows, read by a program of Windows' own."""
    commands = list(install(WindowsServer("sqlite", "D:\\fotos da loja\\", "100.64.0.7", "D:\\SGP\\sgp.db")))
    ask = (
        "import ctypes, json, subprocess, sys\n"
        "split = ctypes.windll.shell32.CommandLineToArgvW\n"
        "split.restype = ctypes.POINTER(ctypes.c_wchar_p)\n"
        "count = ctypes.c_int()\n"
        "lines = json.loads(sys.argv[1])\n"
        "print(json.dumps([split(one, ctypes.byref(count))[: count.value] for one in lines]))\n"
    )
    done = wine.run("-c", ask, json.dumps([to_line(one) for one in commands]))
    assert done.returncode == 0, done.stderr
    assert [tuple(one) for one in json.loads(done.stdout)] == commands


def test_commands_end_with_their_codes_and_say_two_lines(
    fed_road: FedRoad, sgp: WindowsSgp, wine: Wine
) -> None:
    settings = watch_settings(fed_road)
    wanted: list[tuple[list[str], int]] = [
        (["--help"], 0),
        (["declaration", "--starting"], 0),
        (["explain", "PonteSlotLost"], 0),
        (["no-such-command"], 2),
        (["plan"], 2),
        (["init", "--yes"], 2),
        (["init", *TOLD, "--dry-run"], 3),
        (["uninstall"], 3),
        (["status", "--json"], 3),
    ]
    done = wine.run("-c", RUN_ALL, json.dumps([words for words, _ in wanted]), **settings)
    found: list[tuple[int, str, str]] = json.loads(done.stdout.splitlines()[-1])
    for (words, code), (got, out, err) in zip(wanted, found, strict=True):
        assert got == code, (words, out, err)
        assert "Traceback" not in out + err
        assert code != 2 or "HINT: " in err
    status: dict[str, Any] = json.loads(found[-1][1])
    assert set(status["subscribers"]) == {"vps"}
