"""What the tailnet's own service knows of this machine and of the other end, asked through its command."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from publications.watch.link_settings import LinkSettings

COMMAND_S = 10.0
PAUSE_S = 15.0
PINGS = 3
STRANGE = (AttributeError, LookupError, TypeError, ValueError)
"""What reading an answer ends in that is of another shape, as another version's may be."""
NO_EXPIRY_YEAR = 1
"""What Go writes for no time at all."""


@dataclass(frozen=True)
class NodeState:
    """One node of the tailnet."""

    name: str
    addresses: Sequence[str]
    tags: Sequence[str]
    online: bool
    relay: str | None
    """The relay that carries what passes now; None if nothing passes, or directly."""
    direct: str | None
    """The address by which it is reached without a relay."""
    key_expires_at: datetime | None
    """None if its key never ends."""
    expired: bool

    def key_left_s(self, now: datetime) -> float | None:
        """Return how long its key is still good; None if it never ends."""
        return (self.key_expires_at - now).total_seconds() if self.key_expires_at else None


@dataclass(frozen=True)
class TailnetState:
    """What there is of a tailnet on this machine."""

    backend: str
    """As Tailscale calls it: Running, NeedsLogin, Stopped and so on; empty where its service is silent."""
    failure: str = ""
    own: NodeState | None = None
    peer: NodeState | None = None

    @property
    def runs(self) -> bool:
        """Tell whether this machine is in the tailnet."""
        return self.backend == "Running"


def read_tailnet(settings: LinkSettings) -> TailnetState | None:
    """Ask the service on this machine; None where Tailscale is not installed."""
    if shutil.which(settings.tailscale) is None:
        return None
    done = run_tailscale(settings, "status", "--json")
    try:
        return parse_status(json.loads(done.stdout), settings)
    except json.JSONDecodeError:
        return TailnetState("", failure=" ".join(done.stderr.split()) or "it says nothing")
    except STRANGE as error:
        return TailnetState("", failure=f"it says what can't be read: {type(error).__name__}")


def run_tailscale(
    settings: LinkSettings, *words: str, timeout_s: float = COMMAND_S
) -> subprocess.CompletedProcess[str]:
    """Run the command; one that takes too long or can't be run has failed."""
    socket = [f"--socket={settings.tailscale_socket}"] if settings.tailscale_socket else []
    command = [settings.tailscale, *socket, *words]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=timeout_s,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"it does not answer in {timeout_s:g} s")
    except OSError as error:
        return subprocess.CompletedProcess(command, 1, "", error.strerror or "it can't be run")


def read_whois(settings: LinkSettings, address: str) -> NodeState | None:
    """Return the node that the tailnet knows by an address; None if it is nobody's."""
    done = run_tailscale(settings, "whois", "--json", address)
    if done.returncode:
        return None
    try:
        node: dict[str, Any] = json.loads(done.stdout)["Node"]
        addresses = [one.partition("/")[0] for one in node.get("Addresses") or ()]
        name = str(node.get("Name", "")).partition(".")[0]
        return _parse_node({**node, "HostName": name, "TailscaleIPs": addresses})
    except STRANGE:
        return None


def try_direct(settings: LinkSettings, address: str) -> NodeState | None:
    """Have the service look for a direct path, and return how the other end is reached then."""
    run_tailscale(settings, "ping", f"--c={PINGS}", "--timeout=2s", address, timeout_s=3 * PINGS)
    state = read_tailnet(settings.model_copy(update={"peer": address}))
    return state.peer if state else None


def parse_status(told: Mapping[str, Any], settings: LinkSettings) -> TailnetState:
    """Return what `tailscale status --json` says; the other end is known by its name, address or tag."""
    peers = [_parse_node(one) for one in (told.get("Peer") or {}).values()]
    peers.sort(key=lambda one: (one.expired, not one.online))  # one that joined anew may have a predecessor
    by_name = (one for one in peers if settings.peer in {one.name, *one.addresses})
    by_tag = (one for one in peers if settings.peer_tag in one.tags)
    found = next(by_name, None) or next(by_tag, None)
    own = told.get("Self")
    return TailnetState(str(told.get("BackendState", "")), "", _parse_node(own) if own else None, found)


def _parse_node(told: Mapping[str, Any]) -> NodeState:
    direct = told.get("CurAddr") or None
    relay = told.get("PeerRelay") or told.get("Relay") or None
    expires_at = _parse_time(told.get("KeyExpiry"))
    over = expires_at is not None and expires_at <= datetime.now(UTC)
    return NodeState(
        name=str(told.get("HostName", "")),
        addresses=tuple(told.get("TailscaleIPs") or ()),
        tags=tuple(told.get("Tags") or ()),
        online=bool(told.get("Online")),
        relay=relay if told.get("Active") and not direct else None,
        direct=direct,
        key_expires_at=expires_at,
        expired=bool(told.get("Expired")) or over,
    )


def _parse_time(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    at = datetime.fromisoformat(text)
    return at if at.year > NO_EXPIRY_YEAR else None


class TailnetFollower:
    """Asks now and then, in a thread of its own. It never raises."""

    def __init__(self, settings: LinkSettings) -> None:
        self._settings = settings
        self._state: TailnetState | None = None
        self._stopping = threading.Event()
        self._looked = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tailnet", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Tell it to end."""
        self._stopping.set()

    def join(self, timeout_s: float) -> None:
        """Wait until it has ended."""
        self._thread.join(timeout_s)

    def wait_first(self, timeout_s: float) -> None:
        """Wait until it has asked once."""
        self._looked.wait(timeout_s)

    def look(self) -> TailnetState | None:
        """Return what is known now; None where there is no tailnet."""
        return self._state

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._state = read_tailnet(self._settings)
            self._looked.set()
            self._stopping.wait(PAUSE_S)
