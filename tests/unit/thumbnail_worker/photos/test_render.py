"""Rendering: what a miniatura looks like, and the verdict on each kind of bad photo."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image, ImageCms, ImageDraw

from db.motivo import Motivo
from thumbnail_worker.errors import PhotoError
from thumbnail_worker.photos.render import Rendered, arm_pixel_guard, render

pytestmark = pytest.mark.unit

ORIENTATION = 0x0112
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 160, 0), (0, 0, 255), (255, 255, 255)


@pytest.fixture(autouse=True)
def _guard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    arm_pixel_guard(4_000_000)


def draw(size: tuple[int, int] = (1200, 800), mode: str = "RGB") -> Image.Image:
    """Return a picture whose left half is red and whose right half is blue."""
    picture = Image.new("RGB", size, RED)
    ImageDraw.Draw(picture).rectangle((size[0] // 2, 0, *size), fill=BLUE)
    return picture.convert(mode)


def save(picture: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    body = io.BytesIO()
    picture.save(body, kind, **options)
    return body.getvalue()


def look(made: Rendered) -> Image.Image:
    picture = Image.open(io.BytesIO(made.body))
    assert picture.format == "WEBP"
    assert picture.size == (made.largura, made.altura)
    return picture


def is_near(pixel: object, colour: tuple[int, ...], within: int = 40) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(a - b) <= within for a, b in zip(pixel, colour, strict=True))


def verdict_on(original: bytes) -> Motivo:
    with pytest.raises(PhotoError) as caught:
        render(original)
    return caught.value.motivo


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ((1200, 800), (640, 427)),
        ((800, 1200), (427, 640)),
        ((640, 640), (640, 640)),
        ((100, 50), (100, 50)),
        ((3000, 1), (640, 1)),
    ],
)
def test_long_edge_is_at_most_640_and_nothing_is_enlarged(
    given: tuple[int, int], wanted: tuple[int, int]
) -> None:
    made = render(save(draw(given), "PNG"))
    assert (made.largura, made.altura) == wanted


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_each_format_keeps_its_colours(kind: str) -> None:
    picture = look(render(save(draw(), kind))).convert("RGB")
    assert is_near(picture.getpixel((50, 200)), RED)
    assert is_near(picture.getpixel((600, 200)), BLUE)


def test_jpeg_is_scaled_while_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[tuple[int, int]] = []
    load = Image.Image.resize

    def resize(self: Image.Image, *args: object, **options: object) -> Image.Image:
        decoded.append(self.size)
        return load(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Image.Image, "resize", resize)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40_000_000)
    render(save(Image.new("RGB", (6000, 4000), RED)))
    assert decoded[0] == (1500, 1000)


def test_orientation_is_applied() -> None:
    turned = Image.Exif()
    turned[ORIENTATION] = 6
    made = render(save(draw(), exif=turned))
    assert (made.largura, made.altura) == (427, 640)
    picture = look(made).convert("RGB")
    assert is_near(picture.getpixel((200, 50)), RED)
    assert is_near(picture.getpixel((200, 600)), BLUE)


@pytest.mark.parametrize("size", [(1200, 800), (60, 40)])
def test_broken_exif_costs_the_orientation_only(size: tuple[int, int]) -> None:
    made = render(save(draw(size), exif=b"Exif\0\0" + b"\xff" * 40))
    assert made.largura > made.altura


def test_metadata_stays_behind() -> None:
    told = Image.Exif()
    told[0x010E] = "Rua das Flores 12"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    made = render(save(draw(), exif=told, icc_profile=profile, comment=b"segredo"))
    assert not {b"EXIF", b"XMP ", b"ICCP"} & {made.body[i : i + 4] for i in range(len(made.body))}
    assert b"Flores" not in made.body


def test_cmyk_becomes_srgb() -> None:
    picture = look(render(save(draw(mode="CMYK"))))
    assert picture.mode == "RGB"
    assert is_near(picture.getpixel((50, 200)), RED)


def test_profile_is_applied() -> None:
    swapped = make_swapped_profile()
    picture = look(render(save(Image.new("RGB", (200, 200), RED), "PNG", icc_profile=swapped)))
    assert is_near(picture.getpixel((100, 100)), GREEN, within=100)


def make_swapped_profile() -> bytes:
    """Return sRGB's profile with the places of its red and green primaries swapped."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"\0tmp").replace(b"gXYZ", b"rXYZ").replace(b"\0tmp", b"gXYZ")


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "L"])
def test_broken_profile_counts_for_none(mode: str) -> None:
    assert look(render(save(draw(mode=mode), icc_profile=b"not a profile" * 20))).mode == "RGB"


