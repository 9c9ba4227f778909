"""Run once, not in the suite: many photos with poison among them, and a worker that is killed all the time.

`python -m tests.benchmarks.soak_photos [--photos 10000] [--kills 50]` prints one object; every good photo
must be served, every bad one explained, and nothing be there twice.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path

from db.engines import Connection, connect
from db.waiting import wait_until
from infra.devstack.seed.odd_images import HEIC, SVG
from infra.devstack.seed.pictures import build_png_header_bomb
from infra.devstack.stack import Stack
from tests.benchmarks.road import start_stack
from tests.fix_photos import draw_jpeg

POISON_EVERY = 100
POISON: tuple[bytes | None, ...] = (
    None, b"", b"isto nao e uma imagem", SVG, HEIC, b"%PDF-1.4", build_png_header_bomb(),
    draw_jpeg(1)[:900], b'{"id": 1}', b"\xff\xd8\xff",
)  # fmt: skip
DEADLINE_S = 550.0


def main() -> int:
    """Return 0 if everything is as it must be."""
    parser = argparse.ArgumentParser(prog="soak_photos", description="Many photos, a worker that is killed.")
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=50)
    arguments = parser.parse_args()
    stack = start_stack()
    try:
        told = soak(stack, arguments.photos, arguments.kills)
    finally:
        stack.supervisor.stop()
    print(json.dumps(told, indent=2))
    return 0 if told["wrong"] == 0 else 1


def soak(stack: Stack, photos: int, kills: int) -> dict[str, float]:
    """Upload, kill, wait, and count."""
    stack.settings.miniaturas.mkdir(exist_ok=True)
    good = upload(stack, photos)
    stack.supervisor.start(stack.services.worker())
    began = time.perf_counter()
    with connect(stack.clusters["vitrine"].conninfo("vitrine")) as vitrine:
        killed = kill_often(stack, vitrine, kills)
        rest = "SELECT count(*) FROM worker.photos WHERE next_at IS NOT NULL"
        done = wait_until(lambda: vitrine.execute(rest).fetchone() == (0,), DEADLINE_S)
        took = time.perf_counter() - began
    return check(stack, good) | {"killed": killed, "finished": done, "seconds": round(took, 1)}


def upload(stack: Stack, photos: int) -> set[str]:
    """Write files and rows as SGP does, one in a hundred poisoned; return the paths of the good ones."""
    names, good = [], set()
    for number in range(photos):
        poisoned = number % POISON_EVERY == POISON_EVERY - 1
        content = POISON[number // POISON_EVERY % len(POISON)] if poisoned else draw_jpeg(number)
        name = f"pedidos/{1 + number % 400}/soak{number}.jpg"
        names.append(name)
        if content is not None:
            (stack.settings.media_root / name).parent.mkdir(parents=True, exist_ok=True)
            (stack.settings.media_root / name).write_bytes(content)
        if not poisoned:
            good.add(name)
    with connect(stack.clusters["sgp"].conninfo("sgp")) as sgp:
        sgp.execute(
            "INSERT INTO pedido_imagens"
            " (pedido_id, item_index, filename, mime_type, path, tamanho, criado_em)"
            " SELECT 1 + n %% 400, 0, 'a.jpg', 'image/jpeg', name, 1, now()"
            " FROM unnest(%s::text[]) WITH ORDINALITY AS given (name, n)",
            [names],
        )
    with connect(stack.clusters["vitrine"].conninfo("vitrine")) as vitrine:
        count = "SELECT count(*) FROM vitrine.imagens"
        wait_until(lambda: (vitrine.execute(count).fetchone() or (0,))[0] >= photos, 60)
    return good


def kill_often(stack: Stack, vitrine: Connection, kills: int) -> int:
    """Kill the worker in the middle of its work, again and again; return how often it was at it."""
    killed = 0
    verdicts = "SELECT count(*) FROM vitrine.miniaturas"
    for _ in range(kills):
        (before,) = vitrine.execute(verdicts).fetchone() or (0,)
        moved = wait_until(
            lambda at=before: (vitrine.execute(verdicts).fetchone() or (0,))[0] > at + random.randrange(30),  # type: ignore[misc]
            30,
        )
        _, process = stack.supervisor._running.pop("worker")
        process.kill()
        process.wait()
        killed += moved
        stack.supervisor.start(stack.services.worker())
    return killed


def check(stack: Stack, good: set[str]) -> dict[str, float]:
    """Count what is right and wrong on the VPS and in the folder."""
    with (
        connect(stack.clusters["vitrine"].conninfo("vitrine")) as vitrine,
        connect(stack.clusters["vps"].conninfo("vps")) as vps,
    ):
        state = (
            "SELECT md5(string_agg(imagem_id || estado || coalesce(chave, motivo), ',' ORDER BY imagem_id))"
        )
        state += " FROM vitrine.miniaturas"
        same = wait_until(
            lambda: vitrine.execute(state).fetchone() == vps.execute(state).fetchone(), DEADLINE_S
        )
        rows = vitrine.execute(
            "SELECT i.path, m.estado, m.chave, m.motivo FROM public.pedido_imagens AS i"
            " LEFT JOIN vitrine.miniaturas AS m ON m.imagem_id = i.id WHERE i.path LIKE '%/soak%'"
        ).fetchall()
        keys = {row[0] for row in vitrine.execute("SELECT chave FROM vitrine.miniaturas").fetchall()}
    served = sum(path in good and estado == "pronta" and is_whole(stack.settings.miniaturas / chave)
                 for path, estado, chave, _ in rows)  # fmt: skip
    explained = sum(path not in good and bool(motivo) for path, _, _, motivo in rows)
    objects = list(stack.settings.miniaturas.rglob("*.webp"))
    surplus = sum(path.relative_to(stack.settings.miniaturas).as_posix() not in keys for path in objects)
    half = sum(1 for path in (stack.settings.miniaturas / ".incoming").glob("*"))
    wrong = len(rows) - served - explained + surplus + (not same)
    return {"photos": len(rows), "served": served, "explained": explained, "surplus_objects": surplus,
            "half_written": half, "wrong": wrong}  # fmt: skip


def is_whole(path: Path) -> bool:
    """Tell whether a file is a whole WebP."""
    content = path.read_bytes() if path.is_file() else b""
    return content[8:12] == b"WEBP" and int.from_bytes(content[4:8], "little") + 8 == len(content)


if __name__ == "__main__":
    sys.exit(main())
