"""What a storage lists, believed only as far as it goes on: one that repeats itself would never end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import monotonic

from thumbnail_worker.errors import StorageError
from thumbnail_worker.storage import StoredObject

MOST_OBJECTS = 1_000_000
MOST_PAGES = 10_000
LISTING_S = 900.0
_LONGEST_KEY = 1024
"""In bytes; S3's own limit."""
HINT = "it may be in other hands, or another program: look at that server, then run the command again"


def walk(whose: str, pages: Iterable[Iterable[StoredObject]]) -> Iterator[StoredObject]:
    """Yield what the pages hold. Raise StorageError unless keys rise, sizes can be, and there is an end.

    whose: who lists, for the sentence.
    """
    ends, last, count = monotonic() + LISTING_S, "", 0
    for number, page in enumerate(pages, start=1):
        if number > MOST_PAGES or monotonic() > ends:
            raise StorageError(f"{whose} lists without an end", HINT)
        for one in page:
            if one.chave <= last:
                raise StorageError(f"{whose} lists the same again, or in no order", HINT)
            if one.size < 0 or len(one.chave.encode(errors="replace")) > _LONGEST_KEY:
                raise StorageError(f"{whose} lists what can't be", HINT)
            last, count = one.chave, count + 1
            if count > MOST_OBJECTS:
                raise StorageError(f"{whose} lists more than {MOST_OBJECTS} objects", HINT)
            yield one
