"""The policy of the tailnet, as Tailscale takes it and as headscale does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("policy.hujson")
_COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)


def read_policy() -> dict[str, Any]:
    """Return what the file says; its comments stand in lines of their own."""
    policy: dict[str, Any] = json.loads(_COMMENT.sub("", FILE.read_text(encoding="utf-8")))
    return policy


def to_headscale(policy: dict[str, Any]) -> dict[str, Any]:
    """Say the same with access lists: headscale 0.28 knows no grants, no tests and no admins."""
    return {
        "tagOwners": {tag: [] for tag in policy["tagOwners"]},
        "acls": [_to_access(grant, proto) for grant in policy["grants"] for proto in _protocols(grant)],
    }


def _protocols(grant: dict[str, Any]) -> list[str]:
    return sorted({one.partition(":")[0] for one in grant["ip"]})


def _to_access(grant: dict[str, Any], proto: str) -> dict[str, Any]:
    ports = ",".join(port for one, _, port in (ip.partition(":") for ip in grant["ip"]) if one == proto)
    targets = [f"{target}:{ports}" for target in grant["dst"]]
    return {"action": "accept", "proto": proto, "src": grant["src"], "dst": targets}
