"""The part of the command preflight that looks at the tunnel: `ponte preflight --link`."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence

from publications.commands import FAILED, OK, PENDING
from publications.watch.link import LinkCheck, Outcome, link_checks
from publications.watch.link_settings import LinkSettings

CODES = {Outcome.OK: OK, Outcome.FAILED: FAILED, Outcome.PENDING: PENDING, Outcome.UNKNOWN: PENDING}


def check_link(arguments: argparse.Namespace) -> int:
    """Measure the tunnel from this end, and say what is to be done."""
    checks = link_checks(LinkSettings.load())
    print(_to_json(checks) if arguments.json else "\n".join(map(_to_text, checks)))
    codes = {CODES[one.outcome] for one in checks}
    return next(code for code in (FAILED, PENDING, OK) if code in codes)


def _to_text(check: LinkCheck) -> str:
    line = f"{check.outcome:<8} {check.name:<11} {check.fact}"
    return f"{line}\nHINT: {check.hint}" if check.hint else line


def _to_json(checks: Sequence[LinkCheck]) -> str:
    return json.dumps({"checks": [dataclasses.asdict(one) for one in checks]}, indent=2, ensure_ascii=False)
