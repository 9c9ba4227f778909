"""The worker's numbers for Prometheus; `docs/metrics.md` lists them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, start_http_server

from db.metrics import MetricSpec
from db.motivo import Motivo
from thumbnail_worker.photos.queue import Tally

MADE = MetricSpec("ponte_worker_photos_made_total", "Photos whose first rendition was announced")
FAILED = MetricSpec("ponte_worker_photos_failed_total", "Photos condemned, by reason", ("motivo",))
POSTPONED = MetricSpec(
    "ponte_worker_photos_postponed_total", "Photos put off, by what was in the way", ("cause",)
)
SECONDS = MetricSpec("ponte_worker_photo_seconds", "From claim to stored, per photo")
STORED = MetricSpec("ponte_worker_stored_bytes_total", "Bytes given to the storage")
WAITING = MetricSpec("ponte_worker_photos_waiting", "Photos in the queue")
OLDEST = MetricSpec(
    "ponte_worker_oldest_photo_waiting_seconds", "Since when the longest waiting photo is queued"
)
READY = MetricSpec("ponte_worker_photos_ready", "Photos with a miniatura")
CONDEMNED = MetricSpec("ponte_worker_photos_condemned", "Photos without one, by reason", ("motivo",))

ALL = (MADE, FAILED, POSTPONED, SECONDS, STORED, WAITING, OLDEST, READY, CONDEMNED)

LOOPBACK = "127.0.0.1"
_BUCKETS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


class WorkerMetrics:
    """One worker's numbers, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.made, self.failed, self.postponed, self.stored = (
            one.counter(registry) for one in (MADE, FAILED, POSTPONED, STORED)
        )
        self.seconds = SECONDS.histogram(_BUCKETS, registry)
        self.waiting, self.oldest, self.ready, self.condemned = (
            one.gauge(registry) for one in (WAITING, OLDEST, READY, CONDEMNED)
        )
        for motivo in Motivo:
            self.failed.labels(motivo)  # an alert can't see a series rise that begins with its first case

    def show(self, tally: Tally) -> None:
        """Take over how the photos stand."""
        self.waiting.set(tally.waiting)
        self.oldest.set(tally.oldest_waiting_seconds)
        self.ready.set(tally.prontas)
        self.condemned.clear()
        for motivo, count in tally.falhas.items():
            self.condemned.labels(motivo).set(count)

    def serve(self, port: int) -> None:
        """Answer scrapes on the loopback address. Raise OSError if the port is taken."""
        start_http_server(port, addr=LOOPBACK, registry=self.registry)
