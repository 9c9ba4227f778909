"""A shop whose rows are pushed: both ends are made, and the VPS knows no way back."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from db.engines import connect
from db.waiting import wait_until
from tests.fix_install import ServerShop
from tests.technician import Technician, fetch, log_in, read_commands

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

INSTALL = "tar xf ponte-vps.tar && sh ponte-vps/install"


def test_both_ends_are_made_apart_and_a_phone_shows_what_changes(installed_shop: ServerShop) -> None:
    shop = installed_shop
    shop.tell_places()
    technician = Technician(shop)
    init = write_command(shop)
    for kind, command in itertools.takewhile(
        lambda one: not one[1].endswith("init"), read_commands("intranet")
    ):
        technician.expects(0, kind, command)
    technician.expects(3, "intranet", init)
    technician.expects(0, "intranet", "scp /etc/ponte/ponte-vps.tar root@100.64.0.7:")
    technician.expects(0, "vps", INSTALL)
    done = technician.types("intranet", f"FORCE_COLOR=1 {init}")
    assert (done.returncode, "copying tables" in done.stderr) == (0, True), done.stderr
    token = log_in(shop)
    with connect(shop.sgp.conninfo("sgp")) as conn:
        conn.execute("UPDATE pedidos SET observacao = 'sem túnel' WHERE id = 100")
    assert wait_until(lambda: fetch(shop, "/pedidos/100", token=token)["observacao"] == "sem túnel", 60)
    technician.types("intranet", ". /etc/ponte/ponte.sh")
    wait_until(lambda: technician.types("intranet", "ponte status").returncode == 0, 30)
    technician.expects(0, "intranet", "ponte status")
    assert technician.types("intranet", "ponte plan").returncode == 0
    check_the_vps_knows_no_way_back(shop)
    for kind, command in (("intranet", init), ("vps", INSTALL)):
        done = technician.types(kind, command)
        assert (done.returncode, "does" in done.stderr) == (0, False), done.stderr


def write_command(shop: ServerShop) -> str:
    password = shop.root / "password"
    password.write_text(shop.password["password"])
    told = {**shop.source, "media": shop.root / "media", "vps": "127.0.0.1", "transport": "push"}
    told |= {"push-url": f"http://127.0.0.1:{shop.ports['ingest_port']}"}
    told |= {"public-url": shop.answers["public_url"], "wheel": shop.wheel, "sgp-password-file": password}
    flags = " ".join(f"--{name} '{value}'" for name, value in told.items() if value)
    return f"/opt/ponte/bin/ponte init --yes {flags}"


def check_the_vps_knows_no_way_back(shop: ServerShop) -> None:
    secrets = shop.intranet.folder / "secrets"
    known = [path.read_text().strip() for path in secrets.glob("ponte_vitrine_*_password")]
    known += [path.read_text().strip() for path in secrets.glob("ponte_sgp_*")]
    assert len(known) > 2
    files = [*find_files(shop.vps.folder), *find_files(shop.root / "vps/ponte-vps")]
    assert [path for path in files if any(word in path.read_text(errors="replace") for word in known)] == []
    assert list(shop.vps.passfiles.iterdir()) == []
    assert not (shop.vps.data / "ssh").exists()
    superuser = (secrets / "vps_superuser").read_text().strip()
    with connect(
        f"host=127.0.0.1 port={shop.ports['vps_port']} dbname=vps user=postgres password={superuser}"
    ) as conn:
        assert conn.execute("SELECT FROM pg_subscription").fetchall() == []


def find_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".whl"]
