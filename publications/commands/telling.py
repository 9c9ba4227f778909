"""What commands say while steps are carried out: each step, and how far tables are copied."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from publications.act.copying import Left
from publications.act.endpoints import Endpoints
from publications.commands import talk
from publications.commands.copy_pace import CopyPace
from publications.commands.step_words import describe
from publications.decide.changes.step import Step


def tell_step(step: Step) -> None:
    """Say that a step is begun."""
    talk.print(f"{step.endpoint:<8} {describe(step)}", markup=False, soft_wrap=True)


@contextmanager
def copies_shown(endpoints: Endpoints) -> Iterator[None]:
    """Have a bar say, on a terminal, how far tables are whenever they are waited for in the block."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[read]}"),
        TimeElapsedColumn(),
    )
    total = sum(len(hop.tables) for hop in endpoints.declaration.hops)
    progress = Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal)
    task = progress.add_task("copying tables", start=False, total=total, read="")
    pace: CopyPace | None = None

    def report(left: Left) -> None:
        nonlocal pace
        if pace is None:
            pace = CopyPace(time.monotonic())
            progress.start_task(task)
            progress.start()
        progress.update(task, completed=total - len(left), read=pace.tell(left, time.monotonic()))

    endpoints.copy_report = report
    try:
        yield
    finally:
        progress.stop()
