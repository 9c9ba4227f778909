"""A machine that Ponte is installed on: where its files lie, whose they are, and how they are written."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from db.whole import write_whole
from publications.install.step import Step

if sys.platform != "win32":
    import pwd

ROOT = ""
"""The account of files that only the administrator reads."""
SECRET, OPEN = 0o400, 0o644
HALF_WRITTEN = 32
"""Letters of the name that `write_whole` gives a file until it is whole."""
UNSAFE = set(" \t\n\"'\\%$:;")
"""Letters that mean something in a unit, a passfile or a connection string."""


def _check_path(path: Path) -> Path:
    if not path.is_absolute() or (sys.platform != "win32" and UNSAFE & set(str(path))):
        raise ValueError("not an absolute path of plain letters")
    return path


PlainPath = Annotated[Path, AfterValidator(_check_path)]


class Machine(BaseModel):
    """Where things are on one machine; the units of `infra/systemd` name the same places as the defaults."""

    model_config = ConfigDict(frozen=True)

    folder: PlainPath = Path("/etc/ponte")
    """Declaration, settings and secrets."""
    data: PlainPath = Path("/var/lib/ponte")
    """The database and what services write."""
    venv: PlainPath = Path("/opt/ponte")
    units: PlainPath = Path("/etc/systemd/system")
    users: str = "ponte"
    """What the services' Unix users are called, before a dash and the service's name."""

    def account(self, service: str) -> str:
        """Name the Unix user of a service."""
        return f"{self.users}-{service}"

    @property
    def cluster(self) -> Path:
        """The database's own folder."""
        return self.data / "postgres"

    @property
    def passfiles(self) -> Path:
        """What the database's server reads to reach another one."""
        return self.data / "passfiles"

    @property
    def miniaturas(self) -> Path:
        """Where the ingest puts them and the API finds them."""
        return self.data / "miniaturas"

    def certificate(self, name: str) -> Path:
        """Where the certificate of a server lies, for whoever connects to it."""
        return self.folder / "certs" / f"{name}.crt"


class OwnedFile(BaseModel):
    """A file as it is to be: text, account and mode."""

    model_config = ConfigDict(frozen=True)

    path: Path
    text: str
    account: str = ROOT
    mode: int = OPEN

    def is_there(self) -> bool:
        """Tell whether it stands so."""
        try:
            found = self.path.stat()
            return self.path.read_text(encoding="utf-8") == self.text and self._is_owned(found)
        except OSError:
            return False

    def write(self) -> None:
        """Write it whole, with its owner and mode before it has its name."""
        make_folder(self.path.parent)
        sweep(self.path.parent)
        with write_whole(self.path, mode=self.mode) as file:
            file.write(self.text.encode())
            if sys.platform != "win32":
                os.fchmod(file.fileno(), self.mode)
                os.fchown(file.fileno(), *find_ids(self.account))

    def _is_owned(self, found: os.stat_result) -> bool:
        if sys.platform == "win32":
            return True
        uid, gid = find_ids(self.account)
        return (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (uid, gid, self.mode)


def sweep(folder: Path) -> None:
    """Take away what a run that was killed while it wrote has left: it may hold a secret."""
    for left in folder.glob("*.new"):
        if len(left.stem) == HALF_WRITTEN and left.is_file():
            left.unlink(missing_ok=True)


def find_ids(account: str) -> tuple[int, int]:
    """Return user and group id of an account; of none yet, ids that nothing has."""
    if sys.platform == "win32":
        return -1, -1
    if account == ROOT:
        return os.geteuid(), os.getegid()
    try:
        found = pwd.getpwnam(account)
    except KeyError:
        return -2, -2
    return found.pw_uid, found.pw_gid


def make_folder(folder: Path) -> None:
    """Make it and what leads there, so that services may enter."""
    for missing in [one for one in (*reversed(folder.parents), folder) if not one.exists()]:
        missing.mkdir(exist_ok=True)
        missing.chmod(0o755)


def make_owned_folder(folder: Path, account: str, mode: int) -> Step:
    """Return the step that makes a folder for one account."""

    def is_done() -> bool:
        if sys.platform == "win32":
            return folder.is_dir()
        return folder.is_dir() and (folder.stat().st_uid, folder.stat().st_mode & 0o7777) == (
            find_ids(account)[0], mode,
        )  # fmt: skip

    def do() -> None:
        make_folder(folder)
        folder.chmod(mode)
        if sys.platform != "win32":
            os.chown(folder, *find_ids(account))

    return Step(f"folder {folder}", is_done, do)


def write_files(says: str, files: Iterable[OwnedFile], *, after: Step | None = None) -> Step:
    """Return the step that writes files, and then does what has to follow."""
    wanted = tuple(files)

    def do() -> None:
        for file in wanted:
            if not file.is_there():
                file.write()
        if after:
            after.do()

    return Step(says, lambda: all(file.is_there() for file in wanted), do)
