"""The services' units: what each leaves open to whoever takes its program over, as systemd counts it."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.fix_tools import need_tool

pytestmark = pytest.mark.unit

UNITS = sorted((Path(__file__).parents[3] / "infra/systemd").glob("*.service"))
MOST = 3.0
PROGRAM = re.compile(r"^(Exec\w+=)\S+", re.MULTILINE)
TALKS = {"api", "feeder", "https", "ingest", "panel", "postgres", "reconcile", "ssh", "worker"}


def read_setting(unit: Path, name: str) -> str:
    [value] = re.findall(rf"^{name}=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)
    return str(value)


def test_there_is_a_unit_for_each_service() -> None:
    assert {unit.stem.removeprefix("ponte-") for unit in UNITS} == TALKS


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_leaves_little_open(unit: Path, tmp_path: Path) -> None:
    copy = tmp_path / unit.name
    # Our programs are not here, and a unit without its program is no unit.
    copy.write_text(PROGRAM.sub(r"\1/bin/true", unit.read_text(encoding="utf-8")), encoding="utf-8")
    given = ["--offline=true", "--json=short", "--no-pager", f"--threshold={MOST * 10:.0f}"]
    command = [str(need_tool("systemd-analyze")), "security", *given, str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, [one["name"] for one in json.loads(done.stdout) if not one["set"]]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_can_become_nothing_more(unit: Path) -> None:
    assert read_setting(unit, "NoNewPrivileges") == "yes"
    assert read_setting(unit, "CapabilityBoundingSet") == (
        "CAP_NET_BIND_SERVICE" if unit.stem == "ponte-https" else ""
    )
    assert read_setting(unit, "SystemCallErrorNumber") == "EPERM"  # refused, not killed


def test_each_service_has_a_user_and_a_folder_of_secrets_of_its_own() -> None:
    of_workers = {"ponte-reconcile", "ponte-worker"}  # one program
    users = Counter(read_setting(unit, "User") for unit in UNITS if unit.stem not in of_workers)
    assert set(users.values()) == {1}
    assert read_setting(UNITS[0], "User") == "ponte-api"
    folders = Counter(
        found
        for unit in UNITS
        if unit.stem not in of_workers
        for found in re.findall(r"PONTE_SECRETS_DIR=(\S+)", unit.read_text(encoding="utf-8"))
    )
    assert set(folders.values()) == {1}


def test_on_windows_too_each_service_has_an_account_and_secrets_of_its_own() -> None:
    """Read from the page alone: no Windows is here to try it on."""
    page = (UNITS[0].parents[1] / "windows/worker.md").read_text(encoding="utf-8")
    services = set(re.findall(r"nssm install (\w+)", page))
    assert services == {"PonteFeeder", "PontePanel", "PonteWorker"}
    accounts = dict(re.findall(r'nssm set (\w+) ObjectName "(.+)"', page))
    assert accounts == {one: f"NT SERVICE\\{one}" for one in services}
    folders = Counter(re.findall(r"PONTE_SECRETS_DIR=(\S+)", page))
    assert len(folders) == len(services)
    assert set(folders.values()) == {1}
    for service in services:
        [given] = re.findall(rf'icacls (C:\\Ponte\\secrets\\\w+) /grant "NT SERVICE\\{service}:', page)
        assert given in folders
    assert not re.search(r"^nssm set \w+ ObjectName LocalSystem|^schtasks .*SYSTEM", page, re.MULTILINE)
    assert '/inheritance:r /grant:r "*S-1-5-32-544:' in page
