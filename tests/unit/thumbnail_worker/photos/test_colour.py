"""Colours: what a phone gets is what littleCMS makes of the original's own pixels, CMYK and wide RGB."""

from __future__ import annotations

import io
import math
import struct
from itertools import product

import pytest
from PIL import Image, ImageCms

from thumbnail_worker.photos.render import arm_pixel_guard, render

pytestmark = pytest.mark.unit

MOST_DELTA_E = 3.0
"""Between littleCMS's colour and the miniatura's, after JPEG or PNG, and WebP; 2.3 is just noticeable."""
INKS = ((0, 174, 239), (236, 0, 140), (255, 242, 0), (35, 31, 32))
"""Cyan, magenta, yellow and black on paper, as sRGB."""


@pytest.fixture(autouse=True)
def _guard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    arm_pixel_guard(4_000_000)


def to_lab(pixel: tuple[int, ...]) -> tuple[float, float, float]:
    """Return an sRGB colour in CIE Lab under D50, by the definitions."""
    linear = [c / 3294.6 if c <= 10.31475 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in pixel[:3]]
    rows = (
        (0.4360747, 0.3850649, 0.1430804),
        (0.2225045, 0.7168786, 0.0606169),
        (0.0139322, 0.0971045, 0.7141733),
    )
    white = (0.9642, 1.0, 0.8249)
    xyz = [
        sum(a * b for a, b in zip(row, linear, strict=True)) / w for row, w in zip(rows, white, strict=True)
    ]
    f = [t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in xyz]
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


def measure_delta_e(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return math.dist(one, other)


def make_cmyk_profile() -> bytes:
    """Return a printer's profile: the Lab of all sixteen overprints, and straight lines between them."""
    grid = bytearray()
    for inks in product((0, 1), repeat=4):
        colour = [255.0] * 3
        for ink, tint in zip(inks, INKS, strict=True):
            colour = [c * (t / 255 if ink else 1) for c, t in zip(colour, tint, strict=True)]
        lightness, a, b = to_lab(tuple(round(c) for c in colour))
        grid += bytes((round(lightness * 2.55), round(a) + 128, round(b) + 128))
    line = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * (n % 4 == 0) for n in range(9)))
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + matrix + line * 4 + bytes(grid) + line * 3
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    text = b"desc\0\0\0\0" + struct.pack(">I", 6) + b"tinta\0" + b"\0" * 78
    tags = {b"desc": text, b"wtpt": white, b"cprt": b"text\0\0\0\0x\0", b"A2B0": table}
    entries, body, at = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        entries += struct.pack(">4sII", name, at + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    header = struct.pack(
        ">I4sI4s4s4s12s4s24xI3i48x", at + len(body), b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ",
        b"\0" * 12, b"acsp", 0, 63190, 65536, 54061,
    )  # fmt: skip
    return header + struct.pack(">I", len(tags)) + entries + body


def make_wide_profile() -> bytes:
    """Return sRGB's profile with a wider green, as cameras and screens have."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    at = profile.index(b"gXYZ")
    (place,) = struct.unpack(">I", profile[at + 4 : at + 8])
    wider = struct.pack(">3i", round(0.205 * 65536), round(0.7 * 65536), round(0.06 * 65536))
    return profile[: place + 8] + wider + profile[place + 20 :]


def ask_littlecms(mode: str, colour: tuple[int, ...], profile: bytes) -> tuple[int, ...]:
    """Return the sRGB of one colour by littleCMS alone, without any picture around it."""
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), mode, "RGB",
        flags=ImageCms.Flags.NOOPTIMIZE,
    )  # fmt: skip
    made = ImageCms.applyTransform(Image.new(mode, (1, 1), colour), transform)
    assert made is not None
    found = made.getpixel((0, 0))
    assert isinstance(found, tuple)
    return found


def show(mode: str, colour: tuple[int, ...], profile: bytes) -> tuple[int, ...]:
    """Return what the miniatura of a plain picture of that colour shows."""
    body = io.BytesIO()
    kind, options = ("JPEG", {"quality": 95}) if mode == "CMYK" else ("PNG", {})
    Image.new(mode, (300, 200), colour).save(body, kind, icc_profile=profile, **options)
    found = Image.open(io.BytesIO(render(body.getvalue()).body)).convert("RGB").getpixel((150, 100))
    assert isinstance(found, tuple)
    return found


LEVELS = (0, 90, 200)
CMYK = [(c, m, y, k) for c, m, y in product(LEVELS, repeat=3) for k in (0, 120)]
WIDE = list(product((0, 60, 128, 255), repeat=3))


@pytest.mark.parametrize(
    ("mode", "colours", "profile"),
    [("CMYK", CMYK, make_cmyk_profile()), ("RGB", WIDE, make_wide_profile())],
    ids=["cmyk", "wide"],
)
def test_colours_are_littlecms_own(mode: str, colours: list[tuple[int, ...]], profile: bytes) -> None:
    differences, untouched = [], []
    for colour in colours:
        wanted = ask_littlecms(mode, colour, profile)
        differences.append(measure_delta_e(to_lab(wanted), to_lab(show(mode, colour, profile))))
        plain = Image.new(mode, (1, 1), colour).convert("RGB").getpixel((0, 0))
        assert isinstance(plain, tuple)
        untouched.append(measure_delta_e(to_lab(wanted), to_lab(plain)))
    print(f"delta E: median {sorted(differences)[len(differences) // 2]:.2f}, most {max(differences):.2f}")  # noqa: T201
    assert max(differences) <= MOST_DELTA_E
    assert max(untouched) > 10, "the profile makes no difference, so nothing was tested"
