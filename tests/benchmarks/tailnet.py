"""An order's way over a real tailnet and a line of 40 ms there and back: how long until the VPS shows it."""

from __future__ import annotations

import time
from statistics import median

from db.engines import Connection
from publications.watch.measure import measure_round_trip_ms
from tests.fix_netns import VPS
from tests.fix_tailnet import INTRANET_ADDRESS, run_tailnet
from tests.fix_two_ends import PORTS, run_two_ends

ONE_WAY_MS = 20.0
ROUNDS = 200
WARM_UP = 20
DEADLINE_S = 30.0


def visible_over_rtt_ms() -> float:
    """Return the median from a commit in SGP to the row on the VPS, less the line's own round trip.

    The row has to come one way alone, so about half of the round trip is had back.
    """
    with run_tailnet() as tailnet, run_two_ends(tailnet, services=False) as ends:
        tailnet.wires.set_line(delay_ms=ONE_WAY_MS)
        with ends.road.connect("sgp") as sgp, ends.road.connect("vps") as vps:
            delays_ms = [_carry(sgp, vps, number) for number in range(ROUNDS + WARM_UP)][WARM_UP:]
        with tailnet.wires.enter(VPS):
            trip_ms = measure_round_trip_ms(INTRANET_ADDRESS, PORTS["vitrine"])
    if trip_ms is None or trip_ms < 2 * ONE_WAY_MS:
        raise RuntimeError(f"the line is not what it should be: {trip_ms} ms")
    return median(delays_ms) - trip_ms


def _carry(sgp: Connection, vps: Connection, number: int) -> float:
    """Change an order, and wait until a reader on the VPS sees it."""
    mark = f"bench {number}"
    sgp.execute("UPDATE pedidos SET observacao = %s WHERE id = %s", [mark, 1 + number % 10])
    began = time.perf_counter()
    while vps.execute("SELECT 1 FROM vitrine.pedidos WHERE observacao = %s", [mark]).fetchone() is None:
        if time.perf_counter() - began > DEADLINE_S:
            raise TimeoutError(f"no sight of {mark}")
    return (time.perf_counter() - began) * 1000


FIGURES = {"tailnet_visible_over_rtt_ms": visible_over_rtt_ms}
