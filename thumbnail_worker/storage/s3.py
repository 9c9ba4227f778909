"""Miniaturas in a bucket of any S3-compatible server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from thumbnail_worker.errors import StorageError, StorageRefusedError
from thumbnail_worker.storage import CONTENT_TYPE, StoredObject

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

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
    ) -> None:
        """endpoint_url: None for Amazon's own."""
        self._bucket = bucket
        self._client: S3Client = boto3.client(
            "s3",
            endpoint_url=endpoint_url,
            region_name=region,
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            config=_config(own_server=endpoint_url is not None),
        )

    def put(self, key: str, body: bytes) -> None:
        """Put one object. Raise StorageError if the server refuses it or can't be reached."""
        with _telling():
            self._client.put_object(
                Bucket=self._bucket, Key=key, Body=body, ContentType=CONTENT_TYPE, CacheControl=CACHE_CONTROL
            )

    def list_objects(self) -> Iterator[StoredObject]:
        """Yield the bucket's objects, page after page."""
        with _telling():
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket):
                for one in page.get("Contents", ()):
                    yield StoredObject(one["Key"], one["Size"])

    def delete(self, key: str) -> None:
        """Delete one object."""
        with _telling():
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()


@contextmanager
def _telling() -> Iterator[None]:
    """Turn what the client raises into a StorageError."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        if error.operation_name == "PutObject" and code in _REFUSALS:
            raise StorageRefusedError(
                f"the bucket will not take this miniatura: {code}",
                "check the server's limits, then run 'python -m thumbnail_worker reconcile'",
            ) from error
        raise StorageError(
            f"the bucket refused a request: {code}", "check PONTE_WORKER_S3_BUCKET and the key's rights"
        ) from error
    except BotoCoreError as error:
        raise StorageError(
            f"the storage can't be reached: {type(error).__name__}",
            "check PONTE_WORKER_S3_ENDPOINT_URL and that the server is up",
        ) from error


def _config(*, own_server: bool) -> Config:
    return Config(
        connect_timeout=5,
        read_timeout=20,
        retries={"mode": "standard", "total_max_attempts": 2},
        # Buckets as host names need a DNS of the server's own; checksums are news to older servers.
        s3={"addressing_style": "path" if own_server else "auto"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
