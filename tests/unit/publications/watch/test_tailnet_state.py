"""What the tailnet's service says, and what every face makes of it."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from publications.faces.terminal import describe_check
from publications.panel import metrics
from publications.panel.words import say_check
from publications.watch import tailnet
from publications.watch.checks import Check, Level, check_tailnet
from publications.watch.link_settings import LinkSettings
from publications.watch.tailnet import TailnetState, parse_status, read_tailnet, read_whois
from tests.fix_tools import need_tool

pytestmark = pytest.mark.unit

SETTINGS = LinkSettings()
NEVER = "0001-01-01T00:00:00Z"


def node(name: str = "ponte-vps", tag: str = "tag:vps", **others: Any) -> dict[str, Any]:
    return {
        "HostName": name, "TailscaleIPs": ["100.64.0.2"], "Tags": [tag], "Online": True, "Active": True,
        "CurAddr": "", "Relay": "loja", "PeerRelay": "", **others,
    }  # fmt: skip


def status(*peers: dict[str, Any], backend: str = "Running", **own: Any) -> TailnetState:
    told = {
        "BackendState": backend,
        "Self": node("intranet-sgp", "tag:intranet", **own),
        "Peer": {str(number): one for number, one in enumerate(peers)} or None,
    }
    return parse_status(told, SETTINGS)


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days, hours=12)).isoformat()


@pytest.mark.parametrize(
    ("told", "direct", "relay"),
    [
        ({"CurAddr": "203.0.113.5:41641"}, "203.0.113.5:41641", None),
        ({}, None, "loja"),
        ({"PeerRelay": "203.0.113.9:7777:vni:1"}, None, "203.0.113.9:7777:vni:1"),
        ({"Active": False}, None, None),
    ],
)
def test_a_relay_counts_while_something_passes_and_not_directly(
    told: dict[str, Any], direct: str | None, relay: str | None
) -> None:
    peer = status(node(**told)).peer
    assert peer is not None
    assert (peer.direct, peer.relay) == (direct, relay)


def test_the_other_end_is_known_by_its_name_else_by_its_tag() -> None:
    other = node("nas", "tag:outra")
    found = [status(other, one).peer for one in (node(), node("vps-novo"), node("vps", "tag:x"))]
    assert [one.name if one else None for one in found] == ["ponte-vps", "vps-novo", None]


def test_of_two_with_one_name_the_one_that_lives_counts() -> None:
    gone = node(Expired=True, Online=False, TailscaleIPs=["100.64.0.9"])
    peer = status(gone, node()).peer
    assert peer is not None
    assert peer.addresses == ("100.64.0.2",)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, []),
        ({"KeyExpiry": NEVER}, []),
        ({"KeyExpiry": in_days(100)}, [("key_left", Level.OK, "expires in 100 days")]),
        ({"KeyExpiry": in_days(13)}, [("key_left", Level.WARNING, "expires in 13 days")]),
        ({"KeyExpiry": in_days(-1)}, [("key_expired", Level.CRITICAL, "has expired")]),
        ({"Expired": True}, [("key_expired", Level.CRITICAL, "has expired")]),
    ],
)
def test_a_key_is_told_of_before_it_ends(
    told: dict[str, Any], expected: list[tuple[str, Level, str]]
) -> None:
    state = status(node(CurAddr="203.0.113.5:41641"), **told)
    found = list(check_tailnet(state))
    assert [(one.kind, one.level) for one in found] == [one[:2] for one in expected]
    for one, (_, _, said) in zip(found, expected, strict=True):
        assert said in describe_check(one)[0]
        assert "intranet-sgp" in say_check(one)


def test_relayed_is_said_and_is_no_alarm() -> None:
    [found] = check_tailnet(status(node()))
    assert (found.subject, found.level) == ("ponte-vps", Level.OK)
    assert describe_check(found)[0] == "the link to ponte-vps is relayed by loja: it works, slower"
    assert say_check(found).startswith("A ligação com ponte-vps passa por um intermediário (loja)")


def test_without_a_tailnet_nothing_is_said() -> None:
    assert list[Check](check_tailnet(None)) == []
    assert read_tailnet(SETTINGS.model_copy(update={"tailscale": "no-such-command"})) is None


def test_the_numbers_have_a_node_each() -> None:
    state = status(node(KeyExpiry=in_days(10)), KeyExpiry=NEVER)
    found = {
        (sample.name, sample.labels["node"]): sample.value
        for family in metrics.collect_tailnet(state)
        for sample in family.samples
    }
    assert found.keys() == {(metrics.KEY_LEFT.name, "ponte-vps"), (metrics.RELAYED.name, "ponte-vps")}
    assert found[metrics.RELAYED.name, "ponte-vps"] == 1
    assert 9 * 86400 < found[metrics.KEY_LEFT.name, "ponte-vps"] < 11 * 86400


@pytest.mark.skipif(sys.platform == "win32", reason="only a Linux has the tool")
def test_a_service_that_is_silent_is_a_failure_with_its_own_words(tmp_path: Path) -> None:
    program = need_tool("tailscale").with_name("tailscale")
    given = {"tailscale": str(program), "tailscale_socket": str(tmp_path / "nobody.sock")}
    found = read_tailnet(SETTINGS.model_copy(update=given))
    assert found is not None
    assert (found.runs, found.backend) == (False, "")
    assert "nobody.sock" in found.failure or "tailscaled" in found.failure


@pytest.mark.parametrize(
    "said", ["null", "[]", '{"Peer": [1]}', '{"Self": 7}', '{"Peer": {"a": {"KeyExpiry": "soon"}}}']
)
def test_an_answer_of_another_shape_is_a_failure_and_no_end_of_looking(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = subprocess.CompletedProcess([], 0, said, "")
    monkeypatch.setattr(tailnet, "run_tailscale", lambda *_, **__: answer)
    settings = SETTINGS.model_copy(update={"tailscale": sys.executable})
    found = read_tailnet(settings)
    assert found is not None
    assert not found.runs
    assert found.failure.startswith("it says what can't be read: ")
    assert read_whois(settings, "100.64.0.2") is None
