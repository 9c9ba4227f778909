"""Three machines on one: network namespaces on a switch of their own, with a line that can be made bad.

Only root makes them; nothing of this machine's own network is touched.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from db import lifetime
from tests.fix_tools import need_tool
from tests.netns_enter import enter_namespace

CONTROL, INTRANET, VPS = "control", "intranet", "vps"
ADDRESSES = {CONTROL: "10.99.0.1", INTRANET: "10.99.0.2", VPS: "10.99.0.3"}
SWITCH = "switch"
TUN = Path("/dev/net/tun")
REPOSITORY = Path(__file__).parents[1]
RESOLVERS = Path("/etc/netns")
COMMAND_S = 30


@dataclass
class Wires:
    """The machines, and the shop's line between the intranet and all else."""

    prefix: str
    line: lifetime.Child | None = None

    def name(self, machine: str) -> str:
        """Return the name of its namespace."""
        return f"{self.prefix}-{machine}"

    def command(self, machine: str, *command: str | os.PathLike[str]) -> list[str]:
        """Return a command that runs there."""
        return ["ip", "netns", "exec", self.name(machine), *(os.fspath(part) for part in command)]

    def enter(self, machine: str) -> AbstractContextManager[None]:
        """Let this thread, and what it starts, be on a machine for the length of a block."""
        return enter_namespace(self.name(machine))

    def set_line(self, *, delay_ms: float = 0.0, loss_percent: float = 0.0) -> None:
        """Give the shop's line a delay and a loss, each way, from now on."""
        assert self.line is not None
        assert self.line.stdin is not None
        assert self.line.stdout is not None
        told = json.dumps({"delay_ms": delay_ms, "loss_percent": loss_percent})
        self.line.stdin.write(told + "\n")
        self.line.stdin.flush()
        assert self.line.stdout.readline().strip() == told

    def let_vanish(self) -> None:
        """Let everything on the shop's line vanish without a word."""
        self.set_line(loss_percent=100.0)

    def forbid_direct(self, forbidden: bool) -> None:
        """Forbid the two nodes to reach each other but through the control server's machine."""
        verb = "replace" if forbidden else "del"
        for machine, other in ((INTRANET, VPS), (VPS, INTRANET)):
            _run(["ip", "-n", self.name(machine), "route", verb, "blackhole", f"{ADDRESSES[other]}/32"])

    def set_resolver(self, machine: str, address: str, domain: str) -> None:
        """Have what is started there ask for names at an address, also for those of a domain."""
        folder = RESOLVERS / self.name(machine)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "resolv.conf").write_text(
            f"nameserver {address}\nsearch {domain}\noptions timeout:2 attempts:3\n"
        )

    def make(self) -> None:
        """Make the machines, the switch, and a wire from each to it."""
        for machine in (SWITCH, *ADDRESSES):
            _run(["ip", "netns", "add", self.name(machine)])
        _batch(self.name(SWITCH), "link add hub type bridge", "link set hub up")
        self._lay_line()
        for machine, address in ADDRESSES.items():
            if machine != INTRANET:
                peer = f"type veth peer name eth0 netns {self.name(machine)}"
                _batch(self.name(SWITCH), f"link add {machine} {peer}")
            _batch(self.name(SWITCH), f"link set {machine} master hub up")
            _batch(
                self.name(machine),
                "link set lo up",
                f"address add {address}/24 dev eth0",
                "link set eth0 up",
                *([f"route add default via {ADDRESSES[CONTROL]}"] if machine != CONTROL else []),
            )

    def _lay_line(self) -> None:
        ends = [self.name(INTRANET), "eth0", self.name(SWITCH), INTRANET]
        self.line = lifetime.start(
            [sys.executable, "-m", "tests.netns_line", *ends],
            cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.line.stdout
        assert self.line.stdout.readline() == "ready\n"

    def remove(self) -> None:
        """Take everything away; what still runs there keeps its namespace until it ends."""
        if self.line:
            self.line.kill()
            self.line.communicate()
        for machine in (*ADDRESSES, SWITCH):
            subprocess.run(["ip", "netns", "del", self.name(machine)], check=False, capture_output=True)
            shutil.rmtree(RESOLVERS / self.name(machine), ignore_errors=True)


@contextmanager
def make_wires() -> Iterator[Wires]:
    """Have the machines for the length of a block; skip where this is not possible."""
    if sys.platform != "linux" or os.geteuid() != 0 or not TUN.exists():
        pytest.skip("only root on a Linux with /dev/net/tun makes network namespaces and a tailnet in them")
    need_tool("ip")
    wires = Wires(f"ponte-{uuid4().hex[:6]}")
    try:
        wires.make()
        yield wires
    finally:
        wires.remove()


def _batch(namespace: str, *lines: str) -> None:
    _run(["ip", "-n", namespace, "-batch", "-"], given="\n".join(lines))


def _run(command: Sequence[str], *, given: str | None = None) -> None:
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=COMMAND_S, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
