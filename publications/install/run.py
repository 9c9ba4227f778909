"""Programs of the system, run with a bound; nothing secret is ever among their words."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from publications.install.errors import InstallError
from publications.install.machine import find_ids

TIMEOUT_S = 120
HINT = "HINT: "


def run(*command: str | Path, account: str = "", cwd: Path | None = None, hint: str = "") -> None:
    """Run a program to its end, as an account if one is named. Raise InstallError with its last line."""
    name = Path(command[0]).name
    try:
        done = _run([str(part) for part in command], account, cwd)
    except subprocess.TimeoutExpired as error:
        raise InstallError(f"{name} did not end in {TIMEOUT_S} s", hint or "run the command again") from error
    except OSError as error:
        raise InstallError(f"{name} can't be run: {error.strerror}", hint or f"install {name}") from error
    if done.returncode:
        said = done.stdout.decode(errors="replace").strip().splitlines()
        if said and said[-1].startswith(HINT):
            said.pop()  # one of ours; what to do is known better here
        raise InstallError(f"{name} failed: {said[-1] if said else done.returncode}", hint or "mend that")


def succeeds(*command: str) -> bool:
    """Tell whether a program is there and ends well."""
    try:
        return shutil.which(command[0]) is not None and _run(list(command), "", None).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _run(command: list[str], account: str, cwd: Path | None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command, check=False, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=TIMEOUT_S, env=_environment(), **_as(account),
    )  # fmt: skip


def _environment() -> dict[str, str]:
    """Leave out libpq's variables, which would become a server's defaults, and ours."""
    kept = {key: value for key, value in os.environ.items() if not key.upper().startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def _as(account: str) -> dict[str, Any]:
    if not account or sys.platform == "win32":
        return {}
    uid, gid = find_ids(account)
    if uid < 0:
        raise InstallError(f"there is no Unix user {account} yet", "run 'ponte init' as root")
    return {"user": uid, "group": gid, "extra_groups": os.getgrouplist(account, gid)}
