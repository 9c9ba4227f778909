"""A connection whose other end is gone without a word does not live for a quarter of an hour."""

from __future__ import annotations

import socket
import sys
from asyncio import BaseTransport

import pytest

from vps_readapi.front.bounded import MAX_UNHEARD_MS, _bound_silence

pytestmark = pytest.mark.unit


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the option")
def test_a_connection_that_acknowledges_nothing_is_broken_by_the_system() -> None:
    with socket.socket() as sock:
        _bound_silence(BaseTransport({"socket": sock}))
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == MAX_UNHEARD_MS


def test_what_is_no_socket_of_tcp_is_left_alone() -> None:
    _bound_silence(BaseTransport({}))
    one, other = socket.socketpair()
    with one, other:
        _bound_silence(BaseTransport({"socket": one}))
        one.sendall(b"still open")
        assert other.recv(64) == b"still open"
