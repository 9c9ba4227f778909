"""The feeder: `python -m publications.feeder [--once] [--accept]`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from db.loading import loading

with loading():
    from db.endings import OK, Parser, run_program
    from db.errors import SettingsError
    from db.logs import start_logging
    from publications.declare.declaration import VARIABLE, Declaration, find_declaration, read_declaration
    from publications.feeder.service import Feeder, log, run_service, tell_library
    from publications.feeder.settings import FeederSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Run the feeder; return 0 when asked to end, 1 if it failed, 2 if it could not start so."""
    arguments = _parse(argv)
    return run_program(lambda: _run(arguments), verbose=arguments.verbose)


def _run(arguments: argparse.Namespace) -> int:
    declaration = _read_fed(arguments.declaration)
    settings = FeederSettings.load()
    start_logging(package=log.name)
    feeder = Feeder(settings, declaration, accept=arguments.accept)
    if arguments.once:
        _feed_once(feeder)
    else:
        run_service(feeder, poll_s=settings.poll_seconds)
    return OK


def _feed_once(feeder: Feeder) -> None:
    tell_library()
    try:
        feeder.step()
    except Exception as error:
        raise feeder.explain(error) from error
    finally:
        feeder.close()


def _read_fed(given: Path | None) -> Declaration:
    path = find_declaration(given, os.environ)
    declaration = read_declaration(path)
    if not declaration.intake.is_fed:
        raise SettingsError(
            f"the intake of {path} is of kind {declaration.intake.kind}, which no feeder carries",
            'write kind = "sqlite" below [intake] if SGP\'s database is a SQLite file',
        )
    return declaration


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m publications.feeder", description="Keep the landing tables as SGP's SQLite file is."
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show tracebacks")
    parser.add_argument("--declaration", type=Path, metavar="FILE", help=f"what may leave; else {VARIABLE}")
    parser.add_argument("--once", action="store_true", help="land the file once and exit")
    parser.add_argument("--accept", action="store_true", help="take another file, whatever it lacks")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
