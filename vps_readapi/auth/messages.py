"""Between the API and the process that checks logins: one JSON object a line, on a socket of their own."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from vps_readapi.auth.checker import CheckerSettings
from vps_readapi.auth.checks import Question, Refused, User, Verdict

LINE_BYTES = 256 * 1024
"""A login's body has 16 KiB; each of its bytes may take six as JSON."""


@dataclass(frozen=True)
class Reply:
    """A verdict on the question of that number, or None, and then whether the database is away."""

    number: int
    verdict: Verdict | None
    away: bool = False


def write_settings(settings: CheckerSettings) -> bytes:
    """Return the first line."""
    return _line(asdict(settings))


def read_settings(line: bytes) -> CheckerSettings:
    """Read what `write_settings` wrote."""
    return CheckerSettings(**json.loads(line))


def write_question(number: int, question: Question) -> bytes:
    """Return a line to the checker."""
    return _line({"number": number, **asdict(question)})


def read_question(line: bytes) -> tuple[int, Question]:
    """Read what `write_question` wrote."""
    fields = json.loads(line)
    return fields.pop("number"), Question(**fields)


def write_reply(reply: Reply) -> bytes:
    """Return a line from the checker."""
    return _line(asdict(reply))


def read_reply(line: bytes) -> Reply:
    """Read what `write_reply` wrote."""
    fields = json.loads(line)
    return Reply(fields["number"], _read_verdict(fields["verdict"]), away=fields["away"])


def _read_verdict(fields: dict[str, Any] | None) -> Verdict | None:
    if fields is None:
        return None
    user, refused = fields["user"], fields["refused"]
    return Verdict(User(**user) if user else None, Refused(refused) if refused else None, fields["wait_s"])


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode() + b"\n"
