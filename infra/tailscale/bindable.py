"""Wait until a service can listen on an address: the tailnet's is there only when its node has joined."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

WAIT_S = 80.0
"""Less than systemd gives a start."""
LOOK_S = 0.25

Say = Callable[[str], None]


def wait_bindable(address: str, timeout_s: float, say: Say) -> bool:
    """Return whether the address was this machine's within the time, having said what is waited for."""
    deadline = time.monotonic() + timeout_s
    while (reason := _refuse(address)) and time.monotonic() < deadline:
        if deadline - time.monotonic() > timeout_s - LOOK_S:
            say(f"waiting for {address} to be an address of this machine, at most {timeout_s:g} s")
        time.sleep(LOOK_S)
    if reason:
        say(f"{address} is no address of this machine after {timeout_s:g} s: {reason}")
        say("HINT: see 'tailscale status' and 'tailscale ip' on this machine")
    return not reason


def _refuse(address: str) -> str:
    """Return why nothing can listen there; empty if it can."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        try:
            sock.bind((address, 0))
        except OSError as error:
            return error.strerror or str(error)
    return ""
