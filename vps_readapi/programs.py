"""How a service of the API is started from the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from db.endings import Parser, run_program
from db.logs import start_logging


def run_service(program: str, run: Callable[[], int], argv: Sequence[str] | None) -> int:
    """Run a program that takes no words but -v, with its log set up, and return its exit code."""
    parser = Parser(prog=program, description="All else comes from the environment.")
    parser.add_argument("-v", "--verbose", action="store_true", help="show tracebacks")
    arguments = parser.parse_args(argv)
    start_logging()
    return run_program(run, verbose=arguments.verbose)
