"""How a way to another machine is measured, on servers of this one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from publications.cli import main
from publications.commands import FAILED, USAGE
from publications.decide.verdicts import Outcome, Verdict
from publications.watch import measure
from publications.watch.link import link_checks
from publications.watch.link_settings import LinkSettings
from publications.watch.measure import Reach, knock, measure_round_trip_ms, measure_transfer
from tests.ports import find_free_port

pytestmark = pytest.mark.unit

HOST = "127.0.0.1"
ALONE = LinkSettings(
    end="vps", peer=HOST, tailscale="no-such-command", open_ports=(1,), shut_ports=(2,), http_port=1
)


class NotFound(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def http_port() -> Iterator[int]:
    with ThreadingHTTPServer((HOST, 0), NotFound) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@contextmanager
def serve_once(answer: bytes) -> Iterator[int]:
    """Have a server that answers its first piece, and then reads nothing more."""
    with socket.create_server((HOST, 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

        def run() -> None:
            conn, _ = listener.accept()
            with conn:
                conn.recv(4096)
                conn.sendall(answer)
                done.wait(60)

        done = threading.Event()
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            done.set()
            thread.join()


def test_a_port_answers_or_refuses(http_port: int) -> None:
    assert knock(HOST, http_port) is Reach.ANSWERS
    assert knock(HOST, find_free_port()) is Reach.REFUSES


def test_what_was_answered_to_counts_as_sent(http_port: int) -> None:
    found = measure_transfer(HOST, http_port)
    assert found is not None
    assert found.sent_bytes > 100 * measure.FILL_BYTES
    assert found.mbit_per_s > 0
    assert not found.stalled
    assert (measure_round_trip_ms(HOST, http_port) or -1) > 0


def test_what_takes_the_first_question_and_none_after_it_has_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "STALL_S", 0.3)
    with serve_once(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as port:
        found = measure_transfer(HOST, port)
    assert found is not None
    assert (found.stalled, found.sent_bytes) == (True, 0)


def test_what_speaks_no_http_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "STALL_S", 0.3)
    with serve_once(b"SSH-2.0-OpenSSH\r\n") as port:
        assert measure_transfer(HOST, port) is None
    assert measure_transfer(HOST, find_free_port()) is None
    assert measure_round_trip_ms(HOST, find_free_port()) is None


def checks(**settings: object) -> dict[str, Verdict]:
    return {one.name: one for one in link_checks(ALONE.model_copy(update=settings))}


def test_without_a_tailnet_all_else_is_measured(http_port: int) -> None:
    found = checks(open_ports=(http_port,), shut_ports=(), http_port=http_port)
    assert found["tailnet"].outcome is Outcome.UNKNOWN
    assert found["tailnet"].fact == "no tailnet on this machine: there is no command 'tailscale'"
    assert {"resolvable", "reachable", "open", "shut", "round_trip", "throughput", "mtu"} < found.keys()
    assert {one.outcome for one in found.values()} == {Outcome.OK, Outcome.UNKNOWN}
    assert not {"identity", "path", "key"} & found.keys()


def test_a_port_that_is_let_through_with_nobody_behind_it_waits_for_somebody(http_port: int) -> None:
    free = find_free_port()
    found = checks(open_ports=(free, http_port), shut_ports=(http_port,), http_port=free)
    assert (found["open"].outcome, found["open"].fact) == (
        Outcome.FOUND, f"let through, and nobody listens: {free}",
    )  # fmt: skip
    assert found["shut"].outcome is Outcome.FAILED
    assert {found[name].outcome for name in ("round_trip", "throughput", "mtu")} == {Outcome.UNKNOWN}


def test_a_name_that_is_nobodys_ends_the_look() -> None:
    found = checks(peer="nobody.invalid")
    assert list(found) == ["tailnet", "resolvable"]
    assert found["resolvable"].outcome is Outcome.FAILED


def test_whatever_is_not_well_has_a_next_step(http_port: int) -> None:
    for found in (checks(), checks(peer="nobody.invalid"), checks(open_ports=(http_port,))):
        assert all(one.hint for one in found.values() if one.outcome is not Outcome.OK)


def test_the_command_says_it_in_lines_and_an_exit_code(
    http_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"END": "vps", "PEER": HOST, "TAILSCALE": "no-such-command", "HTTP_PORT": str(http_port)}
    given |= {"OPEN_PORTS": str(http_port), "SHUT_PORTS": str(find_free_port())}
    for name, value in given.items():
        monkeypatch.setenv(f"PONTE_LINK_{name}", value)
    assert main(["preflight", "--link"]) == FAILED
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["unknown", "tunnel", "link", "tailnet"]
    assert lines[1].startswith("HINT: with another tunnel")
    said = [line.split(maxsplit=4) for line in lines]
    assert ["failed", "tunnel", "link", "shut", f"let through, and may not be: {given['SHUT_PORTS']}"] in said
    assert ["ok", "tunnel", "link", "open", f"let through: {http_port}"] in said


def test_wrong_settings_and_words_are_mistakes_of_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PONTE_LINK_END", "moon")
    assert main(["preflight", "--link"]) == USAGE
    assert "PONTE_LINK_END" in capsys.readouterr().err
