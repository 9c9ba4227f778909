"""A tool: what it is for, how to see that it is there, how to make it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.tools.folders import list_folders


@dataclass(frozen=True)
class Step:
    """One command on the way to a tool; one that is done is not done again when the rest is."""

    does: str
    command: Sequence[str | os.PathLike[str]]
    timeout_s: float = 600
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MadeTool:
    """A tool in a folder of its own, named after its version, which anybody can make for themselves."""

    name: str
    version: str
    purpose: str
    program: str
    """What is there when the tool is, below its folder; what tests are given."""
    steps: Callable[[Path], Sequence[Step]]
    """How to make it in a folder that is renamed in the end; the commands run there."""
    needs: Sequence[str] = ()
    only_on: str = ""
    """The one system on which it is of use, as Python names it; none is all."""
    optional: bool = False
    """Unless it is asked for by name nothing fails where it can't be had."""

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return f"{self.name}-{self.version}"

    def find(self, environ: Mapping[str, str]) -> Path | None:
        """Return its program, or nothing."""
        places = (folder / self.folder / self.program for folder in list_folders(environ))
        return next((place for place in places if place.exists()), None)


@dataclass(frozen=True)
class SystemTool:
    """A tool that the system's packages bring, and therefore only root."""

    name: str
    purpose: str
    program: str
    """A path, or a name that is looked for on PATH."""
    package: str
    settings: Mapping[str, str] = field(default_factory=dict)
    """Files that have to be there before the package is installed, with their content."""
    needs: Sequence[str] = ()
    optional: bool = False

    def find(self, environ: Mapping[str, str]) -> Path | None:
        """Return its program, or nothing."""
        found = shutil.which(self.program, path=environ.get("PATH"))
        return Path(found) if found else None


Tool = MadeTool | SystemTool
