"""How every program ends: with a sentence, an exit code, and no traceback that nobody asked for."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Callable
from io import TextIOWrapper
from typing import NoReturn, TextIO

from db.errors import SettingsError
from db.reasons import explain

OK, FAILED, USAGE, PENDING = 0, 1, 2, 3
"""In sync or asked to end; failed or lost; will never do with these words and settings; drift or pending."""
INTERRUPTED, PIPE_CLOSED = 130, 141
"""What a shell says of a command that Ctrl-C, or the end of whoever read it, has ended."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the words of a command as every other error is said."""

    def error(self, message: str) -> NoReturn:
        """End with the fact and the next step."""
        program = self.prog.split()[0] if self.prog.startswith("ponte") else self.prog
        _tell(f"{program}: {message}\nHINT: '{self.prog} --help' says what it takes")
        raise SystemExit(USAGE)


def run_program(run: Callable[[], int], *, name: str = "", verbose: bool = False) -> int:
    """Run it to its end and return its exit code; what goes wrong is told on stderr.

    name: stands before the fact, as programs do that are typed by hand; verbose: show the traceback too.
    """
    for stream in (sys.stdout, sys.stderr):
        _take_any_letter(stream)
    try:
        code = run()
        sys.stdout.flush()
    except KeyboardInterrupt:
        _tell(f"{name}: stopped; run the same command again to go on" if name else "stopped")
        code = INTERRUPTED
    except Exception as error:  # noqa: BLE001  # this is the end of the program
        code = _end(error, name=name, verbose=verbose)
    return code


def _end(error: Exception, *, name: str, verbose: bool) -> int:
    _let_go(sys.stdout)  # what it still holds would fail again, with a traceback, at the very end
    if _is_closed_pipe(error):
        return PIPE_CLOSED
    if verbose:
        _tell("".join(traceback.format_exception(error)))
    told = explain(error)
    _tell(f"{name}: {told}" if name else str(told))
    return USAGE if isinstance(told, SettingsError) else FAILED


def _is_closed_pipe(error: Exception) -> bool:
    """Tell whether whoever read our output has gone; Windows calls that an invalid argument."""
    windows = sys.platform == "win32" and isinstance(error, OSError) and error.errno == errno.EINVAL
    return isinstance(error, BrokenPipeError) or windows


def _tell(text: str) -> None:
    with contextlib.suppress(OSError, AttributeError):  # nobody reads it, or there is no stderr at all
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def _take_any_letter(stream: TextIO | None) -> None:
    """Write what the terminal's encoding lacks in another way rather than fail."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def _let_go(stream: TextIO | None) -> None:
    """Flush it, or have it write nowhere."""
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError), open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), stream.fileno() if stream else -1)
