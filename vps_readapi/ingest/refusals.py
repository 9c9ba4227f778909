"""Why a push is not taken: a status, a word that is counted, and what the sender is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Reason(StrEnum):
    """Each is a label of `ponte_ingest_refusals_total`."""

    API_KEY = "api_key"
    ADDRESS = "address"
    UNSIGNED = "unsigned"
    STALE = "stale"
    SIGNATURE = "signature"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    ENCODING = "encoding"
    UNKNOWN_TABLE = "unknown_table"
    INVALID = "invalid"
    REUSED = "reused"
    SUPERSEDED = "superseded"
    MOVED = "moved"
    UNBEGUN = "unbegun"
    OVERFULL = "overfull"
    BUSY = "busy"
    AWAY = "away"


_WORDS: Mapping[Reason, tuple[int, str]] = {
    Reason.API_KEY: (401, "x-api-key is missing or is none of the keys here"),
    Reason.ADDRESS: (403, "the key is good and this address may not use it"),
    Reason.UNSIGNED: (401, "webhook-id, webhook-timestamp or webhook-signature is missing or malformed"),
    Reason.STALE: (401, "webhook-timestamp is more than five minutes from the clock here"),
    Reason.SIGNATURE: (401, "no secret here made this signature of this body"),
    Reason.TOO_LARGE: (413, "the body is larger than is taken"),
    Reason.TOO_SLOW: (408, "the body took too long to arrive"),
    Reason.ENCODING: (415, "content-encoding is none of identity, gzip and zstd, or the body is not in it"),
    Reason.UNKNOWN_TABLE: (404, "the window has no such table"),
    Reason.INVALID: (422, "a field is wrong or missing, and nothing was applied"),
    Reason.REUSED: (409, "webhook-id was used with another body"),
    Reason.SUPERSEDED: (409, "a newer source is being followed"),
    Reason.MOVED: (409, "this is at another position than 'after' says"),
    Reason.UNBEGUN: (409, "the part before this one is not here: begin again with part 0"),
    Reason.OVERFULL: (
        507,
        "more parts would wait here for their last than may (1 GiB); none of them does now",
    ),
    Reason.BUSY: (503, "somebody else is writing the tables: send it again"),
    Reason.AWAY: (503, "the database is away: send it again"),
}


class RefusalError(Exception):
    """A push that is not taken; nothing of it is applied."""

    def __init__(self, reason: Reason, *, fields: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fields = list(dict.fromkeys(fields))
        """Which fields are wrong."""

    @property
    def status(self) -> int:
        """Return the answer's status."""
        return _WORDS[self.reason][0]

    def describe(self) -> dict[str, object]:
        """Return the answer's body."""
        detail = ": ".join([_WORDS[self.reason][1], *self.fields[:1]])
        named: dict[str, object] = {"fields": self.fields} if self.fields else {}
        return {"detail": detail, "reason": self.reason.value, **named}
