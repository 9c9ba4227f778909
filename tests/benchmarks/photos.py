"""The worker's photos: CPU beside libvips, what a second core brings, and the way from upload to phone."""

from __future__ import annotations

import atexit
import io
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import venv
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from statistics import median

from PIL import Image

from db import lifetime
from db.engines import connect
from db.waiting import wait_until
from infra.devstack.clusters import HOST
from infra.devstack.phone import Phone
from infra.devstack.stack import Stack
from tests.benchmarks.road import start_stack
from tests.ports import find_free_port
from thumbnail_worker.photos.job import MiniaturasJob
from thumbnail_worker.photos.messages import Made, PhotoLimits, Task
from thumbnail_worker.photos.pool import RenderPool
from thumbnail_worker.photos.render import arm_pixel_guard, render

SIZE = (4000, 3000)
ROUNDS = 25
PHOTOS = 48
TURNS = 7
UPLOADS = 25
DEADLINE_S = 30.0
PEERS = Path(__file__).parents[2] / ".pytest_cache" / "peer-pyvips"


@cache
def draw_photo() -> bytes:
    """Return a 12-megapixel JPEG with structure at every scale, as cameras make."""
    photo = Image.new("RGB", SIZE, (128, 128, 128))
    for cells, weight in ((4, 0.6), (16, 0.5), (64, 0.4), (256, 0.3), (1000, 0.15)):
        layer = Image.frombytes("RGB", (cells, cells), random.Random(cells).randbytes(cells * cells * 3))
        photo = Image.blend(photo, layer.resize(SIZE, Image.Resampling.BICUBIC), weight)
    body = io.BytesIO()
    photo.save(body, "JPEG", quality=88)
    return body.getvalue()


def compare_with_vips() -> float:
    """Return the ratio of the CPU times of one photo, the medians of rounds taken in turns."""
    arm_pixel_guard(89_478_485)
    content = draw_photo()
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        file.write(content)
        file.flush()
        command = [_find_pyvips(), str(Path(__file__).parent / "peers" / "vips.py"), file.name]
        with lifetime.start(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "VIPS_CONCURRENCY": "1"},
        ) as peer:
            pairs = [(_time_ours(content), _time_theirs(peer)) for _ in range(ROUNDS + 3)][3:]
            assert peer.stdin is not None
            peer.stdin.close()
    return median(one for one, _ in pairs) / median(other for _, other in pairs)


def _time_ours(content: bytes) -> float:
    began = time.process_time()
    render(content)
    return time.process_time() - began


def _time_theirs(peer: lifetime.Child) -> float:
    if peer.stdin is None or peer.stdout is None:
        raise RuntimeError("the peer has no pipes")
    peer.stdin.write("\n")
    peer.stdin.flush()
    return float(peer.stdout.readline())


def _find_pyvips() -> str:
    """Return the interpreter of an environment with libvips, made when there is none."""
    python = PEERS / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not python.exists():
        venv.create(PEERS, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "-q", "pyvips[binary]>=3,<4"]
        subprocess.run(install, check=True, stdout=sys.stderr)
    return str(python)


