"""A key that is not here is said once and when it is; what tells keys apart tells no key."""

from __future__ import annotations

import logging

import pytest

from db.credentials import CredentialKeys
from vps_readapi.auth.telling import KeyWord

pytestmark = pytest.mark.unit

KEY, OTHER = b"a" * 32, b"b" * 32


def test_another_key_is_said_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    word = KeyWord()
    said = []
    with caplog.at_level(logging.INFO, "vps_readapi"):
        for fits in (None, True, False, None, False, False, True, True, None):
            word.judge(fits)
            said.append([record.message for record in caplog.records])
            caplog.clear()
    assert said == [[], [], ["credential_key_differs"], [], [], [], ["credential_key_fits"], [], []]


@pytest.mark.parametrize(
    ("worker", "api", "fits"),
    [
        (CredentialKeys("k1", {"k1": KEY}), CredentialKeys("k1", {"k1": KEY}), True),
        (CredentialKeys("k1", {"k1": KEY}), CredentialKeys("k1", {"k1": OTHER}), False),
        (CredentialKeys("k1", {"k1": KEY}), CredentialKeys("k2", {"k2": KEY}), False),
        (CredentialKeys("k1", {"k1": KEY}), CredentialKeys("k2", {"k2": OTHER, "k1": KEY}), True),
        (
            CredentialKeys("k2", {"k2": OTHER, "k1": KEY}),
            CredentialKeys("k2", {"k2": OTHER, "k1": KEY}),
            True,
        ),
        (CredentialKeys("k2", {"k2": OTHER, "k1": KEY}), CredentialKeys("k1", {"k1": KEY}), False),
    ],
    ids=[
        "the same",
        "another under the same id",
        "the same under another id",
        "the VPS turned first",
        "both turned",
        "the worker turned first",
    ],
)
def test_a_mark_tells_whether_the_other_end_has_the_workers_key(
    worker: CredentialKeys, api: CredentialKeys, fits: bool
) -> None:
    mark = worker.mark()
    assert (mark.digest in api.marks()) is fits
    assert mark.salt == ""
    assert not any(key in mark.digest for key in (KEY[:4], OTHER[:4]))
