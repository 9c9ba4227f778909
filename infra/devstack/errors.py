"""What can go wrong in the dev stack: each error says the fact, then what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from db.errors import PonteError

WIPE_HINT = "run `python -m infra.devstack down --wipe`, which deletes this stack's data, then start again"
PORT_BASE = "PONTE_DEV_PORT_BASE"
"""The variable that moves all of the stack's ports."""
TAIL_BYTES = 64 * 1024


class DevstackError(PonteError):
    """Carry the fact, the hint and, where a log tells more, its last lines."""

    def __init__(self, fact: str, hint: str, *, log_lines: Sequence[str] = ()) -> None:
        super().__init__(fact, hint)
        self.log_lines = tuple(log_lines)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  | {line}" for line in self.log_lines)])


class PostgresNotFoundError(DevstackError):
    """Report that no usable PostgreSQL binaries were found."""


class PostgresToolError(DevstackError):
    """Report a PostgreSQL command that could not be run or that failed."""


class UnreachableError(DevstackError):
    """Report a folder that the unprivileged server user cannot enter."""


class RuntimeRootError(DevstackError):
    """Report a runtime folder that is not safely ours."""


class PortTakenError(DevstackError):
    """Report a port on which something else already listens."""

    def __init__(self, owner: str, port: int) -> None:
        self.port = port
        super().__init__(
            f"port {port} on 127.0.0.1, wanted for {owner}, is already taken",
            f"stop whatever listens on {port}, or set {PORT_BASE} to count all ports from another number",
        )


class ClusterStartError(DevstackError):
    """Report a cluster that could not be made or did not come up."""


class ClusterStopError(DevstackError):
    """Report a cluster that did not go down."""


class VersionMismatchError(DevstackError):
    """Report a data directory made by another major version of PostgreSQL."""

    def __init__(self, data_dir: Path, *, found: str, wanted: str, hint: str) -> None:
        self.found = found
        self.wanted = wanted
        super().__init__(
            f"{data_dir} was made by PostgreSQL {found}, the binaries are PostgreSQL {wanted}", hint
        )


class LinkError(DevstackError):
    """Report a link that could not be started or commanded."""


class StateFileError(DevstackError):
    """Report a state file that cannot be understood."""


class ServiceStartError(DevstackError):
    """Report a service that did not become ready."""


class ServiceDiedError(DevstackError):
    """Report a service that ended by itself."""


class AlreadyRunningError(DevstackError):
    """Report that a dev stack is there already."""


class NotRunningError(DevstackError):
    """Report that no dev stack is there to command."""


class CommandRefusedError(DevstackError):
    """Report a command that the running dev stack did not accept."""


def last_lines(log_file: Path, *, count: int = 15, since_bytes: int = 0) -> list[str]:
    """Return up to `count` last lines of a log, none of them from before `since_bytes`."""
    try:
        with log_file.open("rb") as log:
            end = log.seek(0, 2)
            log.seek(max(min(since_bytes, end), end - TAIL_BYTES))
            return log.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []
