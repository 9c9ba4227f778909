"""A road whose VPS is pushed to: the vitrine's end of it, and both services as processes of their own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from publications.declare.declaration import STARTING_PATH, Declaration, parse_declaration
from publications.push.vitrine import Vitrine
from tests.fix_clusters import Servers, clone_all
from tests.fix_road import ROLE_PASSWORD, Road, open_road

API_KEY = secrets.token_hex(16)
WEBHOOK_SECRET = "whsec_" + "c2VjcmV0" * 6


def pushed_text(where: str | None = None) -> str:
    """Return the starting declaration with the VPS pushed to."""
    text = STARTING_PATH.read_text(encoding="utf-8")
    mark = 'role = "ponte_export_vps"\n'
    assert mark in text
    text = text.replace(mark, f'{mark}transport = "push"\n')
    if where:
        mark = 'publication = "pub_vps_pedidos"\n'
        text = text.replace(mark, f'{mark}where = """{where}"""\n')
    return text


def declare_pushed(where: str | None = None) -> Declaration:
    """Read it."""
    return parse_declaration(pushed_text(where), origin="test")


@contextmanager
def open_pushed(databases: Servers, server_root: Path, declaration: Declaration) -> Iterator[Road]:
    """Have a road that is applied, without the services."""
    with open_road(databases, server_root) as road:
        road.declaration = declaration
        (a_password,) = set(road.settings.passwords.values())
        carriers = dict.fromkeys(declaration.carriers, a_password)
        road.settings = replace(road.settings, passwords={**road.settings.passwords, **carriers})
        road.apply()
        yield road


def push_dsn(road: Road) -> str:
    """Return how the push comes into the vitrine: as its role, which has no REPLICATION."""
    conninfo = road.servers.clusters["vitrine"].conninfo("vitrine")
    return make_conninfo(conninfo, user="ponte_export_vps", password=ROLE_PASSWORD)


@pytest.fixture(scope="module")
def filtered_push(servers: Servers, server_root: Path) -> Iterator[Road]:
    """One road for a module, with a filter on the orders."""
    declaration = declare_pushed("status <> 'cancelado'")
    with clone_all(servers), open_pushed(servers, server_root, declaration) as road:
        yield road


@pytest.fixture
def pushed_vitrine(filtered_push: Road) -> Iterator[tuple[Road, Vitrine]]:
    """The vitrine's end of it."""
    vitrine = Vitrine(push_dsn(filtered_push), "vps", endpoint="vitrine")
    try:
        yield filtered_push, vitrine
    finally:
        vitrine.close()
