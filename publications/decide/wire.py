"""Whether anybody else can hear or stand in for the other end of a connection, by libpq's keywords. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network

TAILNETS = (ip_network("100.64.0.0/10"), ip_network("fd7a:115c:a1e0::/48"))
"""Addresses that are reached through an encrypted tunnel."""
VERIFIED = {"sslmode": "verify-full", "channel_binding": "require"}
"""With these the server is who it says, and gets no password that it could use elsewhere."""

WIRE_HINT = (
    "add sslmode=verify-full, sslrootcert=… and channel_binding=require to its CONNINFO; or name a tailnet's"
    ' address there, and say wire = "tailnet" at that hop of the declaration'
)


def find_wire_fault(conninfo: Mapping[str, str], *, tailnet: bool) -> str:
    """Say why a connection must not leave the machine so; empty where it may, or does not leave it.

    tailnet: whether the shop says that Tailscale's own encryption is enough.
    """
    hosts = (conninfo.get("hostaddr") or conninfo.get("host") or "").split(",")
    if all(is_local(host) for host in hosts):
        return ""
    if all(is_local(host) or is_tailnet(host) for host in hosts):
        return "" if tailnet or is_verified(conninfo) else "a tailnet's address, and wire is not 'tailnet'"
    missing = [f"{name}={word}" for name, word in VERIFIED.items() if conninfo.get(name) != word]
    return f"without {' and '.join(missing)}" if missing else ""


def is_verified(conninfo: Mapping[str, str]) -> bool:
    """Tell whether the other end has to prove who it is."""
    return all(conninfo.get(name) == word for name, word in VERIFIED.items())


def is_private(host: str) -> bool:
    """Tell whether nobody else hears what is said with that host."""
    return is_local(host) or is_tailnet(host)


def is_local(host: str) -> bool:
    """Tell whether that is this machine."""
    if not host or host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_tailnet(host: str) -> bool:
    """Tell whether that is an address of Tailscale's; a name may be anybody's tomorrow."""
    try:
        return any(ip_address(host) in net for net in TAILNETS)
    except ValueError:
        return False