def compare_cores() -> float:
    """Return how many times as many photos two rendering processes make as one: the median of turns."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.jpg").write_bytes(draw_photo())
        rates = [(_measure_rate(folder, 1), _measure_rate(folder, 2)) for _ in range(TURNS)]
    return median(two / one for one, two in rates)


def _measure_rate(folder: str, processes: int) -> float:
    pool = RenderPool(processes, PhotoLimits(Path(folder), 2**26, 89_478_485, 1536, 30))
    task = Task(1, "a.jpg", (640,))

    def make(_: int) -> None:
        if not isinstance(pool.make(task), Made):
            raise RuntimeError("the photo was not made")  # noqa: TRY004 - no matter of types

    with ThreadPoolExecutor(processes + 2) as threads:
        list(threads.map(make, range(4 * processes)))  # started and warm
        began = time.perf_counter()
        list(threads.map(make, range(PHOTOS)))
        took = time.perf_counter() - began
    pool.close()
    return PHOTOS / took


def measure_upload() -> float:
    """Return the median milliseconds from the commit of an upload until a phone can fetch the miniatura.

    The whole stack: SGP's row, both hops, the worker, a signed upload to the VPS's ingest, the API.
    """
    stack = start_stack()
    _start_services(stack)
    phone = Phone(stack.settings.api_url)
    phone.log_in()
    query = "SELECT count(*) FROM vitrine.imagens WHERE id NOT IN (SELECT imagem_id FROM vitrine.miniaturas)"
    with connect(stack.clusters["vps"].conninfo("vps")) as vps:
        if not wait_until(lambda: vps.execute(query).fetchone() == (0,), 60):
            raise TimeoutError("the seed's photos were not made")
    return median([_upload(stack, phone, number) for number in range(UPLOADS + 3)][3:])


def _start_services(stack: Stack) -> None:
    """Start the API and the ingest over one folder, and a worker that knows only the ingest."""
    stack.settings.miniaturas.mkdir(exist_ok=True)
    atexit.register(stack.supervisor.stop)
    key, port = "i" * 40, find_free_port()
    ingest = {
        "PONTE_INGEST_KEY": key,
        "PONTE_INGEST_PORT": str(port),
        "PONTE_INGEST_MEDIA_DIR": str(stack.settings.miniaturas),
    }
    worker = {
        "PONTE_SECRETS_DIR": str(stack.settings.folders.worker),
        "PONTE_WORKER_MEDIA_ROOT": str(stack.settings.media_root),
        "PONTE_WORKER_STORAGE": "vps",
        "PONTE_WORKER_VPS_URL": f"http://{HOST}:{port}",
        "PONTE_INGEST_KEY": key,
    }
    stack.supervisor.start(stack.services.api())
    stack.supervisor.start(stack.services.make("ingest", "vps_readapi.ingest", ingest, ready=lambda: True))
    stack.supervisor.start(
        stack.services.make("worker", "thumbnail_worker", worker, ready=stack.services.heart_beats)
    )


def _upload(stack: Stack, phone: Phone, number: int) -> float:
    """Upload a 12-megapixel photo to an order's first item, and ask as its phone does until it is there.

    The job is at rest when it comes: a person does not send the next one within milliseconds of the last.
    """
    time.sleep(2 * MiniaturasJob.least_s)
    name = f"pedidos/1/bench{number}.jpg"
    (stack.settings.media_root / name).write_bytes(draw_photo())
    with connect(stack.clusters["sgp"].conninfo("sgp")) as sgp:
        row = sgp.execute(
            "INSERT INTO pedido_imagens"
            " (pedido_id, item_index, item_identificador, filename, mime_type, path,"
            " tamanho, criado_em) VALUES (1, 0, NULL, 'arte.jpg', 'image/jpeg', %s, %s, now()) RETURNING id",
            [name, len(draw_photo())],
        ).fetchone()
    began = time.perf_counter()
    mark = f"/miniaturas/{row[0]}/" if row else ""
    if not wait_until(lambda: _is_served(phone, mark), DEADLINE_S):
        raise TimeoutError(f"photo {mark} was not to be had")
    return (time.perf_counter() - began) * 1000


def _is_served(phone: Phone, mark: str) -> bool:
    for item in phone.get_pedido(1)["items"]:
        url = item.get("imagem_url") or ""
        if mark in url and urllib.parse.urlsplit(url).scheme == "http":
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  # loopback
                return bool(answer.read()[8:12] == b"WEBP")
    return False


FIGURES = {
    "thumb_cpu_vs_vips": compare_with_vips,
    "thumb_two_cores_vs_one": compare_cores,
    "upload_to_visible_ms_median": measure_upload,
}
