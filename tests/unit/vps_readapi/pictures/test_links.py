"""Signed links to miniaturas."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from vps_readapi.pictures.links import MediaLinks

pytestmark = pytest.mark.unit

KEY = b"m" * 32


@pytest.fixture
def media(tmp_path: Path) -> MediaLinks:
    folder = tmp_path / "media"
    (folder / "7").mkdir(parents=True)
    (folder / "7" / "a.webp").write_bytes(b"picture")
    (tmp_path / "secret.webp").write_bytes(b"secret")
    return MediaLinks("https://loja.example/api/", KEY, folder)


def test_link_is_absolute_stable_and_verifies(media: MediaLinks) -> None:
    link = media.link("7/a.webp")
    assert link is not None
    assert link == media.link("7/a.webp")
    parts = urlsplit(link)
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "loja.example", "/api/miniaturas/7/a.webp")
    assert media.is_signed("7/a.webp", parse_qs(parts.query)["s"][0])


@pytest.mark.parametrize("signature", ["", "x", "ç", "\0", "A" * 22])
def test_other_signatures_are_refused(media: MediaLinks, signature: str) -> None:
    assert not media.is_signed("7/a.webp", signature)


def test_a_signature_is_for_one_key_and_one_file(media: MediaLinks) -> None:
    other = MediaLinks(media.base, b"n" * 32, media.folder)
    assert not media.is_signed("7/a.webp", other.sign("7/a.webp"))
    assert not media.is_signed("7/b.webp", media.sign("7/a.webp"))
    assert not media.is_signed("7/a.webp", media.sign("7/a.webp")[:-1])


def test_no_link_without_a_key_or_a_folder(media: MediaLinks) -> None:
    assert media.link(None) is None
    assert media.link("../secret.webp") is None
    assert MediaLinks(media.base, KEY, None).link("7/a.webp") is None
    assert MediaLinks(media.base, KEY, None).find("7/a.webp") is None


def test_finds_files_below_the_folder(media: MediaLinks) -> None:
    found = media.find("7/a.webp")
    assert found is not None
    assert found.read_bytes() == b"picture"


@pytest.mark.parametrize(
    "chave",
    [
        "",
        ".",
        "..",
        "/",
        "7",
        "7/",
        "7/b.webp",
        "7//a.webp",
        "/7/a.webp",
        "../secret.webp",
        "7/../../secret.webp",
        "7/./a.webp",
        "7\\a.webp",
        "..\\secret.webp",
        "C:/secret.webp",
        "7/a.webp\0",
        "7/a.webp\n",
        "%2e%2e/secret.webp",
        "7/ção.webp",
    ],
)
def test_finds_nothing_else(media: MediaLinks, chave: str) -> None:
    assert media.find(chave) is None


def test_does_not_follow_a_way_out(media: MediaLinks, tmp_path: Path) -> None:
    assert media.folder is not None
    try:
        (media.folder / "out.webp").symlink_to(tmp_path / "secret.webp")
    except OSError:
        pytest.skip("this account may not make symbolic links")
    assert media.find("out.webp") is None
