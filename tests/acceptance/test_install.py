"""From a bare server and a bare VPS to the first order on a phone, by `ponte init`; and back."""

from __future__ import annotations

import pytest

from infra.devstack.state import wait_until
from tests.fix_install import Shop

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]


def test_it(shop: Shop) -> None:
    shop.tell_places()
    folder = shop.intranet.folder
    done = shop.type(
        f"{shop.venv}/bin/ponte init --folder {folder} --dry-run",
        shop.intranet,
        cwd=shop.root,
        answers=list(shop.answers.values()),
    )
    print(done.stderr)
    done = shop.type(
        f"{shop.venv}/bin/ponte -v init --folder {folder}",
        shop.intranet,
        cwd=shop.root,
        answers=list(shop.answers.values()),
    )
    print(done.stderr, done.returncode, shop.logs())
    vps = shop.root / "vps"
    done = shop.type(
        f"cp {folder}/ponte-vps.tar . && tar xf ponte-vps.tar && sh ponte-vps/install", shop.vps, cwd=vps
    )
    print(done.stdout, done.stderr, done.returncode)
    done = shop.type(f"{shop.venv}/bin/ponte -v init --folder {folder}", shop.intranet, cwd=shop.root)
    print(done.stderr, done.returncode)

    def ok():
        done = shop.type(f". {folder}/ponte.sh; ponte status", shop.intranet, cwd=shop.root)
        return done.returncode == 0

    print(wait_until(ok, 60))
    done = shop.type(f". {folder}/ponte.sh; ponte status", shop.intranet, cwd=shop.root)
    print(done.stdout, done.stderr)
    done = shop.type(
        f"curl -sk {shop.answers['public_url']}/saude; curl -sk {shop.answers['public_url']}/",
        shop.vps,
        cwd=vps,
    )
    print(done.stdout, done.stderr)
    print(shop.logs())
    assert 0
