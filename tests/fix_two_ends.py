"""A shop whose intranet is one machine and whose VPS is another, joined by a tailnet and by nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from db import lifetime
from db.engines import connect
from db.migrate import History, migrate
from db.waiting import wait_until
from infra.devstack import sgp
from infra.devstack.bindirs import find_bindirs
from infra.devstack.clusters import Cluster, ClusterSpec
from infra.devstack.link import Link
from infra.devstack.postgres import find_server_user, runtime_root
from infra.devstack.seed import create_schema, seed
from publications.declare.declaration import STARTING_PATH, Declaration, parse_declaration
from publications.settings import PublicationsSettings
from tests.fix_api import Answer, Client, api_environment
from tests.fix_clusters import NAMES, ORDERS, PASSWORD, Servers
from tests.fix_netns import INTRANET, VPS, Wires
from tests.fix_photos import Shop
from tests.fix_road import ROLE_PASSWORD, Road
from tests.fix_tailnet import DEADLINE_S, INTRANET_ADDRESS, NAME, VPS_ADDRESS, Tailnet
from tests.fix_tools import need_tool

MACHINES = {"sgp": INTRANET, "vitrine": INTRANET, "vps": VPS}
PORTS = {"sgp": 5432, "vitrine": 5433, "vps": 5432}
"""As the policy has them: the export is the vitrine's."""
SGP_PORT, PROXY_PORT, INGEST_PORT, API_PORT = 8000, 8001, 8081, 8080
SILENCE_S = 4
"""After so long without a word each end of the replication gives the other up."""
PARAMETERS = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "wal_sender_timeout": f"{SILENCE_S}s",
    "wal_receiver_timeout": f"{SILENCE_S}s",
    "wal_retrieve_retry_interval": "500ms",
}
QUICK = {
    "wal_sender_timeout=20s": f"wal_sender_timeout={SILENCE_S}s",
    'tcp_user_timeout = "20000"': f'tcp_user_timeout = "{SILENCE_S}000"',
}
"""What the shop's declaration has, and what the tests have instead."""
HBA = """\
local all all scram-sha-256
host all all 100.64.0.0/10 scram-sha-256
"""
DOCUMENT = Path(__file__).parents[1] / "docs" / "live.md"
KEY = "i" * 40
MEDIA = "media"


class MachineCluster(Cluster):
    """A cluster on one of the machines: started there, and asked from here through its socket."""

    def __init__(self, spec: ClusterSpec, wires: Wires, machine: str) -> None:
        super().__init__(spec)
        self._wires, self._machine = wires, machine

    def ensure_initialized(self) -> bool:
        """Let the other end of the tailnet in, and the socket."""
        made = super().ensure_initialized()
        if made:
            with (self.data_dir / "pg_hba.conf").open("a") as file:
                file.write(HBA)
        return made

    def start(self, *, timeout_s: float = 60) -> None:
        """Start it on its machine."""
        with self._wires.enter(self._machine):
            super().start(timeout_s=timeout_s)

    def conninfo(self, dbname: str = "postgres", **extra: str | int) -> str:
        """Return how it is reached from here."""
        return make_conninfo(super().conninfo(dbname, **extra), host=str(self.data_dir.parent))


