"""The same page, where SGP is a SQLite file: from a bare state to a phone, and back without a trace."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from db.engines import connect
from db.waiting import wait_until
from infra.devstack.clusters import Cluster
from tests.fix_fed import SgpProcess
from tests.fix_install import Shop, run_sgps_cluster
from tests.fix_install_file import ORDERS, FileShop
from tests.moving import TABLES, copy_rows
from tests.ports import find_free_port
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
    sgp.stop()
    with_feeder = shop.read_folder()
    assert with_feeder.keys() == before.keys()
    with run_server(shop) as server:
        copy_and_move(shop, technician, server)
        leave(shop, technician)
    assert shop.read_folder() == with_feeder


@contextmanager
def run_server(shop: FileShop) -> Iterator[Cluster]:
    """SGP's PostgreSQL, with its tables and the rows of the file."""
    server = run_sgps_cluster(shop.root / "server", find_free_port(), shop.sgp_bindir)
    try:
        yield server
    finally:
        server.stop("immediate")


def copy(shop: FileShop, server: Cluster, *, but: int = 0) -> None:
    with connect(server.conninfo("sgp")) as conn:
        copy_rows(shop.file, conn, but=but)
        for table in TABLES:
            conn.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), 1000)", [f'public."{table}"'])


def copy_and_move(shop: FileShop, technician: Technician, server: Cluster) -> None:
    """Type what docs/moving.md says, first with an order that was not copied: nothing changes then."""
    declared = shop.intranet.folder / "sgp.toml"
    before = declared.read_text()
    [source, look, move, again] = [command for _, command in read_commands("move", page="moving")]
    move = move.replace("port=5432", f"port={server.spec.port}")
    password = server.spec.superuser_password_file.read_text().strip()
    copy(shop, server, but=7)
    technician.expects(0, "intranet", source)
    done = technician.types("intranet", move, [password])
    assert done.returncode == 1
    assert "1 rows of public.pedidos are not in SGP's PostgreSQL what they were in its file" in done.stderr
    assert declared.read_text() == before
    technician.expects(0, "intranet", look)
    copy(shop, server)
    technician.expects(0, "intranet", move, [password])
    assert wait_until(lambda: technician.types("intranet", again).returncode == 0, 60), shop.logs()
    with connect(server.conninfo("sgp")) as conn:
        conn.execute("UPDATE pedidos SET observacao = 'do servidor' WHERE id = 7")
    assert shows(shop, log_in(shop), "do servidor"), shop.logs()
    assert not (shop.intranet.units / "ponte-feeder.service").exists()


def leave(shop: FileShop, technician: Technician) -> None:
    for kind in ("remove", "remove-vps"):
        for _, command in read_commands(kind):
            technician.expects(0, kind, command)
    for machine in (shop.intranet, shop.vps):
        assert [one.name for one in machine.folder.parent.iterdir() if one.name != "units"] == []
        assert list(machine.units.glob("ponte-*")) == []


def check_changes_arrive(shop: FileShop, sgp: SgpProcess) -> None:
    sgp.run("UPDATE pedidos SET observacao = 'do arquivo' WHERE id = 7")
    assert shows(shop, log_in(shop), "do arquivo"), shop.logs()


def shows(shop: FileShop, token: str, note: str) -> bool:
    """Tell whether a phone sees the note before long."""

    def look() -> bool:
        order: dict[str, Any] = fetch(shop, "/pedidos/7", token=token)
        return bool(order["observacao"] == note)

    return wait_until(look, 30)
