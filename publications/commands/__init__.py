"""What the `ponte` command does, a module for each group: one that is not asked for is not loaded."""

from __future__ import annotations

from rich.console import Console

from db.endings import FAILED, OK, PENDING, USAGE

__all__ = ["FAILED", "OK", "PENDING", "USAGE", "Screen", "talk"]


class Screen(Console):
    """Data on stdout: whoever closes the pipe ends the command."""

    def on_broken_pipe(self) -> None:
        """Leave it to the end of the program, which knows the exit code."""
        raise BrokenPipeError


class Talk(Console):
    """Talk on stderr: where nobody listens the work goes on."""

    def on_broken_pipe(self) -> None:
        """Say no more."""
        self.quiet = True


talk = Talk(stderr=True, highlight=False)
