"""A bare server of a shop and a bare VPS on this machine: folders, Unix users and units of their own."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

from db.engines import connect
from infra.devstack.clusters import Cluster, ClusterSpec
from infra.devstack.postgres import BINDIR_VARIABLE, ServerUser, find_server_user, first_blocked
from infra.devstack.seed import DIRT, create_schema, seed
from publications.install.machine import Machine
from tests.fix_tools import need_tool
from tests.fix_wheel import REPOSITORY, Installed, find_closure, find_site, put_wheel, read_metadata
from tests.ports import find_free_port, find_free_ports

ORDERS = len(DIRT) + 20
RUN_S = 240
EVERYWHERE = (15500, 19900)
RUNNER = Path(__file__).with_name("unit_runner.py")
SERVICES = ("postgres", "worker", "panel", "feeder", "push", "api", "ingest", "https", "ssh")


@dataclass(kw_only=True)
class Shop:
    """One shop's machines, and where its SGP's data lies."""

    root: Path
    venv: Path
    wheel: Path
    intranet: Machine
    vps: Machine
    ports: Mapping[str, int]
    vps_bindir: Path | None
    """PostgreSQL as the VPS's distribution has it, with TLS; else the wheel's, without."""
    asked: int = 0
    typed: list[str] = field(default_factory=list)

    @property
    def source(self) -> dict[str, str]:
        """What is typed of SGP, in the order of the questions."""
        raise NotImplementedError

    @property
    def answers(self) -> dict[str, str]:
        """What somebody types who is asked, in the order of the questions."""
        return {
            **self.source,
            "media": str(self.root / "media"),
            "intranet": "127.0.0.1",
            "vps": "127.0.0.1",
            "public_url": f"https://localhost:{self.ports['https']}",
            "wheel": str(self.wheel),
            "storage": "",
            **self.password,
        }

    @property
    def password(self) -> dict[str, str]:
        """What is typed in the end."""
        return {}

    def tell_places(self, machine: Machine | None = None) -> None:
        """Write down where this shop's things lie, since two machines share this one."""
        machine = machine or self.intranet
        lines = ['listen = "127.0.0.1"']
        lines += [f'vps_bindir = "{self.vps_bindir}"'] if self.vps_bindir else []
        lines += [f"{name} = {port}" for name, port in self.ports.items() if name != "https"]
        for name, one in (("machine", machine), ("vps_machine", self.vps)):
            lines += [f"[{name}]", *(f'{key} = "{value}"' for key, value in one.model_dump().items())]
        machine.folder.mkdir(parents=True, exist_ok=True)
        (machine.folder / "shop.toml").write_text("\n".join(lines) + "\n")

    def environment(self, machine: Machine) -> dict[str, str]:
        """Return that of a login on one of the machines."""
        tools = self.root / "tools"
        return {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "PIP_NO_INDEX": "1",
            "PONTE_TEST_UNITS": str(machine.units),
            "HOME": str(self.root),
            "LANG": "C.UTF-8",
        }

    def type(
        self, command: str, machine: Machine, *, cwd: Path, answers: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Have a command typed on a machine, and what it asks answered."""
        done = subprocess.run(
            ["sh", "-ec", command],
            input="".join(f"{answer}\n" for answer in answers),
            env=self.environment(machine),
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
        )
        self.typed.append(command)
        self.asked += done.stderr.count("\n? ") + done.stderr.startswith("? ")
        return done

    def logs(self) -> str:
        """Return the ends of what the services wrote, for whoever reads a failure."""
        found = sorted(self.root.glob("*/units/run/*.log"))
        return "\n".join(f"--- {one}\n{one.read_text(errors='replace')[-1500:]}" for one in found)


@dataclass(kw_only=True)
class ServerShop(Shop):
    """One whose SGP is on PostgreSQL."""

    sgp: Cluster

    @property
    def source(self) -> dict[str, str]:
        """Name the server."""
        return {"kind": "", "sgp": f"host=127.0.0.1 port={self.sgp.spec.port} dbname=sgp user=postgres"}

    @property
    def password(self) -> dict[str, str]:
        """Give its administrator's."""
        return {"password": self.sgp.spec.superuser_password_file.read_text().strip()}


def place(root: Path, name: str, venv: Path, users: str) -> Machine:
    """Return a machine with folders below a root."""
    home = root / name
    (home / "units").mkdir(parents=True, mode=0o755)
    return Machine(
        folder=home / "etc", data=home / "var", venv=venv, units=home / "units", users=f"{users}{name[0]}"
    )


@pytest.fixture
def installed_shop(wheel: Path, server_root: Path, bindirs: dict[str, Path]) -> Iterator[ServerShop]:
    """A shop with SGP and nothing of Ponte's but the wheel in an environment."""
    with open_machines(wheel, server_root, bindirs) as machines:
        sgp = run_sgps_cluster(machines["root"], find_free_port(), bindirs["sgp"])
        try:
            yield ServerShop(sgp=sgp, **machines)
        finally:
            sgp.stop("immediate")


@contextmanager
def open_machines(wheel: Path, server_root: Path, bindirs: dict[str, Path]) -> Iterator[dict[str, Any]]:
    """Have a bare server and a bare VPS; give what a Shop is made of."""
    user = find_server_user()
    if user is None:
        pytest.skip("only root may make the Unix users of services")
    for tool in ("caddy", "sshd"):
        need_tool(tool)
    users = f"pt{uuid4().hex[:6]}"
    root = server_root / users
    root.mkdir(mode=0o755)
    venv = make_environment(wheel, root / "opt", user)
    (root / "tools").mkdir()
    (root / "tools" / "python3").symlink_to(find_python(user))
    (root / "tools" / "systemctl").write_text(f'#!/bin/sh\nexec {sys.executable} {RUNNER} "$@"\n')
    (root / "tools" / "systemctl").chmod(0o755)
    names = (
        "vitrine_port",
        "panel_port",
        "vps_port",
        "api_port",
        "ingest_port",
        "tunnel_port",
        "ssh_port",
    )
    ports = {**dict(zip(names, find_free_ports(len(names)), strict=True)), "https": find_port_everywhere()}
    made = {
        "root": root,
        "venv": venv,
        "wheel": put_release(wheel, root),
        "intranet": place(root, "intranet", venv, users),
        "vps": place(root, "vps", venv, users),
        "ports": ports,
        "vps_bindir": bindirs["vps"] if BINDIR_VARIABLE in os.environ else None,
    }
    try:
        with run_sshd(root, ports["ssh_port"]):
            yield made
    finally:
        end_services(root)
        shutil.rmtree(root)
        for name in (f"{users}{machine}-{service}" for machine in "iv" for service in SERVICES):
            subprocess.run(["userdel", name], check=False, capture_output=True)


def put_release(wheel: Path, folder: Path) -> Path:
    """Put there what a shop is given, and return the wheel."""
    shutil.copy(REPOSITORY / "infra/requirements/intranet.txt", folder)
    return Path(shutil.copy(wheel, folder))


def make_environment(wheel: Path, folder: Path, user: ServerUser) -> Path:
    """Make one with the wheel, and what it requires as links, or copies where other users may not go."""
    subprocess.run([find_python(user), "-m", "venv", "--without-pip", folder], check=True, timeout=RUN_S)
    blocked = first_blocked(Path(sys.prefix).resolve(), user)
    for one in find_closure(read_metadata(wheel), "devstack").values():
        for top in {file.parts[0] for file in one.files or () if ".." not in file.parts} - {"__pycache__"}:
            source, target = Path(str(one.locate_file(top))), find_site(folder) / top
            if source.is_dir() and blocked:
                shutil.copytree(source, target)
            elif source.exists() and not target.exists():
                (shutil.copy if blocked else os.symlink)(source, target)
    put_wheel(wheel, Installed(folder))
    return folder


def find_port_everywhere() -> int:
    """Return a port that nobody has on any address: Caddy listens on all of them."""
    while True:
        port = random.randrange(*EVERYWHERE)
        with suppress(OSError):
            socket.create_server(("", port)).close()
            return port


def find_python(user: ServerUser) -> str:
    """Return a Python of our version that everybody may run."""
    ours = Path(sys.executable).resolve()
    places = (ours, Path(f"/usr/bin/python3.{sys.version_info.minor}"))
    found = next((one for one in places if one.exists() and not first_blocked(one.parent, user)), None)
    if found is None:
        pytest.skip("only root with a Python that others may run can try services of other users")
    return str(found)


@contextmanager
def run_sshd(root: Path, port: int) -> Iterator[None]:
    """Run the SSH server that a VPS has, for the length of a block."""
    key, config = root / "sshd.key", root / "sshd.conf"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, timeout=RUN_S)
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {key}\nUsePAM no\nPidFile none\n"
        "PasswordAuthentication no\nAuthorizedKeysFile .ssh/authorized_keys\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)  # where it shuts itself in
    with (root / "sshd.log").open("wb") as log:
        server = subprocess.Popen([need_tool("sshd"), "-D", "-e", "-f", config], stderr=log)
    try:
        yield
    finally:
        for process in [*psutil.Process(server.pid).children(recursive=True), psutil.Process(server.pid)]:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        server.wait(20)


def run_sgps_cluster(root: Path, port: int, bindir: Path) -> Cluster:
    """Start a server that holds SGP and nothing else: what Ponte leaves in it is compared."""
    sgp = Cluster(ClusterSpec("sgp", root / "sgp", port, bindir, root / "sgp.password", {"fsync": "off"}))
    sgp.start()
    with connect(sgp.conninfo()) as conn:
        conn.execute("CREATE DATABASE sgp")
    with connect(sgp.conninfo("sgp")) as conn, conn.transaction():
        create_schema(conn)
        seed(conn, root / "media", orders=ORDERS, photos=3)
    return sgp


def end_services(root: Path) -> None:
    """End what the runner of units supervises, whatever a test left."""
    left = []
    for path in root.glob("*/units/run/*.pid"):
        with suppress(psutil.NoSuchProcess, ValueError):
            process = psutil.Process(int(path.read_text()))
            if RUNNER.name in " ".join(process.cmdline()):
                left += [process, *process.children(recursive=True)]
                process.terminate()
    _, alive = psutil.wait_procs(left, timeout=20)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
