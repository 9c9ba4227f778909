"""The `ponte` command. stdout is data, stderr is talk; exit 0 in sync, 1 failed, 2 usage, 3 to do."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from db.errors import PonteError, SettingsError
from db.migrate import History, emit_sql, migrate, read_revision
from publications.apply import apply, wait_for_copies
from publications.declaration import DEFAULT_PATH, Declaration, read_declaration
from publications.render import describe, to_json, to_script, to_text
from publications.session import Session
from publications.settings import read_settings

OK, FAILED, USAGE, PENDING = 0, 1, 2, 3

talk = Console(stderr=True, highlight=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except PonteError as error:
        if arguments.verbose:
            talk.print_exception()
        talk.print(f"ponte: {error}", markup=False, soft_wrap=True)
        return USAGE if isinstance(error, SettingsError) else FAILED
    except KeyboardInterrupt:
        talk.print("ponte: stopped; run the same command again to go on")
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ponte", description="Carry SGP's orders to the VPS.")
    parser.add_argument("-v", "--verbose", action="store_true", help="show tracebacks")
    parser.add_argument(
        "--declaration", type=Path, default=DEFAULT_PATH, help="what leaves (default: sgp.toml)"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("migrate", help="bring the window's tables up to date on both ends")
    one.add_argument("--sql", action="store_true", help="print the SQL instead")
    one.set_defaults(run=_migrate)
    one = commands.add_parser("plan", help="compare the declaration with the databases")
    shape = one.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="one object for programs")
    shape.add_argument("--sql", action="store_true", help="exactly what apply would run")
    one.set_defaults(run=_plan)
    one = commands.add_parser("apply", help="make the databases agree with the declaration")
    one.add_argument("--allow-drop", action="store_true", help="also take away what is not declared")
    one.add_argument("--no-wait", action="store_true", help="do not wait until the tables are copied")
    one.set_defaults(run=_apply)
    return parser


def _open(arguments: argparse.Namespace) -> Session:
    declaration = read_declaration(arguments.declaration)
    return Session(declaration, read_settings(declaration, os.environ))


def _histories(declaration: Declaration) -> list[tuple[str, History]]:
    """Pair the endpoints that hold the window with the history that makes it."""
    subscribers = [(export.target, History.VPS) for export in declaration.exports]
    return [(declaration.intake.target, History.INTRANET), *subscribers]


def _migrate(arguments: argparse.Namespace) -> int:
    declaration = read_declaration(arguments.declaration)
    if arguments.sql:
        for history in History:
            emit_sql(history)
        return OK
    settings = read_settings(declaration, os.environ)
    for endpoint, history in _histories(declaration):
        migrate(history, settings.dsn(endpoint))
        talk.print(f"{endpoint}: at version {read_revision(history, settings.dsn(endpoint))[0]}")
    return OK


def _plan(arguments: argparse.Namespace) -> int:
    with _open(arguments) as session:
        reading = session.read()
    shape = to_json if arguments.json else to_script if arguments.sql else to_text
    print(shape(reading.plan))
    for refusal in reading.refusals:
        talk.print(f"refused: {refusal}", markup=False, soft_wrap=True)
    if reading.refusals:
        return FAILED
    return PENDING if reading.plan.steps else OK


def _apply(arguments: argparse.Namespace) -> int:
    with _open(arguments) as session:
        done = apply(
            session,
            allow_drop=arguments.allow_drop,
            report=lambda step: talk.print(
                f"{step.endpoint:<8} {describe(step)}", markup=False, soft_wrap=True
            ),
        )
        if not arguments.no_wait:
            _show_copies(session)
        left = session.read().plan
    print(f"applied {len(done.steps)} steps; {to_text(left)}")
    return PENDING if left.steps else OK


def _show_copies(session: Session) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[read]}"),
        TimeElapsedColumn(),
    )
    total = sum(len(hop.tables) for hop in session.declaration.hops)
    with Progress(*columns, console=talk, transient=True) as progress:
        task = progress.add_task("copying tables", total=total, read="")

        def report(left: list[tuple[str, str, int, int]]) -> None:
            rows, size = sum(row[2] for row in left), sum(row[3] for row in left)
            progress.update(task, completed=total - len(left), read=f"{rows} rows, {size / 1e6:.1f} MB")

        wait_for_copies(session, report=report)


if __name__ == "__main__":
    sys.exit(main())
