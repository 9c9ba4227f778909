"""From a bare server and a bare VPS to the first order on a phone, by what docs/install.md says; and back."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from db.engines import connect
from tests.fix_install import ServerShop as Shop
from tests.technician import Technician, read_commands

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

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
    for kind in ("backup", "update", "remove", "remove-vps"):
        for _, command in read_commands(kind):
            technician.expects(0, kind, command)
    assert read_catalogs(shop) == before
    for machine in (shop.intranet, shop.vps):
        assert [one.name for one in machine.folder.parent.iterdir() if one.name != "units"] == []
        assert list(machine.units.glob("ponte-*")) == []


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
