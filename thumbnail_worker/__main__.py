"""The intranet's service: `python -m thumbnail_worker [--once]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from db.errors import PonteError
from thumbnail_worker.events import start_logging
from thumbnail_worker.settings import WorkerSettings
from thumbnail_worker.worker import build_jobs, run_once, run_service


def main(argv: Sequence[str] | None = None) -> int:
    """Run the worker. Return 0 when all went well, 1 when a job failed, 2 when it could not start."""
    arguments = _parse(argv)
    try:
        jobs = build_jobs(WorkerSettings.load())
    except PonteError as error:
        print(error, file=sys.stderr)  # noqa: T201 - people read this, not the log
        return 2
    start_logging()
    try:
        return 0 if (run_once(jobs) if arguments.once else run_service(jobs)) else 1
    except KeyboardInterrupt:
        return 1


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m thumbnail_worker", description="Heartbeat, credentials, miniaturas, dead letters."
    )
    parser.add_argument("--once", action="store_true", help="run each job one time and exit")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
