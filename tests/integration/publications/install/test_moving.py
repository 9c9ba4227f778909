"""SGP moves from its SQLite file to PostgreSQL while a phone reads; what is not equal stops it before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Thread

import pytest
from pydantic import SecretStr

from publications.commands.step_words import describe
from publications.declare.declaration import STARTING_PATH, Declaration, read_declaration
from publications.install.errors import InstallError
from publications.install.leave import Leaving
from publications.install.machine import Machine
from publications.install.moving import Move
from publications.install.step import carry_out
from publications.settings import PublicationsSettings
from tests.fix_fed import ORDERS, FedRoad, SgpProcess
from tests.fix_road import ROLE_PASSWORD, without_roles
from tests.moving import TABLES, copy_back, copy_rows

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

INSERT = (
    "INSERT INTO pedidos (numero, data_entrada, prioridade, status, cliente, forma_envio_id, financeiro,"
    " conferencia, sublimacao, costura, expedicao, pronto)"
    " VALUES ('novo', '2026-01-11', 'NORMAL', 'pendente', 'Cliente novo', 1,"
    " false, false, false, false, false, false) RETURNING id"
)


class Reader(Thread):
    """Reads on the VPS what phones read, again and again."""

    def __init__(self, fed: FedRoad) -> None:
        super().__init__(daemon=True)
        self._fed, self._stop_it = fed, Event()
        self.reads, self.fewest, self.empty = 0, 10**9, 0

    def run(self) -> None:
        query = "SELECT count(*)::int, count(*) FILTER (WHERE cliente IS NULL)::int FROM vitrine.pedidos"
        with self._fed.road.connect("vps") as conn:
            while not self._stop_it.wait(0.005):
                count, empty = conn.execute(query).fetchone() or (0, 0)
                self.reads, self.fewest, self.empty = (
                    self.reads + 1, min(self.fewest, count), self.empty + empty,
                )  # fmt: skip

    def end(self) -> None:
        self._stop_it.set()
        self.join(30)


@contextmanager
def reading(fed: FedRoad) -> Iterator[Reader]:
    reader = Reader(fed)
    reader.start()
    try:
        yield reader
    finally:
        reader.end()


def copy(fed: FedRoad, *, but: int = 0) -> None:
    with fed.road.connect("sgp") as conn:
        copy_rows(fed.path, conn, but=but)


def moved(fed: FedRoad) -> Move:
    """Return the steps with the other intake; all else is as declared."""
    road, server = fed.road, fed.road.servers.clusters["sgp"]
    declaration = read_declaration(STARTING_PATH)
    roles = [(hop.source, hop.role) for hop in declaration.hops]
    roles += [(role.on, role.name) for role in declaration.roles]
    settings = replace(
        road.settings,
        dsns={**road.settings.dsns, "sgp": SecretStr(server.conninfo("sgp"))},
        passwords=dict.fromkeys(roles, SecretStr(ROLE_PASSWORD)),
        sgp_file=None,
    )
    return Move(declaration, lambda: settings)


@pytest.fixture
def own_roles(fed_road: FedRoad) -> Iterator[None]:
    """SGP's server as one that never saw Ponte: going back drops roles that other databases name."""
    rows = fed_road.road.run("sgp", "SELECT rolname FROM pg_roles WHERE rolname LIKE 'ponte%'")
    with without_roles(fed_road.road, [("sgp", str(name)) for (name,) in rows]):
        yield


@pytest.mark.usefixtures("own_roles")
def test_sgp_moves_without_a_gap_on_the_phones_and_back(fed_road: FedRoad, wal_file: SgpProcess) -> None:
    road = fed_road.road
    fed = (road.declaration, road.settings)
    fed_road.start()
    wal_file.run("UPDATE pedidos SET observacao = 'por fim no arquivo' WHERE id = 1")
    last = "SELECT observacao FROM vitrine.pedidos WHERE id = 1"
    fed_road.wait_for(last, "por fim no arquivo", at="vps")
    before = road.digest("vps")
    with reading(fed_road) as reader:
        wal_file.stop()
        copy(fed_road, but=7)
        move = moved(fed_road)
        with pytest.raises(InstallError, match=r"^1 rows of public\.pedidos are not .* with id 7\n"):
            carry_out(move.before(), lambda *_: None)
        copy(fed_road)
        mend_sequences(fed_road, move)
        assert carry_out(move.before(), lambda *_: None) == 0
        fed_road.stop_feeders()
        road.declaration, road.settings = move.declaration, move.settings()
        assert carry_out([move.part()], lambda *_: None) == 1
        road.apply()
        assert carry_out([move.after()], lambda *_: None) == 1
        assert [describe(step) for step in road.read().plan.steps] == []
        [[key]] = road.run("sgp", INSERT)
        fed_road.wait_for("SELECT max(id) FROM vitrine.pedidos", key, at="vps")
        seen = reader.reads
        road.wait(lambda: reader.reads > seen + 3, "the reader reads on")
    assert key == ORDERS + 1
    assert (reader.fewest, reader.empty) == (ORDERS, 0)
    assert before[0] == ORDERS
    check_it_beats(fed_road)
    assert carry_out([*move.before(), move.part(), move.after()], lambda *_: None) == 0
    go_back(fed_road, *fed)


def go_back(fed: FedRoad, declaration: Declaration, settings: PublicationsSettings) -> None:
    """Have SGP in its file again, with what was written on its server meanwhile."""
    road, last = fed.road, "SELECT observacao FROM vitrine.pedidos WHERE id = %d"
    road.run("sgp", "UPDATE pedidos SET observacao = 'no servidor' WHERE id = 1")
    fed.wait_for(last % 1, "no servidor", at="vps")
    with reading(fed) as reader:
        leave_server(fed)
        road.declaration, road.settings = declaration, settings
        with road.connect("sgp") as conn:
            copy_back(conn, fed.path)
        road.apply()
        done = fed.feed_once("--accept")
        assert done.returncode == 0, done.stderr
        fed.start()
        sgp = SgpProcess(fed.path)
        try:
            sgp.run("UPDATE pedidos SET observacao = 'de novo no arquivo' WHERE id = 2")
            fed.wait_for(last % 2, "de novo no arquivo", at="vps")
        finally:
            sgp.kill()
    assert (reader.fewest, reader.empty) == (ORDERS + 1, 0), "what was made on the server is in the file"
    assert road.run("vps", last % 1) == [("no servidor",)]
    assert [describe(step) for step in road.read().plan.steps] == []


def leave_server(fed: FedRoad) -> None:
    """Do what `ponte uninstall` does to both databases."""
    clusters = fed.road.servers.clusters
    dsns = (clusters["sgp"].conninfo("sgp"), clusters["vitrine"].conninfo("vitrine"))
    leaving = Leaving(fed.road.declaration, Machine(), *dsns)
    own = ("drop subscription", "take slot")
    steps = [step for step in leaving.steps(delete_data=False) if step.says.startswith(own)]
    assert carry_out(steps, lambda *_: None) == len(own)


def mend_sequences(fed: FedRoad, move: Move) -> None:
    """Type what each refusal says, as often as there is one."""
    said = []
    for _ in range(len(TABLES) + 1):
        try:
            carry_out(move.before(), lambda *_: None)
            break
        except InstallError as error:
            said.append(error.fact)
            [statement] = re.findall(r"run on SGP's database: (SELECT setval\(.*\))$", error.hint)
            fed.road.run("sgp", statement)
    assert said[0].startswith("SGP's next row of public.")
    assert f"SGP's next row of public.pedidos would get number 1, and {ORDERS} is taken" in said


def check_it_beats(fed: FedRoad) -> None:
    """A beat that begins to count anew in SGP is newer than the feeder's last."""
    query = "SELECT extract(epoch FROM beat_at)::float8 FROM vitrine.heartbeat"
    [[before]] = fed.road.run("vps", query)
    fed.road.run("sgp", "UPDATE ponte.heartbeat SET beat = beat + 1, beat_at = clock_timestamp()")
    fed.road.wait(lambda: fed.road.run("vps", query) > [(before,)], "a newer beat on the VPS")
    assert fed.ask("SELECT count(*)::int FROM projection.gaps") == 0
