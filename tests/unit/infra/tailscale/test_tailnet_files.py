"""What stands in infra/tailscale, in the settings and in the units says the same."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.tailscale.__main__ import main
from infra.tailscale.policy import read_policy, to_headscale
from publications.watch.link_settings import LinkEnd, LinkSettings
from tests.fix_tools import need_tool

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[4]
POLICY = read_policy()
PROXY_PORT, SGP_PORT, EXPORT_PORT, INGEST_PORT, SSH_PORT = 8001, 8000, 5433, 8081, 22
Rule = tuple[str, str, int]


def rules_of(policy: dict[str, Any]) -> set[Rule]:
    """Return who may reach whom, and where."""
    if "grants" in policy:
        return {
            (source, target, int(one.removeprefix("tcp:")))
            for grant in policy["grants"]
            for source in grant["src"]
            for target in grant["dst"]
            for one in grant["ip"]
        }
    return {
        (source, target.rpartition(":")[0], int(port))
        for rule in policy["acls"]
        if (rule["action"], rule["proto"]) == ("accept", "tcp")
        for source in rule["src"]
        for target in rule["dst"]
        for port in target.rpartition(":")[2].split(",")
    }


def test_the_policy_lets_through_four_ports_and_nothing_else() -> None:
    assert rules_of(POLICY) == {
        ("tag:vps", "tag:intranet", EXPORT_PORT),
        ("tag:vps", "tag:intranet", PROXY_PORT),
        ("tag:intranet", "tag:vps", INGEST_PORT),
        ("tag:intranet", "tag:vps", SSH_PORT),
    }


@pytest.mark.skipif(sys.platform == "win32", reason="only a Linux has the tool")
def test_headscale_is_told_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    told = to_headscale(POLICY)
    assert rules_of(told) == rules_of(POLICY)
    assert told.keys() == {"tagOwners", "acls"}
    assert told["tagOwners"].keys() == POLICY["tagOwners"].keys()
    assert main(["policy", "--headscale"]) == 0
    file = tmp_path / "policy.json"
    file.write_text(capsys.readouterr().out)
    done = subprocess.run(
        [need_tool("headscale"), "policy", "check", "--file", str(file)],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_policys_own_tests_name_each_rule_and_sgps_own_port() -> None:
    accepted = {(one["src"], *split(target)) for one in POLICY["tests"] for target in one["accept"]}
    denied = {(one["src"], *split(target)) for one in POLICY["tests"] for target in one["deny"]}
    assert accepted == rules_of(POLICY)
    assert ("tag:vps", "tag:intranet", SGP_PORT) in denied
    assert not denied & rules_of(POLICY)


def split(target: str) -> tuple[str, int]:
    name, _, port = target.rpartition(":")
    return name, int(port)


@pytest.mark.parametrize("end", LinkEnd)
def test_what_preflight_expects_is_what_the_policy_says(
    end: LinkEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PONTE_LINK_END", end)
    settings = LinkSettings.load()
    [told] = [one for one in POLICY["tests"] if one["src"] == f"tag:{end}"]
    assert {(settings.peer_tag, port) for port in settings.open_ports} == {
        split(one) for one in told["accept"]
    }
    assert {(settings.peer_tag, port) for port in settings.shut_ports} <= {split(one) for one in told["deny"]}
    assert settings.http_port in settings.open_ports


def test_every_setting_of_the_link_is_described_and_no_other() -> None:
    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    [section] = re.findall(r"^## `ponte preflight --link`\n(.*?)(?=^## )", text, re.DOTALL | re.MULTILINE)
    described = set(re.findall(r"^\| `(PONTE_\w+)`", section, re.MULTILINE))
    assert described == {f"PONTE_LINK_{name}".upper() for name in LinkSettings.model_fields}


def test_the_document_names_each_rule() -> None:
    text = (ROOT / "docs/tailnet.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (VPS|intranet) \| (VPS|intranet) \| (\d+) \|", text, re.MULTILINE)
    told = {(f"tag:{source}".lower(), f"tag:{target}".lower(), int(port)) for source, target, port in rows}
    assert told == rules_of(POLICY)


def test_an_address_that_is_here_is_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wait", "127.0.0.1"]) == 0
    assert capsys.readouterr().err == ""


def test_one_that_does_not_come_is_waited_for_with_a_word_and_a_bound(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["wait", "192.0.2.1", "--seconds", "0.3"]) == 1
    first, second, hint = capsys.readouterr().err.splitlines()
    assert first == "waiting for 192.0.2.1 to be an address of this machine, at most 0.3 s"
    assert second.startswith("192.0.2.1 is no address of this machine after 0.3 s: ")
    assert hint.startswith("HINT: see 'tailscale status'")


def test_the_units_that_listen_on_the_tunnel_wait_for_it() -> None:
    unit = (ROOT / "infra/systemd/ponte-ingest.service").read_text(encoding="utf-8")
    assert "infra.tailscale wait ${PONTE_INGEST_HOST}" in unit
    for name in ("ponte-ingest", "ponte-worker", "ponte-panel", "ponte-api"):
        text = (ROOT / f"infra/systemd/{name}.service").read_text(encoding="utf-8")
        assert re.search(r"^After=.*\btailscaled\.service", text, re.MULTILINE)
    drop_in = (ROOT / "infra/systemd/tailnet.conf").read_text(encoding="utf-8")
    assert "infra.tailscale wait 100." in drop_in


@pytest.mark.skipif(sys.platform == "win32", reason="only a Linux joins by this script")
@pytest.mark.parametrize(
    ("mode", "words", "said"),
    [
        (0o600, ["printer"], "which end is this machine?"),
        (0o600, ["vps", "nowhere"], "there is no key in 'nowhere'"),
        (0o644, ["vps", "key"], "key can be read by others"),
    ],
)
def test_joining_is_refused_in_words_before_anything_is_touched(
    tmp_path: Path, mode: int, words: list[str], said: str
) -> None:
    key = tmp_path / "key"
    key.write_text("tskey-auth-secret")
    key.chmod(mode)
    script = ROOT / "infra/tailscale/join.sh"
    done = subprocess.run(
        ["sh", script, *words], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )
    first, hint = done.stderr.splitlines()
    assert (done.returncode, first) == (2, said)
    assert hint.startswith("HINT: ")
