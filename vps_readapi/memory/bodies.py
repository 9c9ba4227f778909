"""Bodies as they leave: rendered once, compressed once for each coding that somebody asks for."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from hashlib import blake2b

import brotli
import zstandard

from vps_readapi.memory.notice import is_visible
from vps_readapi.pedidos.visibility import NOTHING, hide

IDENTITY, GZIP, BROTLI, ZSTD = range(4)
CODINGS = ("identity", "gzip", "br", "zstd")
"""By number; where a client takes several equally, the last one wins."""
MIN_COMPRESSED_BYTES = 512
OWN_BYTES, CODED_BYTES = 700, 500
"""What a body takes beside its content, and each of its codings with its head, as measured."""
LARGE_BYTES = 256 * 1024
"""From here on compressing takes milliseconds: it is done in a thread, and at the quickest level."""


def _gzip(content: bytes) -> bytes:
    packer = zlib.compressobj(1 if len(content) >= LARGE_BYTES else 6, zlib.DEFLATED, 31)
    return packer.compress(content) + packer.flush()


def _brotli(content: bytes) -> bytes:
    packed: bytes = brotli.compress(content, quality=1 if len(content) >= LARGE_BYTES else 5)
    return packed


def _zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1 if len(content) >= LARGE_BYTES else 3).compress(content)


_PACKERS: tuple[Callable[[bytes], bytes], ...] = (bytes, _gzip, _brotli, _zstd)


class Body:
    """One answer's content in all its codings, with the lines of its head that never change."""

    __slots__ = (
        "_coded",
        "_heads",
        "_views",
        "etag",
        "identity",
        "key",
        "seen",
        "size",
        "was_asked",
        "watch",
    )

    def __init__(
        self, identity: bytes, *, key: tuple[int, ...] = (), etag: bytes | None = None, seen: str = ""
    ) -> None:
        self.identity = identity
        self.seen = seen
        """The snapshot that it was read in; empty where that isn't known."""
        self.was_asked = False
        """Whether somebody has asked for it since it was read."""
        self.key = key
        """Sorts orders as the list has them."""
        self.etag = etag or make_etag(identity)
        self._coded: dict[int, bytes] = {IDENTITY: identity}
        self._heads: dict[int, bytes] = {}
        self._views: dict[int, Body] = {}
        self.size = len(identity) + OWN_BYTES
        """What it takes with all that was made of it."""
        self.watch: Callable[[int], None] | None = None
        """Told by how much that grows."""

    @property
    def is_large(self) -> bool:
        """Whether sending it is worth a thought."""
        return len(self.identity) >= LARGE_BYTES

    def shows(self, transactions: Iterable[int]) -> bool:
        """Tell whether it was read when some transactions, which have ended well, were visible already."""
        return all(is_visible(one, self.seen) for one in transactions)

    def view(self, hidden: int) -> Body:
        """Return an order's body without what is hidden, made when first asked for."""
        if hidden == NOTHING:
            return self
        view = self._views.get(hidden)
        if view is None:
            view = self._views[hidden] = Body(hide(self.identity, hidden), key=self.key)
            view.watch = self._grow
            self._grow(view.size)
        return view

    def choose(self, coding: int) -> int:
        """Return the coding to answer with: small bodies are not worth one."""
        return coding if len(self.identity) >= MIN_COMPRESSED_BYTES else IDENTITY

    def is_ready(self, coding: int) -> bool:
        """Tell whether the content can be had without waiting."""
        return coding in self._coded or len(self.identity) < LARGE_BYTES

    def encode(self, coding: int) -> bytes:
        """Return the content in one coding; the first call for it compresses."""
        coded = self._coded.get(coding)
        if coded is None:
            coded = self.pack(coding)
            self.take(coding, coded)
        return coded

    def pack(self, coding: int) -> bytes:
        """Return the content in one coding, made anew: nothing else changes, so a thread may do it."""
        return _PACKERS[coding](self.identity)

    def take(self, coding: int, coded: bytes) -> None:
        """Keep what was packed."""
        if coding not in self._coded:
            self._coded[coding] = coded
            self._grow(len(coded) + CODED_BYTES)

    def _grow(self, by: int) -> None:
        self.size += by
        if self.watch is not None:
            self.watch(by)

    def head(self, coding: int) -> bytes:
        """Return the status line and the fields of a 200 that belong to the content."""
        head = self._heads.get(coding)
        if head is None:
            fields = b"".join(
                name + b": " + value + b"\r\n"
                for name, value in self.fields(coding, len(self.encode(coding)))
            )
            head = self._heads[coding] = b"HTTP/1.1 200 OK\r\n" + fields
        return head

    def head_unchanged(self) -> bytes:
        """Return the same for a 304."""
        head = self._heads.get(-1)
        if head is None:
            head = b"HTTP/1.1 304 Not Modified\r\n" + b"".join(
                name + b": " + value + b"\r\n" for name, value in self.shared_fields()
            )
            self._heads[-1] = head
        return head

    def shared_fields(self) -> list[tuple[bytes, bytes]]:
        """Return the fields that a 304 has too."""
        return [
            (b"etag", self.etag),
            (b"cache-control", b"private, no-cache"),
            (b"vary", b"accept-encoding, authorization, origin"),
        ]

    def fields(self, coding: int, length: int) -> list[tuple[bytes, bytes]]:
        """Return the fields of a 200."""
        fields = [
            (b"content-type", b"application/json"),
            (b"content-length", str(length).encode()),
            *self.shared_fields(),
        ]
        if coding != IDENTITY:
            fields.append((b"content-encoding", CODINGS[coding].encode()))
        return fields


def make_etag(content: bytes) -> bytes:
    """Return the tag of a content: the same in every process and on every VPS, whatever the coding."""
    return b'W/"' + blake2b(content, digest_size=12).hexdigest().encode() + b'"'