@dataclass
class TwoEnds:
    """Both machines with all that runs on them."""

    tailnet: Tailnet
    road: Road
    root: Path
    processes: dict[str, lifetime.Child] = field(default_factory=dict)

    @property
    def shop(self) -> Shop:
        """SGP's photos, and where the VPS keeps what was made of them."""
        return Shop(self.road, self.root / MEDIA, self.root / "miniaturas")

    def ask_api(self, path: str) -> Answer:
        """Ask the read API as a phone does."""
        with self.tailnet.wires.enter(VPS):
            client = Client(API_PORT)
            try:
                return client.get(path)
            finally:
                client.close()

    def run(self, machine: str, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command on a machine to its end."""
        whole = self.tailnet.wires.command(machine, *command)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PONTE_")}
        return subprocess.run(
            whole, env=inherited | environ, capture_output=True, text=True, timeout=100, check=False
        )

    def start(self, name: str) -> None:
        """Start one service, which waits for the tailnet as its unit says."""
        machine, command, environ = self._services()[name]
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PONTE_")}
        whole = self.tailnet.wires.command(machine, *command)
        with (self.root / f"{name}.log").open("ab") as log:
            self.processes[name] = lifetime.start(
                whole, env=inherited | dict(environ), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def end(self, name: str) -> None:
        """End one service without a warning."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def end_all(self) -> None:
        """End every service."""
        for name in list(self.processes):
            self.end(name)

    def start_intranet(self) -> None:
        """Start what an intranet's server starts when it boots, once the tailnet's address is there."""
        self.wait_address(INTRANET, INTRANET_ADDRESS)
        for name in ("sgp", "vitrine"):
            self.road.servers.clusters[name].start()
        for name in ("sgp", "proxy", "worker"):
            self.start(name)

    def crash_intranet(self) -> None:
        """Have everything on the intranet's machine end at once, its node too."""
        self.tailnet.nodes[INTRANET].kill()
        for name in ("sgp", "proxy", "worker"):
            self.end(name)
        self.road.forget_sessions()
        for name in ("sgp", "vitrine"):
            cluster = self.road.servers.clusters[name]
            cluster.kill()
            for left in cluster.data_dir.parent.glob(".s.PGSQL.*"):  # a boot begins with an empty /run
                left.unlink()

    def wait_address(self, machine: str, address: str) -> None:
        """Wait as the units do before a service that listens on the tailnet."""
        done = self.run(machine, sys.executable, "-m", "infra.tailscale", "wait", address)
        assert done.returncode == 0, done.stderr

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition holds; fail, with what the services said, when it does not in time."""
        assert wait_until(condition, DEADLINE_S), f"not in {DEADLINE_S:g} s: {what}\n{self._logs()}"

    def _logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()[-1500:]}" for path in self.root.glob("*.log"))

    def _services(self) -> dict[str, tuple[str, list[str | Path], Mapping[str, str]]]:
        clusters, python = self.road.servers.clusters, sys.executable
        dsns = {name: clusters[name].conninfo(name) for name in NAMES}
        worker = {
            f"PONTE_WORKER_{name.upper()}_DSN": make_conninfo(
                dsns[name], user="ponte_worker", password=ROLE_PASSWORD
            )
            for name in ("sgp", "vitrine")
        } | {
            "PONTE_CREDENTIAL_KEY": "c" * 40,
            "PONTE_INGEST_KEY": KEY,
            "PONTE_WORKER_MEDIA_ROOT": str(self.root / MEDIA),
            "PONTE_WORKER_STORAGE": "vps",
            "PONTE_WORKER_VPS_URL": f"http://{VPS_ADDRESS}:{INGEST_PORT}",
            "PONTE_WORKER_PROCESSES": "1",
        }
        ingest = {
            "PONTE_INGEST_KEY": KEY,
            "PONTE_INGEST_HOST": VPS_ADDRESS,
            "PONTE_INGEST_PORT": str(INGEST_PORT),
            "PONTE_INGEST_MEDIA_DIR": str(self.root / "miniaturas"),
        }
        live = f"http://{NAME}:{PROXY_PORT}"
        api = api_environment(
            dsns["vps"],
            API_PORT,
            password=ROLE_PASSWORD,
            LIVE_URL=live,
            MEDIA_DIR=str(self.root / "miniaturas"),
        )
        return {
            "sgp": (
                INTRANET,
                [python, "-m", "infra.devstack.sgp"],
                {"PONTE_SGP_DSN": dsns["sgp"], sgp.PORT: str(SGP_PORT)},
            ),
            "proxy": (INTRANET, [need_tool("nginx"), "-c", self.root / "nginx.conf"], {}),
            "worker": (INTRANET, [python, "-m", "thumbnail_worker"], worker),
            "ingest": (VPS, [python, "-m", "vps_readapi.ingest"], ingest),
            "api": (VPS, [python, "-m", "vps_readapi"], {key: api[key] for key in api if key[:5] == "PONTE"}),
        }


@contextmanager
def run_two_ends(tailnet: Tailnet, *, services: bool = True) -> Iterator[TwoEnds]:
    """Have both ends at work for the length of a block; without services only what replicates."""
    root = runtime_root(tailnet.folder)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        clusters = {name: _make_cluster(name, tailnet.wires, root) for name in NAMES}
        for cluster in clusters.values():
            stack.callback(cluster.stop, "immediate")
            cluster.start()
        road = _make_road(Servers(clusters, {}), root)
        stack.callback(road.forget_sessions)
        road.apply()
        ends = TwoEnds(tailnet, road, root)
        stack.callback(ends.end_all)
        if services:
            _start_services(ends)
        yield ends


def _start_services(ends: TwoEnds) -> None:
    (ends.root / "miniaturas").mkdir()
    [block] = re.findall(r"```nginx\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    listening = block.replace("100.64.0.2", INTRANET_ADDRESS)
    (ends.root / "nginx.conf").write_text(
        f"daemon off; pid {ends.root}/nginx.pid; error_log {ends.root}/nginx.log;\nevents {{ }}\n"
        f"http {{ access_log off;\n{listening}\n}}\n"
    )
    ends.wait_address(VPS, VPS_ADDRESS)
    for name in ("sgp", "proxy", "worker", "ingest", "api"):
        ends.start(name)
    ends.wait(lambda: is_answering(ends), "the API")


def is_answering(ends: TwoEnds) -> bool:
    """Tell whether the API is ready."""
    try:
        return ends.ask_api("/saude/pronta").status == 200
    except OSError:
        return False


def _make_cluster(name: str, wires: Wires, root: Path) -> Cluster:
    password = root / "superuser"
    password.write_text(PASSWORD)
    bindirs = find_bindirs(os.environ, root)
    folder = root / "clusters" / name
    folder.mkdir(parents=True)
    if user := find_server_user():
        user.own(folder)
    listen = f"127.0.0.1,{INTRANET_ADDRESS}" if name == "vitrine" else "127.0.0.1"
    given = {**PARAMETERS, "listen_addresses": listen, "unix_socket_directories": str(folder)}
    spec = ClusterSpec(name, folder / "data", PORTS[name], bindirs[name], password, given)
    return MachineCluster(spec, wires, MACHINES[name])


def _make_road(servers: Servers, root: Path) -> Road:
    for name in NAMES:
        with connect(servers.clusters[name].conninfo()) as conn:
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with servers.connect("sgp") as conn, conn.transaction():
        create_schema(conn)
        seed(conn, root / MEDIA, orders=ORDERS, photos=2)
    dsns = {name: servers.clusters[name].conninfo(name) for name in NAMES}
    migrate(History.INTRANET, dsns["vitrine"])
    migrate(History.VPS, dsns["vps"])
    declaration = _read_quick_declaration()
    roles = [(hop.source, hop.role) for hop in declaration.hops]
    roles += [(role.on, role.name) for role in declaration.roles]
    there = {"host": INTRANET_ADDRESS, "port": str(PORTS["vitrine"]), "dbname": "vitrine"}
    settings = PublicationsSettings(
        dsns={name: SecretStr(dsn) for name, dsn in dsns.items()},
        conninfos={
            "sub_intake": {
                "host": "127.0.0.1",
                "port": str(PORTS["sgp"]),
                "dbname": "sgp",
                "passfile": str(_write_passfile(root)),
            },
            "sub_vps": {**there, "passfile": str(_write_passfile(root))},
        },
        passwords=dict.fromkeys(roles, SecretStr(ROLE_PASSWORD)),
    )
    return Road(servers, Link(target=("127.0.0.1", 1)), declaration, settings)


def _read_quick_declaration() -> Declaration:
    """Return the shop's declaration, with less patience for a link that is silent."""
    text = STARTING_PATH.read_text(encoding="utf-8")
    for patient, quick in QUICK.items():
        assert patient in text
        text = text.replace(patient, quick)
    return parse_declaration(text, origin="test")


def _write_passfile(root: Path) -> Path:
    path = root / "pgpass"
    path.touch(mode=0o600)
    path.write_text(f"*:*:*:*:{ROLE_PASSWORD}\n")
    if user := find_server_user():
        user.own(path)
    return path
