"""The `ponte` command. stdout is data, stderr is talk; exit 0 in sync, 1 failed, 2 usage, 3 to do."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from db.errors import PonteError, SettingsError
from db.migrate import History, emit_sql, migrate, read_revision
from publications import report
from publications.apply import apply, wait_for_copies
from publications.changes import Change
from publications.checks import Check, Level, check_recording, check_view, find_worst
from publications.declaration import DEFAULT_PATH, Declaration, make_schema, read_declaration
from publications.release import release
from publications.render import describe, to_json, to_script, to_text
from publications.session import Session
from publications.settings import WatchSettings, read_settings, read_watch_dsns
from publications.status import hops_table, to_renderable
from publications.watch import View, Watch, look_once

OK, FAILED, USAGE, PENDING = 0, 1, 2, 3
PIPE_WIDTH = 240

talk = Console(stderr=True, highlight=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = sys.argv[1:] if argv is None else list(argv)
    return _run_plugin(given) if "--nagios" in given else _run(given)


def _run_plugin(argv: Sequence[str]) -> int:
    """Run as a monitoring plugin: whatever ends it otherwise would be taken for a warning or worse."""
    try:
        return _run(argv)
    except SystemExit as ended:
        if not ended.code:
            return OK
        print("PONTE UNKNOWN - wrong usage: see 'ponte status --help'")
    except Exception as error:  # noqa: BLE001  # its name is told, and its text may hold a secret
        print(f"PONTE UNKNOWN - {type(error).__name__}")
    return int(Level.UNKNOWN)


def _run(argv: Sequence[str]) -> int:
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # what it warns of is raised too
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
    one = commands.add_parser(
        "migrate-helper", help="take a column out before SGP's own migration, put it back"
    )
    steps = one.add_subparsers(required=True, metavar="STEP")
    step = steps.add_parser("release", help="stop sending a column, so that SGP may change or drop it")
    step.add_argument("column", help="such as pedidos.valor_frete")
    step.set_defaults(run=_release)
    step = steps.add_parser("restore", help="send it again and fill what was missed: the same as apply")
    step.set_defaults(run=_apply, allow_drop=False, no_wait=False)
    one = commands.add_parser("status", help="how fresh the VPS is, why, and what to do")
    shape = one.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="one object for programs")
    shape.add_argument("--nagios", action="store_true", help="a monitoring plugin's line and exit code")
    one.set_defaults(run=_status)
    one = commands.add_parser("lag", help="how far each hop is behind, and for how long that can go on")
    shape = one.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="one object for programs")
    shape.add_argument("--watch", action="store_true", help="look again and again until Ctrl-C")
    one.set_defaults(run=_lag)
    one = commands.add_parser("panel", help="serve the shop's panel, its metrics, and keep the history")
    one.set_defaults(run=_panel)
    one = commands.add_parser("schema", help="print the declaration's JSON Schema, for editors")
    one.set_defaults(run=_schema)
    return parser


def _schema(_: argparse.Namespace) -> int:
    print(json.dumps(make_schema(), indent=2))
    return OK


def _release(arguments: argparse.Namespace) -> int:
    with _open(arguments) as session:
        release(session, arguments.column, report=_report)
    talk.print("released; after SGP's migration run 'ponte migrate-helper restore'")
    return OK


def _report(step: Change) -> None:
    talk.print(f"{step.endpoint:<8} {describe(step)}", markup=False, soft_wrap=True)


def _open(arguments: argparse.Namespace, *, partial: bool = False) -> Session:
    declaration = read_declaration(arguments.declaration)
    return Session(declaration, read_settings(declaration, os.environ), partial=partial)


def _histories(declaration: Declaration) -> list[tuple[str, History]]:
    """Pair the endpoints that hold the window with the history that makes it."""
    subscribers = [(export.target, History.VPS) for export in declaration.active_exports]
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
    with _open(arguments, partial=True) as session:
        reading = session.read()
    if arguments.json:
        print(to_json(reading.plan, refusals=reading.refusals, findings=reading.findings))
    else:
        print(
            to_script(reading.plan) if arguments.sql else to_text(reading.plan, agrees=not reading.objections)
        )
    for word, errors in (("refused", reading.refusals), ("found", reading.findings)):
        for error in errors:
            talk.print(f"{word}: {error}", markup=False, soft_wrap=True)
    if reading.refusals:
        return FAILED
    return PENDING if reading.plan.steps or reading.findings else OK


def _apply(arguments: argparse.Namespace) -> int:
    with _open(arguments) as session:
        done = apply(
            session,
            allow_drop=arguments.allow_drop,
            report=_report,
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


def _look(arguments: argparse.Namespace) -> tuple[View, list[Check]]:
    declaration = read_declaration(arguments.declaration)
    view = look_once(declaration, read_watch_dsns(declaration, os.environ), disk=WatchSettings.load().disk)
    silence = check_recording(view.sights[view.window].silence_s)
    return view, [*check_view(view), silence]


def _status(arguments: argparse.Namespace) -> int:
    try:
        view, checks = _look(arguments)
    except PonteError as error:
        if not arguments.nagios:
            raise
        print(f"PONTE UNKNOWN - {error.fact}")
        return int(Level.UNKNOWN)
    if arguments.nagios:
        print(report.to_nagios(view, checks))
        return int(find_worst(checks))
    if arguments.json:
        print(report.to_json(view, checks))
    else:
        _show(to_renderable(view, checks))
    return OK if find_worst(checks) is Level.OK else PENDING


def _lag(arguments: argparse.Namespace) -> int:
    if arguments.watch:
        return _watch_lag(arguments)
    view, checks = _look(arguments)
    if arguments.json:
        print(report.to_json(view, checks))
    else:
        _show(hops_table(view))
    return OK if all(view.measure(name).is_ok for name in view.subscribers) else PENDING


def _watch_lag(arguments: argparse.Namespace) -> int:
    """Show it until Ctrl-C, which is the way to end and so no failure."""
    declaration = read_declaration(arguments.declaration)
    settings = WatchSettings.load()
    dsns = read_watch_dsns(declaration, os.environ)
    with Watch(declaration, dsns, interval_s=settings.poll_seconds / 2, disk=settings.disk) as watch:
        view = watch.look_first()
        with (
            contextlib.suppress(KeyboardInterrupt),
            Live(
                to_renderable(view, check_view(view)), console=Console(markup=False), auto_refresh=False
            ) as live,
        ):
            while True:
                time.sleep(settings.poll_seconds / 2)
                view = watch.look()
                live.update(to_renderable(view, check_view(view)), refresh=True)
    return OK


def _show(shown: RenderableType) -> None:
    """Print on stdout, in a pipe without breaking lines."""
    out = Console(highlight=False, markup=False)
    pipe = Console(highlight=False, markup=False, width=PIPE_WIDTH)
    out.print(shown, soft_wrap=True) if out.is_terminal else pipe.print(shown, soft_wrap=True)


def _panel(arguments: argparse.Namespace) -> int:
    # Half a second of web server that the other commands do not need.
    from publications.panel.server import serve  # noqa: PLC0415

    declaration = read_declaration(arguments.declaration)
    return serve(declaration, read_watch_dsns(declaration, os.environ), WatchSettings.load())


if __name__ == "__main__":
    sys.exit(main())
