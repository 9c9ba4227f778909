"""A port of our own, had before anything else is started; or a sentence why not."""

from __future__ import annotations

import socket
import sys

from db.reasons import explain_port

BACKLOG = 2048


def listen(host: str, port: int, *, source: str) -> socket.socket:
    """Return a socket that listens. Raise SystemRefusalError.

    source: the prefix of the variables that hold host and port.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if sys.platform != "win32":  # there the option would let another program take the port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise explain_port(error, host, port, source=source) from error
    return listener
