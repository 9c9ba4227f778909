"""Between the API and the process that checks logins: one JSON object a line, on a socket of their own."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from vps_readapi.auth.checker import CheckerSettings
from vps_readapi.auth.checks import LoginAnswer, LoginQuestion, Refused, User

LINE_BYTES = 256 * 1024
"""A login's body has 16 KiB; each of its bytes may take six as JSON."""


@dataclass(frozen=True)
class Reply:
    """The answer to the question of that number, or None, and then whether the database is away."""

    number: int
    answer: LoginAnswer | None
    away: bool = False


def write_settings(settings: CheckerSettings) -> bytes:
    """Return the first line."""
    return _line(asdict(settings))


def read_settings(line: bytes) -> CheckerSettings:
    """Read what `write_settings` wrote."""
    return CheckerSettings(**json.loads(line))


def write_question(number: int, question: LoginQuestion) -> bytes:
    """Return a line to the checker."""
    return _line({"number": number, **asdict(question)})


def read_question(line: bytes) -> tuple[int, LoginQuestion]:
    """Read what `write_question` wrote."""
    fields = json.loads(line)
    return fields.pop("number"), LoginQuestion(**fields)


def write_reply(reply: Reply) -> bytes:
    """Return a line from the checker."""
    return _line(asdict(reply))


def read_reply(line: bytes) -> Reply:
    """Read what `write_reply` wrote."""
    fields = json.loads(line)
    return Reply(fields["number"], _read_answer(fields["answer"]), away=fields["away"])


def _read_answer(fields: dict[str, Any] | None) -> LoginAnswer | None:
    if fields is None:
        return None
    user, refused = fields["user"], fields["refused"]
    return LoginAnswer(
        User(**user) if user else None, Refused(refused) if refused else None, fields["wait_s"]
    )


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode() + b"\n"
