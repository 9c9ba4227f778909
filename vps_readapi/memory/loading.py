"""From the database to bodies: the one place where orders are read in order to be kept."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from vps_readapi.database import Database
from vps_readapi.memory.bodies import Body
from vps_readapi.memory.prepared import PreparedReads
from vps_readapi.pedidos.keyset import find_place
from vps_readapi.pedidos.match_photos import OrderPhoto
from vps_readapi.pedidos.queries import list_ids, list_photos
from vps_readapi.pedidos.rendering import encode_pedido
from vps_readapi.pedidos.visibility import hide
from vps_readapi.pictures.links import MediaLinks

BATCH = 8
"""Orders rendered at a stretch, about a millisecond: then others have their turn."""


@dataclass(frozen=True)
class Loader:
    """Reads orders with their photos, and renders them."""

    database: Database
    reads: PreparedReads
    media: MediaLinks

    async def load(self, pedido_ids: Sequence[int]) -> dict[int, Body]:
        """Return the bodies of those that exist."""
        bodies: dict[int, Body] = {}
        for place, row in enumerate(await self.reads.read(pedido_ids)):
            if place % BATCH == BATCH - 1:
                await asyncio.sleep(0)
            photos = [OrderPhoto(*one) for one in row.photos or ()]
            content = encode_pedido(row._asdict(), photos, self.media.link)
            if content is not None:
                bodies[row.id] = Body(content, key=find_place(row).sort_key, seen=row.seen)
        return bodies

    async def encode(self, rows: Sequence[Row[Any]], *, hidden: int) -> list[bytes]:
        """Return orders that were read already, without what is hidden, as JSON and in their order."""
        photos = await self.read_photos([row.id for row in rows])
        encoded = []
        for place, row in enumerate(rows):
            if place % BATCH == BATCH - 1:
                await asyncio.sleep(0)
            encoded.append(encode_pedido(row._asdict(), photos.get(row.id, ()), self.media.link))
        return [hide(one, hidden) for one in encoded if one is not None]

    async def read_photos(self, pedido_ids: Sequence[int]) -> dict[int, list[OrderPhoto]]:
        """Return the photos of some orders, by order."""
        photos: defaultdict[int, list[OrderPhoto]] = defaultdict(list)
        if pedido_ids:
            for row in await self.database.fetch(list_photos(pedido_ids)):
                photos[row.pedido_id].append(
                    OrderPhoto(row.id, row.item_index, row.item_identificador, row.chave)
                )
        return photos

    async def read_ids(self, limit: int) -> Sequence[int]:
        """Return the ids of orders, at most `limit`."""
        return [row.id for row in await self.database.fetch(list_ids(limit))]
