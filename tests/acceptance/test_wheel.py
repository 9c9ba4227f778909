"""What people install: the wheel holds all that is not Python, and works away from the repository."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("db", "publications", "vps_readapi", "thumbnail_worker", "infra")
DATA = {".sql", ".toml", ".mako", ".html", ".json", ".css", ".js", ".svg", ".yml"}
TIMEOUT_S = 110

PROBE = """
import sys
from pathlib import Path
import db, publications, vps_readapi, thumbnail_worker, infra
import publications.cli, vps_readapi.__main__, thumbnail_worker.__main__, infra.devstack.__main__
from db.migrate import History, emit_sql
from db.sqlfile import read_blocks
from publications.declaration import read_declaration
read_declaration()
for package in (db, publications, vps_readapi, thumbnail_worker, infra):
    assert Path(package.__file__).is_relative_to(sys.argv[1]), package.__file__
for package, name in (("publications", "catalog"), ("thumbnail_worker", "queries"), ("db", "published")):
    read_blocks(package, name)
for history in History:
    emit_sql(history)
"""


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def join_paths(first: Path) -> str:
    """Put a folder before what the environment has already."""
    return os.pathsep.join(filter(None, [str(first), os.environ.get("PYTHONPATH", "")]))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", REPOSITORY, "--no-deps", "-q", "-w", folder, cwd=folder)
    [path] = folder.glob("sgp_ponte-*.whl")
    return path


def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    files = [path for package in PACKAGES for path in (REPOSITORY / package).rglob("*") if path.is_file()]
    present = {path.relative_to(REPOSITORY).as_posix() for path in files}
    data = {name for name in present if Path(name).suffix in DATA}
    assert {Path(name).suffix for name in data} >= {".sql", ".toml", ".mako", ".html", ".css", ".js"}
    assert data - held == set()
    assert {name for name in present if name.endswith(".py")} - held == set()
    foreign = {name for name in held if name.split("/")[0] not in PACKAGES and ".dist-info/" not in name}
    assert foreign == set()


def test_the_wheel_works_outside_the_repository(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    pip = (sys.executable, "-m", "pip", "install", "--no-deps", "--no-compile", "-q", "--target", target)
    run(*pip, wheel, cwd=tmp_path)
    environment = {"PYTHONPATH": join_paths(target), "PYTHONDONTWRITEBYTECODE": "1"}
    printed = run(sys.executable, "-c", PROBE, target, cwd=tmp_path, **environment)
    assert "CREATE TABLE vitrine.pedidos" in printed
    usage = run(sys.executable, "-m", "publications.cli", "--help", cwd=tmp_path, **environment)
    assert "plan" in usage
