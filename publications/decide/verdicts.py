"""What was seen of a server, and what is said of it: the words of `ponte preflight`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from publications.decide.facts import EndpointFacts


class Outcome(StrEnum):
    """How a check came out."""

    OK = "ok"
    FOUND = "found"
    FAILED = "failed"
    """It could not be asked, or nothing works."""
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Verdict:
    """One result: the fact, and unless it is well the next step."""

    category: str
    subject: str
    """The endpoint, or the tunnel."""
    name: str
    outcome: Outcome
    fact: str
    hint: str = ""
    values: Mapping[str, float | str | None] = field(default_factory=dict)
    """What was measured, for programs."""


@dataclass(frozen=True)
class Passfile:
    """A file from which a server takes a subscription's password."""

    path: str
    readable: bool | None
    """By that server; None where there is no such file."""
    mode: int | None = None
    """None where it lies on another machine, or modes mean nothing."""
    owned: bool | None = None
    """By the account that runs the server."""


@dataclass(frozen=True)
class ServerSeen:
    """One server as far as it is judged."""

    endpoint: str
    facts: EndpointFacts
    publishes: bool
    subscribes: bool
    is_window: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    """In the server's own units; those that its version does not have are missing."""
    notify_usage: float = 0.0
    listener: str = ""
    """Who probably holds the queue of notifications."""
    prepared: tuple[str, ...] = ()
    writers: tuple[str, ...] = ()
    """Who has been writing for long."""
    disk_free_bytes: int | None = None
    """None where its files lie on another machine."""
    passfiles: tuple[Passfile, ...] = ()
    wires: Mapping[str, str] = field(default_factory=dict)
    """By subscription: why its connection must not leave the machine so; empty where it may."""
    weak: tuple[str, ...] = ()
    """Roles whose passwords can be found out, on the cluster that others' servers read."""
    skew_s: float = 0.0
    """Its clock minus this machine's."""
    collation_stale: bool = False
    """The library that sorts its text is another than when its indexes were made."""
    host: str = ""
    """By which it was reached."""
    encrypted: bool = False

    @property
    def version(self) -> tuple[int, int]:
        """Return major and minor version."""
        return divmod(self.facts.version_num, 10000)


@dataclass(frozen=True)
class FileSeen:
    """SGP's SQLite file as far as it is judged."""

    endpoint: str
    has_log: bool
    """It is written by a write-ahead log."""
    sqlite: str
    """The version of the library here; which one SGP has can't be seen from outside."""
    has_fault: bool
    """That one would have the WAL-reset fault, if it wrote."""


def find_worst(verdicts: Sequence[Verdict]) -> Outcome:
    """Return the gravest outcome."""
    order = (Outcome.FAILED, Outcome.FOUND, Outcome.UNKNOWN, Outcome.OK)
    found = {one.outcome for one in verdicts}
    return next((one for one in order if one in found), Outcome.OK)
