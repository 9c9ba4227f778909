"""Which photo belongs to which item."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from db.contract import Item


@dataclass(frozen=True)
class OrderPhoto:
    """One image row of an order, with its miniatura's key where there is one to show."""

    id: int
    item_index: int | None
    item_identificador: str | None
    chave: str | None


def match_photos(items: Sequence[Item], photos: Iterable[OrderPhoto]) -> list[OrderPhoto | None]:
    """Return each item's photo: the one it names, else the newest that says it is the item's.

    A photo goes to the items that name it, else to those whose id it carries, else to the one at its
    index, in SGP's order: an index alone may be stale, so it never takes a photo from its item.
    """
    best: list[tuple[int, int, OrderPhoto] | None] = [None] * len(items)
    for photo in photos:
        rank, places = _find_places(photo, items)
        for place in places:
            held = best[place]
            if held is None or (rank, photo.id) > held[:2]:
                best[place] = (rank, photo.id, photo)
    return [held[2] if held else None for held in best]


def _find_places(photo: OrderPhoto, items: Sequence[Item]) -> tuple[int, list[int]]:
    """Return how well the photo is known to belong, and to which items."""
    named = [n for n, item in enumerate(items) if item.imagem_id == photo.id]
    if named:
        return 3, named
    carried = [n for n, item in enumerate(items) if str(item.id) == photo.item_identificador]
    if carried:
        return 2, carried
    return 1, [n for n, item in enumerate(items) if item.indice == photo.item_index]
