"""What hostile servers share: a port of this machine, a thread for each who comes, and an end."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.ports import find_free_port


@contextmanager
def listening(handler: type[socketserver.BaseRequestHandler], stopping: threading.Event) -> Iterator[int]:
    """Serve for the length of a block; give the port. stopping: set at the end, for handlers that wait."""

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

        def handle_error(self, *_: object) -> None:
            """Let the other end go away as it likes."""

    with Server(("127.0.0.1", find_free_port()), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            stopping.set()
            server.shutdown()
            thread.join()
