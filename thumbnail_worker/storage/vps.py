"""Miniaturas on the VPS itself: signed requests to its internal ingest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx

from db.signing import sign_request
from thumbnail_worker.errors import StorageError, StorageRefusedError
from thumbnail_worker.storage import CONTENT_TYPE, StoredObject

PATH = "/miniaturas"
# Far below the ingest's own 65 s: a connection that it may be closing is not used again.
_LIMITS = httpx.Limits(keepalive_expiry=2.0)
_REFUSALS = frozenset({413, 422})
"""What is about this object, and passes for no other."""
_TIMEOUT = httpx.Timeout(20.0, connect=5.0)


class VpsStorage:
    """The ingest's folder; it writes whole files only, and tells what it has."""

    def __init__(self, url: str, *, key: bytes) -> None:
        """url: the ingest's address, such as http://100.64.0.7:8081."""
        self._client = httpx.Client(base_url=url, timeout=_TIMEOUT, limits=_LIMITS, trust_env=False)
        self._key = key

    def put(self, key: str, body: bytes) -> None:
        """Upload one object; the ingest refuses it unless all of it arrived."""
        self._request("PUT", f"{PATH}/{quote(key)}", body)

    def list_objects(self) -> Iterator[StoredObject]:
        """Yield what the ingest has, page after page."""
        after = ""
        while page := self._request("GET", f"{PATH}?depois={quote(after, safe='')}", b"").json():
            for chave, size in page:
                yield StoredObject(chave, size)
            after = page[-1][0]

    def delete(self, key: str) -> None:
        """Have one object removed."""
        self._request("DELETE", f"{PATH}/{quote(key)}", b"")

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _request(self, method: str, target: str, body: bytes) -> httpx.Response:
        try:
            answer = self._send(method, target, body)
        except httpx.HTTPError as error:
            raise StorageError(
                f"the VPS's ingest can't be reached: {type(error).__name__}",
                "check PONTE_WORKER_VPS_URL, the tunnel, and that the ingest is up",
            ) from error
        if method == "PUT" and answer.status_code in _REFUSALS:
            raise StorageRefusedError(
                f"the VPS's ingest will not take this miniatura: {answer.status_code}",
                "raise PONTE_INGEST_MAX_BYTES on the VPS, then run 'python -m thumbnail_worker reconcile'",
            )
        if not answer.is_success:
            raise StorageError(
                f"the VPS's ingest refused a request: {answer.status_code}",
                "check PONTE_INGEST_KEY and the clock on both ends, and the VPS's disk",
            )
        return answer

    def _send(self, method: str, target: str, body: bytes) -> httpx.Response:
        """Send it, once more if the connection was closed meanwhile: all requests may come twice."""
        try:
            return self._send_once(method, target, body)
        except httpx.RemoteProtocolError:
            return self._send_once(method, target, body)

    def _send_once(self, method: str, target: str, body: bytes) -> httpx.Response:
        # Signed each time: a signature is good once.
        headers: dict[str, Any] = sign_request(self._key, method, target, body)
        if body:
            headers["content-type"] = CONTENT_TYPE
        return self._client.request(method, target, content=body, headers=headers)
