"""A bare shop whose SGP is a SQLite file of its own user group, written by a process of SGP's."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import pytest
from PIL import Image

from infra.devstack.seed import DEMO_LOGIN
from tests.fix_fed import SgpProcess, fill
from tests.fix_install import Shop, open_machines

ORDERS = 120


@dataclass(kw_only=True)
class FileShop(Shop):
    """Its SGP's file, in a folder that SGP's group alone may enter."""

    file: Path
    group: str
    sgp_bindir: Path
    """PostgreSQL for the SGP that it will have one day."""

    @property
    def source(self) -> dict[str, str]:
        """Name the file."""
        return {"kind": "sqlite", "sgp_file": str(self.file)}

    def read_folder(self) -> dict[str, tuple[bytes, int, int, str]]:
        """Return all that lies there: content, mode, time and group."""
        return {
            one.name: (one.read_bytes(), one.stat().st_mode, one.stat().st_mtime_ns, one.group())
            for one in self.file.parent.iterdir()
        }


@pytest.fixture
def file_shop(wheel: Path, server_root: Path, bindirs: dict[str, Path]) -> Iterator[FileShop]:
    """A shop with SGP's file, nobody who has it open, and nothing of Ponte's but the wheel."""
    with open_machines(wheel, server_root, bindirs) as machines:
        root: Path = machines["root"]
        group = f"{machines['intranet'].users}sgp"
        subprocess.run(["groupadd", group], check=True)
        try:
            yield FileShop(file=write_file(root, group), group=group, sgp_bindir=bindirs["sgp"], **machines)
        finally:
            subprocess.run(["groupdel", group], check=False)


def write_file(root: Path, group: str) -> Path:
    """Write it as SGP would, with one photo; return its path."""
    path = root / "sgp" / "sgp.db"
    path.parent.mkdir(mode=0o750)
    shutil.chown(path.parent, group=group)
    path.touch(mode=0o640)
    shutil.chown(path, group=group)
    sgp = SgpProcess(path)
    fill(sgp, ORDERS)
    name, password = DEMO_LOGIN
    sgp.run(
        "UPDATE user SET password_hash = ? WHERE username = ?",
        [bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode(), name],
    )
    sgp.stop()
    photo = root / "media/pedidos/1/a.png"
    photo.parent.mkdir(parents=True)
    Image.new("RGB", (64, 48), "teal").save(photo)
    return path
