"""The link between real sockets of this process: what it carries, loses, holds back and breaks."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.devstack.errors import LinkError, PortTakenError
from infra.devstack.link import Link
from infra.devstack.traffic import LinkMode

pytestmark = pytest.mark.unit

PATIENCE_S = 60.0
TICK_S = 0.005
"""The event loop counts whole milliseconds, and may wait one too few."""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as one:
        one.settimeout(PATIENCE_S)
        yield one


@pytest.fixture
def link(listener: socket.socket) -> Iterator[Link]:
    one = Link(target=listener.getsockname())
    one.start()
    yield one
    one.stop()


@pytest.fixture
def pair(link: Link, listener: socket.socket) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Return a client and the server's end of its connection through the link."""
    with connect(link) as client, accept(listener) as server:
        yield client, server


def connect(link: Link) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), timeout=PATIENCE_S)


def is_refused(link: Link) -> bool:
    """Tell whether a new connection is reset: while it is made, or right after."""
    try:
        with connect(link) as client:
            return read_until_broken(client) == b""
    except ConnectionResetError:
        return True


def accept(listener: socket.socket) -> socket.socket:
    server, _ = listener.accept()
    server.settimeout(PATIENCE_S)
    return server


def read_exactly(sock: socket.socket, n_bytes: int) -> bytes:
    data = b""
    while len(data) < n_bytes:
        piece = sock.recv(n_bytes - len(data))
        assert piece, f"ended after {len(data)} of {n_bytes} bytes"
        data += piece
    return data


def read_until_broken(sock: socket.socket) -> bytes:
    """Read until the connection is reset; an orderly end is a failure."""
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
    except ConnectionResetError:
        return data
    raise AssertionError("the connection ended in order instead of breaking")


def send_until_stuck(sock: socket.socket, data: bytes) -> int:
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < len(data):
            sent += sock.send(data[sent : sent + 65536])
    return sent


