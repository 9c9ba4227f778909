"""Two runs of tests beside each other never take the same port."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from tests import ports

REPOSITORY = Path(__file__).parents[2]


def take_elsewhere(port: int) -> bool:
    """Tell whether another process could take a port."""
    script = "import sys; from tests import ports; sys.exit(ports._take(int(sys.argv[1])))"
    done = subprocess.run([sys.executable, "-c", script, str(port)], cwd=REPOSITORY, check=False)
    return bool(done.returncode)


def test_a_port_that_is_found_is_nobody_elses_before_its_server_listens() -> None:
    [port] = ports.find_free_ports(1)
    assert not take_elsewhere(port)
    with socket.create_server((ports.HOST, port)):
        pass


def test_a_port_that_is_listened_on_is_not_found() -> None:
    [port] = ports.find_free_ports(1)
    with socket.create_server((ports.HOST, port)):
        assert not ports._take(port)


def test_a_port_is_given_back_with_the_process_that_took_it() -> None:
    others = range(ports.LOWEST + ports.COUNT, ports.LOWEST + ports.COUNT + 100)
    port = next(port for port in others if take_elsewhere(port))
    assert take_elsewhere(port)
