"""A tailnet of two nodes with a control server of its own, each on a machine of `tests.fix_netns`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from db import lifetime
from db.waiting import wait_until
from infra import tailscale
from infra.tailscale.policy import read_policy, to_headscale
from tests.fix_netns import ADDRESSES, CONTROL, INTRANET, VPS, Wires, make_wires
from tests.fix_tools import need_tool

DEADLINE_S = 60.0
COMMAND_S = 100
SERVER = f"https://{ADDRESSES[CONTROL]}:8443"
JOIN = Path(tailscale.__file__).with_name("join.sh")
MAGIC_DNS, DOMAIN = "100.100.100.100", "loja.test"
INTRANET_ADDRESS, VPS_ADDRESS = "100.64.0.1", "100.64.0.2"
"""Given in the order in which the nodes join."""
NAME = "intranet-sgp.internal"


@dataclass
class Node:
    """One node: its service, and the command that asks it."""

    machine: str
    wires: Wires
    folder: Path
    programs: Path
    process: lifetime.Child | None = None

    @property
    def socket(self) -> Path:
        """Where its service listens to commands."""
        return self.folder / f"{self.machine}.sock"

    @property
    def environment(self) -> dict[str, str]:
        """Trust the test's certificate, and send no logs anywhere."""
        quiet = {"TS_NO_LOGS_NO_SUPPORT": "true", "TS_LOGS_DIR": str(self.folder)}
        ours = {"SSL_CERT_FILE": str(self.folder / "cert.pem"), **quiet}
        return {**os.environ, **ours, "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}"}

    def start(self) -> None:
        """Start the service."""
        state = self.folder / self.machine
        state.mkdir(exist_ok=True)
        command = self.wires.command(
            self.machine, self.programs / "tailscaled", f"--statedir={state}", f"--socket={self.socket}",
            "--tun=ts0", "--port=41641",
        )  # fmt: skip
        log = (self.folder / f"{self.machine}.log").open("ab")
        with log:
            self.process = lifetime.start(command, env=self.environment, stdout=log, stderr=log)
        assert wait_until(self.socket.exists, DEADLINE_S), f"no tailscaled on {self.machine}"

    def kill(self) -> None:
        """End it as a power cut does."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.socket.unlink(missing_ok=True)

    def join(self, key: str, *, hosts: Path = Path(os.devnull)) -> None:
        """Join by the script that shops run."""
        key_file = self.folder / f"{self.machine}.key"
        key_file.touch(mode=0o600)
        key_file.write_text(key)
        words = "--accept-dns=false --netfilter-mode=off"
        given = {"TAILSCALE_SOCKET": str(self.socket), "TAILSCALE_UP": words, "HOSTS": str(hosts)}
        command = self.wires.command(self.machine, JOIN, self.machine, key_file, SERVER)
        _run(command, {**self.environment, **given})

    def ask(self, *words: str) -> str:
        """Run `tailscale` and return what it prints."""
        return _run([self.programs / "tailscale", f"--socket={self.socket}", *words], self.environment)

    def status(self) -> dict[str, Any]:
        """Return what the service knows of itself and of the other node."""
        found: dict[str, Any] = json.loads(self.ask("status", "--json"))
        return found

    def peer(self) -> dict[str, Any]:
        """Return what it knows of the other node; nothing before it has heard of it."""
        return next((dict(one) for one in (self.status()["Peer"] or {}).values()), {})

    def is_direct(self) -> bool:
        """Tell whether the other node is reached without a relay, having asked it."""
        words = [f"--socket={self.socket}", "ping", "--c=1", "--timeout=2s", self.other]
        subprocess.run(
            [self.programs / "tailscale", *words],
            env=self.environment,
            capture_output=True,
            check=False,
            timeout=COMMAND_S,
        )
        return bool(self.peer().get("CurAddr"))

    @property
    def other(self) -> str:
        """Return the other node's address."""
        return VPS_ADDRESS if self.machine == INTRANET else INTRANET_ADDRESS


