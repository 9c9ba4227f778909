"""Writers against readers over two processes: nobody who has seen a change gets what was before it.

A read is stale if its request was sent after the change was visible to a SELECT, or in another answer,
and it shows an older version. PONTE_RACE_S makes it longer; 60 is what is promised.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from db.engines import Connection, connect
from db.waiting import wait_until
from tests.fix_api import Client, RunningApi, Windows, run_api, write_session

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]

PEDIDOS = 40
HOT = 12
SECONDS = float(os.environ.get("PONTE_RACE_S", "2"))
DEADLINE_S = 200.0
ENOUGH = 100


@dataclass
class Race:
    """What the threads share."""

    dsn: str
    stopping: threading.Event = field(default_factory=threading.Event)
    writes: int = 0
    reads: int = 0
    unchanged: int = 0
    stale: list[str] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)

    @property
    def was_run(self) -> bool:
        """Tell whether each kind of request was made often enough to mean something."""
        return min(self.writes, self.reads, self.unchanged) > ENOUGH

    def run(self, *parts: Callable[[Race], None]) -> None:
        threads = [threading.Thread(target=self._guard, args=(part,)) for part in parts]
        for thread in threads:
            thread.start()
        self.stopping.wait(SECONDS)
        wait_until(lambda: self.stopping.is_set() or self.was_run, DEADLINE_S)  # slow machines take longer
        self.stopping.set()
        for thread in threads:
            thread.join(60)

    def _guard(self, part: Callable[[Race], None]) -> None:
        try:
            part(self)
        except BaseException as error:  # noqa: BLE001 - told by the test
            self.errors.append(error)
            self.stopping.set()


@pytest.fixture(scope="module")
def api(windows: Windows) -> Iterator[tuple[RunningApi, str]]:
    with windows.open(pedidos=PEDIDOS) as dsn, run_api(dsn, processes="2") as running:
        yield running, dsn


def write(race: Race) -> None:
    """Count up a note, now and then in a transaction that stays open for a while."""
    rng = random.Random(threading.get_ident())
    with write_session(race.dsn) as conn:
        while not race.stopping.is_set():
            with conn.transaction():
                for pedido_id in sorted(rng.sample(range(1, HOT + 1), rng.choice((1, 1, 1, 3)))):
                    conn.execute(
                        "UPDATE vitrine.pedidos SET observacao = (observacao::bigint + 1)::text,"
                        " versao = versao + 1 WHERE id = %s",
                        [pedido_id],
                    )
                if rng.random() < 0.05:
                    time.sleep(0.01)
            race.writes += 1
            if rng.random() < 0.5:
                time.sleep(rng.random() * 0.008)


def see(conn: Connection, pedido_id: int) -> int:
    row = conn.execute("SELECT observacao::bigint FROM vitrine.pedidos WHERE id = %s", [pedido_id]).fetchone()
    assert row is not None
    return int(row[0])


def reader(port: int, seed: int) -> Callable[[Race], None]:
    def read(race: Race) -> None:
        rng = random.Random(seed)
        clients = [Client(port) for _ in range(6)]  # the kernel deals them out to both processes
        etags: dict[int, tuple[str, int]] = {}
        with connect(race.dsn) as conn:
            while not race.stopping.is_set():
                pedido_id = rng.randint(1, HOT)
                seen = see(conn, pedido_id)
                for client in rng.sample(clients, 2):
                    seen = ask(race, client, pedido_id, seen=seen, etags=etags, rng=rng)
        for client in clients:
            client.close()

    return read


def ask(
    race: Race,
    client: Client,
    pedido_id: int,
    *,
    seen: int,
    etags: dict[int, tuple[str, int]],
    rng: random.Random,
) -> int:
    """Read one order in one of three ways; return the version that is now known to be visible."""
    race.reads += 1
    if rng.random() < 0.05:
        rows = {one["id"]: int(one["observacao"]) for one in client.get("/pedidos/").json()}
        return check(race, "list", rows[pedido_id], seen)
    tag, version = etags.get(pedido_id, ("", 0))
    answer = client.get(f"/pedidos/{pedido_id}", **({"If_None_Match": tag} if tag else {}))
    if answer.status == 304:
        race.unchanged += 1
        return check(race, "304", version, seen)
    assert answer.status == 200, answer
    version = int(json.loads(answer.content)["observacao"])
    etags[pedido_id] = (answer.headers["etag"], version)
    return check(race, "detail", version, seen)


def check(race: Race, what: str, got: int, seen: int) -> int:
    if got < seen:
        race.stale.append(f"{what}: {got} after {seen}")
    return max(got, seen)


def test_no_reader_gets_what_was_before_a_change_that_he_has_seen(api: tuple[RunningApi, str]) -> None:
    running, dsn = api
    race = Race(dsn)
    race.run(write, write, *(reader(running.port, seed) for seed in range(4)))
    print(f"{race.writes} writes, {race.reads} reads, {race.unchanged} of them 304")  # noqa: T201
    assert race.errors == []
    assert race.stale == []
    assert race.was_run