def pattern(n_bytes: int) -> bytes:
    return bytes(range(251)) * (n_bytes // 251 + 1)


def test_pass_carries_both_ways_and_counts(link: Link, pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    client.sendall(b"question")
    assert read_exactly(server, 8) == b"question"
    server.sendall(b"answer")
    assert read_exactly(client, 6) == b"answer"
    # The sockets see a byte an instant before the link counts it.
    link.heal()
    assert (link.bytes_forwarded, link.connections, link.mode) == (14, 1, LinkMode.PASS)


def test_pass_carries_an_end_and_still_answers(pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    client.sendall(b"last words")
    client.shutdown(socket.SHUT_WR)
    assert read_exactly(server, 10) == b"last words"
    assert server.recv(1) == b""
    server.sendall(b"understood")
    server.close()
    assert read_exactly(client, 10) == b"understood"
    assert client.recv(1) == b""


def test_a_sender_feels_a_receiver_that_does_not_read(pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    client.settimeout(0.5)
    wanted = pattern(64 * 1024 * 1024)
    sent = send_until_stuck(client, wanted)
    assert 0 < sent < len(wanted)
    client.shutdown(socket.SHUT_WR)
    received = bytearray()
    while piece := server.recv(1 << 20):
        received += piece
    assert len(received) == sent
    assert received == wanted[:sent]


def test_a_break_of_one_side_breaks_the_other(pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    server.sendall(b"unread")
    assert client.recv(1, socket.MSG_PEEK) == b"u"
    client.close()  # with unread bytes: RST
    read_until_broken(server)


def test_a_target_that_is_away_breaks_the_client(link: Link, listener: socket.socket) -> None:
    listener.close()
    assert is_refused(link)


def test_cut_breaks_old_and_new_connections_until_healed(
    link: Link, listener: socket.socket, pair: tuple[socket.socket, socket.socket]
) -> None:
    link.cut()
    for end in pair:
        assert read_until_broken(end) == b""
    assert is_refused(link)
    link.heal()
    with connect(link) as client, accept(listener) as server:
        client.sendall(b"again")
        assert read_exactly(server, 5) == b"again"


def test_deaf_swallows_both_directions_of_an_older_connection(
    link: Link, pair: tuple[socket.socket, socket.socket]
) -> None:
    client, server = pair
    client.sendall(b"heard")
    assert read_exactly(server, 5) == b"heard"
    link.deafen()
    client.sendall(pattern(8 * 1024 * 1024))  # more than any buffer holds: it is really taken
    server.sendall(pattern(8 * 1024 * 1024))
    link.heal()
    assert read_until_broken(server) == b""
    assert read_until_broken(client) == b""
    assert link.bytes_forwarded == 5


def test_deaf_accepts_new_connections_and_swallows_their_bytes(link: Link, listener: socket.socket) -> None:
    link.deafen()
    with connect(link) as client, accept(listener) as server:
        client.sendall(pattern(8 * 1024 * 1024))
        link.heal()
        assert read_until_broken(server) == b""
        assert read_until_broken(client) == b""


@pytest.mark.parametrize("with_reset", [False, True])
def test_deaf_hides_that_a_side_has_gone(
    link: Link, pair: tuple[socket.socket, socket.socket], with_reset: bool
) -> None:
    client, server = pair
    link.deafen()
    if with_reset:
        reset_on_close(client)
    client.close()
    server.sendall(pattern(8 * 1024 * 1024))
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.recv(1)
    server.settimeout(PATIENCE_S)
    link.heal()
    assert read_until_broken(server) == b""


def reset_on_close(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def test_slow_delays_each_direction_in_order(link: Link, pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    link.slow(0.1)
    began = time.monotonic()
    client.sendall(b"1")
    client.sendall(b"2")
    assert read_exactly(server, 2) == b"12"
    assert time.monotonic() - began >= 0.1 - TICK_S
    server.sendall(b"3")
    assert read_exactly(client, 1) == b"3"
    assert time.monotonic() - began >= 0.2 - 2 * TICK_S


def test_slow_does_not_lower_the_throughput(pair: tuple[socket.socket, socket.socket], link: Link) -> None:
    client, server = pair
    link.slow(0.5)
    sent = pattern(10 * 1024 * 1024)
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(client.sendall, sent)
        assert read_exactly(server, len(sent)) == sent
        done.result()
    # One chunk per delay would take 80 s.
    assert time.monotonic() - began < 40


def test_bandwidth_is_shared_by_connections(link: Link, listener: socket.socket) -> None:
    link.slow(0.0, bytes_per_s=100_000)
    with connect(link) as one, accept(listener) as first, connect(link) as two, accept(listener) as second:
        began = time.monotonic()
        one.sendall(pattern(10_000)[:10_000])
        two.sendall(pattern(10_000)[:10_000])
        read_exactly(first, 10_000)
        read_exactly(second, 10_000)
        assert time.monotonic() - began >= 0.19


def test_heal_lets_go_of_what_slow_holds_back(link: Link, pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    link.slow(3600, bytes_per_s=1)
    client.sendall(b"held back")
    link.heal()
    assert read_exactly(server, 9) == b"held back"


def test_deaf_swallows_what_slow_holds_back(link: Link, pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    link.slow(3600)
    client.sendall(b"held back")
    link.deafen()
    link.heal()
    assert read_until_broken(server) == b""


@pytest.mark.parametrize("n_bytes", [1, 2, 1000, 65536, 65537, 100_000])
def test_cut_after_breaks_at_that_byte(
    link: Link, pair: tuple[socket.socket, socket.socket], n_bytes: int
) -> None:
    client, server = pair
    client.sendall(b"before")
    assert read_exactly(server, 6) == b"before"
    link.heal()
    link.cut_after(n_bytes)
    sent = pattern(n_bytes + 100_000)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(client.sendall, sent)
        received = read_until_broken(server)
        sending.exception()
    assert received == sent[:n_bytes]
    assert link.mode is LinkMode.CUT
    assert link.bytes_forwarded == 6 + n_bytes


def test_cut_after_counts_both_directions(link: Link, pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    link.cut_after(10)
    client.sendall(b"123456")
    assert read_exactly(server, 6) == b"123456"
    server.sendall(b"abcdefgh")
    assert read_until_broken(client) == b"abcd"


def test_cut_after_nothing_cuts_at_once(link: Link) -> None:
    link.cut_after(0)
    assert link.mode is LinkMode.CUT


def test_heal_disarms_a_limit(link: Link, pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    link.cut_after(3)
    link.heal()
    client.sendall(b"all of it")
    assert read_exactly(server, 9) == b"all of it"


def test_commands_come_from_any_thread(link: Link) -> None:
    orders = [link.cut, link.heal, link.deafen, lambda: link.slow(0.01)] * 25
    with ThreadPoolExecutor(8) as pool:
        for order in [pool.submit(order) for order in orders]:
            order.result()
    link.heal()
    assert link.mode is LinkMode.PASS


def test_stop_breaks_connections_and_may_be_repeated(
    link: Link, pair: tuple[socket.socket, socket.socket]
) -> None:
    link.stop()
    link.stop()
    for end in pair:
        assert read_until_broken(end) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(link)
    with pytest.raises(LinkError, match="not running"):
        link.heal()


def test_start_refuses_a_taken_port(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(PortTakenError) as caught:
        Link(target=("127.0.0.1", 1), listen_port=port).start()
    assert caught.value.port == port
    assert f"\nHINT: stop whatever listens on {port}" in str(caught.value)


def test_a_command_before_start_is_refused() -> None:
    with pytest.raises(LinkError, match="not running"):
        Link(target=("127.0.0.1", 1)).cut()


def find_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


def test_further_ports_lead_elsewhere_and_are_broken_and_healed_with_the_first(
    listener: socket.socket,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(PATIENCE_S)
        further = find_port()
        link = Link(target=listener.getsockname(), also={further: other.getsockname()})
        link.start()
        try:
            with (
                socket.create_connection(("127.0.0.1", further), timeout=PATIENCE_S) as client,
                accept(other) as server,
            ):
                client.sendall(b"back")
                assert server.recv(4) == b"back"
                link.cut()
                assert read_until_broken(client) == b""
            assert is_refused(link)
            link.heal()
            with socket.create_connection(("127.0.0.1", further), timeout=PATIENCE_S), accept(other):
                pass
            with connect(link), accept(listener):
                pass
        finally:
            link.stop()


def test_a_further_port_that_is_taken_leaves_none_listening(listener: socket.socket) -> None:
    first = find_port()
    with pytest.raises(PortTakenError):
        Link(target=("127.0.0.1", 1), listen_port=first, also={listener.getsockname()[1]: ("", 1)}).start()
    with socket.create_server(("127.0.0.1", first)):
        pass
