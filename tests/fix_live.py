"""What tests of live questions ask with, and how long they may take."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from db.waiting import wait_until
from tests.fix_api import Answer, Client, RunningApi, make_token

DEADLINE_S = 60
ADMIN, ANA = 1, 2
SECONDS = 2.0
"""How long an answer may take in these tests."""
SLACK_S = 20.0
"""What a noisy machine may add to a bound that is kept."""


def ask(api: RunningApi, path: str, *, user_id: int = ADMIN, **headers: str) -> Answer:
    with closing(Client(api.port, token=make_token(user_id))) as client:
        return client.get(path, **headers)


def source(answer: Answer) -> str | None:
    return answer.headers.get("sync-source")


def names(value: Any) -> set[str]:
    """Return every field's name, at any depth."""
    if isinstance(value, dict):
        return set(value).union(*map(names, value.values()))
    return set[str]().union(*map(names, value)) if isinstance(value, list) else set()


def ask_live(api: RunningApi, path: str) -> Answer:
    """Ask until SGP itself answers: a slow machine may miss the time for it."""
    answers: list[Answer] = []

    def is_live() -> bool:
        answers.append(ask(api, path))
        return source(answers[-1]) == "live"

    assert wait_until(is_live, DEADLINE_S), answers[-1]
    return answers[-1]
