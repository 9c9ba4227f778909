"""The worker's commands beside the service: backfill, reconcile, status. stdout is data, stderr is talk."""

from __future__ import annotations

import sys
from dataclasses import asdict
from threading import Event

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from db.shown import dump_json, show
from thumbnail_worker.connection import JobConnection
from thumbnail_worker.photos.metrics import WorkerMetrics
from thumbnail_worker.photos.originals import Media
from thumbnail_worker.photos.queue import Tally
from thumbnail_worker.photos.recipe import Recipe
from thumbnail_worker.reconcile.compare import HEALED, Finding, count
from thumbnail_worker.reconcile.heal import Reconciler, Reconciliation
from thumbnail_worker.settings import WorkerSettings
from thumbnail_worker.worker import build_miniaturas, open_queue, open_storage

OK, FAILED, DRIFT = 0, 1, 3
_SHOWN = 10


def backfill(settings: WorkerSettings) -> int:
    """Make everything that waits, beside a service that runs or without one; return 3 if some still wait."""
    queue = open_queue(settings)
    queue.sweep()
    with _progress() as progress:
        task = progress.add_task("photos", total=queue.count().waiting)
        job = build_miniaturas(settings, WorkerMetrics(), on_verdict=lambda: progress.advance(task))
        try:
            job.run(Event())
        finally:
            job.close()
    left = queue.count()
    queue.close()
    print(_show_tally(left))  # noqa: T201 - data
    return DRIFT if left.waiting else OK


def status(settings: WorkerSettings, *, as_json: bool) -> int:
    """Print how the photos stand; return 0."""
    queue = open_queue(settings)
    tally = queue.count()
    queue.close()
    print(dump_json(asdict(tally), indent=2) if as_json else _show_tally(tally))  # noqa: T201 - data
    return OK


def reconcile(settings: WorkerSettings, *, heal: bool, force: bool, grace_s: float, as_json: bool) -> int:
    """Compare rows, originals, manifest and objects, and heal.

    Return 0 without drift, 3 with some, 1 if the storage would not delete what is nobody's.
    """
    reconciler = open_reconciler(settings)
    try:
        with _progress() as progress:
            findings = reconciler.find(progress)
        done = (
            reconciler.heal(findings, grace_s=grace_s, force=force)
            if heal
            else Reconciliation(tuple(findings))
        )
    finally:
        reconciler.close()
    print(_encode(done) if as_json else _show(done))  # noqa: T201 - data
    if done.undeleted:
        return FAILED
    return DRIFT if any(finding.drift in HEALED for finding in findings) else OK


def open_reconciler(settings: WorkerSettings) -> Reconciler:
    """Return the parts put together."""
    return Reconciler(
        JobConnection("vitrine", settings.vitrine_dsn),
        open_queue(settings),
        Media(settings.media_root, max_bytes=settings.max_bytes),
        open_storage(settings),
        Recipe(settings.renditions),
    )


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())


def _encode(done: Reconciliation) -> str:
    found: dict[str, list[int | str]] = {}
    for finding in done.findings:
        found.setdefault(finding.drift, []).append(finding.what)
    counts = {"queued": done.queued, "deleted": done.deleted, "undeleted": done.undeleted}
    return dump_json({"drift": found, **counts}, indent=2)


def _show(done: Reconciliation) -> str:
    counted = count(done.findings)
    lines = [
        f"{drift:<30} {number:>7}  {_examples(done.findings, drift)}" for drift, number in counted.items()
    ]
    lines.append(f"{done.queued} to be made again, {done.deleted} objects deleted")
    if done.undeleted:
        lines.append(f"{done.undeleted} objects could not be deleted: the log says why")
    return "\n".join(lines)


def _examples(findings: tuple[Finding, ...], drift: str) -> str:
    named = [show(str(one.what)) for one in findings if one.drift == drift]
    return ", ".join(named[:_SHOWN]) + (", …" if len(named) > _SHOWN else "")


def _show_tally(tally: Tally) -> str:
    lines = [f"{'waiting':<24} {tally.waiting:>7}", f"{'pronta':<24} {tally.prontas:>7}"]
    return "\n".join(lines + [f"{motivo:<24} {number:>7}" for motivo, number in sorted(tally.falhas.items())])
