"""A real S3-compatible server, versitygw, built once into the repository's cache."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.devstack.state import wait_until
from tests.ports import find_free_port
from thumbnail_worker.errors import StorageError
from thumbnail_worker.storage.s3 import S3Storage

VERSION = "v1.8.0"
CACHE = Path(__file__).parents[1] / ".pytest_cache" / f"versitygw-{VERSION}"
BUCKET = "fotos"
ACCESS_KEY_ID = "ponte"
SECRET_ACCESS_KEY = "segredo-da-loja"
needs_go = pytest.mark.skipif(
    shutil.which("go") is None and not (CACHE / "versitygw").exists(),
    reason="Go is not installed, and builds the S3 server",
)


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


def build() -> Path:
    """Return the server's program, built when there is none yet."""
    program = CACHE / "versitygw"
    if not program.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        source = f"github.com/versity/versitygw/cmd/versitygw@{VERSION}"
        environment = {**os.environ, "GOBIN": str(CACHE), "GOFLAGS": "-mod=mod"}
        subprocess.run(["go", "install", source], env=environment, check=True, timeout=500)
    return program


@contextmanager
def run_s3(folder: Path) -> Iterator[S3Server]:
    """Run a server over a folder for the length of a block."""
    port = find_free_port()
    (folder / BUCKET).mkdir(parents=True)
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [build(), "--quiet", "--port", f"127.0.0.1:{port}", "posix", "--nometa", str(folder)],
        env={**os.environ, "ROOT_ACCESS_KEY": ACCESS_KEY_ID, "ROOT_SECRET_KEY": SECRET_ACCESS_KEY},
        stdout=log,
        stderr=log,
    )
    server = S3Server(f"http://127.0.0.1:{port}", folder / BUCKET)
    try:
        assert wait_until(lambda: _answers(server), 30), (folder / "log").read_text()
        yield server
    finally:
        process.terminate()
        process.wait(60)
        log.close()


def _answers(server: S3Server) -> bool:
    with contextlib.suppress(StorageError), contextlib.closing(server.storage()) as storage:
        return list(storage.list_objects()) == []
    return False
