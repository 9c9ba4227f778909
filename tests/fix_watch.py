"""A road with a heart, an API and a panel, and every face that says how fresh the data is."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Self

import pytest
import uvicorn
from prometheus_client.parser import text_string_to_metric_families
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from db.freshness import Cause, FreshnessState
from db.offline import MAX_OFFLINE_VARIABLE
from db.waiting import wait_until
from infra.devstack.clusters import HOST
from infra.devstack.link import Link
from publications.cli import main
from publications.declare.declaration import STARTING_PATH
from publications.panel import metrics
from publications.panel.app import create_app
from publications.panel.poller import Poller
from publications.settings import watch_variable
from publications.watch.road import Watch
from tests.fix_api import RunningApi, run_api
from tests.fix_clusters import NAMES, PORTS, Servers, clone_all
from tests.fix_road import DEADLINE_S, ROLE_PASSWORD, Road, open_road
from tests.ports import find_free_port
from thumbnail_worker.connection import JobConnection
from thumbnail_worker.jobs.heartbeat import HeartbeatJob
from thumbnail_worker.jobs.job import keep_running

BEAT_S = 2.0
LONG = "DELETE FROM public.pedidos WHERE octet_length(items) > 200000"
"""Three orders, each as long as a hundred others to compare; what watches is not about them."""
HEADLINE = re.compile(r'<span class="palavra">Sincronização: ([^<]+)</span>')


@dataclass(frozen=True)
class Face:
    """What one of the five says."""

    state: FreshnessState
    causes: tuple[Cause, ...] | None
    """None where it can't know: the API's headers."""

    @property
    def cause(self) -> Cause | None:
        """The gravest."""
        return self.causes[0] if self.causes else None


class Heart:
    """The worker's own heartbeat job, in a thread."""

    def __init__(self, dsn: str) -> None:
        self._dsn = SecretStr(dsn)
        self._stop = Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Beat."""
        self._stop = Event()
        job = HeartbeatJob(JobConnection("sgp", self._dsn), interval_s=BEAT_S)
        self._thread = threading.Thread(target=keep_running, args=(job, self._stop), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Beat no more, and let go of the connection."""
        self._stop.set()
        if self._thread:
            self._thread.join(60)


class Panel:
    """The panel with its poller and its server, each to be stopped by itself."""

    def __init__(self, watch: Watch, dsn: SecretStr, *, poll_s: float = 0.5) -> None:
        self.poller = Poller(watch, dsn, interval_s=poll_s, record_s=1.0)
        self.port = find_free_port()
        config = uvicorn.Config(create_app(self.poller), host=HOST, port=self.port, log_level="error")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> None:
        """Look, and serve."""
        self.poller.start()
        self._thread.start()
        assert wait_until(lambda: self._server.started, 60)

    def stop(self) -> None:
        """Serve no more."""
        self._server.should_exit = True
        self._thread.join(60)
        self.poller.stop()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{HOST}:{self.port}/"

    def get(self, path: str) -> str:
        """Return a page."""
        return fetch(self.port, path)[0]


def fetch(port: int, path: str) -> tuple[str, dict[str, str]]:
    """Return a body and the headers, by their names in lower case."""
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return body, {name.lower(): value for name, value in answer.getheaders()}


MAX_OFFLINE_H = 12.5
OFFLINE = {MAX_OFFLINE_VARIABLE: str(MAX_OFFLINE_H)}


@dataclass
class WatchedRoad:
    """A road that beats, with everything that watches it."""

    road: Road
    back: Link
    """The way from the intranet to the VPS; the road's own link is the other direction."""
    heart: Heart
    api: RunningApi
    api_metrics_port: int
    panel: Panel
    dsns: dict[str, SecretStr]

    def cut(self) -> None:
        """Cut the tunnel, both ways."""
        self.road.link.cut()
        self.back.cut()

    def deafen(self) -> None:
        """Let everything vanish, both ways."""
        self.road.link.deafen()
        self.back.deafen()

    def heal(self) -> None:
        """Let everything pass."""
        self.road.link.heal()
        self.back.heal()

    def read_api(self) -> Face:
        """Read the API's headers."""
        _, headers = fetch(self.api.port, "/saude/viva")
        return Face(FreshnessState(headers["sync-state"]), None)

    def read_panel(self) -> Face:
        """Read the state behind the page."""
        shown = json.loads(self.panel.get("/estado"))["vps"]
        return Face(FreshnessState(shown["state"]), tuple(map(Cause, shown["causes"])))

    def read_age_s(self) -> float | None:
        """Read the age behind the page."""
        age: float | None = json.loads(self.panel.get("/estado"))["vps"]["age_seconds"]
        return age

    def read_word(self) -> str:
        """Read the word in the page's first line."""
        found = HEADLINE.search(self.panel.get("/"))
        assert found, "the page has no headline"
        return found[1]

    def read_metrics(self) -> Face:
        """Read the panel's numbers."""
        families = text_string_to_metric_families(self.panel.get("/metrics"))
        ones = {
            (family.name, sample.labels.get("state") or sample.labels.get("cause"))
            for family in families
            for sample in family.samples
            if sample.value == 1 and sample.labels.get("subscriber") == "vps"
        }
        [state] = [FreshnessState(str(value)) for name, value in ones if name == metrics.STATE.name]
        causes = tuple(cause for cause in Cause if (metrics.CAUSE.name, cause.value) in ones)
        return Face(state, causes)

    def read_command(self, *arguments: str) -> Face:
        """Run `ponte` and read its JSON."""
        shown = json.loads(self.run_command(*arguments, "--json")[1])["subscribers"]["vps"]
        return Face(FreshnessState(shown["state"]), tuple(map(Cause, shown["causes"])))

    def run_command(self, *arguments: str) -> tuple[int, str]:
        """Run `ponte` with the watch's settings; return its exit code and what it printed."""
        variables = {watch_variable(name): dsn.get_secret_value() for name, dsn in self.dsns.items()}
        out = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out):
            for name in [name for name in os.environ if name.startswith("PONTE_")]:
                patch.delenv(name)
            for name, value in variables.items():
                patch.setenv(name, value)
            code = main([*arguments, "--declaration", str(STARTING_PATH)])
        return code, out.getvalue()

    def read_faces(self) -> dict[str, Face]:
        """Ask all five."""
        commands = {name: self.read_command(name) for name in ("status", "lag")}
        return {**commands, **self.read_quick_faces()}

    def read_quick_faces(self) -> dict[str, Face]:
        """Ask the three that answer at once, also while the link is deaf."""
        return {"panel": self.read_panel(), "metrics": self.read_metrics(), "api": self.read_api()}

    def beat_once(self, age_s: float) -> None:
        """Stop the heart, and let a beat arrive that is so old."""
        self.heart.stop()
        [[beat]] = self.road.run(
            "sgp",
            "UPDATE ponte.heartbeat SET beat = beat + 1, beat_at = clock_timestamp() - %s * interval '1 s'"
            " RETURNING beat",
            age_s,
        )
        query = "SELECT 1 FROM vitrine.heartbeat WHERE beat >= %s"
        self.road.wait(lambda: bool(self.road.run("vps", query, beat)), "the old beat on the VPS")
        self.road.wait(lambda: (self.read_age_s() or 0.0) >= age_s, "the old beat on the panel")

    def wait_ok(self) -> None:
        """Wait until panel and API say that all is well."""
        assert wait_until(self._is_ok, DEADLINE_S, poll_s=0.1), "no OK on the panel and the API"

    def _is_ok(self) -> bool:
        panel, api = self.read_panel(), self.read_api()
        return (panel.state, panel.causes, api.state) == (FreshnessState.FRESH, (), FreshnessState.FRESH)


