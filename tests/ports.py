"""Ports for what a test starts: below those that systems take for outgoing connections, and nobody else's.

A port that the system chooses may be one that ended a moment ago, and be asked by whom that one served.
"""

from __future__ import annotations

import os
import random
import socket

LOWEST, COUNT = 20000, 10000
HOST, MARK = "127.0.0.1", "127.9.9.9"
"""Where servers listen, and where a process of tests listens to say that it has taken a port."""

_chosen = random.Random(os.getpid())


def find_free_ports(count: int) -> list[int]:
    """Return ports in a row that nobody listens on, and that no other run of tests takes meanwhile."""
    while True:
        first = LOWEST + _chosen.randrange(COUNT - count)
        row = list(range(first, first + count))
        if all(map(_take, row)):
            return row


def find_free_port() -> int:
    """Return one such port."""
    return find_free_ports(1)[0]


def _take(port: int) -> bool:
    """Hold a port, between finding it free and its server's start too, for as long as this process lives."""
    try:
        socket.create_server((HOST, port)).close()
        mark = socket.create_server((MARK, port))
    except OSError:
        return False
    mark.detach()
    return True
