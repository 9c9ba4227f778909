"""What `ponte init` writes on a Windows server: declaration, secrets, and the scripts for the technician.

Nothing here asks what system it is on: in an installation the folder is the server's, in a test another.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path, PurePosixPath

from publications.declare.declaration import Declaration
from publications.install.access import Access
from publications.install.given import (
    DECLARATION,
    feeder_files,
    operators_secrets,
    panel_files,
    worker_files,
)
from publications.install.machine import ROOT, Machine, OwnedFile
from publications.install.secrets import Secrets
from publications.install.shop import Shop
from publications.install.windows import FOLDERS, WindowsServer, install, remove
from publications.install.windows_script import to_environment, to_script
from publications.settings import dsn_variable, watch_variable

REPLACED = 0o600
"""Windows replaces no file that its owner may not write; its folder says who reads it."""
SETTINGS = ".env"
"""What a unit of systemd reads; NSSM keeps settings itself."""


def make_access(server: WindowsServer, declaration: Declaration, secrets: Secrets) -> Access:
    """Return how everybody gets in. What was told is checked already, by another system's rules than ours."""
    folder = secrets.folder.parent
    shop = Shop.model_construct(
        kind=server.kind,
        sgp=server.sgp,
        sgp_file=server.sgp_file or None,  # type: ignore[arg-type]
        media=server.media,  # type: ignore[arg-type]
        wheel=None,  # type: ignore[arg-type]
        public_url="",
        intranet=ip_address(server.intranet),
        vps=ip_address(server.vps),
        vitrine_port=server.vitrine_port,
        ingest_port=server.ingest_port,
        machine=Machine.model_construct(folder=folder, data=folder),
        vps_machine=Machine.model_construct(data=PurePosixPath("/var/lib/ponte")),  # type: ignore[arg-type]
    )
    return Access(shop, declaration, secrets)


def find_unknown(access: Access) -> tuple[str, str]:
    """Name what only whoever made the VPS knows: how its database is reached."""
    target = access.export.target
    return (dsn_variable(target), watch_variable(target))


def list_files(server: WindowsServer, access: Access, declaration: str, folder: Path) -> Iterator[OwnedFile]:
    """Yield each with the place in that folder where it is written."""
    unknown = {name.lower() for name in find_unknown(access)}
    yield OwnedFile(path=folder / DECLARATION, text=declaration)
    yield _script(folder / "install.cmd", to_script(server, install(server)))
    yield _script(folder / "uninstall.cmd", to_script(server, remove(server), stops=False))
    yield _script(folder / "ponte.cmd", to_environment(server))
    lines = f"host all all 127.0.0.1/32 scram-sha-256\n{access.vitrine_hba()}"
    yield OwnedFile(path=folder / "pg_hba.conf", text=lines)
    superuser = access.superuser(access.declaration.intake.target)
    line = f"127.0.0.1:{server.vitrine_port}:*:postgres:{superuser}\n"
    yield OwnedFile(path=folder / "secrets" / "vitrine.pgpass", text=line, mode=REPLACED)
    passfile = () if access.shop.is_fed else (access.intake_passfile(),)
    own = (*operators_secrets(access), *worker_files(access), *panel_files(access), *passfile)
    for file in (*own, *(feeder_files(access) if access.shop.is_fed else ())):
        if file.path.name not in unknown and not file.path.name.endswith(SETTINGS):
            place = {"path": _find_place(file.path, folder), "account": ROOT, "mode": REPLACED}
            yield file.model_copy(update=place)


def _script(path: Path, text: str) -> OwnedFile:
    return OwnedFile(path=path, text=text)


def _find_place(path: Path, folder: Path) -> Path:
    """Have the secrets of each service in a folder of its own, below those of whoever administers."""
    first, *rest = path.relative_to(folder).parts
    return folder.joinpath("secrets", first, *rest) if first in FOLDERS.values() else path
