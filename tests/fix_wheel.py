"""The wheel, and environments that hold it with what one of its extras declares, and nothing else.

An environment is made without an index: what an extra's requirements come to is worked out from the running
one, and of it exactly those distributions' own files are linked. Whatever is imported without being declared
is missing there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[1]
PROJECT = "sgp-ponte"
TIMEOUT_S = 200


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel and one extra."""

    folder: Path

    @property
    def site(self) -> Path:
        """Where its packages lie."""
        return find_site(self.folder)

    def program(self, name: str) -> str:
        """Return the path of one of its programs."""
        scripts = "Scripts" if os.name == "nt" else "bin"
        return str(self.folder / scripts / (f"{name}.exe" if os.name == "nt" else name))

    def environment(self, **variables: str) -> dict[str, str]:
        """Return ours without what would tell it of this repository or of anybody's settings."""
        ours = {key: value for key, value in os.environ.items() if not key.startswith(("PONTE_", "PYTHON"))}
        return {**ours, **variables}

    def run(self, *command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `python …` or `ponte …` of this environment to its end."""
        return subprocess.run(
            [self.program(command[0]), *command[1:]],
            cwd=cwd,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=TIMEOUT_S,
            check=False,
        )


def find_site(folder: Path) -> Path:
    """Return where an environment's packages lie."""
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))


def build_wheel(folder: Path) -> Path:
    """Build the wheel with the backend that the repository's own environment has."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, timeout=TIMEOUT_S)
    [path] = folder.glob("sgp_ponte-*.whl")
    return path


def read_metadata(wheel: Path) -> Distribution:
    """Return what the wheel says of itself."""
    [info] = [one for one in zipfile.Path(wheel).iterdir() if one.name.endswith(".dist-info")]
    return PathDistribution(info)


def find_closure(project: Distribution, extra: str) -> dict[str, Distribution]:
    """Return all distributions that the project with an extra requires here, by name, without itself."""
    own = canonicalize_name(project.metadata["Name"])
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    left = [(own, extra), (own, "")]
    while left:
        name, wanted = left.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        one = project if name == own else distribution(name)
        if name != own:
            found[name] = one
        for requirement in map(Requirement, one.requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": wanted}):
                left += [(canonicalize_name(requirement.name), more) for more in ("", *requirement.extras)]
    return found


def install(wheel: Path, extra: str, folder: Path) -> Installed:
    """Make the environment."""
    venv.EnvBuilder(with_pip=False, symlinks=os.name != "nt").create(folder)
    installed = Installed(folder)
    for one in find_closure(read_metadata(wheel), extra).values():
        _link(one, installed.site)
    put_wheel(wheel, installed)
    return installed


def put_wheel(wheel: Path, installed: Installed) -> None:
    """Install the wheel alone into an environment."""
    pip = [sys.executable, "-m", "pip", "--python", installed.program("python"), "install", "--quiet"]
    subprocess.run(
        [*pip, "--no-index", "--no-deps", "--no-compile", "--disable-pip-version-check", str(wheel)],
        check=True,
        timeout=TIMEOUT_S,
        env=installed.environment(),
    )


def _link(one: Distribution, site: Path) -> None:
    """Put the files that a distribution says are its own where they would be installed."""
    inside = (file for file in one.files or () if ".." not in file.parts)
    link = shutil.copyfile if os.name == "nt" else os.symlink
    for file in inside:
        source, target = Path(str(one.locate_file(file))), site / file
        if source.is_file() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            link(source, target)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


class Environments(Mapping[str, Installed]):
    """One environment for each extra, made when it is first asked for; the base is the extra ''."""

    def __init__(self, wheel: Path, root: Path) -> None:
        self._wheel = wheel
        self._root = root
        self._made: dict[str, Installed] = {}
        extras: Iterable[str] = read_metadata(wheel).metadata.get_all("Provides-Extra") or ()
        self._extras = ("", *extras)

    def __getitem__(self, extra: str) -> Installed:
        if extra not in self._made:
            self._made[extra] = install(self._wheel, extra, self._root / (extra or "base"))
        return self._made[extra]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._extras)

    def __len__(self) -> int:
        return len(self._extras)


@pytest.fixture(scope="session")
def environments(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environments:
    """The wheel with each of its extras."""
    return Environments(wheel, tmp_path_factory.mktemp("installed"))
