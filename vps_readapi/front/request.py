"""What a request wants, if it is one that memory may answer: who asks, for what, in which coding.

Clients that keep a connection open send the same bytes over and over; those are read once.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from vps_readapi.auth.tokens import TokenError
from vps_readapi.auth.verifier import TokenVerifier
from vps_readapi.front.cors import cors_fields
from vps_readapi.memory.bodies import BROTLI, GZIP, IDENTITY, ZSTD
from vps_readapi.memory.wanted import LIST, Wanted

Fields = Sequence[tuple[bytes, bytes]]

MAX_REQUEST_BYTES = 4096
MAX_KNOWN_BYTES = 8 * 2**20
"""How much the requests that were read may take, with all that was read of them."""
MAX_ETAGS = 16
"""Clients send one; of more than these none is looked at, and the answer is sent whole."""
_KEPT_BYTES = 900
"""What a request takes beside its own bytes and its tags."""
_TARGET = re.compile(rb"/pedidos(?:/(\d{1,9})?)?")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[\t\x20-\x7e]*")
_WEIGHT = re.compile(rb"q=(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")
_CODINGS = {b"zstd": ZSTD, b"br": BROTLI, b"gzip": GZIP, b"x-gzip": GZIP}
_REFUSED = frozenset(
    (b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"connection", b"range", b"host")
)
"""Fields with which a request is read by the server's own parser, where they say anything unusual."""


class Requests:
    """Reads requests, and remembers those that it has read."""

    def __init__(self, verifier: TokenVerifier, *, cors_origins: Sequence[str]) -> None:
        self._verifier = verifier
        self._origins = frozenset(cors_origins)
        self._known: OrderedDict[bytes, Wanted] = OrderedDict()
        self.held_bytes = 0

    def read_bytes(self, request: bytes) -> Wanted | None:
        """Understand a whole request without a body; None means that somebody else must."""
        wanted = self._known.get(request)
        if wanted is None and len(request) <= MAX_REQUEST_BYTES:
            wanted = self._parse(request)
            if wanted is not None:  # what memory can't answer is not kept: junk would push out the others
                self._keep(request, wanted)
        return wanted

    def shows_session(self, fields: Fields) -> bool:
        """Tell whether a request has a token of somebody's, whether or not his session goes on."""
        try:
            self._verifier.verify(dict(fields).get(b"authorization", b""))
        except TokenError:
            return False
        return True

    def _keep(self, request: bytes, wanted: Wanted) -> None:
        self._known[request] = wanted
        self.held_bytes += _measure(request, wanted)
        while self.held_bytes > MAX_KNOWN_BYTES:
            self.held_bytes -= _measure(*self._known.popitem(last=False))

    def read(self, *, method: bytes, target: bytes, fields: Fields) -> Wanted | None:
        """Understand a request that is parsed already; names are in lower case."""
        asked = read_target(method, target)
        return None if asked is None else self._read_fields(asked, fields, is_head=method == b"HEAD")

    def _read_fields(self, target: int, fields: Fields, *, is_head: bool) -> Wanted | None:
        found = dict(fields)
        if len(found) != len(fields) and _has_doubled(fields):
            return None
        try:
            token = self._verifier.verify(found.get(b"authorization", b""))
        except TokenError:
            return None
        return Wanted(
            target=target,
            token=token,
            coding=choose_coding(found.get(b"accept-encoding", b"")),
            etags=read_etags(found.get(b"if-none-match", b"")),
            max_age_s=read_max_age(found.get(b"sync-max-age")),
            is_head=is_head,
            cors=b"".join(b"%s: %s\r\n" % one for one in cors_fields(self._origins, found.get(b"origin"))),
        )

    def _parse(self, request: bytes) -> Wanted | None:
        """Read the strictest form of HTTP/1.1 only; everything else is for the server's own parser."""
        first, _, rest = request.partition(b"\r\n")
        method, _, target = first.removesuffix(b" HTTP/1.1").partition(b" ")
        asked = read_target(method, target) if first.endswith(b" HTTP/1.1") else None
        if asked is None or not rest.endswith(b"\r\n\r\n") or rest.find(b"\r\n\r\n") != len(rest) - 4:
            return None
        fields = []
        for line in rest[:-4].split(b"\r\n"):
            name, colon, value = line.partition(b":")
            if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
                return None
            fields.append((name.lower(), value.strip(b" \t")))
        return None if _is_unusual(fields) else self._read_fields(asked, fields, is_head=method == b"HEAD")


def _measure(request: bytes, wanted: Wanted) -> int:
    """Return about what both take: a tag has 40 bytes beside its own, and a place in a set."""
    return len(request) + _KEPT_BYTES + len(wanted.cors) + sum(len(tag) + 72 for tag in wanted.etags)


def read_target(method: bytes, target: bytes) -> int | None:
    """Return the order that is read, or LIST; None if it is neither: then nobody need look at the fields."""
    asked = _TARGET.fullmatch(target) if method in {b"GET", b"HEAD"} else None
    if asked is None:
        return None
    return int(asked[1]) if asked[1] else LIST


def _is_unusual(fields: Fields) -> bool:
    hosts = sum(name == b"host" for name, _ in fields)
    return hosts != 1 or any(
        name in _REFUSED
        and not (name == b"host" or (name == b"connection" and value.lower() == b"keep-alive"))
        for name, value in fields
    )


def _has_doubled(fields: Fields) -> bool:
    """Tell whether a field that counts here stands twice."""
    counted = (b"authorization", b"accept-encoding", b"if-none-match", b"sync-max-age", b"origin")
    names = [name for name, _ in fields if name in counted]
    return len(names) != len(set(names))


def choose_coding(accepted: bytes) -> int:
    """Return the coding that the client likes best; ours decides where it likes several equally."""
    best = (0.0, IDENTITY)
    for word in accepted.lower().split(b","):
        name, _, weight = word.partition(b";")
        coding = _CODINGS.get(name.strip())
        if coding is not None:
            best = max(best, (_read_weight(weight.strip()), coding))
    return best[1] if best[0] > 0 else IDENTITY


def _read_weight(text: bytes) -> float:
    if not text:
        return 1.0
    return float(text[2:]) if _WEIGHT.fullmatch(text) else 0.0


def read_etags(text: bytes) -> frozenset[bytes]:
    """Return the tags, all in the weak form in which they are compared."""
    if text.count(b",") >= MAX_ETAGS:
        return frozenset()
    tags: Iterable[bytes] = (one.strip() for one in text.split(b","))
    return frozenset(tag if tag == b"*" or tag.startswith(b"W/") else b"W/" + tag for tag in tags if tag)


def read_max_age(text: bytes | None) -> float | None:
    """Return how old the data may be, in seconds; what is no number of seconds asks for nothing."""
    return float(text) if text is not None and text.isdigit() and len(text) <= 9 else None  # noqa: PLR2004
