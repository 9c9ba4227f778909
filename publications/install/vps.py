"""What makes a machine a VPS of Ponte's, from a bundle."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.resources import files

from publications.install import services
from publications.install.accounts import check_python, make_accounts
from publications.install.bundle import Bundle
from publications.install.cluster import HOST, SERVICE, UNIT, OwnCluster, find_bindir
from publications.install.errors import InstallError
from publications.install.folders import drop_all
from publications.install.machine import OwnedFile, make_owned_folder, write_files
from publications.install.step import Step

HTTPS = "ponte-https.service"


def make_vps(bundle: Bundle) -> Iterator[Step]:
    """Yield what is to be so, in order."""
    machine, cluster = bundle.machine, _cluster(bundle)
    yield from make_accounts(machine, _accounts(bundle))
    yield check_python(machine, "api")
    yield from cluster.steps()
    if bundle.declaration:
        from publications.install.window import Window  # noqa: PLC0415  # what migrates is in an extra of its own

        yield from Window(bundle, cluster.dsn()).steps()
    yield make_owned_folder(machine.miniaturas, machine.account("ingest"), 0o755)
    if not bundle.declaration:
        yield make_owned_folder(machine.data / "ssh", machine.account("ssh"), 0o700)
    yield make_owned_folder(machine.data / "https", machine.account("https"), 0o700)
    again = services.restart(bundle.services)
    yield write_files("settings and secrets of the services", bundle.files, after=again)
    yield from services.install_units(_units(bundle))
    for name in bundle.services:
        yield services.start(name)


def leave_vps(bundle: Bundle, *, delete_data: bool) -> Iterator[Step]:
    """Yield what takes it all away again; the folders and users only when told to."""
    for name in (*reversed(bundle.services), UNIT):
        yield services.remove(name, bundle.machine)
    if delete_data:
        yield from drop_all(bundle.machine, _accounts(bundle))


def _accounts(bundle: Bundle) -> list[str]:
    """Nobody comes by SSH where the archive itself knows what the database is to be."""
    ssh = [] if bundle.declaration else ["ssh"]
    return [SERVICE, *ssh, *_names(bundle)]


def _names(bundle: Bundle) -> list[str]:
    return [name.removeprefix("ponte-").removesuffix(".service") for name in bundle.services]


def _cluster(bundle: Bundle) -> OwnCluster:
    small = files("infra").joinpath("vps", "postgresql-1gb.conf").read_text(encoding="utf-8")
    return OwnCluster(
        machine=bundle.machine,
        bindir=find_bindir(bundle.bindir),
        listen=HOST,
        port=bundle.port,
        database=bundle.database,
        password=bundle.password,
        base=small,
        parameters={},
        hba="",
        pair=None,
    )


def _units(bundle: Bundle) -> Iterator[OwnedFile]:
    for name in bundle.services:
        unit = services.render_unit(name, bundle.machine)
        yield (
            unit.model_copy(update={"text": unit.text.replace("/usr/bin/caddy", _caddy())})
            if name == HTTPS
            else unit
        )


def _caddy() -> str:
    found = shutil.which("caddy")
    if found is None:
        raise InstallError("caddy is not installed", "install the package 'caddy', then run this again")
    return found
