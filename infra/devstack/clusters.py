"""The stack's PostgreSQL clusters: made once, started or adopted, stopped, killed."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe
from typing import Literal

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from db.waiting import wait_until
from infra.devstack import keeper
from infra.devstack.bindirs import way_back
from infra.devstack.errors import (
    WIPE_HINT,
    ClusterStartError,
    ClusterStopError,
    VersionMismatchError,
    last_lines,
)
from infra.devstack.ports import require_free_port
from infra.devstack.postgres import (
    executable,
    find_server_user,
    init_data_dir,
    major_version,
    make_enterable,
    run_tool,
)
from infra.devstack.state import replace_file, runs

HOST = "127.0.0.1"
PARAMETERS_FILE = "ponte.conf"
PG_HBA = f"""\
host all         all {HOST}/32 scram-sha-256
host replication all {HOST}/32 scram-sha-256
"""
PARAMETERS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    "max_logical_replication_workers": "8",
    "max_worker_processes": "16",
    "wal_retrieve_retry_interval": "1s",
    "password_encryption": "scram-sha-256",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}
# Until 17 this number was max_replication_slots on the subscriber too.
PARAMETERS_SINCE_18 = {"max_active_replication_origins": "10"}


@dataclass(frozen=True)
class ClusterSpec:
    """A wanted cluster; `parameters` are settings on top of the ones that every cluster gets."""

    name: str
    data_dir: Path
    port: int
    bindir: Path
    superuser_password_file: Path
    parameters: Mapping[str, str] = field(default_factory=dict)


class Cluster:
    """One PostgreSQL server on 127.0.0.1, run by us, or by an unprivileged user if we are root."""

    def __init__(self, spec: ClusterSpec) -> None:
        self.spec = spec
        self.user = find_server_user()
        self.data_dir = spec.data_dir.resolve()
        self.log_file = self.data_dir.parent / f"{spec.name}.log"

    def ensure_initialized(self) -> bool:
        """Make the data directory if there is none; tell whether it was made.

        Raises VersionMismatchError for a directory of another major version.
        """
        if (self.data_dir / "PG_VERSION").exists():
            self._require_same_version()
            if self.user and self.data_dir.stat().st_uid != self.user.uid:
                self.user.own(self.data_dir)
            return False
        make_enterable(self.data_dir.parent, self.user)
        self._require_no_files()
        fresh = self.data_dir.with_name(f"{self.data_dir.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self._own(fresh)
        if not self.spec.superuser_password_file.exists():
            replace_file(self.spec.superuser_password_file, token_urlsafe(24) + "\n", mode=0o600)
        sync = self.spec.parameters.get("fsync") != "off"
        init_data_dir(self.spec.bindir, fresh, password=self._read_password(), user=self.user, sync=sync)
        with (fresh / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(f"\ninclude = '{PARAMETERS_FILE}'\n")
        self._write(fresh / "pg_hba.conf", PG_HBA)
        # Renamed when it is finished: one that was interrupted is never taken for a cluster.
        fresh.rename(self.data_dir)
        return True

    def start(self, *, timeout_s: float = 60) -> None:
        """Start the server, or adopt ours that already runs as wanted, and wait until it accepts connections.

        Raises PortTakenError, VersionMismatchError and ClusterStartError.
        """
        self.ensure_initialized()
        keeper.keep(self.data_dir, self.spec.bindir)
        wanted = self._render_parameters()
        if self._became_ready(timeout_s) and self._runs_as(wanted) and self._answers():
            return
        self.stop()
        self._bury(timeout_s)
        (self.data_dir / "postmaster.pid").unlink(missing_ok=True)
        require_free_port(self.spec.name, self.spec.port)
        self._write(self.data_dir / PARAMETERS_FILE, wanted)
        keeper.keep(self.data_dir, self.spec.bindir)
        self._launch(timeout_s)

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast", *, timeout_s: float = 30) -> None:
        """Stop the server if it runs; at the end of the time, in immediate mode.

        A fast stop waits for each subscriber to confirm, and one behind a deaf link does not.
        """
        for one in dict.fromkeys((mode, "immediate")):
            if not self.is_running():
                break
            self._pg_ctl("stop", "-s", "-w", "-m", one, "-t", str(max(1, round(timeout_s))))
        if self.is_running():
            raise ClusterStopError(
                f"cluster '{self.spec.name}' did not stop in {2 * timeout_s:g} s",
                f"see {self.log_file}",
                log_lines=last_lines(self.log_file),
            )
        keeper.forget(self.data_dir)

    def kill(self, *, timeout_s: float = 20) -> None:
        """Kill the postmaster without warning, as a crash would, and wait until its children are gone."""
        postmaster = self.postmaster()
        if postmaster:
            with contextlib.suppress(psutil.NoSuchProcess):
                postmaster.kill()
        self._bury(timeout_s)

    def is_running(self) -> bool:
        """Tell whether our server runs, whoever started it."""
        return self.postmaster() is not None

    def postmaster(self) -> psutil.Process | None:
        """Return our server's first process: named by the pid file, alive, at work in our data directory."""
        lines = self._read_pid_file()
        try:
            process = psutil.Process(int(lines[0]))
        except (IndexError, ValueError, psutil.NoSuchProcess):
            return None
        return process if self._serves(process) else None

    def conninfo(self, dbname: str = "postgres", **extra: str | int) -> str:
        """Return a libpq connection string as superuser, password included."""
        password = self._read_password()
        ours = make_conninfo(host=HOST, port=self.spec.port, user="postgres", password=password)
        return make_conninfo(ours, dbname=dbname, **extra)

    def _require_same_version(self) -> None:
        found = (self.data_dir / "PG_VERSION").read_text(encoding="ascii").strip()
        wanted = str(major_version(self.spec.bindir))
        if found != wanted:
            hint = way_back(self.spec.name, found)
            raise VersionMismatchError(self.data_dir, found=found, wanted=wanted, hint=hint)

    def _read_password(self) -> str:
        path = self.spec.superuser_password_file
        try:
            return path.read_text(encoding="utf-8").strip()
        except FileNotFoundError as error:
            raise ClusterStartError(f"{path}, the superuser's password, is gone", WIPE_HINT) from error

    def _require_no_files(self) -> None:
        try:
            if self.data_dir.exists():
                self.data_dir.rmdir()
        except OSError as error:
            raise ClusterStartError(f"{self.data_dir} has files but no cluster", WIPE_HINT) from error

    def _render_parameters(self) -> str:
        since_18 = PARAMETERS_SINCE_18 if major_version(self.spec.bindir) >= 18 else {}  # noqa: PLR2004
        wanted = {**PARAMETERS, **since_18, "port": str(self.spec.port), **self.spec.parameters}
        lines = (f"{name} = {_quote(value)}\n" for name, value in sorted(wanted.items()))
        return "# Written at each start; change the stack's parameters instead.\n" + "".join(lines)

    def _runs_as(self, wanted: str) -> bool:
        """Compare the running server's binary, directory, port and settings with the wanted ones."""
        postmaster = self.postmaster()
        return (
            postmaster is not None
            and Path(postmaster.exe()) == executable(self.spec.bindir, "postgres").resolve()
            and self._read_pid_file()[1:4:2] == [str(self.data_dir), str(self.spec.port)]
            and (self.data_dir / PARAMETERS_FILE).read_text(encoding="utf-8") == wanted
        )

    def _became_ready(self, timeout_s: float) -> bool:
        """Wait while a server of ours comes up or goes down; tell whether it then accepts connections."""
        wait_until(lambda: self._is_ready() or not self.is_running(), timeout_s)
        return self._is_ready()

    def _is_ready(self) -> bool:
        return self.is_running() and self._read_pid_file()[7:8] == ["ready"]

    def _answers(self) -> bool:
        """Ask the server itself: one that was killed a moment ago still looks alive."""
        try:
            psycopg.connect(self.conninfo(connect_timeout=5)).close()
        except psycopg.OperationalError:
            return False
        return True

    def _read_pid_file(self) -> list[str]:
        try:
            text = (self.data_dir / "postmaster.pid").read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return [line.strip() for line in text.splitlines()]

    def _serves(self, process: psutil.Process) -> bool:
        """Recognise a process of this cluster: PostgreSQL's processes work in their data directory."""
        try:
            return (
                runs(process)
                and process.name().startswith("postgres")
                and Path(process.cwd()) == self.data_dir
            )
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def _bury(self, timeout_s: float) -> None:
        """Wait until no process of this cluster is left; those that linger half of the time are killed."""
        if wait_until(lambda: not self._processes(), timeout_s / 2):
            return
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if not wait_until(lambda: not self._processes(), timeout_s / 2):
            raise ClusterStopError(
                f"processes of cluster '{self.spec.name}' do not end: {self._processes()}", "end them by hand"
            )

    def _processes(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if self._serves(process)]

    def _launch(self, timeout_s: float) -> None:
        self.log_file.touch(mode=0o600)
        self._own(self.log_file)
        before = self.log_file.stat().st_size
        wait_s = str(max(1, round(timeout_s)))
        code, output = self._pg_ctl("start", "-s", "-w", "-t", wait_s, "-l", str(self.log_file))
        if code:
            raise ClusterStartError(
                f"cluster '{self.spec.name}' did not start on port {self.spec.port}",
                f"the reason is in {self.log_file}",
                log_lines=last_lines(self.log_file, since_bytes=before) or output.splitlines(),
            )

    def _pg_ctl(self, *arguments: str) -> tuple[int, str]:
        whole = (*arguments, "-D", str(self.data_dir))
        return run_tool(self.spec.bindir, "pg_ctl", *whole, user=self.user, cwd=self.data_dir.parent)

    def _write(self, path: Path, text: str) -> None:
        replace_file(path, text, mode=0o600)
        self._own(path)

    def _own(self, path: Path) -> None:
        if self.user:
            self.user.own(path)


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
