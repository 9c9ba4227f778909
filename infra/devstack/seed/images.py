"""Rows of `pedido_imagens` and the files they speak of, good ones and odd ones."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from .items import find_item_id
from .load import Row
from .moments import stamp
from .odd_images import ODD_IMAGES, OddImage
from .pictures import DISTINCT, SUFFIXES, draw_picture

PHOTOS_PER_ORDER = (1, 2, 3)
ITEM_OF_PHOTO = (0, 0, 1)  # an order's first item has two photos, the newer one counts
BACKSLASH_EVERY = 4


@dataclass(frozen=True)
class SeedImage:
    """One row of `pedido_imagens`, with its file's content, None when there is no file."""

    row: Row
    content: bytes | None
    linked: bool = True

    @property
    def pedido_id(self) -> int:
        """Tell the order."""
        return int(str(self.row["pedido_id"]))

    @property
    def target(self) -> int | None:
        """Tell the index of the item whose `imagem` points here, if one does."""
        index = self.row["item_index"]
        return index if self.linked and isinstance(index, int) else None


def plan_images(rng: random.Random, hosts: Sequence[int], *, photos: int, now: datetime) -> list[SeedImage]:
    """Plan `photos` good images and all the odd ones, over these orders from the last one back.

    Good ones come first, so that their ids are 1 to `photos`; of every four, one has a backslash path.
    """
    places = spread(hosts, photos)
    good = [plan_photo(rng, number, *place, now=now) for number, place in enumerate(places)]
    free = len({pedido_id for pedido_id, _ in places})
    odd = [
        plan_odd(rng, photos + 1 + offset, hosts[-1 - (free + offset) % len(hosts)], case, now=now)
        for offset, case in enumerate(ODD_IMAGES)
    ]
    return good + odd


def plan_odd(
    rng: random.Random, imagem_id: int, pedido_id: int, odd: OddImage, *, now: datetime
) -> SeedImage:
    """Plan one odd image, on the first item of its order."""
    row = build_row(rng, imagem_id, pedido_id, index=0, mime_type="image/jpeg", now=now)
    content = odd.content() if odd.content else None
    row |= {"tamanho": len(content or b""), "path": row["path"] if odd.path is None else odd.path}
    return SeedImage(row | dict(odd.overrides), content, odd.linked)


def spread(hosts: Sequence[int], photos: int) -> list[tuple[int, int]]:
    """Spread photos over orders, the last order first, one to three each: (order, item index) per photo."""
    places: list[tuple[int, int]] = []
    while len(places) < photos:
        for position, pedido_id in enumerate(reversed(hosts)):
            amount = PHOTOS_PER_ORDER[position % len(PHOTOS_PER_ORDER)]
            places += [(pedido_id, index) for index in ITEM_OF_PHOTO[:amount]]
            if len(places) >= photos:
                break
    return places[:photos]


def plan_photo(rng: random.Random, number: int, pedido_id: int, index: int, *, now: datetime) -> SeedImage:
    """Plan one good image."""
    mime_type, content = draw_picture(number % DISTINCT)
    row = build_row(rng, number + 1, pedido_id, index=index, mime_type=mime_type, now=now)
    if number % BACKSLASH_EVERY == BACKSLASH_EVERY - 1:
        row["path"] = str(row["path"]).replace("/", "\\")
    return SeedImage(row | {"tamanho": len(content)}, content)


def build_row(
    rng: random.Random, imagem_id: int, pedido_id: int, *, index: int, mime_type: str, now: datetime
) -> Row:
    """Build an image's row as SGP writes it at upload."""
    name = uuid.UUID(int=rng.getrandbits(128), version=4).hex
    suffix = SUFFIXES[mime_type]
    return {
        "id": imagem_id,
        "pedido_id": pedido_id,
        "item_index": index,
        "item_identificador": str(find_item_id(pedido_id, index)),
        "filename": f"arte final {imagem_id} ção{suffix}",
        "mime_type": mime_type,
        "path": f"pedidos/{pedido_id}/{name}{suffix}",
        "tamanho": 0,
        "criado_em": stamp(now),
    }


def write_file(media_root: Path, image: SeedImage) -> bool:
    """Write an image's file where SGP keeps it, and tell whether there is one."""
    if image.content is None:
        return False
    target = media_root.joinpath(*str(image.row["path"]).replace("\\", "/").split("/"))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(image.content)
    return True
