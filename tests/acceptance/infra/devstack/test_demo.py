"""`python -m infra.devstack` as a newcomer runs it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from db import lifetime
from infra.devstack.clusters import HOST
from infra.devstack.ports import Ports
from infra.devstack.postgres import runtime_root, server_version
from tests.fix_wheel import Environments, Installed
from tests.ports import find_free_ports

REPOSITORY = Path(__file__).resolve().parents[4]
TIMEOUT_S = 250
ORDERS = 520


class Devstack:
    """The command, in a folder and on ports of its own: the repository's, or an installed one."""

    def __init__(self, root: Path, installed: Installed | None = None) -> None:
        self.root = root
        self.python = installed.program("python") if installed else sys.executable
        self.cwd = root if installed else REPOSITORY
        self.base = find_free_ports(len(fields(Ports)))[0] - 1

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end; stdout and stderr are kept apart."""
        ours = {"PONTE_DEV_ROOT": str(self.root), "PONTE_DEV_PORT_BASE": str(self.base)}
        return subprocess.run(
            lifetime.tie([self.python, "-m", "infra.devstack", *arguments]),
            cwd=self.cwd,
            env={**os.environ, "PYTHONPATH": "", **ours},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )


@pytest.fixture(scope="module")
def devstack(
    bindirs: dict[str, Path], environments: Environments, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Devstack]:
    """Give the installed one, with nothing but what its extra brings."""
    one = Devstack(tmp_path_factory.mktemp("devstack"), environments["devstack"])
    yield one
    one.run("down", "--wipe")
    shutil.rmtree(runtime_root(one.root), ignore_errors=True)


def demo(devstack: Devstack) -> tuple[dict[str, Any], str]:
    done = devstack.run("demo", "--once", "--json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert isinstance(shown, dict)
    return shown, done.stderr


def test_a_taken_port_is_said_in_two_lines(tmp_path: Path) -> None:
    devstack = Devstack(tmp_path)
    with socket.create_server((HOST, devstack.base + 1)):
        done = devstack.run("demo", "--once", "--json")
    try:
        assert done.returncode == 1
        assert done.stdout == ""
        fact, hint = done.stderr.splitlines()[-2:]
        assert fact == f"port {devstack.base + 1} on 127.0.0.1, wanted for sgp, is already taken"
        assert hint.startswith("HINT: ")
        assert "Traceback" not in done.stderr
    finally:
        shutil.rmtree(runtime_root(tmp_path), ignore_errors=True)


@pytest.mark.timeout(600)
def test_the_demo_tells_its_figures_and_a_second_one_finds_the_firsts_data(
    devstack: Devstack, bindirs: dict[str, Path]
) -> None:
    first, talk = demo(devstack)
    assert first["pedidos"] == dict.fromkeys(("sgp", "vitrine", "vps"), ORDERS)
    for name in ("visible_ms", "served_ms"):
        assert 0 < first[name]["median"] <= first[name]["p99"]
    assert first["visible_ms"]["median"] <= first["served_ms"]["median"]
    assert first["pending_after_cut"] == 0
    assert first["waiting_during_cut"] > 0
    assert first["served_during_cut"] == ORDERS
    answered = ("live", "live_during_cut", "live_unknown_during_cut")
    assert [first[name] for name in answered] == ["live", "cached", 503]
    assert first["postgresql"] == {name: server_version(bindir) for name, bindir in bindirs.items()}
    assert "filling SGP" in talk
    second, talk = demo(devstack)
    assert second["pedidos"] == first["pedidos"]
    assert "filling SGP" not in talk
    status = devstack.run("status")
    assert (status.returncode, "down" in status.stdout) == (1, True)
