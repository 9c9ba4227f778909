"""The whole of Ponte on one machine: three clusters, the link, the road between them, the services."""

from __future__ import annotations

import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from psycopg import sql

from db.engines import connect
from db.migrate import History, migrate
from infra.devstack import sgp
from infra.devstack.bindirs import find_bindirs
from infra.devstack.clusters import HOST, Cluster, ClusterSpec
from infra.devstack.link import Link
from infra.devstack.ports import Ports
from infra.devstack.postgres import find_server_user, server_version
from infra.devstack.pushing import (
    declare,
    ingest_environment,
    is_copied,
    listens,
    push_environment,
    word_declaration,
    write_push_secrets,
)
from infra.devstack.secrets import (
    SecretFolders,
    keep,
    keep_conninfo,
    keep_dsn,
    make_passwords,
    once,
    service_dsn,
)
from infra.devstack.seed import DEMO_JWT_SECRET, create_schema, seed
from infra.devstack.state import ProcessState, StackState, read_state, remove_state, write_state
from infra.devstack.supervisor import ServiceSpec, Supervisor, end_leftovers
from publications.act.apply import apply, wait_for_copies
from publications.act.endpoints import Endpoints
from publications.act.transport import switch
from publications.declare.declaration import STARTING_PATH, VARIABLE, Declaration, Export, Transport
from publications.settings import PublicationsSettings, read_settings, watch_variable

CLUSTERS = ("sgp", "vitrine", "vps")
"""The clusters' names; each holds one database of the same name."""

COPY_TIMEOUT_S = 120

Say = Callable[[str], None]


@dataclass(frozen=True)
class StackSettings:
    """Where the stack lives and listens."""

    root: Path
    ports: Ports
    environ: Mapping[str, str]
    parameters: Mapping[str, str]
    """PostgreSQL settings for all three clusters, on top of the ones that every cluster gets."""
    transport: Transport = "replication"
    """Who brings the VPS its rows."""


def _ignore(*_: object) -> None:
    """Say nothing of it."""


