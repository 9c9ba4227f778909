"""Under which names the panel answers: a page elsewhere may have its own name lead to this machine."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, cast

import httpx
import pytest

from publications.panel.app import create_app, is_own_name


class Poller:
    """One that has not looked yet."""

    last = None


OURS = [
    "127.0.0.1:8090",
    "127.0.0.1",
    "[::1]:8090",
    "[::1]",
    "100.64.0.5:8090",
    "localhost:8090",
    "SERVIDOR",
]
STRANGE = [
    "evil.example",
    "evil.example:8090",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "",
    "a b",
    "[evil]",
]


@pytest.mark.parametrize("host", OURS)
def test_addresses_and_names_without_a_dot_are_ours(host: str) -> None:
    assert is_own_name(host, frozenset())


@pytest.mark.parametrize("host", STRANGE)
def test_any_other_name_is_strange(host: str) -> None:
    assert not is_own_name(host, frozenset())


@pytest.mark.parametrize("path", ["/", "/conteudo", "/estado", "/metrics", "/estatico/panel.js", "/nada"])
def test_a_page_elsewhere_reads_nothing(path: str) -> None:
    wire = httpx.ASGITransport(create_app(cast("Any", Poller()), names=["ponte.loja.lan"]))

    async def ask(host: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=wire, base_url="http://panel") as browser:
            return await browser.get(path, headers={"Host": host})

    strange, known, own = (
        asyncio.run(ask(host)) for host in ("evil.example", "Ponte.loja.lan:8090", socket.getfqdn())
    )
    assert (strange.status_code, "PONTE_PANEL_NAMES" in strange.text) == (421, True)
    assert strange.headers["cache-control"] == "no-store"
    assert known.status_code == own.status_code == (404 if path == "/nada" else 200)
