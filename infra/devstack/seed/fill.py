"""Fill SGP's empty tables and its media folder: the same rows and files each time."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from .canaries import plant_in_item
from .dirt import DIRT, build_dirty_order, dirt_ids
from .images import SeedImage, plan_images, write_file
from .items import Item, find_item_id
from .load import Connection, Row, advance_sequences, copy_rows
from .moments import DEFAULT_NOW
from .odd_images import ODD_IMAGES
from .orders import build_order, write_items
from .people import build_revoked_tokens, build_users
from .side_tables import (
    PrintJob,
    build_customers,
    build_machines,
    build_materials,
    build_print_logs,
    build_small_tables,
)

MINIMUM_CLEAN = 2
YEAR = timedelta(days=365)
PRINTED_AFTER = timedelta(days=2)


@dataclass(frozen=True)
class SeedReport:
    """What a seed wrote: rows per table, and where to find what tests look for."""

    pedidos: int
    dirty_pedidos: int
    imagens: int
    arquivos: int
    usuarios: int
    maquinas: int
    print_logs: int
    materiais: int
    clientes: int
    revoked_tokens: int
    clean_ids: range
    dirty_ids: Mapping[str, int] = field(repr=False)
    odd_image_ids: Mapping[str, int] = field(repr=False)


@dataclass
class OrderStream:
    """Clean orders one after the other; what other tables need of them is kept aside."""

    rng: random.Random
    clean_ids: range
    now: datetime
    images: Mapping[int, Mapping[int, int]]
    jobs: list[PrintJob] = field(default_factory=list)
    snapshots: dict[int, Row] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Row]:
        """Build the clean orders, oldest first, spread over the year before `now`."""
        for pedido_id in self.clean_ids:
            row, items = self._build(pedido_id)
            if row["sublimacao"]:
                index = self.rng.randrange(len(items))
                printed = min(self._date(pedido_id) + PRINTED_AFTER, self.now)
                self.jobs.append((pedido_id, find_item_id(pedido_id, index), printed))
            if pedido_id in self.images or pedido_id == 1:
                self.snapshots[pedido_id] = row
            yield row

    def _build(self, pedido_id: int) -> tuple[Row, list[Item]]:
        images = self.images.get(pedido_id)
        row, items = build_order(
            self.rng, pedido_id, created=self._date(pedido_id), now=self.now, images=images
        )
        if pedido_id == self.clean_ids[-1]:
            row["items"] = write_items([plant_in_item(items[0]), *items[1:]])
        return row, items

    def _date(self, pedido_id: int) -> datetime:
        """Place an order in the year, a quarter of them in its last three weeks, each at its own instant."""
        age = YEAR * ((len(self.clean_ids) - pedido_id) / len(self.clean_ids)) ** 2
        return self.now - age - timedelta(hours=1, microseconds=pedido_id * 7919 % 999_983)


def seed(
    conn: Connection,
    media_root: Path,
    *,
    orders: int = 520,
    photos: int = 24,
    random_seed: int = 20260111,
    now: datetime | None = None,
    bcrypt_rounds: int = 4,
) -> SeedReport:
    """Fill an empty schema and the media folder, in one transaction, and report what was written.

    The last `len(DIRT)` of the orders are dirty, one per case; the clean ones before them spread over the
    year before `now` (aware; DEFAULT_NOW if not given). Same arguments, same rows: no clock is read. Only
    the images' `tamanho` may differ between Pillow builds. SGP hashes passwords with 12 bcrypt rounds.

    Raises ValueError if `orders` leaves no room for clean ones.
    """
    clean = find_clean_ids(orders)
    now = now or DEFAULT_NOW
    images = plan_images(make_rng(random_seed, "imagens"), clean[:-1], photos=photos, now=now)
    stream = OrderStream(make_rng(random_seed, "pedidos"), clean, now, map_targets(images))
    with conn.transaction():
        counts = copy_tables(conn, stream, images, random_seed=random_seed, rounds=bcrypt_rounds)
        advance_sequences(conn, counts)
    arquivos = write_media(media_root, images, stream.snapshots)
    return build_report(counts, clean, arquivos=arquivos, photos=photos)


def build_report(counts: Mapping[str, int], clean: range, *, arquivos: int, photos: int) -> SeedReport:
    """Build the report from the rows counted per table."""
    return SeedReport(
        pedidos=counts["pedidos"],
        dirty_pedidos=len(DIRT),
        imagens=counts["pedido_imagens"],
        arquivos=arquivos,
        usuarios=counts["user"],
        maquinas=counts["machines"],
        print_logs=counts["print_logs"],
        materiais=counts["material"],
        clientes=counts["cliente"],
        revoked_tokens=counts["revoked_tokens"],
        clean_ids=clean,
        dirty_ids=dirt_ids(counts["pedidos"]),
        odd_image_ids={odd.name: photos + number for number, odd in enumerate(ODD_IMAGES, start=1)},
    )


def find_clean_ids(orders: int) -> range:
    """Find the clean orders' ids: from 1 to where the dirt begins."""
    clean = range(1, orders - len(DIRT) + 1)
    if len(clean) < MINIMUM_CLEAN:
        raise ValueError(
            f"orders={orders} is fewer than {len(DIRT) + MINIMUM_CLEAN}, the dirt and two clean orders"
        )
    return clean


