"""The stack's services: what each is told, and by what it shows that it is ready."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import replace

import psycopg

from db.engines import connect
from infra.devstack import sgp
from infra.devstack.clusters import HOST, Cluster
from infra.devstack.layout import StackSettings
from infra.devstack.pushing import ingest_environment, is_copied, listens, push_environment
from infra.devstack.supervisor import ServiceSpec
from publications.declare.declaration import VARIABLE


class Services:
    """A description of each; who starts them is the supervisor."""

    def __init__(self, settings: StackSettings, clusters: Mapping[str, Cluster]) -> None:
        self._settings = settings
        self._clusters = clusters

    def sgp(self) -> ServiceSpec:
        """SGP's own API."""
        port = self._settings.ports.sgp_http
        env = {"PONTE_SECRETS_DIR": str(self._settings.folders.operator), sgp.PORT: str(port)}
        url = f"http://{HOST}:{port}/maquinas/"
        return self.make("sgp", "infra.devstack.sgp", env, ready=lambda: answers(url))

    def ingest(self) -> ServiceSpec:
        """What takes pushes on the VPS."""
        port = self._settings.ports.ingest
        env = ingest_environment(self._settings.folders, port)
        return self.make("ingest", "vps_readapi.ingest", env, ready=lambda: listens(port))

    def push(self) -> ServiceSpec:
        """What pushes to the VPS."""
        env = push_environment(
            self._settings.folders, self._settings.declaration_file, self._settings.ports.push
        )
        conninfo = self._clusters["vitrine"].conninfo("vitrine")
        spec = self.make("push", "publications", env, ready=lambda: is_copied(conninfo))
        return replace(spec, argv=(*spec.argv, "push"))

    def api(self) -> ServiceSpec:
        """The read API."""
        env = {
            "PONTE_SECRETS_DIR": str(self._settings.folders.api),
            "PONTE_API_HOST": HOST,
            "PONTE_API_PORT": str(self._settings.ports.api),
            "PONTE_API_PUBLIC_URL": self._settings.api_url,
            "PONTE_API_MEDIA_DIR": str(self._settings.miniaturas),
            "PONTE_API_LIVE_URL": f"http://{HOST}:{self._settings.ports.live}",
        }
        return self.make("api", "vps_readapi", env, ready=lambda: answers(self._settings.api_url))

    def worker(self) -> ServiceSpec:
        """The worker."""
        env = {
            "PONTE_SECRETS_DIR": str(self._settings.folders.worker),
            "PONTE_WORKER_MEDIA_ROOT": str(self._settings.media_root),
            "PONTE_WORKER_STORAGE": "filesystem",
            "PONTE_WORKER_STORAGE_DIR": str(self._settings.miniaturas),
        }
        return self.make("worker", "thumbnail_worker", env, ready=self.heart_beats)

    def panel(self) -> ServiceSpec:
        """The shop's panel."""
        env = {
            "PONTE_SECRETS_DIR": str(self._settings.folders.watch),
            VARIABLE: str(self._settings.declaration_file),
            "PONTE_PANEL_HOST": HOST,
            "PONTE_PANEL_PORT": str(self._settings.ports.panel),
        }
        spec = self.make("panel", "publications", env, ready=lambda: answers(self._settings.panel_url))
        return replace(spec, argv=(*spec.argv, "panel"))

    def make(
        self, name: str, module: str, env: Mapping[str, str], *, ready: Callable[[], bool]
    ) -> ServiceSpec:
        """Describe one more, which is told nothing but `env` of Ponte's."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PONTE_")}
        return ServiceSpec(
            name=name,
            argv=(sys.executable, "-m", module),
            env={**inherited, **env},
            log_file=self._settings.root / f"{name}.log",
            ready=ready,
        )

    def heart_beats(self) -> bool:
        """Tell whether a beat of the worker's has arrived on the VPS."""
        try:
            with connect(self._clusters["vps"].conninfo("vps")) as conn:
                row = conn.execute("SELECT beat FROM vitrine.heartbeat").fetchone()
        except psycopg.OperationalError:
            return False
        return row is not None and row[0] > 0


def answers(url: str) -> bool:
    """Tell whether an address answers well."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  # our own loopback
            return bool(answer.status == 200)  # noqa: PLR2004
    except (urllib.error.URLError, OSError):
        return False
