"""Ports for what a test starts: below those that systems take for outgoing connections."""

from __future__ import annotations

import os
import random
import socket

LOWEST, COUNT = 20000, 10000

_chosen = random.Random(os.getpid())
"""Each process its own row of numbers: tests run in several at once."""


def find_free_ports(count: int) -> list[int]:
    """Return ports in a row that nobody listens on at this moment."""
    while True:
        first = LOWEST + _chosen.randrange(COUNT - count)
        row = list(range(first, first + count))
        if all(map(_is_free, row)):
            return row


def find_free_port() -> int:
    """Return one such port."""
    return find_free_ports(1)[0]


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