def test_profile_of_another_colour_space_counts_for_none() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = look(render(save(draw(mode="CMYK"), icc_profile=profile)))
    assert is_near(picture.getpixel((50, 200)), RED)


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (700, 700), colour) for colour in (RED, GREEN, BLUE)]
    picture = look(render(save(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100)))
    assert not getattr(picture, "is_animated", False)
    assert is_near(picture.convert("RGB").getpixel((300, 300)), RED)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_kept(mode: str) -> None:
    clear = Image.new("RGBA", (900, 900), (0, 0, 0, 0)).convert("LA" if mode == "LA" else "RGBA")
    given = clear.convert("P") if mode == "P" else clear
    options = {"transparency": 0} if mode == "P" else {}
    picture = look(render(save(given, "PNG", **options)))
    pixel = picture.convert("RGBA").getpixel((300, 300))
    assert isinstance(pixel, tuple)
    assert pixel[3] == 0


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA"])
def test_every_mode_can_be_rendered(mode: str) -> None:
    made = render(save(draw(mode=mode), "PNG"))
    assert (made.largura, made.altura) == (640, 427)


def test_sixteen_bits_are_not_clipped_to_white() -> None:
    grey = Image.new("I;16", (100, 100), 0x4000)
    picture = look(render(save(grey, "PNG"))).convert("RGB")
    assert is_near(picture.getpixel((50, 50)), (64, 64, 64), within=4)


def test_wrong_suffix_does_not_matter() -> None:
    # A PNG that is called .jpg is decoded by its content.
    assert render(save(draw(), "PNG")).largura == 640


@pytest.mark.parametrize(
    "original",
    [
        pytest.param("isto não é uma imagem\n".encode(), id="text"),
        pytest.param(b"%PDF-1.4\n%%EOF\n", id="pdf"),
        pytest.param(b'<svg xmlns="http://www.w3.org/2000/svg"/>', id="svg"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", id="eps"),
        pytest.param(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 200, id="heic"),
        pytest.param(b'{"id": 1, "items": []}', id="snapshot"),
        pytest.param(b"\xff\xd8\xff", id="jpeg-of-three-bytes"),
    ],
)
def test_what_is_no_image(original: bytes) -> None:
    assert verdict_on(original) is Motivo.NAO_E_IMAGEM


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "BMP"])
@pytest.mark.parametrize("size", [(1200, 800), (300, 200)])
def test_truncated(kind: str, size: tuple[int, int]) -> None:
    noise = Image.effect_noise(size, 90).convert("RGB")
    whole = save(noise, kind)
    assert verdict_on(whole[: len(whole) // 2]) is Motivo.TRUNCADA


@pytest.mark.parametrize("side", [2001, 60_000])
def test_bomb(side: int) -> None:
    assert verdict_on(make_png_header(side)) is Motivo.PIXELS_DEMAIS


def make_png_header(side: int) -> bytes:
    """Return a PNG of that many pixels a side that has next to no data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def test_memory_that_does_not_suffice_is_a_matter_of_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    def starve(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "thumbnail", starve)
    assert verdict_on(save(draw())) is Motivo.PIXELS_DEMAIS


def _flip(original: bytes, at: int) -> bytes:
    return original[:at] + bytes([original[at] ^ 0xFF]) + original[at + 1 :]


@pytest.mark.parametrize("make", [lambda: save(draw((90, 60))), lambda: save(draw((90, 60), "P"), "PNG")])
def test_a_flipped_byte_is_a_picture_or_a_verdict(make: Callable[[], bytes]) -> None:
    original = make()
    outcomes: set[str] = set()
    for at in range(len(original)):
        try:
            outcomes.add(type(render(_flip(original, at))).__name__)
        except PhotoError as error:
            outcomes.add(error.motivo)
    assert {"Rendered", Motivo.NAO_E_IMAGEM, Motivo.TRUNCADA} <= outcomes
