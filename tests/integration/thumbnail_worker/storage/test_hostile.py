"""Storages in other hands: whatever they answer costs a sentence, and no memory or time without a bound."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.hostile_server import WIRE_TRICKS, Trick, counting, make_bomb, run_hostile, telling
from thumbnail_worker.errors import StorageError
from thumbnail_worker.storage import Storage, listing
from thumbnail_worker.storage.s3 import S3Storage
from thumbnail_worker.storage.vps import VpsStorage
from thumbnail_worker.storage.wire import ANSWER_BYTES

pytestmark = [pytest.mark.integration, pytest.mark.any_version, pytest.mark.timeout(120)]

SECONDS = 0.5
KEY = "7/0123456789abcdef-w1-640.webp"
MEMORY_BYTES = 16 * 1024 * 1024
SENT_BYTES = 32 * 1024 * 1024
"""What a server can push into the buffers of this machine before we hang up."""


def open_vps(url: str) -> VpsStorage:
    return VpsStorage(url, key=b"i" * 40, seconds=SECONDS)


def open_s3(url: str) -> S3Storage:
    return S3Storage(
        "fotos",
        endpoint_url=url,
        region="us-east-1",
        access_key_id="a",
        secret_access_key="b",
        seconds=SECONDS,
    )


STORAGES: dict[str, Callable[[str], Storage]] = {"vps": open_vps, "s3": open_s3}


def attack(kind: str, trick: Trick, act: Callable[[Storage], object]) -> tuple[StorageError, int, int]:
    """Return the sentence, the most memory that it took and how much was sent."""
    with run_hostile(trick) as server, closing(STORAGES[kind](server.url)) as storage:
        tracemalloc.start()
        try:
            with pytest.raises(StorageError) as told:
                act(storage)
            return told.value, tracemalloc.get_traced_memory()[1], server.sent
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("name", WIRE_TRICKS)
@pytest.mark.parametrize("kind", STORAGES)
def test_no_answer_costs_more_than_a_sentence(kind: str, name: str) -> None:
    make_bomb()  # before anybody counts
    acts: dict[str, Callable[[Storage], object]] = {
        "vps": lambda one: list(one.list_objects()),
        "s3": lambda one: one.put(KEY, b"x" * 50_000),
    }
    error, peak_bytes, sent = attack(kind, WIRE_TRICKS[name], acts[kind])
    assert error.hint
    assert peak_bytes < MEMORY_BYTES
    assert sent < SENT_BYTES


LISTS = {
    "the same page for ever": telling([[KEY, 1]]),
    "two in no order": telling([["9/a-w1-640.webp", 1], ["8/a-w1-640.webp", 1]]),
    "a size below nothing": telling([[KEY, -1]]),
    "a size that is a text": telling([[KEY, "1"]]),
    "a key of a megabyte": telling([["k" * 1_000_000, 1]]),
    "no list": telling({"chaves": []}),
    "nested": telling(b"[" * 500_000),
    "no JSON": telling(b"<html>"),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_listing_of_the_vps_is_believed_only_while_it_goes_on(name: str) -> None:
    error, peak_bytes, _ = attack("vps", LISTS[name], lambda one: list(one.list_objects()))
    assert "lists" in error.fact
    assert peak_bytes < MEMORY_BYTES


def make_page(number: int, *contents: str, more: bool = True) -> bytes:
    token = f"<NextContinuationToken>t{number}</NextContinuationToken>" if more else ""
    return (
        '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{''.join(contents)}</ListBucketResult>"
    ).encode()


def make_object(key: str, size: object = 1) -> str:
    return f"<Contents><Key>{key}</Key><Size>{size}</Size></Contents>"


BUCKETS = {
    "the same object under new tokens": counting(lambda number: make_page(number, make_object(KEY))),
    "two pages in turns": counting(lambda number: make_page(number, make_object(f"{number % 2}/a"))),
    "pages without objects": counting(make_page),
    "a size that is a text": counting(
        lambda number: make_page(number, make_object(KEY, "viele"), more=False)
    ),
    "no key": counting(lambda number: make_page(number, "<Contents><Size>1</Size></Contents>", more=False)),
    "no XML": counting(lambda _: b"nothing"),
    "laughs": counting(
        lambda _: (
            b'<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">'
            + b"".join(
                f'<!ENTITY a{n} "{f"&a{n - 1 if n > 1 else str()};" * 10}">'.encode() for n in range(1, 12)
            )
            + b"]><ListBucketResult><Name>&a11;</Name></ListBucketResult>"
        )
    ),
}


@pytest.mark.parametrize("name", BUCKETS)
def test_a_listing_of_a_bucket_is_believed_only_while_it_goes_on(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_PAGES", 50)
    error, peak_bytes, _ = attack("s3", BUCKETS[name], lambda one: list(one.list_objects()))
    assert error.hint
    assert peak_bytes < MEMORY_BYTES


def test_a_listing_that_rises_for_ever_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST_OBJECTS", 300)

    def make(number: int) -> bytes:
        return make_page(number, *(make_object(f"{number:06}/{one:02}") for one in range(20)))

    error, _, _ = attack("s3", counting(make), lambda one: list(one.list_objects()))
    assert "more than 300 objects" in error.fact


def test_the_words_of_a_buckets_error_are_not_repeated() -> None:
    said = b"<Error><Code>\x1b[2Jgo away " + b"x" * 100_000 + b"</Code></Error>"
    error, _, _ = attack(
        "s3",
        lambda peer: peer.say(b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n" % len(said) + said),
        lambda one: one.delete(KEY),
    )
    assert "\x1b" not in str(error)
    assert len(str(error)) < 300


def test_a_page_of_a_thousand_objects_is_far_from_the_bound() -> None:
    page = make_page(
        0, *(make_object(f"{number:010}/{'f' * 40}-w1-8192.webp", 10**9) for number in range(1000))
    )
    assert len(page) * 5 < ANSWER_BYTES
