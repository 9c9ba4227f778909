"""A real S3-compatible server: versitygw, the tool 's3'."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from db import lifetime
from db.waiting import wait_until
from tests.fix_tools import need_tool
from tests.ports import find_free_port
from thumbnail_worker.errors import StorageError
from thumbnail_worker.storage.s3 import S3Storage

BUCKET = "fotos"
ACCESS_KEY_ID = "ponte"
SECRET_ACCESS_KEY = "segredo-da-loja"


@dataclass(frozen=True)
class S3Server:
    """A server with an empty bucket."""

    url: str
    folder: Path

    def storage(self, *, bucket: str = BUCKET, secret: str = SECRET_ACCESS_KEY) -> S3Storage:
        """Return a storage on it."""
        return S3Storage(
            bucket,
            endpoint_url=self.url,
            region="us-east-1",
            access_key_id=ACCESS_KEY_ID,
            secret_access_key=secret,
        )


@contextmanager
def run_s3(folder: Path) -> Iterator[S3Server]:
    """Run a server over a folder for the length of a block."""
    program = need_tool("s3")
    port = find_free_port()
    (folder / BUCKET).mkdir(parents=True)
    log = (folder / "log").open("wb")
    process = lifetime.start(
        [program, "--quiet", "--port", f"127.0.0.1:{port}", "posix", "--nometa", str(folder)],
        env={**os.environ, "ROOT_ACCESS_KEY": ACCESS_KEY_ID, "ROOT_SECRET_KEY": SECRET_ACCESS_KEY},
        stdout=log,
        stderr=log,
    )
    server = S3Server(f"http://127.0.0.1:{port}", folder / BUCKET)
    try:
        assert wait_until(lambda: _answers(server), 60), (folder / "log").read_text()
        yield server
    finally:
        process.terminate()
        process.wait(60)
        log.close()


def _answers(server: S3Server) -> bool:
    with contextlib.suppress(StorageError), contextlib.closing(server.storage()) as storage:
        return list(storage.list_objects()) == []
    return False
