"""Requests to the API, as bytes: none is answered by a 500, none ends it, and it does not grow."""

from __future__ import annotations

import contextlib
import random
import socket

from tests.fix_api import RunningApi, make_token, make_window, run_api, run_cluster
from tests.fuzz.outcome import Growth, Outcome, run_rounds, spoil

PATHS = (
    "/pedidos/", "/pedidos/1", "/pedidos/?busca=agencia", "/pedidos/?limit=3&skip=1", "/pedidos/?desde=x.1",
    "/pedidos/?depois=x", "/pedidos/totais?status=pronto", "/pedidos/status/pronto", "/pedidos/resumo",
    "/auth/me", "/miniaturas/5.webp?s=x", "/saude/status", "/openapi.json", "/materiais/",
    "/print-logs?limit=1", "/nada",
)  # fmt: skip
FIELDS = (
    "If-None-Match: W/\"x\", *", "Accept-Encoding: zstd;q=1, br", "Origin: http://x", "Sync-Max-Age: 1",
    "Range: bytes=0-9", "Expect: 100-continue", "Connection: close", "Content-Length: 5", "X-Request-Id: a",
    "Transfer-Encoding: chunked", "Upgrade: websocket", "X-Forwarded-For: 1.2.3.4", "Content-Encoding: gzip",
)  # fmt: skip
PIECES = [
    *(b"\r\n", b"\r\n\r\n", b"\n", b"\0", b":", b" ", b"%00", b"%ff", b"\xff\xfe", b"..", b"//", b"?", b"*"),
    *("\u202e\ud800".encode("utf-8", "surrogatepass"), b"99999999999999999999", b"-1", b"NaN", b"a" * 5000),
    *(b"HTTP/1.0", b"Authorization: ", b"If-None-Match: " + b'"x",' * 900, b"[" * 3000, b'{"username":'),
]
LOGIN = b'{"username":"ana","password":"x"}'
ANSWER_S = 20.0


def make_request(rng: random.Random, token: str) -> bytes:
    """Return a request that is sound, or nearly."""
    if rng.random() < 0.1:
        head = f"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: {len(LOGIN)}\r\n\r\n".encode()
        return head + LOGIN
    method = rng.choice(("GET", "GET", "GET", "HEAD", "OPTIONS", "PUT", "POST", "TRACE", "get"))
    fields = [f"Authorization: Bearer {token}"] * (rng.random() < 0.8) + rng.sample(FIELDS, rng.randrange(3))
    lines = [f"{method} {rng.choice(PATHS)} HTTP/1.1", "Host: x", *fields, "", ""]
    return "\r\n".join(lines).encode()


class Attacker:
    """Sends one request a connection, ends its own side and takes what comes back."""

    def __init__(self, api: RunningApi, outcome: Outcome, rng: random.Random, count: int) -> None:
        self.api = api
        self.outcome = outcome
        self._rng = rng
        self._growth = Growth(outcome, count, api.process.pid)
        self._token = make_token()

    def take_turn(self) -> None:
        """Send one, and look."""
        request = make_request(self._rng, self._token)
        if self._rng.random() < 0.8:
            request = spoil(self._rng, request, PIECES)
        answer = self._send(request)
        if b"HTTP/1.1 500" in answer[:4096]:
            self.outcome.blame(request, "500")
        if self.api.process.poll() is not None:
            self.outcome.blame(request, "the API ended")
            raise RuntimeError(self.outcome.faults)
        self._growth.look()

    def _send(self, request: bytes) -> bytes:
        answer = b""
        try:
            with socket.create_connection(("127.0.0.1", self.api.port), timeout=ANSWER_S) as line:
                line.sendall(request)
                line.shutdown(socket.SHUT_WR)
                while piece := line.recv(65536):
                    answer += piece
        except TimeoutError:
            self.outcome.blame(request, "no answer and no end")
        except OSError:
            pass
        return answer


def fuzz_requests(count: int, seconds: float, seed: int) -> Outcome:
    """Send requests to an API of its own."""
    outcome = Outcome("requests")
    with run_cluster() as cluster:
        dsn = make_window(cluster, "fuzz", pedidos=50)
        with run_api(dsn) as api:
            attacker = Attacker(api, outcome, random.Random(seed), count)
            run_rounds(outcome, count, seconds, attacker.take_turn)
            with contextlib.closing(api.connect()) as client:
                if client.get("/pedidos/1").status != 200:
                    outcome.blame("", "afterwards nobody is answered")
    return outcome
