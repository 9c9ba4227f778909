"""The worker: its jobs built from the settings, run once or until it is told to stop."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import assert_never
from uuid import uuid4

from db.outage import Outage
from db.reasons import explain_port
from db.sqlfile import read_blocks
from thumbnail_worker.connection import JobConnection
from thumbnail_worker.events import log
from thumbnail_worker.jobs.credentials import CredentialsJob
from thumbnail_worker.jobs.dead_letters import DeadLettersJob
from thumbnail_worker.jobs.fingerprints import PublishedJob
from thumbnail_worker.jobs.heartbeat import HeartbeatJob
from thumbnail_worker.jobs.job import Job, keep_running, try_run
from thumbnail_worker.jobs.revocations import RevocationsJob
from thumbnail_worker.photos.job import MiniaturasJob
from thumbnail_worker.photos.maker import PhotoMaker
from thumbnail_worker.photos.messages import PhotoLimits
from thumbnail_worker.photos.metrics import LOOPBACK, WorkerMetrics
from thumbnail_worker.photos.originals import Media
from thumbnail_worker.photos.pool import RenderPool
from thumbnail_worker.photos.queue import PhotoQueue
from thumbnail_worker.photos.recipe import Recipe
from thumbnail_worker.settings import StorageKind, WorkerSettings
from thumbnail_worker.sgp import Sgp, SgpFile, SgpServer
from thumbnail_worker.storage import Storage
from thumbnail_worker.storage.filesystem import FilesystemStorage

_STOP_WITHIN_S = 10.0
_LOOK_EVERY_S = 0.5


def build_jobs(settings: WorkerSettings) -> list[Job]:
    """Return the jobs; nothing is connected yet. Raise SystemRefusalError if that port is taken.

    Where SGP is a file there is no heartbeat: the file is only read, and the feeder beats.
    """
    vitrine = settings.vitrine_dsn
    listen = read_blocks("thumbnail_worker", "queries")
    beats = [] if settings.sgp_file else [_make_heartbeat(settings)]
    return [
        *beats,
        CredentialsJob(
            open_sgp(settings),
            JobConnection("vitrine", vitrine, on_open=listen["listen_users"]),
            keys=settings.credential_keys(),
        ),
        RevocationsJob(
            open_sgp(settings), JobConnection("vitrine", vitrine, on_open=listen["listen_revocations"])
        ),
        build_miniaturas(settings, serve_metrics(settings)),
        DeadLettersJob(JobConnection("vitrine", vitrine)),
        PublishedJob(_open_publisher(settings), JobConnection("vitrine", vitrine)),
    ]


def _make_heartbeat(settings: WorkerSettings) -> HeartbeatJob:
    return HeartbeatJob(JobConnection("sgp", settings.sgp_dsn), interval_s=settings.beat_seconds)


def _open_publisher(settings: WorkerSettings) -> JobConnection | None:
    return None if settings.sgp_file else JobConnection("sgp", settings.sgp_dsn)


def open_sgp(settings: WorkerSettings) -> Sgp:
    """Return SGP's database, of the kind that the settings name."""
    if settings.sgp_file:
        return SgpFile(settings.sgp_file)
    return SgpServer(JobConnection("sgp", settings.sgp_dsn))


def serve_metrics(settings: WorkerSettings) -> WorkerMetrics:
    """Return the worker's numbers, served if a port is set. Raise SystemRefusalError if it is taken."""
    metrics = WorkerMetrics()
    if settings.metrics_port:
        try:
            metrics.serve(settings.metrics_port)
        except OSError as error:
            raise explain_port(
                error, LOOPBACK, settings.metrics_port, source="PONTE_WORKER_METRICS_"
            ) from error
    return metrics


def build_miniaturas(
    settings: WorkerSettings, metrics: WorkerMetrics, *, on_verdict: Callable[[], object] = lambda: None
) -> MiniaturasJob:
    """Return the job that makes the miniaturas; each one is another worker to the queue."""
    limits = read_limits(settings)
    recipe = Recipe(settings.renditions, limits.bounds)
    return MiniaturasJob(
        open_queue(settings),
        PhotoMaker(RenderPool(settings.processes, limits), open_storage(settings), recipe),
        Media(settings.media_root, max_bytes=settings.max_bytes),
        metrics,
        on_verdict=on_verdict,
    )


def read_limits(settings: WorkerSettings) -> PhotoLimits:
    """Return what one photo may cost."""
    return PhotoLimits(
        settings.media_root,
        max_bytes=settings.max_bytes,
        max_pixels=settings.max_pixels,
        memory_mb=settings.render_memory_mb,
        seconds=settings.render_seconds,
    )


def open_queue(settings: WorkerSettings) -> PhotoQueue:
    """Return the queue, under a name that no other worker has."""
    listen = read_blocks("thumbnail_worker", "photos")["listen_photos"]
    vitrine = JobConnection("vitrine", settings.vitrine_dsn, on_open=listen)
    recipe = Recipe(settings.renditions, read_limits(settings).bounds)
    return PhotoQueue(vitrine, recipe, worker=uuid4().hex)


def open_storage(settings: WorkerSettings) -> Storage:
    """Return the storage that the settings name."""
    match settings.storage:
        case StorageKind.FILESYSTEM:
            folder = FilesystemStorage(settings.storage_dir)
            folder.sweep_leftovers()
            return folder
        case StorageKind.VPS:
            from thumbnail_worker.storage.vps import VpsStorage  # noqa: PLC0415 - as below

            return VpsStorage(settings.vps_url, key=settings.ingest_key.get_secret_value().encode())
        case StorageKind.S3:
            # Half a second and 30 MB that the other kinds do not need.
            from thumbnail_worker.storage.s3 import S3Storage  # noqa: PLC0415

            return S3Storage(
                settings.s3_bucket,
                endpoint_url=settings.s3_endpoint_url or None,
                region=settings.s3_region,
                access_key_id=settings.s3_access_key_id,
                secret_access_key=settings.s3_secret_access_key.get_secret_value(),
            )
        case _:
            assert_never(settings.storage)


def run_once(jobs: Sequence[Job]) -> bool:
    """Run each job one time and tell whether all went well."""
    stop = Event()
    done = [try_run(job, stop, Outage()) for job in jobs]
    for job in jobs:
        job.close()
    return all(done)


def run_service(jobs: Sequence[Job]) -> bool:
    """Run the jobs side by side until a signal asks to stop; tell whether it was a signal.

    A job's thread never ends by itself; if one does all the same, the process ends too, so that the
    service manager starts it anew rather than that a part of it is silently missing.
    """
    stop = Event()
    threads = [Thread(target=keep_running, args=(job, stop), name=job.name, daemon=True) for job in jobs]
    asked = False
    try:
        _interrupt_on_signals()
        log("worker_started", jobs=[job.name for job in jobs])
        for thread in threads:
            thread.start()
        while all(thread.is_alive() for thread in threads):
            time.sleep(_LOOK_EVERY_S)
    except KeyboardInterrupt:
        asked = True
    stop.set()
    _join(threads)
    log("worker_stopped", asked=asked)
    return asked


def _interrupt_on_signals() -> None:
    """Have each signal that means "stop" raise KeyboardInterrupt in the main thread.

    A handler that set the event could deadlock with the very thread that it interrupts.
    """
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)


def _join(threads: Sequence[Thread]) -> None:
    deadline = time.monotonic() + _STOP_WITHIN_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
