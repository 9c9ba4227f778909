"""The way to the VPS's database: SSH by a key that may forward to that one port, and do nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from publications.install import services
from publications.install.keys import ssh_key
from publications.install.machine import SECRET, OwnedFile, make_owned_folder
from publications.install.secrets import Secrets
from publications.install.shop import Shop
from publications.install.step import Step

SERVICE = "ssh"
UNIT = "ponte-ssh.service"


def reach_vps(shop: Shop, secrets: Secrets) -> Iterator[Step]:
    """Yield what the intranet needs for it; that it gets there is seen later."""
    machine = shop.machine
    yield make_owned_folder(machine.data / SERVICE, machine.account(SERVICE), 0o700)
    key = OwnedFile(
        path=machine.folder / "ssh/key",
        text=ssh_key(secrets).private,
        account=machine.account(SERVICE),
        mode=SECRET,
    )
    yield Step("key for SSH to the VPS", key.is_there, key.write)
    unit = services.render_unit(UNIT, machine)
    text = (
        unit.text.replace("-p 22 ", f"-p {shop.ssh_port} ")
        .replace("127.0.0.1:5442:127.0.0.1:5432", f"127.0.0.1:{shop.tunnel_port}:127.0.0.1:{shop.vps_port}")
        .replace("ponte@ponte-vps", f"{shop.vps_machine.account(SERVICE)}@{shop.vps}")
    )
    yield from services.install_units([unit.model_copy(update={"text": text})])


def let_in(shop: Shop, secrets: Secrets) -> OwnedFile:
    """Return what the VPS's SSH server reads of who may come."""
    machine = shop.vps_machine
    may = f'restrict,port-forwarding,permitopen="127.0.0.1:{shop.vps_port}"'
    return OwnedFile(
        path=machine.data / SERVICE / ".ssh/authorized_keys",
        text=f"{may} {ssh_key(secrets).public}\n",
        account=machine.account(SERVICE),
        mode=0o600,
    )
