"""From a bare server and a bare VPS to the first order on a phone, by what docs/install.md says; and back."""

from __future__ import annotations

import shutil
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from db.engines import connect
from db.waiting import wait_until
from tests.fix_install import ServerShop as Shop
from tests.technician import Technician, fetch, log_in, read_commands

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

CATALOGS = Path(__file__).with_name("catalogs.sql").read_bytes()


@pytest.fixture
def shop(installed_shop: Shop) -> Shop:
    return installed_shop


def read_catalogs(shop: Shop) -> set[tuple[Any, ...]]:
    with connect(shop.sgp.conninfo("sgp")) as conn:
        return set(conn.execute(CATALOGS).fetchall())


def test_the_pages_commands_lead_from_a_bare_state_to_an_order_on_a_phone_and_back(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_catalogs(shop)
    shop.tell_places()
    technician = Technician(shop)

    def say(counted: str) -> None:
        with capsys.disabled():
            sys.stderr.write(f"\ninstall: {counted}\n")

    assert len(technician.installs(say)) > 100
    check_secrets(shop)
    check_a_second_init_does_nothing(technician)
    type_all(technician, "backup", "update")
    lose_the_vps(shop, technician)
    lose_the_intranet(shop, technician)
    type_all(technician, "remove", "remove-vps")
    assert read_catalogs(shop) == before
    for machine in (shop.intranet, shop.vps):
        assert [one.name for one in machine.folder.parent.iterdir() if one.name != "units"] == []
        assert list(machine.units.glob("ponte-*")) == []


def type_all(technician: Technician, *kinds: str) -> None:
    for kind in kinds:
        for _, command in read_commands(kind):
            technician.expects(0, kind, command)


def lose_the_vps(shop: Shop, technician: Technician) -> None:
    type_all(technician, "remove-vps", "lost-copy", "lost-vps", "lost-there")
    check_all_is_well(shop, technician, "de novo na VPS")


def lose_the_intranet(shop: Shop, technician: Technician) -> None:
    """SGP's server is the shop's own; what is lost is all that Ponte had beside it."""
    machine = shop.intranet
    for unit in machine.units.glob("ponte-*"):
        technician.expects(0, "intranet", f"systemctl disable --now {unit.name}")
        unit.unlink()
    shutil.rmtree(machine.data)
    shutil.rmtree(machine.folder)
    type_all(technician, "lost-intranet")
    check_all_is_well(shop, technician, "de novo na intranet")


def check_all_is_well(shop: Shop, technician: Technician, note: str) -> None:
    """An order that SGP changes now is on the phone, and nothing is missing there."""
    assert wait_until(lambda: technician.types("intranet", "ponte status").returncode == 0, 60), shop.logs()
    with connect(shop.sgp.conninfo("sgp")) as conn:
        [[key]] = conn.execute(
            "UPDATE pedidos SET observacao = %s WHERE id = (SELECT max(id) FROM pedidos) RETURNING id", [note]
        ).fetchall()
    token = log_in(shop)
    assert wait_until(lambda: fetch(shop, f"/pedidos/{key}", token=token)["observacao"] == note, 30)
    assert len(fetch(shop, "/pedidos/", token=token)) > 100


def check_secrets(shop: Shop) -> None:
    """Nobody but its service, and root, reads a secret; none is in a unit, an .env file or a log."""
    known = {
        path.read_text().strip()
        for machine in (shop.intranet, shop.vps)
        for path in machine.folder.rglob("ponte_*")
    }
    assert len(known) > 20
    passwords = {word for word in known if " " not in word}
    for machine in (shop.intranet, shop.vps):
        for path in (*machine.folder.rglob("*"), *machine.units.rglob("*")):
            if not path.is_file():
                continue
            closed = not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
            text = path.read_text(errors="replace")
            assert closed or not any(word in text for word in passwords), path
    assert not any(word in command for word in passwords for command in shop.typed)


def check_a_second_init_does_nothing(technician: Technician) -> None:
    done = technician.types("intranet", "/opt/ponte/bin/ponte init")
    assert done.returncode == 0
    assert "does" not in done.stderr
