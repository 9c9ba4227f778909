"""The same page, where SGP is a SQLite file: from a bare state to a phone, and back without a trace."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from db.waiting import wait_until
from tests.fix_fed import SgpProcess
from tests.fix_install import Shop
from tests.fix_install_file import ORDERS, FileShop
from tests.technician import Technician, fetch, log_in, read_commands

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


class Newcomer(Technician):
    """SGP's group alone may read the file: does what `ponte init` says lets each service's user in."""

    def __init__(self, shop: Shop) -> None:
        super().__init__(shop)
        self.shut_out = ["feeder", "worker"]

    def expects(self, code: int, kind: str, command: str, answers: Sequence[str] = ()) -> str:
        while command.endswith("ponte init") and self.shut_out:
            done = self.types(kind, command, answers)
            assert done.returncode == 1, done.stderr
            [fact, hint] = done.stderr.splitlines()[-2:]
            assert "can't be read: permission denied" in fact
            [told] = re.findall(r"^HINT: let it: (usermod -aG \S+ \S+),", hint)
            assert told.endswith(self.shop.intranet.account(self.shut_out.pop(0)))
            super().expects(0, kind, told)
        return super().expects(code, kind, command, answers)


def test_the_page_leads_to_the_same_with_a_file_and_leaves_it_as_it_was(
    file_shop: FileShop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop, technician = file_shop, Newcomer(file_shop)
    shop.tell_places()
    before = shop.read_folder()
    sgp = SgpProcess(shop.file)

    def say(counted: str) -> None:
        with capsys.disabled():
            sys.stderr.write(f"\ninstall with a file: {counted}\n")

    assert len(technician.installs(say)) == ORDERS
    check_changes_arrive(shop, sgp)
    sgp.run("UPDATE pedidos SET observacao = NULL")
    sgp.stop()
    with_feeder = shop.read_folder()
    assert {name: rest for name, (_, *rest) in with_feeder.items()}.keys() == before.keys()
    for kind in ("remove", "remove-vps"):
        for _, command in read_commands(kind):
            technician.expects(0, kind, command)
    assert shop.read_folder() == with_feeder
    for machine in (shop.intranet, shop.vps):
        assert [one.name for one in machine.folder.parent.iterdir() if one.name != "units"] == []
        assert list(machine.units.glob("ponte-*")) == []


def check_changes_arrive(shop: FileShop, sgp: SgpProcess) -> None:
    token = log_in(shop)
    sgp.run("UPDATE pedidos SET observacao = 'do arquivo' WHERE id = 7")

    def shows() -> bool:
        order: dict[str, Any] = fetch(shop, "/pedidos/7", token=token)
        return bool(order["observacao"] == "do arquivo")

    assert wait_until(shows, 30), shop.logs()
