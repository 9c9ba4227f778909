"""Which photo belongs to which item."""

from __future__ import annotations

import pytest

from db.contract import Item
from vps_readapi.pedidos.match_photos import OrderPhoto, match_photos

pytestmark = pytest.mark.unit


def item(indice: int, *, id_: int | None = None, imagem_id: int | None = None) -> Item:
    return Item(
        id=7000 + indice if id_ is None else id_,
        indice=indice,
        imagem_id=imagem_id,
        descricao="",
        especificacoes="",
        observacoes="",
    )


def photo(id_: int, *, index: int | None = None, ident: str | None = None) -> OrderPhoto:
    return OrderPhoto(id=id_, item_index=index, item_identificador=ident, chave=None)


def match(items: list[Item], *photos: OrderPhoto) -> list[int | None]:
    forward = [found.id if found else None for found in match_photos(items, photos)]
    backward = [found.id if found else None for found in match_photos(items, photos[::-1])]
    assert forward == backward, "the order of the rows must not matter"
    return forward


def test_nothing_matches_nothing() -> None:
    assert match([]) == []
    assert match([item(0)]) == [None]
    assert match([], photo(1, index=0)) == []


def test_the_named_photo_comes_before_any_other() -> None:
    items = [item(0, imagem_id=3)]
    assert match(items, photo(3), photo(4, ident="7000"), photo(5, index=0)) == [3]


def test_a_named_photo_that_is_not_there_leaves_the_other_rules() -> None:
    assert match([item(0, imagem_id=99)], photo(4, ident="7000"), photo(5, index=0)) == [4]
    assert match([item(0, imagem_id=99)], photo(5, index=0)) == [5]


def test_the_identifier_comes_before_the_index() -> None:
    assert match([item(0)], photo(4, ident="7000"), photo(5, index=0)) == [4]


def test_an_identifier_of_nobody_leaves_the_index() -> None:
    assert match([item(0)], photo(4, ident="1", index=0)) == [4]
    assert match([item(0)], photo(4, ident="", index=0)) == [4]


def test_the_newest_of_several_counts() -> None:
    assert match([item(0)], photo(4, ident="7000"), photo(6, ident="7000"), photo(5, ident="7000")) == [6]
    assert match([item(0)], photo(4, index=0), photo(6, index=0)) == [6]


def test_a_stale_index_takes_no_photo_from_its_item() -> None:
    """The items changed places after the photo was taken."""
    items = [item(0, id_=7001), item(1, id_=7000)]
    assert match(items, photo(4, ident="7000", index=0)) == [None, 4]
    items = [item(0), item(1, imagem_id=4)]
    assert match(items, photo(4, index=0)) == [None, 4]


def test_items_that_name_one_photo_share_it() -> None:
    assert match([item(0, imagem_id=4), item(1, imagem_id=4)], photo(4, index=0)) == [4, 4]
