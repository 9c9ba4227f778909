"""An installation that is killed at each of its steps, and run again, ends as one that nobody killed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from db.engines import connect
from db.waiting import wait_until
from publications.install.machine import Machine
from tests.fix_install import ServerShop as Shop

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

KILLER = Path(__file__).parents[1] / "kill_steps.py"


@pytest.fixture
def shop(installed_shop: Shop) -> Shop:
    return installed_shop


def run_killed(shop: Shop, machine: Machine, module: str, words: str, *, code: int) -> list[str]:
    """Return the steps at which it was killed."""
    done = shop.type(f"{shop.venv}/bin/python {KILLER} {module} {words}", machine, cwd=shop.root)
    assert done.returncode == code, done.stdout + done.stderr + shop.logs()
    return done.stdout.splitlines()


def write_answers(shop: Shop) -> str:
    """Return the flags of somebody who is asked nothing."""
    names = ("sgp", "media", "intranet", "vps", "public_url", "wheel")
    told = (f'--{name.replace("_", "-")} "{shop.answers[name]}"' for name in names)
    password = shop.sgp.spec.superuser_password_file
    return f"--folder {shop.intranet.folder} --yes --sgp-password-file {password} {' '.join(told)}"


def test_an_installation_killed_at_each_step_ends_the_same(shop: Shop) -> None:
    shop.tell_places()
    words = write_answers(shop)
    check_looking_does_nothing(shop, words)
    check_a_wrong_password_is_said_and_forgotten(shop, words)
    near = run_killed(shop, shop.intranet, "publications.__main__", f"init {words}", code=3)
    bundle = shop.root / "vps/ponte-vps/bundle.json"
    shop.type(f"tar xf {shop.intranet.folder}/ponte-vps.tar -C {shop.root}/vps", shop.vps, cwd=shop.root)
    there = run_killed(shop, shop.vps, "publications.install.__main__", str(bundle), code=0)
    far = run_killed(shop, shop.intranet, "publications.__main__", f"init {words}", code=0)
    assert min(len(near), len(there)) > 15
    assert len(far) > 3
    look = f". {shop.intranet.folder}/ponte.sh; ponte status"
    assert wait_until(lambda: shop.type(look, shop.intranet, cwd=shop.root).returncode == 0, 90), shop.logs()
    again = shop.type(f"{shop.venv}/bin/ponte init {words}", shop.intranet, cwd=shop.root)
    assert (again.returncode, "does" in again.stderr) == (0, False), again.stderr
    check_nothing_half_made(shop)
    assert count_orders(shop, "vitrine") > 100
    assert count_orders(shop, "vitrine") == count_orders(shop, "vps")


def check_looking_does_nothing(shop: Shop, words: str) -> None:
    done = shop.type(f"{shop.venv}/bin/ponte init --dry-run {words}", shop.intranet, cwd=shop.root)
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("to do ") > 25
    assert [one.name for one in shop.intranet.folder.iterdir()] == ["shop.toml"]


def check_a_wrong_password_is_said_and_forgotten(shop: Shop, words: str) -> None:
    wrong = shop.root / "wrong"
    wrong.write_text("wrong")
    right = str(shop.sgp.spec.superuser_password_file)
    command = f"{shop.venv}/bin/ponte init {words.replace(right, str(wrong))}"
    done = shop.type(command, shop.intranet, cwd=shop.root)
    assert done.returncode == 1
    assert re.search(r"refuses role postgres with this password\nHINT: ", done.stderr), done.stderr
    assert not (shop.intranet.folder / "secrets/ponte_sgp_dsn").exists()


def check_nothing_half_made(shop: Shop) -> None:
    for machine in (shop.intranet, shop.vps):
        for folder in (machine.folder, machine.data, machine.units):
            assert [one for one in folder.iterdir() if ".new" in one.name or one.suffix == ".pw"] == []


def count_orders(shop: Shop, database: str) -> int:
    dsn = (shop.intranet.folder / f"secrets/ponte_{database}_dsn").read_text().strip()
    with connect(dsn) as conn:
        row = conn.execute("SELECT count(*) FROM vitrine.pedidos").fetchone()
    return int(row[0]) if row else 0
