"""The stack's processes: started apart from the terminal, recognised again, remembered in `stack.json`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from db.whole import write_whole
from infra.devstack.errors import WIPE_HINT, StateFileError

STATE_FILE = "stack.json"
# The start time is computed from the boot time, which moves a little when the clock is set.
CREATE_TIME_TOLERANCE_S = 2.0


@dataclass(frozen=True)
class ProcessState:
    """A process id with its start time (Unix seconds), so that a reused id is not mistaken for it."""

    pid: int
    create_time: float

    @classmethod
    def of(cls, pid: int) -> ProcessState:
        """Describe a running process; raises psutil.NoSuchProcess if there is none."""
        return cls(pid, psutil.Process(pid).create_time())

    def is_alive(self) -> bool:
        """Tell whether this very process still runs (a zombie does not)."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.create_time) < CREATE_TIME_TOLERANCE_S
        except psutil.NoSuchProcess:
            return False
        return same and runs(process)


@dataclass(frozen=True)
class StackState:
    """What a running dev stack leaves for the next command: processes, ports and versions by name."""

    supervisor: ProcessState
    control_port: int
    processes: Mapping[str, ProcessState] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def runs(process: psutil.Process) -> bool:
    """Tell whether a process still executes; a zombie that nobody collects counts as gone."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def own_group() -> dict[str, Any]:
    """Return the subprocess options that keep the terminal's Ctrl-C away from a child."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def write_state(root: Path, state: StackState) -> None:
    """Write the state file so that a reader sees the old one or the new one, whole."""
    replace_file(root / STATE_FILE, json.dumps(asdict(state), indent=2) + "\n")


def read_state(root: Path) -> StackState | None:
    """Return what the last stack left, or None; raises StateFileError if the file is damaged."""
    path = root / STATE_FILE
    try:
        return _parse(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StateFileError(f"{path} cannot be understood", WIPE_HINT) from error


def is_running(root: Path) -> bool:
    """Tell whether a stack runs in this root, under a supervisor that is alive."""
    state = read_state(root)
    return state is not None and state.supervisor.is_alive()


def remove_state(root: Path) -> None:
    """Forget the stack."""
    (root / STATE_FILE).unlink(missing_ok=True)


def replace_file(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a text file, whole or not at all."""
    with write_whole(path, mode=mode) as file:
        file.write(text.encode())


def _parse(raw: dict[str, Any]) -> StackState:
    return StackState(
        supervisor=ProcessState(**raw["supervisor"]),
        control_port=int(raw["control_port"]),
        processes={name: ProcessState(**one) for name, one in raw["processes"].items()},
        ports={name: int(port) for name, port in raw["ports"].items()},
        versions={name: str(version) for name, version in raw["versions"].items()},
    )
