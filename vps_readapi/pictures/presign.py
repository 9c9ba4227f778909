"""Addresses of objects in a private bucket, good without any header, and the same for a whole day.

Amazon's Signature Version 4 in the query, as its documents describe it; no SDK, because each one signs
with the time of day, and a phone that is given another address each time keeps no picture.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote, urlencode, urlsplit

_VALID_S = 2 * 86_400
"""From the beginning of the day: an address that is given out at its end is good for another day."""


@dataclass(frozen=True)
class Bucket:
    """A bucket of any S3-compatible server; `url` is the bucket's own address."""

    url: str
    region: str
    access_key_id: str
    secret_access_key: str

    def locate(self, chave: str, *, now: datetime | None = None) -> str:
        """Return today's address of an object."""
        day = (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y%m%d")
        base = urlsplit(self.url)
        path = f"{base.path.rstrip('/')}/{quote(chave)}"
        scope = f"{day}/{self.region}/s3/aws4_request"
        query = urlencode(
            {
                "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
                "X-Amz-Credential": f"{self.access_key_id}/{scope}",
                "X-Amz-Date": f"{day}T000000Z",
                "X-Amz-Expires": str(_VALID_S),
                "X-Amz-SignedHeaders": "host",
            },
            quote_via=quote,
            safe="",
        )
        request = "\n".join(("GET", path, query, f"host:{base.netloc}", "", "host", "UNSIGNED-PAYLOAD"))
        digest = sha256(request.encode()).hexdigest()
        said = "\n".join(("AWS4-HMAC-SHA256", f"{day}T000000Z", scope, digest))
        signature = hmac.digest(self._derive_key(day), said.encode(), sha256).hex()
        return f"{base.scheme}://{base.netloc}{path}?{query}&X-Amz-Signature={signature}"

    def _derive_key(self, day: str) -> bytes:
        key = b"AWS4" + self.secret_access_key.encode()
        for part in (day, self.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), sha256)
        return key


@dataclass(frozen=True)
class Network:
    """A public address, such as a CDN's, below which the objects lie."""

    url: str

    def locate(self, chave: str) -> str:
        """Return an object's address."""
        return f"{self.url.rstrip('/')}/{quote(chave)}"
