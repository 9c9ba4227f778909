"""Make tools: step by step, each with a bound in time, taken up where an earlier run ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from db import lifetime
from infra.tools.folders import own_folder
from infra.tools.tool import MadeTool, Step, SystemTool, Tool

TELL_S = 60.0
"""How often a step that takes long says that it goes on."""
APT_TIMEOUT_S = 900
LINES = 15
UNPRIVILEGED = "only root can bring it"

Say = Callable[[str], None]


class ToolError(Exception):
    """A tool that could not be made: the fact, then what to do."""

    def __init__(self, fact: str, hint: str) -> None:
        super().__init__(f"{fact}\nHINT: {hint}")


class OnlyRootError(ToolError):
    """One that this user cannot bring."""


def make(tool: Tool, environ: Mapping[str, str], say: Say) -> None:
    """Make a tool that is not there. Raise ToolError."""
    match tool:
        case MadeTool():
            _make_in_folder(tool, environ, say)
        case SystemTool():
            _install(tool, environ, say)
    if tool.find(environ) is None:
        raise ToolError(
            f"{tool.name}: made, but {tool.program} is not there", "look at its entry in catalog.py"
        )


def _make_in_folder(tool: MadeTool, environ: Mapping[str, str], say: Say) -> None:
    folder = own_folder(environ)
    making = folder / f"{tool.folder}.part"
    _make_readable_folder(making)
    for number, step in enumerate(tool.steps(making)):
        done = making / f".done-{number}"
        if not done.exists():
            _run(tool, step, making, log=folder / f"{tool.name}.log", environ=environ, say=say)
            done.touch()
    if not (making / tool.program).exists():
        shutil.rmtree(making)
        raise ToolError(
            f"{tool.name}: its steps did not make {tool.program}", "look at its entry in catalog.py"
        )
    if not (folder / tool.folder).exists():
        making.rename(folder / tool.folder)


def _make_readable_folder(path: Path) -> None:
    """Make a folder whose content ordinary users can read when root makes it."""
    if sys.platform != "win32":
        os.umask(0o022)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolError(
            f"{path} cannot be made: {error.strerror}", "set PONTE_TOOLS_DIR to a folder of yours"
        ) from error


def _install(tool: SystemTool, environ: Mapping[str, str], say: Say) -> None:
    if sys.platform == "win32" or os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise OnlyRootError(
            f"{tool.name}: {UNPRIVILEGED} ({tool.purpose})",
            f"`apt-get install {tool.package}`, or have root run `make tools ARGS={tool.name}`",
        )
    for name, content in tool.settings.items():
        path = Path(name)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    folder = own_folder(environ)
    _make_readable_folder(folder)
    log = folder / f"{tool.name}.log"
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    packages = ["apt-get", "install", "--yes", "--no-install-recommends", tool.package]
    for step in (
        Step("apt-get update", ["apt-get", "update"], 300, quiet),
        Step(f"installing the package {tool.package}", packages, APT_TIMEOUT_S, quiet),
    ):
        _run(tool, step, folder, log=log, environ=environ, say=say)


def _run(tool: Tool, step: Step, cwd: Path, *, log: Path, environ: Mapping[str, str], say: Say) -> None:
    say(f"{tool.name}: {step.does} (at most {step.timeout_s:g} s)")
    began = time.monotonic()
    with log.open("ab") as output:
        since = output.tell()
        child = lifetime.start(
            step.command, cwd=cwd, env={**environ, **step.environment}, stdin=subprocess.DEVNULL,
            stdout=output, stderr=output, start_new_session=sys.platform != "win32",
        )  # fmt: skip
        try:
            code = _await(child, step, lambda passed: say(f"{tool.name}: still at it after {passed:.0f} s"))
        finally:
            _end(child)
    if code == 0:
        say(f"{tool.name}: done in {time.monotonic() - began:.0f} s")
        return
    how = "took too long" if code is None else f"ended with exit code {code}"
    told = log.read_bytes()[since:].decode(errors="replace").splitlines()[-LINES:]
    raise ToolError(
        "\n".join([f"{tool.name}: '{step.does}' {how}", *(f"  | {line}" for line in told)]),
        f"see {log}, mend it, and run `make tools ARGS={tool.name}` again: it goes on from there",
    )


def _await(child: lifetime.Child, step: Step, tell: Callable[[float], None]) -> int | None:
    """Return the exit code, None if the time is over."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < step.timeout_s:
        try:
            return int(child.wait(min(TELL_S, step.timeout_s - passed)))
        except subprocess.TimeoutExpired:
            tell(time.monotonic() - began)
    return None


def _end(child: lifetime.Child) -> None:
    """End it, and what it started."""
    if child.poll() is not None:
        return
    if sys.platform == "win32":
        child.kill()
    else:
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
