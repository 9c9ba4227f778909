"""The shop's line, `python -m tests.netns_line NAMESPACE DEVICE NAMESPACE DEVICE`: what is between two ends.

Each frame is late by the delay, or lost; not every kernel has netem for that. A JSON object a line on
standard input sets `delay_ms` and `loss_percent`, each way; the same line on standard output says that
it is in force.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import select
import struct
import sys
import time
from collections import deque

from tests.netns_enter import enter_namespace

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
MAX_FRAME = 2048
AT_ONCE = 64
"""How many frames of one end are taken before the other's turn."""


class Way:
    """One direction: what is on it arrives in order."""

    def __init__(self, source: int, target: int) -> None:
        self.source, self.target = source, target
        self._coming: deque[tuple[float, bytes]] = deque()

    def take(self, delay_s: float, loss: float, chance: random.Random) -> None:
        """Take what was sent."""
        for _ in range(AT_ONCE):
            try:
                frame = os.read(self.source, MAX_FRAME)
            except BlockingIOError:
                return
            if not loss or chance.random() >= loss:
                self._coming.append((time.monotonic() + delay_s, frame))

    def deliver(self) -> float | None:
        """Hand over what has arrived; return after how many seconds more will."""
        while self._coming:
            wait_s = self._coming[0][0] - time.monotonic()
            if wait_s > 0:
                return wait_s
            with contextlib.suppress(OSError):  # a wire that is full or down loses what comes
                os.write(self.target, self._coming.popleft()[1])
        return None


def open_end(namespace: str, device: str) -> int:
    """Make a device there, whose other side is ours."""
    with enter_namespace(namespace):
        handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(handle, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TAP | IFF_NO_PI))
    return handle


def carry(near: int, far: int) -> None:
    """Carry until standard input is closed."""
    ways = (Way(near, far), Way(far, near))
    delay_s, loss, chance = 0.0, 0.0, random.Random(14)
    while True:
        waits = [wait_s for way in ways if (wait_s := way.deliver()) is not None]
        ready = select.select([0, near, far], [], [], min(waits, default=None))[0]
        for way in ways:
            if way.source in ready:
                way.take(delay_s, loss, chance)
        if 0 in ready:
            line = sys.stdin.readline()
            if not line:
                return
            told = json.loads(line)
            delay_s, loss = told["delay_ms"] / 1000, told["loss_percent"] / 100
            say(line)


def say(line: str) -> None:
    """Answer whoever commands."""
    sys.stdout.write(line)
    sys.stdout.flush()


if __name__ == "__main__":
    near_namespace, near_device, far_namespace, far_device = sys.argv[1:]
    ends = open_end(near_namespace, near_device), open_end(far_namespace, far_device)
    say("ready\n")
    carry(*ends)
