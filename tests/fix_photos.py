"""The worker's photos on a road: SGP's folder, new photos in it, and the job that makes them."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from uuid import uuid4

from PIL import Image
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from db.sqlfile import read_blocks
from tests.fix_road import ROLE_PASSWORD, Road
from thumbnail_worker.connection import JobConnection
from thumbnail_worker.photos.job import MiniaturasJob
from thumbnail_worker.photos.maker import PhotoMaker
from thumbnail_worker.photos.messages import PhotoLimits
from thumbnail_worker.photos.metrics import WorkerMetrics
from thumbnail_worker.photos.originals import Media
from thumbnail_worker.photos.pool import RenderPool
from thumbnail_worker.photos.queue import PhotoQueue
from thumbnail_worker.photos.recipe import Recipe
from thumbnail_worker.storage import Storage
from thumbnail_worker.storage.filesystem import FilesystemStorage

ONE_SIZE = Recipe((640,))
MAX_BYTES = 40 * 2**20
MAX_PIXELS = 89_478_485


def draw_jpeg(seed: int = 0, size: tuple[int, int] = (320, 240)) -> bytes:
    """Return a JPEG of its own for each seed."""
    noise = Image.frombytes("RGB", (16, 12), random.Random(seed).randbytes(16 * 12 * 3))
    body = io.BytesIO()
    noise.resize(size).save(body, "JPEG")
    return body.getvalue()


def worker_dsn(road: Road, name: str = "vitrine") -> str:
    """Return how the worker's own role reaches a database: what it may not do shows."""
    return make_conninfo(
        road.servers.clusters[name].conninfo(name), user="ponte_worker", password=ROLE_PASSWORD
    )


@dataclass
class Shop:
    """SGP with a folder of photos, and the worker's parts."""

    road: Road
    media_root: Path
    folder: Path
    """Where the storage keeps its objects."""

    def limits(self, *, seconds: float = 30.0, memory_mb: int = 1536) -> PhotoLimits:
        return PhotoLimits(self.media_root, MAX_BYTES, MAX_PIXELS, memory_mb, seconds)

    def queue(self, *, recipe: Recipe = ONE_SIZE, worker: str | None = None) -> PhotoQueue:
        listen = read_blocks("thumbnail_worker", "photos")["listen_photos"]
        session = JobConnection("vitrine", SecretStr(worker_dsn(self.road)), on_open=listen)
        return PhotoQueue(session, recipe, worker=worker or uuid4().hex)

    @contextmanager
    def job(
        self,
        *,
        storage: Storage | None = None,
        recipe: Recipe = ONE_SIZE,
        processes: int = 1,
        limits: PhotoLimits | None = None,
    ) -> Iterator[MiniaturasJob]:
        """Have the job for the length of a block."""
        darkroom = PhotoMaker(
            RenderPool(processes, limits or self.limits()), storage or FilesystemStorage(self.folder), recipe
        )
        job = MiniaturasJob(
            self.queue(recipe=recipe),
            darkroom,
            Media(self.media_root, max_bytes=MAX_BYTES),
            WorkerMetrics(),
        )
        try:
            yield job
        finally:
            job.close()

    def make_all(self) -> None:
        """Have everything made that waits."""
        with self.job() as job:
            job.run(Event())

    def add(self, content: bytes | None, *, path: str | None = None, pedido_id: int = 1) -> int:
        """Upload a photo as SGP does, the file first; None leaves the file out. Return its id."""
        path = path or f"pedidos/{pedido_id}/{uuid4().hex}.jpg"
        if content is not None:
            target = self.media_root / path.replace("\\", "/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        [[imagem_id]] = self.road.run(
            "sgp",
            "INSERT INTO pedido_imagens"
            " (pedido_id, item_index, filename, mime_type, path, tamanho, criado_em)"
            " VALUES (%s, 0, 'arte.jpg', 'image/jpeg', %s, %s, now()) RETURNING id",
            pedido_id,
            path,
            len(content or b""),
        )
        assert isinstance(imagem_id, int)
        return imagem_id

    def wait_queued(self, *imagem_ids: int) -> None:
        """Wait until photos have come to the queue."""
        query = "SELECT count(*) FROM worker.photos WHERE imagem_id = ANY (%s)"
        self.road.wait(
            lambda: self.road.run("vitrine", query, list(imagem_ids)) == [(len(imagem_ids),)],
            "the photos in the queue",
        )

    def verdict(self, imagem_id: int) -> tuple[object, ...] | None:
        """Return state, reason, key and digest of a photo."""
        query = "SELECT estado, motivo, chave, digest FROM vitrine.miniaturas WHERE imagem_id = %s"
        return next(iter(self.road.run("vitrine", query, imagem_id)), None)