def copy_tables(
    conn: Connection, stream: OrderStream, images: list[SeedImage], *, random_seed: int, rounds: int
) -> dict[str, int]:
    """Copy every table, referred-to ones first, and count the rows of each."""
    now = stream.now
    users = build_users(make_rng(random_seed, "user"), now=now, rounds=rounds)
    counts = {
        "machines": copy_rows(conn, "machines", build_machines(now)),
        "material": copy_rows(conn, "material", build_materials(make_rng(random_seed, "material"))),
        "cliente": copy_rows(conn, "cliente", build_customers(make_rng(random_seed, "cliente"))),
        "user": copy_rows(conn, "user", users),
        "revoked_tokens": copy_rows(conn, "revoked_tokens", build_revoked_tokens(now)),
        "pedidos": copy_rows(conn, "pedidos", stream),
    }
    first_dirty = len(stream.clean_ids) + 1
    dirty = (build_dirty_order(case, number, now=now) for number, case in enumerate(DIRT, start=first_dirty))
    counts["pedidos"] += copy_rows(conn, "pedidos", dirty)
    counts["pedido_imagens"] = copy_rows(conn, "pedido_imagens", [image.row for image in images])
    logs = build_print_logs(make_rng(random_seed, "print_logs"), stream.jobs)
    counts["print_logs"] = copy_rows(conn, "print_logs", logs)
    return counts | {table: copy_rows(conn, table, rows) for table, rows in build_small_tables(now).items()}


def map_targets(images: list[SeedImage]) -> dict[int, dict[int, int]]:
    """Map order -> item index -> the image that the item points at, the newest of several."""
    targets: dict[int, dict[int, int]] = defaultdict(dict)
    for image in images:
        if image.target is not None:
            targets[image.pedido_id][image.target] = int(str(image.row["id"]))
    return dict(targets)


def write_media(media_root: Path, images: list[SeedImage], snapshots: Mapping[int, Row]) -> int:
    """Write the images' files, and beside them what else lies in that folder; count the images' files."""
    for pedido_id, row in snapshots.items():
        write_beside(
            media_root, f"{pedido_id}/pedido-{pedido_id}.json", json.dumps(row, ensure_ascii=False).encode()
        )
        write_beside(media_root, f"{pedido_id}/Thumbs.db", b"\xd0\xcf\x11\xe0")
    write_beside(media_root, "tmp/00112233445566778899aabbccddeeff.png", b"")
    return sum(write_file(media_root, image) for image in images)


def write_beside(media_root: Path, name: str, content: bytes) -> None:
    """Write a file that no row speaks of."""
    target = media_root / "pedidos" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def make_rng(random_seed: int, table: str) -> random.Random:
    """Make a table's own generator, so that a change to one table leaves the others' rows as they were."""
    return random.Random(f"{random_seed}:{table}")  # noqa: S311
