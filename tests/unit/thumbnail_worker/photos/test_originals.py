"""The photos' folder: which paths lead to a file, and what each of the others is called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from db.motivo import Motivo
from thumbnail_worker.errors import MediaRootError, PhotoError
from thumbnail_worker.photos.originals import Media

pytestmark = pytest.mark.unit

MAX_BYTES = 1000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    (folder / "pedidos" / "1").mkdir(parents=True)
    (folder / "pedidos" / "1" / "a.jpg").write_bytes(b"photo")
    (tmp_path / "segredo.jpg").write_bytes(b"secret")
    return folder


@pytest.fixture
def media(root: Path) -> Media:
    return Media(root, max_bytes=MAX_BYTES)


def verdict_on(media: Media, path: str | None) -> Motivo:
    with pytest.raises(PhotoError) as caught:
        media.read(path)
    return caught.value.motivo


@pytest.mark.parametrize(
    "path", ["pedidos/1/a.jpg", "pedidos\\1\\a.jpg", "pedidos\\1/a.jpg", "pedidos//1/a.jpg"]
)
def test_paths_inside(media: Media, path: str) -> None:
    assert media.read(path) == b"photo"


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "/",
        ".",
        "..",
        "../segredo.jpg",
        "..\\segredo.jpg",
        "pedidos/../../segredo.jpg",
        "pedidos\\..\\..\\segredo.jpg",
        "pedidos/1/../1/a.jpg",
        "pedidos/.. /.. /segredo.jpg",
        "pedidos/.../a.jpg",
        "/etc/hostname",
        "\\pedidos\\1\\a.jpg",
        "C:\\SGP\\media\\pedidos\\1\\a.jpg",
        "C:pedidos\\1\\a.jpg",
        "c:/pedidos/1/a.jpg",
        "\\\\servidor\\media\\pedidos\\1\\a.jpg",
        "//servidor/media/a.jpg",
        "\\\\?\\C:\\a.jpg",
        "pedidos/1/a.jpg:oculto",
        "pedidos/1/CON.jpg",
        "pedidos/1/nul",
        "pedidos/1/Com1.tar.gz",
        "pedidos/1/a.jpg\0.png",
        "pedidos/1/a\n.jpg",
        "http://servidor/a.jpg",
        "data:image/png;base64,AAAA",
        "pedidos/1",
        "pedidos/1/" + "a" * 300 + ".jpg",
    ],
)
def test_paths_that_are_refused(media: Media, path: str | None) -> None:
    assert verdict_on(media, path) is Motivo.CAMINHO_INVALIDO


@pytest.mark.parametrize(
    "path", ["pedidos/1/b.jpg", "pedidos\\2\\a.jpg", "pedidos/1/a.jpg/b.jpg", "console.jpg"]
)
def test_files_that_are_missing(media: Media, path: str) -> None:
    assert verdict_on(media, path) is Motivo.ARQUIVO_AUSENTE


@pytest.mark.skipif(os.name == "nt", reason="symlinks need a privilege there")
@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("../../../segredo.jpg", Motivo.CAMINHO_INVALIDO),
        ("/etc/passwd", Motivo.CAMINHO_INVALIDO),
        ("link.jpg", Motivo.CAMINHO_INVALIDO),
        ("nada.jpg", Motivo.ARQUIVO_AUSENTE),
    ],
)
def test_symlinks_that_lead_nowhere_good(root: Path, media: Media, target: str, wanted: Motivo) -> None:
    (root / "pedidos" / "1" / "link.jpg").symlink_to(target)
    assert verdict_on(media, "pedidos/1/link.jpg") is wanted


@pytest.mark.skipif(os.name == "nt", reason="symlinks need a privilege there")
def test_a_folder_that_is_a_symlink_to_outside(root: Path, media: Media, tmp_path: Path) -> None:
    (root / "pedidos" / "2").symlink_to(tmp_path)
    assert verdict_on(media, "pedidos/2/segredo.jpg") is Motivo.CAMINHO_INVALIDO


@pytest.mark.skipif(os.name == "nt", reason="symlinks need a privilege there")
def test_a_symlink_that_stays_inside_and_a_root_that_is_one(root: Path, tmp_path: Path) -> None:
    (root / "pedidos" / "1" / "link.jpg").symlink_to("a.jpg")
    (tmp_path / "elsewhere").symlink_to(root)
    assert Media(tmp_path / "elsewhere", max_bytes=MAX_BYTES).read("pedidos/1/link.jpg") == b"photo"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
def test_a_pipe_is_not_waited_for(root: Path, media: Media) -> None:
    os.mkfifo(root / "pedidos" / "1" / "pipe.jpg")
    assert verdict_on(media, "pedidos/1/pipe.jpg") is Motivo.CAMINHO_INVALIDO


@pytest.mark.parametrize(("size", "wanted"), [(0, Motivo.VAZIO), (MAX_BYTES + 1, Motivo.GRANDE_DEMAIS)])
def test_sizes_that_are_refused(root: Path, media: Media, size: int, wanted: Motivo) -> None:
    (root / "pedidos" / "1" / "b.jpg").write_bytes(b"x" * size)
    assert verdict_on(media, "pedidos/1/b.jpg") is wanted


def test_the_largest_size(root: Path, media: Media) -> None:
    (root / "pedidos" / "1" / "b.jpg").write_bytes(b"x" * MAX_BYTES)
    assert len(media.read("pedidos/1/b.jpg")) == MAX_BYTES


@pytest.mark.parametrize("made", [False, True])
def test_a_share_that_is_away_condemns_no_photo(tmp_path: Path, made: bool) -> None:
    root = tmp_path / "mount"
    if made:
        root.mkdir()
    with pytest.raises(MediaRootError):
        Media(root, max_bytes=MAX_BYTES).read("pedidos/1/a.jpg")
