"""SGP changes all the time while sender, receiver, databases and the line are killed at random."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from infra.devstack.seed import change_order, delete_order, insert_order
from tests.fix_push import Pushed

TABLES = ("pedidos", "imagens", "usuarios", "miniaturas", "credenciais")


class Writer:
    """SGP's users: so many transactions, then no more."""

    def __init__(self, pushed: Pushed, changes: int, seed: int) -> None:
        self.done = 0
        self.error: BaseException | None = None
        self._pushed, self._changes = pushed, changes
        self._rng = random.Random(seed)
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        mine: list[int] = []
        try:
            with self._pushed.road.connect("sgp") as sgp:
                while self.done < self._changes:
                    action = self._rng.random()
                    with sgp.transaction():
                        if action < 0.1:
                            mine.append(insert_order(sgp, rng=self._rng))
                        elif action < 0.15 and mine:
                            delete_order(sgp, mine.pop(self._rng.randrange(len(mine))))
                        else:
                            change_order(sgp, rng=self._rng)
                    self.done += 1
        except BaseException as error:  # noqa: BLE001  # told by the test's own thread
            self.error = error

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def wait(self, done: int) -> None:
        """Wait until so many are committed."""
        wanted = min(done, self._changes)
        self._pushed.road.wait(
            lambda: self.error is not None or self.done >= wanted, f"{wanted} changes in SGP"
        )
        assert self.error is None, self.error


def kill_service(pushed: Pushed, rng: random.Random) -> Callable[[], None]:
    """Kill sender or receiver."""
    name = rng.choice(["push", "ingest"])
    pushed.kill(name)
    return lambda: pushed.start(name)


def kill_server(pushed: Pushed, rng: random.Random) -> Callable[[], None]:
    """Kill one of the databases, or both."""
    names = rng.choice([["vps"], ["vitrine"], ["vps", "vitrine"]])
    for name in names:
        pushed.road.servers.clusters[name].kill()

    def start() -> None:
        for name in names:
            pushed.road.servers.clusters[name].start()

    return start


def break_line(pushed: Pushed, rng: random.Random) -> Callable[[], None]:
    """Cut the line after some bytes, in the middle of whatever is on its way, or swallow all of it."""
    if rng.random() < 0.6:
        pushed.link.cut_after(rng.randrange(1, 30_000))
    else:
        pushed.link.deafen()
    return pushed.link.heal


BLOWS = (kill_service, kill_service, kill_server, break_line, break_line)


def storm(pushed: Pushed, *, changes: int, blows: int, seed: int) -> None:
    """Have so many changes and blows, and wait until both ends hold the same rows."""
    rng = random.Random(seed)
    step = changes // (2 * blows + 1)
    with Writer(pushed, changes, seed) as writer:
        for blow in range(blows):
            writer.wait((2 * blow + 1) * step)
            end = rng.choice(BLOWS)(pushed, rng)
            writer.wait((2 * blow + 2) * step)
            end()
    assert writer.error is None
    assert writer.done == changes
    pushed.road.wait_arrival()
    pushed.wait_equal(tables=TABLES)
