"""Who may push, and what is read of whom: refusals before the body, bounds while it is unpacked."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from ipaddress import ip_network

import pytest
import zstandard

from db.sync import MAX_BODY_BYTES
from db.webhooks import SIGNATURE, sign_webhook
from vps_readapi.ingest.body import unpack
from vps_readapi.ingest.door import Door
from vps_readapi.ingest.refusals import Reason, RefusalError

pytestmark = pytest.mark.unit

SECRET = b"s" * 32
KEY, OLD_KEY, SGP_KEY = "k" * 32, "o" * 32, "g" * 32
NEAR = "192.0.2.7"
DOOR = Door(
    [KEY.encode(), OLD_KEY.encode()],
    [SECRET],
    sgp_keys=[SGP_KEY.encode()],
    sgp_addresses=[ip_network("192.0.2.0/24")],
)


def fields(key: str, body: bytes = b"") -> dict[str, str]:
    return {"x-api-key": key, **sign_webhook(SECRET, "msg_1", body)}


def refusal(*arguments: object, unsigned: bool = False) -> Reason:
    with pytest.raises(RefusalError) as caught:
        DOOR.admit(*arguments, unsigned=unsigned)  # type: ignore[arg-type]
    return caught.value.reason


@pytest.mark.parametrize("key", [KEY, OLD_KEY])
def test_who_shows_a_live_key_must_sign(key: str) -> None:
    assert DOOR.admit(fields(key), NEAR)
    assert refusal({"x-api-key": key}, NEAR, unsigned=True) is Reason.UNSIGNED


@pytest.mark.parametrize("key", ["", KEY[:-1], KEY + "k", "ção", SGP_KEY])
def test_who_shows_none_is_refused_before_anything_is_read(key: str) -> None:
    assert refusal(fields(key), NEAR) is Reason.API_KEY


def test_sgps_key_is_good_for_orders_alone_and_from_its_addresses_alone() -> None:
    assert not DOOR.admit({"x-api-key": SGP_KEY}, NEAR, unsigned=True)
    assert not DOOR.admit({"x-api-key": SGP_KEY}, "::ffff:192.0.2.7", unsigned=True)
    assert refusal({"x-api-key": SGP_KEY}, NEAR) is Reason.API_KEY
    for host in ("192.0.3.7", "", "testclient", "2001:db8::1"):
        assert refusal({"x-api-key": SGP_KEY}, host, unsigned=True) is Reason.ADDRESS


def test_without_sgps_key_nothing_unsigned_is_taken() -> None:
    with pytest.raises(RefusalError, match="api_key"):
        Door([KEY.encode()], [SECRET]).admit({"x-api-key": ""}, NEAR, unsigned=True)


def test_a_body_is_believed_by_its_signature() -> None:
    assert DOOR.believe(fields(KEY, b"[]"), b"[]") == "msg_1"
    with pytest.raises(RefusalError, match="signature"):
        DOOR.believe(fields(KEY, b"[]") | {SIGNATURE: "v1,AAAA"}, b"[]")


PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("encoding", PACK)
def test_a_body_is_unpacked(encoding: str) -> None:
    assert unpack(PACK[encoding](b"[1]" * 1000), encoding.upper()) == b"[1]" * 1000


@pytest.mark.parametrize("encoding", PACK)
def test_what_unpacks_to_more_than_is_taken_is_refused(encoding: str) -> None:
    assert len(unpack(PACK[encoding](bytes(MAX_BODY_BYTES)), encoding)) == MAX_BODY_BYTES
    with pytest.raises(RefusalError, match="too_large"):
        unpack(PACK[encoding](bytes(MAX_BODY_BYTES + 1)), encoding)


@pytest.mark.parametrize(
    ("sent", "encoding"),
    [
        (b"[]", "gzip"),
        (b"[]", "zstd"),
        (b"[]", "br"),
        (gzip.compress(b"[]" * 999, mtime=0)[:-9], "gzip"),
        (gzip.compress(b"[]", mtime=0) + b"x", "gzip"),
    ],
)
def test_what_is_not_in_the_coding_that_it_claims_is_refused(sent: bytes, encoding: str) -> None:
    with pytest.raises(RefusalError, match="encoding"):
        unpack(sent, encoding)


def test_what_was_cut_off_is_not_what_was_signed() -> None:
    sent = zstandard.ZstdCompressor().compress(b"[1]" * 999)
    with pytest.raises(RefusalError):
        DOOR.believe(fields(KEY, b"[1]" * 999), unpack(sent[:-3], "zstd"))


def test_a_frame_that_wants_a_huge_window_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    frame = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(RefusalError, match="encoding"):
        unpack(frame.compress(b"[]") + frame.flush(), "zstd")
