"""The tunnel as seen from one of its ends: every check that can be made there, in the order of causes."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

from publications.decide.verdicts import Outcome, Verdict
from publications.watch.link_settings import LinkSettings
from publications.watch.measure import Reach, Transfer, knock, measure_round_trip_ms, measure_transfer
from publications.watch.tailnet import NodeState, TailnetState, read_tailnet, read_whois, try_direct

DAY_S = 86400.0
KEY_WARNING_DAYS = 14
MIN_MTU = 1280
"""What Tailscale's own interface has, and what IPv6 demands."""
PACKETS = f"a path must carry {MIN_MTU} bytes: see the MTU of the line and of the machine's interfaces"
JOIN = "renew the key, or join with a new auth key: 'ponte explain PonteTailnetKey'"


_verdict = partial(Verdict, "link", "tunnel")


def link_checks(settings: LinkSettings) -> list[Verdict]:
    """Make every check; what can't be made for the want of another says so."""
    address, resolved = _resolve(settings)
    state = read_tailnet(settings.model_copy(update={"peer": address or settings.peer}))
    found = [_check_tailnet(state), *_check_keys(state), resolved]
    if address is None:
        return found
    if state is not None and state.runs:
        found += [_check_identity(settings, address), _check_path(settings, state, address)]
    with ThreadPoolExecutor(max_workers=16) as pool:
        ports = dict.fromkeys((settings.http_port, *settings.open_ports, *settings.shut_ports))
        reached = dict(zip(ports, pool.map(lambda port: knock(address, port), ports), strict=True))
    found += [_check_reachable(settings, reached), *_check_policy(settings, reached)]
    if reached[settings.http_port] is Reach.ANSWERS:
        found += [_check_round_trip(settings, address), *_check_transfer(settings, address)]
    else:
        why = f"not measured: nothing answers at port {settings.http_port}"
        hint = "start what listens there, or set PONTE_LINK_HTTP_PORT"
        found += [_verdict(name, Outcome.UNKNOWN, why, hint) for name in ("round_trip", "throughput", "mtu")]
    return found


def _check_tailnet(state: TailnetState | None) -> Verdict:
    if state is None:
        fact = "no tailnet on this machine: there is no command 'tailscale'"
        hint = "with another tunnel this is as it should be; else join: 'python -m infra' lists the scripts"
        return _verdict("tailnet", Outcome.UNKNOWN, fact, hint)
    if state.runs:
        return _verdict("tailnet", Outcome.OK, f"this machine is in the tailnet as {_name(state.own)}")
    if state.backend == "NeedsLogin" and state.own and state.own.expired:
        return _verdict("tailnet", Outcome.FAILED, "the key of this machine has expired", JOIN)
    if state.backend in {"NeedsLogin", "NeedsMachineAuth"}:
        return _verdict("tailnet", Outcome.FAILED, f"this machine has not joined ({state.backend})", JOIN)
    if state.backend:
        return _verdict("tailnet", Outcome.FAILED, f"the tailnet is {state.backend} here", "'tailscale up'")
    hint = "start the service tailscaled (on Windows Tailscale), or set PONTE_LINK_TAILSCALE_SOCKET"
    return _verdict("tailnet", Outcome.FAILED, f"tailscale's service does not answer: {state.failure}", hint)


def _check_keys(state: TailnetState | None) -> Iterable[Verdict]:
    """Say how long both keys are good; that of a machine which is out of the tailnet was told of already."""
    if state is None:
        return
    if state.runs and state.own:
        yield _check_key("key", "this machine", state.own)
    if state.peer:
        yield _check_key("peer_key", "the other end", state.peer)
    elif state.runs:
        hint = "join the other end, or name it in PONTE_LINK_PEER"
        yield _verdict("peer_key", Outcome.FAILED, "the other end is not in this tailnet", hint)


def _check_key(name: str, who: str, node: NodeState) -> Verdict:
    left_s = node.key_left_s(datetime.now(UTC))
    if node.expired:
        return _verdict(name, Outcome.FAILED, f"the key of {who} ({node.name}) has expired", f"there: {JOIN}")
    if left_s is None:
        return _verdict(name, Outcome.OK, f"the key of {who} ({node.name}) never expires")
    days = int(left_s / DAY_S)
    fact = f"the key of {who} ({node.name}) expires in {days} days"
    soon = left_s < KEY_WARNING_DAYS * DAY_S
    hint = f"there: {JOIN}" if soon else ""
    return _verdict(name, Outcome.FOUND if soon else Outcome.OK, fact, hint, {"days": days})


def _name(node: NodeState | None) -> str:
    return f"{node.name}, {', '.join(node.addresses)}" if node else "nobody"


def _resolve(settings: LinkSettings) -> tuple[str | None, Verdict]:
    try:
        found = socket.getaddrinfo(settings.peer, None, type=socket.SOCK_STREAM)
    except OSError:
        hint = "have MagicDNS, split DNS or the hosts file know that name, or set PONTE_LINK_PEER"
        return None, _verdict("resolvable", Outcome.FAILED, f"{settings.peer} is nobody's name here", hint)
    address = str(found[0][4][0])
    return address, _verdict(
        "resolvable", Outcome.OK, f"{settings.peer} is {address}", values={"address": address}
    )