class Sampler:
    """Asks the panel, its metrics and the API ten times a second, as people with several screens do."""

    def __init__(self, seen: WatchedRoad) -> None:
        self.states: set[FreshnessState] = set()
        self.causes: set[Cause] = set()
        self.disagreed_s = 0.0
        """The longest time for which they did not say the same state."""
        self._seen = seen
        self._stop = Event()
        self._failed: list[Exception] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(60)
        if error is None and self._failed:
            raise self._failed[0]

    def wait(self, seconds: float) -> None:
        """Go on asking for so long."""
        self._stop.wait(seconds)

    def _run(self) -> None:
        agreed_at = time.monotonic()
        try:
            while not self._stop.wait(0.1):
                faces = self._seen.read_quick_faces().values()
                states = {face.state for face in faces}
                self.states |= states
                self.causes |= {cause for face in faces for cause in face.causes or ()}
                agreed_at = time.monotonic() if len(states) == 1 else agreed_at
                self.disagreed_s = max(self.disagreed_s, time.monotonic() - agreed_at)
        except Exception as error:  # noqa: BLE001  # told where the block ends
            self._failed.append(error)


def watch_dsns(port_to_vps: int, servers: Servers) -> dict[str, SecretStr]:
    """Return how the role that watches reaches each database."""
    ports = {**PORTS, "vps": port_to_vps}
    return {
        name: SecretStr(
            make_conninfo(
                "", host=HOST, port=ports[name], dbname=name, user="ponte_watch", password=ROLE_PASSWORD
            )
        )
        for name in NAMES
    }


@contextmanager
def open_watched_road(servers: Servers, server_root: Path, *, direct: bool = False) -> Iterator[WatchedRoad]:
    """Have everything for the length of a block. direct: the watch reaches the VPS without the link."""
    with ExitStack() as stack:
        stack.enter_context(clone_all(servers))
        road = stack.enter_context(open_road(servers, server_root))
        road.run("sgp", LONG)
        road.apply()
        back = Link(target=(HOST, PORTS["vps"]), listen_port=find_free_port())
        back.start()
        stack.callback(back.stop)
        dsns = watch_dsns(PORTS["vps"] if direct else back.port, servers)
        heart = Heart(_role_dsn("sgp", "ponte_worker"))
        heart.start()
        stack.callback(heart.stop)
        api_dsn = _role_dsn("vps", "ponte_api")
        numbers = find_free_port()
        auth_dsn = _role_dsn("vps", "ponte_auth")
        api = stack.enter_context(
            run_api(api_dsn, DSN=api_dsn, AUTH_DSN=auth_dsn, metrics_port=str(numbers), **OFFLINE)
        )
        watch = stack.enter_context(
            Watch(road.declaration, dsns, interval_s=0.5, verify_percent=20, keeps_proofs=True)
        )
        panel = Panel(watch, dsns["vitrine"])
        panel.start()
        stack.callback(panel.stop)
        watched = WatchedRoad(road, back, heart, api, numbers, panel, dsns)
        watched.wait_ok()
        yield watched
        watched.heal()


def _role_dsn(name: str, role: str) -> str:
    return make_conninfo("", host=HOST, port=PORTS[name], dbname=name, user=role, password=ROLE_PASSWORD)


@pytest.fixture(scope="module")
def watched_road(servers: Servers, server_root: Path) -> Iterator[WatchedRoad]:
    """One road that is watched for a module whose tests each leave it as they found it."""
    with open_watched_road(servers, server_root) as watched:
        yield watched
