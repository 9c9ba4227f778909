"""A road whose VPS is pushed to: the vitrine's end of it, and both services as processes of their own."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from db import lifetime
from db.tables import TABLES
from infra.devstack.clusters import HOST
from infra.devstack.link import Link
from publications.act.transport import switch
from publications.declare.declaration import STARTING_PATH, Declaration, parse_declaration
from publications.declare.rewrite import find_export
from publications.push.vitrine import Vitrine
from tests.fix_clusters import Servers, clone_all
from tests.fix_road import ROLE_PASSWORD, Road, open_road
from tests.ports import find_free_port, find_free_ports

API_KEY = secrets.token_hex(16)
SECRET = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
ROOT = Path(__file__).parents[1]


@dataclass
class Pushed:
    """A road with both services, and a link between them that breaks."""

    road: Road
    folder: Path
    link: Link
    port: int
    """The ingest's own."""
    settings: dict[str, str] = field(default_factory=dict)
    """More of the push's."""
    running: dict[str, lifetime.Child] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Start `ingest` or `push`."""
        command = [sys.executable, "-m", "vps_readapi.ingest" if name == "ingest" else "publications"]
        command += [] if name == "ingest" else ["push"]
        environ = self.ingest_environment() if name == "ingest" else self.push_environment()
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PONTE_")}
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = lifetime.start(
                command, env=inherited | environ, stdout=log, stderr=log, cwd=ROOT, stdin=subprocess.DEVNULL
            )

    def kill(self, name: str) -> None:
        """End one without a warning, if it runs."""
        child = self.running.pop(name, None)
        if child is not None:
            child.kill()
            child.wait(20)

    def stop_all(self) -> None:
        """End both."""
        for name in list(self.running):
            self.kill(name)

    def push_environment(self) -> dict[str, str]:
        """Return what the push is given."""
        file = self.folder / "sgp.toml"
        if not file.exists():
            file.write_text(pushed_text(), encoding="utf-8")
        return {
            "PONTE_DECLARATION": str(file),
            "PONTE_PUSH_URL": f"http://{HOST}:{self.link.port}",
            "PONTE_PUSH_API_KEY": API_KEY,
            "PONTE_PUSH_SECRET": SECRET,
            "PONTE_PUSH_VITRINE_DSN": push_dsn(self.road),
            "PONTE_PUSH_ANSWER_SECONDS": "5",
            **self.settings,
        }

    def ingest_environment(self) -> dict[str, str]:
        """Return what the ingest is given."""
        conninfo = self.road.servers.clusters["vps"].conninfo("vps")
        return {
            "PONTE_INGEST_DSN": make_conninfo(conninfo, user="ponte_push", password=ROLE_PASSWORD),
            "PONTE_INGEST_PORT": str(self.port),
            "PONTE_PUSH_API_KEY": API_KEY,
            "PONTE_PUSH_SECRET": SECRET,
        }

    def events(self, name: str = "push") -> list[dict[str, Any]]:
        """Return what a service has logged."""
        lines = (self.folder / f"{name}.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def wait_equal(self, *, tables: Sequence[str] = TABLES) -> None:
        """Wait until both ends hold the same rows."""

        def are_equal() -> bool:
            return all(self._digest("vitrine", name) == self._digest("vps", name) for name in tables)

        self.road.wait(are_equal, f"equal rows on both ends\n{self._logs()}")

    def _digest(self, at: str, table: str) -> tuple[object, ...]:
        try:
            return self.road.digest(at, f"vitrine.{table}")
        except psycopg.OperationalError:
            return (at,)  # it is just starting

    def _logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in self.folder.glob("*.log"))


def pushed_text(where: str | None = None, leave_out: str | None = None) -> str:
    """Return the starting declaration with the VPS pushed to."""
    text = STARTING_PATH.read_text(encoding="utf-8")
    mark = 'role = "ponte_export_vps"\n'
    assert mark in text
    text = text.replace(mark, f'{mark}transport = "push"\n')
    if where:
        mark = 'publication = "pub_vps_pedidos"\n'
        text = text.replace(mark, f'{mark}where = """{where}"""\n')
    if leave_out:
        near, far = text.split("[[exports]]", 1)
        text = near + "[[exports]]" + far.replace(f'"{leave_out}", ', "", 1)
    return text


def declare_pushed(where: str | None = None, leave_out: str | None = None) -> Declaration:
    """Read it."""
    return parse_declaration(pushed_text(where, leave_out), origin="test")


@contextmanager
def open_pushed(databases: Servers, server_root: Path, declaration: Declaration) -> Iterator[Road]:
    """Have a road that is applied, without the services."""
    with open_road(databases, server_root) as road:
        road.declaration = declaration
        (a_password,) = set(road.settings.passwords.values())
        carriers = dict.fromkeys(declaration.carriers, a_password)
        road.settings = replace(road.settings, passwords={**road.settings.passwords, **carriers})
        road.apply()
        yield road


def switch_to(road: Road, declaration: Declaration) -> None:
    """Have the VPS carried as a declaration says, by `ponte transport`."""
    road.declaration = declaration
    (a_password,) = set(road.settings.passwords.values())
    carriers = dict.fromkeys(declaration.carriers, a_password)
    road.settings = replace(road.settings, passwords={**road.settings.passwords, **carriers})
    export = find_export(declaration, "vps")
    assert export
    with road.session() as session:
        switch(session, export, report=road.steps.append, pushed=lambda *_: None)


def push_dsn(road: Road) -> str:
    """Return how the push comes into the vitrine: as its role, which has no REPLICATION."""
    conninfo = road.servers.clusters["vitrine"].conninfo("vitrine")
    return make_conninfo(conninfo, user="ponte_export_vps", password=ROLE_PASSWORD)


@pytest.fixture(scope="module")
def filtered_push(servers: Servers, server_root: Path) -> Iterator[Road]:
    """One road for a module, with a filter on the orders."""
    declaration = declare_pushed("status <> 'cancelado'")
    with clone_all(servers), open_pushed(servers, server_root, declaration) as road:
        yield road


@pytest.fixture
def pushed_vitrine(filtered_push: Road) -> Iterator[tuple[Road, Vitrine]]:
    """The vitrine's end of it."""
    vitrine = Vitrine(push_dsn(filtered_push), "vps", endpoint="vitrine")
    try:
        yield filtered_push, vitrine
    finally:
        vitrine.close()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
        return True
    return False


@contextmanager
def run_pushed(road: Road, folder: Path) -> Iterator[Pushed]:
    """Have the services of a road at work."""
    (port,) = find_free_ports(1)
    link = Link(target=(HOST, port), listen_port=find_free_port())
    link.start()
    pushed = Pushed(road, folder, link, port)
    try:
        pushed.start("ingest")
        road.wait(lambda: _listens(port), "the ingest")
        pushed.start("push")
        yield pushed
    finally:
        pushed.stop_all()
        link.stop()


@pytest.fixture
def pushed(databases: Servers, server_root: Path, tmp_path: Path) -> Iterator[Pushed]:
    """A road whose VPS is pushed to, with SGP's orders on it."""
    with (
        open_pushed(databases, server_root, declare_pushed()) as road,
        run_pushed(road, tmp_path) as running,
    ):
        running.wait_equal()
        yield running