def _check_identity(settings: LinkSettings, address: str) -> Verdict:
    node = read_whois(settings, address)
    if node is None:
        hint = f"correct the name {settings.peer}: it leads outside of the tunnel"
        return _verdict("identity", Outcome.FAILED, f"{address} is nobody of this tailnet", hint)
    if settings.peer_tag not in node.tags:
        fact = f"{address} is {node.name} with {', '.join(node.tags) or 'no tag'}, not {settings.peer_tag}"
        hint = "correct the name, or join that machine with a key that carries the tag"
        return _verdict("identity", Outcome.FAILED, fact, hint)
    return _verdict("identity", Outcome.OK, f"{address} is {node.name}, {settings.peer_tag}")


def _check_path(settings: LinkSettings, state: TailnetState, address: str) -> Verdict:
    gone = state.peer is not None and state.peer.expired
    node = None if gone else try_direct(settings, address)
    if node is None or not (node.direct or node.relay):
        hint = "see whether it runs and is online: 'tailscale status'"
        return _verdict("path", Outcome.FAILED, "the other end does not answer the tailnet", hint)
    if node.direct:
        return _verdict("path", Outcome.OK, f"direct, by {node.direct}", values={"direct": node.direct})
    hint = "it works, slower: let UDP port 41641 out and in at one of the ends ('tailscale netcheck')"
    return _verdict("path", Outcome.FOUND, f"relayed by {node.relay}", hint, {"relay": node.relay})


def _check_reachable(settings: LinkSettings, reached: Mapping[int, Reach]) -> Verdict:
    if any(reached[port] is not Reach.SILENT for port in settings.open_ports):
        return _verdict("reachable", Outcome.OK, f"{settings.peer} answers")
    hint = "see that it runs, and the checks above; then the policy, infra/tailscale/policy.hujson"
    return _verdict("reachable", Outcome.FAILED, f"{settings.peer} answers at none of its ports", hint)


def _check_policy(settings: LinkSettings, reached: Mapping[int, Reach]) -> Iterable[Verdict]:
    silent = [port for port in settings.open_ports if reached[port] is Reach.SILENT]
    refused = [port for port in settings.open_ports if reached[port] is Reach.REFUSES]
    leaky = [port for port in settings.shut_ports if reached[port] is not Reach.SILENT]
    if silent:
        hint = "let the tailnet's policy and that machine's firewall pass them"
        yield _verdict("open", Outcome.FAILED, f"not let through: {_list(silent)}", hint)
    if refused:
        hint = "start what listens there, on the tunnel's address"
        yield _verdict("open", Outcome.FOUND, f"let through, and nobody listens: {_list(refused)}", hint)
    if not silent and not refused:
        yield _verdict("open", Outcome.OK, f"let through: {_list(settings.open_ports)}")
    if leaky:
        hint = "put infra/tailscale/policy.hujson in force: whoever takes this machine reaches them"
        yield _verdict("shut", Outcome.FAILED, f"let through, and may not be: {_list(leaky)}", hint)
    else:
        yield _verdict("shut", Outcome.OK, f"not let through: {_list(settings.shut_ports)}")


def _list(ports: Iterable[int]) -> str:
    return ", ".join(map(str, ports))


def _check_round_trip(settings: LinkSettings, address: str) -> Verdict:
    taken_ms = measure_round_trip_ms(address, settings.http_port)
    if taken_ms is None:
        hint = "run this again: the line lost what was sent"
        return _verdict("round_trip", Outcome.UNKNOWN, "no connection was made in time", hint)
    return _verdict("round_trip", Outcome.OK, f"{taken_ms:.1f} ms there and back", values={"ms": taken_ms})


def _check_transfer(settings: LinkSettings, address: str) -> Iterable[Verdict]:
    sent = measure_transfer(address, settings.http_port)
    if sent is None:
        hint = "set PONTE_LINK_HTTP_PORT to one where the other end speaks HTTP"
        yield _verdict("throughput", Outcome.UNKNOWN, f"port {settings.http_port} does not speak HTTP", hint)
        return
    rate = {"mbit_per_s": sent.mbit_per_s, "bytes": float(sent.sent_bytes)}
    if sent.stalled:
        hint = "large packets are lost on the way: set TS_DEBUG_MTU=1200 for tailscaled at both ends"
        yield _verdict("throughput", Outcome.FAILED, "small packets pass and large ones do not", hint, rate)
    else:
        fact = f"{sent.mbit_per_s:.1f} Mbit/s from here to there ({sent.sent_bytes / 1e6:.1f} MB)"
        yield _verdict("throughput", Outcome.OK, fact, values=rate)
    yield _check_mtu(sent)


def _check_mtu(sent: Transfer) -> Verdict:
    size = "of a size that this system does not tell" if sent.mtu is None else f"of {sent.mtu} bytes"
    values = {} if sent.mtu is None else {"bytes": float(sent.mtu)}
    if sent.stalled:
        return _verdict("mtu", Outcome.FAILED, f"packets {size} do not arrive", PACKETS, values)
    if sent.mtu is not None and sent.mtu < MIN_MTU:
        return _verdict("mtu", Outcome.FAILED, f"packets {size} at most", PACKETS, values)
    return _verdict("mtu", Outcome.OK, f"packets {size} arrive", values=values)
