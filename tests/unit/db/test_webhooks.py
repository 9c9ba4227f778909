"""Standard Webhooks: the published vectors, and what is not believed."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from db.webhooks import (
    ID,
    SIGNATURE,
    TIMESTAMP,
    WebhookError,
    read_webhook_secret,
    sign_webhook,
    verify_webhook,
)

pytestmark = pytest.mark.unit

OLD, NEW = b"o" * 32, b"n" * 32
BODY = '{"cliente": "Agência Ção"}'.encode()
VECTORS = [
    (
        "whsec_plJ3nmyCDGBKInavdOK15jsl",
        "msg_loFOjxBNrRLzqYUf",
        1731705121,
        '{"event_type":"ping","data":{"success":true}}',
        "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
    ),
    (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        '{"test": 2432232314}',
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
]
"""Those that Standard Webhooks and Svix publish."""


def refusal(secrets: list[bytes], fields: dict[str, str], body: bytes = BODY) -> str:
    with pytest.raises(WebhookError) as caught:
        verify_webhook(secrets, fields, body)
    return caught.value.reason


@pytest.mark.parametrize(("secret", "webhook_id", "at", "body", "signature"), VECTORS)
def test_the_published_vectors_are_signed_as_published(
    secret: str, webhook_id: str, at: int, body: str, signature: str
) -> None:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    fields = sign_webhook(key, webhook_id, body.encode(), at=datetime.fromtimestamp(at, UTC))
    assert fields == {ID: webhook_id, TIMESTAMP: str(at), SIGNATURE: signature}
    assert refusal([key], fields, body.encode()) == "stale"


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_either_live_secret_is_believed_and_no_other(secret: bytes) -> None:
    fields = sign_webhook(secret, "msg_1", BODY)
    assert verify_webhook([NEW, OLD], fields, BODY) == "msg_1"
    assert refusal([b"x" * 32], fields) == "signature"


def test_one_of_several_signatures_is_enough() -> None:
    old, new = sign_webhook(OLD, "msg_1", BODY), sign_webhook(NEW, "msg_1", BODY)
    both = new | {SIGNATURE: f"{old[SIGNATURE]} {new[SIGNATURE]}", TIMESTAMP: new[TIMESTAMP]}
    assert verify_webhook([NEW], both, BODY) == "msg_1"


@pytest.mark.parametrize(
    "change",
    [{ID: "msg_2"}, {TIMESTAMP: "soon"}, {SIGNATURE: "v1,AAAA"}, {SIGNATURE: "v2,x v1"},
     {SIGNATURE: "ção"}],
)  # fmt: skip
def test_what_was_changed_on_the_way_is_refused(change: dict[str, str]) -> None:
    fields = sign_webhook(NEW, "msg_1", BODY)
    if TIMESTAMP in change:
        change = {TIMESTAMP: str(int(fields[TIMESTAMP]) + 7)}
    assert refusal([NEW], fields | change) == "signature"
    assert refusal([NEW], fields, BODY + b" ") == "signature"
    assert refusal([NEW], fields, b"\xff") == "signature"


@pytest.mark.parametrize("minutes", [-6, 6])
def test_what_is_late_or_early_is_refused_though_it_is_signed(minutes: int) -> None:
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    assert refusal([NEW], sign_webhook(NEW, "msg_1", BODY, at=at)) == "stale"


@pytest.mark.parametrize("stamp", ["nan", "1e9", "-1", "٣", "9" * 40])
def test_a_time_that_is_no_number_of_seconds_is_stale(stamp: str) -> None:
    assert refusal([NEW], sign_webhook(NEW, "msg_1", BODY) | {TIMESTAMP: stamp}) == "stale"


@pytest.mark.parametrize("name", [ID, TIMESTAMP, SIGNATURE])
def test_no_field_may_be_missing_or_endless(name: str) -> None:
    fields = sign_webhook(NEW, "msg_1", BODY)
    assert refusal([NEW], {key: value for key, value in fields.items() if key != name}) == "unsigned"
    if name != TIMESTAMP:
        assert refusal([NEW], fields | {name: "m" * 2000}) == "unsigned"


def test_an_id_with_a_full_stop_could_run_into_the_time_and_is_refused() -> None:
    assert refusal([NEW], sign_webhook(NEW, "msg.1", BODY)) == "unsigned"


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "n" * 40, "whsec_é" + "n" * 40])
def test_a_secret_that_is_none_is_refused_in_words_that_do_not_quote_it(secret: str) -> None:
    with pytest.raises(ValueError, match="24 bytes") as caught:
        read_webhook_secret(SecretStr(secret))
    assert not secret or secret.removeprefix("whsec_") not in str(caught.value) or secret == "whsec_"
