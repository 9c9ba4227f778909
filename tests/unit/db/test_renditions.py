"""Keys: of one content each, and what follows from one."""

from __future__ import annotations

import pytest

from db.renditions import is_ours, name_key, name_rendition, read_imagem_id
from thumbnail_worker.photos.recipe import Recipe

pytestmark = pytest.mark.unit

DIGEST = "0123456789abcdef" * 4


def test_a_key_names_photo_content_recipe_and_size() -> None:
    assert name_key(812, DIGEST, recipe="w1", long_edge=640) == "812/0123456789abcdef-w1-640.webp"


def test_keys_of_the_others_follow_from_the_first() -> None:
    first, second = Recipe((640, 1600)).name_keys(812, DIGEST)
    assert name_rendition(first, 1600) == second


@pytest.mark.parametrize(
    ("chave", "wanted"),
    [("812/a.webp", 812), ("812/original", 812), ("812", None), ("a/b", None), ("", None), ("²/a", None)],
)
def test_a_key_tells_its_photo(chave: str, wanted: int | None) -> None:
    assert read_imagem_id(chave) == wanted


def test_a_key_is_known_as_ours() -> None:
    for edge in (16, 640, 8192):
        assert is_ours(name_key(2**31 - 1, DIGEST, recipe="w12", long_edge=edge))


@pytest.mark.parametrize(
    "chave",
    [
        "backup/db.dump",
        "pedidos/1/0123456789abcdef0123456789abcdef.jpg",
        "1/a-w1-640.webp",
        "loja/812/0123456789abcdef-w1-640.webp",
        "0812/0123456789abcdef-w1-640.webp",
        "812/0123456789ABCDEF-w1-640.webp",
        "812/0123456789abcdef-w1-640.webp\n",
        "812/original",
        "",
    ],
)
def test_what_others_keep_is_not_ours(chave: str) -> None:
    assert not is_ours(chave)


def test_what_a_verdict_depends_on() -> None:
    recipe = Recipe((640, 1600))
    assert recipe.name == "w1:640,1600"
    assert recipe.codificador.startswith("w1:640,1600 pillow-")
