"""Miniaturas on the VPS itself: signed requests to its internal ingest, whose answers are not trusted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated
from urllib.parse import quote

import httpcore
from pydantic import Field, TypeAdapter, ValidationError

from db.signing import sign_request
from thumbnail_worker.errors import StorageError, StorageRefusedError
from thumbnail_worker.storage import CONTENT_TYPE, StoredObject
from thumbnail_worker.storage.listing import HINT, walk
from thumbnail_worker.storage.wire import BROKEN, WHOLE_S, Answer, AnswerError, Wire

PATH = "/miniaturas"
_REFUSALS = frozenset({413, 422})
"""What is about this object, and passes for no other."""
_PAGE = TypeAdapter(list[tuple[Annotated[str, Field(max_length=1024)], Annotated[int, Field(ge=0)]]])


class VpsStorage:
    """The ingest's folder; it writes whole files only, and tells what it has."""

    def __init__(self, url: str, *, key: bytes, seconds: float = WHOLE_S) -> None:
        """url: the ingest's address, such as http://100.64.0.7:8081; seconds: for each request as a whole."""
        self._url = url
        self._wire = Wire(seconds=seconds)
        self._key = key

    def put(self, key: str, body: bytes) -> None:
        """Upload one object; the ingest refuses it unless all of it arrived."""
        self._request("PUT", f"{PATH}/{quote(key)}", body)

    def list_objects(self) -> Iterator[StoredObject]:
        """Yield what the ingest has, page after page."""
        return walk("the VPS's ingest", self._list_pages())

    def delete(self, key: str) -> None:
        """Have one object removed."""
        self._request("DELETE", f"{PATH}/{quote(key)}", b"")

    def close(self) -> None:
        """Let go of the connections."""
        self._wire.close()

    def _list_pages(self) -> Iterator[list[StoredObject]]:
        after = ""
        while page := self._read_page(after):
            yield page
            after = page[-1].chave

    def _read_page(self, after: str) -> list[StoredObject]:
        answer = self._request("GET", f"{PATH}?depois={quote(after, safe='')}", b"")
        try:
            return [StoredObject(*one) for one in _PAGE.validate_json(answer.body, strict=True)]
        except ValidationError as error:
            raise StorageError("the VPS's ingest lists what is no listing", HINT) from error

    def _request(self, method: str, target: str, body: bytes) -> Answer:
        try:
            answer = self._send(method, target, body)
        except BROKEN as error:
            raise StorageError(
                f"the VPS's ingest can't be reached: {type(error).__name__}",
                "check PONTE_WORKER_VPS_URL, the tunnel, and that the ingest is up",
            ) from error
        except AnswerError as error:
            raise StorageError(f"the VPS's ingest gave no answer that can be used: {error}", HINT) from error
        if method == "PUT" and answer.status in _REFUSALS:
            raise StorageRefusedError(
                f"the VPS's ingest will not take this miniatura: {answer.status}",
                "raise PONTE_INGEST_MAX_BYTES on the VPS, then run 'python -m thumbnail_worker reconcile'",
            )
        if not answer.is_success:
            raise StorageError(
                f"the VPS's ingest refused a request: {answer.status}",
                "check PONTE_INGEST_KEY and the clock on both ends, and the VPS's disk",
            )
        return answer

    def _send(self, method: str, target: str, body: bytes) -> Answer:
        """Send it, once more if the connection was closed meanwhile: all requests may come twice."""
        try:
            return self._send_once(method, target, body)
        except httpcore.RemoteProtocolError:
            return self._send_once(method, target, body)

    def _send_once(self, method: str, target: str, body: bytes) -> Answer:
        # Signed each time: a signature is good once.
        headers = sign_request(self._key, method, target, body)
        if body:
            headers = {**headers, "content-type": CONTENT_TYPE}
        return self._wire.ask(method, self._url + target, headers, body)
