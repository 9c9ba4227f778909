"""The intranet's service: `python -m thumbnail_worker [--once]`, and its commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from db.extras import need
from db.loading import loading

with need("worker"), loading():
    from db.endings import FAILED, OK, Parser, run_program
    from db.logs import start_logging
    from thumbnail_worker.commands import backfill, reconcile, status
    from thumbnail_worker.events import LOGGER
    from thumbnail_worker.reconcile.heal import GRACE_S
    from thumbnail_worker.settings import WorkerSettings
    from thumbnail_worker.worker import build_jobs, run_once, run_service


def main(argv: Sequence[str] | None = None) -> int:
    """Run the worker or a command.

    Return 0 if all went well, 1 if something failed, 2 if it could not start with these settings, 3 for
    drift or photos left.
    """
    arguments = _parse(argv)
    return run_program(lambda: _run(arguments), verbose=arguments.verbose)


def _run(arguments: argparse.Namespace) -> int:
    settings = WorkerSettings.load()
    match arguments.command:
        case None:
            return _serve(settings, once=arguments.once)
        case "backfill":
            return backfill(settings)
        case "status":
            return status(settings, as_json=arguments.json)
        case _:
            start_logging(package=LOGGER.name)
            return reconcile(
                settings,
                heal=not arguments.dry_run,
                force=arguments.force,
                grace_s=arguments.grace,
                as_json=arguments.json,
            )


def _serve(settings: WorkerSettings, *, once: bool) -> int:
    jobs = build_jobs(settings)
    start_logging(package=LOGGER.name)
    return OK if (run_once(jobs) if once else run_service(jobs)) else FAILED


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m thumbnail_worker", description="Heartbeat, credentials, miniaturas, dead letters."
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show tracebacks")
    parser.add_argument("--once", action="store_true", help="run each job one time and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", help="none: run the service")
    commands.add_parser("backfill", help="make every photo that waits, with a progress bar")
    one = commands.add_parser("status", help="say how the photos stand, the bad ones by reason")
    one.add_argument("--json", action="store_true", help="one object on stdout")
    one = commands.add_parser("reconcile", help="compare rows, originals, manifest and objects, and heal")
    one.add_argument("--dry-run", action="store_true", help="change nothing")
    force = "heal also when most of what is announced is missing in the storage"
    one.add_argument("--force", action="store_true", help=force)
    grace = "how long an object must have belonged to nothing before it is deleted"
    one.add_argument("--grace", type=float, default=GRACE_S, metavar="SECONDS", help=grace)
    one.add_argument("--json", action="store_true", help="one object on stdout")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
