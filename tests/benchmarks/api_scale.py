"""Whether reading takes as long among a million orders as among ten thousand."""

from __future__ import annotations

import contextlib
from functools import cache

from tests.benchmarks.api_http import COLD, FAST, ROUNDS, measure_cold
from tests.fix_api import RunningApi, make_window, run_api, run_cluster

SMALL, LARGE = 10_000, 1_000_000
PATHS = {
    "detail": "/pedidos/ID",
    "list": "/pedidos/?limit=50",
    "search_numero": "/pedidos/?limit=50&busca=00ID",
    "search_cliente": "/pedidos/?limit=50&busca=agencia%20ID",
}


@cache
def measure_scale() -> dict[str, float]:
    """Return, for each kind of reading, the time among a million orders over that among ten thousand."""
    with run_cluster(FAST) as cluster, contextlib.ExitStack() as stack:

        def start(pedidos: int) -> RunningApi:
            return stack.enter_context(
                run_api(make_window(cluster, f"of_{pedidos}", pedidos=pedidos), **COLD)
            )

        small, large = start(SMALL), start(LARGE)
        return {name: _compare(small, large, path) for name, path in PATHS.items()}


def _compare(small: RunningApi, large: RunningApi, path: str) -> float:
    """Take turns; the best rate of each counts."""
    pairs = [(measure_cold(small, SMALL, path), measure_cold(large, LARGE, path)) for _ in range(ROUNDS)]
    return max(one for one, _ in pairs) / max(other for _, other in pairs)


FIGURES = {
    "detail_1m_vs_10k": lambda: measure_scale()["detail"],
    "list_page_1m_vs_10k": lambda: measure_scale()["list"],
    "search_numero_1m_vs_10k": lambda: measure_scale()["search_numero"],
    "search_cliente_1m_vs_10k": lambda: measure_scale()["search_cliente"],
}
