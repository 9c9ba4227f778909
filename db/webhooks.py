"""Standard Webhooks between the two ends: who signs a body, and whether one is believed.

The signature covers the id, the time and the body as it is before it is compressed. Whether an id was here
before is the receiver's to remember, together with what the body did.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"
PREFIX = "whsec_"
MIN_SECRET_BYTES = 24
"""The least that Standard Webhooks asks for."""
WINDOW_S = 300.0
"""How far the two clocks may differ, and how long a request can arrive late: the library's."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Without a full stop: with one, an id could run into the time."""
_LONGEST_SIGNATURE = 1024


class WebhookError(Exception):
    """A body is not to be believed. reason: `unsigned`, `stale` or `signature`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_webhook_secret(secret: SecretStr) -> bytes:
    """Return a secret's bytes; it is `whsec_` and base64. Raise ValueError in words that do not quote it."""
    text = secret.get_secret_value()
    try:
        found = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not text.startswith(PREFIX) or len(found) < MIN_SECRET_BYTES:
        raise ValueError(f"not whsec_ and {MIN_SECRET_BYTES} bytes or more in base64")
    return found


def sign_webhook(
    secret: bytes, webhook_id: str, body: bytes, *, at: datetime | None = None
) -> dict[str, str]:
    """Return the fields that sign a body. webhook_id: the same when the same body is sent again; at: now."""
    at = at or datetime.now(UTC)
    signature = Webhook(secret).sign(webhook_id, at, body.decode())
    return {ID: webhook_id, TIMESTAMP: str(int(at.timestamp())), SIGNATURE: signature}


def check_stamps(fields: Mapping[str, str]) -> str:
    """Return a request's id, before its body is read. Raise WebhookError if it can't be believed anyway.

    fields: the request's, their names in lower case.
    """
    webhook_id, stamp = fields.get(ID, ""), fields.get(TIMESTAMP, "")
    signature = fields.get(SIGNATURE, "")
    if not _ID.fullmatch(webhook_id) or not stamp or not 0 < len(signature) <= _LONGEST_SIGNATURE:
        raise WebhookError("unsigned")
    if not re.fullmatch(r"\d{1,12}", stamp, re.ASCII) or abs(time.time() - int(stamp)) > WINDOW_S:
        raise WebhookError("stale")
    return webhook_id


def verify_webhook(secrets: Iterable[bytes], fields: Mapping[str, str], body: bytes) -> str:
    """Return the id of a request that one of the secrets signed. Raise WebhookError."""
    webhook_id = check_stamps(fields)
    if not any(_is_signed(secret, fields, body) for secret in secrets):
        raise WebhookError("signature")
    return webhook_id


def _is_signed(secret: bytes, fields: Mapping[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, dict(fields), json_parse=False)
    except (WebhookVerificationError, ValueError):  # what is no base64, no pair or no UTF-8
        return False
    return True
