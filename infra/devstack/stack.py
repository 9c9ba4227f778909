"""The whole of Ponte on one machine: three clusters, the link, the road between them, the services."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from psycopg import sql

from db.engines import connect
from db.migrate import History, migrate
from infra.devstack.bindirs import find_bindirs
from infra.devstack.clusters import HOST, Cluster, ClusterSpec
from infra.devstack.layout import StackSettings
from infra.devstack.link import Link
from infra.devstack.postgres import server_version
from infra.devstack.provision import write_secrets
from infra.devstack.pushing import declare
from infra.devstack.secrets import once
from infra.devstack.seed import create_schema, seed
from infra.devstack.services import Services
from infra.devstack.state import ProcessState, StackState, read_state, remove_state, write_state
from infra.devstack.supervisor import Supervisor, end_leftovers
from publications.act.apply import apply, wait_for_copies
from publications.act.endpoints import Endpoints
from publications.act.transport import switch
from publications.declare.declaration import Declaration, Export
from publications.settings import PublicationsSettings, read_settings

CLUSTERS = ("sgp", "vitrine", "vps")
"""The clusters' names; each holds one database of the same name."""

COPY_TIMEOUT_S = 120

Say = Callable[[str], None]


def _ignore(*_: object) -> None:
    """Say nothing of it."""


class Stack:
    """The parts, started in order and stopped in reverse; each can be had by name."""

    def __init__(self, settings: StackSettings, *, say: Say) -> None:
        self.settings = settings
        self.say = say
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
        self.services = Services(settings, self.clusters)

    @property
    def _export(self) -> Export:
        return self.declaration.active_exports[0]

    def _cluster(self, name: str) -> Cluster:
        return Cluster(
            ClusterSpec(
                name=name,
                data_dir=self.settings.root / "clusters" / name,
                port=getattr(self.settings.ports, name),
                bindir=self.bindirs[name],
                superuser_password_file=self.settings.folders.operator / f"{name}_superuser",
                parameters=self.settings.parameters,
            )
        )

    def start(self) -> None:
        """Bring everything up; what an earlier run left is found and used. Raises DevstackError."""
        self.start_road()
        self._start_services()

    def start_road(self) -> None:
        """Bring up the clusters, the link and the replication between them, without the services."""
        self._end_leftovers()
        self.settings.folders.make()
        self.start_clusters()
        self._create_databases()
        self.link.start()
        write_secrets(self.settings, self.declaration, self.clusters)
        self._seed()
        self._build_road()

    def start_clusters(self) -> None:
        """Start, or adopt, the three servers."""
        for bindir in dict.fromkeys(self.bindirs.values()):
            names = ", ".join(name for name in CLUSTERS if self.bindirs[name] == bindir)
            self.say(f"PostgreSQL {server_version(bindir)} from {bindir}: {names}")
        for name, cluster in self.clusters.items():
            once(self.settings.folders.operator, f"{name}_superuser")
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

    def _seed(self) -> None:
        with connect(self.clusters["sgp"].conninfo("sgp")) as conn:
            row = conn.execute("SELECT to_regclass('public.pedidos')").fetchone()
            if row and row[0]:
                return
            self.say("filling SGP with a year of orders")
            with conn.transaction():
                create_schema(conn)
                seed(conn, self.settings.media_root)

    def publications_settings(self) -> PublicationsSettings:
        """Return what `ponte` would read with PONTE_SECRETS_DIR set to the operator's folder."""
        return read_settings(self.declaration, {"PONTE_SECRETS_DIR": str(self.settings.folders.operator)})

    def _build_road(self) -> None:
        settings = self.publications_settings()
        self.say("building the road: ponte migrate, ponte apply")
        migrate(History.INTRANET, settings.dsn("vitrine"))
        migrate(History.VPS, settings.dsn("vps"))
        with Endpoints(self.declaration, settings) as endpoints:
            apply(endpoints, allow_drop=False, report=lambda _: None)
            wait_for_copies(endpoints, timeout_s=COPY_TIMEOUT_S)
        if not self._export.is_pushed:
            self._finish_road()

    def _finish_road(self) -> None:
        """Have the export carried as it is declared, and by nobody else, whatever an earlier run did."""
        with Endpoints(self.declaration, self.publications_settings()) as endpoints:
            switch(endpoints, self._export, report=_ignore, pushed=_ignore)

    def _start_services(self) -> None:
        self.settings.miniaturas.mkdir(exist_ok=True)
        if self._export.is_pushed:
            self.start_ingest()
            self.supervisor.start(self.services.push())
            self._finish_road()
        self.supervisor.start(self.services.sgp())
        self.supervisor.start(self.services.worker())
        self.supervisor.start(self.services.api())
        self.supervisor.start(self.services.panel())

    def start_ingest(self) -> None:
        """Start what takes pushes on the VPS."""
        self.supervisor.start(self.services.ingest())

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
