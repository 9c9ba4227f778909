"""The worker's numbers for Prometheus; `docs/metrics.md` lists them."""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from thumbnail_worker.errors import Motivo
from thumbnail_worker.photos.queue import Tally

PHOTOS_MADE = "ponte_worker_photos_made_total"
PHOTOS_FAILED = "ponte_worker_photos_failed_total"
PHOTOS_POSTPONED = "ponte_worker_photos_postponed_total"
PHOTO_SECONDS = "ponte_worker_photo_seconds"
STORED_BYTES = "ponte_worker_stored_bytes_total"
PHOTOS_WAITING = "ponte_worker_photos_waiting"
OLDEST_WAITING_SECONDS = "ponte_worker_oldest_photo_waiting_seconds"
PHOTOS_READY = "ponte_worker_photos_ready"
PHOTOS_CONDEMNED = "ponte_worker_photos_condemned"

LOOPBACK = "127.0.0.1"
_BUCKETS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


@dataclass(frozen=True)
class WorkerMetrics:
    """One worker's numbers, in a registry of their own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    made: Counter = field(init=False)
    failed: Counter = field(init=False)
    postponed: Counter = field(init=False)
    seconds: Histogram = field(init=False)
    stored: Counter = field(init=False)
    waiting: Gauge = field(init=False)
    oldest: Gauge = field(init=False)
    ready: Gauge = field(init=False)
    condemned: Gauge = field(init=False)

    def __post_init__(self) -> None:
        """Make the instruments."""
        registry = self.registry
        for name, one in {
            "made": Counter(PHOTOS_MADE, "Photos whose first rendition was announced", registry=registry),
            "failed": Counter(PHOTOS_FAILED, "Photos condemned, by reason", ["motivo"], registry=registry),
            "postponed": Counter(PHOTOS_POSTPONED, "Photos put off, by what was in the way", ["cause"],
                                 registry=registry),
            "seconds": Histogram(PHOTO_SECONDS, "From claim to stored, per photo", buckets=_BUCKETS,
                                 registry=registry),
            "stored": Counter(STORED_BYTES, "Bytes given to the storage", registry=registry),
            "waiting": Gauge(PHOTOS_WAITING, "Photos in the queue", registry=registry),
            "oldest": Gauge(OLDEST_WAITING_SECONDS, "Since when the longest waiting photo is queued",
                            registry=registry),
            "ready": Gauge(PHOTOS_READY, "Photos with a miniatura", registry=registry),
            "condemned": Gauge(PHOTOS_CONDEMNED, "Photos without one, by reason", ["motivo"],
                               registry=registry),
        }.items():  # fmt: skip
            object.__setattr__(self, name, one)
        for motivo in Motivo:
            self.failed.labels(
                motivo.value
            )  # an alert can't see a series rise that begins with its first case

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
