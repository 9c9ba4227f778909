"""The `ponte` command. stdout is data, stderr is talk; exit 0 in sync, 1 failed, 2 usage, 3 to do."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from db.endings import Parser, run_program
from db.extras import need
from db.reasons import explain
from publications.commands import OK
from publications.declare.declaration import VARIABLE
from publications.install.machine import Machine
from publications.install.shop import FLAGS, QUESTIONS, Shop

UNKNOWN = 3
"""The exit code of a monitoring plugin that could not look."""

Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = sys.argv[1:] if argv is None else list(argv)
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # what it warns of is raised too
    logging.getLogger("publications").addHandler(logging.NullHandler())  # the panel sets up its own
    return _run_plugin(given) if "--nagios" in given else _run(given)


def _run_plugin(argv: Sequence[str]) -> int:
    """Run as a monitoring plugin: whatever ends it otherwise would be taken for a warning or worse."""
    try:
        arguments = _parser().parse_args(argv)
        run: Command = arguments.run
        return run(arguments)
    except SystemExit as ended:
        if not ended.code:
            return OK
        print("PONTE UNKNOWN - wrong usage: see 'ponte status --help'")
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # a plugin says all in its line
        print(f"PONTE UNKNOWN - {explain(error).fact}")
    return UNKNOWN


def _run(argv: Sequence[str]) -> int:
    arguments = _parser().parse_args(argv)
    run: Command = arguments.run
    return run_program(lambda: run(arguments), name="ponte", verbose=arguments.verbose)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="ponte", description="Carry SGP's orders to the VPS.")
    parser.add_argument("-v", "--verbose", action="store_true", help="show tracebacks")
    _take_declaration(parser, default=None)
    after = Parser(add_help=False)
    _take_declaration(after, default=argparse.SUPPRESS)  # else it would undo one given before the command
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_road(commands, after)
    _add_proving(commands, after)
    _add_preflight(commands, after)
    _add_release(commands, after)
    _add_push(commands, after)
    _add_transport(commands, after)
    _add_watch(commands, after)
    _add_installing(commands)
    _add_texts(commands, after)
    return parser


def _add_road(commands: argparse._SubParsersAction[Parser], after: Parser) -> None:
    one = commands.add_parser(
        "migrate", parents=[after], help="bring the window's tables up to date on both ends"
    )
    one.add_argument("--sql", action="store_true", help="print the SQL instead")
    one.set_defaults(run=_later("road", "migrate_all"))
    one = commands.add_parser("plan", parents=[after], help="compare the declaration with the databases")
    shape = one.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="one object for programs")
    shape.add_argument("--sql", action="store_true", help="exactly what apply would run")
    one.set_defaults(run=_later("road", "make_plan"))
    one = commands.add_parser("apply", parents=[after], help="make the databases agree with the declaration")
    one.add_argument("--allow-drop", action="store_true", help="also take away what is not declared")
    one.add_argument("--no-wait", action="store_true", help="do not wait until the tables are copied")
    one.set_defaults(run=_later("road", "apply_plan"))


def _add_release(commands: argparse._SubParsersAction[Parser], after: Parser) -> None:
    one = commands.add_parser(
        "migrate-helper", help="take a column out before SGP's own migration, put it back"
    )
    steps = one.add_subparsers(required=True, metavar="STEP")
    step = steps.add_parser(
        "release", parents=[after], help="stop sending a column, so that SGP may change or drop it"
    )
    step.add_argument("column", help="such as pedidos.valor_frete")
    step.set_defaults(run=_later("road", "release_column"))
    step = steps.add_parser(
        "restore", parents=[after], help="send it again and fill what was missed: the same as apply"
    )
    step.set_defaults(run=_later("road", "apply_plan"), allow_drop=False, no_wait=False)


def _add_push(commands: argparse._SubParsersAction[Parser], after: Parser) -> None:
    one = commands.add_parser(
        "push",
        parents=[after],
        help="the service that sends what is published where no subscription fetches it",
    )
    one.add_argument("subscriber", nargs="?", help="such as vps; needed where several are pushed to")
    one.add_argument("--once", action="store_true", help="send what there is now, and exit")
    one.set_defaults(run=_later("push", "push"))


def _add_transport(commands: argparse._SubParsersAction[Parser], after: Parser) -> None:
    one = commands.add_parser(
        "transport", parents=[after], help="switch who brings a subscriber its rows, while readers read"
    )
    one.add_argument("transport", choices=["replication", "push"], help="who is to")
    one.add_argument("subscriber", nargs="?", help="such as vps; needed where there are several")
    one.set_defaults(run=_later("transport", "set_transport"))


def _add_watch(commands: argparse._SubParsersAction[Parser], after: Parser) -> None:
    one = commands.add_parser("status", parents=[after], help="how fresh the VPS is, why, and what to do")
    shape = one.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="one object for programs")
    shape.add_argument("--nagios", action="store_true", help="a monitoring plugin's line and exit code")
    one.set_defaults(run=_later("watch", "show_status"))
    one = commands.add_parser(
        "lag", parents=[after], help="how far each hop is behind, and for how long that can go on"
    )
    shape = one.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="one object for programs")
    shape.add_argument("--watch", action="store_true", help="look again and again until Ctrl-C")
    one.set_defaults(run=_later("watch", "show_lag"))
    one = commands.add_parser(
        "panel", parents=[after], help="serve the shop's panel, its metrics, and keep the history"
    )
    one.set_defaults(run=_later("watch", "serve_panel"))


def _add_texts(commands: argparse._SubParsersAction[Parser], after: Parser) -> None:
    one = commands.add_parser("explain", help="what an alert or a cause means and what to do")
    one.add_argument("name", nargs="?", help="such as PonteSlotLost or slot_lost; none lists them")
    one.set_defaults(run=_later("explain", "explain"))
    one = commands.add_parser("declaration", parents=[after], help="print the declaration")
    one.add_argument("--starting", action="store_true", help="the one that a shop starts from")
    one.set_defaults(run=_later("road", "print_declaration"))
    one = commands.add_parser("schema", help="print the declaration's JSON Schema, for editors")
    one.set_defaults(run=_later("road", "print_schema"))


def _add_installing(commands: argparse._SubParsersAction[Parser]) -> None:
    one = commands.add_parser("init", help="make this server the intranet's end, and an archive for the VPS")
    for name in (*QUESTIONS, *FLAGS):
        one.add_argument(f"--{name.replace('_', '-')}", help=Shop.model_fields[name].description)
    one.add_argument("--sgp-password-file", type=Path, metavar="FILE", help="else the password is asked for")
    one.add_argument("--answers", type=Path, metavar="FILE", help="all answers as TOML, as in shop.toml")
    one.add_argument("--folder", type=Path, help=f"where settings and secrets lie; else {Machine().folder}")
    one.add_argument("--yes", action="store_true", help="ask nothing: take what is told and what is usual")
    one.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    one.set_defaults(run=_later("init", "init"))
    one = commands.add_parser("uninstall", help="leave SGP as it was found, and stop Ponte's services here")
    one.add_argument("--folder", type=Path, default=Machine().folder, help="where settings and secrets lie")
    one.add_argument("--delete-data", action="store_true", help="delete database, settings and secrets too")
    one.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    one.set_defaults(run=_later("init", "uninstall"))


def _add_preflight(commands: argparse._SubParsersAction[Parser], after: Parser) -> None:
    one = commands.add_parser(
        "preflight", parents=[after], help="what will stop the road sooner or later; run it on each end"
    )
    one.add_argument("endpoints", nargs="*", metavar="ENDPOINT", help="servers; else all it reaches")
    one.add_argument("--link", action="store_true", help="measure the tunnel instead, from this end")
    one.add_argument("--json", action="store_true", help="one object for programs")
    one.set_defaults(run=_later("preflight", "look_ahead"))


def _add_proving(commands: argparse._SubParsersAction[Parser], after: Parser) -> None:
    one = commands.add_parser("verify", parents=[after], help="prove that what arrived is what was sent")
    one.add_argument("tables", nargs="*", metavar="TABLE", help="such as pedidos; none is every table")
    one.add_argument("--json", action="store_true", help="one object for programs")
    one.set_defaults(run=_later("prove", "verify"))
    one = commands.add_parser("heal", parents=[after], help="move the rows that differ, and no others")
    one.add_argument("tables", nargs="*", metavar="TABLE", help="such as pedidos; none is every table")
    one.add_argument("--yes", action="store_true", help="write; else it only says what it would")
    one.set_defaults(run=_later("prove", "heal"))
    one = commands.add_parser("resync", parents=[after], help="copy tables again over what is there")
    one.add_argument("table", metavar="TABLE|all", help="such as pedidos")
    one.set_defaults(run=_later("road", "resync_tables"))
    one = commands.add_parser("recover", parents=[after], help="say what stops a hop, and clear the way")
    one.add_argument("--yes", action="store_true", help="write; else it only says what it would")
    one.set_defaults(run=_later("recover", "recover"))


def _take_declaration(parser: argparse.ArgumentParser, *, default: str | None) -> None:
    parser.add_argument(
        "--declaration", type=Path, metavar="FILE", default=default, help=f"what may leave; else {VARIABLE}"
    )


def _later(module: str, name: str) -> Command:
    """Return a command that loads what it needs when it is run: to look at the road takes no migrations."""

    def run(arguments: argparse.Namespace) -> int:
        with need("ops"):
            command: Command = getattr(import_module(f"publications.commands.{module}"), name)
        return command(arguments)

    return run


if __name__ == "__main__":
    sys.exit(main())
