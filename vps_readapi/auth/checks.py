"""What is asked about a login and what is answered, by whatever checks it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Refused(StrEnum):
    """Why a login was refused."""

    WRONG = "wrong"
    INACTIVE = "inactive"
    THROTTLED = "throttled"
    BUSY = "busy"
    OFFLINE = "offline"
    AWAY = "away"
    """Nobody could check it."""


@dataclass(frozen=True)
class LoginQuestion:
    """Somebody's name and password.

    host: where they come from; cost: what bcrypt usually takes here; device: the digest of a token of this
    name's that the device kept, or nothing.
    """

    username: str
    password: str
    host: str
    cost: int
    device: str = ""


@dataclass(frozen=True)
class User:
    """Who has given the right password."""

    id: int
    username: str
    is_admin: bool
    setor: str | None
    credential_at: int
    """When the password last changed, in microseconds since 1970; 0 if nobody saw it change."""


@dataclass(frozen=True)
class LoginAnswer:
    """The answer: either a user, or why not."""

    user: User | None = None
    refused: Refused | None = None
    wait_s: int = 0
    """How long to wait before the next try counts."""


class ChecksAwayError(Exception):
    """Nobody can say at the moment: the database is away, or whoever checks."""


class Checks(Protocol):
    """Checks logins."""

    async def check(self, question: LoginQuestion) -> LoginAnswer:
        """Answer. Raise ChecksAwayError."""

    def give_up(self) -> None:
        """Let whoever waits, and whoever asks from now on, hear that nobody can say."""
