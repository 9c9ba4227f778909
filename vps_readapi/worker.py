"""One of several processes that answer on one port: `python -m vps_readapi.worker LINE LISTENER`.

Started by the one that replaces and stops them; LISTENER is missing on Windows, where it comes on the line.
"""

from __future__ import annotations

import _thread
import socket
import sys
import threading
from multiprocessing.connection import Connection

from db.loading import loading

with loading():
    from db import lifetime
    from db.logs import start_logging
    from vps_readapi.serving import serve_here
    from vps_readapi.settings import ApiSettings


def main() -> int:
    """Serve until told to stop, or until nobody is there any more to do so."""
    start_logging()
    line = lifetime.take_line(int(sys.argv[1]))
    try:
        settings: ApiSettings = line.recv()
        listener = _take_listener(line)
    except (EOFError, OSError):
        return 1
    threading.Thread(target=_end_with_parent, args=(line,), daemon=True).start()
    return serve_here(settings, listener)


def _take_listener(line: Connection) -> socket.socket:
    if sys.platform == "win32":
        return socket.fromshare(line.recv())
    listener = socket.socket(fileno=int(sys.argv[2]))
    listener.set_inheritable(False)  # else the process of the logins would keep the port
    return listener


def _end_with_parent(line: Connection) -> None:
    """Stop where the system does not kill this process with its parent: else it would keep the port."""
    try:
        line.recv()
    except (EOFError, OSError):
        _thread.interrupt_main()


if __name__ == "__main__":
    sys.exit(main())