@dataclass
class Tailnet:
    """The control server and both nodes."""

    wires: Wires
    folder: Path
    nodes: Mapping[str, Node]
    server: Path
    keys: dict[str, str] = field(default_factory=dict)

    def order(self, *words: str) -> Any:
        """Run a command of headscale's."""
        command = [self.server, "--config", self.folder / "headscale.yaml", "--output", "json", *words]
        return json.loads(_run(command, dict(os.environ)) or "null")

    def make_key(self, machine: str) -> str:
        """Return a key with which that machine may join."""
        made = self.order("preauthkeys", "create", "--reusable", "--tags", f"tag:{machine}")
        return str(made["key"])

    def number(self, machine: str) -> str:
        """Return headscale's number of a node."""
        [found] = [one for one in self.order("nodes", "list") if f"tag:{machine}" in one["tags"]]
        return str(found["id"])

    def expire(self, machine: str) -> None:
        """End the key of a node, as its time would."""
        self.order("nodes", "expire", "--identifier", self.number(machine))

    def extend(self, machine: str, days: float) -> None:
        """Let the key of a node be good for so long, as the runbook says."""
        until = (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")
        self.order("nodes", "expire", "--identifier", self.number(machine), "--expiry", until)


@contextmanager
def run_tailnet() -> Iterator[Tailnet]:
    """Have a tailnet for the length of a block; skip where it can't be had."""
    with make_wires() as wires, ExitStack() as stack:
        programs, server = need_tool("tailscale").parent, need_tool("headscale")
        folder = Path(tempfile.mkdtemp(prefix="pt-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        nodes = {machine: Node(machine, wires, folder, programs) for machine in (INTRANET, VPS)}
        tailnet = Tailnet(wires, folder, nodes, server)
        stack.enter_context(_run_server(tailnet))
        for machine, node in nodes.items():
            stack.callback(node.kill)
            wires.set_resolver(machine, MAGIC_DNS, DOMAIN)
            node.start()
            node.join(tailnet.make_key(machine))
        # headscale 0.28 sometimes does not tell the first that the policy means the second too; a start does.
        nodes[INTRANET].kill()
        nodes[INTRANET].start()
        for node in nodes.values():
            assert wait_until(node.is_direct, DEADLINE_S), f"no direct path: {node.status()}"
        yield tailnet


@contextmanager
def _run_server(tailnet: Tailnet) -> Iterator[None]:
    folder = tailnet.folder
    _make_certificate(folder)
    (folder / "policy.json").write_text(json.dumps(to_headscale(read_policy())))
    (folder / "headscale.yaml").write_text(json.dumps(_configure(folder)))
    command = tailnet.wires.command(CONTROL, tailnet.server, "serve", "--config", folder / "headscale.yaml")
    with (folder / "headscale.log").open("ab") as log:
        process = lifetime.start(command, stdout=log, stderr=log)
    try:
        assert wait_until((folder / "hs.sock").exists, DEADLINE_S), (folder / "headscale.log").read_text()
        yield
    finally:
        process.kill()  # asked politely it waits for its nodes
        process.wait(DEADLINE_S)


def _configure(folder: Path) -> dict[str, Any]:
    """Return headscale's settings; what it reads as YAML may be JSON."""
    record = {"name": NAME, "type": "A", "value": INTRANET_ADDRESS}
    return {
        "server_url": SERVER,
        "listen_addr": SERVER.removeprefix("https://"),
        "metrics_listen_addr": "",
        "grpc_listen_addr": "127.0.0.1:50443",
        "tls_cert_path": str(folder / "cert.pem"),
        "tls_key_path": str(folder / "key.pem"),
        "noise": {"private_key_path": str(folder / "noise.key")},
        "prefixes": {"v4": "100.64.0.0/10", "allocation": "sequential"},
        "database": {"type": "sqlite", "sqlite": {"path": str(folder / "headscale.db")}},
        "policy": {"mode": "file", "path": str(folder / "policy.json")},
        "unix_socket": str(folder / "hs.sock"),
        "disable_check_updates": True,
        "dns": {
            "magic_dns": True,
            "base_domain": DOMAIN,
            "override_local_dns": False,
            "extra_records": [record],
        },
        "derp": {
            "urls": [],
            "auto_update_enabled": False,
            "server": {
                "enabled": True,
                "region_id": 900,
                "region_code": "loja",
                "region_name": "loja",
                "verify_clients": True,
                "stun_listen_addr": f"{ADDRESSES[CONTROL]}:3478",
                "private_key_path": str(folder / "derp.key"),
                "automatically_add_embedded_derp_region": True,
                "ipv4": ADDRESSES[CONTROL],
            },
        },
    }


def _make_certificate(folder: Path) -> None:
    names = f"subjectAltName=IP:{ADDRESSES[CONTROL]}"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=loja"
    )
    _run(
        [*command.split(), "-addext", names, "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], None
    )


def _run(command: list[Any], environ: Mapping[str, str] | None) -> str:
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=COMMAND_S, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout
