"""Miniaturas in a bucket of any S3-compatible server, whose answers are not trusted.

botocore signs and reads; what travels goes over our own wire: botocore would read an answer of any length.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.parsers import ResponseParserError

from thumbnail_worker.errors import StorageError, StorageRefusedError
from thumbnail_worker.storage import CONTENT_TYPE, StoredObject
from thumbnail_worker.storage.listing import HINT, walk
from thumbnail_worker.storage.wire import BROKEN, WHOLE_S, Answer, AnswerError, Wire

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ListObjectsV2OutputTypeDef

_CODE = re.compile(r"[A-Za-z0-9.]{1,64}", re.ASCII)
"""What S3's words for an error look like; another is the server's own text."""
_REGION = re.compile(r"[a-z0-9-]{1,32}", re.ASCII)
_LEADING = frozenset({301, 302, 307})
_REFUSALS = frozenset({"EntityTooLarge", "InvalidRequest"})
# A key's content never changes, and whoever has the address may see it: the API's own answers say the same.
CACHE_CONTROL = "public, max-age=31536000, immutable"


class S3Storage:
    """A bucket; S3's PUT is whole or nothing by itself."""

    def __init__(
        self,
        bucket: str,
        *,
        endpoint_url: str | None,
        region: str,
        access_key_id: str,
        secret_access_key: str,
        seconds: float = WHOLE_S,
    ) -> None:
        """endpoint_url: None for Amazon's own; seconds: for each request as a whole."""
        self._bucket = bucket
        self._client: S3Client = boto3.client(
            "s3",
            endpoint_url=endpoint_url,
            region_name=region,
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            config=_config(own_server=endpoint_url is not None),
        )
        self._wire = _open_wire(self._client.meta.endpoint_url, seconds)
        # Whoever answers there answers in the stead of botocore's own connections.
        self._client.meta.events.register("before-send.s3", self._send)  # type: ignore[arg-type]

    def put(self, key: str, body: bytes) -> None:
        """Put one object. Raise StorageError if the server refuses it or can't be reached."""
        with _telling():
            self._client.put_object(
                Bucket=self._bucket, Key=key, Body=body, ContentType=CONTENT_TYPE, CacheControl=CACHE_CONTROL
            )

    def list_objects(self) -> Iterator[StoredObject]:
        """Yield the bucket's objects, page after page."""
        with _telling():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
            yield from walk("the bucket", map(_read_page, pages))

    def delete(self, key: str) -> None:
        """Delete one object."""
        with _telling():
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()
        self._wire.close()

    def _send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        """Send a signed request in botocore's stead."""
        headers = {
            name: _to_text(value)
            for name, value in request.headers.items()
            if name.lower() not in _OF_THE_WIRE
        }
        try:
            answer = self._wire.ask(request.method, request.url, headers, _read_body(request))
            _check_xml(answer.body)
            _check_way(answer)
        except (*BROKEN, AnswerError) as error:
            raise HTTPClientError(error=error) from error
        return AWSResponse(
            request.url, answer.status, HTTPHeaders.from_dict(answer.headers), _Body(answer.body)
        )


_OF_THE_WIRE = frozenset({"expect", "content-length"})
"""Which it has its own, and which are not signed."""


def _check_xml(body: bytes) -> None:
    """Let nothing be read that defines words of its own, which a few bytes can make a gigabyte."""
    if b"<!DOCTYPE" in body or b"\0" in body:
        raise AnswerError("it is no XML of S3's")


def _check_way(answer: Answer) -> None:
    """Let nobody lead on without saying where: botocore would ask for the region, and be led on, for ever."""
    if answer.status in _LEADING and not _REGION.fullmatch(answer.headers.get("x-amz-bucket-region", "")):
        raise AnswerError("it leads elsewhere and does not say where")


def _to_text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _read_body(request: AWSPreparedRequest) -> bytes:
    body = request.body or b""
    found = body if isinstance(body, str | bytes | bytearray) else body.read()
    return found.encode() if isinstance(found, str) else bytes(found)


class _Body(bytes):
    """An answer's body as botocore takes it."""

    def stream(self) -> Iterator[bytes]:
        """Give it in one piece."""
        yield self


def _open_wire(url: str, seconds: float) -> Wire:
    """Trust whom the system trusts, and go where it says that its proxy is."""
    parts = urlsplit(url)
    proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
    return Wire(context=ssl.create_default_context(), proxy=proxy, seconds=seconds)


def _read_page(page: ListObjectsV2OutputTypeDef) -> Iterable[StoredObject]:
    return (StoredObject(one["Key"], one["Size"]) for one in page.get("Contents", ()))


@contextmanager
def _telling() -> Iterator[None]:
    """Turn what the client raises into a StorageError."""
    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {}).get("Code", "")
        code = said if _CODE.fullmatch(said) else "unknown"
        if error.operation_name == "PutObject" and code in _REFUSALS:
            raise StorageRefusedError(
                f"the bucket will not take this miniatura: {code}",
                "check the server's limits, then run 'python -m thumbnail_worker reconcile'",
            ) from error
        raise StorageError(
            f"the bucket refused a request: {code}", "check PONTE_WORKER_S3_BUCKET and the key's rights"
        ) from error
    except BotoCoreError as error:
        cause = error.__cause__ or error
        if isinstance(cause, AnswerError):
            raise StorageError(f"the bucket gave no answer that can be used: {cause}", HINT) from error
        raise StorageError(
            f"the storage can't be reached: {type(cause).__name__}",
            "check PONTE_WORKER_S3_ENDPOINT_URL and that the server is up",
        ) from error
    except (ResponseParserError, KeyError, TypeError, ValueError) as error:
        raise StorageError("the bucket's answer is none of S3's", HINT) from error


def _config(*, own_server: bool) -> Config:
    return Config(
        retries={"mode": "standard", "total_max_attempts": 2},
        # Buckets as host names need a DNS of the server's own; checksums are news to older servers.
        s3={"addressing_style": "path" if own_server else "auto"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
