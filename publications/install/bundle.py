"""The archive that makes a VPS: the wheel, one script, settings and secrets as the files to be."""

from __future__ import annotations

import io
import os
import tarfile
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from db.whole import write_whole
from publications.install.machine import Machine, OwnedFile, make_folder, sweep
from publications.install.step import Step

FOLDER = "ponte-vps"
NAME = f"{FOLDER}.tar"
PRIVATE = 0o600


class Bundle(BaseModel):
    """What the VPS has to know to become one; it holds secrets."""

    model_config = ConfigDict(frozen=True)

    machine: Machine
    bindir: Path | None
    """PostgreSQL's programs there; else the wheel's."""
    database: str
    port: int
    password: str
    files: tuple[OwnedFile, ...]
    services: tuple[str, ...]
    """Units beside the database's."""
    declaration: str = ""
    """Where nobody comes from the intranet to make tables and roles: what these are to be."""
    passwords: dict[str, str] = {}
    """With it: of its roles."""


def pack(bundle: Bundle, wheel: Path) -> bytes:
    """Return the archive, the same for the same bundle."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in {
            "install": files("infra").joinpath("vps", "install.sh").read_bytes(),
            "requirements.txt": files("infra").joinpath("requirements", "vps.txt").read_bytes(),
            "venv": f"{bundle.machine.venv}\n".encode(),
            "bundle.json": bundle.model_dump_json(indent=1).encode(),
            wheel.name: wheel.read_bytes(),
        }.items():
            entry = tarfile.TarInfo(f"{FOLDER}/{name}")
            entry.size, entry.mode = len(content), PRIVATE
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def write_bundle(bundle: Bundle, wheel: Path, target: Path) -> Step:
    """Return the step that writes the archive, for the administrator's eyes alone."""

    def is_done() -> bool:
        return wheel.exists() and target.exists() and target.read_bytes() == pack(bundle, wheel)

    def do() -> None:
        make_folder(target.parent)
        sweep(target.parent)
        with write_whole(target, mode=PRIVATE) as file:
            file.write(pack(bundle, wheel))
            if hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), PRIVATE)

    return Step(f"archive for the VPS, {target}", is_done, do)