class Stack:
    """The parts, started in order and stopped in reverse; each can be had by name."""

    def __init__(self, settings: StackSettings, *, say: Say) -> None:
        self.settings = settings
        self.say = say
        self.folders = SecretFolders(settings.root)
        self.declaration: Declaration = declare(settings.transport)
        self.bindirs = find_bindirs(settings.environ, settings.root)
        self.clusters = {name: self._cluster(name) for name in CLUSTERS}
        ports = settings.ports
        # From the VPS to the vitrine; from the intranet to the VPS, and to its ingest; from the VPS to SGP.
        self.link = Link(
            target=(HOST, ports.vitrine),
            listen_port=ports.link,
            also={
                ports.back: (HOST, ports.vps),
                ports.live: (HOST, ports.sgp_http),
                ports.push: (HOST, ports.ingest),
            },
        )
        self.supervisor = Supervisor()

    @property
    def declaration_file(self) -> Path:
        """The declaration that it follows."""
        own = self.settings.root / "sgp.toml"
        return own if self.settings.transport == "push" else STARTING_PATH

    @property
    def _export(self) -> Export:
        return self.declaration.active_exports[0]

    @property
    def media_root(self) -> Path:
        """SGP's folder of photos."""
        return self.settings.root / "media"

    @property
    def miniaturas(self) -> Path:
        """Where the worker puts miniaturas and the API finds them."""
        return self.settings.root / "miniaturas"

    @property
    def api_url(self) -> str:
        """The read API's address."""
        return f"http://{HOST}:{self.settings.ports.api}"

    @property
    def panel_url(self) -> str:
        """The shop's panel."""
        return f"http://{HOST}:{self.settings.ports.panel}"

    def _cluster(self, name: str) -> Cluster:
        return Cluster(
            ClusterSpec(
                name=name,
                data_dir=self.settings.root / "clusters" / name,
                port=getattr(self.settings.ports, name),
                bindir=self.bindirs[name],
                superuser_password_file=self.folders.operator / f"{name}_superuser",
                parameters=self.settings.parameters,
            )
        )

    # ------------------------------------------------------------------ up

    def start(self) -> None:
        """Bring everything up; what an earlier run left is found and used. Raises DevstackError."""
        self.start_road()
        self._start_services()

    def start_road(self) -> None:
        """Bring up the clusters, the link and the replication between them, without the services."""
        self._end_leftovers()
        self.folders.make()
        self.start_clusters()
        self._create_databases()
        self.link.start()
        self._write_secrets()
        self._seed()
        self._build_road()

    def start_clusters(self) -> None:
        """Start, or adopt, the three servers."""
        for bindir in dict.fromkeys(self.bindirs.values()):
            names = ", ".join(name for name in CLUSTERS if self.bindirs[name] == bindir)
            self.say(f"PostgreSQL {server_version(bindir)} from {bindir}: {names}")
        for name, cluster in self.clusters.items():
            once(self.folders.operator, f"{name}_superuser")
            cluster.start()

    def _end_leftovers(self) -> None:
        state = read_state(self.settings.root)
        if state and (ended := end_leftovers(state)):
            self.say(f"ended what an earlier run left: {', '.join(ended)}")

    def _create_databases(self) -> None:
        for name, cluster in self.clusters.items():
            with connect(cluster.conninfo()) as conn:
                row = conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
                if row is None:
                    conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def _write_secrets(self) -> None:
        ports, folders = self.settings.ports, self.folders
        if self._export.is_pushed:
            self.declaration_file.write_text(word_declaration("push"), encoding="utf-8")
        make_passwords(folders, self.declaration)
        for name, cluster in self.clusters.items():
            keep_dsn(folders, name, cluster.conninfo(name))
        user = find_server_user()
        keep_conninfo(folders, self.declaration.intake, port=ports.sgp, dbname="sgp", user=user)
        for export in self.declaration.exports:
            keep_conninfo(folders, export, port=ports.link, dbname="vitrine", user=user)
        credential_key = once(folders.operator, "PONTE_CREDENTIAL_KEY")
        for folder in (folders.api, folders.worker):
            keep(folder, "PONTE_CREDENTIAL_KEY", credential_key)
        for variable in ("PONTE_API_TOKEN_KEY", "PONTE_API_MEDIA_KEY"):
            once(folders.api, variable)
        keep(folders.api, "PONTE_API_DSN", service_dsn(folders, "vps", "ponte_api", port=ports.vps))
        keep(folders.api, "PONTE_API_AUTH_DSN", service_dsn(folders, "vps", "ponte_auth", port=ports.vps))
        keep(folders.api, "PONTE_API_SGP_TOKEN_KEY", DEMO_JWT_SECRET)
        worker_dsns = {"sgp": ports.sgp, "vitrine": ports.vitrine}
        for name, port in worker_dsns.items():
            dsn = service_dsn(folders, name, "ponte_worker", port=port)
            keep(folders.worker, f"PONTE_WORKER_{name}_DSN", dsn)
        for name, port in {**worker_dsns, "vps": ports.back}.items():
            keep(folders.watch, watch_variable(name), service_dsn(folders, name, "ponte_watch", port=port))

        write_push_secrets(folders, self._export, vitrine=ports.vitrine, vps=ports.vps)

    def _seed(self) -> None:
        with connect(self.clusters["sgp"].conninfo("sgp")) as conn:
            row = conn.execute("SELECT to_regclass('public.pedidos')").fetchone()
            if row and row[0]:
                return
            self.say("filling SGP with a year of orders")
            with conn.transaction():
                create_schema(conn)
                seed(conn, self.media_root)

    def publications_settings(self) -> PublicationsSettings:
        """Return what `ponte` would read with PONTE_SECRETS_DIR set to the operator's folder."""
        return read_settings(self.declaration, {"PONTE_SECRETS_DIR": str(self.folders.operator)})

    def _build_road(self) -> None:
        settings = self.publications_settings()
        self.say("building the road: ponte migrate, ponte apply")
        migrate(History.INTRANET, settings.dsn("vitrine"))
        migrate(History.VPS, settings.dsn("vps"))
        with Endpoints(self.declaration, settings) as endpoints:
            apply(endpoints, allow_drop=False, report=lambda _: None)
            wait_for_copies(endpoints, report=lambda _: None, timeout_s=COPY_TIMEOUT_S)
        if not self._export.is_pushed:
            self._finish_road()

    def _finish_road(self) -> None:
        """Have the export carried as it is declared, and by nobody else, whatever an earlier run did."""
        with Endpoints(self.declaration, self.publications_settings()) as endpoints:
            switch(endpoints, self._export, report=_ignore, copied=_ignore, pushed=_ignore)

    def _start_services(self) -> None:
        self.miniaturas.mkdir(exist_ok=True)
        if self._export.is_pushed:
            self.start_ingest()
            self.supervisor.start(self._push())
            self._finish_road()
        self.supervisor.start(self._sgp())
        self.supervisor.start(self._worker())
        self.supervisor.start(self._api())
        self.supervisor.start(self._panel())

    def _sgp(self) -> ServiceSpec:
        port = self.settings.ports.sgp_http
        env = {"PONTE_SECRETS_DIR": str(self.folders.operator), sgp.PORT: str(port)}
        url = f"http://{HOST}:{port}/maquinas/"
        return self._service("sgp", "infra.devstack.sgp", env, ready=lambda: self._answers(url))

    def start_ingest(self) -> None:
        """Start what takes pushes on the VPS."""
        self.supervisor.start(self._ingest())

    def _ingest(self) -> ServiceSpec:
        port = self.settings.ports.ingest
        env = ingest_environment(self.folders, port)
        return self._service("ingest", "vps_readapi.ingest", env, ready=lambda: listens(port))

    def _push(self) -> ServiceSpec:
        env = push_environment(self.folders, self.declaration_file, self.settings.ports.push)
        conninfo = self.clusters["vitrine"].conninfo("vitrine")
        spec = self._service("push", "publications", env, ready=lambda: is_copied(conninfo))
        return replace(spec, argv=(*spec.argv, "push"))

    def _api(self) -> ServiceSpec:
        env = {
            "PONTE_SECRETS_DIR": str(self.folders.api),
            "PONTE_API_HOST": HOST,
            "PONTE_API_PORT": str(self.settings.ports.api),
            "PONTE_API_PUBLIC_URL": self.api_url,
            "PONTE_API_MEDIA_DIR": str(self.miniaturas),
            "PONTE_API_LIVE_URL": f"http://{HOST}:{self.settings.ports.live}",
        }
        return self._service("api", "vps_readapi", env, ready=lambda: self._answers(self.api_url))

    def _worker(self) -> ServiceSpec:
        env = {
            "PONTE_SECRETS_DIR": str(self.folders.worker),
            "PONTE_WORKER_MEDIA_ROOT": str(self.media_root),
            "PONTE_WORKER_STORAGE": "filesystem",
            "PONTE_WORKER_STORAGE_DIR": str(self.miniaturas),
        }
        return self._service("worker", "thumbnail_worker", env, ready=self._heart_beats)

    def _panel(self) -> ServiceSpec:
        env = {
            "PONTE_SECRETS_DIR": str(self.folders.watch),
            VARIABLE: str(self.declaration_file),
            "PONTE_PANEL_HOST": HOST,
            "PONTE_PANEL_PORT": str(self.settings.ports.panel),
        }
        spec = self._service("panel", "publications", env, ready=lambda: self._answers(self.panel_url))
        return replace(spec, argv=(*spec.argv, "panel"))

    def _service(
        self, name: str, module: str, env: Mapping[str, str], *, ready: Callable[[], bool]
    ) -> ServiceSpec:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PONTE_")}
        return ServiceSpec(
            name=name,
            argv=(sys.executable, "-m", module),
            env={**inherited, **env},
            log_file=self.settings.root / f"{name}.log",
            ready=ready,
        )

    def _answers(self, url: str) -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  # our own loopback
                return bool(answer.status == 200)  # noqa: PLR2004
        except (urllib.error.URLError, OSError):
            return False

    def _heart_beats(self) -> bool:
        """Tell whether a beat of the worker's has arrived on the VPS."""
        try:
            with connect(self.clusters["vps"].conninfo("vps")) as conn:
                row = conn.execute("SELECT beat FROM vitrine.heartbeat").fetchone()
        except psycopg.OperationalError:
            return False
        return row is not None and row[0] > 0

    # ------------------------------------------------------------------ down

    def remember(self, control_port: int) -> None:
        """Write down what runs, for the next command."""
        names = (*CLUSTERS, "link", "api", "back", "panel", "sgp_http", "live", "ingest", "push")
        ports = {name: getattr(self.settings.ports, name) for name in names}
        write_state(
            self.settings.root,
            StackState(
                supervisor=ProcessState.of(os.getpid()),
                control_port=control_port,
                processes=self.supervisor.processes(),
                ports=ports,
                versions={name: server_version(bindir) for name, bindir in self.bindirs.items()},
            ),
        )

    def stop(self) -> None:
        """Stop everything, the far end first; the data stays."""
        self.supervisor.stop()
        for name in reversed(CLUSTERS):
            self.clusters[name].stop()
        self.link.stop()
        remove_state(self.settings.root)

    def wipe(self) -> None:
        """Stop everything and delete the stack's data."""
        self._end_leftovers()
        self.stop()
        for folder in ("clusters", "secrets", "passfiles", "media", "miniaturas"):
            shutil.rmtree(self.settings.root / folder, ignore_errors=True)
