"""Passwords that can be found out, by what a server keeps of them."""

from __future__ import annotations

import psycopg
import pytest

from publications.decide.passwords import find_weak

pytestmark = pytest.mark.unit


def keep(password: str, role: str) -> str:
    """Return what a server keeps, as libpq itself makes it."""
    conn = psycopg.pq.PGconn.connect_start(b"")
    return conn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()


def test_what_is_guessed_short_or_kept_badly_is_named_and_nothing_else() -> None:
    good, short = "x7Jq-" * 9, "x7Jq-"
    told = {
        "postgres": keep("postgres", "postgres"),
        "ponte_watch": keep("ponte_watch", "ponte_watch"),
        "ponte_worker": keep(good, "ponte_worker"),
        "ponte_export_vps": keep(short, "ponte_export_vps"),
        "ponte_intake": keep(short, "ponte_intake"),
        "old": "md5" + "0" * 32,
        "nobody": None,
    }
    assert find_weak(told, {"ponte_worker": good, "ponte_export_vps": short}) == [
        "old (kept as MD5)",
        "ponte_export_vps (shorter than 20 letters)",
        "ponte_watch (guessed)",
        "postgres (guessed)",
    ]
