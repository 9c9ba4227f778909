"""The API's numbers for Prometheus, on an address of their own: phones never reach them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from prometheus_client import REGISTRY, Metric, start_http_server
from prometheus_client.registry import Collector

from db.freshness import FreshnessState
from db.metrics import MetricSpec
from vps_readapi.events import Events
from vps_readapi.front.metrics import CONNECTIONS, REQUESTS
from vps_readapi.front.request import Requests
from vps_readapi.live.asking import ANSWERS
from vps_readapi.memory.memory import Memory

STATE = MetricSpec("ponte_api_state", "1 for the state that the answers' headers say", ("state",))
AGE = MetricSpec("ponte_api_age_seconds", "age of the data in the answers; missing if unknown")
CONNECTED = MetricSpec("ponte_api_database_up_ratio", "1 while the memory follows the database")
HELD = MetricSpec("ponte_api_held_orders", "single orders in the memory")
HELD_BYTES = MetricSpec("ponte_api_held_bytes", "what they take, in all their codings")
LIST_BYTES = MetricSpec("ponte_api_list_bytes", "what the whole list takes, its rows included")
REQUEST_BYTES = MetricSpec(
    "ponte_api_known_requests_bytes", "what the requests take that are known by their bytes"
)
MEMORY_ANSWERS = MetricSpec(
    "ponte_api_memory_answers_total",
    "reads of one order or of the list, by whether the answer was kept, had to be read, or is absent",
    ("how",),
)
READ_AHEAD = MetricSpec(
    "ponte_api_read_ahead_total",
    "changed orders that were read again before anybody asked for them again",
)
STREAMS = MetricSpec("ponte_api_open_streams", "event streams")

ALL: tuple[MetricSpec, ...] = (
    STATE,
    AGE,
    CONNECTED,
    HELD,
    HELD_BYTES,
    LIST_BYTES,
    REQUEST_BYTES,
    MEMORY_ANSWERS,
    READ_AHEAD,
    STREAMS,
    REQUESTS,
    CONNECTIONS,
    ANSWERS,
)


class ApiCollector(Collector):
    """Reads what one process has at the moment."""

    def __init__(self, memory: Memory, events: Events, requests: Requests) -> None:
        self._memory = memory
        self._requests = requests
        self._events = events

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering does not read."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return every metric."""
        now = self._memory.clock.measure()
        orders, held_bytes = self._memory.held
        yield STATE.family(((state,), float(now.state is state)) for state in FreshnessState)
        yield AGE.family([((), now.age_seconds)])
        yield CONNECTED.family([((), float(self._memory.feed.connected))])
        yield HELD.family([((), orders)])
        yield HELD_BYTES.family([((), held_bytes)])
        yield LIST_BYTES.family([((), self._memory.list_bytes)])
        yield REQUEST_BYTES.family([((), self._requests.held_bytes)])
        yield MEMORY_ANSWERS.family(((how,), count) for how, count in asdict(self._memory.answers).items())
        yield READ_AHEAD.family([((), self._memory.read_ahead)])
        yield STREAMS.family([((), self._events.open)])


@contextlib.contextmanager
def serve_metrics(
    memory: Memory, events: Events, requests: Requests, *, host: str, port: int
) -> Iterator[None]:
    """Answer `GET /metrics` for the length of a block; with port 0, not at all."""
    if not port:
        yield
        return
    collector = ApiCollector(memory, events, requests)
    REGISTRY.register(collector)
    server, thread = start_http_server(port, addr=host)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        REGISTRY.unregister(collector)
